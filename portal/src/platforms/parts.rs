//! The parts of a platform's page: pools, docking checks, clusters, grants. Pure.

use crds::CloudPlatform;
use crds::cloud_platform::{Check, CheckState, ClusterState, ClusterStatus, Enforcement, Evidence};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages::{self, Moment};
use crate::figures::number;
use crate::health::{self, Health};
use crate::i18n::Lang;
use crate::ledger::{self, Certainty};
use crate::live::Visit;
use crate::overview::board::{self, BarView, Figures, zone_word};

/// A docking check with its evidence.
#[derive(Clone, Debug)]
pub(super) struct CheckRow {
    pub(super) word: &'static str,
    pub(super) about: &'static str,
    pub(super) health: Health,
    pub(super) state: &'static str,
    pub(super) evidence: &'static str,
    pub(super) why: String,
    pub(super) since: Option<Moment>,
    pub(super) until: String,
}

/// A cluster as it was last seen.
#[derive(Clone, Debug)]
pub(super) struct ClusterRow {
    pub(super) name: String,
    pub(super) zone: &'static str,
    pub(super) site: String,
    pub(super) health: Health,
    pub(super) state: &'static str,
    pub(super) why: String,
    pub(super) since: Option<Moment>,
    pub(super) last_contact: Option<Moment>,
    pub(super) version: String,
    pub(super) nodes: String,
    pub(super) enforcement: String,
    pub(super) credential: String,
}

/// A pool with its bars and figures.
#[derive(Clone, Debug)]
pub(super) struct PoolView {
    pub(super) name: String,
    pub(super) zone: &'static str,
    pub(super) architecture: String,
    pub(super) cluster: String,
    pub(super) health: Health,
    pub(super) source: String,
    pub(super) ratios: String,
    pub(super) bars: Vec<BarView>,
    pub(super) rows: Vec<(&'static str, Figures)>,
}

/// A grant on the platform.
#[derive(Clone, Debug)]
pub(super) struct GrantRow {
    pub(super) tenant: String,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) pool: String,
    pub(super) health: Health,
    pub(super) state: &'static str,
    pub(super) amounts: [String; 3],
}

pub(super) fn pools(
    lang: Lang,
    visible: &Visible,
    platform: &CloudPlatform,
    visit: &Visit,
) -> Vec<PoolView> {
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
pub(super) fn source(lang: Lang, pool: &ledger::Pool<'_>) -> String {
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
        (Certainty::Declared | Certainty::Unknown, None) => {
            let docked = pool.spec.cluster.is_some();
            lang.t(if docked { "source.lost" } else { "source.none" })
                .to_owned()
        }
    }
}

pub(super) fn checks(
    lang: Lang,
    visible: &Visible,
    platform: &CloudPlatform,
    lamps: &[(Check, Health)],
    visit: &Visit,
) -> Vec<CheckRow> {
    let wording = visit.wording(visible);
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
            why: status
                .map(|s| wording.sentence(&s.reason, &s.params, &s.message))
                .unwrap_or_default(),
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

pub(super) fn clusters(
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
        let why = wording.sentence(&status.reason, &status.params, &status.message);
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
                why
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

/// Rows of the grants on a platform's page.
const GRANTS: usize = 100;

/// The grants on a platform, those that need attention first: as many as a page takes, and how many there are.
pub(super) fn grants(lang: Lang, visible: &Visible, platform: &str) -> (Vec<GrantRow>, usize) {
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
            tenant: visible.names.tenant(lang, &tenant).to_owned(),
            name: quota.name_any(),
            pool: quota.spec.pool.clone(),
            health,
            state: health.word(lang),
            amounts: crate::figures::Resource::ALL.map(amount),
        }
    };
    let of_platform = visible.quotas.iter();
    let mut of_platform: Vec<_> = of_platform
        .filter(|quota| quota.spec.platform == platform)
        .collect();
    let all = of_platform.len();
    if all > GRANTS {
        // In order of units otherwise, as they are.
        of_platform.sort_by_key(|quota| {
            let status = quota.status.as_ref();
            status.map_or(Health::Unknown, |status| {
                health::of_conditions(&status.conditions)
            })
        });
    }
    (of_platform.into_iter().take(GRANTS).map(row).collect(), all)
}

pub(super) fn grants_note(
    lang: Lang,
    visible: &Visible,
    platform: &CloudPlatform,
    seen: usize,
) -> String {
    let all = platform.status.as_ref().map_or(0, |status| status.grants);
    let told = if visible.all_quotas {
        lang.count("count.grants", seen)
    } else {
        let figures = [("n", &*seen.to_string()), ("all", &number(all))];
        lang.say("platform.grants.some", &figures)
    };
    if seen <= GRANTS {
        return told;
    }
    let first = lang.say("platform.grants.first", &[("n", &GRANTS.to_string())]);
    [told, first].join(lang.t("sentence.dot"))
}
