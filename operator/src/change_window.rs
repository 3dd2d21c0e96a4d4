//! `ChangeWindow`: maintenance or freeze.
//!
//! Given a window, the operator says where it stands and how much it holds back, and looks again exactly when it begins and
//! ends: with its phase, everything in its scope is judged anew.
//! - a freeze: no grant in its scope grows, nothing approved is opened (`tenant_quota.rs`, `resource_request/enact.rs`).
//! - a maintenance: a cluster of its scope that does not answer is shown with it, and stays unknown.
//! - never: touches what runs; holds back lowering and repair.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::change_window::{
    ChangeWindowStatus, Place, WindowPhase, WindowType, in_force, passes, place_of,
};
use crds::cloud_platform::ClusterState;
use crds::{
    ChangeWindow, CloudPlatform, ConditionType, Conditions, Reason, Tenant, TenantQuota, Verdict,
};
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::member::MemberView;
use crate::runtime::clock::wall;
use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, good};
use crate::runtime::{Context, Plan};
use crate::tenant_quota::observe::cluster_of;

/// The controller of change windows.
pub struct ChangeWindows;

/// How many grants and requests say that this window holds them back.
pub struct World(pub i64);

impl Judged for ChangeWindowStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for ChangeWindows {
    type Object = ChangeWindow;
    type World = World;
    const NAME: &'static str = "changewindow";
    // What it holds back changes in numbers when it begins and ends: counted once.
    const GATHER: Duration = Duration::from_millis(200);

    fn observe(cx: &Context, window: &ChangeWindow) -> World {
        let name = window.name_any();
        let by_me = |conditions: &Conditions, type_| {
            conditions.get(type_).is_some_and(|c| {
                c.reason == Reason::ChangeFrozen.as_str() && c.params.get("window") == Some(&name)
            })
        };
        let grants = good(&cx.hub.quotas).filter(|q| {
            let status = q.0.as_ref().ok().and_then(|q| q.status.as_ref());
            status.is_some_and(|s| by_me(&s.conditions, ConditionType::Admitted))
        });
        let requests = good(&cx.hub.requests).filter(|r| {
            let status = r.0.as_ref().ok().and_then(|r| r.status.as_ref());
            status.is_some_and(|s| by_me(&s.conditions, ConditionType::Ready))
        });
        World(i64::try_from(grants.count() + requests.count()).unwrap_or(i64::MAX))
    }

    fn plan(
        window: &ChangeWindow,
        World(held): &World,
        now: Timestamp,
    ) -> Plan<ChangeWindowStatus> {
        let mut status = window.status.clone().unwrap_or_default();
        let spec = &window.spec;
        status.phase = spec.phase(now);
        status.held_back = *held;
        let verdict = match status.phase {
            WindowPhase::Planned => Verdict::unknown(Reason::WindowPlanned).with("from", spec.from),
            WindowPhase::Active => Verdict::yes(Reason::WindowActive)
                .with("until", spec.to)
                .with("held", held),
            WindowPhase::Ended => Verdict::no(Reason::WindowEnded).with("until", spec.to),
        };
        let generation = window.metadata.generation;
        let conditions = &mut status.conditions;
        conditions.set(ConditionType::Ready, &verdict, generation, now);
        let next = spec.next(now).map(|at| at.duration_since(now));
        Plan {
            // Never before the moment: a timer rounds to milliseconds.
            requeue: next.map(|wait| wait.unsigned_abs() + Duration::from_millis(1)),
            ..Plan::say(status)
        }
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<ChangeWindow>>) -> Api<ChangeWindow> {
        Api::all(cx.hub.client.clone())
    }
}

/// Every window that is not over.
#[must_use]
pub fn all(cx: &Context) -> Vec<ChangeWindow> {
    let now = wall();
    good(&cx.hub.windows)
        .filter_map(|w| w.0.as_ref().ok().cloned())
        .filter(|w| w.spec.to > now)
        .collect()
}

/// The freezes in whose scope a grant is, begun or not; none where the request behind it passes them.
#[must_use]
pub fn freezes(
    cx: &Context,
    quota: &TenantQuota,
    tenant: Option<&Tenant>,
    cluster: Option<&str>,
) -> Vec<ChangeWindow> {
    let mut windows = all(cx);
    windows.retain(|w| w.spec.type_ == WindowType::Freeze);
    if windows.is_empty() || is_let_through(cx, quota) {
        return Vec::new();
    }
    let units: Vec<String> = tenant.map(units).unwrap_or_default();
    let place = place_of(&quota.spec, cluster, &units);
    windows.retain(|w| w.spec.scope.covers(&place));
    windows
}

/// The unit and those above it.
fn units(tenant: &Tenant) -> Vec<String> {
    let above = tenant.status.iter().flat_map(|s| &s.path).cloned();
    above.chain(tenant.metadata.name.clone()).collect()
}

fn is_let_through(cx: &Context, quota: &TenantQuota) -> bool {
    let namespace = quota.namespace().unwrap_or_default();
    let named = quota.spec.request.as_deref();
    let found = named.and_then(|r| cx.hub.requests.get(&ObjectRef::new(r).within(&namespace)));
    let request = found.as_ref().and_then(|r| r.0.as_ref().ok());
    request.is_some_and(|r| passes(&r.spec.application))
}

