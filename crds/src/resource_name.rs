//! The names under which the API server's quota admission counts, and no others.
//!
//! Source: `k8s.io/kubernetes/pkg/quota/v1/evaluator/core` (pods, services, claims, storage classes), `…/generic`
//! (`count/<resource>.<group>`) and `pkg/apis/core/helper` (`IsQuotaHugePageResourceName`, extended resources only
//! under `requests.`). A name outside of this list is stored by Kubernetes and enforced by nobody.

use std::collections::BTreeMap;

use crate::condition::Verdict;
use crate::quantity::ResourceList;
use crate::reason::Reason;

/// Names counted for every namespace even where a pool does not offer them, so that they are 0 and not unlimited.
pub const ALWAYS_NAMED: [&str; 3] = [
    "count/resourceclaims.resource.k8s.io",
    "services.loadbalancers",
    "services.nodeports",
];

const PLAIN: [&str; 12] = [
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "persistentvolumeclaims",
];

/// A name that no quota enforces, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quota enforces {name:?}: {way_out}")]
pub struct NotEnforced {
    /// The name as it was written.
    pub name: String,
    /// What to write instead.
    pub way_out: String,
}

/// The one name under which a resource is counted: `cpu` is `requests.cpu`.
///
/// # Errors
/// [`NotEnforced`] for a name that the API server's quota admission never counts, such as `nvidia.com/gpu`.
pub fn canonical(name: &str) -> Result<String, NotEnforced> {
    let refuse = |way_out: String| {
        Err(NotEnforced {
            name: name.to_owned(),
            way_out,
        })
    };
    match name {
        "cpu" | "memory" | "storage" | "ephemeral-storage" => {
            return Ok(format!("requests.{name}"));
        }
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => {
            return Ok(format!("count/{name}"));
        }
        _ if PLAIN.contains(&name) => return Ok(name.to_owned()),
        _ => {}
    }
    if let Some(counted) = name.strip_prefix("count/") {
        return if is_dns(counted) {
            Ok(name.to_owned())
        } else {
            refuse("write count/<plural>.<group>".into())
        };
    }
    if let Some(extended) = name.strip_prefix("requests.") {
        let good = extended
            .split_once('/')
            .is_some_and(|(domain, resource)| is_dns(domain) && is_word(resource))
            || (extended.starts_with("hugepages-") && is_word(extended));
        return if good {
            Ok(name.to_owned())
        } else {
            refuse("write requests.<domain>/<resource>".into())
        };
    }
    if let Some((class, what)) = name.split_once(".storageclass.storage.k8s.io/") {
        let good = is_dns(class) && matches!(what, "requests.storage" | "persistentvolumeclaims");
        return if good {
            Ok(name.to_owned())
        } else {
            refuse("write <class>.storageclass.storage.k8s.io/requests.storage".into())
        };
    }
    if let Some((class, what)) = name.split_once(".deviceclass.resource.k8s.io/") {
        let good = is_dns(class) && what == "devices";
        return if good {
            Ok(name.to_owned())
        } else {
            refuse("write <class>.deviceclass.resource.k8s.io/devices".into())
        };
    }
    if name
        .split_once('/')
        .is_some_and(|(domain, resource)| is_dns(domain) && is_word(resource))
    {
        return refuse(format!("write requests.{name}"));
    }
    refuse(format!(
        "write one of {}, requests.<domain>/<resource> or count/<plural>.<group>",
        PLAIN.join(", ")
    ))
}

/// Resource names of a list as quota admission counts them, each once. `field` is where they are stated.
///
/// # Errors
/// The verdict on a name that no quota enforces, or on one resource under two spellings.
pub fn canonical_list(field: &str, stated: &ResourceList) -> Result<ResourceList, Verdict> {
    let mut spelled: BTreeMap<String, &str> = BTreeMap::new();
    let mut amounts = ResourceList::default();
    for (name, amount) in stated.iter() {
        let canonical = canonical(name).map_err(|why| {
            Verdict::no(Reason::NotEnforced)
                .with("field", field)
                .with("resource", name)
                .with("wayOut", why.way_out)
        })?;
        if let Some(first) = spelled.insert(canonical.clone(), name) {
            let verdict = Verdict::no(Reason::DuplicateResource)
                .with("field", field)
                .with("resource", canonical);
            return Err(verdict.with("first", first).with("second", name));
        }
        amounts.0.insert(canonical, amount);
    }
    Ok(amounts)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_dns(text: &str) -> bool {
    is_word(text) && text.bytes().all(|b| !b.is_ascii_uppercase() && b != b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_long_names_are_one_name() {
        assert_eq!(canonical("cpu").unwrap(), "requests.cpu");
        assert_eq!(canonical("requests.cpu").unwrap(), "requests.cpu");
        assert_eq!(canonical("secrets").unwrap(), "count/secrets");
    }

    #[test]
    fn an_extended_resource_is_enforced_only_under_requests() {
        assert_eq!(
            canonical("requests.nvidia.com/gpu").unwrap(),
            "requests.nvidia.com/gpu"
        );
        assert_eq!(
            canonical("nvidia.com/gpu").unwrap_err().way_out,
            "write requests.nvidia.com/gpu"
        );
    }

    #[test]
    fn what_nobody_counts_is_refused() {
        for name in [
            "",
            "gpu",
            "limits.nvidia.com/gpu",
            "requests.",
            "requests.gpu",
            "count/",
            "vcpu",
            "Pods",
        ] {
            assert!(canonical(name).is_err(), "{name}");
        }
    }
}
