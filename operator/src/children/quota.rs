//! The one `ResourceQuota` of a leaf: a pure function of its ledger entry.

use std::collections::BTreeMap;

use crds::ResourceList;
use crds::keys;
use crds::tenant_quota::LeafEntry;
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::runtime::Child;

/// Amounts as Kubernetes writes them.
#[must_use]
pub fn to_kubernetes(list: &ResourceList) -> BTreeMap<String, Quantity> {
    list.iter()
        .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_string())))
        .collect()
}

/// Amounts as Qipan counts them; one that cannot be read is left out, which reads as unknown.
#[must_use]
pub fn from_kubernetes(list: &BTreeMap<String, Quantity>) -> ResourceList {
    ResourceList(
        list.iter()
            .filter_map(|(name, amount)| Some((name.clone(), amount.0.parse().ok()?)))
            .collect(),
    )
}

/// The quota of a ledger entry: `spec.hard` is its target, the annotation its epoch.
#[must_use]
pub fn build(entry: &LeafEntry, labels: &BTreeMap<String, String>) -> Child {
    let mut metadata = super::meta::child(Some(&entry.namespace), keys::QIPAN, labels);
    metadata.annotations = Some([(keys::EPOCH.to_owned(), entry.epoch.to_string())].into());
    let spec = ResourceQuotaSpec {
        hard: Some(to_kubernetes(&entry.target)),
        ..ResourceQuotaSpec::default()
    };
    Child::ResourceQuota(ResourceQuota {
        metadata,
        spec: Some(spec),
        status: None,
    })
}
