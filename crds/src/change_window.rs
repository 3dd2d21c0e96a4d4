//! `ChangeWindow`: maintenance or freeze. What is in force at a moment is a pure function of the windows.

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::{Conditions, Verdict};
use crate::reason::Reason;
use crate::resource_request::Application;
use crate::resource_request::application::{ApplicationType, Environment};
use crate::tenant_quota::TenantQuotaSpec;
use crate::words::{DisplayName, Zone};

/// A time in which things are forbidden, or excused.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "ChangeWindow",
    plural = "changewindows",
    shortname = "qcw",
    category = "qipan",
    status = "ChangeWindowStatus",
    derive = "PartialEq",
    doc = "A time of maintenance or freeze (变更窗口). In a Freeze no grant in its scope grows and nothing that was approved is opened; what runs, what is lowered and what is repaired goes on, requests are taken in and decided, and approved exceptions and emergency requests pass. In a Maintenance the loss of a cluster in its scope is announced: it is shown as in maintenance beside unknown, never as good.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
    validation = Rule::new("self.spec.to > self.spec.from").message("spec.to is after spec.from"),
    validation = Rule::new("self.spec.to - self.spec.from <= duration('1488h')").message("spec.to: a window lasts at most 62 days; make a second one for what lasts longer"),
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.title.zh"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"From","type":"string","jsonPath":".spec.from"}"#,
    printcolumn = r#"{"name":"To","type":"string","jsonPath":".spec.to"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"HeldBack","type":"integer","jsonPath":".status.heldBack"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ChangeWindowSpec {
    /// What it is called.
    pub title: DisplayName,
    /// Freeze forbids growth and opening; Maintenance excuses the loss of connections.
    #[serde(rename = "type")]
    pub type_: WindowType,
    /// Its first instant, RFC 3339 with an offset: 2026-12-30T18:00:00+08:00.
    pub from: Timestamp,
    /// Its end, the first instant that is free again; after from, and at most 62 days later. Moved forward, it ends early.
    pub to: Timestamp,
    /// Where it holds. Lists that are given must all fit, one entry of each; without any it holds everywhere.
    #[serde(default)]
    pub scope: WindowScope,
    /// Why, in a sentence that everybody may read.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// The document that orders it: number and date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reference: Option<String>,
}

/// What a window does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WindowType {
    /// 封网: nothing grows and nothing approved is opened.
    Freeze,
    /// 维护: losing the connection is announced.
    Maintenance,
}

/// Where a window holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowScope {
    /// `CloudPlatform`s by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub platforms: Vec<String>,
    /// Clusters by the name in their platform's `spec.clusters`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub clusters: Vec<String>,
    /// Tenants by name, each with the units below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 32)))]
    pub tenants: Vec<String>,
    /// Zones: Internet, Extranet, Exchange, Management.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub zones: Vec<Zone>,
}

/// Where a window stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowPhase {
    /// It has not begun.
    #[default]
    Planned,
    /// It is in force.
    Active,
    /// It is over.
    Ended,
}

impl WindowPhase {
    /// The word used in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Active => "Active",
            Self::Ended => "Ended",
        }
    }
}

/// What the operator says of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeWindowStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Planned, Active or Ended.
    #[serde(default)]
    pub phase: WindowPhase,
    /// How many grants and requests a freeze holds back now.
    #[serde(default)]
    pub held_back: i64,
    /// Ready: what it says is in force, or is not due.
    #[serde(default)]
    pub conditions: Conditions,
}

/// Something that a window may concern: parts that are not known fit no list that is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The platform.
    pub platform: Option<&'a str>,
    /// The cluster.
    pub cluster: Option<&'a str>,
    /// The zone.
    pub zone: Option<Zone>,
    /// The unit, then those above it.
    pub units: &'a [String],
}

impl ChangeWindowSpec {
    /// Where it stands at a moment.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> WindowPhase {
        if now < self.from {
            WindowPhase::Planned
        } else if now < self.to {
            WindowPhase::Active
        } else {
            WindowPhase::Ended
        }
    }

    /// When its phase changes next; `None` once it is over.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        [self.from, self.to].into_iter().find(|at| now < *at)
    }
}

impl WindowScope {
    /// Whether it is everywhere.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something is in it.
    #[must_use]
    pub fn covers(&self, place: &Place<'_>) -> bool {
        fn fits(list: &[String], mut of: impl FnMut(&str) -> bool) -> bool {
            list.is_empty() || list.iter().any(|entry| of(entry))
        }
        fits(&self.platforms, |name| place.platform == Some(name))
            && fits(&self.clusters, |name| place.cluster == Some(name))
            && fits(&self.tenants, |name| place.units.iter().any(|u| u == name))
            && (self.zones.is_empty() || place.zone.is_some_and(|zone| self.zones.contains(&zone)))
    }
}

/// The window of a type that is in force for something now (`None`: wherever it holds): of several the one that ends last.
#[must_use]
pub fn in_force<'a>(
    windows: &'a [ChangeWindow],
    type_: WindowType,
    place: Option<&Place<'_>>,
    now: Timestamp,
) -> Option<&'a ChangeWindow> {
    windows
        .iter()
        .filter(|w| {
            w.spec.type_ == type_
                && w.metadata.deletion_timestamp.is_none()
                && w.spec.phase(now) == WindowPhase::Active
                && place.is_none_or(|place| w.spec.scope.covers(place))
        })
        .max_by(|a, b| (a.spec.to, &b.metadata.name).cmp(&(b.spec.to, &a.metadata.name)))
}

