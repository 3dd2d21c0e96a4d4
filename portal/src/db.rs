//! The portal's database: what Kubernetes should not keep. SQLite by default, PostgreSQL in production, one SQL text.
//!
//! Each noun has a file of plain async functions on a connection; every statement stands in its `statements!`, so that
//! a test can prepare all of them on both engines. Columns are BIGINT, TEXT and DOUBLE PRECISION; sums are cast to BIGINT.

pub mod acts;
pub mod api_tokens;
pub mod attachments;
pub mod audit;
pub mod backup;
pub mod bulletins;
pub mod commands;
pub mod drafts;
pub mod error;
pub mod history;
pub mod migrations;
pub mod notices;
pub mod outbox;
pub mod people;
pub mod recorder;
pub mod sessions;
pub mod sign_ins;
pub mod url;
pub mod views;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use rand::TryRngCore as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyPool, ConnectOptions as _, Executor as _, Transaction};

pub use error::DbError;
pub use url::{DatabaseUrl, Engine};

/// Nobody waits longer for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// The statements of a noun, each a constant, and all of them in `ALL`.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(const $name: &str = $sql;)+
        /// Every statement of this file.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),+];
    };
}
pub(crate) use statements;

/// Every statement of the portal, by the file that has it.
pub const STATEMENTS: &[(&str, &[(&str, &str)])] = &[
    ("acts", acts::ALL),
    ("api_tokens", api_tokens::ALL),
    ("attachments", attachments::ALL),
    ("audit", audit::ALL),
    ("bulletins", bulletins::ALL),
    ("drafts", drafts::ALL),
    ("history", history::ALL),
    ("notices", notices::ALL),
    ("outbox", outbox::ALL),
    ("people", people::ALL),
    ("recorder", recorder::ALL),
    ("sessions", sessions::ALL),
    ("sign_ins", sign_ins::ALL),
    ("views", views::ALL),
];

/// The database. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Db {
    pool: AnyPool,
    engine: Engine,
    file: Option<File>,
}

/// The file of an embedded database, as it was when it was opened.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    inode: u64,
}

impl Db {
    /// Opens the database and brings its tables to this version.
    ///
    /// # Errors
    /// It cannot be reached or used, or was written by a newer version.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        let db = Self::connect(url).await?;
        migrations::run(&db.pool).await?;
        Ok(db)
    }

    /// Opens the database as it is.
    ///
    /// # Errors
    /// It cannot be reached or used.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, DbError> {
        sqlx::any::install_default_drivers();
        let engine = url.engine();
        let options = AnyConnectOptions::from_str(url.secret())
            .map_err(|_| DbError::Url("it is not a URL".to_owned()))?
            .disable_statement_logging();
        // One connection by itself first: the pool tries again what will not pass, and then says that it waited.
        let first = tokio::time::timeout(ACQUIRE, options.connect());
        let first = first
            .await
            .map_err(|_| DbError::Gone(format!("no answer within {} s", ACQUIRE.as_secs())))?;
        let mut first = first?;
        first.execute(engine.prepare_connection()).await?;
        sqlx::Connection::close(first).await?;
        let pool = AnyPoolOptions::new()
            .max_connections(engine.connections())
            .acquire_timeout(ACQUIRE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(engine.prepare_connection()).await?;
                    Ok(())
                })
            })
            .after_release(move |connection, _| {
                Box::pin(async move {
                    // What broke off in the middle, as on a full disk, may leave its transaction open, and who comes next
                    // would see the database as it was then. Elsewhere there is none, and nothing to undo.
                    if engine == Engine::Sqlite {
                        drop(connection.execute("ROLLBACK").await);
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        let file = url
            .file()
            .map(|path| File::open(path.to_owned()))
            .transpose()?;
        Ok(Self { pool, engine, file })
    }

    /// Which engine it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// The connections.
    #[must_use]
    pub const fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a transaction; dropped without a commit, nothing of it is left.
    ///
    /// # Errors
    /// The database cannot be reached, or its file is not the one that was opened.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, DbError> {
        self.check_file()?;
        Ok(self.pool.begin().await?)
    }

    /// A connection for reading, or for a single statement.
    ///
    /// # Errors
    /// As of [`Self::begin`].
    pub async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<Any>, DbError> {
        self.check_file()?;
        Ok(self.pool.acquire().await?)
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut connection = self.acquire().await?;
        connection.execute("SELECT 1").await?;
        Ok(())
    }

    /// SQLite writes on into a file that was removed, and all of it is lost at the end: that is noticed here.
    fn check_file(&self) -> Result<(), DbError> {
        self.file.as_ref().map_or(Ok(()), File::check)
    }
}

impl File {
    fn open(path: PathBuf) -> Result<Self, DbError> {
        let inode = inode(&path).map_err(|error| DbError::Gone(error.to_string()))?;
        Ok(Self { path, inode })
    }

    fn check(&self) -> Result<(), DbError> {
        match inode(&self.path) {
            Ok(found) if found == self.inode => Ok(()),
            Ok(_) => Err(DbError::Gone(format!(
                "{} is another file than the one that was opened; restart the portal",
                self.path.display()
            ))),
            Err(error) => Err(DbError::Gone(format!("{}: {error}", self.path.display()))),
        }
    }
}

fn inode(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata(path)?.ino())
}

/// A moment as the database keeps it.
#[must_use]
pub fn micros(at: jiff::Timestamp) -> i64 {
    at.as_microsecond()
}

/// A new id: 128 random bits in hexadecimal.
///
/// # Errors
/// The operating system gives no random numbers.
pub fn new_id() -> Result<String, DbError> {
    let mut bytes = [0_u8; 16];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| DbError::Other(error.to_string()))?;
    Ok(hex(&bytes))
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// Text as both engines can keep it: PostgreSQL has no NUL.
#[must_use]
pub fn text(value: &str) -> std::borrow::Cow<'_, str> {
    if value.contains('\0') {
        value.replace('\0', "\u{fffd}").into()
    } else {
        value.into()
    }
}
