//! A tenant's grants as its page shows them: by platform, pool, cluster and namespace. Pure.

use std::sync::Arc;

use crds::tenant_quota::FundingSource;
use crds::{ConditionType, Quantity, ResourceList, Tenant, TenantQuota};
use kube::ResourceExt as _;

use super::tenant_of;
use crate::access::Visible;
use crate::ages;
use crate::charts;
use crate::figures::{Resource, Unit, number, resource_word};
use crate::health::{self, Health, Notice, Wording};
use crate::i18n::Lang;
use crate::ledger::{Certainty, Ledger};
use crate::objects::{self, AsCode};
use crate::overview::board::{BarView, Figures, figures, zone_word};

/// The grants on one platform.
#[derive(Clone, Debug)]
pub struct PlatformGroup {
    /// The platform's name.
    pub name: String,
    /// Its page, where it may be seen.
    pub href: Option<String>,
    /// Whether it answers.
    pub lost: bool,
    /// The grants.
    pub grants: Vec<GrantRow>,
}

/// One grant.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// Its name.
    pub name: String,
    /// The platform's name.
    pub platform: String,
    /// The zone.
    pub zone: &'static str,
    /// The pool.
    pub pool: String,
    /// How it is.
    pub health: Health,
    /// In a word.
    pub state: &'static str,
    /// Namespaces in force, of all.
    pub in_force: String,
    /// Whether it came from no request.
    pub direct: bool,
    /// What it came from, what pays for it, until when.
    pub about: String,
    /// Used of granted.
    pub bars: Vec<BarView>,
    /// The same exactly, of every resource.
    pub rows: Vec<(String, Figures)>,
    /// Its namespaces.
    pub leaves: Vec<LeafRow>,
    /// What needs attention.
    pub notices: Vec<Notice>,
    /// As YAML and as kubectl.
    pub code: Option<AsCode>,
    /// The page of its way in, for who may enter.
    pub way_in: Option<String>,
}

/// One namespace of a grant.
#[derive(Clone, Debug)]
pub struct LeafRow {
    /// Its cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The information system that it is for.
    pub system: String,
    /// The MLPS level that it is run at.
    pub level: String,
    /// The limits of CPU, memory and storage; a higher ceiling that still holds is named beside.
    pub limits: [(String, Option<String>); 3],
    /// The limits of everything else.
    pub others: String,
    /// Resource, target, ceiling.
    pub shares: Vec<(String, String, String)>,
}

/// A tenant's budget of one resource.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The resource, with its bar and figure.
    pub bar: BarView,
    /// Exactly.
    pub figures: Figures,
}

impl GrantRow {
    /// One line a namespace and resource.
    #[must_use]
    pub fn cells(&self) -> Vec<Vec<String>> {
        let head = [
            &self.platform,
            self.zone,
            &self.pool,
            &self.name,
            self.state,
        ]
        .map(str::to_owned);
        let mut lines = Vec::new();
        for leaf in &self.leaves {
            for (resource, target, ceiling) in &leaf.shares {
                let tail =
                    [&leaf.cluster, &leaf.namespace, resource, target, ceiling].map(String::clone);
                lines.push(head.iter().cloned().chain(tail).collect());
            }
        }
        lines
    }
}

/// The grants of one tenant.
#[must_use]
pub fn of(visible: &Visible, tenant: &str) -> Vec<Arc<TenantQuota>> {
    visible.grants_of(tenant).to_vec()
}

/// The sentence over the page.
#[must_use]
pub fn title(lang: Lang, name: &str, quotas: &[Arc<TenantQuota>]) -> String {
    if quotas.is_empty() {
        return lang.say("tenant.title.none", &[("name", name)]);
    }
    let mut platforms: Vec<_> = quotas.iter().map(|quota| &quota.spec.platform).collect();
    platforms.sort();
    platforms.dedup();
    let cpu = |quota: &Arc<TenantQuota>| Resource::Cpu.of(&quota.status.as_ref()?.admitted);
    let granted = quotas
        .iter()
        .filter_map(cpu)
        .fold(Quantity::ZERO, Quantity::plus);
    let unknown = quotas.iter().filter(|quota| {
        quota
            .status
            .as_ref()
            .is_none_or(|s| s.used.is_none() && !s.admitted.is_zero())
    });
    let figures = [
        ("name", name.to_owned()),
        ("grants", lang.count("count.grants", quotas.len())),
        ("platforms", lang.count("count.platforms", platforms.len())),
        ("cpu", Unit::Cores.short(lang, granted)),
    ];
    let figures: Vec<_> = figures
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    let sentence = lang.say("tenant.title", &figures);
    match unknown.count() {
        0 => sentence,
        n => lang.join(&[sentence, lang.count("tenant.title.unknown", n)]),
    }
}