impl ChangeWindow {
    /// What it says to something that would grow in it: which window, until when, the way out.
    #[must_use]
    pub fn frozen(&self) -> Verdict {
        Verdict::unknown(Reason::ChangeFrozen)
            .with("window", self.metadata.name.as_deref().unwrap_or_default())
            .with("from", self.spec.from)
            .with("until", self.spec.to)
    }
}

/// Whether an application passes a freeze: an exception, or an emergency.
#[must_use]
pub fn passes(application: &Application) -> bool {
    application.environment == Environment::Emergency
        || application.type_ == ApplicationType::Exception
}

/// The place of a grant. `units` are its unit and those above; the cluster is that of its pool.
#[must_use]
pub fn place_of<'a>(
    grant: &'a TenantQuotaSpec,
    cluster: Option<&'a str>,
    units: &'a [String],
) -> Place<'a> {
    Place {
        platform: Some(&grant.platform),
        cluster,
        zone: Some(grant.zone),
        units,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(name: &str, type_: &str, (from, to): (&str, &str), scope: &Value) -> ChangeWindow {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": name },
            "spec": { "title": { "zh": name }, "type": type_, "from": from, "to": to, "scope": scope, "reason": "r" },
        }))
        .unwrap()
    }

    const SPRING: (&str, &str) = ("2027-02-05T18:00:00+08:00", "2027-02-20T08:00:00+08:00");

    #[test]
    fn a_window_begins_with_its_first_instant_and_its_end_is_free_again() {
        let spec = window("chunjie", "Freeze", SPRING, &json!({})).spec;
        for (now, phase, next) in [
            (
                "2027-02-05T09:59:59Z",
                WindowPhase::Planned,
                Some("2027-02-05T10:00:00Z"),
            ),
            (
                "2027-02-05T10:00:00Z",
                WindowPhase::Active,
                Some("2027-02-20T00:00:00Z"),
            ),
            (
                "2027-02-19T23:59:59.999Z",
                WindowPhase::Active,
                Some("2027-02-20T00:00:00Z"),
            ),
            ("2027-02-20T00:00:00Z", WindowPhase::Ended, None),
        ] {
            assert_eq!(spec.phase(at(now)), phase, "{now}");
            assert_eq!(spec.next(at(now)), next.map(at), "{now}");
        }
    }

    #[test]
    fn every_list_that_is_given_must_fit() {
        let units = ["renshe".to_owned(), "zhanjiang".to_owned()];
        let place = Place {
            platform: Some("node"),
            cluster: Some("zj-extranet"),
            zone: Some(Zone::Extranet),
            units: &units,
        };
        for (scope, covered) in [
            (json!({}), true),
            (json!({ "platforms": ["node", "other"] }), true),
            (json!({ "platforms": ["other"] }), false),
            (
                json!({ "platforms": ["node"], "zones": ["Internet"] }),
                false,
            ),
            (json!({ "tenants": ["zhanjiang"] }), true),
            (
                json!({ "tenants": ["zhanjiang"], "clusters": ["zj-internet"] }),
                false,
            ),
            (
                json!({ "clusters": ["zj-extranet"], "zones": ["Extranet"] }),
                true,
            ),
        ] {
            let scope: WindowScope = serde_json::from_value(scope).unwrap();
            assert_eq!(scope.covers(&place), covered, "{scope:?}");
        }
        let nowhere = Place::default();
        assert!(WindowScope::default().covers(&nowhere));
        let platforms: WindowScope =
            serde_json::from_value(json!({ "platforms": ["node"] })).unwrap();
        assert!(!platforms.covers(&nowhere), "what is unknown fits no list");
    }

    #[test]
    fn of_several_the_one_that_ends_last_and_only_its_type() {
        let later = ("2027-02-10T00:00:00Z", "2027-02-25T00:00:00Z");
        let windows = [
            window("a", "Freeze", SPRING, &json!({})),
            window("b", "Freeze", later, &json!({})),
            window("c", "Freeze", later, &json!({})),
            window("m", "Maintenance", later, &json!({})),
            window("x", "Freeze", later, &json!({ "platforms": ["other"] })),
        ];
        let found = |type_, now: &str| {
            let found = in_force(&windows, type_, Some(&Place::default()), at(now));
            found.and_then(|w| w.metadata.name.as_deref())
        };
        assert_eq!(found(WindowType::Freeze, "2027-02-06T00:00:00Z"), Some("a"));
        assert_eq!(found(WindowType::Freeze, "2027-02-15T00:00:00Z"), Some("b"));
        assert_eq!(
            found(WindowType::Maintenance, "2027-02-15T00:00:00Z"),
            Some("m")
        );
        assert_eq!(found(WindowType::Freeze, "2027-02-25T00:00:00Z"), None);
        let said = windows[0].frozen();
        assert!(
            said.message().contains("the freeze a from")
                && said.message().contains("2027-02-20T00:00:00Z"),
            "{}",
            said.message()
        );
    }
}
