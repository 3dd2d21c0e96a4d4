//! How far the recorder is, what it saw last of each object, and whom the hub's audit log names.

use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};

statements! {
    POSITION = "SELECT position FROM positions WHERE source = $1";
    BEGIN_POSITION = "INSERT INTO positions (source, position, changed) VALUES ($1, $2, $3) ON CONFLICT (source) DO NOTHING";
    MOVE_POSITION = "UPDATE positions SET position = $1, changed = $2 WHERE source = $3 AND position = $4";
    OBSERVED = "SELECT kind, namespace, name, resource_version, state FROM observed WHERE uid = $1";
    OBSERVE = "INSERT INTO observed (uid, kind, namespace, name, resource_version, state) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (uid) DO UPDATE SET resource_version = excluded.resource_version, state = excluded.state";
    FORGET = "DELETE FROM observed WHERE uid = $1";
    OBSERVED_OF_KIND = "SELECT uid FROM observed WHERE kind = $1 AND uid > $2 ORDER BY uid LIMIT 1000";
    WITNESS = "INSERT INTO witnesses (audit_id, uid, resource_version, verb, username, acting_as, groups_digest, via, happened) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (audit_id) DO NOTHING";
    WHO = "SELECT audit_id, verb, username, acting_as, groups_digest, via, happened FROM witnesses \
        WHERE uid = $1 AND resource_version = $2 ORDER BY happened LIMIT 1";
    WHO_DELETED = "SELECT audit_id, verb, username, acting_as, groups_digest, via, happened FROM witnesses \
        WHERE uid = $1 AND (verb = 'delete' OR verb = 'deletecollection') ORDER BY happened DESC LIMIT 1";
    SWEEP_WITNESSES = "DELETE FROM witnesses WHERE happened < $1";
}

/// What was seen last of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its uid.
    pub uid: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// What the ledger knows of it, as JSON.
    pub state: String,
}

/// Who wrote a version of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// The request's id in the hub's audit log.
    pub audit_id: String,
    /// The object.
    pub uid: String,
    /// Its version after the write.
    pub resource_version: String,
    /// The verb of the request.
    pub verb: String,
    /// Who authenticated, or whom the portal acted for.
    pub username: String,
    /// As whom they acted, where they impersonated somebody.
    pub acting_as: String,
    /// The digest of the groups.
    pub groups_digest: String,
    /// By which way, as a word.
    pub via: String,
    /// When, in microseconds.
    pub happened: i64,
}

/// How far a source was read.
///
/// # Errors
/// The database fails.
pub async fn position(
    connection: &mut AnyConnection,
    source: &str,
) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(POSITION)
        .bind(source)
        .fetch_optional(connection)
        .await?)
}

/// Says how far a source is read now. Refused where somebody else has moved it meanwhile: what they recorded is not
/// recorded again.
///
/// # Errors
/// It was moved, or the database fails.
pub async fn move_position(
    connection: &mut AnyConnection,
    source: &str,
    (from, to): (Option<&str>, &str),
    now: i64,
) -> Result<(), DbError> {
    let moved = match from {
        None => {
            sqlx::query(BEGIN_POSITION)
                .bind(source)
                .bind(to)
                .bind(now)
                .execute(connection)
                .await?
        }
        Some(from) => {
            let query = sqlx::query(MOVE_POSITION)
                .bind(to)
                .bind(now)
                .bind(source)
                .bind(from);
            query.execute(connection).await?
        }
    };
    if moved.rows_affected() == 1 {
        return Ok(());
    }
    Err(DbError::Conflict(format!(
        "another replica has read on in {source}"
    )))
}

/// What was seen last of an object.
///
/// # Errors
/// The database fails.
pub async fn observed(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<Observed>, DbError> {
    let row = sqlx::query(OBSERVED)
        .bind(uid)
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Observed {
            uid: uid.to_owned(),
            kind: row.try_get(0)?,
            namespace: row.try_get(1)?,
            name: row.try_get(2)?,
            resource_version: row.try_get(3)?,
            state: row.try_get(4)?,
        })
    })
    .transpose()
}

/// Keeps what is seen of an object now.
///
/// # Errors
/// The database fails.
pub async fn observe(connection: &mut AnyConnection, seen: &Observed) -> Result<(), DbError> {
    sqlx::query(OBSERVE)
        .bind(seen.uid.as_str())
        .bind(seen.kind.as_str())
        .bind(seen.namespace.as_str())
        .bind(seen.name.as_str())
        .bind(seen.resource_version.as_str())
        .bind(seen.state.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets an object that is no more.
///
/// # Errors
/// The database fails.
pub async fn forget(connection: &mut AnyConnection, uid: &str) -> Result<(), DbError> {
    sqlx::query(FORGET).bind(uid).execute(connection).await?;
    Ok(())
}

/// Up to a thousand uids of a kind after one, in their order.
///
/// # Errors
/// The database fails.
pub async fn of_kind(
    connection: &mut AnyConnection,
    kind: &str,
    after: &str,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(OBSERVED_OF_KIND)
        .bind(kind)
        .bind(after)
        .fetch_all(connection)
        .await?)
}

/// Keeps who wrote a version.
///
/// # Errors
/// The database fails.
pub async fn witness(connection: &mut AnyConnection, seen: &Witness) -> Result<(), DbError> {
    sqlx::query(WITNESS)
        .bind(seen.audit_id.as_str())
        .bind(seen.uid.as_str())
        .bind(seen.resource_version.as_str())
        .bind(seen.verb.as_str())
        .bind(seen.username.as_str())
        .bind(seen.acting_as.as_str())
        .bind(seen.groups_digest.as_str())
        .bind(seen.via.as_str())
        .bind(seen.happened)
        .execute(connection)
        .await?;
    Ok(())
}

/// Who wrote a version of an object, or deleted it.
///
/// # Errors
/// The database fails.
pub async fn who(
    connection: &mut AnyConnection,
    uid: &str,
    resource_version: &str,
    deleted: bool,
) -> Result<Option<Witness>, DbError> {
    let query = sqlx::query(WHO).bind(uid).bind(resource_version);
    let mut row = query.fetch_optional(&mut *connection).await?;
    if row.is_none() && deleted {
        // The answer to a deletion names no version.
        row = sqlx::query(WHO_DELETED)
            .bind(uid)
            .fetch_optional(connection)
            .await?;
    }
    row.map(|row| {
        Ok(Witness {
            audit_id: row.try_get(0)?,
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
            verb: row.try_get(1)?,
            username: row.try_get(2)?,
            acting_as: row.try_get(3)?,
            groups_digest: row.try_get(4)?,
            via: row.try_get(5)?,
            happened: row.try_get(6)?,
        })
    })
    .transpose()
}

/// Removes what was witnessed before a moment.
///
/// # Errors
/// The database fails.
pub async fn sweep_witnesses(connection: &mut AnyConnection, before: i64) -> Result<u64, DbError> {
    Ok(sqlx::query(SWEEP_WITNESSES)
        .bind(before)
        .execute(connection)
        .await?
        .rows_affected())
}
