//! What the portal and the operator say to each other about ways in: an hours-long credential for a grant's namespaces.
//!
//! The portal asks for a person who is signed in; the operator asks the hub whether that person may, and has the member
//! issue the credential (`TokenRequest`). Neither keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::condition::Verdict;

/// The path of the operator's endpoint.
pub const PATH: &str = "/way-in";
/// The audience that the portal's own token for the operator is for.
pub const AUDIENCE: &str = "qipan-operator";
/// Hours that a way in lasts, where the member does not make it shorter.
pub const HOURS: i64 = 8;
/// Namespaces that one way in opens at most; of more, one is named.
pub const NAMESPACES: usize = 16;

/// A way in, asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The person, as the hub's API server names them.
    pub user: String,
    /// The person's groups.
    pub groups: Vec<String>,
    /// The unit's namespace on the hub, `qp-<tenant>`.
    pub namespace: String,
    /// The `TenantQuota` in it.
    pub grant: String,
    /// One of the grant's namespaces, by its name in the member; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<String>,
}

/// A way in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The kubeconfig, with the credential in it.
    pub kubeconfig: String,
    /// When it ends.
    pub until: Timestamp,
    /// What it opens: a namespace each, with the credential's id (`jti`) as the member's audit log names it.
    pub doors: Vec<Door>,
}

impl std::fmt::Debug for Given {
    /// Without the kubeconfig: it holds a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given")
            .field("until", &self.until)
            .field("doors", &self.doors)
            .finish_non_exhaustive()
    }
}

/// A namespace that a way in opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The namespace in the member.
    pub namespace: String,
    /// Id of the credential: `JTI=<id>` among the `extra` of the member's audit events. It opens nothing by itself.
    pub credential: String,
}

/// Why there is no way in, with the figures of the reason's sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why: a word of the catalogue of reasons.
    pub reason: String,
    /// The figures.
    pub params: BTreeMap<String, String>,
}

impl Refused {
    /// The sentence in `en` or `zh`; the bare word where this side does not know it.
    #[must_use]
    pub fn words(&self, language: &str) -> String {
        self.reason.parse::<Reason>().map_or_else(
            |_| self.reason.clone(),
            |r| r.render(language, &self.params),
        )
    }
}

impl From<Verdict> for Refused {
    fn from(verdict: Verdict) -> Self {
        Self {
            reason: verdict.reason.to_string(),
            params: verdict.params,
        }
    }
}
