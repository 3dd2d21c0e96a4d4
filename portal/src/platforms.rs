//! Platforms: the list, and the page of one.

mod facts;
mod parts;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use crds::CloudPlatform;
use crds::cloud_platform::ClusterState;

use crate::ages;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::health::{self, Health, Notice, Standing};
use crate::i18n::Lang;
use crate::ledger::{self, Certainty};
use crate::live::{self, Visit, live};
use crate::objects::{self, AsCode};
use crate::overview;
use crate::overview::board::{self, TierView};
use crate::page::Page;
use crate::views::{self, Bar, PLATFORMS};
use crate::windows;
use parts::{
    CheckRow, ClusterRow, GrantRow, PoolView, checks, clusters, grants, grants_note, pools,
};

pub use facts::Fact;
use facts::facts;

#[derive(Template)]
#[template(path = "platform.html", blocks = ["banners", "head", "pools", "docking", "clusters", "grants", "attention", "code"])]
struct PlatformPage {
    p: Page,
    standing: Standing,
    frozen: bool,
    way_out: String,
    facts: Vec<Fact>,
    pools: Vec<PoolView>,
    lamps: String,
    docking: String,
    checks: Vec<CheckRow>,
    clusters: Vec<ClusterRow>,
    grants: Vec<GrantRow>,
    grants_note: String,
    notices: Vec<Notice>,
    windows: Vec<windows::Shown>,
    code: AsCode,
    csv: String,
}

live!(PlatformPage: "banners" => as_banners, "head" => as_head, "pools" => as_pools, "docking" => as_docking, "clusters" => as_clusters, "grants" => as_grants, "attention" => as_attention, "code" => as_code);

#[derive(Template)]
#[template(path = "platforms.html", blocks = ["banners", "head", "list"])]
struct List {
    p: Page,
    tiers: Vec<TierView>,
    empty: &'static str,
    bar: Bar,
}

live!(List: "banners" => as_banners, "head" => as_head, "list" => as_list);

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &PLATFORMS).await {
        return Ok(way);
    }
    live::answer(&visit.reader, &draw_list(&visit).await?)
}

pub(crate) async fn draw_list(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let tiers = board::tiers(lang, &visible, visit.now);
    let empty = if visible.all_platforms {
        "overview.empty"
    } else {
        "overview.nothing-visible"
    };
    let page = visit.page(&visible, overview::title(lang, &visible, visit.now));
    let p = page.under(&[(lang.t("nav.overview"), "/")], lang.t("nav.platforms"));
    let bar = Bar::of(visit, &PLATFORMS).await;
    Ok(List {
        p,
        tiers,
        empty,
        bar,
    })
}

/// The page of one platform.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn page(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit, &name).await?)
}

pub(crate) async fn draw(visit: &Visit, name: &str) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let platform = visible.platform(name).ok_or(AppError::NoPage)?;
    let today = ages::today(visit.now);
    let (standing, wording) = (
        Standing::of(platform, visible.thresholds, today),
        visit.wording(&visible),
    );
    let shown = platform.spec.display_name.in_language(lang.code());
    let lamps = board::lamps(platform, standing, today, visible.thresholds.expiry_days);
    let passed = lamps
        .iter()
        .filter(|(_, health)| *health == Health::Good)
        .count();
    let mut notices = overview::platform_notices(&wording, platform, shown, "#top");
    health::order(&mut notices);
    let (grants, seen) = grants(lang, &visible, name);
    let page = visit.page(&visible, title(lang, platform, standing, visit.now));
    let way = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.platforms"), "/platforms"),
    ];
    let way_out = platform.spec.growth_goes_to.clone().unwrap_or_default();
    Ok(PlatformPage {
        p: page.under(&way, shown),
        standing,
        frozen: platform.spec.expansion == crds::cloud_platform::Expansion::Frozen,
        way_out: wording.platform(&way_out).to_owned(),
        facts: facts(lang, &visible, platform),
        pools: pools(lang, &visible, platform, visit),
        docking: lang.count("docking.some", passed),
        checks: checks(lang, &visible, platform, &lamps, visit),
        lamps: crate::charts::lamps(lang, &lamps),
        clusters: clusters(lang, &visible, platform, visit),
        grants_note: grants_note(lang, &visible, platform, seen),
        grants,
        notices,
        windows: windows::of_platform(&wording, &visit.state.cluster, name),
        code: objects::as_code(
            platform.as_ref(),
            "cloudplatforms",
            None,
            name,
            format!("/platforms/{name}/yaml"),
        )?,
        csv: format!("/platforms/{name}/pools.csv"),
    })
}

