//! `InformationSystem`: an entry of the register of systems. Nothing is done for it yet; requests and namespaces name it.

use crds::information_system::InformationSystemStatus;
use crds::{ConditionType, Conditions, InformationSystem, Reason, Verdict};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::Guarded;
use crate::runtime::{Context, Plan};

/// The controller of the register of systems.
pub struct InformationSystems;

impl Judged for InformationSystemStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for InformationSystems {
    type Object = InformationSystem;
    type World = ();
    const NAME: &'static str = "informationsystem";

    fn observe(_: &Context, _: &InformationSystem) {}

    fn plan(system: &InformationSystem, (): &(), now: Timestamp) -> Plan<InformationSystemStatus> {
        let mut status = system.status.clone().unwrap_or_default();
        status.conditions.set(
            ConditionType::Ready,
            &Verdict::yes(Reason::Ready),
            system.metadata.generation,
            now,
        );
        Plan::say(status)
    }

    fn api(cx: &Context, object: &ObjectRef<Guarded<InformationSystem>>) -> Api<InformationSystem> {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        Api::namespaced(cx.hub.client.clone(), namespace)
    }
}
