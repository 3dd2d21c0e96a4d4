//! Small types that several kinds share: names in two languages, zones, subjects, evidence.

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A name as people write it. Identifiers are `metadata.name`; this is what pages show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisplayName {
    /// Chinese name, the official one.
    #[schemars(length(min = 1, max = 128))]
    pub zh: String,
    /// English name, shown when the reader switches; the Chinese one is shown where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub en: Option<String>,
}

impl DisplayName {
    /// The name in the reader's language, or the official one.
    #[must_use]
    pub fn in_language(&self, language: &str) -> &str {
        match &self.en {
            Some(en) if !language.starts_with("zh") && !en.is_empty() => en,
            _ => &self.zh,
        }
    }
}

/// A text of a few sentences in two languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Text {
    /// Chinese.
    #[schemars(length(min = 1, max = 2048))]
    pub zh: String,
    /// English; the Chinese text is shown where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub en: Option<String>,
}

impl Text {
    /// The text in the reader's language, or the official one.
    #[must_use]
    pub fn in_language(&self, language: &str) -> &str {
        match &self.en {
            Some(en) if !language.starts_with("zh") && !en.is_empty() => en,
            _ => &self.zh,
        }
    }
}

/// A cloud zone. Internet and extranet are physically isolated (Zhanjiang 2020 plan §3.2.1); a cluster is in exactly one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Zone {
    /// 互联网区.
    Internet,
    /// 政务外网区.
    Extranet,
    /// 数据交换安全区.
    Exchange,
    /// 管理区: control planes, no tenants.
    Management,
}

impl Zone {
    /// The word used in specs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internet => "Internet",
            Self::Extranet => "Extranet",
            Self::Exchange => "Exchange",
            Self::Management => "Management",
        }
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of things that hold a tenant's data when their owner is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Namespaces and what is in them stay; their quotas go to 0.
    #[default]
    Retain,
    /// Namespaces are deleted with everything in them.
    Delete,
}

/// A user or a group, named as the API server of the cluster sees it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Subject {
    /// User or Group.
    pub kind: SubjectKind,
    /// The name that authentication gives, prefix included (for example `oidc:cs-owner`).
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What a subject is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum SubjectKind {
    /// One person or robot.
    User,
    /// Everyone of a group.
    Group,
}

/// A calendar date (UTC+8), `2026-11-30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(format!("{text:?} is not a date: write it as 2026-11-30"))
        })
    }
}

impl JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

/// A person's word for a fact that Qipan cannot observe, with its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attestation {
    /// The post that attests (a post, never a person's name).
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
    /// The day of the attestation. (Not named `on`: YAML 1.1, which Kubernetes reads, takes that for a boolean.)
    pub date: Day,
    /// Its last day; after it the fact is unknown.
    pub until: Day,
    /// What it rests on: a document number, a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub basis: Option<String>,
}
