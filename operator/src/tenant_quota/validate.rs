//! Whether a grant can be enacted at all, and what it then asks for. Pure; the platform's ledger asks the same question.

use std::collections::BTreeMap;

use crds::cloud_platform::{Expansion, PoolSpec};
pub use crds::resource_name::canonical_list as canonical;
use crds::resource_name::{self, ALWAYS_NAMED};
use crds::words::Day;
use crds::{CloudPlatform, Quantity, Reason, ResourceList, Tenant, TenantQuota, Verdict};
use crds::{ConditionType, keys};

/// A grant that can be enacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    /// The tenant.
    pub tenant: String,
    /// The cluster of the pool; `None` where it is declared only.
    pub cluster: Option<String>,
    /// What is asked for, in canonical names.
    pub wanted: ResourceList,
    /// Each namespace's share, every resource of the pool named.
    pub shares: BTreeMap<String, ResourceList>,
}

fn list(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    names
        .map(|n| n.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The pool's resources in canonical names, before oversubscription; names that nobody enforces are left out, as the
/// platform's own pass reports them.
#[must_use]
pub fn offered(pool: &PoolSpec) -> ResourceList {
    let pairs = pool
        .capacity
        .iter()
        .filter_map(|(name, amount)| Some((resource_name::canonical(name).ok()?, amount)));
    ResourceList(pairs.collect())
}

/// Whether a grant can be enacted on its platform, and what it asks for.
///
/// # Errors
/// The verdict that the grant carries instead.
pub fn validate(
    quota: &TenantQuota,
    tenant: Option<&Tenant>,
    platform: Option<&CloudPlatform>,
) -> Result<Valid, Verdict> {
    let spec = &quota.spec;
    let namespace = quota.metadata.namespace.as_deref().unwrap_or_default();
    let name = keys::tenant_of_namespace(namespace).unwrap_or(namespace);
    let tenant = tenant.ok_or_else(|| Verdict::no(Reason::UnknownTenant).with("tenant", name))?;
    let status = tenant.status.clone().unwrap_or_default();
    if !status.conditions.is_true(ConditionType::Ready) {
        let ready = status.conditions.get(ConditionType::Ready);
        // A unit that is being made is no refusal: it passes.
        let verdict = match ready {
            Some(ready) if ready.reason != Reason::Progressing.as_str() => Verdict::no,
            _ => Verdict::unknown,
        };
        let detail = ready.map_or("it was not looked at yet", |c| c.message.as_str());
        return Err(verdict(Reason::TenantNotReady)
            .with("tenant", name)
            .with("detail", detail));
    }
    let unknown = || Verdict::no(Reason::UnknownPlatform).with("platform", &spec.platform);
    let platform = platform.ok_or_else(unknown)?;
    let pool = platform
        .spec
        .pools
        .iter()
        .find(|p| p.name == spec.pool)
        .ok_or_else(|| {
            let pools = list(platform.spec.pools.iter().map(|p| &p.name));
            Verdict::no(Reason::UnknownPool)
                .with("platform", &spec.platform)
                .with("pool", &spec.pool)
                .with("pools", pools)
        })?;
    if pool.zone != spec.zone {
        let verdict = Verdict::no(Reason::ZoneMismatch)
            .with("platform", &spec.platform)
            .with("pool", &spec.pool);
        return Err(verdict.with("poolZone", pool.zone).with("zone", spec.zone));
    }
    let wanted = canonical("spec.hard", &spec.hard)?;
    let offered = offered(pool);
    if let Some((resource, _)) = wanted
        .iter()
        .find(|(k, v)| *v > Quantity::ZERO && !offered.0.contains_key(*k))
    {
        let verdict = Verdict::no(Reason::NotInPool)
            .with("platform", &spec.platform)
            .with("pool", &spec.pool);
        return Err(verdict
            .with("resource", resource)
            .with("offered", list(offered.0.keys())));
    }
    Ok(Valid {
        tenant: name.to_owned(),
        cluster: pool.cluster.clone(),
        shares: shares(quota, name, &wanted, &offered)?,
        wanted,
    })
}

fn shares(
    quota: &TenantQuota,
    tenant: &str,
    wanted: &ResourceList,
    offered: &ResourceList,
) -> Result<BTreeMap<String, ResourceList>, Verdict> {
    let mut shares = BTreeMap::new();
    let mut sum = ResourceList::default();
    for leaf in &quota.spec.namespaces {
        let namespace = keys::leaf_namespace(tenant, &leaf.name);
        if namespace.len() > 63 {
            let verdict = Verdict::no(Reason::NameTooLong).with("namespace", &namespace);
            return Err(verdict
                .with("length", namespace.len())
                .with("over", namespace.len() - 63));
        }
        let share = canonical(&format!("spec.namespaces[{}].hard", leaf.name), &leaf.hard)?;
        sum = sum.plus(&share);
        // Every resource of the pool is named, 0 where nothing was granted: an absent key would mean unlimited.
        let names = offered
            .0
            .keys()
            .map(String::as_str)
            .chain(ALWAYS_NAMED)
            .chain(share.0.keys().map(String::as_str));
        shares.insert(namespace, share.only(names));
    }
    if let Some((resource, _)) = sum.excess_over(wanted).iter().next() {
        let verdict = Verdict::no(Reason::SharesExceedGrant).with("resource", resource);
        return Err(verdict
            .with("sum", sum.of(resource))
            .with("granted", wanted.of(resource)));
    }
    Ok(shares)
}

/// Whether a valid grant may be charged more than it is now.
///
/// # Errors
/// The verdict on its growth: the platform is frozen without an exception, or only declared.
pub fn may_grow(
    quota: &TenantQuota,
    platform: &CloudPlatform,
    valid: &Valid,
    today: Day,
) -> Result<(), Verdict> {
    let admitted = quota
        .status
        .as_ref()
        .map(|s| s.admitted.clone())
        .unwrap_or_default();
    let increase = valid.wanted.excess_over(&admitted);
    let Some((resource, asked)) = increase.iter().next() else {
        return Ok(());
    };
    let excepted = quota
        .spec
        .frozen_exception
        .as_ref()
        .is_some_and(|e| e.until >= today);
    if platform.spec.expansion == Expansion::Frozen && !excepted {
        let spec = &platform.spec;
        let way_out = spec.growth_goes_to.as_deref().or(spec.docks_to.as_deref());
        return Err(Verdict::no(Reason::PlatformFrozen)
            .with("platform", &quota.spec.platform)
            .with("resource", resource)
            .with("asked", asked)
            .with("wayOut", way_out.unwrap_or("the provincial platform")));
    }
    if valid.cluster.is_none() {
        let verdict = Verdict::no(Reason::PlatformDeclared);
        return Err(verdict.with("platform", &quota.spec.platform));
    }
    Ok(())
}
