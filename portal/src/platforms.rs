//! Platforms: the list, and the page of one.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use crds::CloudPlatform;
use crds::cloud_platform::{
    CenterRole, Certificate, Check, CheckState, ClusterState, ClusterStatus, Compliance,
    Enforcement, Evidence,
};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages::{self, Moment};
use crate::error::AppError;
use crate::export;
use crate::figures::number;
use crate::health::{self, Health, Notice, Standing};
use crate::i18n::Lang;
use crate::ledger::{self, Certainty};
use crate::live::{self, Visit, live};
use crate::objects::{self, AsCode};
use crate::overview;
use crate::overview::board::{self, BarView, Figures, TierView, zone_word};
use crate::page::Page;

/// A docking check with its evidence.
#[derive(Clone, Debug)]
struct CheckRow {
    word: &'static str,
    about: &'static str,
    health: Health,
    state: &'static str,
    evidence: &'static str,
    detail: String,
    since: Option<Moment>,
    until: String,
}

/// A cluster as it was last seen.
#[derive(Clone, Debug)]
struct ClusterRow {
    name: String,
    zone: &'static str,
    site: String,
    health: Health,
    state: &'static str,
    why: String,
    since: Option<Moment>,
    last_contact: Option<Moment>,
    version: String,
    nodes: String,
    enforcement: String,
    credential: String,
}

/// A pool with its bars and figures.
#[derive(Clone, Debug)]
struct PoolView {
    name: String,
    zone: &'static str,
    architecture: String,
    cluster: String,
    health: Health,
    source: String,
    ratios: String,
    bars: Vec<BarView>,
    rows: Vec<(&'static str, Figures)>,
}

/// A grant on the platform.
#[derive(Clone, Debug)]
struct GrantRow {
    tenant: String,
    href: String,
    name: String,
    pool: String,
    health: Health,
    state: &'static str,
    amounts: [String; 3],
}

/// A fact with its word.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Its word.
    pub word: &'static str,
    /// What is so.
    pub value: String,
}

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
    code: AsCode,
    csv: String,
}

live!(PlatformPage: "banners" => as_banners, "head" => as_head, "pools" => as_pools, "docking" => as_docking, "clusters" => as_clusters, "grants" => as_grants, "attention" => as_attention, "code" => as_code);

#[derive(Template)]
#[template(path = "platforms.html", blocks = ["banners", "list"])]
struct List {
    p: Page,
    tiers: Vec<TierView>,
    empty: &'static str,
}

live!(List: "banners" => as_banners, "list" => as_list);

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
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
    Ok(List { p, tiers, empty })
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
    let grants = grants(lang, &visible, name);
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
        way_out: wording.names.get(&way_out).cloned().unwrap_or(way_out),
        facts: facts(lang, &visible, platform),
        pools: pools(lang, &visible, platform, visit),
        docking: lang.count("docking.some", passed),
        checks: checks(lang, platform, &lamps, visit),
        lamps: crate::charts::lamps(lang, &lamps),
        clusters: clusters(lang, &visible, platform, visit),
        grants_note: grants_note(lang, &visible, platform, grants.len()),
        grants,
        notices,
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
    export::csv(
        &format!("{name}-pools.csv"),
        &head.map(|key| lang.t(key)),
        &rows,
    )
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

fn facts(lang: Lang, visible: &Visible, platform: &CloudPlatform) -> Vec<Fact> {
    let spec = &platform.spec;
    let named = |name: &String| {
        let known = visible.platform(name).map(|p| &p.spec.display_name);
        known.map_or_else(
            || name.clone(),
            |known| known.in_language(lang.code()).to_owned(),
        )
    };
    let mut facts = vec![
        ("fact.tier", board::tier_word(lang, spec.tier).to_owned()),
        (
            "fact.provision",
            board::provision_word(lang, spec.provision).to_owned(),
        ),
        ("fact.owner", spec.owner.clone()),
    ];
    if let Some(provider) = &spec.operations_provider {
        facts.push(("fact.provider", provider.name.clone()));
    }
    facts.extend(
        spec.docks_to
            .as_ref()
            .map(|name| ("fact.docks-to", named(name))),
    );
    facts.extend(spec.centers.iter().map(|center| {
        let site = visible
            .site(&center.site)
            .map(|site| &site.spec.display_name);
        let name = site.map_or(center.site.as_str(), |site| site.in_language(lang.code()));
        (center_key(center.role), name.to_owned())
    }));
    facts.extend(
        spec.compliance
            .iter()
            .flat_map(|compliance| compliance_facts(lang, compliance)),
    );
    if let Some(approval) = &spec.cross_zone_approval {
        let until = approval.until.to_string();
        let figures = [("what", approval.number.as_str()), ("until", &until)];
        facts.push(("fact.cross-zone", lang.say("fact.until", &figures)));
    }
    let fact = |(key, value)| Fact {
        word: lang.find(key).unwrap_or(key),
        value,
    };
    facts.into_iter().map(fact).collect()
}

