//! `CloudPlatform`: docks a platform's clusters and keeps its pools' ledgers.
//!
//! Given a platform, the operator ensures a connection to each of its clusters that may be docked, says of each whether it
//! answers as itself, judges the seven docking checks by their evidence, and promises what is free to the grants that ask.
//! - refuses a cluster: of another zone than the hub's without an approval; that is the hub, another entry's, or another
//!   than the one known under its name; whose kubeconfig cannot be used. See [`docking`] and `member`.
//! - never: promises more than capacity × oversubscription; displaces what is granted.

pub mod docking;
mod judge;
mod pools;

use std::collections::BTreeMap;
use std::time::Duration;

use crds::account::{Claim, Writer};
use crds::cloud_platform::{CloudPlatformStatus, ClusterState, PlatformMode};
use crds::governance_profile::GovernanceProfileSpec;
use crds::words::Day;
use crds::{CloudPlatform, Conditions, Reason, ResourceList, Tenant};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::member::MemberView;
use crate::resource_request::hold;
use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, by_name, good};
use crate::runtime::{Children, Context, Plan, metrics};

/// The controller of platforms.
pub struct CloudPlatforms;

/// What a platform is judged by.
pub struct World {
    /// The province's rules.
    pub profile: Option<GovernanceProfileSpec>,
    /// The day, in UTC+8.
    pub today: Day,
    /// What is known of each connected cluster.
    pub members: BTreeMap<String, MemberView>,
    /// Who writes the pools' ledgers.
    pub writer: Writer,
    /// The grants on the platform, by pool.
    pub grants: BTreeMap<String, Vec<Grant>>,
    /// What open requests hold, or ask to hold, by pool.
    pub holders: BTreeMap<String, Vec<Claim>>,
}

/// A grant as its platform sees it.
pub struct Grant {
    /// What it asks for and is charged.
    pub claim: Claim,
    /// What is charged in its namespaces, where that is known.
    pub used: Option<ResourceList>,
    /// Whether all of its quotas are in force.
    pub in_force: bool,
}

impl Judged for CloudPlatformStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for CloudPlatforms {
    type Object = CloudPlatform;
    type World = World;
    const NAME: &'static str = "cloudplatform";
    // Grants that arrive together are promised together, in one write.
    const GATHER: Duration = Duration::from_millis(40);
    const CONCURRENCY: u16 = 8;

    fn observe(cx: &Context, platform: &CloudPlatform) -> World {
        let name = platform.metadata.name.as_deref().unwrap_or_default();
        let today = crate::tenant_quota::today();
        let mut writer = cx.accounts.writer(platform.metadata.uid.as_deref());
        let (mut grants, complete) = grants(cx, platform, name, today);
        let mut holds = hold::on_platform(cx, name);
        writer.proven &= complete && holds.complete;
        for grant in grants.values_mut().flatten() {
            let key = grant.claim.grant.split_once('/');
            let key = key.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
            let backing = key.and_then(|key| holds.backing.remove(&key));
            grant.claim.backing = backing.unwrap_or_default();
        }
        World {
            writer,
            grants,
            holders: holds.holders,
            profile: cx.hub.profile().map(|p| p.spec),
            today,
            members: crate::change_window::excused(
                cx.members.of_platform(name),
                platform,
                &crate::change_window::all(cx),
                crate::runtime::clock::wall(),
            ),
        }
    }

    fn plan(platform: &CloudPlatform, world: &World, now: Timestamp) -> Plan<CloudPlatformStatus> {
        let mut status = platform.status.clone().unwrap_or_default();
        let live = platform
            .spec
            .clusters
            .iter()
            .any(|c| c.connection.is_some());
        status.mode = Some(if live {
            PlatformMode::Live
        } else {
            PlatformMode::Declared
        });
        status.clusters = docking::clusters(platform, world);
        let connected = status
            .clusters
            .iter()
            .filter(|c| c.state == ClusterState::Connected)
            .count();
        let configured = platform
            .spec
            .clusters
            .iter()
            .filter(|c| c.connection.is_some())
            .count();
        status.connected = Some(if configured == 0 {
            "-".into()
        } else {
            format!("{connected}/{configured}")
        });
        status.grants =
            i64::try_from(world.grants.values().map(Vec::len).sum::<usize>()).unwrap_or(i64::MAX);
        let (pools, inquiries) = pools::pools(platform, world);
        status.pools = pools;
        judge::checks(platform, world, &mut status, now);
        let deleting = platform.metadata.deletion_timestamp.is_some();
        judge::conditions(platform, world, &mut status, now);
        Plan {
            children: Children::Keep,
            // A platform with grants stays until they are moved: its ledger is what keeps them within the pool.
            finalizer: if deleting { status.grants > 0 } else { true },
            // Attestations and approvals end at midnight; nothing else here depends on the clock.
            requeue: Some(Duration::from_hours(1)),
            inquiries,
            ..Plan::say(status)
        }
    }

    fn measure(platform: &CloudPlatform, status: &CloudPlatformStatus) {
        let name = platform.metadata.name.as_deref().unwrap_or_default();
        for cluster in &status.clusters {
            let excused = cluster.reason == Reason::InMaintenance.as_str();
            metrics::MEMBER_IN_MAINTENANCE
                .with_label_values(&[name, &cluster.name])
                .set(i64::from(excused));
        }
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<CloudPlatform>>) -> Api<CloudPlatform> {
        Api::all(cx.hub.client.clone())
    }
}

/// The grants on a platform, by pool, and whether those of a broken shape were counted.
fn grants(
    cx: &Context,
    platform: &CloudPlatform,
    name: &str,
    today: Day,
) -> (BTreeMap<String, Vec<Grant>>, bool) {
    let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
    for quota in good(&cx.hub.quotas) {
        let Ok(quota) = &quota.0 else { continue };
        if quota.spec.platform != name {
            continue;
        }
        let namespace = quota.metadata.namespace.as_deref().unwrap_or_default();
        let tenant =
            crds::keys::tenant_of_namespace(namespace).and_then(|t| by_name(&cx.hub.tenants, t));
        let budgets = |tenant: &Tenant| crate::tenant::budgets(cx, tenant);
        let mut grant = pools::grant(quota, tenant.as_ref(), platform, today, budgets);
        // What has ended grows no more.
        let ended = quota.spec.lease.as_ref().is_some_and(|l| l.until < today);
        // Nor while a freeze is in force: what is promised could not be taken up.
        let frozen = crate::change_window::is_frozen(cx, quota, tenant.as_ref(), platform);
        grant.claim.may_grow &= !ended && !frozen;
        grants
            .entry(quota.spec.pool.clone())
            .or_default()
            .push(grant);
    }
    let (unreadable, complete) = cx.unreadable();
    for (grant, found) in unreadable.into_iter().filter(|(_, f)| f.platform == name) {
        grants.entry(found.pool.clone()).or_default().push(Grant {
            claim: found.claim(&grant, &found.admitted),
            used: None,
            in_force: false,
        });
    }
    (grants, complete)
}

#[cfg(test)]
mod tests;
