//! The namespaces of a grant after an application: who gets which share.

use super::super::application::{Application, ApplicationType};
use super::{Around, GrantChange, Preview};
use crate::condition::Verdict;
use crate::keys;
use crate::quantity::ResourceList;
use crate::reason::Reason;
use crate::resource_name;
use crate::tenant_quota::LeafSpec;

/// Gives every change its namespaces; what does not add up is a problem.
pub(super) fn settle(application: &Application, around: Around<'_>, preview: &mut Preview) {
    let mut problems = Vec::new();
    for change in &mut preview.changes {
        change.namespaces = namespaces(application, change, around);
        if let Err(verdict) = check(change, around) {
            problems.push((change.items.first().cloned(), verdict));
        }
    }
    for (item, verdict) in problems {
        preview.problem(item.as_deref(), verdict);
    }
}

fn namespaces(
    application: &Application,
    change: &GrantChange,
    around: Around<'_>,
) -> Vec<LeafSpec> {
    let existing = around
        .grants
        .iter()
        .find(|g| g.metadata.name.as_deref() == Some(&change.grant));
    let mut leaves = existing
        .map(|g| g.spec.namespaces.clone())
        .unwrap_or_default();
    if application.type_ == ApplicationType::Release {
        for leaf in &mut leaves {
            leaf.hard = zero(&leaf.hard);
        }
        return leaves;
    }
    for stated in &change.namespaces {
        let stated = LeafSpec {
            system: stated.system.clone().or_else(|| application.system.clone()),
            ..stated.clone()
        };
        match leaves.iter_mut().find(|l| l.name == stated.name) {
            Some(leaf) if stated.hard.is_empty() => leaf.system = stated.system,
            Some(leaf) => *leaf = stated,
            None => leaves.push(stated),
        }
    }
    // One namespace gets all of it, and goes on getting all of it.
    if let [only] = leaves.as_mut_slice() {
        let share = resource_name::canonical_list("", &only.hard).unwrap_or_default();
        let had_all = share == change.before || only.hard.is_empty();
        let stated = change.namespaces.iter().any(|n| !n.hard.is_empty());
        if had_all && !stated {
            only.hard = change.after.clone();
        }
    }
    leaves
}

fn zero(list: &ResourceList) -> ResourceList {
    ResourceList(
        list.0
            .keys()
            .map(|k| (k.clone(), crate::Quantity::ZERO))
            .collect(),
    )
}

fn check(change: &GrantChange, around: Around<'_>) -> Result<(), Verdict> {
    let tenant = around.tenant.metadata.name.as_deref().unwrap_or_default();
    let mut sum = ResourceList::default();
    for leaf in &change.namespaces {
        let namespace = keys::leaf_namespace(tenant, &leaf.name);
        if namespace.len() > 63 {
            return Err(Verdict::no(Reason::NameTooLong)
                .with("namespace", &namespace)
                .with("length", namespace.len())
                .with("over", namespace.len() - 63));
        }
        let taken = around.grants.iter().find(|g| {
            g.metadata.name.as_deref() != Some(&change.grant)
                && (&g.spec.platform, &g.spec.pool) == (&change.platform, &change.pool)
                && g.spec.namespaces.iter().any(|n| n.name == leaf.name)
        });
        if let Some(other) = taken {
            return Err(Verdict::no(Reason::NamespaceTaken)
                .with("namespace", &namespace)
                .with("cluster", &change.platform)
                .with("owner", other.metadata.name.as_deref().unwrap_or_default()));
        }
        let field = format!("namespaces[{}].hard", leaf.name);
        sum = sum.plus(&resource_name::canonical_list(&field, &leaf.hard)?);
    }
    let over = sum.excess_over(&change.after);
    over.iter().next().map_or(Ok(()), |(resource, _)| {
        Err(Verdict::no(Reason::SharesExceedGrant)
            .with("resource", resource)
            .with("sum", sum.of(resource))
            .with("granted", change.after.of(resource)))
    })
}
