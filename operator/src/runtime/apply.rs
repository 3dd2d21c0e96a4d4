//! The only room that writes to Kubernetes. Every call has a deadline; every write is counted.

mod children;
mod deeds;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crds::keys;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::controller::{Judged, Managed, Status};
use super::inquiry;
use super::metrics::WRITES;
use super::plan::{Children, Plan};
use super::{Context, Error};
use crate::children::owner_of;

/// How long a call may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// An object and what a pass has done to it.
pub struct Written<K> {
    /// The object as it was last seen or written.
    pub object: K,
    /// Whether it was written.
    pub changed: bool,
    /// Whether its finalizer was removed.
    pub released: bool,
    /// Children that were written, also where a later one failed.
    pub children: AtomicUsize,
}

impl<K> Written<K> {
    /// Whether anything was written.
    pub fn progressed(&self) -> bool {
        self.changed || self.children.load(Ordering::Relaxed) > 0
    }

    /// Nothing was written yet.
    pub const fn new(object: K) -> Self {
        Self {
            object,
            changed: false,
            released: false,
            children: AtomicUsize::new(0),
        }
    }
}

/// Waits for a call, but not for ever.
///
/// # Errors
/// What the call says, or that no answer came within [`DEADLINE`].
pub async fn deadline<T>(
    action: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map_err(Error::api(action)),
        Err(_) => Err(Error::Deadline {
            action: action.to_owned(),
            deadline: DEADLINE,
        }),
    }
}

/// Stores an object over the version that was read. For objects that are not counted as writes (Leases).
///
/// # Errors
/// A conflict where somebody else was first.
pub async fn replace<K>(api: &Api<K>, object: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    deadline(
        "renew the lease",
        api.replace(&object.name_any(), &PostParams::default(), object),
    )
    .await
}

/// Merges a patch into a status.
///
/// # Errors
/// What the API server says.
pub async fn merge_status(
    api: &Api<DynamicObject>,
    name: &str,
    patch: &serde_json::Value,
) -> Result<(), Error> {
    WRITES.with_label_values(&["status", "patch"]).inc();
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    deadline(
        "write a status",
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)),
    )
    .await
    .map(drop)
}

/// Asks the API server for a review. A review is a question: nothing is kept of it.
///
/// # Errors
/// What the API server says.
pub async fn ask<K>(client: &Client, action: &str, review: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    #[expect(clippy::disallowed_methods, reason = "a question, not a write")]
    deadline(action, api.create(&PostParams::default(), review)).await
}

/// A token of a leaf's service account for ways in, and its end; `None` where the answer holds none. The account is made
/// when the first one is asked for.
///
/// # Errors
/// What the member's API server says.
pub async fn way_in_token(
    client: &Client,
    namespace: &str,
    hours: i64,
) -> Result<Option<(String, Timestamp)>, Error> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(hours * 3600),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let name = keys::WAY_IN_ACCOUNT;
    let params = PostParams::default();
    let asked = async || {
        let call = api.create_token_request(name, &params, &request);
        deadline("issue a token", call).await
    };
    let mut answer = asked().await;
    if answer.as_ref().is_err_and(|why| why.code() == Some(404)) {
        let mut account = ServiceAccount {
            // It is for people: no pod runs under it (policy qipan-children).
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        };
        account.metadata.name = Some(name.to_owned());
        WRITES
            .with_label_values(&["serviceaccounts", "create"])
            .inc();
        #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
        let made = deadline(
            "make the account for ways in",
            api.create(&params, &account),
        )
        .await;
        // Two may ask for the first at the same moment.
        if let Err(why) = made
            && why.code() != Some(409)
        {
            return Err(why);
        }
        answer = asked().await;
    }
    let status = answer?.status.unwrap_or_default();
    let end = status.expiration_timestamp.map(|end| end.0);
    Ok(status.token.zip(end))
}

