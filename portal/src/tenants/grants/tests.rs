//! A tenant's grants, as the province of the fixtures has them.

use super::*;
use crate::overview::tests::{everything, now};

fn wording(lang: Lang) -> Wording {
    Wording {
        lang,
        now: now(),
        names: crate::health::Names::default(),
        thresholds: crds::governance_profile::Thresholds::default(),
    }
}

fn groups_of(tenant: &str) -> Vec<PlatformGroup> {
    let visible = everything();
    groups(&wording(Lang::En), &visible, &of(&visible, tenant))
}

#[test]
fn grants_stand_under_their_platform_with_their_namespaces() {
    let groups = groups_of("renshe");
    let shape: Vec<_> = groups
        .iter()
        .map(|g| (g.name.as_str(), g.grants.len(), g.lost))
        .collect();
    assert_eq!(shape, [("mm-node", 1, true), ("zj-node", 2, false)]);
    let leaves: Vec<_> = groups[1].grants[0]
        .leaves
        .iter()
        .map(|leaf| leaf.namespace.as_str())
        .collect();
    assert_eq!(leaves, ["renshe-prod", "renshe-test"]);
}

#[test]
fn a_grant_on_a_lost_cluster_shows_nothing_as_used() {
    let groups = groups_of("renshe");
    let lost = &groups[0].grants[0];
    assert!(lost.bars.iter().all(|bar| bar.class == "unknown"));
    assert_eq!(lost.rows[0].1.used, "Unknown");
}

#[test]
fn use_above_the_grant_is_marked() {
    let groups = groups_of("renshe");
    let over = groups[1]
        .grants
        .iter()
        .find(|grant| grant.name == "web")
        .unwrap();
    assert_eq!(over.bars[0].class, "bad");
}

#[test]
fn a_grant_that_came_from_no_request_is_direct() {
    let groups = groups_of("renshe");
    let direct: Vec<_> = groups
        .iter()
        .flat_map(|g| &g.grants)
        .map(|g| (g.name.as_str(), g.direct))
        .collect();
    assert_eq!(direct, [("jiuye", true), ("shebao", false), ("web", true)]);
}

#[test]
fn the_title_counts_and_says_what_is_unknown() {
    let visible = everything();
    let title = title(Lang::En, "HR", &of(&visible, "renshe"));
    assert_eq!(
        title,
        "HR: 3 grants on 2 platforms, 476 cores granted, use of 1 grant unknown"
    );
}
