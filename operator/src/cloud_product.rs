//! `CloudProduct`: an entry of the product catalog.
//!
//! Given a product, the operator says whether what it is made from is there, and how much of its stock is taken.
//! - not ready: unknown offering, platform or pool; a pool of another zone; a resource that the pool does not offer; it is
//!   no longer given out.

use crds::cloud_product::{CloudProductStatus, Fulfilment};
use crds::resource_request::preview::{gave_back, taken};
use crds::resource_request::{EventKind, record};
use crds::{
    CloudPlatform, CloudProduct, ConditionType, Conditions, Quantity, Reason, ResourceRequest,
    Verdict, resource_name,
};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, by_name, good};
use crate::runtime::{Context, Plan};
use crate::tenant_quota::validate::offered;

/// The controller of the product catalog.
pub struct CloudProducts;

/// What a product is judged by.
pub struct World {
    /// Whether its offering is there.
    pub offering: bool,
    /// Its platform.
    pub platform: Option<CloudPlatform>,
    /// How many were given out or are held by open requests.
    pub taken: u32,
}

impl Judged for CloudProductStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for CloudProducts {
    type Object = CloudProduct;
    type World = World;
    const NAME: &'static str = "cloudproduct";

    fn observe(cx: &Context, product: &CloudProduct) -> World {
        let spec = &product.spec;
        let name = product.metadata.name.as_deref().unwrap_or_default();
        let counted = |r: &&ResourceRequest| {
            if gave_back(r) {
                return true;
            }
            let status = r.status.as_ref();
            let held = status.and_then(|s| record::at(&s.timeline, EventKind::Held, None));
            let mut items = r.spec.application.items.iter();
            held.is_some() && items.any(|i| i.product.as_deref() == Some(name))
        };
        let requests: Vec<_> = good(&cx.hub.requests).collect();
        let requests = requests.iter().filter_map(|r| r.0.as_ref().ok());
        let of_each = taken(requests.filter(counted), None);
        World {
            offering: by_name(&cx.hub.offerings, &spec.offering).is_some(),
            platform: by_name(&cx.hub.platforms, &spec.platform),
            taken: of_each.get(name).copied().unwrap_or(0),
        }
    }

    fn plan(product: &CloudProduct, world: &World, now: Timestamp) -> Plan<CloudProductStatus> {
        let mut status = product.status.clone().unwrap_or_default();
        status.taken = product.spec.stock.map(|_| world.taken);
        let verdict = judge(product, world).err();
        status.conditions.set(
            ConditionType::Ready,
            &verdict.unwrap_or_else(|| Verdict::yes(Reason::Ready)),
            product.metadata.generation,
            now,
        );
        Plan::say(status)
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<CloudProduct>>) -> Api<CloudProduct> {
        Api::all(cx.hub.client.clone())
    }
}

/// Whether what it is made from is there.
fn judge(product: &CloudProduct, world: &World) -> Result<(), Verdict> {
    let spec = &product.spec;
    if spec.withdrawn {
        return Err(Verdict::no(Reason::NoLongerOffered));
    }
    if !world.offering {
        return Err(Verdict::no(Reason::UnknownOffering).with("offering", &spec.offering));
    }
    let platform = world
        .platform
        .as_ref()
        .ok_or_else(|| Verdict::no(Reason::UnknownPlatform).with("platform", &spec.platform))?;
    let Some(pool) = &spec.pool else {
        return Ok(());
    };
    let on = |reason| {
        Verdict::no(reason)
            .with("platform", &spec.platform)
            .with("pool", pool)
    };
    let mut pools = platform.spec.pools.iter();
    let found = pools.find(|p| p.name == *pool).ok_or_else(|| {
        let names: Vec<_> = platform
            .spec
            .pools
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        on(Reason::UnknownPool).with("pools", names.join(", "))
    })?;
    if found.zone != spec.zone {
        return Err(on(Reason::ZoneMismatch)
            .with("poolZone", found.zone)
            .with("zone", spec.zone));
    }
    let offered = offered(found);
    for size in &spec.sizes {
        let field = format!("spec.sizes[{}].resources", size.name);
        let made_of = resource_name::canonical_list(&field, &size.resources)?;
        let lacking = made_of
            .iter()
            .find(|(name, amount)| *amount > Quantity::ZERO && !offered.0.contains_key(*name));
        if let Some((resource, _)) = lacking
            && spec.fulfilment == Fulfilment::Automatic
        {
            let names: Vec<_> = offered.0.keys().map(String::as_str).collect();
            return Err(on(Reason::NotInPool)
                .with("resource", resource)
                .with("offered", names.join(", ")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn product(patch: &Value) -> CloudProduct {
        let mut spec = json!({
            "displayName": { "zh": "鲲鹏云主机" }, "offering": "vm", "platform": "zj-node", "zone": "Extranet", "pool": "arm",
            "sizes": [{ "name": "2C4G", "resources": { "cpu": 2, "memory": "4Gi" } }],
            "stock": 9, "fulfilment": "Automatic",
        });
        for (key, value) in patch.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "zj-vm" }, "spec": spec,
        }))
        .unwrap()
    }

    fn world() -> World {
        let platform = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "zj-node" },
            "spec": {
                "displayName": { "zh": "湛江节点" }, "tier": "City", "provision": "SelfBuilt", "owner": "市局",
                "pools": [{ "name": "arm", "zone": "Extranet", "architecture": "arm64", "capacity": { "cpu": 40, "memory": "80Gi" } }],
            },
        });
        World {
            offering: true,
            platform: serde_json::from_value(platform).unwrap(),
            taken: 4,
        }
    }

    #[test]
    fn what_it_is_made_from_has_to_be_there_and_what_is_taken_is_counted() {
        let cases = [
            (json!({}), "Ready"),
            (json!({ "pool": "x86" }), "UnknownPool"),
            (json!({ "zone": "Internet" }), "ZoneMismatch"),
            (
                json!({ "sizes": [{ "name": "g", "resources": { "requests.nvidia.com/gpu": 1 } }] }),
                "NotInPool",
            ),
            (json!({ "withdrawn": true }), "NoLongerOffered"),
        ];
        for (patch, reason) in cases {
            let mut object = product(&patch);
            let first = CloudProducts::plan(&object, &world(), Timestamp::UNIX_EPOCH);
            assert_eq!(first.status.conditions.0[0].reason, reason, "{patch}");
            assert_eq!(first.status.taken, Some(4));
            object.status = Some(first.status.clone());
            let later = Timestamp::from_second(99).unwrap();
            assert_eq!(CloudProducts::plan(&object, &world(), later), first);
        }
        let without = World {
            offering: false,
            ..world()
        };
        let plan = CloudProducts::plan(&product(&json!({})), &without, Timestamp::UNIX_EPOCH);
        assert_eq!(plan.status.conditions.0[0].reason, "UnknownOffering");
        let without = World {
            platform: None,
            ..world()
        };
        let plan = CloudProducts::plan(&product(&json!({})), &without, Timestamp::UNIX_EPOCH);
        assert_eq!(plan.status.conditions.0[0].reason, "UnknownPlatform");
    }
}
