//! The pools' ledgers: what each has, has given, has promised and holds.

use crds::account::{Claim, Taker};
use crds::cloud_platform::{PoolSpec, PoolStatus};
use crds::words::Day;
use crds::{
    Account, CloudPlatform, Quantity, Ratio, ResourceList, Tenant, TenantQuota, resource_name,
};
use jiff::Timestamp;

use super::{Grant, World};
use crate::runtime::Inquiry;
use crate::tenant_quota::validate;

/// A grant as its platform sees it: a refused one keeps what it is charged and asks for nothing.
pub(super) fn grant(
    quota: &TenantQuota,
    tenant: Option<&Tenant>,
    platform: &CloudPlatform,
    today: Day,
    budgets: impl FnOnce(&Tenant) -> Vec<(String, Account)>,
) -> Grant {
    let status = quota.status.clone().unwrap_or_default();
    let valid = validate::validate(quota, tenant, Some(platform)).ok();
    let deleting = quota.metadata.deletion_timestamp.is_some();
    let taker = Taker::from(quota);
    // Nothing is promised that a budget after it would refuse.
    let afforded = |increase: &ResourceList| {
        increase.is_empty()
            || tenant.is_some_and(|t| {
                budgets(t)
                    .iter()
                    .all(|(_, b)| b.refuses(&taker, increase).is_none())
            })
    };
    let grows = !deleting
        && valid.as_ref().is_some_and(|v| {
            validate::may_grow(quota, platform, v, today).is_ok()
                && afforded(&v.wanted.excess_over(&status.admitted))
        });
    let meta = &quota.metadata;
    let claim = Claim {
        uid: taker.uid.to_owned(),
        generation: taker.generation,
        attempt: taker.attempt,
        grant: format!(
            "{}/{}",
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default()
        ),
        created: meta
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        wanted: valid.map(|v| v.wanted).unwrap_or_default(),
        admitted: status.admitted.clone(),
        may_grow: grows,
        backing: ResourceList::default(),
    };
    let in_force = status.conditions.is_true(crds::ConditionType::InForce);
    Grant {
        claim,
        used: status.used,
        in_force,
    }
}

/// What a pool has to give: capacity × oversubscription, in canonical names.
pub(super) fn total(pool: &PoolSpec) -> ResourceList {
    let ratio = |name: &str| {
        let stated = pool
            .oversubscription
            .iter()
            .find(|(k, _)| resource_name::canonical(k).is_ok_and(|k| k == name));
        stated.map_or(Ratio::ONE, |(_, ratio)| *ratio)
    };
    ResourceList(
        validate::offered(pool)
            .iter()
            .map(|(name, amount)| (name.to_owned(), amount.times(ratio(name))))
            .collect(),
    )
}

/// The next state of every pool's ledger.
pub(super) fn pools(platform: &CloudPlatform, world: &World) -> (Vec<PoolStatus>, Vec<Inquiry>) {
    let mut prove = false;
    let stored = platform.status.iter().flat_map(|s| &s.pools);
    let stored: Vec<_> = stored.collect();
    let next = platform.spec.pools.iter().map(|pool| {
        let before = stored.iter().find(|p| p.name == pool.name);
        let grants = world
            .grants
            .get(&pool.name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let claims: Vec<Claim> = grants.iter().map(|g| g.claim.clone()).collect();
        let account = before.map(|p| p.account.clone()).unwrap_or_default();
        let holders = world.holders.get(&pool.name).map(Vec::as_slice);
        let holders = holders.unwrap_or_default();
        let next = account.next(total(pool), holders, &claims, world.writer);
        prove |= next.prove;
        let account = next.account;
        PoolStatus {
            name: pool.name.clone(),
            zone: pool.zone,
            free: free(&account),
            used: used(grants, &account.total, before.and_then(|p| p.used.as_ref())),
            account,
        }
    });
    let pools = next.collect();
    let uid = platform.metadata.uid.clone().unwrap_or_default();
    let inquiries = prove.then_some(Inquiry::Grants { uid });
    (pools, inquiries.into_iter().collect())
}

/// What is left, never below zero: what is over is said in a condition.
fn free(account: &Account) -> ResourceList {
    ResourceList(
        account
            .total
            .0
            .keys()
            .map(|name| (name.clone(), account.free(name).max(Quantity::ZERO)))
            .collect(),
    )
}

/// What is in use; `None` while that of any grant is unknown. A change below one percent of the pool is not worth a write.
fn used(
    grants: &[Grant],
    total: &ResourceList,
    stored: Option<&ResourceList>,
) -> Option<ResourceList> {
    let mut sum = ResourceList::default();
    for grant in grants {
        match &grant.used {
            Some(used) => sum = sum.plus(used),
            None if grant.claim.admitted.is_zero() => {}
            None => return None,
        }
    }
    Some(sum.steady(stored, total))
}
