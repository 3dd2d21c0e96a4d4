//! What the portal keeps by itself: its database, and the ledger of acts in it.

use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use tokio::sync::watch;

use crate::args::Serve;
use crate::audit::anchor::{self, Anchored};
use crate::audit::keeper::Keeper;
use crate::background;
use crate::cluster::objects::Objects;
use crate::cluster::own::OwnObjects;
use crate::db::Db;
use crate::recorder::Recorder;
use crate::recorder::witness::Programs;

/// At the end, what waits for the database has this long to be written.
const LAST_ACTS: Duration = Duration::from_secs(5);

/// The database and what is kept in it. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Records {
    /// The database.
    pub db: Db,
    /// The ledger: what is done is recorded here.
    pub ledger: Keeper,
    /// How the ledger compares with its anchor on the hub.
    pub anchored: watch::Receiver<Anchored>,
}

impl Records {
    /// Opens the database and begins to keep the ledger and its anchor.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn open(
        serve: &Serve,
        client: Client,
        ending: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let url = serve.database.url()?;
        let db = Db::open(&url)
            .await
            .with_context(|| format!("failed to open the database {url}"))?;
        tracing::info!(database = %url, "the database is open");
        let ledger = Keeper::start(db.clone(), serve.audit_hash);
        let (state, anchored) = watch::channel(Anchored::default());
        let own = OwnObjects::new(client.clone(), &serve.namespace);
        background::spawn(
            "audit-anchor",
            anchor::keep(db.clone(), own, state, ending.clone()),
        );
        Ok(Self {
            db,
            ledger,
            anchored,
        })
    }

    /// What records the changes of the hub's objects.
    #[must_use]
    pub fn recorder(&self, serve: &Serve, client: Client) -> Recorder {
        Recorder {
            db: self.db.clone(),
            algorithm: serve.audit_hash,
            objects: Objects::new(client),
            audit_log: serve.hub_audit_log.clone(),
            programs: Programs::of(&serve.namespace),
        }
    }

    /// Writes what still waits; what cannot be written any more is said.
    pub async fn end(&self) {
        let left = self.ledger.flush(LAST_ACTS).await;
        if left > 0 {
            tracing::error!(
                audit.waiting = left,
                "the program ends with acts that are not in the ledger"
            );
        }
    }
}