/// The pools' figures as a file.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn csv(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let platform = visible.platform(&name).ok_or(AppError::NoPage)?;
    let mut rows = Vec::new();
    for pool in pools(lang, &visible, platform, &visit) {
        for (resource, figures) in pool.rows {
            let words = [
                pool.name.clone(),
                pool.zone.to_owned(),
                pool.architecture.clone(),
                resource.to_owned(),
            ];
            rows.push(
                words
                    .into_iter()
                    .chain([figures.total, figures.granted, figures.used, figures.free])
                    .collect(),
            );
        }
    }
    let head = [
        "table.pool",
        "table.zone",
        "table.architecture",
        "table.resource",
        "table.total",
        "table.granted",
        "table.used",
        "table.free",
    ];
    let table = Table {
        file: &format!("{name}-pools"),
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: true,
    };
    export::table(&visit, table)
}

/// The sentence over the page: how it stands, and the resource that is scarcest.
fn title(lang: Lang, platform: &CloudPlatform, standing: Standing, now: jiff::Timestamp) -> String {
    let name = platform.spec.display_name.in_language(lang.code());
    let zones = ledger::zones(platform, ages::today(now));
    let seen = zones
        .iter()
        .filter(|zone| zone.certainty == Certainty::Observed)
        .flat_map(|zone| &zone.ledgers);
    let scarcest = seen
        .filter_map(|ledger| Some((ledger.granted_percent()?, ledger)))
        .max_by_key(|(percent, _)| *percent);
    let word = standing.word(lang);
    match scarcest {
        Some((percent, ledger)) if standing != Standing::Unreachable => {
            let (percent, free) = (percent.to_string(), ledger.unit().short(lang, ledger.free));
            let figures = [
                ("name", name),
                ("state", word),
                ("resource", ledger.resource.word(lang)),
                ("percent", &percent),
                ("free", &free),
            ];
            lang.say("platform.title", &figures)
        }
        _ => {
            let lost = platform
                .status
                .iter()
                .flat_map(|s| &s.clusters)
                .filter(|c| c.state == ClusterState::Unreachable);
            match lost.filter_map(|c| c.last_contact.or(c.since)).min() {
                Some(since) => {
                    let at = ages::in_a_sentence(since);
                    lang.say("platform.title.lost", &[("name", name), ("time", &at)])
                }
                None => lang.say("platform.title.plain", &[("name", name), ("state", word)]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::{now, platform};

    fn sentence(lang: Lang, name: &str) -> String {
        let platform = platform(name);
        let standing = Standing::of(
            &platform,
            crds::governance_profile::Thresholds::default(),
            ages::today(now()),
        );
        title(lang, &platform, standing, now())
    }

    #[test]
    fn the_title_names_what_is_scarcest_or_that_nothing_is_known() {
        assert_eq!(
            sentence(Lang::Zh, "zj-node"),
            "湛江节点：CPU 已分配 96%，可分配 40 核"
        );
        assert!(
            sentence(Lang::Zh, "mm-node").contains("失联"),
            "{}",
            sentence(Lang::Zh, "mm-node")
        );
        assert!(!sentence(Lang::En, "ga-cloud").contains('%'));
        assert!(
            sentence(Lang::En, "new-city").contains("Not looked at"),
            "{}",
            sentence(Lang::En, "new-city")
        );
    }

    #[test]
    fn an_ended_word_makes_a_pool_unknown_and_says_when_it_ended() {
        let declared = platform("ga-cloud");
        let pools = ledger::pools(&declared, ages::today(now()));
        assert!(parts::source(Lang::En, &pools[0]).contains("2026-11-07"));
    }
}
