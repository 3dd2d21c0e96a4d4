//! The recorder: every change of every object of Qipan's becomes a row of the ledger, whichever way it came.
//!
//! A change is seen by a watch (`follow.rs`), who made it is told by the hub's own audit log (`tail.rs`), and the two are
//! joined by uid and resourceVersion. Rows, what was seen, and how far the watch is are written together: a restart loses
//! nothing and repeats nothing, and what could not be seen is a row that says so (`gap`). One replica records.

pub mod follow;
pub mod state;
pub mod tail;
pub mod witness;

use std::path::PathBuf;
use std::time::Duration;

use crate::audit::chain::Algorithm;
use crate::background;
use crate::cluster::objects::{self, Objects};
use crate::db::{Db, micros, recorder as table};
use witness::Programs;

/// Who wrote what is kept this long for joining; the ledger keeps what matters.
const WITNESSES_KEPT: Duration = Duration::from_hours(6);
/// How often older ones are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(30);

/// What the recorder works with.
#[derive(Clone)]
pub struct Recorder {
    /// The database.
    pub db: Db,
    /// What rows are hashed with.
    pub algorithm: Algorithm,
    /// The hub's objects.
    pub objects: Objects,
    /// The hub's audit log, where the portal can read it.
    pub audit_log: Option<PathBuf>,
    /// Which accounts are Qipan's own.
    pub programs: Programs,
}

impl Recorder {
    /// Everything that records, side by side. It does not end.
    pub async fn record(&self) {
        // Where the log is read from is settled before the first list: what is changed after that list is told.
        if self.audit_log.is_some() {
            self.begin_tail().await;
        }
        let kinds = objects::every_kind();
        let follow = futures::future::join_all(kinds.iter().map(|kind| self.follow(kind)));
        tokio::join!(follow, self.tail(&kinds), self.sweep());
    }

    async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            let kept = i64::try_from(WITNESSES_KEPT.as_micros()).unwrap_or(i64::MAX);
            let before = micros(background::now()).saturating_sub(kept);
            let swept =
                async { table::sweep_witnesses(&mut *self.db.acquire().await?, before).await };
            if let Err(error) = swept.await {
                tracing::debug!(%error, "old witnesses stay");
            }
        }
    }
}
