//! Qipan's objects as the API server tells of them, kind by kind, from a version on: for the recorder, which may miss
//! nothing. (The caches of the pages skip versions.)

use std::time::Duration;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::api::{ApiResource, DynamicObject, ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Api, Client};
use serde_json::Value;

use super::{ClusterError, WATCH_SECONDS};

/// A list is answered by then.
const LIST: Duration = Duration::from_secs(30);
/// So many objects are listed at once.
const PAGE: u32 = 500;

/// A kind of Qipan's, whatever its scope.
#[derive(Clone, Debug)]
pub struct AnyKind {
    /// Its name.
    pub name: String,
    /// Its plural in the API.
    pub plural: String,
    resource: ApiResource,
}

/// Every kind of Qipan's.
#[must_use]
pub fn every_kind() -> Vec<AnyKind> {
    crds::all()
        .into_iter()
        .map(|definition| {
            let names = definition.spec.names;
            AnyKind {
                resource: ApiResource {
                    group: crds::GROUP.to_owned(),
                    version: crds::VERSION.to_owned(),
                    api_version: format!("{}/{}", crds::GROUP, crds::VERSION),
                    kind: names.kind.clone(),
                    plural: names.plural.clone(),
                },
                name: names.kind,
                plural: names.plural,
            }
        })
        .collect()
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An object is there, new or changed.
    Seen(Value),
    /// An object is gone; this is its last state.
    Deleted(Value),
    /// Nothing happened up to this version.
    Passed(String),
}

/// Why a watch cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The version is too old: what happened since then cannot be told any more.
    #[error("the hub no longer tells what happened since")]
    Expired,
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] ClusterError),
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The objects.
    pub items: Vec<Value>,
    /// The version that the whole list is of.
    pub version: String,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// The hub's objects.
#[derive(Clone)]
pub struct Objects {
    client: Client,
}

impl Objects {
    /// The objects of a hub.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    fn api(&self, kind: &AnyKind) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &kind.resource)
    }

    /// A page of all objects of a kind.
    ///
    /// # Errors
    /// The hub does not answer, or refuses.
    pub async fn list(&self, kind: &AnyKind, token: Option<&str>) -> Result<Page, ClusterError> {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = token.map(str::to_owned);
        let api = self.api(kind);
        let list = tokio::time::timeout(LIST, api.list(&params))
            .await
            .map_err(|_| ClusterError::Deadline)??;
        Ok(Page {
            version: list.metadata.resource_version.unwrap_or_default(),
            next: list.metadata.continue_.filter(|token| !token.is_empty()),
            items: list.items.into_iter().map(value).collect(),
        })
    }

    /// What happens to objects of a kind after a version, for at most half a minute.
    ///
    /// # Errors
    /// The hub does not answer, refuses, or no longer knows the version.
    pub async fn watch(
        &self,
        kind: &AnyKind,
        version: &str,
    ) -> Result<impl Stream<Item = Result<Change, Ended>> + use<>, Ended> {
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let stream = self
            .api(kind)
            .watch(&params, version)
            .await
            .map_err(ended)?;
        Ok(stream.map_err(ended).map(|event| match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                Ok(Change::Seen(value(object)))
            }
            WatchEvent::Deleted(object) => Ok(Change::Deleted(value(object))),
            WatchEvent::Bookmark(mark) => Ok(Change::Passed(mark.metadata.resource_version)),
            WatchEvent::Error(status) => Err(ended(kube::Error::Api(status))),
        }))
    }
}

fn ended(error: kube::Error) -> Ended {
    if matches!(&error, kube::Error::Api(status) if status.code == 410) {
        return Ended::Expired;
    }
    Ended::Failed(ClusterError::Api(error))
}

/// The object as JSON, without the field managers' notes.
fn value(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    serde_json::to_value(object).unwrap_or_default()
}
