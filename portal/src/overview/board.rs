//! The picture of the overview: tiers of cards with zones, bars and lamps, and the same figures as a table. Pure.

use crds::cloud_platform::{Check, ClusterState, Expansion, Provision, Tier};
use crds::{CloudPlatform, Quantity};
use jiff::Timestamp;
use jiff::civil::Date;
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages::{self, Moment, days_until};
use crate::charts;
use crate::health::{self, Health, Standing};
use crate::i18n::Lang;
use crate::ledger::{self, Certainty, Ledger};

/// One of 1, N, M.
#[derive(Clone, Debug)]
pub struct TierView {
    /// `1`, `N` or `M`.
    pub sign: &'static str,
    /// Its word.
    pub word: &'static str,
    /// How many platforms, or that there is none.
    pub count: String,
    /// Its platforms.
    pub cards: Vec<Card>,
}

/// A platform on the board.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// How it stands: for the frame.
    pub health: Health,
    /// How it stands: in a word.
    pub standing: &'static str,
    /// Whether it is only declared.
    pub declared: bool,
    /// How it came to be, where its centers are.
    pub about: String,
    /// How old its figures are.
    pub age: Option<(String, Option<Moment>)>,
    /// That it takes no growth.
    pub frozen: bool,
    /// Its zones.
    pub zones: Vec<ZoneView>,
    /// The seven lamps.
    pub lamps: String,
    /// What they say.
    pub docking: String,
    /// The line to the platform above.
    pub link: String,
}

/// A zone on a card.
#[derive(Clone, Debug)]
pub struct ZoneView {
    /// Its word.
    pub word: &'static str,
    /// How it is.
    pub health: Health,
    /// One bar a resource.
    pub bars: Vec<BarView>,
}

/// A bar with its words.
#[derive(Clone, Debug)]
pub struct BarView {
    /// The resource.
    pub word: &'static str,
    /// The bar.
    pub svg: String,
    /// The figure beside it.
    pub figure: String,
    /// Whether the figure is one to look at.
    pub class: &'static str,
}

/// A line of the table beneath the picture.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// 1, N or M.
    pub tier: &'static str,
    /// The platform.
    pub platform: String,
    /// Its page.
    pub href: String,
    /// The zone.
    pub zone: &'static str,
    /// How it stands.
    pub state: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// Exact amounts.
    pub figures: Figures,
}

/// Exact amounts, or the word for not knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// What there is.
    pub total: String,
    /// What is granted.
    pub granted: String,
    /// What is used.
    pub used: String,
    /// What is free.
    pub free: String,
}

impl TableRow {
    /// The line as cells.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let Figures {
            total,
            granted,
            used,
            free,
        } = self.figures.clone();
        let words = [
            self.tier,
            &self.platform,
            self.zone,
            self.state,
            self.resource,
        ]
        .map(str::to_owned);
        words
            .into_iter()
            .chain([total, granted, used, free])
            .collect()
    }
}

/// The exact figures of a ledger.
#[must_use]
pub fn figures(lang: Lang, ledger: &Ledger) -> Figures {
    let unit = ledger.unit();
    let exact = |q: Option<Quantity>| {
        q.map_or_else(
            || lang.t("health.unknown").to_owned(),
            |q| unit.exact(lang, q),
        )
    };
    let known = ledger.certainty != Certainty::Unknown;
    Figures {
        total: exact(Some(ledger.total).filter(|_| known)),
        granted: exact(ledger.granted.filter(|_| known)),
        used: exact(ledger.used),
        free: exact(ledger.known_free()),
    }
}

/// The bars of a zone or a pool.
#[must_use]
pub fn bars(lang: Lang, ledgers: &[Ledger], expansion: Expansion) -> Vec<BarView> {
    let bar = |ledger: &Ledger| {
        let (figure, class) = figure(lang, ledger, expansion);
        BarView {
            word: ledger.resource.word(lang),
            svg: charts::bar(lang, ledger),
            figure,
            class,
        }
    };
    ledgers.iter().map(bar).collect()
}