/// Whether a freeze is in force for a grant now.
#[must_use]
pub fn is_frozen(
    cx: &Context,
    quota: &TenantQuota,
    tenant: Option<&Tenant>,
    platform: &CloudPlatform,
) -> bool {
    let cluster = cluster_of(quota, platform);
    let freezes = freezes(cx, quota, tenant, cluster.as_deref());
    in_force(&freezes, WindowType::Freeze, None, wall()).is_some()
}

/// What is known of clusters, with the maintenance that was announced beside what does not answer in it. The state stays what
/// it is: an excuse makes nothing known.
#[must_use]
pub fn excused(
    mut members: BTreeMap<String, MemberView>,
    platform: &CloudPlatform,
    windows: &[ChangeWindow],
    now: Timestamp,
) -> BTreeMap<String, MemberView> {
    let name = platform.metadata.name.as_deref();
    for (cluster, view) in &mut members {
        let lost =
            view.state == ClusterState::Unreachable && view.verdict.reason == Reason::Unreachable;
        let spec = platform.spec.clusters.iter().find(|c| c.name == *cluster);
        let place = Place {
            platform: name,
            cluster: Some(cluster),
            zone: spec.map(|c| c.zone),
            units: &[],
        };
        let window = in_force(windows, WindowType::Maintenance, Some(&place), now);
        if let Some(window) = window.filter(|_| lost) {
            view.verdict.reason = Reason::InMaintenance;
            let params = &mut view.verdict.params;
            params.insert("window".to_owned(), window.name_any());
            params.insert("until".to_owned(), window.spec.to.to_string());
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::ConditionStatus;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(type_: &str) -> ChangeWindow {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": "wei", "generation": 3 },
            "spec": {
                "title": { "zh": "维护" }, "type": type_, "reason": "r", "scope": { "clusters": ["zj-1"] },
                "from": "2026-11-24T01:00:00Z", "to": "2026-11-24T03:00:00Z",
            },
        }))
        .unwrap()
    }

    #[test]
    fn it_is_looked_at_again_exactly_when_it_begins_and_when_it_ends() {
        let mut window = window("Freeze");
        for (now, phase, status, wait) in [
            (
                "2026-11-24T00:59:00Z",
                WindowPhase::Planned,
                ConditionStatus::Unknown,
                Some(60),
            ),
            (
                "2026-11-24T01:00:00Z",
                WindowPhase::Active,
                ConditionStatus::True,
                Some(7200),
            ),
            (
                "2026-11-24T03:00:00Z",
                WindowPhase::Ended,
                ConditionStatus::False,
                None,
            ),
        ] {
            let plan = ChangeWindows::plan(&window, &World(2), at(now));
            let ready = plan.status.conditions.get(ConditionType::Ready).unwrap();
            assert_eq!((plan.status.phase, ready.status), (phase, status), "{now}");
            assert!(!ready.message.contains('?'), "{}", ready.message);
            let expected = wait.map(|secs| Duration::from_secs(secs) + Duration::from_millis(1));
            assert_eq!(plan.requeue, expected, "{now}");
            assert_eq!(plan.status.held_back, 2);
            window.status = Some(plan.status.clone());
            let again = ChangeWindows::plan(&window, &World(2), at(now));
            assert_eq!(again.status, plan.status, "a second look says the same");
        }
    }

    #[test]
    fn a_cluster_that_does_not_answer_in_its_maintenance_is_excused_and_stays_unknown() {
        let platform: CloudPlatform = serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "node" },
            "spec": {
                "displayName": { "zh": "n" }, "tier": "City", "provision": "SelfBuilt", "owner": "o",
                "operationsProvider": { "name": "p", "post": "d" },
                "clusters": [{ "name": "zj-1", "zone": "Extranet" }, { "name": "zj-2", "zone": "Extranet" }],
            },
        }))
        .unwrap();
        let lost = || MemberView {
            state: ClusterState::Unreachable,
            since: at("2026-11-24T01:30:00Z"),
            contact: None,
            verdict: Verdict::unknown(Reason::Unreachable)
                .with("cluster", "c")
                .with("detail", "d")
                .with("secret", "s"),
            uid: None,
            credential_until: None,
            endpoint: None,
            facts: crate::member::Facts::default(),
        };
        let members = || BTreeMap::from([("zj-1".to_owned(), lost()), ("zj-2".to_owned(), lost())]);
        let reasons = |type_: &str, now: &str| {
            let members = excused(members(), &platform, &[window(type_)], at(now));
            for view in members.values() {
                assert_eq!(view.verdict.status, ConditionStatus::Unknown, "never good");
                assert_eq!(view.state, ClusterState::Unreachable);
                assert!(!view.verdict.message().contains('?'));
            }
            members
                .into_values()
                .map(|v| v.verdict.reason)
                .collect::<Vec<_>>()
        };
        let (out, excused) = (Reason::Unreachable, Reason::InMaintenance);
        assert_eq!(
            reasons("Maintenance", "2026-11-24T02:00:00Z"),
            [excused, out]
        );
        assert_eq!(reasons("Maintenance", "2026-11-24T03:00:00Z"), [out, out]);
        assert_eq!(reasons("Freeze", "2026-11-24T02:00:00Z"), [out, out]);
    }
}
