//! What is decided of a platform, without a cluster.

use super::*;
use crate::member::MemberView;
use crds::cloud_platform::{Check, CheckState, Enforcement, Evidence};
use crds::{ConditionStatus, ConditionType, Quantity, Reason, Verdict};
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn platform(patch: &Value) -> CloudPlatform {
    let mut spec = json!({
        "displayName": { "zh": "湛江节点" }, "tier": "City", "provision": "SelfBuilt", "owner": "市局",
        "clusters": [{ "name": "zj-1", "zone": "Extranet", "connection": { "kubeconfigSecret": "k" } }],
        "pools": [{ "name": "x86", "zone": "Extranet", "architecture": "amd64", "cluster": "zj-1",
                    "capacity": { "cpu": 40, "memory": "10Gi" }, "oversubscription": { "cpu": "1.5" } }],
    });
    for (key, value) in patch.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "zj-node", "generation": 2 }, "spec": spec,
    }))
    .unwrap()
}

fn world() -> World {
    let mut view = MemberView {
        state: ClusterState::Connected,
        verdict: Verdict::yes(Reason::Connected),
        since: at(10),
        contact: Some(at(10)),
        uid: Some("k-1".into()),
        credential_until: None,
        endpoint: None,
        facts: crate::member::Facts::default(),
    };
    view.facts.enforcement = Some(Enforcement::Full);
    World {
        profile: None,
        today: Day("2026-11-22".parse().unwrap()),
        members: [("zj-1".to_owned(), view)].into(),
        writer: crds::account::Writer {
            fence: 7,
            proven: true,
        },
        grants: BTreeMap::new(),
        holders: BTreeMap::new(),
    }
}

fn said(plan: &Plan<CloudPlatformStatus>, type_: ConditionType) -> (ConditionStatus, Reason) {
    let condition = plan.status.conditions.get(type_).unwrap();
    (condition.status, condition.reason.parse().unwrap())
}

fn plan(platform: &CloudPlatform, world: &World) -> Plan<CloudPlatformStatus> {
    CloudPlatforms::plan(platform, world, at(100))
}

#[test]
fn a_pool_has_its_capacity_times_its_ratio_in_canonical_names() {
    let plan = plan(&platform(&json!({})), &world());
    let total = &plan.status.pools[0].account.total;
    assert_eq!(total.of("requests.cpu"), Quantity::units(60));
    assert_eq!(total.of("requests.memory"), "10Gi".parse().unwrap());
}

#[test]
fn without_evidence_a_check_is_unknown_and_an_ended_word_is_none() {
    let word = |until: &str| json!({ "attestations": [{ "check": "Backup", "by": "post-9", "date": "2026-01-01", "until": until }] });
    let of = |plan: &Plan<CloudPlatformStatus>, check| {
        plan.status
            .checks
            .iter()
            .find(|c| c.check == check)
            .unwrap()
            .clone()
    };
    let first = plan(&platform(&word("2026-11-22")), &world());
    assert_eq!(of(&first, Check::Backup).state, CheckState::Passed);
    assert_eq!(of(&first, Check::Backup).evidence, Evidence::Attestation);
    assert_eq!(
        of(&first, Check::Deployment).evidence,
        Evidence::Observation
    );
    assert_eq!(of(&first, Check::Operations).state, CheckState::Unknown);
    let unseen = of(&first, Check::Operations);
    assert_eq!(
        (unseen.reason.as_str(), unseen.params["check"].as_str()),
        ("Unobserved", "Operations")
    );
    let words = of(&first, Check::Backup).message;
    assert!(
        words.contains("post-9") && words.contains("2026-11-22"),
        "{words}"
    );
    let ended = plan(&platform(&word("2026-11-21")), &world());
    assert_eq!(of(&ended, Check::Backup).state, CheckState::Unknown);
    assert_eq!(of(&ended, Check::Backup).reason, "AttestationExpired");
    assert_eq!(
        said(&ended, ConditionType::Current),
        (ConditionStatus::False, Reason::AttestationExpired)
    );
}

