//! The overview: the 1, the N and the M as one picture, totals above, what needs attention beside.

pub mod board;

use askama::Template;
use axum::response::Response;
use crds::cloud_platform::{ClusterState, Tier};
use crds::{CloudPlatform, Quantity};
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages;
use crate::charts;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::figures::number;
use crate::health::{self, Health, Notice, Standing, Wording};
use crate::i18n::Lang;
use crate::ledger::{self, Certainty, Ledger};
use crate::live::{self, Visit, live};
use crate::page::Page;
use board::{TableRow, TierView};

/// How many notices the overview shows before it says how many more there are.
const NOTICES: usize = 12;

/// A figure on top of the page.
#[derive(Clone, Debug)]
pub struct Tile {
    /// What it is of.
    pub word: String,
    /// The figure.
    pub value: String,
    /// What belongs to it.
    pub note: String,
    /// A bar beneath.
    pub share: Option<String>,
    /// The page with what it sums.
    pub href: &'static str,
}

#[derive(Template)]
#[template(path = "overview.html", blocks = ["banners", "head", "tiles", "board", "attention"])]
struct Overview {
    p: Page,
    tiles: Vec<Tile>,
    left_out: Option<String>,
    tiers: Vec<TierView>,
    table: Vec<TableRow>,
    notices: Vec<Notice>,
    more: Option<String>,
    empty: Option<&'static str>,
    csv: &'static str,
}

live!(Overview: "banners" => as_banners, "head" => as_head, "tiles" => as_tiles, "board" => as_board, "attention" => as_attention);

/// The page.
///
/// # Errors
/// The hub gives no answer, or the template fails.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit).await?)
}

/// The picture's table as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let rows = board::table(lang, &visible, ages::today(visit.now));
    let head = [
        "table.tier",
        "table.platform",
        "table.zone",
        "table.state",
        "table.resource",
        "table.total",
        "table.granted",
        "table.used",
        "table.free",
    ];
    let cells: Vec<_> = rows.iter().map(TableRow::cells).collect();
    let table = Table {
        file: "platforms",
        head: &head.map(|key| lang.t(key)),
        rows: &cells,
        sensitive: false,
    };
    export::table(&visit, table)
}

/// The page of a visit.
///
/// # Errors
/// The hub gives no answer.
pub(crate) async fn draw(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let today = ages::today(visit.now);
    let wording = visit.wording(&visible);
    let mut notices = notices(&wording, &visible);
    let more = notices
        .len()
        .checked_sub(NOTICES)
        .filter(|n| *n > 0)
        .map(|n| lang.count("attention.more", n));
    notices.truncate(NOTICES);
    let empty = match (visible.platforms.is_empty(), visible.all_platforms) {
        (true, true) => Some("overview.empty"),
        (true, false) => Some("overview.nothing-visible"),
        (false, _) => None,
    };
    Ok(Overview {
        p: visit.page(&visible, title(lang, &visible, visit.now)),
        tiles: tiles(lang, &visible, visit.now),
        left_out: left_out(lang, &visible, visit.now),
        tiers: board::tiers(lang, &visible, visit.now),
        table: board::table(lang, &visible, today),
        notices,
        more,
        empty,
        csv: "/overview.csv",
    })
}

/// The sentence over the page.
#[must_use]
pub fn title(lang: Lang, visible: &Visible, now: Timestamp) -> String {
    if visible.platforms.is_empty() {
        return lang.t("overview.title.none").to_owned();
    }
    let today = ages::today(now);
    let standings: Vec<_> = visible
        .platforms
        .iter()
        .map(|p| Standing::of(p, visible.thresholds, today))
        .collect();
    let counted = Standing::ALL.into_iter().filter_map(|standing| {
        let n = standings.iter().filter(|s| **s == standing).count();
        (n > 0).then(|| lang.count(&format!("standing.{}.count", standing.code()), n))
    });
    let list = lang.join(&counted.collect::<Vec<_>>());
    let count = lang.count("count.platforms", standings.len());
    let key = if visible.all_platforms {
        "overview.title"
    } else {
        "overview.title.some"
    };
    lang.say(key, &[("count", &count), ("list", &list)])
}

fn tiles(lang: Lang, visible: &Visible, now: Timestamp) -> Vec<Tile> {
    let today = ages::today(now);
    let mut sums: Vec<Ledger> = Vec::new();
    for platform in &visible.platforms {
        for zone in ledger::zones(platform, today)
            .iter()
            .filter(|zone| zone.certainty == Certainty::Observed)
        {
            ledger::add(&mut sums, &zone.ledgers);
        }
    }
    let mut tiles: Vec<_> = sums.iter().map(|sum| resource_tile(lang, sum)).collect();
    let top = visible
        .tenants
        .iter()
        .filter(|tenant| tenant.spec.parent.is_none())
        .count();
    tiles.push(Tile {
        word: lang.t("tile.tenants").to_owned(),
        value: number(i64::try_from(visible.tenant_names.len()).unwrap_or(i64::MAX)),
        note: lang.say(
            "tile.tenants.note",
            &[
                ("grants", &lang.count("count.grants", visible.quotas.len())),
                ("top", &top.to_string()),
            ],
        ),
        share: None,
        href: "/tenants",
    });
    tiles.extend(freshness(lang, visible, now));
    tiles
}

