//! The province that the portal's unit tests look at, and the tests of the overview.

use std::sync::Arc;

use super::*;
use crds::{Tenant, TenantQuota};
use serde::Deserialize as _;
use serde_json::Value;

/// The objects of `fixtures/province.yaml`.
pub(crate) fn province() -> Vec<Value> {
    let text = include_str!("../../fixtures/province.yaml");
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// The moment at which that province was looked at.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

pub(crate) fn today() -> jiff::civil::Date {
    ages::today(now())
}

fn of_kind<K: serde::de::DeserializeOwned>(kind: &str) -> Vec<Arc<K>> {
    let objects = province()
        .into_iter()
        .filter(|object| object["kind"] == kind);
    objects
        .map(|object| Arc::new(serde_json::from_value(object).unwrap()))
        .collect()
}

pub(crate) fn platform(name: &str) -> CloudPlatform {
    let platforms: Vec<Arc<CloudPlatform>> = of_kind("CloudPlatform");
    platforms
        .iter()
        .find(|platform| platform.name_any() == name)
        .unwrap()
        .as_ref()
        .clone()
}

/// The province as somebody sees it who may see all of it.
pub(crate) fn everything() -> Visible {
    let tenants: Vec<Arc<Tenant>> = of_kind("Tenant");
    let mut quotas: Vec<Arc<TenantQuota>> = of_kind("TenantQuota");
    quotas.sort_by_key(|quota| (quota.namespace(), quota.name_any()));
    Visible {
        tenant_names: tenants.iter().map(|tenant| tenant.name_any()).collect(),
        names: crate::health::Names::of(of_kind("CloudPlatform"), tenants.clone()),
        platforms: of_kind("CloudPlatform"),
        sites: of_kind("Site"),
        all_platforms: true,
        all_tenants: true,
        all_quotas: true,
        tenants,
        quotas,
        ..Visible::default()
    }
}

fn wording(lang: Lang) -> Wording {
    Wording {
        lang,
        now: now(),
        names: crate::health::Names::default(),
        thresholds: crds::governance_profile::Thresholds::default(),
    }
}

#[test]
fn the_title_is_a_sentence_about_the_state() {
    let visible = everything();
    assert_eq!(
        title(Lang::Zh, &visible, now()),
        "全省9个平台：2个正常，1个需关注，1个异常，1个失联，3个仅登记，1个尚未检查"
    );
    assert_eq!(
        title(Lang::En, &visible, now()),
        "The province has 9 platforms: 2 healthy, 1 needs attention, 1 faulty, 1 unreachable, 3 declared only, 1 not looked at yet"
    );
    let some = Visible {
        all_platforms: false,
        platforms: visible.platforms[..1].to_vec(),
        ..Visible::default()
    };
    assert_eq!(
        title(Lang::En, &some, now()),
        "You may see 1 platform: 1 healthy"
    );
    assert!(title(Lang::En, &Visible::default(), now()).contains("no cloud platform"));
}

#[test]
fn totals_hold_only_what_answers_and_say_what_they_leave_out() {
    let visible = everything();
    let tiles = tiles(Lang::En, &visible, now());
    // 46080 + 12800 + 2372 + 1000 + 1024 + 2400 cores answer; Maoming and what is declared do not.
    assert_eq!(
        (tiles[0].value.as_str(), tiles[0].note.as_str()),
        ("76%", "15,274 cores free")
    );
    assert!(
        left_out(Lang::En, &visible, now())
            .unwrap()
            .contains("5 platforms")
    );
    let freshness = tiles.last().unwrap();
    assert_eq!(
        (freshness.value.as_str(), freshness.note.as_str()),
        ("oldest 37 minutes", "Maoming node is unreachable")
    );
}

#[test]
fn the_board_is_the_1_the_n_and_the_m() {
    let tiers = board::tiers(Lang::Zh, &everything(), now());
    let shape: Vec<_> = tiers
        .iter()
        .map(|tier| (tier.sign, tier.cards.len()))
        .collect();
    assert_eq!(shape, [("1", 1), ("N", 2), ("M", 6)]);
    let card = |name: &str| {
        tiers
            .iter()
            .flat_map(|tier| &tier.cards)
            .find(|card| card.href.ends_with(name))
            .unwrap()
            .clone()
    };
    let lost = card("mm-node");
    assert!(lost.zones[0].bars.iter().all(|bar| bar.figure == "未知"));
    assert!(lost.link.contains("lost"));
    let frozen = card("ga-cloud");
    assert!(frozen.frozen && frozen.declared && frozen.age.unwrap().0.contains("过期"));
    assert_eq!(card("st-node").zones[0].bars[0].figure, "超出 76 核");
    assert!(card("new-city").zones.is_empty());
}

#[test]
fn what_needs_attention_is_worst_first_and_each_loss_once() {
    let notices = notices(&wording(Lang::Zh), &everything());
    let healths: Vec<_> = notices.iter().map(|notice| notice.health).collect();
    let mut sorted = healths.clone();
    sorted.sort();
    assert_eq!(healths, sorted);
    assert_eq!(
        healths
            .iter()
            .filter(|health| **health == Health::Unknown)
            .count(),
        1,
        "{notices:?}"
    );
    assert!(
        notices
            .iter()
            .any(|notice| notice.subject.contains("湛江节点") && notice.happened.contains("96%"))
    );
    assert!(
        notices
            .iter()
            .all(|notice| !notice.happened.contains("requests."))
    );
}

#[test]
fn the_table_says_unknown_where_the_picture_is_hatched() {
    let rows = board::table(Lang::Zh, &everything(), today());
    let lost = rows
        .iter()
        .find(|row| row.href.ends_with("mm-node"))
        .unwrap();
    assert_eq!(lost.figures.total, "未知");
    assert_eq!(rows.len(), 3 * 10);
}
