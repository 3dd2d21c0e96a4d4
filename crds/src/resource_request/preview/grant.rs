//! The grants that items add up to: made, changed, renewed, released.

use super::super::application::{Application, ApplicationType, Environment, Item};
use super::{Around, GrantChange};
use crate::condition::Verdict;
use crate::quantity::{Quantity, ResourceList};
use crate::reason::Reason;
use crate::resource_name;
use crate::tenant_quota::TenantQuota;
use crate::words::Day;

/// An item as a part of a grant.
pub(super) struct Part<'a> {
    /// The item.
    pub item: &'a Item,
    /// The grant that it is a part of.
    pub grant: &'a str,
    /// The pool.
    pub pool: &'a str,
    /// What it is made of, in canonical names.
    pub amount: &'a ResourceList,
    /// Until when.
    pub until: Option<Day>,
}

/// Adds an item to the grant that it is a part of.
pub(super) fn merge(
    changes: &mut Vec<GrantChange>,
    application: &Application,
    part: &Part<'_>,
    around: Around<'_>,
) -> Result<(), Verdict> {
    if let Some(change) = changes.iter_mut().find(|c| c.grant == part.grant) {
        if (change.platform.as_str(), change.pool.as_str())
            != (part.item.platform.as_str(), part.pool)
        {
            return Err(elsewhere(part.grant, &change.platform, &change.pool));
        }
        change.stated = change.stated.plus(part.amount);
        change.after = after(application, &change.before, &change.stated);
        change.items.push(part.item.name.clone());
        change.namespaces.extend(part.item.namespaces.clone());
        return Ok(());
    }
    let existing = around
        .grants
        .iter()
        .find(|g| g.metadata.name.as_deref() == Some(part.grant));
    let mut change = GrantChange {
        grant: part.grant.to_owned(),
        platform: part.item.platform.clone(),
        zone: part.item.zone,
        pool: part.pool.to_owned(),
        exists: existing.is_some(),
        before: ResourceList::default(),
        after: part.amount.clone(),
        stated: part.amount.clone(),
        admitted: ResourceList::default(),
        namespaces: part.item.namespaces.clone(),
        until: part.until,
        items: vec![part.item.name.clone()],
    };
    if let Some(existing) = existing {
        over(&mut change, existing, application, part, around)?;
    } else if !matches!(
        application.type_,
        ApplicationType::New | ApplicationType::Exception
    ) {
        return Err(Verdict::no(Reason::UnknownGrant).with("grant", part.grant));
    }
    changes.push(change);
    Ok(())
}

/// Puts a change over the grant that is there.
fn over(
    change: &mut GrantChange,
    existing: &TenantQuota,
    application: &Application,
    part: &Part<'_>,
    around: Around<'_>,
) -> Result<(), Verdict> {
    let spec = &existing.spec;
    if (spec.platform.as_str(), spec.pool.as_str()) != (part.item.platform.as_str(), part.pool) {
        return Err(elsewhere(part.grant, &spec.platform, &spec.pool));
    }
    let enacted = spec.request.as_deref() == Some(around.request);
    if application.type_ == ApplicationType::New && !enacted {
        return Err(Verdict::no(Reason::GrantExists).with("grant", part.grant));
    }
    change.before = resource_name::canonical_list("spec.hard", &spec.hard)?;
    change.admitted = existing.status.clone().unwrap_or_default().admitted;
    change.after = after(application, &change.before, part.amount);
    let ends = spec.lease.as_ref().map(|l| l.until);
    change.until = if application.type_ == ApplicationType::Release {
        ends
    } else {
        part.until
            .or(ends.filter(|_| !goes_into_production(existing, application)))
    };
    // What has ended does not grow (the operator says the same of the grant).
    let grows = !change.after.excess_over(&change.before).is_empty();
    match change.until {
        Some(until) if grows && until < around.today && part.until.is_none() => {
            let verdict = Verdict::no(Reason::LeaseOver).with("grant", part.grant);
            Err(verdict.with("until", until))
        }
        _ => Ok(()),
    }
}

/// Whether a test tenancy goes into production: it ends no longer because it was a test.
fn goes_into_production(existing: &TenantQuota, application: &Application) -> bool {
    existing.spec.environment == Some(Environment::Test)
        && application.environment == Environment::Production
        && matches!(
            application.type_,
            ApplicationType::Change | ApplicationType::Exception
        )
}

/// What is granted afterwards: what is not named stays; a release leaves nothing.
fn after(application: &Application, before: &ResourceList, stated: &ResourceList) -> ResourceList {
    match application.type_ {
        ApplicationType::Release => {
            let nothing = |name: &String| (name.clone(), Quantity::ZERO);
            ResourceList(before.0.keys().map(nothing).collect())
        }
        ApplicationType::Renew => before.clone(),
        ApplicationType::New | ApplicationType::Change | ApplicationType::Exception => {
            let mut after = before.clone();
            after.0.extend(stated.0.clone());
            after
        }
    }
}

fn elsewhere(grant: &str, platform: &str, pool: &str) -> Verdict {
    let verdict = Verdict::no(Reason::GrantElsewhere).with("grant", grant);
    verdict.with("platform", platform).with("pool", pool)
}
