use super::*;
use crds::tenant::{Level, TenantSpec};
use crds::words::DisplayName;

fn unit(name: &str, level: Level, parent: Option<&str>) -> Tenant {
    Tenant::new(
        name,
        TenantSpec {
            display_name: DisplayName {
                zh: name.into(),
                en: None,
            },
            level,
            parent: parent.map(Into::into),
            credit_code: None,
            division: None,
            owners: Vec::new(),
            authority_groups: Vec::new(),
            approvers: Vec::new(),
            responsible_post: None,
            mlps_ceiling: None,
            budget: None,
            money_budget: None,
            deletion_policy: DeletionPolicy::Retain,
        },
    )
}

fn reason(units: &[Tenant], of: &str) -> Result<Vec<String>, Reason> {
    let find = |name: &str| units.iter().find(|t| name_of(t) == name).cloned();
    above(&find(of).unwrap(), find)
        .map(|c| c.iter().map(|t| name_of(t).to_owned()).collect())
        .map_err(|v| v.reason)
}

#[test]
fn parents_are_followed_to_the_root() {
    let units = [
        unit("sheng", Level::Province, None),
        unit("shi", Level::City, Some("sheng")),
        unit("ju", Level::City, Some("shi")),
    ];
    assert_eq!(reason(&units, "ju"), Ok(vec!["shi".into(), "sheng".into()]));
}

#[test]
fn cycles_unknown_parents_and_levels_above_the_parent_are_refused() {
    let units = [
        unit("a", Level::City, Some("b")),
        unit("b", Level::City, Some("c")),
        unit("c", Level::City, Some("a")),
    ];
    assert_eq!(reason(&units, "a"), Err(Reason::ParentCycle));
    assert_eq!(
        reason(&[unit("a", Level::City, Some("x"))], "a"),
        Err(Reason::UnknownParent)
    );
    let units = [
        unit("a", Level::Province, Some("b")),
        unit("b", Level::County, None),
    ];
    assert_eq!(reason(&units, "a"), Err(Reason::LevelAboveParent));
    // A cycle that does not contain the tenant itself ends too.
    let units = [
        unit("t", Level::City, Some("a")),
        unit("a", Level::City, Some("b")),
        unit("b", Level::City, Some("a")),
    ];
    assert_eq!(reason(&units, "t"), Err(Reason::ParentCycle));
}

/// What a unit without a parent or a budget is judged by.
fn world(grants: Vec<TenantQuota>) -> World {
    World {
        above: Ok(Vec::new()),
        grants,
        grants_first: false,
        claims: Vec::new(),
        writer: Writer {
            fence: 7,
            proven: true,
        },
        namespace: Some("u".into()),
        concerned: Concerned::default(),
    }
}

#[test]
fn a_second_pass_over_an_unchanged_world_decides_the_same() {
    let mut tenant = unit("shuiwu", Level::City, None);
    let world = world(Vec::new());
    let first = Tenants::plan(&tenant, &world, Timestamp::from_second(10).unwrap());
    tenant.status = Some(first.status.clone());
    assert_eq!(
        Tenants::plan(&tenant, &world, Timestamp::from_second(99).unwrap()),
        first
    );
}

#[test]
fn a_summary_waits_for_a_burst_of_grants_and_never_for_long() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut quota: TenantQuota = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "g", "namespace": "qp-shuiwu" },
        "spec": { "platform": "p", "zone": "Extranet", "pool": "a", "hard": {}, "namespaces": [] },
    }))
    .unwrap();
    let mut status = crds::tenant_quota::TenantQuotaStatus::default();
    let verdict = Verdict::no(Reason::AwaitingEnforcement);
    status
        .conditions
        .set(ConditionType::Ready, &verdict, None, at(100));
    quota.status = Some(status);
    assert!(is_in_the_making(&quota, at(104)));
    assert!(!is_in_the_making(&quota, at(106)), "it is stuck");
    let mut world = World {
        grants_first: true,
        ..world(vec![quota])
    };
    let tenant = unit("shuiwu", Level::City, None);
    let plan = |world: &World, second| {
        let plan = Tenants::plan(&tenant, world, at(second));
        (plan.status.grants, plan.requeue)
    };
    assert_eq!(
        plan(&world, 104),
        (0, Some(LATER)),
        "others are in the making"
    );
    assert_eq!(plan(&world, 106), (1, None), "not for longer than that");
    world.grants_first = false;
    assert_eq!(plan(&world, 104), (1, None), "nobody else is");
}