/// The one figure that matters beside a bar.
fn figure(lang: Lang, ledger: &Ledger, expansion: Expansion) -> (String, &'static str) {
    let short = |q| ledger.unit().short(lang, q);
    match ledger.certainty {
        Certainty::Unknown => (lang.t("health.unknown").to_owned(), "unknown"),
        Certainty::Declared => (
            lang.say("figure.declared", &[("amount", &short(ledger.total))]),
            "unknown",
        ),
        Certainty::Observed if ledger.over() > Quantity::ZERO => (
            lang.say("figure.over", &[("amount", &short(ledger.over()))]),
            "bad",
        ),
        Certainty::Observed => match expansion {
            Expansion::Frozen => (lang.t("figure.frozen").to_owned(), ""),
            Expansion::Open => (
                lang.say("figure.free", &[("amount", &short(ledger.free))]),
                "",
            ),
        },
    }
}

/// The board.
#[must_use]
pub fn tiers(lang: Lang, visible: &Visible, now: Timestamp) -> Vec<TierView> {
    let tier = |(tier, sign): (Tier, &'static str)| {
        let of_tier = visible
            .platforms
            .iter()
            .filter(|platform| platform.spec.tier == tier);
        let mut of_tier: Vec<_> = of_tier.collect();
        of_tier.sort_by_key(|platform| (platform.spec.division.clone(), platform.name_any()));
        let cards: Vec<_> = of_tier
            .into_iter()
            .map(|platform| card(lang, visible, platform, now))
            .collect();
        let count = lang.count("count.platforms", cards.len());
        TierView {
            sign,
            word: tier_word(lang, tier),
            count,
            cards,
        }
    };
    super::tiers()
        .into_iter()
        .zip(["1", "N", "M"])
        .map(tier)
        .filter(|tier| !tier.cards.is_empty())
        .collect()
}

/// A tier's word.
#[must_use]
pub fn tier_word(lang: Lang, tier: Tier) -> &'static str {
    let key = match tier {
        Tier::Provincial => "tier.Provincial",
        Tier::Industry => "tier.Industry",
        Tier::City => "tier.City",
    };
    lang.find(key).unwrap_or(key)
}

/// How a platform came to be, in a word.
#[must_use]
pub fn provision_word(lang: Lang, provision: Provision) -> &'static str {
    let key = match provision {
        Provision::SelfBuilt => "provision.SelfBuilt",
        Provision::ProvincialNode => "provision.ProvincialNode",
        Provision::Legacy => "provision.Legacy",
    };
    lang.find(key).unwrap_or(key)
}

/// A zone's word.
#[must_use]
pub fn zone_word(lang: Lang, zone: crds::words::Zone) -> &'static str {
    lang.find(&format!("zone.{}", zone.as_str()))
        .unwrap_or(zone.as_str())
}

/// The lamps of a platform. While it cannot be reached nothing that was seen there holds.
#[must_use]
pub fn lamps(
    platform: &CloudPlatform,
    standing: Standing,
    today: Date,
    expiry_days: u16,
) -> Vec<(Check, Health)> {
    let checks = platform
        .status
        .as_ref()
        .map(|status| status.checks.as_slice())
        .unwrap_or_default();
    let all_lost = standing == Standing::Unreachable && !any_connected(platform);
    let lamp = |check| {
        let found = checks
            .iter()
            .find(|c| c.check == check)
            .filter(|_| !all_lost);
        (check, charts::lamp(found, today, expiry_days))
    };
    Check::ALL.map(lamp).into()
}

fn any_connected(platform: &CloudPlatform) -> bool {
    platform
        .status
        .iter()
        .flat_map(|s| &s.clusters)
        .any(|c| c.state == ClusterState::Connected)
}

