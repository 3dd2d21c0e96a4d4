//! What is decided of a grant, without a cluster. Names differ in every place, so that a swap fails.

use super::*;
use crds::account::Reservation;
use crds::cloud_platform::PoolStatus;
use crds::{ConditionStatus, Quantity, Reason};
use serde_json::{Value, json};

use crate::member::QuotaSeen;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn grant(spec: &Value) -> TenantQuota {
    let mut full = json!({
        "platform": "zj-node", "zone": "Extranet", "pool": "x86", "hard": { "cpu": 6 },
        "namespaces": [{ "name": "web", "hard": { "cpu": 4 } }],
    });
    for (key, value) in spec.as_object().unwrap() {
        full[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota", "spec": full,
        "metadata": { "name": "fangxun", "namespace": "qp-shuiwu", "uid": "uid-7", "generation": 3 },
    }))
    .unwrap()
}

fn world() -> World {
    let tenant = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "shuiwu" },
        "spec": { "displayName": { "zh": "水务局" }, "level": "City", "owners": [{ "kind": "User", "name": "post-3" }] },
        "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-01-01T00:00:00Z" }] },
    });
    let platform = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "zj-node" },
        "spec": {
            "displayName": { "zh": "湛江节点" }, "tier": "City", "provision": "SelfBuilt", "owner": "市局",
            "clusters": [{ "name": "zj-1", "zone": "Extranet", "connection": { "kubeconfigSecret": "k" } }],
            "pools": [{ "name": "x86", "zone": "Extranet", "architecture": "amd64", "cluster": "zj-1", "capacity": { "cpu": 40 } }],
        },
    });
    World {
        platform: serde_json::from_value(platform).unwrap(),
        tenant: serde_json::from_value(tenant).unwrap(),
        budgets: Vec::new(),
        lease: None,
        freezes: Vec::new(),
        backing: ResourceList::default(),
        leaves: Leaves {
            seen: [(key("web"), LeafSeen::Absent(at(0)))].into(),
            ..Leaves::default()
        },
        steady: at(100),
        grace_days: 30,
        contact: Contact::Fine,
        settle: SignedDuration::from_secs(60),
        today: Day("2026-11-22".parse().unwrap()),
        prefixes: ("oidc:".into(), String::new()),
    }
}

fn key(name: &str) -> LeafKey {
    ("zj-1".into(), format!("shuiwu-{name}"))
}

/// A pool of 40 CPU with a promise to the grant of a generation.
fn pool(world: &mut World, granted: i64, promised: Option<(i64, i64)>) {
    let cpu = |units| [("requests.cpu", Quantity::units(units))].into();
    let pending = promised.map(|(generation, units)| Reservation {
        uid: "uid-7".into(),
        grant: "qp-shuiwu/fangxun".into(),
        generation,
        attempt: 0,
        amount: cpu(units),
    });
    let account = Account {
        total: cpu(40),
        granted: cpu(granted),
        pending: pending.into_iter().collect(),
        held: ResourceList::default(),
        fence: 7,
    };
    let pool = PoolStatus {
        name: "x86".into(),
        zone: crds::words::Zone::Extranet,
        account,
        free: ResourceList::default(),
        used: None,
    };
    let platform = world.platform.as_mut().unwrap();
    platform.status.get_or_insert_default().pools = vec![pool];
}

fn ready(plan: &Plan<TenantQuotaStatus>) -> (ConditionStatus, Reason) {
    let condition = plan.status.conditions.get(ConditionType::Ready).unwrap();
    (condition.status, condition.reason.parse().unwrap())
}

#[test]
fn refusals_write_nothing_and_say_why() {
    let cases = [
        (json!({ "pool": "arm" }), Reason::UnknownPool),
        (json!({ "zone": "Internet" }), Reason::ZoneMismatch),
        (
            json!({ "hard": { "nvidia.com/gpu": 1 } }),
            Reason::NotEnforced,
        ),
        (
            json!({ "hard": { "requests.nvidia.com/gpu": 1 } }),
            Reason::NotInPool,
        ),
        (
            json!({ "hard": { "cpu": 1, "requests.cpu": 1 } }),
            Reason::DuplicateResource,
        ),
        (json!({ "hard": { "cpu": 3 } }), Reason::SharesExceedGrant),
        (
            json!({ "namespaces": [{ "name": "x".repeat(60) }] }),
            Reason::NameTooLong,
        ),
        (json!({ "hard": { "cpu": 41 } }), Reason::PoolExhausted),
    ];
    for (spec, reason) in cases {
        let mut world = world();
        pool(&mut world, 0, None);
        let plan = TenantQuotas::plan(&grant(&spec), &world, at(100));
        assert_eq!(ready(&plan), (ConditionStatus::False, reason), "{spec}");
        assert_eq!(plan.children, Children::Keep, "{spec}");
        assert!(plan.status.leaves.is_empty(), "{spec}");
    }
}

