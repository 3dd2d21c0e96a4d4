//! Writes for a person, as that person: an object is made, or one entry appended to a list of it. Sent once, with the
//! request's id as `Audit-ID`; a server dry-run asks what would become of it.
//!
//! What a person saw is part of the write: an entry is appended only to the list that they looked at, of the object that they
//! looked at. A second click, a stale tab and somebody who was quicker are refused by the API server itself.

use std::future::Future;
use std::time::Duration;

use kube::api::PostParams;
use kube::core::{ClusterResourceScope, NamespaceResourceScope, Status};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, ClusterError};
use crate::identity::User;

/// A write that has not been answered by then may or may not have happened.
const WRITE: Duration = Duration::from_secs(10);
/// What the API server says of a JSON Patch whose test fails.
const TEST_FAILED: &str = "the server rejected our request due to an error in our request";

/// On whose behalf something is written, and under which request id.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The person.
    pub user: &'a User,
    /// The id of the browser's request.
    pub request_id: &'a str,
    /// Whether it is only tried: every rule is asked, nothing is stored.
    pub dry: bool,
}

/// Why something was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else, or an earlier click, wrote there since the page was made.
    #[error("it was changed since the page was made")]
    Stale,
    /// There is an object of that name.
    #[error("an object of that name exists")]
    Exists,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// The person has no right to.
    #[error("the person may not: {0}")]
    Forbidden(String),
    /// A rule of the API server says no.
    #[error("refused: {}", .0.sentence)]
    Refused(Refusal),
    /// There is no answer: whether it was written is unknown.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// What the API server says no to, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The admission policy that refused it; absent where the kind's own schema did.
    pub policy: Option<String>,
    /// The fields that are wrong, as paths.
    pub fields: Vec<String>,
    /// Why, in the sentence that kubectl prints.
    pub sentence: String,
}

impl WriteError {
    /// The status of the page that says so.
    #[must_use]
    pub const fn status(&self) -> http::StatusCode {
        match self {
            Self::Stale | Self::Exists => http::StatusCode::CONFLICT,
            Self::Gone => http::StatusCode::NOT_FOUND,
            Self::Forbidden(_) => http::StatusCode::FORBIDDEN,
            Self::Refused(_) => http::StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoAnswer(_) => http::StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn of(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            Self::of_status(&status)
        } else {
            Self::NoAnswer(error.to_string())
        }
    }

    fn of_status(status: &Status) -> Self {
        if status.is_already_exists() {
            return Self::Exists;
        }
        if status.message.starts_with(TEST_FAILED) || (status.is_conflict() && status.code == 409) {
            return Self::Stale;
        }
        if status.is_not_found() {
            return Self::Gone;
        }
        let refusal = Refusal::of(status);
        match status.code {
            403 if refusal.policy.is_none() => Self::Forbidden(status.message.clone()),
            400 | 403 | 413 | 422 => Self::Refused(refusal),
            _ => Self::NoAnswer(status.message.clone()),
        }
    }
}

impl Refusal {
    fn of(status: &Status) -> Self {
        let message = status.message.as_str();
        let (head, said) = message
            .split_once("denied request: ")
            .unwrap_or(("", message));
        let policy = head
            .split_once("ValidatingAdmissionPolicy '")
            .and_then(|(_, rest)| rest.split_once('\''))
            .map(|(name, _)| name.to_owned());
        let causes = status
            .details
            .as_ref()
            .map(|details| details.causes.as_slice());
        let causes = causes.unwrap_or_default();
        let fields = causes.iter().map(|cause| cause.field.clone());
        let fields = fields.filter(|field| !field.is_empty() && field != "<nil>");
        // A schema's refusal repeats the whole value: what its rules say is in the causes.
        let told: Vec<_> = causes
            .iter()
            .map(|cause| last_part(&cause.message))
            .collect();
        let sentence = if policy.is_none() && !told.is_empty() {
            told.join("; ")
        } else {
            said.to_owned()
        };
        Self {
            policy,
            fields: fields.collect(),
            sentence,
        }
    }
}

/// `Invalid value: "object": what is wrong` → `what is wrong`.
fn last_part(message: &str) -> String {
    let rest = message.strip_prefix("Invalid value: ").unwrap_or(message);
    rest.split_once("\": ")
        .map_or(rest, |(_, said)| said)
        .to_owned()
}

impl Cluster {
    /// Makes an object in a namespace, as a person.
    ///
    /// # Errors
    /// It was refused, or there is no answer.
    pub async fn create<K>(&self, author: Author<'_>, object: &K) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let namespace = object.namespace().unwrap_or_default();
        let api = |client| Api::namespaced(client, &namespace);
        self.make(author, object, api).await
    }