/// Carries out a plan.
///
/// # Errors
/// The first step that failed; what was done before it stays, and the next pass goes on from there.
pub async fn apply<K: Managed>(
    cx: &Context,
    api: &Api<K>,
    written: &mut Written<K>,
    plan: &Plan<Status<K>>,
) -> Result<(), Error> {
    if plan.finalizer && written.object.meta().deletion_timestamp.is_none() {
        finalizer(api, written, true).await?;
    }
    if plan.ledger_first {
        status(cx, api, written, &plan.status).await?;
    }
    if let Children::Exactly(children) = &plan.children {
        let owner = owner_of(&written.object);
        children::write_children(cx, &owner, &plan.heir_of, children, &written.children).await?;
    }
    for deed in &plan.deeds {
        deeds::carry_out(&cx.hub.client, deed).await?;
        written.children.fetch_add(1, Ordering::Relaxed);
    }
    for (target, namespace, uid) in &plan.remove {
        let connection = cx.members.connection(target)?;
        children::remove_namespace(&connection, namespace, uid).await?;
        written.children.fetch_add(1, Ordering::Relaxed);
    }
    status(cx, api, written, &plan.status).await?;
    if !plan.finalizer {
        finalizer(api, written, false).await?;
    }
    for inquiry in &plan.inquiries {
        inquiry::ask(cx, inquiry).await?;
    }
    Ok(())
}

/// Writes a status if it differs from the stored one, over the version that was decided on; says so in one event.
///
/// # Errors
/// A conflict where the object has changed meanwhile: the pass starts over.
pub async fn status<K: Managed>(
    cx: &Context,
    api: &Api<K>,
    written: &mut Written<K>,
    wanted: &Status<K>,
) -> Result<(), Error> {
    if written.object.status().cloned().unwrap_or_default() == *wanted {
        return Ok(());
    }
    let mut before = written.object.status().cloned().unwrap_or_default();
    let mut next = written.object.clone();
    *next.status_mut() = Some(wanted.clone());
    WRITES.with_label_values(&["status", "update"]).inc();
    let name = next.name_any();
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    let stored = deadline(
        "write the status",
        api.replace_status(&name, &PostParams::default(), &next),
    )
    .await?;
    written.object = stored;
    written.changed = true;
    let mut wanted = wanted.clone();
    let judged = |c: &crds::Condition| (c.status, c.reason.clone(), c.message.clone());
    for type_ in Status::<K>::TOLD {
        if let Some(condition) = wanted.conditions().get(*type_)
            && before.conditions().get(*type_).map(judged) != Some(judged(condition))
        {
            cx.events.judged(&written.object.object_ref(&()), condition);
            let (reason, message) = (&condition.reason, &condition.message);
            tracing::info!(reason, message, "judged anew");
        }
    }
    Ok(())
}

async fn finalizer<K: Managed>(
    api: &Api<K>,
    written: &mut Written<K>,
    wanted: bool,
) -> Result<(), Error> {
    let name = crds::keys::FINALIZER;
    let present = written.object.finalizers().iter().any(|f| f == name);
    if present == wanted {
        return Ok(());
    }
    let mut finalizers: Vec<_> = written
        .object
        .finalizers()
        .iter()
        .filter(|f| *f != name)
        .cloned()
        .collect();
    if wanted {
        finalizers.push(name.to_owned());
    }
    let patch = json!({ "metadata": { "resourceVersion": written.object.resource_version(), "finalizers": finalizers } });
    WRITES.with_label_values(&["finalizer", "patch"]).inc();
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    let stored = deadline(
        "set the finalizer",
        api.patch(
            &written.object.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        ),
    )
    .await;
    match stored {
        Ok(object) => {
            // The answer to a metadata patch carries the status that is stored; keep it.
            written.object = object;
            written.changed = true;
            written.released = !wanted;
            Ok(())
        }
        Err(why) if !wanted && why.code() == Some(404) => Ok(()),
        Err(why) => Err(why),
    }
}
