//! `ServiceOffering`: an entry of the service catalog.
//!
//! Given an offering, the operator says how many products provide it.
//! - not ready: nobody provides it; it is no longer offered.

use crds::service_offering::ServiceOfferingStatus;
use crds::{ConditionType, Conditions, Reason, ServiceOffering, Verdict};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, good};
use crate::runtime::{Context, Plan};

/// The controller of the service catalog.
pub struct ServiceOfferings;

/// Products that provide it and are not withdrawn.
pub struct World(pub i64);

impl Judged for ServiceOfferingStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for ServiceOfferings {
    type Object = ServiceOffering;
    type World = World;
    const NAME: &'static str = "serviceoffering";

    fn observe(cx: &Context, offering: &ServiceOffering) -> World {
        let name = offering.metadata.name.as_deref().unwrap_or_default();
        let provides = |p: &crds::CloudProduct| p.spec.offering == name && !p.spec.withdrawn;
        let products = good(&cx.hub.products)
            .filter(|p| p.0.as_ref().is_ok_and(provides))
            .count();
        World(i64::try_from(products).unwrap_or(i64::MAX))
    }

    fn plan(
        offering: &ServiceOffering,
        World(products): &World,
        now: Timestamp,
    ) -> Plan<ServiceOfferingStatus> {
        let mut status = offering.status.clone().unwrap_or_default();
        status.products = *products;
        let verdict = if offering.spec.withdrawn {
            Verdict::no(Reason::NoLongerOffered)
        } else if *products == 0 {
            Verdict::no(Reason::NotOffered)
        } else {
            Verdict::yes(Reason::Offered).with("products", products)
        };
        status.conditions.set(
            ConditionType::Ready,
            &verdict,
            offering.metadata.generation,
            now,
        );
        Plan::say(status)
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<ServiceOffering>>) -> Api<ServiceOffering> {
        Api::all(cx.hub.client.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_ready_while_somebody_provides_it_and_it_is_offered() {
        let offering = |withdrawn| -> ServiceOffering {
            serde_json::from_value(json!({
                "apiVersion": "qipan.dev/v1alpha1", "kind": "ServiceOffering", "metadata": { "name": "vm" },
                "spec": {
                    "displayName": { "zh": "云主机" }, "class": "Cloud", "category": "Compute",
                    "unit": { "zh": "台" }, "zones": ["Extranet"], "withdrawn": withdrawn,
                },
            }))
            .unwrap()
        };
        for (withdrawn, products, reason) in [
            (false, 2, "Offered"),
            (false, 0, "NotOffered"),
            (true, 2, "NoLongerOffered"),
        ] {
            let mut object = offering(withdrawn);
            let first = ServiceOfferings::plan(&object, &World(products), Timestamp::UNIX_EPOCH);
            assert_eq!(first.status.conditions.0[0].reason, reason);
            assert_eq!(first.status.products, products);
            object.status = Some(first.status.clone());
            let later = Timestamp::from_second(99).unwrap();
            assert_eq!(
                ServiceOfferings::plan(&object, &World(products), later),
                first
            );
        }
    }
}
