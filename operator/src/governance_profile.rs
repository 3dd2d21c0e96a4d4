//! `GovernanceProfile`: says that the province's rules are in force. The other controllers read them.
//!
//! Given the profile and the hub's cluster roles and bindings, the operator also says who holds two of the three offices of
//! administrators, which is a finding (`OfficesApart`, `offices.rs`).

use crds::governance_profile::GovernanceProfileStatus;
use crds::{ConditionType, Conditions, GovernanceProfile, Reason, Verdict};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::Guarded;
use crate::runtime::{Context, Plan, metrics};

pub mod offices;

/// The controller of the profile.
pub struct GovernanceProfiles;

/// Whom the hub gives which cluster roles.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The roles.
    pub roles: Vec<ClusterRole>,
    /// Their bindings.
    pub bindings: Vec<ClusterRoleBinding>,
}

impl Judged for GovernanceProfileStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
    const TOLD: &'static [ConditionType] = &[ConditionType::Ready, ConditionType::OfficesApart];
}

impl Reconciler for GovernanceProfiles {
    type Object = GovernanceProfile;
    type World = World;
    const NAME: &'static str = "governanceprofile";

    fn observe(cx: &Context, _: &GovernanceProfile) -> World {
        World {
            roles: all(&cx.hub.roles),
            bindings: all(&cx.hub.bindings),
        }
    }

    fn plan(
        profile: &GovernanceProfile,
        world: &World,
        now: Timestamp,
    ) -> Plan<GovernanceProfileStatus> {
        let mut status = profile.status.clone().unwrap_or_default();
        let apart = offices::judge(&world.roles, &world.bindings);
        for (type_, verdict) in [
            (ConditionType::Ready, Verdict::yes(Reason::Ready)),
            (ConditionType::OfficesApart, apart),
        ] {
            let generation = profile.metadata.generation;
            status.conditions.set(type_, &verdict, generation, now);
        }
        Plan::say(status)
    }

    fn measure(_: &GovernanceProfile, status: &GovernanceProfileStatus) {
        let apart = status.conditions.get(ConditionType::OfficesApart);
        let count = apart.and_then(|c| c.params.get("count")?.parse().ok());
        metrics::OFFICES_COMBINED.set(count.unwrap_or(0));
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<GovernanceProfile>>) -> Api<GovernanceProfile> {
        Api::all(cx.hub.client.clone())
    }
}

/// In the order of their names, so that the same world is the same world.
fn all<K>(store: &Store<K>) -> Vec<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    let mut all: Vec<K> = store.state().iter().map(|o| o.as_ref().clone()).collect();
    all.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_second_look_says_the_same() {
        let mut profile: GovernanceProfile = serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "GovernanceProfile", "metadata": { "name": "default" },
            "spec": { "province": { "zh": "广东省" }, "hubZone": "Management" },
        }))
        .unwrap();
        let world = World::default();
        let first = GovernanceProfiles::plan(&profile, &world, Timestamp::UNIX_EPOCH);
        assert!(first.status.conditions.is_true(ConditionType::OfficesApart));
        profile.status = Some(first.status.clone());
        let later = Timestamp::from_second(99).unwrap();
        assert_eq!(GovernanceProfiles::plan(&profile, &world, later), first);
    }
}