fn card(lang: Lang, visible: &Visible, platform: &CloudPlatform, now: Timestamp) -> Card {
    let today = ages::today(now);
    let standing = Standing::of(platform, visible.thresholds, today);
    let zone = |zone: &ledger::ZoneLedgers| ZoneView {
        word: zone_word(lang, zone.zone),
        health: health::of_zone(platform, zone, visible.thresholds),
        bars: bars(lang, &zone.ledgers, platform.spec.expansion),
    };
    let lamps = lamps(platform, standing, today, visible.thresholds.expiry_days);
    let passed = lamps
        .iter()
        .filter(|(_, health)| *health == Health::Good)
        .count();
    let docking = match (standing, passed) {
        (Standing::Declared, 0) => lang.t("docking.declared").to_owned(),
        (Standing::Unreachable, 0) => lang.t("docking.lost").to_owned(),
        (_, 7) => lang.t("docking.all").to_owned(),
        _ => lang.count("docking.some", passed),
    };
    let declared = standing == Standing::Declared;
    Card {
        name: platform
            .spec
            .display_name
            .in_language(lang.code())
            .to_owned(),
        href: format!("/platforms/{}", platform.name_any()),
        health: standing.health(),
        standing: standing.word(lang),
        declared,
        about: about(lang, visible, platform),
        age: age(lang, platform, standing, now),
        frozen: platform.spec.expansion == Expansion::Frozen,
        zones: ledger::zones(platform, today).iter().map(zone).collect(),
        lamps: charts::lamps(lang, &lamps),
        docking,
        link: charts::link(standing.health(), declared || standing == Standing::Waiting),
    }
}

fn about(lang: Lang, visible: &Visible, platform: &CloudPlatform) -> String {
    let mut parts = Vec::new();
    if platform.spec.tier == Tier::City || platform.spec.provision == Provision::Legacy {
        parts.push(provision_word(lang, platform.spec.provision).to_owned());
    }
    if !platform.spec.centers.is_empty() {
        let centers = platform.spec.centers.iter().map(|center| {
            visible
                .site(&center.site)
                .map_or(center.site.as_str(), |site| {
                    site.spec.display_name.in_language(lang.code())
                })
                .to_owned()
        });
        let list = lang.join(&centers.collect::<Vec<_>>());
        parts.push(lang.say(
            "card.centers",
            &[
                ("n", &platform.spec.centers.len().to_string()),
                ("list", &list),
            ],
        ));
    }
    parts.push(platform.spec.owner.clone());
    parts.join(lang.t("sentence.dot"))
}

/// How old what the card shows is: contact for live platforms, the word of the owner for declared ones.
fn age(
    lang: Lang,
    platform: &CloudPlatform,
    standing: Standing,
    now: Timestamp,
) -> Option<(String, Option<Moment>)> {
    let status = platform.status.as_ref()?;
    let clusters = || status.clusters.iter();
    match standing {
        Standing::Unreachable => {
            let lost = clusters().filter(|c| c.state == ClusterState::Unreachable);
            let since = lost.filter_map(|c| c.last_contact.or(c.since)).min()?;
            Some((
                lang.t("card.lost").to_owned(),
                Some(ages::moment(lang, since, now)),
            ))
        }
        Standing::Declared => {
            let word = platform
                .spec
                .pools
                .iter()
                .filter_map(|pool| pool.attestation.as_ref())
                .min_by_key(|a| a.until)?;
            let today = ages::today(now);
            let days = (-days_until(word.date, today)).to_string();
            let key = if days_until(word.until, today) < 0 {
                "card.declared.expired"
            } else {
                "card.declared"
            };
            Some((lang.say(key, &[("n", &days)]), None))
        }
        Standing::Waiting => None,
        Standing::Healthy | Standing::Attention | Standing::Faulty => {
            let connected = status.connected.clone().unwrap_or_default();
            Some((
                lang.say("card.connected", &[("clusters", &connected)]),
                None,
            ))
        }
    }
}

/// The picture as a table: one line a platform, zone and resource.
#[must_use]
pub fn table(lang: Lang, visible: &Visible, today: Date) -> Vec<TableRow> {
    let mut rows = Vec::new();
    for tier in super::tiers() {
        for platform in visible
            .platforms
            .iter()
            .filter(|platform| platform.spec.tier == tier)
        {
            let state = Standing::of(platform, visible.thresholds, today).word(lang);
            for zone in ledger::zones(platform, today) {
                for ledger in &zone.ledgers {
                    rows.push(TableRow {
                        tier: tier_word(lang, tier),
                        platform: platform
                            .spec
                            .display_name
                            .in_language(lang.code())
                            .to_owned(),
                        href: format!("/platforms/{}", platform.name_any()),
                        zone: zone_word(lang, zone.zone),
                        state,
                        resource: ledger.resource.word(lang),
                        figures: figures(lang, ledger),
                    });
                }
            }
        }
    }
    rows
}