const fn center_key(role: CenterRole) -> &'static str {
    match role {
        CenterRole::Production => "center.Production",
        CenterRole::SameCity => "center.SameCity",
        CenterRole::Remote => "center.Remote",
    }
}

fn compliance_facts(lang: Lang, compliance: &Compliance) -> Vec<(&'static str, String)> {
    let level = compliance.mlps_level.map(|level| level.to_string());
    let level = level.map(|n| ("fact.mlps-level", lang.say("figure.level", &[("n", &n)])));
    let certificates = [
        ("fact.mlps", &compliance.mlps),
        ("fact.cloud-review", &compliance.cloud_security_review),
        ("fact.crypto", &compliance.crypto_assessment),
    ];
    let known = certificates
        .into_iter()
        .filter_map(|(key, found)| Some((key, found.as_ref()?)));
    level
        .into_iter()
        .chain(known.map(|(key, found)| (key, certificate(lang, found))))
        .collect()
}

fn certificate(lang: Lang, certificate: &Certificate) -> String {
    let until = certificate.next_due.map(|day| day.to_string());
    until.map_or_else(
        || certificate.number.clone(),
        |until| {
            lang.say(
                "fact.due",
                &[("what", &certificate.number), ("until", &until)],
            )
        },
    )
}

fn pools(lang: Lang, visible: &Visible, platform: &CloudPlatform, visit: &Visit) -> Vec<PoolView> {
    let today = ages::today(visit.now);
    let view = |pool: ledger::Pool<'_>| {
        let zone = ledger::ZoneLedgers {
            zone: pool.spec.zone,
            ledgers: pool.ledgers.clone(),
            certainty: pool.certainty,
        };
        let ratios = pool.spec.oversubscription.iter().map(|(name, ratio)| {
            let resource = crate::figures::resource_word(lang, name);
            lang.say(
                "pool.ratio",
                &[("resource", &resource), ("ratio", &ratio.to_string())],
            )
        });
        PoolView {
            name: pool.spec.name.clone(),
            zone: zone_word(lang, pool.spec.zone),
            architecture: pool.spec.architecture.clone(),
            cluster: pool.spec.cluster.clone().unwrap_or_default(),
            health: health::of_zone(platform, &zone, visible.thresholds),
            source: source(lang, &pool),
            ratios: lang.join(&ratios.collect::<Vec<_>>()),
            bars: board::bars(lang, &pool.ledgers, platform.spec.expansion),
            rows: pool
                .ledgers
                .iter()
                .map(|ledger| (ledger.resource.word(lang), board::figures(lang, ledger)))
                .collect(),
        }
    };
    ledger::pools(platform, today)
        .into_iter()
        .map(view)
        .collect()
}

/// What a pool's figures rest on.
fn source(lang: Lang, pool: &ledger::Pool<'_>) -> String {
    match (pool.certainty, &pool.spec.attestation) {
        (Certainty::Observed, _) => lang.t("source.observed").to_owned(),
        (Certainty::Declared | Certainty::Unknown, Some(word)) => {
            let (on, until) = (word.date.to_string(), word.until.to_string());
            let key = if pool.certainty == Certainty::Declared {
                "source.declared"
            } else {
                "source.expired"
            };
            lang.say(key, &[("by", &word.by), ("on", &on), ("until", &until)])
        }
        (Certainty::Declared | Certainty::Unknown, None) => lang.t("source.none").to_owned(),
    }
}

fn checks(
    lang: Lang,
    platform: &CloudPlatform,
    lamps: &[(Check, Health)],
    visit: &Visit,
) -> Vec<CheckRow> {
    let found = platform
        .status
        .as_ref()
        .map(|status| status.checks.as_slice())
        .unwrap_or_default();
    let row = |(check, health): &(Check, Health)| {
        let status = found.iter().find(|c| c.check == *check);
        let state = match status.map(|s| s.state) {
            Some(CheckState::Passed) if *health == Health::Unknown => "check.state.Unknown",
            Some(CheckState::Passed) => "check.state.Passed",
            Some(CheckState::Failed) => "check.state.Failed",
            Some(CheckState::Unknown) | None => "check.state.Unknown",
        };
        let evidence = match status.map(|s| s.evidence) {
            Some(Evidence::Observation) => "evidence.Observation",
            Some(Evidence::Attestation) => "evidence.Attestation",
            Some(Evidence::None) | None => "evidence.None",
        };
        CheckRow {
            word: lang
                .find(&format!("check.{}", check.as_str()))
                .unwrap_or(""),
            about: lang
                .find(&format!("check-about.{}", check.as_str()))
                .unwrap_or(""),
            health: *health,
            state: lang.find(state).unwrap_or(state),
            evidence: lang.find(evidence).unwrap_or(evidence),
            detail: status.map(|s| s.detail.clone()).unwrap_or_default(),
            since: status
                .and_then(|s| s.since)
                .map(|since| ages::moment(lang, since, visit.now)),
            until: status
                .and_then(|s| s.until)
                .map(|day| day.to_string())
                .unwrap_or_default(),
        }
    };
    lamps.iter().map(row).collect()
}