#[test]
fn a_lost_cluster_takes_its_observations_with_it() {
    let mut world = world();
    let view = world.members.get_mut("zj-1").unwrap();
    view.state = ClusterState::Unreachable;
    view.verdict = Verdict::unknown(Reason::Unreachable)
        .with("cluster", "zj-node/zj-1")
        .with("detail", "timed out")
        .with("secret", "k");
    let plan = plan(&platform(&json!({})), &world);
    assert_eq!(
        said(&plan, ConditionType::Ready),
        (ConditionStatus::Unknown, Reason::Unreachable)
    );
    assert!(
        plan.status
            .checks
            .iter()
            .all(|c| c.state == CheckState::Unknown)
    );
}

#[test]
fn missing_policies_are_named() {
    let mut world = world();
    let facts = &mut world.members.get_mut("zj-1").unwrap().facts;
    facts.enforcement = Some(Enforcement::Missing);
    facts.missing = vec!["ValidatingAdmissionPolicy/qipan-quota-in-force".into()];
    let plan = plan(&platform(&json!({})), &world);
    assert_eq!(
        said(&plan, ConditionType::Ready),
        (ConditionStatus::False, Reason::PoliciesMissing)
    );
    assert!(
        plan.status
            .conditions
            .get(ConditionType::Ready)
            .unwrap()
            .message
            .contains("qipan-quota-in-force")
    );
}

#[test]
fn a_declared_platform_is_unknown_and_never_good() {
    let declared = platform(
        &json!({ "clusters": [], "pools": [{ "name": "x86", "zone": "Extranet", "architecture": "amd64", "capacity": { "cpu": 4 } }] }),
    );
    let world = World {
        members: BTreeMap::new(),
        ..world()
    };
    let plan = plan(&declared, &world);
    for type_ in [ConditionType::Ready, ConditionType::Reachable] {
        assert_eq!(
            said(&plan, type_),
            (ConditionStatus::Unknown, Reason::Declared)
        );
    }
    assert_eq!(plan.status.mode, Some(PlatformMode::Declared));
}

#[test]
fn a_cluster_of_another_zone_needs_an_approval_that_lasts() {
    let profile = |zone: &str| {
        serde_json::from_value::<GovernanceProfileSpec>(
            json!({ "province": { "zh": "省" }, "hubZone": zone }),
        )
        .unwrap()
    };
    let today = Day("2026-11-22".parse().unwrap());
    let judge = |platform: &CloudPlatform, zone: &str| {
        docking::allowed(
            platform,
            &platform.spec.clusters[0],
            Some(&profile(zone)),
            today,
        )
        .map_err(|v| v.reason)
    };
    let approved = |until: &str| {
        platform(&json!({ "crossZoneApproval": { "number": "n", "by": "p", "until": until } }))
    };
    assert_eq!(judge(&platform(&json!({})), "Extranet"), Ok(()));
    assert_eq!(
        judge(&platform(&json!({})), "Internet"),
        Err(Reason::ZoneForbidden)
    );
    assert_eq!(
        judge(&approved("2099-01-01"), "Internet"),
        Err(Reason::ZoneForbidden),
        "only a Management hub may"
    );
    assert_eq!(
        judge(&platform(&json!({})), "Management"),
        Err(Reason::ZoneForbidden)
    );
    assert_eq!(
        judge(&approved("2026-11-21"), "Management"),
        Err(Reason::ApprovalExpired)
    );
    assert_eq!(judge(&approved("2026-11-22"), "Management"), Ok(()));
}

#[test]
fn a_second_pass_over_an_unchanged_world_decides_the_same() {
    let (mut platform, world) = (platform(&json!({})), world());
    let mut first = plan(&platform, &world);
    platform.status = Some(first.status.clone());
    // A new leader that takes an account over looks at the grants once.
    assert_eq!(std::mem::take(&mut first.inquiries).len(), 1);
    assert_eq!(CloudPlatforms::plan(&platform, &world, at(9000)), first);
}
