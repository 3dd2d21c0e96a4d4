//! Follows the objects of one kind and writes what changed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::Recorder;
use super::state::{difference, is_of_status, state};
use crate::audit::append::append_in;
use crate::audit::{Entry, Outcome, Via};
use crate::background;
use crate::cluster::ClusterError;
use crate::cluster::objects::{AnyKind, Change, Ended};
use crate::db::recorder::{self as table, Observed, Witness};
use crate::db::{DbError, micros};

/// So many changes are written at once.
const BATCH: usize = 200;
/// A change waits this long for the hub's audit log to say who made it; then nobody is known, and a chain cannot be mended. On
/// a busy machine the log's word has come after more than 3 s.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the log's word is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Where nothing changes, how far the watch is is written no more often than this.
const IDLE_MOVE: Duration = Duration::from_mins(1);
/// The pause after something failed.
const PAUSE: Duration = Duration::from_secs(2);

/// Why a kind is not followed just now.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Hub(#[from] ClusterError),
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What is to become a row: the object, what was known and what is.
struct Found {
    entry: Entry,
    seen: Option<Observed>,
}

impl Recorder {
    /// Follows a kind. It does not end.
    pub(super) async fn follow(&self, kind: &AnyKind) {
        let mut said = String::new();
        loop {
            let Err(why) = self.follow_once(kind).await else {
                said.clear();
                continue;
            };
            let why = why.to_string();
            if why != said {
                tracing::warn!(object.kind = kind.name, error = %why, "changes cannot be recorded; they are taken up from where they were left");
                said = why;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow_once(&self, kind: &AnyKind) -> Result<(), Stopped> {
        let source = format!("watch/{}", kind.name);
        let stored = table::position(&mut *self.db.acquire().await?, &source).await?;
        let Some(mut stored) = stored else {
            return self.bridge(kind, &source, None).await;
        };
        let mut moved = Instant::now();
        let stream = match self.objects.watch(kind, &stored).await {
            Ok(stream) => stream,
            Err(Ended::Expired) => return self.bridge(kind, &source, Some(&stored)).await,
            Err(Ended::Failed(error)) => return Err(error.into()),
        };
        let mut chunks = std::pin::pin!(stream.ready_chunks(BATCH));
        while let Some(chunk) = chunks.next().await {
            let mut changes = Vec::new();
            let mut end = None;
            for item in chunk {
                match item {
                    Ok(change) => changes.push(change),
                    Err(why) => end = Some(why),
                }
            }
            let idle = changes
                .iter()
                .all(|change| matches!(change, Change::Passed(_)));
            if let Some(version) = changes.last().map(version_of)
                && (!idle || moved.elapsed() > IDLE_MOVE)
                && version != stored
            {
                self.write(kind, &changes, (&source, &stored, &version))
                    .await?;
                stored = version;
                moved = Instant::now();
            }
            match end {
                None => {}
                Some(Ended::Expired) => return self.bridge(kind, &source, Some(&stored)).await,
                Some(Ended::Failed(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes rows, what was seen, and how far the watch is: all of it or nothing.
    async fn write(
        &self,
        kind: &AnyKind,
        changes: &[Change],
        (source, from, to): (&str, &str, &str),
    ) -> Result<(), Stopped> {
        let mut found = self.find(kind, changes).await?;
        self.attribute(&mut found).await?;
        let now = micros(background::now());
        let mut transaction = self.db.begin().await?;
        self.write_in(&mut transaction, &found, now).await?;
        table::move_position(&mut transaction, source, (Some(from), to), now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    async fn write_in(
        &self,
        connection: &mut sqlx::AnyConnection,
        found: &[Found],
        now: i64,
    ) -> Result<(), DbError> {
        let entries: Vec<_> = found.iter().map(|found| found.entry.clone()).collect();
        append_in(connection, self.algorithm, &entries, now).await?;
        for found in found {
            match &found.seen {
                Some(seen) => table::observe(connection, seen).await?,
                None => table::forget(connection, &found.entry.uid).await?,
            }
        }
        Ok(())
    }

    /// What of the changes the ledger is to know.
    async fn find(&self, kind: &AnyKind, changes: &[Change]) -> Result<Vec<Found>, DbError> {
        let mut connection = self.db.acquire().await?;
        let mut known: HashMap<String, Option<Observed>> = HashMap::new();
        let mut found = Vec::new();
        for change in changes {
            let (object, deleted) = match change {
                Change::Seen(object) => (object, false),
                Change::Deleted(object) => (object, true),
                Change::Passed(_) => continue,
            };
            let uid = text(&object["metadata"]["uid"]);
            if !known.contains_key(&uid) {
                known.insert(uid.clone(), table::observed(&mut connection, &uid).await?);
            }
            let before = known.get(&uid).cloned().flatten();
            if let Some(one) = judge(kind, object, before.as_ref(), deleted) {
                known.insert(uid, one.seen.clone());
                found.push(one);
            }
        }
        Ok(found)
    }

    /// Says who made each change, as the hub's audit log has it. Where nobody says, nobody is known.
    async fn attribute(&self, found: &mut [Found]) -> Result<(), DbError> {
        let began = Instant::now();
        for one in found {
            loop {
                let mut connection = self.db.acquire().await?;
                let entry = &one.entry;
                let deleted = entry.verb == "delete";
                let who = table::who(
                    &mut connection,
                    &entry.uid,
                    &entry.resource_version,
                    deleted,
                )
                .await?;
                if let Some(who) = who {
                    name(&mut one.entry, &who);
                    break;
                }
                if self.audit_log.is_none() || began.elapsed() > PATIENCE {
                    break;
                }
                drop(connection);
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Compares everything with what was seen last: at the first start, and where the hub no longer tells what happened.
    async fn bridge(
        &self,
        kind: &AnyKind,
        source: &str,
        from: Option<&str>,
    ) -> Result<(), Stopped> {
        let (mut seen, mut token) = (HashSet::new(), None);
        let version = loop {
            let page = self.objects.list(kind, token.as_deref()).await?;
            seen.extend(
                page.items
                    .iter()
                    .map(|object| text(&object["metadata"]["uid"])),
            );
            let changes: Vec<_> = page.items.into_iter().map(Change::Seen).collect();
            let mut found = self.find(kind, &changes).await?;
            for one in found.iter_mut().filter(|_| from.is_none()) {
                "found".clone_into(&mut one.entry.verb);
            }
            self.keep_bridged(found).await?;
            token = page.next;
            if token.is_none() {
                break page.version;
            }
        };
        self.miss(kind, &seen).await?;
        let now = micros(background::now());
        let mut transaction = self.db.begin().await?;
        if let Some(from) = from {
            tracing::warn!(
                object.kind = kind.name,
                from,
                to = version,
                "the hub no longer tells what happened; the ledger says so"
            );
            append_in(
                &mut transaction,
                self.algorithm,
                &[gap(kind, from, &version, now)],
                now,
            )
            .await?;
        }
        table::move_position(&mut transaction, source, (from, &version), now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    async fn keep_bridged(&self, mut found: Vec<Found>) -> Result<(), DbError> {
        if found.is_empty() {
            return Ok(());
        }
        let mut connection = self.db.acquire().await?;
        for one in &mut found {
            let (uid, version) = (&one.entry.uid, &one.entry.resource_version);
            if let Some(who) = table::who(&mut connection, uid, version, one.seen.is_none()).await?
            {
                name(&mut one.entry, &who);
            }
        }
        drop(connection);
        let mut transaction = self.db.begin().await?;
        self.write_in(&mut transaction, &found, micros(background::now()))
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Objects that were seen once and are not there any more.
    async fn miss(&self, kind: &AnyKind, seen: &HashSet<String>) -> Result<(), DbError> {
        let mut after = String::new();
        loop {
            let uids = table::of_kind(&mut *self.db.acquire().await?, &kind.name, &after).await?;
            let Some(last) = uids.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for uid in uids.into_iter().filter(|uid| !seen.contains(uid)) {
                let observed = table::observed(&mut *self.db.acquire().await?, &uid).await?;
                if let Some(before) = observed {
                    self.keep_bridged(vec![gone(&before)]).await?;
                }
            }
        }
    }
}

fn version_of(change: &Change) -> String {
    match change {
        Change::Seen(object) | Change::Deleted(object) => {
            text(&object["metadata"]["resourceVersion"])
        }
        Change::Passed(version) => version.clone(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What of a change the ledger is to know; nothing where only figures and times differ.
fn judge(
    kind: &AnyKind,
    object: &Value,
    before: Option<&Observed>,
    deleted: bool,
) -> Option<Found> {
    let metadata = &object["metadata"];
    let now = state(object);
    let was: Value = before
        .and_then(|before| serde_json::from_str(&before.state).ok())
        .unwrap_or_else(|| json!({}));
    let differs = if deleted {
        (pointers(&now), pointers(&json!({})))
    } else {
        difference(&was, &now)
    };
    let verb = match before {
        _ if deleted => "delete",
        None => "create",
        Some(_) if differs.0.is_empty() && differs.1.is_empty() => return None,
        Some(_) if is_of_status(&differs) => "status",
        Some(_) => "update",
    };
    let seen = Observed {
        uid: text(&metadata["uid"]),
        kind: kind.name.clone(),
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        resource_version: text(&metadata["resourceVersion"]),
        state: now.to_string(),
    };
    let mut entry = unattributed(&seen, verb);
    entry.before = json!(differs.0).to_string();
    entry.after = json!(differs.1).to_string();
    Some(Found {
        entry,
        seen: (!deleted).then_some(seen),
    })
}

/// A state as the difference from nothing.
fn pointers(state: &Value) -> std::collections::BTreeMap<String, Value> {
    difference(&json!({}), state).1
}

/// The row of an object that was gone when it was looked for.
fn gone(before: &Observed) -> Found {
    let mut entry = unattributed(before, "delete");
    let state: Value = serde_json::from_str(&before.state).unwrap_or_default();
    entry.before = json!(pointers(&state)).to_string();
    entry.after = json!({}).to_string();
    entry.resource_version = String::new();
    Found { entry, seen: None }
}

fn unattributed(seen: &Observed, verb: &str) -> Entry {
    let deleted = verb == "delete";
    Entry {
        happened: micros(background::now()),
        actor: String::new(),
        groups: String::new(),
        via: Via::Unknown,
        verb: verb.to_owned(),
        kind: seen.kind.clone(),
        namespace: seen.namespace.clone(),
        name: seen.name.clone(),
        uid: seen.uid.clone(),
        resource_version: seen.resource_version.clone(),
        before: String::new(),
        after: String::new(),
        request_id: String::new(),
        outcome: Outcome::Ok,
        key: if deleted {
            format!("{}/deleted", seen.uid)
        } else {
            format!("{}/{}", seen.uid, seen.resource_version)
        },
    }
}

/// Puts a name to a row.
fn name(entry: &mut Entry, who: &Witness) {
    entry.actor.clone_from(&who.username);
    entry.groups.clone_from(&who.groups_digest);
    entry.via = Via::of(&who.via);
    entry.request_id.clone_from(&who.audit_id);
    if who.happened > 0 {
        entry.happened = who.happened;
    }
    if !who.acting_as.is_empty()
        && let Ok(Value::Object(mut after)) = serde_json::from_str(&entry.after)
    {
        after.insert("as".to_owned(), json!(who.acting_as));
        entry.after = Value::Object(after).to_string();
    }
}

fn gap(kind: &AnyKind, from: &str, to: &str, now: i64) -> Entry {
    Entry {
        happened: now,
        actor: String::new(),
        groups: String::new(),
        via: Via::Unknown,
        verb: "gap".to_owned(),
        kind: kind.name.clone(),
        namespace: String::new(),
        name: String::new(),
        uid: String::new(),
        resource_version: to.to_owned(),
        before: json!({ "resourceVersion": from }).to_string(),
        after: json!({ "resourceVersion": to }).to_string(),
        request_id: String::new(),
        outcome: Outcome::Ok,
        key: format!("gap/{}/{from}/{to}", kind.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::objects::every_kind;

    fn grant(version: &str, cpu: &str) -> Value {
        json!({
            "metadata": { "uid": "u-1", "name": "pei", "namespace": "qp-cs", "resourceVersion": version },
            "spec": { "hard": { "cpu": cpu } }, "status": { "used": { "cpu": version } },
        })
    }

    fn kind() -> AnyKind {
        every_kind()
            .into_iter()
            .find(|kind| kind.name == "TenantQuota")
            .unwrap()
    }

    #[test]
    fn what_decides_nothing_is_no_row() {
        let first = judge(&kind(), &grant("1", "4"), None, false).unwrap();
        assert_eq!(
            (first.entry.verb.as_str(), first.entry.key.as_str()),
            ("create", "u-1/1")
        );
        assert!(judge(&kind(), &grant("2", "4"), first.seen.as_ref(), false).is_none());
        let second = judge(&kind(), &grant("3", "8"), first.seen.as_ref(), false).unwrap();
        assert_eq!(second.entry.verb, "update");
        assert_eq!(second.entry.before, r#"{"/spec/hard/cpu":"4"}"#);
        assert_eq!(second.entry.after, r#"{"/spec/hard/cpu":"8"}"#);
    }

    #[test]
    fn what_is_gone_leaves_what_it_was() {
        let first = judge(&kind(), &grant("1", "4"), None, false).unwrap();
        let last = judge(&kind(), &grant("9", "4"), first.seen.as_ref(), true).unwrap();
        assert_eq!((last.entry.verb.as_str(), last.seen), ("delete", None));
        assert_eq!(last.entry.before, r#"{"/spec":{"hard":{"cpu":"4"}}}"#);
        let missed = gone(&first.seen.unwrap());
        assert_eq!(
            (missed.entry.before, missed.entry.key),
            (last.entry.before, last.entry.key)
        );
    }

    #[test]
    fn nobody_is_unknown_and_who_acts_as_another_is_named_with_them() {
        let mut one = judge(&kind(), &grant("1", "4"), None, false).unwrap();
        assert_eq!(
            (one.entry.actor.as_str(), one.entry.via),
            ("", Via::Unknown)
        );
        let who = Witness {
            username: "admin".into(),
            acting_as: "cs-owner".into(),
            via: "kubectl".into(),
            happened: 7,
            ..Witness::default()
        };
        name(&mut one.entry, &who);
        assert_eq!(
            (one.entry.actor.as_str(), one.entry.via, one.entry.happened),
            ("admin", Via::Kubectl, 7)
        );
        assert!(
            one.entry.after.contains(r#""as":"cs-owner""#),
            "{}",
            one.entry.after
        );
    }
}