fn clusters(
    lang: Lang,
    visible: &Visible,
    platform: &CloudPlatform,
    visit: &Visit,
) -> Vec<ClusterRow> {
    let wording = visit.wording(visible);
    let moment = |at| ages::moment(lang, at, visit.now);
    let row = |spec: &crds::cloud_platform::ClusterSpec| {
        let none = ClusterStatus::default();
        let status = platform
            .status
            .iter()
            .flat_map(|s| &s.clusters)
            .find(|c| c.name == spec.name)
            .unwrap_or(&none);
        let (key, health) = match status.state {
            ClusterState::Connected => ("cluster.Connected", Health::Good),
            ClusterState::Unreachable => ("cluster.Unreachable", Health::Unknown),
            ClusterState::Refused => ("cluster.Refused", Health::Bad),
            ClusterState::Declared => ("cluster.Declared", Health::Unknown),
            ClusterState::Unknown => ("cluster.Unknown", Health::Unknown),
        };
        let (happened, todo) = wording.reason(&status.reason, &status.params, &status.message);
        let site = spec.site.as_deref().unwrap_or_default();
        ClusterRow {
            name: spec.name.clone(),
            zone: zone_word(lang, spec.zone),
            site: visible
                .site(site)
                .map_or(site, |s| s.spec.display_name.in_language(lang.code()))
                .to_owned(),
            health,
            state: lang.find(key).unwrap_or(key),
            why: if health == Health::Good {
                String::new()
            } else {
                [happened, todo].join(" ")
            },
            since: status.since.map(moment),
            last_contact: status
                .last_contact
                .filter(|_| health != Health::Good)
                .map(moment),
            version: status.version.clone().unwrap_or_default(),
            nodes: nodes(lang, status, health),
            enforcement: enforcement(lang, status.enforcement).to_owned(),
            credential: status
                .credential_until
                .map(|until| ages::today(until).to_string())
                .unwrap_or_default(),
        }
    };
    platform.spec.clusters.iter().map(row).collect()
}

fn nodes(lang: Lang, status: &ClusterStatus, health: Health) -> String {
    if health != Health::Good {
        return lang.t("health.unknown").to_owned();
    }
    let of = |(architecture, capacity): (&String, &crds::cloud_platform::NodeCapacity)| {
        lang.say(
            "cluster.nodes",
            &[
                ("n", &number(capacity.nodes)),
                ("architecture", architecture),
            ],
        )
    };
    lang.join(&status.capacity.iter().map(of).collect::<Vec<_>>())
}

fn enforcement(lang: Lang, enforcement: Option<Enforcement>) -> &'static str {
    let key = match enforcement {
        Some(Enforcement::Full) => "enforcement.Full",
        Some(Enforcement::Partial) => "enforcement.Partial",
        Some(Enforcement::Missing) => "enforcement.Missing",
        Some(Enforcement::Unknown) | None => "enforcement.Unknown",
    };
    lang.find(key).unwrap_or(key)
}

fn grants(lang: Lang, visible: &Visible, platform: &str) -> Vec<GrantRow> {
    let row = |quota: &std::sync::Arc<crds::TenantQuota>| {
        let namespace = quota.namespace().unwrap_or_default();
        let tenant = crds::keys::tenant_of_namespace(&namespace)
            .unwrap_or(&namespace)
            .to_owned();
        let conditions = quota
            .status
            .as_ref()
            .map(|status| status.conditions.clone())
            .unwrap_or_default();
        let admitted = quota
            .status
            .as_ref()
            .map(|status| status.admitted.clone())
            .unwrap_or_default();
        let health = health::of_conditions(&conditions);
        let amount = |resource: crate::figures::Resource| {
            let amount = resource.of(&admitted).unwrap_or_default();
            crate::charts::exact(lang, resource.name(), amount)
        };
        GrantRow {
            href: format!("/tenants/{tenant}#grant-{}", quota.name_any()),
            tenant: visible.tenant(&tenant).map_or(tenant, |t| {
                t.spec.display_name.in_language(lang.code()).to_owned()
            }),
            name: quota.name_any(),
            pool: quota.spec.pool.clone(),
            health,
            state: health.word(lang),
            amounts: crate::figures::Resource::ALL.map(amount),
        }
    };
    visible
        .quotas
        .iter()
        .filter(|quota| quota.spec.platform == platform)
        .map(row)
        .collect()
}

fn grants_note(lang: Lang, visible: &Visible, platform: &CloudPlatform, shown: usize) -> String {
    let all = platform.status.as_ref().map_or(0, |status| status.grants);
    if visible.all_quotas {
        return lang.count("count.grants", shown);
    }
    lang.say(
        "platform.grants.some",
        &[("n", &shown.to_string()), ("all", &number(all))],
    )
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
        assert!(source(Lang::En, &pools[0]).contains("2026-11-07"));
    }
}
