//! Keeps what is to be recorded until the database has it. What waits is bounded; beyond that an act is refused rather
//! than left out of the ledger.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::Entry;
use super::append::append;
use super::chain::Algorithm;
use crate::background;
use crate::db::{Db, DbError, micros};

/// So many acts wait at most.
const ROOM: usize = 10_000;
/// So many are written at once.
const BATCH: usize = 500;
/// The first and the longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Acts cannot be recorded, so they are not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ledger cannot be written and {ROOM} acts wait for it: nothing more is done until the database is back"
)]
pub struct NoRoom;

/// How the ledger is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// So many acts wait to be written.
    pub waiting: usize,
    /// Since when they cannot be written; absent while they can.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub why: Option<DbError>,
}

/// Keeps acts until they are written. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Keeper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    algorithm: Algorithm,
    waiting: Mutex<VecDeque<Entry>>,
    wake: Notify,
    state: watch::Sender<State>,
}

impl Keeper {
    /// A keeper that writes from now on.
    #[must_use]
    pub fn start(db: Db, algorithm: Algorithm) -> Self {
        let keeper = Self {
            inner: Arc::new(Inner {
                db,
                algorithm,
                waiting: Mutex::default(),
                wake: Notify::new(),
                state: watch::Sender::default(),
            }),
        };
        background::spawn("audit-keeper", Arc::clone(&keeper.inner).write_all());
        keeper
    }

    /// Takes an act over; it is written as soon as the database takes it.
    ///
    /// # Errors
    /// Too many wait already: then the act must not be done.
    pub fn record(&self, entry: Entry) -> Result<(), NoRoom> {
        let mut waiting = self.inner.lock();
        if waiting.len() >= ROOM {
            return Err(NoRoom);
        }
        waiting.push_back(entry);
        drop(waiting);
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Whether an act could be recorded now: asked before something is done that cannot be undone.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.inner.lock().len() < ROOM
    }

    /// How the ledger is.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = self.inner.state.borrow().clone();
        state.waiting = self.inner.lock().len();
        state
    }

    /// Tells of changes between writing and failing.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<State> {
        self.inner.state.subscribe()
    }

    /// Waits until everything is written, at most so long; says how many acts are left.
    pub async fn flush(&self, patience: Duration) -> usize {
        let written = async {
            while !self.inner.lock().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _late_is_told_by_the_count = tokio::time::timeout(patience, written).await;
        self.inner.lock().len()
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_all(self: Arc<Self>) {
        let mut pause = PAUSE.0;
        loop {
            let batch: Vec<Entry> = self.lock().iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                self.wake.notified().await;
                continue;
            }
            match append(&self.db, self.algorithm, &batch, micros(background::now())).await {
                Ok(_) => {
                    self.lock().drain(..batch.len());
                    self.written();
                    pause = PAUSE.0;
                }
                Err(error) => {
                    self.failed(error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    fn written(&self) {
        let changed = self.state.send_if_modified(|state| {
            let failed = state.failing_since.is_some();
            *state = State::default();
            failed
        });
        if changed {
            tracing::info!("the ledger is written again");
        }
    }

    fn failed(&self, why: DbError) {
        let waiting = self.lock().len();
        let text = why.to_string();
        let first = self.state.send_if_modified(|state| {
            let first = state.failing_since.is_none();
            state.failing_since.get_or_insert_with(background::now);
            state.why = Some(why);
            first
        });
        if first {
            tracing::error!(error = %text, audit.waiting = waiting, "the ledger cannot be written; acts wait in memory");
        }
    }
}
