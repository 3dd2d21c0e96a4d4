//! Where the database is. The URL may hold a password: it is read from the environment or a file and never printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::DbError;

/// The two engines that the portal runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server that replicas of the portal share.
    Postgres,
}

impl Engine {
    /// SQLite writes one at a time; more readers than processors gain nothing.
    pub(super) const fn connections(self) -> u32 {
        match self {
            Self::Sqlite => 4,
            Self::Postgres => 10,
        }
    }

    /// What every connection is told first.
    pub(super) const fn prepare_connection(self) -> &'static str {
        match self {
            // Nobody waits longer than 5 s for a lock of another program; then the answer is "locked".
            // FULL: what was acknowledged is on the disk, also when the power goes.
            Self::Sqlite => {
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            }
            Self::Postgres => {
                "SET lock_timeout = '5s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s';"
            }
        }
    }
}

/// The URL of the database.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    url: ::url::Url,
    file: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Which engine it names.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// The whole of it, password included: for the driver only.
    pub(super) fn secret(&self) -> &str {
        self.url.as_str()
    }

    /// The file of an embedded database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl FromStr for DatabaseUrl {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, DbError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("sqlite:") {
            return sqlite(rest);
        }
        let wrong = |why: &str| DbError::Url(why.to_owned());
        // The parser's own message may quote the text, and with it the password.
        let mut url = ::url::Url::parse(text).map_err(|_| {
            wrong("it must be sqlite:<file> or postgres://<user>@<host>/<database>")
        })?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("its scheme must be sqlite or postgres"));
        }
        if url.path().trim_matches('/').is_empty() {
            return Err(wrong(
                "it names no database: postgres://<user>@<host>/<database>",
            ));
        }
        let says = url
            .query_pairs()
            .any(|(key, _)| key == "sslmode" || key == "ssl-mode");
        if !says && !is_local(&url) {
            // What leaves this machine is encrypted to a server that has shown who it is, unless the URL says otherwise.
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        Ok(Self {
            engine: Engine::Postgres,
            url,
            file: None,
        })
    }
}

fn sqlite(rest: &str) -> Result<DatabaseUrl, DbError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Err(DbError::Url(
            "it names no file: sqlite:<file>. A database in memory would lose the ledger at every restart".to_owned(),
        ));
    }
    let path = std::path::absolute(path).map_err(|error| DbError::Url(error.to_string()))?;
    let mut url = ::url::Url::from_file_path(&path)
        .map_err(|()| DbError::Url(format!("{} is no usable path", path.display())))?;
    url.set_query(Some("mode=rwc"));
    let text = url.as_str().replacen("file://", "sqlite://", 1);
    let url = ::url::Url::parse(&text).map_err(|error| DbError::Url(error.to_string()))?;
    Ok(DatabaseUrl {
        engine: Engine::Sqlite,
        url,
        file: Some(path),
    })
}

fn is_local(url: &::url::Url) -> bool {
    let socket = url
        .query_pairs()
        .any(|(key, value)| key == "host" && value.starts_with('/'));
    // Of a scheme that browsers do not know, the parser leaves addresses as they are written.
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    socket
        || host.is_empty()
        || host == "localhost"
        || host.to_ascii_lowercase().starts_with("%2f")
        || address.is_ok_and(|address| address.is_loopback())
}

/// Where it is, without user and password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "sqlite:{}", file.display()),
            None => write!(
                f,
                "postgres://{}{}",
                self.url.host_str().unwrap_or("localhost"),
                self.url.path()
            ),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<DatabaseUrl, String> {
        text.parse().map_err(|error: DbError| error.to_string())
    }

    #[test]
    fn a_password_is_never_printed() {
        let url = url("postgres://portal:geheim@db.example.gov.cn/qipan").unwrap();
        assert_eq!(url.to_string(), "postgres://db.example.gov.cn/qipan");
        assert!(!format!("{url:?}").contains("geheim"));
        let wrong = self::url("postgres://portal:gehe im@[/qipan").unwrap_err();
        assert!(!wrong.contains("gehe"), "{wrong}");
    }

    #[test]
    fn what_leaves_the_machine_is_verified_unless_the_url_says_otherwise() {
        let remote = url("postgres://portal@db.example.gov.cn/qipan").unwrap();
        assert!(remote.secret().ends_with("?sslmode=verify-full"));
        for as_it_is in [
            "postgres://portal@db.example.gov.cn/qipan?sslmode=require",
            "postgres://portal@127.0.0.1:5433/qipan",
            "postgres://portal@%2Frun%2Fpostgresql/qipan",
        ] {
            assert_eq!(url(as_it_is).unwrap().secret(), as_it_is);
        }
    }

    #[test]
    fn an_embedded_database_is_a_file() {
        let url = url("sqlite:/var/lib/qipan/portal.db").unwrap();
        assert_eq!(
            url.file().unwrap().to_str(),
            Some("/var/lib/qipan/portal.db")
        );
        for wrong in [
            "sqlite:",
            "sqlite::memory:",
            "mysql://a/b",
            "postgres://a",
            "qipan.db",
        ] {
            assert!(
                self::url(wrong).unwrap_err().contains("database"),
                "{wrong}"
            );
        }
    }
}
