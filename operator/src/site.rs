//! `Site`: a data center's entry. Nothing is done for it; platforms and plans name it.

use crds::site::SiteStatus;
use crds::{ConditionType, Conditions, Reason, Site, Verdict};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::Guarded;
use crate::runtime::{Context, Plan};

/// The controller of sites.
pub struct Sites;

impl Judged for SiteStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for Sites {
    type Object = Site;
    type World = ();
    const NAME: &'static str = "site";

    fn observe(_: &Context, _: &Site) {}

    fn plan(site: &Site, (): &(), now: Timestamp) -> Plan<SiteStatus> {
        let mut status = site.status.clone().unwrap_or_default();
        status.conditions.set(
            ConditionType::Ready,
            &Verdict::yes(Reason::Ready),
            site.metadata.generation,
            now,
        );
        Plan::say(status)
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<Site>>) -> Api<Site> {
        Api::all(cx.hub.client.clone())
    }
}
