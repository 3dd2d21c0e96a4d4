//! Where a database of a test is: a file of its own, or a database of its own on the one PostgreSQL of this process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use anyhow::Result;
use harness::Postgres;
use portal::audit::{Entry, Outcome, Via};
use portal::db::{DatabaseUrl, Db, Engine};
use tempfile::TempDir;
use tokio::sync::Mutex;

static SERVER: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());

/// The server that the tests of this process share; it goes with the last of them.
pub(crate) async fn server() -> Result<Arc<Postgres>> {
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(Postgres::start(&["fsync=off"]).await?);
    *shared = Arc::downgrade(&server);
    Ok(server)
}

/// An empty place for a database.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) url: DatabaseUrl,
    pub(crate) dir: TempDir,
    /// Held so that it stays.
    _server: Option<Arc<Postgres>>,
}

impl Place {
    /// One on each engine.
    pub(crate) async fn both() -> Result<[Self; 2]> {
        Ok([Self::sqlite()?, Self::postgres().await?])
    }

    pub(crate) fn sqlite() -> Result<Self> {
        let dir = TempDir::new()?;
        let url = format!("sqlite:{}", dir.path().join("portal.db").display());
        Ok(Self {
            engine: Engine::Sqlite,
            url: url.parse()?,
            dir,
            _server: None,
        })
    }

    pub(crate) async fn postgres() -> Result<Self> {
        static NTH: AtomicU32 = AtomicU32::new(0);
        let name = format!("portal_{}", NTH.fetch_add(1, Ordering::Relaxed));
        let server = server().await?;
        server.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(Self {
            engine: Engine::Postgres,
            url: server.url(&name).parse()?,
            dir: TempDir::new()?,
            _server: Some(server),
        })
    }

    pub(crate) async fn open(&self) -> Result<Db> {
        Ok(Db::open(&self.url).await?)
    }
}

/// An act that is unlike every other.
pub(crate) fn act(nth: usize) -> Entry {
    Entry {
        happened: 1_700_000_000_000_000,
        actor: format!("actor-{}", nth % 7),
        groups: String::new(),
        via: Via::Kubectl,
        verb: "update".into(),
        kind: "TenantQuota".into(),
        namespace: "qp-shuiwu".into(),
        name: format!("配额-{nth}"),
        uid: format!("u-{nth}"),
        resource_version: (1000 + nth).to_string(),
        before: r#"{"spec":{"hard":{"cpu":"2"}}}"#.into(),
        after: r#"{"spec":{"hard":{"cpu":"4"}}}"#.into(),
        request_id: format!("r-{nth}"),
        outcome: Outcome::Ok,
        key: format!("u-{nth}/{}", 1000 + nth),
    }
}
