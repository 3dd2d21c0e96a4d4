//! Reads an API server's audit log: who wrote what, and who was refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The audit log of one cluster. It is never rotated within a test, so a position in it stays one.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
}

/// One audited request (its last stage).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The request's id; the portal sends its own.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (of a watch), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or the HTTP method.
    pub verb: String,
    /// The path and query asked for.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who authenticated.
    pub user: User,
    /// As whom the request was made, when it was impersonated.
    pub impersonated_user: Option<User>,
    /// What it was about; absent for other than resources.
    pub object_ref: Option<ObjectRef>,
    /// How it ended.
    pub response_status: Option<ResponseStatus>,
    /// What was answered, where the policy keeps that (writes of `qipan.dev` objects).
    pub response_object: Option<serde_json::Value>,
}

/// A user in an audit event.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What else is known of the sign-in, for example the id of the credential.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The object of an audit event.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// Its plural, in small letters.
    pub resource: String,
    /// `status`, `scale` and so on, or empty.
    pub subresource: String,
    /// Its API group, empty for the core.
    pub api_group: String,
    /// Its namespace, or empty.
    pub namespace: String,
    /// Its name, or empty (a list, or a create with a generated name).
    pub name: String,
}

impl ObjectRef {
    /// The plural with its subresource, as a role names it: `tenantquotas/status`.
    #[must_use]
    pub fn full_resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            sub => format!("{}/{sub}", self.resource),
        }
    }
}

/// The end of an audited request.
#[derive(Clone, Debug, Deserialize)]
pub struct ResponseStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Event {
    /// Whose act it is: the impersonated user where there is one.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self
            .impersonated_user
            .as_ref()
            .unwrap_or(&self.user)
            .username
    }

    /// Whether it is a write that took effect. Leases are left out, since they are heartbeats, and events, since they are
    /// nobody's truth.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let changes = ["create", "update", "patch", "delete", "deletecollection"];
        let aside = self
            .object_ref
            .as_ref()
            .is_some_and(|o| ["leases", "events"].contains(&o.resource.as_str()));
        // Reviews and tokens are creates that store nothing.
        let question = self
            .object_ref
            .as_ref()
            .is_some_and(|o| o.resource.ends_with("reviews") || o.subresource == "token");
        let dry = self.request_uri.contains("dryRun=All");
        let done = self
            .response_status
            .as_ref()
            .is_some_and(|s| (200..300).contains(&s.code));
        changes.contains(&self.verb.as_str()) && done && !aside && !question && !dry
    }

    /// Whether authorisation or admission refused it.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.response_status.as_ref().is_some_and(|s| s.code == 403)
    }
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the log now; give it to the readers to see only what comes after.
    pub fn mark(&self) -> Result<u64> {
        Ok(self.open()?.metadata()?.len())
    }

    /// Every request after a mark (0 for all), once each.
    pub fn events_since(&self, mark: u64) -> Result<Vec<Event>> {
        let mut file = self.open()?;
        // A mark may fall into a line that was being written: that line began before it. The byte before the mark tells.
        file.seek(SeekFrom::Start(mark.saturating_sub(1)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end_of_line = || bytes.iter().position(|byte| *byte == b'\n');
        let from = match mark {
            0 => 0,
            _ => end_of_line().map_or(bytes.len(), |end| end + 1),
        };
        let text = std::str::from_utf8(&bytes[from..])?;
        // The last line may be half written: it has no end of line yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut last_of: BTreeMap<String, usize> = BTreeMap::new();
        let mut events: Vec<Option<Event>> = Vec::new();
        for line in whole.lines() {
            let event: Event = serde_json::from_str(line)
                .with_context(|| format!("failed to read an audit event: {line}"))?;
            // A watch has two: its start and its end.
            if let Some(earlier) = last_of.insert(event.audit_id.clone(), events.len()) {
                events[earlier] = None;
            }
            events.push(Some(event));
        }
        Ok(events.into_iter().flatten().collect())
    }

    /// The writes that a user made after a mark.
    pub fn writes_by(&self, user: &str, mark: u64) -> Result<Vec<Event>> {
        self.select(mark, |event| event.actor() == user && event.is_write())
    }

    /// What a user was refused after a mark, by authentication as itself or when it impersonated.
    pub fn forbidden_to(&self, user: &str, mark: u64) -> Result<Vec<Event>> {
        self.select(mark, |event| {
            event.user.username == user && event.is_forbidden()
        })
    }

    /// The verbs that a user used on a resource (`resourcequotas`, `tenantquotas/status`) after a mark.
    pub fn verbs_of(&self, user: &str, resource: &str, mark: u64) -> Result<BTreeSet<String>> {
        let named = |event: &Event| {
            let object = event.object_ref.as_ref();
            object.is_some_and(|object| object.full_resource() == resource)
        };
        let events = self.select(mark, |event| event.actor() == user && named(event))?;
        Ok(events.into_iter().map(|event| event.verb).collect())
    }

    fn select(&self, mark: u64, keep: impl Fn(&Event) -> bool) -> Result<Vec<Event>> {
        Ok(self
            .events_since(mark)?
            .into_iter()
            .filter(|event| keep(event))
            .collect())
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path)
            .with_context(|| format!("failed to open the audit log {}", self.path.display()))
    }
}
