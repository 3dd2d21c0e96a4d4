//! The `LimitRange` of a leaf: without it a container that states no request is refused by the quota.

use std::collections::BTreeMap;

use crds::tenant_quota::ContainerLimits;
use crds::{Quantity, ResourceList, keys};
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use super::quota::to_kubernetes;
use crate::runtime::Child;

/// Defaults and bounds of containers; see [`ContainerLimits`] for what holds where nothing is said.
#[must_use]
pub fn build(
    namespace: &str,
    limits: Option<&ContainerLimits>,
    labels: &BTreeMap<String, String>,
) -> Child {
    let stated = limits.cloned().unwrap_or_default();
    let fill = |list: &ResourceList, cpu: i64, mebibytes: i64| {
        let base: ResourceList = [
            ("cpu", Quantity::milli(cpu)),
            ("memory", Quantity::units(mebibytes << 20)),
        ]
        .into();
        let mut filled = base;
        filled.0.extend(list.0.clone());
        filled
    };
    let default = fill(&stated.default, 500, 512);
    let mut request = fill(&stated.default_request, 100, 128);
    for (name, amount) in &mut request.0 {
        // A default request above the default limit is refused by the API server.
        *amount = (*amount).min(default.0.get(name).copied().unwrap_or(*amount));
    }
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: Some(to_kubernetes(&default)),
        default_request: Some(to_kubernetes(&request)),
        max: (!stated.max.is_empty()).then(|| to_kubernetes(&stated.max)),
        ..LimitRangeItem::default()
    };
    Child::LimitRange(LimitRange {
        metadata: super::meta::child(Some(namespace), keys::QIPAN, labels),
        spec: Some(LimitRangeSpec { limits: vec![item] }),
    })
}
