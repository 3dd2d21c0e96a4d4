//! `GovernanceProfile`: the province's rules as data.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval::ApprovalRules;
use crate::calendar::Calendar;
use crate::condition::Conditions;
use crate::money_budget::MoneyRules;
use crate::words::{DisplayName, Zone};

/// The province's rules as data.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "GovernanceProfile",
    plural = "governanceprofiles",
    shortname = "qgov",
    category = "qipan",
    status = "GovernanceProfileStatus",
    derive = "PartialEq",
    doc = "The province's rules as data: titles, isolation of zones, thresholds and times. There is one, named default; without it the defaults printed here hold.",
    validation = "self.metadata.name == 'default'",
    printcolumn = r#"{"name":"Province","type":"string","jsonPath":".spec.province.zh"}"#,
    printcolumn = r#"{"name":"Isolation","type":"string","jsonPath":".spec.isolation"}"#,
    printcolumn = r#"{"name":"HubZone","type":"string","jsonPath":".spec.hubZone"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct GovernanceProfileSpec {
    /// Name of the province.
    pub province: DisplayName,
    /// Title of the portal; 政务云网统一管理平台 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal_title: Option<DisplayName>,
    /// Whether zones are physically (the default) or logically isolated. Where physically, a hub docks only clusters of its
    /// own zone; others are refused with `ZoneForbidden`.
    #[serde(default)]
    pub isolation: Isolation,
    /// The zone that this hub is in. A hub in `Management` may dock other zones with an approval recorded on the platform.
    pub hub_zone: Zone,
    /// Percentages and ages from which on things are shown as needing attention. They refuse nothing.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Times of the quota ledger.
    #[serde(default)]
    pub quota: QuotaTimes,
    /// From where on the units' budgets of money need attention.
    #[serde(default)]
    pub money: MoneyRules,
    /// How requests are decided: chains, working days, what is approved by rule.
    #[serde(default)]
    pub approvals: ApprovalRules,
    /// The working calendar. Without it every working day is unknown, and clocks say so.
    #[serde(default)]
    pub calendar: Calendar,
}

/// How zones are separated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Isolation {
    /// Separate equipment (Zhanjiang 2020 plan §3.2.1).
    #[default]
    Physical,
    /// Separate networks on shared equipment.
    Logical,
}

/// Percentages and ages from which on things are shown as needing attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Thresholds {
    /// Granted share of a pool, in percent, from which on it needs attention. Default 90.
    #[schemars(range(min = 1, max = 100))]
    pub granted_percent: u8,
    /// Days before its end from which on a credential, attestation or approval is announced. Default 30.
    #[schemars(range(min = 1, max = 365))]
    pub expiry_days: u16,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            granted_percent: 90,
            expiry_days: 30,
        }
    }
}

/// Times of the quota ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QuotaTimes {
    /// Seconds that a lowered quota must be seen in force before what it freed goes elsewhere. Covers the API server's
    /// handler timeout (34 s), queueing before it and etcd's commit. Default 60.
    #[schemars(range(min = 1, max = 3600))]
    pub settle_seconds: u32,
    /// Days that a grant may stay above its lowered amount before it is a finding. Default 30.
    #[schemars(range(min = 1, max = 365))]
    pub over_grant_grace_days: u16,
}

impl Default for QuotaTimes {
    fn default() -> Self {
        Self {
            settle_seconds: 60,
            over_grant_grace_days: 30,
        }
    }
}

/// What the operator says of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GovernanceProfileStatus {
    /// The generation of the spec that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the rules are in force.
    #[serde(default)]
    pub conditions: Conditions,
}
