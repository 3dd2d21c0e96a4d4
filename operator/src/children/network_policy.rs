//! The two `NetworkPolicies` of a leaf: deny everything, then open DNS and what its isolation allows. They add up, so tenants
//! may not write any (see the `qipan:tenant` role and the `qipan-children` policy).

use std::collections::BTreeMap;

use crds::keys;
use crds::tenant_quota::Isolation;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::runtime::Child;

fn both() -> Vec<String> {
    vec!["Ingress".into(), "Egress".into()]
}

/// Stated although it is the default: the API server stores it, and what it stores must be what is wanted.
fn every_pod() -> LabelSelector {
    LabelSelector::default()
}

fn labelled(label: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(label.to_owned(), value.to_owned())].into()),
        match_expressions: None,
    }
}

fn policy(
    namespace: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
    spec: NetworkPolicySpec,
) -> Child {
    let metadata = super::meta::child(Some(namespace), name, labels);
    Child::NetworkPolicy(NetworkPolicy {
        metadata,
        spec: Some(spec),
    })
}

/// Denies all that another policy does not open.
#[must_use]
pub fn default_deny(namespace: &str, labels: &BTreeMap<String, String>) -> Child {
    let spec = NetworkPolicySpec {
        pod_selector: Some(every_pod()),
        policy_types: Some(both()),
        // Said, not left out: what an apply does not name it does not take back, and a rule that somebody added would stay.
        ingress: Some(Vec::new()),
        egress: Some(Vec::new()),
    };
    policy(namespace, keys::DEFAULT_DENY, labels, spec)
}

/// Opens DNS in kube-system, and pods of the same namespace or of the tenant's namespaces.
#[must_use]
pub fn allow(
    namespace: &str,
    tenant: &str,
    isolation: Isolation,
    labels: &BTreeMap<String, String>,
) -> Child {
    let peer = match isolation {
        Isolation::Namespace => NetworkPolicyPeer {
            pod_selector: Some(every_pod()),
            ..NetworkPolicyPeer::default()
        },
        Isolation::Tenant => NetworkPolicyPeer {
            namespace_selector: Some(labelled(keys::TENANT, tenant)),
            ..NetworkPolicyPeer::default()
        },
    };
    let dns = NetworkPolicyPeer {
        namespace_selector: Some(labelled("kubernetes.io/metadata.name", "kube-system")),
        ..NetworkPolicyPeer::default()
    };
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(53)),
        protocol: Some(protocol.into()),
        end_port: None,
    };
    let spec = NetworkPolicySpec {
        pod_selector: Some(every_pod()),
        policy_types: Some(both()),
        ingress: Some(vec![NetworkPolicyIngressRule {
            from: Some(vec![peer.clone()]),
            ports: None,
        }]),
        egress: Some(vec![
            NetworkPolicyEgressRule {
                to: Some(vec![peer]),
                ports: None,
            },
            NetworkPolicyEgressRule {
                to: Some(vec![dns]),
                ports: Some(vec![port("UDP"), port("TCP")]),
            },
        ]),
    };
    policy(namespace, keys::ALLOW, labels, spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::digest;

    #[test]
    fn a_default_deny_that_somebody_opened_is_drift_and_the_stored_one_is_not() {
        let wanted = default_deny("shuiwu-web", &BTreeMap::new());
        let with = |ingress: Option<Vec<NetworkPolicyIngressRule>>| {
            let Child::NetworkPolicy(mut policy) = wanted.clone() else {
                panic!("a network policy");
            };
            let spec = policy.spec.as_mut().unwrap();
            (spec.ingress, spec.egress) = (ingress, None);
            digest(&Child::NetworkPolicy(policy))
        };
        // The API server leaves empty lists out.
        assert_eq!(with(None), digest(&wanted));
        let open = vec![NetworkPolicyIngressRule::default()];
        assert_ne!(with(Some(open)), digest(&wanted));
    }
}
