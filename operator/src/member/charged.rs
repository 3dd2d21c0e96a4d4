//! What the quota of a namespace should count, from the objects themselves: the oracle for a quota's own `status.used`, which
//! loses a pod in flight when it is recounted between charging and storing (kubernetes#123434).
//!
//! The rules are those of `pkg/quota/v1/evaluator/core` of Kubernetes 1.36 (pods, claims, services), taken where they differ
//! at their upper side: a pod that is being deleted still counts, a resized one with the larger of both sizes.

use std::collections::BTreeMap;

use crds::{Quantity, ResourceList};
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stated;

type Amounts = BTreeMap<String, Stated>;

/// Prefix of what a pod asks for, and of what it is limited to.
const SIDES: [&str; 2] = ["requests.", "limits."];

fn amounts(stated: Option<&Amounts>) -> ResourceList {
    stated
        .map(crate::children::quota::from_kubernetes)
        .unwrap_or_default()
}

/// What a pod is charged, under every name that a quota may use for it. Nothing once it has ended.
#[must_use]
pub(super) fn pod(pod: &Pod) -> ResourceList {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return ResourceList::default();
    }
    let mut charged = ResourceList::from([
        ("pods", Quantity::units(1)),
        ("count/pods", Quantity::units(1)),
    ]);
    for side in SIDES {
        for (name, amount) in side_of(pod, side).iter() {
            charged.0.insert(format!("{side}{name}"), amount);
            if side == SIDES[0] && matches!(name, "cpu" | "memory" | "ephemeral-storage") {
                charged.0.insert(name.to_owned(), amount);
            }
        }
    }
    charged
}

/// One side of a pod: what runs together, or the largest step of its start, and its overhead.
fn side_of(pod: &Pod, side: &str) -> ResourceList {
    let Some(spec) = &pod.spec else {
        return ResourceList::default();
    };
    let status = pod.status.as_ref();
    let running = |c: &Container| {
        let seen = status
            .into_iter()
            .flat_map(|s| {
                s.container_statuses
                    .iter()
                    .flatten()
                    .chain(s.init_container_statuses.iter().flatten())
            })
            .find(|s| s.name == c.name);
        let now = seen.and_then(|s| s.resources.as_ref());
        let now = if side == SIDES[0] {
            amounts(now.and_then(|r| r.requests.as_ref()))
                .max(&amounts(seen.and_then(|s| s.allocated_resources.as_ref())))
        } else {
            amounts(now.and_then(|r| r.limits.as_ref()))
        };
        stated(
            c.resources
                .as_ref()
                .map(|r| (r.requests.as_ref(), r.limits.as_ref())),
            side,
        )
        .max(&now)
    };
    let nothing = ResourceList::default;
    let mut together = (spec.containers.iter()).fold(nothing(), |sum, c| sum.plus(&running(c)));
    let (mut sidecars, mut starting) = (nothing(), nothing());
    for init in spec.init_containers.iter().flatten() {
        let own = running(init);
        if init.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.plus(&own);
            starting = starting.max(&sidecars);
        } else {
            starting = starting.max(&sidecars.plus(&own));
        }
    }
    together = together.plus(&sidecars).max(&starting);
    // Stated for the pod as a whole, it is at least that.
    let whole = spec.resources.as_ref();
    together = together.max(&stated(
        whole.map(|r| (r.requests.as_ref(), r.limits.as_ref())),
        side,
    ));
    let overhead = amounts(spec.overhead.as_ref());
    let counted = overhead
        .0
        .into_iter()
        .filter(|(name, _)| side == SIDES[0] || together.0.contains_key(name));
    together.plus(&ResourceList(counted.collect()))
}

/// One side of stated resources.
fn stated(resources: Option<(Option<&Amounts>, Option<&Amounts>)>, side: &str) -> ResourceList {
    let (requests, limits) = resources.unwrap_or_default();
    amounts(if side == SIDES[0] { requests } else { limits })
}

/// What a claim of storage is charged.
#[must_use]
pub(super) fn claim(claim: &PersistentVolumeClaim) -> ResourceList {
    let one = Quantity::units(1);
    let mut charged = ResourceList::from([
        ("persistentvolumeclaims", one),
        ("count/persistentvolumeclaims", one),
    ]);
    let spec = claim.spec.as_ref();
    let asked = amounts(spec.and_then(|s| s.resources.as_ref()?.requests.as_ref()));
    let allocated = amounts(
        claim
            .status
            .as_ref()
            .and_then(|s| s.allocated_resources.as_ref()),
    );
    let storage = asked.of("storage").max(allocated.of("storage"));
    charged.0.insert("requests.storage".into(), storage);
    if let Some(class) = spec.and_then(|s| s.storage_class_name.as_deref()) {
        let of_class = |what: &str| format!("{class}.storageclass.storage.k8s.io/{what}");
        charged.0.insert(of_class("requests.storage"), storage);
        charged.0.insert(of_class("persistentvolumeclaims"), one);
    }
    charged
}

/// What a Service is charged.
#[must_use]
pub(super) fn service(service: &Service) -> ResourceList {
    let one = Quantity::units(1);
    let mut charged = ResourceList::from([("services", one), ("count/services", one)]);
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|s| s.ports.as_ref()).map_or(0, Vec::len);
    let ports = Quantity::units(i64::try_from(ports).unwrap_or(i64::MAX));
    match spec.and_then(|s| s.type_.as_deref()) {
        Some("NodePort") => drop(charged.0.insert("services.nodeports".into(), ports)),
        Some("LoadBalancer") => {
            charged.0.insert("services.loadbalancers".into(), one);
            charged.0.insert("services.nodeports".into(), ports);
        }
        _ => {}
    }
    charged
}