#[test]
fn a_frozen_platform_names_where_growth_goes_and_an_exception_lets_it_grow() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let spec = &mut world.platform.as_mut().unwrap().spec;
    spec.expansion = crds::cloud_platform::Expansion::Frozen;
    spec.growth_goes_to = Some("sheng".into());
    let plan = TenantQuotas::plan(&grant(&json!({})), &world, at(100));
    assert_eq!(ready(&plan).1, Reason::PlatformFrozen);
    assert!(
        plan.status
            .conditions
            .get(ConditionType::Ready)
            .unwrap()
            .message
            .contains("sheng")
    );
    let excepted = |until: &str| {
        grant(&json!({ "frozenException": { "by": "p", "date": "2026-01-01", "until": until } }))
    };
    let ended = TenantQuotas::plan(&excepted("2026-11-21"), &world, at(100));
    assert_eq!(ready(&ended).1, Reason::PlatformFrozen);
    let plan = TenantQuotas::plan(&excepted("2026-11-22"), &world, at(100));
    assert_eq!(plan.status.admitted.of("requests.cpu"), Quantity::units(6));
}

#[test]
fn a_freeze_holds_growth_back_and_gives_back_what_was_promised() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let freeze = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": "dong" },
        "spec": { "title": { "zh": "封网" }, "type": "Freeze", "reason": "r", "from": at(50), "to": at(200) },
    });
    world.freezes = vec![serde_json::from_value(freeze).unwrap()];
    let plan = TenantQuotas::plan(&grant(&json!({})), &world, at(100));
    assert_eq!(
        ready(&plan),
        (ConditionStatus::Unknown, Reason::ChangeFrozen)
    );
    assert_eq!(plan.children, Children::Keep);
    assert_eq!(
        (plan.status.attempt, plan.status.admitted.clone()),
        (1, ResourceList::default())
    );
    for outside in [49, 200] {
        let plan = TenantQuotas::plan(&grant(&json!({})), &world, at(outside));
        assert_eq!(plan.status.admitted.of("requests.cpu"), Quantity::units(6));
    }
}

#[test]
fn a_promise_to_another_generation_is_not_taken_up() {
    let mut world = world();
    pool(&mut world, 0, Some((2, 6)));
    let plan = TenantQuotas::plan(&grant(&json!({})), &world, at(100));
    assert!(plan.status.admitted.is_empty());
    assert_eq!(
        plan.status,
        TenantQuotaStatus::default(),
        "and nothing is said before the pool has answered"
    );
}

#[test]
fn what_is_promised_is_stored_before_any_child_is_written() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let plan = TenantQuotas::plan(&grant(&json!({})), &world, at(100));
    assert!(plan.ledger_first);
    assert_eq!(
        plan.status.leaves[0].ceiling.of("requests.cpu"),
        Quantity::units(4)
    );
    assert_eq!(
        plan.status.leaves[0]
            .ceiling
            .0
            .get("services.loadbalancers"),
        Some(&Quantity::ZERO)
    );
    let Children::Exactly(children) = &plan.children else {
        panic!("{:?}", plan.children)
    };
    assert_eq!(children.len(), 6);
    assert_eq!(
        ready(&plan),
        (ConditionStatus::False, Reason::AwaitingEnforcement)
    );
}

fn in_force(status: &TenantQuotaStatus) -> LeafSeen {
    let entry = &status.leaves[0];
    let quota = QuotaSeen {
        epoch: entry.epoch,
        hard: entry.target.clone(),
        in_force: Some(entry.target.clone()),
        used: Some(entry.target.above(&entry.target)),
        shown_since: Some(at(101)),
    };
    LeafSeen::Present {
        uid: "n".into(),
        terminating: false,
        quota: Some(quota),
    }
}

#[test]
fn a_second_pass_over_an_unchanged_world_decides_the_same() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let mut quota = grant(&json!({}));
    for second in [100, 102] {
        let plan = TenantQuotas::plan(&quota, &world, at(second));
        world.leaves.seen.insert(key("web"), in_force(&plan.status));
        quota.status = Some(plan.status);
        pool(&mut world, 6, None);
    }
    let quiet = TenantQuotas::plan(&quota, &world, at(5000));
    assert_eq!(ready(&quiet), (ConditionStatus::True, Reason::InForce));
    assert_eq!(Some(&quiet.status), quota.status.as_ref());
    assert!(!quiet.ledger_first);
    assert_eq!(quiet.requeue, None);
}

#[test]
fn a_member_that_is_lost_keeps_everything_and_is_unknown() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let mut quota = grant(&json!({}));
    quota.status = Some(TenantQuotas::plan(&quota, &world, at(100)).status);
    let before = quota.status.clone().unwrap();
    world.leaves.seen.insert(key("web"), LeafSeen::Unknown);
    world.contact = Contact::Lost("zj-node/zj-1".into(), at(50), "timed out".into());
    let plan = TenantQuotas::plan(&quota, &world, at(200));
    assert_eq!(
        ready(&plan),
        (ConditionStatus::Unknown, Reason::MemberUnreachable)
    );
    assert_eq!(
        (plan.status.leaves, plan.status.admitted),
        (before.leaves, before.admitted)
    );
    assert_eq!(plan.status.used, None);
    assert_eq!(plan.children, Children::Keep);
}