/// That the totals leave something out: what is unknown or only declared is in no sum.
fn left_out(lang: Lang, visible: &Visible, now: Timestamp) -> Option<String> {
    let out = visible.platforms.iter().filter(|platform| {
        let zones = ledger::zones(platform, ages::today(now));
        zones.is_empty()
            || zones
                .iter()
                .any(|zone| zone.certainty != Certainty::Observed)
    });
    let n = out.count();
    (n > 0).then(|| lang.count("tile.left-out", n))
}

fn resource_tile(lang: Lang, sum: &Ledger) -> Tile {
    let percent = sum.granted_percent().unwrap_or(0);
    let name = lang.say("tile.granted", &[("resource", sum.resource.word(lang))]);
    Tile {
        share: Some(charts::share(lang, &name, percent)),
        word: name,
        value: format!("{percent}%"),
        note: lang.say(
            "figure.free",
            &[(
                "amount",
                &sum.unit().short(lang, sum.free.max(Quantity::ZERO)),
            )],
        ),
        href: "/platforms",
    }
}

/// The oldest of what is shown, and whose it is; nothing where no cluster is shown.
fn freshness(lang: Lang, visible: &Visible, now: Timestamp) -> Option<Tile> {
    let lost = visible.platforms.iter().flat_map(|platform| {
        let clusters = platform.status.iter().flat_map(|status| &status.clusters);
        let lost = clusters.filter(|cluster| cluster.state == ClusterState::Unreachable);
        lost.filter_map(move |cluster| Some((cluster.last_contact.or(cluster.since)?, platform)))
    });
    let connected = visible
        .platforms
        .iter()
        .flat_map(|p| p.status.iter().flat_map(|s| &s.clusters));
    let connected = connected
        .filter(|cluster| cluster.state == ClusterState::Connected)
        .count();
    let (value, note) = match lost.min_by_key(|(since, _)| *since) {
        Some((since, platform)) => {
            let age = ages::length(lang, now.as_second() - since.as_second());
            let name = platform.spec.display_name.in_language(lang.code());
            (
                lang.say("tile.freshness.oldest", &[("age", &age)]),
                lang.say("tile.freshness.lost", &[("name", name)]),
            )
        }
        None if connected == 0 => return None,
        None => (
            lang.t("tile.freshness.live").to_owned(),
            lang.count("tile.freshness.note", connected),
        ),
    };
    Some(Tile {
        word: lang.t("tile.freshness").to_owned(),
        value,
        note,
        share: None,
        href: "/platforms",
    })
}

/// What needs attention among what a person may see.
#[must_use]
pub fn notices(wording: &Wording, visible: &Visible) -> Vec<Notice> {
    let code = wording.lang.code();
    let today = ages::today(wording.now);
    let offices = wording.lang.t("offices.subject");
    let mut notices = wording.notices(offices, "/audit", &visible.findings);
    for platform in &visible.platforms {
        let name = platform.spec.display_name.in_language(code);
        let link = format!("/platforms/{}", platform.name_any());
        notices.extend(platform_notices(wording, platform, name, &link));
    }
    for tenant in &visible.tenants {
        let name = tenant.spec.display_name.in_language(code);
        let link = format!("/tenants/{}", tenant.name_any());
        if let Some(status) = &tenant.status {
            notices.extend(wording.notices(name, &link, &status.conditions));
        }
    }
    for quota in &visible.quotas {
        let namespace = quota.namespace().unwrap_or_default();
        let tenant = crds::keys::tenant_of_namespace(&namespace).unwrap_or(&namespace);
        let name = wording.tenant(tenant);
        let subject = wording.lang.say(
            "grant.subject",
            &[("tenant", name), ("grant", &quota.name_any())],
        );
        let link = format!("/tenants/{tenant}#grant-{}", quota.name_any());
        // A platform's loss is told once, at the platform.
        let told = visible
            .platform(&quota.spec.platform)
            .is_some_and(|p| Standing::of(p, visible.thresholds, today) == Standing::Unreachable);
        if let Some(status) = &quota.status {
            let own = wording.notices(&subject, &link, &status.conditions);
            notices.extend(
                own.into_iter()
                    .filter(|notice| !(told && notice.health == Health::Unknown)),
            );
        }
    }
    health::order(&mut notices);
    notices
}

/// What needs attention about one platform.
#[must_use]
pub fn platform_notices(
    wording: &Wording,
    platform: &CloudPlatform,
    name: &str,
    link: &str,
) -> Vec<Notice> {
    let today = ages::today(wording.now);
    let conditions = platform.status.iter().map(|status| &status.conditions);
    let mut notices: Vec<_> = conditions
        .flat_map(|conditions| wording.notices(name, link, conditions))
        .collect();
    for zone in ledger::zones(platform, today)
        .iter()
        .filter(|zone| zone.certainty == Certainty::Observed)
    {
        let full = |ledger| wording.nearly_full(name, link, zone.zone, ledger);
        notices.extend(zone.ledgers.iter().filter_map(full));
    }
    notices
}

/// In the order 1, N, M.
#[must_use]
pub const fn tiers() -> [Tier; 3] {
    [Tier::Provincial, Tier::Industry, Tier::City]
}

#[cfg(test)]
#[path = "overview/tests.rs"]
pub(crate) mod tests;
