//! Which clusters may be docked, from where, and what is said of each.

use std::collections::HashMap;

use crds::cloud_platform::{ClusterSpec, ClusterState, ClusterStatus};
use crds::governance_profile::{GovernanceProfileSpec, Isolation};
use crds::words::{Day, Zone};
use crds::{CloudPlatform, Reason, Verdict};

use super::World;
use crate::member::{Desired, MemberKey, MemberView, Source};
use crate::runtime::Context;
use crate::runtime::hub::good;

/// Whether a cluster may be docked by this hub (design §1.7): of the hub's own zone, or with a recorded approval by a hub in
/// the Management zone; anywhere where the province isolates logically.
///
/// # Errors
/// The verdict that the cluster carries instead.
pub fn allowed(
    platform: &CloudPlatform,
    cluster: &ClusterSpec,
    profile: Option<&GovernanceProfileSpec>,
    today: Day,
) -> Result<(), Verdict> {
    let hub_zone = profile.map_or(Zone::Management, |p| p.hub_zone);
    let logical = profile.is_some_and(|p| p.isolation == Isolation::Logical);
    if cluster.zone == hub_zone || logical {
        return Ok(());
    }
    match &platform.spec.cross_zone_approval {
        Some(approval) if hub_zone == Zone::Management && approval.until >= today => Ok(()),
        Some(approval) if hub_zone == Zone::Management => Err(Verdict::no(Reason::ApprovalExpired)
            .with("cluster", &cluster.name)
            .with("number", &approval.number)
            .with("until", approval.until)),
        _ => Err(Verdict::no(Reason::ZoneForbidden)
            .with("cluster", &cluster.name)
            .with("zone", cluster.zone)
            .with("hubZone", hub_zone)),
    }
}

/// How every member should be connected.
#[must_use]
pub fn desired(cx: &Context) -> HashMap<MemberKey, Desired> {
    let profile = cx.hub.profile().map(|p| p.spec);
    let today = crate::tenant_quota::today();
    let secrets = cx.hub.secrets.state();
    let mut desired = HashMap::new();
    for platform in good(&cx.hub.platforms) {
        let Ok(platform) = &platform.0 else { continue };
        for cluster in &platform.spec.clusters {
            let Some(connection) = &cluster.connection else {
                continue;
            };
            let source = match allowed(platform, cluster, profile.as_ref(), today) {
                Err(verdict) => Source::Refused(verdict),
                Ok(()) if connection.hub => Source::Hub,
                Ok(()) => {
                    let name = connection.kubeconfig_secret.clone().unwrap_or_default();
                    let secret = secrets
                        .iter()
                        .find(|s| s.metadata.name.as_deref() == Some(&name));
                    let content = secret.and_then(|s| s.data.as_ref()?.get("kubeconfig").cloned());
                    match content.map(|bytes| String::from_utf8(bytes.0)) {
                        Some(Ok(text)) => Source::Kubeconfig { secret: name, text },
                        Some(Err(_)) => Source::Refused(
                            Verdict::no(Reason::KubeconfigMalformed)
                                .with("secret", name)
                                .with("detail", "it is not text"),
                        ),
                        None => {
                            Source::Refused(Verdict::no(Reason::SecretMissing).with("secret", name))
                        }
                    }
                }
            };
            let status = platform.status.as_ref();
            let known = status.and_then(|s| {
                s.clusters
                    .iter()
                    .find(|c| c.name == cluster.name)?
                    .uid
                    .clone()
            });
            let key = MemberKey {
                platform: platform.metadata.name.clone().unwrap_or_default(),
                cluster: cluster.name.clone(),
            };
            desired.insert(key, Desired { source, known });
        }
    }
    desired
}

/// What is said of each cluster. What is not connected keeps the identity by which it is known again, and nothing else that
/// may have changed meanwhile.
pub(super) fn clusters(platform: &CloudPlatform, world: &World) -> Vec<ClusterStatus> {
    let before = |name: &str| {
        platform
            .status
            .iter()
            .flat_map(|s| &s.clusters)
            .find(|c| c.name == name)
            .cloned()
            .unwrap_or_default()
    };
    let said = platform.spec.clusters.iter().map(|cluster| {
        let before = before(&cluster.name);
        if cluster.connection.is_none() {
            return ClusterStatus {
                name: cluster.name.clone(),
                state: ClusterState::Declared,
                ..ClusterStatus::default()
            };
        }
        match world.members.get(&cluster.name) {
            // Not looked at yet since the operator started: what was said holds until it was.
            None
            | Some(MemberView {
                state: ClusterState::Unknown,
                ..
            }) if !before.name.is_empty() => before,
            None => ClusterStatus {
                name: cluster.name.clone(),
                uid: before.uid,
                ..ClusterStatus::default()
            },
            Some(view) => of(cluster, view, before),
        }
    });
    said.collect()
}

fn of(cluster: &ClusterSpec, view: &MemberView, before: ClusterStatus) -> ClusterStatus {
    let connected = view.state == ClusterState::Connected;
    let (reason, message, params) = if connected {
        (
            String::new(),
            String::new(),
            std::collections::BTreeMap::new(),
        )
    } else {
        (
            view.verdict.reason.to_string(),
            view.verdict.message(),
            view.verdict.params.clone(),
        )
    };
    // A restart of the operator is no transition of the cluster.
    let same = before.state == view.state && before.reason == reason;
    ClusterStatus {
        name: cluster.name.clone(),
        state: view.state,
        since: if same { before.since } else { Some(view.since) },
        last_contact: if same {
            before.last_contact
        } else {
            view.contact.or(before.last_contact)
        },
        message: if same { before.message } else { message },
        params: if same { before.params } else { params },
        reason,
        version: if connected {
            view.facts.version.clone()
        } else {
            before.version
        },
        uid: if connected {
            view.uid.clone()
        } else {
            before.uid
        },
        capacity: if connected {
            view.facts.capacity.clone().unwrap_or_default()
        } else {
            before.capacity
        },
        enforcement: connected.then_some(view.facts.enforcement).flatten(),
        missing_policies: if connected {
            view.facts.missing.clone()
        } else {
            Vec::new()
        },
        credential_until: view.credential_until,
    }
}