#[test]
fn a_restart_of_the_operator_is_no_event_in_the_life_of_a_grant() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let mut quota = grant(&json!({}));
    quota.status = Some(TenantQuotas::plan(&quota, &world, at(100)).status);
    world.contact = Contact::Pending;
    world.leaves.seen.insert(key("web"), LeafSeen::Unknown);
    assert_eq!(
        Some(TenantQuotas::plan(&quota, &world, at(200)).status),
        quota.status
    );
}

#[test]
fn a_deleted_grant_with_use_drains_and_with_an_unknown_member_waits() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let mut quota = grant(&json!({}));
    let status = TenantQuotas::plan(&quota, &world, at(100)).status;
    let mut seen = in_force(&status);
    if let LeafSeen::Present {
        quota: Some(quota), ..
    } = &mut seen
    {
        quota.used = Some([("requests.cpu", Quantity::units(1))].into());
    }
    world.leaves.seen.insert(key("web"), seen);
    quota.status = Some(status);
    quota.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        at(150),
    ));
    let plan = TenantQuotas::plan(&quota, &world, at(200));
    assert_eq!(ready(&plan).1, Reason::Draining);
    assert!(plan.finalizer && plan.remove.is_empty());
    quota.spec.deletion_policy = DeletionPolicy::Delete;
    let plan = TenantQuotas::plan(&quota, &world, at(200));
    assert_eq!(plan.remove.len(), 1);
    assert!(plan.finalizer);
    world.contact = Contact::Lost("zj-node/zj-1".into(), at(50), "timed out".into());
    world.leaves.seen.insert(key("web"), LeafSeen::Unknown);
    let plan = TenantQuotas::plan(&quota, &world, at(200));
    assert_eq!(ready(&plan).1, Reason::MemberUnreachable);
    assert!(plan.finalizer && plan.remove.is_empty());
}

#[test]
fn above_the_grant_becomes_a_finding_when_the_grace_is_over() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let mut quota = grant(&json!({}));
    let first = TenantQuotas::plan(&quota, &world, at(100));
    quota.status = Some(first.status);
    pool(&mut world, 6, None);
    quota.spec.hard = [("cpu", Quantity::units(1))].into();
    quota.spec.namespaces[0].hard = quota.spec.hard.clone();
    quota.metadata.generation = Some(4);
    let mut busy = in_force(quota.status.as_ref().unwrap());
    if let LeafSeen::Present {
        quota: Some(quota), ..
    } = &mut busy
    {
        quota.used = Some(quota.hard.clone());
    }
    world.leaves.seen.insert(key("web"), busy);
    let days = |days: i64| at(200 + days * 86_400);
    let mut said = Vec::new();
    for now in [days(0), days(29), days(30)] {
        let plan = TenantQuotas::plan(&quota, &world, now);
        let over = plan
            .status
            .conditions
            .get(ConditionType::OverGrant)
            .unwrap();
        said.push((over.status, over.reason.clone(), plan.requeue));
        quota.status = Some(plan.status);
    }
    let day = Duration::from_hours(24);
    let soon = |left: Option<Duration>, wait| {
        left.is_some_and(|left| left >= wait && left < wait + Duration::from_secs(1))
    };
    assert!(
        said.iter()
            .all(|(status, ..)| *status == ConditionStatus::True),
        "{said:?}"
    );
    assert_eq!(
        (said[0].1.as_str(), said[1].1.as_str(), said[2].1.as_str()),
        ("OverGrant", "OverGrant", "OverGrantOverdue")
    );
    assert!(
        soon(said[0].2, 30 * day) && soon(said[1].2, day),
        "{said:?}"
    );
}

#[test]
fn what_a_budget_refuses_is_given_back_to_the_pool() {
    let mut world = world();
    pool(&mut world, 0, Some((3, 6)));
    let total: ResourceList = [("requests.cpu", Quantity::units(5))].into();
    let budget = Account {
        total,
        ..Account::default()
    };
    world.budgets = vec![("shi".into(), budget)];
    let mut quota = grant(&json!({}));
    let refused = TenantQuotas::plan(&quota, &world, at(100));
    assert_eq!(ready(&refused).1, Reason::BudgetExhausted);
    assert_eq!(refused.status.attempt, 1);
    // The pool's promise to the first attempt is still there, and no longer counts.
    quota.status = Some(refused.status);
    world.budgets.clear();
    let waits = TenantQuotas::plan(&quota, &world, at(101));
    assert_eq!(ready(&waits).1, Reason::AwaitingPool);
    assert_eq!(
        (waits.status.attempt, waits.status.admitted.is_empty()),
        (1, true)
    );
}
