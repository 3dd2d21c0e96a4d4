//! What a request is judged by, gathered from the caches. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::cloud_platform::Tier;
use crds::resource_request::preview::{Standing, standing, taken};
use crds::{ResourceRequest, keys};
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};

use super::World;
use crate::runtime::Context;
use crate::runtime::clock::wall;
use crate::runtime::hub::{Guarded, by_name, good};

/// The well-formed objects of a store that fit.
fn those<K>(store: &Store<Guarded<K>>, fits: impl Fn(&K) -> bool) -> Vec<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let all = good(store);
    all.filter_map(|o: Arc<Guarded<K>>| o.0.as_ref().ok().filter(|o| fits(o)).cloned())
        .collect()
}

pub(super) fn look(cx: &Context, request: &ResourceRequest) -> World {
    let namespace = request.namespace().unwrap_or_default();
    let name = request.name_any();
    let tenant = keys::tenant_of_namespace(&namespace).and_then(|t| by_name(&cx.hub.tenants, t));
    let above = tenant.as_ref().map(|t| {
        let chain = crate::tenant::above(t, |name| by_name(&cx.hub.tenants, name));
        chain.unwrap_or_default()
    });
    let items = &request.spec.application.items;
    let all: Vec<_> = good(&cx.hub.requests).collect();
    let standing = standing_of(request, all.iter().filter_map(|r| r.0.as_ref().ok()));
    let from_catalog = items
        .iter()
        .any(|i| i.product.is_some() || i.offering.is_some() || i.delivered.is_some());
    let (offerings, products) = if from_catalog {
        (
            those(&cx.hub.offerings, |_| true),
            those(&cx.hub.products, |p| {
                let mut named = items.iter().chain(standing.values());
                named.any(|i| i.product == p.metadata.name)
            }),
        )
    } else {
        (Vec::new(), Vec::new())
    };
    let counts = products.iter().any(|p| p.spec.stock.is_some());
    let taken = if counts {
        taken(all.iter().filter_map(|r| r.0.as_ref().ok()), Some(request))
    } else {
        BTreeMap::new()
    };
    let profile = cx.hub.profile().map(|p| p.spec);
    let mine = |namespace_: Option<&String>| namespace_ == Some(&namespace);
    World {
        tenant,
        above: above.unwrap_or_default(),
        platforms: those(&cx.hub.platforms, |p| {
            let named =
                |i: &crds::resource_request::Item| Some(&i.platform) == p.metadata.name.as_ref();
            // An exception is the province's to decide.
            p.spec.tier == Tier::Provincial || items.iter().any(named)
        }),
        offerings,
        products,
        grants: those(&cx.hub.quotas, |q| mine(q.metadata.namespace.as_ref())),
        systems: those(&cx.hub.systems, |s| mine(s.metadata.namespace.as_ref())),
        orders: those(&cx.hub.orders, |o| {
            mine(o.metadata.namespace.as_ref()) && o.spec.request.as_deref() == Some(&name)
        }),
        taken,
        standing,
        windows: those(&cx.hub.windows, |w| w.spec.to > wall()),
        rights: rights(cx, request),
        endpoints: endpoints(cx, request),
        rules: profile
            .as_ref()
            .map(|p| p.approvals.clone())
            .unwrap_or_default(),
        calendar: profile.map(|p| p.calendar).unwrap_or_default(),
    }
}

/// What was delivered to the unit by hand, where the request names any of it.
fn standing_of<'a>(
    request: &ResourceRequest,
    all: impl Iterator<Item = &'a ResourceRequest> + Clone,
) -> Standing {
    let mut items = request.spec.application.items.iter();
    if !items.any(|i| i.delivered.is_some()) {
        return Standing::new();
    }
    let namespace = &request.metadata.namespace;
    let own = all.filter(|r| r.metadata.namespace == *namespace);
    standing(own, request.metadata.name.as_deref())
}

/// What was answered about those whom decisions are made for.
fn rights(cx: &Context, request: &ResourceRequest) -> BTreeMap<u32, bool> {
    let uid = request.uid().unwrap_or_default();
    let decisions = (0_u32..).zip(&request.spec.decisions);
    let handed_on = decisions.filter(|(_, d)| d.on_behalf.is_some());
    let answered = handed_on.filter_map(|(i, _)| Some((i, cx.rights.answer(&uid, i)?)));
    answered.collect()
}

/// The addresses of the clusters of the platforms that are asked.
fn endpoints(cx: &Context, request: &ResourceRequest) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for item in &request.spec.application.items {
        for (cluster, view) in cx.members.of_platform(&item.platform) {
            if let Some(endpoint) = view.endpoint {
                found.insert((item.platform.clone(), cluster), endpoint);
            }
        }
    }
    found
}
