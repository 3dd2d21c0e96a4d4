//! What can go wrong in a pass, and what follows from it. An invalid spec is not an error but a plan with a reason.

use std::time::Duration;

use crds::{Reason, Verdict};

/// A failed step of a pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or failed a call.
    #[error("failed to {action}")]
    Api {
        /// What was tried, as a verb phrase.
        action: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer within the deadline.
    #[error("failed to {action}: no answer within {} s", deadline.as_secs())]
    Deadline {
        /// What was tried.
        action: String,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// The object in the cache is older than the last write; the watch brings the newer one.
    #[error("the object in the cache is older than the last write")]
    Stale,
    /// A resource version that is no number, so that nothing can be ordered by it.
    #[error("the resource version {version:?} of {object} is no number")]
    Version {
        /// The object.
        object: String,
        /// What it says.
        version: String,
    },
    /// A namespace with this name exists and is not the owner's.
    #[error("namespace {namespace} of {cluster} is {owner}")]
    Taken {
        /// The cluster.
        cluster: String,
        /// The namespace.
        namespace: String,
        /// Whose it is.
        owner: String,
    },
    /// The cluster is not connected.
    #[error("{cluster} is not connected")]
    NotConnected {
        /// The cluster.
        cluster: String,
    },
}

/// What follows from an error: the metric label, the verdict on Ready (none where trying again at once is enough), and
/// whether to wait long.
#[derive(Debug)]
pub struct Class {
    /// Label of the metric.
    pub label: &'static str,
    /// What the object says of it.
    pub verdict: Option<Verdict>,
    /// Wait before the next try; `None` backs off exponentially.
    pub wait: Option<Duration>,
}

/// What the server said, where it was the server that failed the call.
fn said(error: &kube::Error) -> Option<&kube::core::Status> {
    if let kube::Error::Api(status) = error {
        Some(status)
    } else {
        None
    }
}

impl Error {
    /// Wraps a client error with what was tried.
    pub fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api {
            action,
            source: Box::new(source),
        }
    }

    /// The HTTP status, where the server gave one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => said(source).map(|status| status.code),
            Self::Deadline { .. }
            | Self::Stale
            | Self::Version { .. }
            | Self::Taken { .. }
            | Self::NotConnected { .. } => None,
        }
    }

    /// The text of the error and its cause, bounded; never a credential, since none of the causes carries one.
    #[must_use]
    pub fn detail(&self) -> String {
        let text = match self {
            Self::Api { source, .. } => {
                said(source).map_or_else(|| source.to_string(), |status| status.message.clone())
            }
            Self::Deadline { .. }
            | Self::Stale
            | Self::Version { .. }
            | Self::Taken { .. }
            | Self::NotConnected { .. } => self.to_string(),
        };
        text.chars().take(512).collect()
    }

    /// What follows from it.
    #[must_use]
    pub fn class(&self) -> Class {
        let retry = |label| Class {
            label,
            verdict: None,
            wait: None,
        };
        match self {
            Self::Stale => Class {
                label: "stale",
                verdict: None,
                wait: Some(Duration::from_secs(1)),
            },
            Self::Version { .. } => retry("version"),
            Self::NotConnected { .. } => Class {
                label: "not_connected",
                verdict: None,
                wait: Some(Duration::from_secs(30)),
            },
            Self::Taken {
                cluster,
                namespace,
                owner,
            } => Class {
                label: "taken",
                verdict: Some(
                    Verdict::no(Reason::NamespaceTaken)
                        .with("cluster", cluster)
                        .with("namespace", namespace)
                        .with("owner", owner),
                ),
                wait: Some(Duration::from_mins(5)),
            },
            Self::Deadline { action, .. } => self.failed("deadline", action),
            Self::Api { action, .. } => match self.code() {
                Some(409) => retry("conflict"),
                Some(429) => retry("throttled"),
                Some(403) => Class {
                    label: "forbidden",
                    verdict: Some(
                        Verdict::no(Reason::Forbidden)
                            .with("action", action)
                            .with("detail", self.detail())
                            .with("cluster", "that cluster"),
                    ),
                    wait: Some(Duration::from_mins(1)),
                },
                _ => self.failed("api", action),
            },
        }
    }

    fn failed(&self, label: &'static str, action: &str) -> Class {
        let verdict = Verdict::no(Reason::ApiError)
            .with("action", action)
            .with("detail", self.detail());
        Class {
            label,
            verdict: Some(verdict),
            wait: None,
        }
    }
}
