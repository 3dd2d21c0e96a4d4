//! `GovernanceProfile`: says that the province's rules are in force. The other controllers read them.

use crds::governance_profile::GovernanceProfileStatus;
use crds::{ConditionType, Conditions, GovernanceProfile, Reason, Verdict};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::Guarded;
use crate::runtime::{Context, Plan};

/// The controller of the profile.
pub struct GovernanceProfiles;

impl Judged for GovernanceProfileStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for GovernanceProfiles {
    type Object = GovernanceProfile;
    type World = ();
    const NAME: &'static str = "governanceprofile";

    fn observe(_: &Context, _: &GovernanceProfile) {}

    fn plan(profile: &GovernanceProfile, (): &(), now: Timestamp) -> Plan<GovernanceProfileStatus> {
        let mut status = profile.status.clone().unwrap_or_default();
        status.conditions.set(
            ConditionType::Ready,
            &Verdict::yes(Reason::Ready),
            profile.metadata.generation,
            now,
        );
        Plan::say(status)
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<GovernanceProfile>>) -> Api<GovernanceProfile> {
        Api::all(cx.hub.client.clone())
    }
}
