//! The `LimitRange` of a leaf: without it a container that states no request is refused by the quota.

use std::collections::BTreeMap;

use crds::tenant_quota::ContainerLimits;
use crds::{Quantity, ResourceList, keys};
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use super::quota::to_kubernetes;
use crate::runtime::Child;

/// Defaults and bounds of containers; see [`ContainerLimits`] for what holds where nothing is said. A default limit is set
/// only where it is stated or the quota counts limits (`counted`): any other would refuse containers that request more.
#[must_use]
pub fn build(
    namespace: &str,
    limits: Option<&ContainerLimits>,
    counted: &ResourceList,
    labels: &BTreeMap<String, String>,
) -> Child {
    let stated = limits.cloned().unwrap_or_default();
    let mut default = ResourceList::default();
    for (name, amount) in [
        ("cpu", Quantity::milli(500)),
        ("memory", Quantity::units(512 << 20)),
    ] {
        if counted.0.contains_key(&format!("limits.{name}")) {
            default.0.insert(name.to_owned(), amount);
        }
    }
    default.0.extend(stated.default.0);
    let mut request: ResourceList = [
        ("cpu", Quantity::milli(100)),
        ("memory", Quantity::units(128 << 20)),
    ]
    .into();
    request.0.extend(stated.default_request.0);
    for (name, amount) in &mut request.0 {
        // A default request above the default limit is refused by the API server.
        *amount = (*amount).min(default.0.get(name).copied().unwrap_or(*amount));
    }
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: (!default.is_empty()).then(|| to_kubernetes(&default)),
        default_request: Some(to_kubernetes(&request)),
        max: (!stated.max.is_empty()).then(|| to_kubernetes(&stated.max)),
        ..LimitRangeItem::default()
    };
    Child::LimitRange(LimitRange {
        metadata: super::meta::child(Some(namespace), keys::QIPAN, labels),
        spec: Some(LimitRangeSpec { limits: vec![item] }),
    })
}
