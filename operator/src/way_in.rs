//! Ways in: an hours-long kubeconfig for the namespaces of a grant, for a person whom the hub lets enter them.
//!
//! Given a person whom the portal vouches for, the operator asks the hub whether that person may enter the grant, and has
//! the member issue a token for the service account `qipan-way-in` of each namespace (`TokenRequest`). Nothing is kept: the
//! token goes to the person, its id to the log.
//! - refuses when: the caller may not let people in; the person may not enter; the grant stands nowhere; the cluster does
//!   not answer as itself.
//! - stateless: any replica answers, leader or not, from what the hub says at this moment.

mod issue;
mod kubeconfig;
mod serve;

pub use issue::{Denied, Issuer};
pub use serve::serve;

use crds::cloud_platform::ClusterSpec;
use crds::way_in::NAMESPACES;
use crds::{CloudPlatform, Reason, TenantQuota, Verdict, keys};

use crate::tenant_quota::observe::cluster_of;

/// Where a grant is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cluster.
    pub cluster: ClusterSpec,
    /// The `kube-system` UID that it is known by.
    pub uid: String,
    /// The namespaces there.
    pub namespaces: Vec<String>,
}

/// Where a grant is entered, or one namespace of it.
///
/// # Errors
/// It stands nowhere yet, the namespace is none of its own, or they are more than one way in opens.
pub fn place(
    quota: &TenantQuota,
    platform: &CloudPlatform,
    leaf: Option<&str>,
) -> Result<Place, Verdict> {
    let (namespace, grant) = (
        quota.metadata.namespace.as_deref().unwrap_or_default(),
        quota.metadata.name.as_deref().unwrap_or_default(),
    );
    let nowhere = || {
        Verdict::no(Reason::WayInNowhere)
            .with("grant", grant)
            .with("namespace", namespace)
    };
    let name = cluster_of(quota, platform).ok_or_else(nowhere)?;
    let cluster = platform.spec.clusters.iter().find(|c| c.name == name);
    let cluster = cluster.ok_or_else(nowhere)?;
    let known = platform.status.iter().flat_map(|s| &s.clusters);
    let uid = known
        .filter(|c| c.name == name)
        .find_map(|c| c.uid.clone())
        .ok_or_else(nowhere)?;
    let tenant = keys::tenant_of_namespace(namespace).unwrap_or_default();
    let wanted = |name: &str| {
        let mut spec = quota.spec.namespaces.iter();
        spec.any(|leaf| keys::leaf_namespace(tenant, &leaf.name) == name)
    };
    let leaves = quota.status.iter().flat_map(|s| &s.leaves);
    let standing: Vec<String> = leaves
        .filter(|entry| entry.uid.is_some() && entry.cluster == name && wanted(&entry.namespace))
        .map(|entry| entry.namespace.clone())
        .collect();
    let namespaces = match leaf {
        None => standing,
        Some(leaf) if standing.iter().any(|n| n == leaf) => vec![leaf.to_owned()],
        Some(leaf) => {
            return Err(Verdict::no(Reason::WayInUnknownNamespace)
                .with("leaf", leaf)
                .with("grant", grant)
                .with("namespaces", standing.join(", ")));
        }
    };
    match namespaces.len() {
        0 => Err(nowhere()),
        count if count > NAMESPACES => Err(Verdict::no(Reason::WayInTooMany)
            .with("grant", grant)
            .with("count", count)
            .with("most", NAMESPACES)),
        _ => Ok(Place {
            cluster: cluster.clone(),
            uid,
            namespaces,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn platform() -> CloudPlatform {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "zj-node" },
            "spec": {
                "displayName": { "zh": "湛江节点" }, "tier": "City", "provision": "SelfBuilt", "owner": "市局",
                "clusters": [{ "name": "zj-1", "zone": "Extranet", "connection": { "kubeconfigSecret": "k" } }],
                "pools": [{ "name": "x86", "zone": "Extranet", "architecture": "amd64", "cluster": "zj-1", "capacity": { "cpu": 40 } }],
            },
            "status": { "clusters": [{ "name": "zj-1", "state": "Connected", "uid": "uid-1" }] },
        }))
        .unwrap()
    }

    fn grant(leaves: usize) -> TenantQuota {
        let name = |i: usize| format!("n{i}");
        let spec: Vec<_> = (0..leaves).map(|i| json!({ "name": name(i) })).collect();
        let status: Vec<_> = (0..leaves)
            .map(|i| json!({ "cluster": "zj-1", "namespace": format!("shuiwu-{}", name(i)), "uid": "u", "ceiling": {}, "target": {}, "epoch": 1 }))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota",
            "metadata": { "name": "fangxun", "namespace": "qp-shuiwu" },
            "spec": { "platform": "zj-node", "zone": "Extranet", "pool": "x86", "hard": {}, "namespaces": spec },
            "status": { "leaves": status },
        }))
        .unwrap()
    }

    fn why(place: Result<Place, Verdict>) -> Reason {
        place.unwrap_err().reason
    }

    #[test]
    fn a_grant_is_entered_where_its_namespaces_stand() {
        let place = place(&grant(2), &platform(), None).unwrap();
        assert_eq!(place.namespaces, ["shuiwu-n0", "shuiwu-n1"]);
        assert_eq!(
            (place.cluster.name.as_str(), place.uid.as_str()),
            ("zj-1", "uid-1")
        );
    }

    #[test]
    fn one_namespace_is_entered_by_its_name_and_no_stranger_is() {
        let one = place(&grant(2), &platform(), Some("shuiwu-n1")).unwrap();
        assert_eq!(one.namespaces, ["shuiwu-n1"]);
        let other = place(&grant(2), &platform(), Some("gongan-web"));
        assert_eq!(why(other), Reason::WayInUnknownNamespace);
    }

    #[test]
    fn nothing_that_left_the_grant_or_never_stood_is_entered() {
        let mut gone = grant(1);
        gone.spec.namespaces.clear();
        assert_eq!(why(place(&gone, &platform(), None)), Reason::WayInNowhere);
        let mut never = grant(1);
        never.status = None;
        assert_eq!(why(place(&never, &platform(), None)), Reason::WayInNowhere);
        let mut unknown = platform();
        unknown.status = None;
        assert_eq!(why(place(&grant(1), &unknown, None)), Reason::WayInNowhere);
    }

    #[test]
    fn more_namespaces_than_one_way_in_opens_are_named_one_by_one() {
        let many = grant(NAMESPACES + 1);
        assert_eq!(why(place(&many, &platform(), None)), Reason::WayInTooMany);
        assert!(place(&many, &platform(), Some("shuiwu-n16")).is_ok());
    }
}
