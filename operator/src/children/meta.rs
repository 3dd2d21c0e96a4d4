//! Metadata of children: the labels by which Qipan knows its own.

use std::collections::BTreeMap;

use crds::keys;
use kube::api::ObjectMeta;

/// Metadata of a child with its owner's labels.
#[must_use]
pub fn child(namespace: Option<&str>, name: &str, labels: &BTreeMap<String, String>) -> ObjectMeta {
    let mut labels = labels.clone();
    labels.insert(keys::MANAGED_BY.into(), keys::QIPAN.into());
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(ToOwned::to_owned),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}
