//! What can be wrong with the database: what happened, and the way out.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

/// The database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// Somebody else holds it for too long.
    #[error(
        "the database is locked by another program ({0}): find what holds it (a backup, a migration, a console) and end that"
    )]
    Locked(String),
    /// There is no room.
    #[error(
        "the database is full ({0}): give its disk or its quota more room; nothing is lost meanwhile"
    )]
    Full(String),
    /// It does not answer, or its file is gone.
    #[error("the database is not there ({0}): start it, or look at its address and the network")]
    Gone(String),
    /// It does not let the portal in.
    #[error(
        "the database refuses the portal ({0}): look at the user, the password and the rights in its URL"
    )]
    Refused(String),
    /// Its tables are not this version's.
    #[error(
        "the database has tables of another version ({0}): start the version of Qipan that wrote it, or a newer one"
    )]
    Schema(String),
    /// It is damaged.
    #[error(
        "the database is damaged ({0}): restore the last backup with `qipan-portal db restore`"
    )]
    Damaged(String),
    /// The URL cannot be used.
    #[error("the database's URL cannot be used: {0}")]
    Url(String),
    /// Somebody else wrote the same row first.
    #[error("another write came first ({0})")]
    Conflict(String),
    /// Something else.
    #[error("the database failed: {0}")]
    Other(String),
}

impl DbError {
    /// Whether to try again is of use without anybody changing anything.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self {
            Self::Locked(_) | Self::Gone(_) | Self::Full(_) | Self::Conflict(_) => true,
            Self::Refused(_)
            | Self::Schema(_)
            | Self::Damaged(_)
            | Self::Url(_)
            | Self::Other(_) => false,
        }
    }

    /// One word for messages and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Locked(_) => "locked",
            Self::Full(_) => "full",
            Self::Gone(_) => "gone",
            Self::Refused(_) => "refused",
            Self::Schema(_) => "schema",
            Self::Damaged(_) => "damaged",
            Self::Url(_) => "url",
            Self::Conflict(_) => "conflict",
            Self::Other(_) => "other",
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the drivers may add is all the same here"
)]
impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => by_code(database.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_) => Self::Gone(error.to_string()),
            // The driver quotes the URL here, and with it the password.
            sqlx::Error::Configuration(_) => {
                Self::Url("the driver does not understand it".to_owned())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the drivers may add is all the same here"
)]
impl From<MigrateError> for DbError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(version) => Self::Schema(format!(
                "it was migrated to {version}, which this version does not know"
            )),
            MigrateError::VersionMismatch(version) => {
                Self::Schema(format!("migration {version} was another text when it ran"))
            }
            MigrateError::Dirty(version) => {
                Self::Schema(format!("migration {version} was begun and not finished"))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// PostgreSQL's SQLSTATE has five characters; SQLite's extended code is a number whose low byte is the kind.
fn by_code(error: &dyn DatabaseError) -> DbError {
    let (code, text) = (error.code().unwrap_or_default(), error.message().to_owned());
    if error.is_unique_violation() {
        return DbError::Conflict(text);
    }
    match code.parse::<u32>() {
        Ok(number) if code.len() != 5 => match number & 0xff {
            5 | 6 => DbError::Locked(text),
            8 | 23 => DbError::Refused(text),
            10 | 14 => DbError::Gone(text),
            11 | 26 => DbError::Damaged(text),
            13 => DbError::Full(text),
            _ => DbError::Other(text),
        },
        _ => match code.as_ref() {
            "55P03" | "40P01" | "57014" | "25P03" => DbError::Locked(text),
            "40001" => DbError::Conflict(text),
            "53100" | "53200" | "53000" => DbError::Full(text),
            "53300" | "57P01" | "57P02" | "57P03" => DbError::Gone(text),
            "3D000" | "42501" | "25006" => DbError::Refused(text),
            "XX001" | "XX002" => DbError::Damaged(text),
            code if code.starts_with("28") => DbError::Refused(text),
            code if code.starts_with("08") => DbError::Gone(text),
            _ => DbError::Other(text),
        },
    }
}