/// The grants by platform.
#[must_use]
pub fn groups(
    wording: &Wording,
    visible: &Visible,
    quotas: &[Arc<TenantQuota>],
) -> Vec<PlatformGroup> {
    let mut groups: Vec<(String, PlatformGroup)> = Vec::new();
    for quota in quotas {
        let id = &quota.spec.platform;
        let row = grant(wording, quota);
        if let Some((_, group)) = groups.iter_mut().find(|(name, _)| name == id) {
            group.lost |= row.health == Health::Unknown;
            group.grants.push(row);
            continue;
        }
        let group = PlatformGroup {
            name: wording.platform(id).to_owned(),
            href: visible.platform(id).map(|_| format!("/platforms/{id}")),
            lost: row.health == Health::Unknown,
            grants: vec![row],
        };
        groups.push((id.clone(), group));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn grant(wording: &Wording, quota: &TenantQuota) -> GrantRow {
    let (lang, spec) = (wording.lang, &quota.spec);
    let none = crds::tenant_quota::TenantQuotaStatus::default();
    let status = quota.status.as_ref().unwrap_or(&none);
    let health = health::of_conditions(&status.conditions);
    let (tenant, name) = (tenant_of(quota), quota.name_any());
    let reachable = status
        .conditions
        .get(ConditionType::Reachable)
        .map(health::judge);
    let certainty = if reachable == Some(Some(Health::Unknown)) {
        Certainty::Unknown
    } else {
        Certainty::Observed
    };
    let names = status
        .admitted
        .0
        .keys()
        .chain(spec.hard.0.keys().filter(|_| status.admitted.is_empty()));
    let rows = names.map(|name| {
        (
            resource_word(lang, name),
            exact(
                lang,
                name,
                status.used.as_ref(),
                &status.admitted,
                certainty,
            ),
        )
    });
    let namespace = quota.namespace().unwrap_or_default();
    let code = objects::as_code(
        quota,
        "tenantquotas",
        Some(&namespace),
        &name,
        format!("/tenants/{tenant}/grants/{name}/yaml"),
    );
    GrantRow {
        platform: wording.platform(&spec.platform).to_owned(),
        zone: zone_word(lang, spec.zone),
        pool: spec.pool.clone(),
        health,
        state: health.word(lang),
        in_force: status.in_force.clone().unwrap_or_default(),
        direct: spec.request.is_none(),
        about: about(lang, quota, wording.now),
        bars: bars(lang, &status.admitted, status.used.as_ref(), certainty),
        rows: rows.collect(),
        leaves: leaves(lang, quota),
        notices: wording.notices(&name, "", &status.conditions),
        code: code.ok(),
        way_in: None,
        name,
    }
}

fn about(lang: Lang, quota: &TenantQuota, now: jiff::Timestamp) -> String {
    let spec = &quota.spec;
    let mut parts = Vec::new();
    parts.extend(
        spec.request
            .as_ref()
            .map(|request| lang.say("grant.request", &[("request", request)])),
    );
    if let Some(funding) = &spec.funding {
        parts.push(lang.t(funding_key(funding.source)).to_owned());
    }
    if let Some(lease) = &spec.lease {
        let days = ages::days_until(lease.until, ages::today(now)).to_string();
        let until = lease.until.to_string();
        parts.push(lang.say("grant.lease", &[("until", &until), ("days", &days)]));
    }
    parts.join(lang.t("sentence.dot"))
}

const fn funding_key(source: FundingSource) -> &'static str {
    match source {
        FundingSource::ProvincialPurchase => "funding.ProvincialPurchase",
        FundingSource::OwnBudget => "funding.OwnBudget",
        FundingSource::Shared => "funding.Shared",
        FundingSource::SuperiorSystem => "funding.SuperiorSystem",
        FundingSource::Project => "funding.Project",
    }
}

fn ledger(
    resource: Resource,
    admitted: &ResourceList,
    used: Option<&ResourceList>,
    certainty: Certainty,
) -> Option<Ledger> {
    let total = resource.of(admitted)?;
    let used = used
        .and_then(|used| resource.of(used))
        .filter(|_| certainty == Certainty::Observed);
    Some(Ledger {
        resource,
        total,
        granted: Some(total),
        used,
        free: total.above(used.unwrap_or_default()),
        certainty,
    })
}

fn bars(
    lang: Lang,
    admitted: &ResourceList,
    used: Option<&ResourceList>,
    certainty: Certainty,
) -> Vec<BarView> {
    let bar = |ledger: Ledger| {
        let short = |q| ledger.unit().short(lang, q);
        let word = ledger
            .used
            .map_or_else(|| lang.t("health.unknown").to_owned(), short);
        let figure = lang.say(
            "figure.used-of",
            &[("used", &word), ("granted", &short(ledger.total))],
        );
        let over = ledger.used.is_some_and(|used| used > ledger.total);
        let class = match (ledger.used, over) {
            (None, _) => "unknown",
            (Some(_), true) => "bad",
            (Some(_), false) => "",
        };
        BarView {
            word: ledger.resource.word(lang),
            svg: charts::bar(lang, &ledger),
            figure,
            class,
        }
    };
    Resource::ALL
        .into_iter()
        .filter_map(|resource| ledger(resource, admitted, used, certainty))
        .map(bar)
        .collect()
}

fn exact(
    lang: Lang,
    name: &str,
    used: Option<&ResourceList>,
    admitted: &ResourceList,
    certainty: Certainty,
) -> Figures {
    let total = admitted.of(name);
    let unit = Unit::of(name, total);
    let used = used
        .filter(|_| certainty == Certainty::Observed)
        .map(|used| used.of(name));
    let unknown = || lang.t("health.unknown").to_owned();
    Figures {
        total: unit.exact(lang, total),
        granted: unit.exact(lang, total),
        used: used.map_or_else(unknown, |q| unit.exact(lang, q)),
        free: used.map_or_else(unknown, |q| unit.exact(lang, total.above(q))),
    }
}

fn leaves(lang: Lang, quota: &TenantQuota) -> Vec<LeafRow> {
    let tenant = tenant_of(quota);
    let entries = quota.status.iter().flat_map(|status| &status.leaves);
    let row = |entry: &crds::tenant_quota::LeafEntry| {
        let short = entry
            .namespace
            .strip_prefix(&format!("{tenant}-"))
            .unwrap_or(&entry.namespace);
        let spec = quota.spec.namespaces.iter().find(|leaf| leaf.name == short);
        let exact = |name: &str, amount| Unit::of(name, amount).exact(lang, amount);
        let share = |(name, target): (&str, Quantity)| {
            let ceiling = exact(name, entry.ceiling.of(name));
            (resource_word(lang, name), exact(name, target), ceiling)
        };
        let limit = |resource: Resource| {
            let (target, ceiling) = (
                entry.target.of(resource.name()),
                entry.ceiling.of(resource.name()),
            );
            let higher = (ceiling > target).then(|| exact(resource.name(), ceiling));
            let higher = higher.map(|amount| lang.say("grant.ceiling", &[("amount", &amount)]));
            (exact(resource.name(), target), higher)
        };
        let main = |name: &str| Resource::ALL.iter().any(|resource| resource.name() == name);
        let others = entry
            .target
            .iter()
            .filter(|(name, amount)| !main(name) && *amount > Quantity::ZERO);
        let others =
            others.map(|(name, q)| format!("{} {}", resource_word(lang, name), exact(name, q)));
        LeafRow {
            cluster: entry.cluster.clone(),
            namespace: entry.namespace.clone(),
            system: spec
                .and_then(|leaf| leaf.system.clone())
                .unwrap_or_default(),
            level: spec
                .and_then(|leaf| leaf.mlps_level)
                .map(|n| lang.say("figure.level", &[("n", &number(n.into()))]))
                .unwrap_or_default(),
            limits: Resource::ALL.map(limit),
            others: lang.join(&others.collect::<Vec<_>>()),
            shares: entry.target.iter().map(share).collect(),
        }
    };
    entries.map(row).collect()
}

/// The tenant's budget, where it has one.
#[must_use]
pub fn budget(lang: Lang, tenant: &Tenant) -> Vec<Budget> {
    let Some(account) = tenant
        .status
        .as_ref()
        .and_then(|status| status.budget.as_ref())
    else {
        return Vec::new();
    };
    let view = |resource: Resource| {
        let total = resource.of(&account.total)?;
        let granted = account.charged(resource.name());
        let free = total.above(granted);
        // Of a budget only what is granted counts; use is the grants' business.
        let ledger = Ledger {
            resource,
            total,
            granted: Some(granted),
            used: Some(Quantity::ZERO),
            free,
            certainty: Certainty::Observed,
        };
        let figure = lang.say(
            "figure.free",
            &[("amount", &ledger.unit().short(lang, free))],
        );
        let bar = BarView {
            word: resource.word(lang),
            svg: charts::bar(lang, &ledger),
            figure,
            class: "",
        };
        Some(Budget {
            bar,
            figures: figures(lang, &ledger),
        })
    };
    Resource::ALL.into_iter().filter_map(view).collect()
}

#[cfg(test)]
mod tests;