    /// Makes an object that is in no namespace, as a person.
    ///
    /// # Errors
    /// It was refused, or there is no answer.
    pub async fn create_everywhere<K>(
        &self,
        author: Author<'_>,
        object: &K,
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        self.make(author, object, Api::all).await
    }

    async fn make<K>(
        &self,
        author: Author<'_>,
        object: &K,
        api: impl FnOnce(kube::Client) -> Api<K>,
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let client = self.impersonated(author.user, author.request_id);
        let api = api(client.map_err(|error| WriteError::NoAnswer(error.to_string()))?);
        let params = PostParams {
            dry_run: author.dry,
            ..PostParams::default()
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a person's object is made"
        )]
        let made = api.create(&params, object);
        answered(made).await
    }

    /// Appends an entry to a list of an object's spec, as a person who saw the object as it is given here.
    ///
    /// # Errors
    /// The list is another by now, it was refused, or there is no answer.
    pub async fn append<K, E>(
        &self,
        author: Author<'_>,
        seen: &K,
        list: &str,
        entry: &E,
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned,
        E: Serialize,
    {
        let wrong = |error: serde_json::Error| WriteError::NoAnswer(error.to_string());
        let entry = serde_json::to_value(entry).map_err(wrong)?;
        let object = serde_json::to_value(seen).map_err(wrong)?;
        let empty = is_empty(&object["spec"][list]);
        match self
            .patch::<K>(author, seen, &appending(&object, list, &entry))
            .await
        {
            // An empty list that somebody wrote out is the same as none.
            Err(WriteError::Stale) if empty => {
                let written = json!([]);
                let uid = &object["metadata"]["uid"];
                let patch = self::patch(uid, list, Some(&written), &entry);
                self.patch::<K>(author, seen, &patch).await
            }
            other => other,
        }
    }

    /// Puts another list in the place of the one that a person saw, as that person.
    ///
    /// # Errors
    /// The list is another by now, it was refused, or there is no answer.
    pub async fn exchange<K, E>(
        &self,
        author: Author<'_>,
        seen: &K,
        list: &str,
        entries: &[E],
    ) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
        E: Serialize + Sync,
    {
        self.set(author, seen, list, &entries).await
    }

    /// Puts another value in the place of the one that a person saw in a field of an object's spec, as that person.
    ///
    /// # Errors
    /// The value is another by now, it was refused, or there is no answer.
    pub async fn set<K, V>(
        &self,
        author: Author<'_>,
        seen: &K,
        field: &str,
        value: &V,
    ) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
        V: Serialize + Sync,
    {
        let wrong = |error: serde_json::Error| WriteError::NoAnswer(error.to_string());
        let object = serde_json::to_value(seen).map_err(wrong)?;
        let path = format!("/spec/{field}");
        let body = json!([
            { "op": "test", "path": "/metadata/uid", "value": object["metadata"]["uid"] },
            { "op": "test", "path": path, "value": object["spec"].get(field) },
            { "op": "add", "path": path, "value": value },
        ]);
        self.patch::<K>(author, seen, &body).await.map(drop)
    }

    /// Puts another spec in the place of the one that a person saw, as that person. Seen is the spec, not the status: what the
    /// operator writes meanwhile makes nothing stale.
    ///
    /// # Errors
    /// Its spec is another by now, it was refused, or there is no answer.
    pub async fn say_anew<K, S>(
        &self,
        author: Author<'_>,
        seen: &K,
        spec: &S,
    ) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
        S: Serialize + Sync,
    {
        let meta = seen.meta();
        let body = json!([
            { "op": "test", "path": "/metadata/uid", "value": meta.uid },
            { "op": "test", "path": "/metadata/generation", "value": meta.generation },
            { "op": "replace", "path": "/spec", "value": spec },
        ]);
        self.patch::<K>(author, seen, &body).await.map(drop)
    }

    /// Deletes the object that a person saw, as that person.
    ///
    /// # Errors
    /// It is another by now, it was refused, or there is no answer.
    pub async fn take_back<K>(&self, author: Author<'_>, seen: &K) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()>,
    {
        let no = |error: &dyn std::fmt::Display| WriteError::NoAnswer(error.to_string());
        let client = self
            .impersonated(author.user, author.request_id)
            .map_err(|e| no(&e))?;
        let meta = seen.meta();
        let url = K::url_path(&(), meta.namespace.as_deref());
        let name = meta.name.as_deref().unwrap_or_default();
        let only = json!({ "preconditions": { "uid": meta.uid } });
        let request = http::Request::delete(format!("{url}/{name}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(only.to_string().into_bytes())
            .map_err(|e| no(&e))?;
        answered(client.request::<Value>(request)).await.map(drop)
    }

    async fn patch<K>(&self, author: Author<'_>, seen: &K, patch: &Value) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let no = |error: &dyn std::fmt::Display| WriteError::NoAnswer(error.to_string());
        let client = self
            .impersonated(author.user, author.request_id)
            .map_err(|e| no(&e))?;
        let url = K::url_path(&(), seen.meta().namespace.as_deref());
        let dry = if author.dry { "?dryRun=All" } else { "" };
        let name = seen.meta().name.as_deref().unwrap_or_default();
        let request = http::Request::patch(format!("{url}/{name}{dry}"))
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .body(patch.to_string().into_bytes())
            .map_err(|e| no(&e))?;
        answered(client.request::<K>(request)).await
    }
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// What appends an entry to a list of the spec of an object that was seen, as a JSON Patch (RFC 6902).
#[must_use]
pub fn appending(object: &Value, list: &str, entry: &Value) -> Value {
    patch(
        &object["metadata"]["uid"],
        list,
        object["spec"].get(list),
        entry,
    )
}

/// Tests that it is the object and the list that were seen, and appends.
fn patch(uid: &Value, list: &str, seen: Option<&Value>, entry: &Value) -> Value {
    let path = format!("/spec/{list}");
    let add = if seen.is_some() {
        json!({ "op": "add", "path": format!("{path}/-"), "value": entry })
    } else {
        json!({ "op": "add", "path": path, "value": [entry] })
    };
    json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "test", "path": path, "value": seen },
        add,
    ])
}

async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    match tokio::time::timeout(WRITE, call).await {
        Ok(answer) => answer.map_err(WriteError::of),
        Err(_) => Err(WriteError::NoAnswer(ClusterError::Deadline.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(value: &Value) -> WriteError {
        WriteError::of_status(&serde_json::from_value(value.clone()).unwrap())
    }

    #[test]
    fn an_entry_is_appended_to_the_list_that_was_seen_and_to_no_other() {
        let entry = json!({ "by": "a" });
        let first = patch(&json!("u-1"), "urgings", None, &entry);
        assert_eq!(
            first[1],
            json!({ "op": "test", "path": "/spec/urgings", "value": null })
        );
        assert_eq!(first[2]["value"], json!([{ "by": "a" }]));
        let second = patch(
            &json!("u-1"),
            "urgings",
            Some(&json!([entry])),
            &json!({ "by": "b" }),
        );
        assert_eq!(second[1]["value"], json!([{ "by": "a" }]));
        assert_eq!(
            (&second[2]["path"], &second[2]["value"]),
            (&json!("/spec/urgings/-"), &json!({ "by": "b" }))
        );
        assert_eq!(second[0]["value"], "u-1");
    }

    #[test]
    fn refusals_are_told_apart() {
        let policy = status(
            &json!({ "code": 403, "reason": "Forbidden", "message": "resourcerequests.qipan.dev \"a\" is forbidden: ValidatingAdmissionPolicy 'qipan-request-decisions' with binding 'qipan-request-decisions' denied request: it is another stage's turn" }),
        );
        let WriteError::Refused(refusal) = policy else {
            panic!("{policy:?}")
        };
        assert_eq!(refusal.policy.as_deref(), Some("qipan-request-decisions"));
        assert_eq!(refusal.sentence, "it is another stage's turn");
        let rbac = status(
            &json!({ "code": 403, "reason": "Forbidden", "message": "resourcerequests.qipan.dev \"a\" is forbidden: User \"b\" cannot patch" }),
        );
        assert!(matches!(rbac, WriteError::Forbidden(_)));
        let stale = status(&json!({ "code": 422, "reason": "Invalid", "message": TEST_FAILED }));
        assert!(matches!(stale, WriteError::Stale));
        let schema = status(
            &json!({ "code": 422, "reason": "Invalid", "message": "ResourceRequest.qipan.dev \"a\" is invalid: spec: Invalid value: \"object\": no", "details": { "causes": [{ "reason": "FieldValueInvalid", "message": "Invalid value: \"object\": say size and count", "field": "spec.application.items[0]" }] } }),
        );
        let WriteError::Refused(refusal) = schema else {
            panic!("{schema:?}")
        };
        assert_eq!(
            (refusal.sentence.as_str(), refusal.fields.as_slice()),
            (
                "say size and count",
                &["spec.application.items[0]".to_owned()][..]
            )
        );
        let exists =
            status(&json!({ "code": 409, "reason": "AlreadyExists", "message": "exists" }));
        assert!(matches!(exists, WriteError::Exists));
        assert!(matches!(
            status(&json!({ "code": 404, "reason": "NotFound" })),
            WriteError::Gone
        ));
        assert!(matches!(
            status(&json!({ "code": 503, "message": "down" })),
            WriteError::NoAnswer(_)
        ));
    }
}
