//! What befalls a province: members that vanish, freeze or come back empty, an operator that is killed, a ledger that is
//! lost, units that are in each other's way. What must hold in all of it: nothing rises above a grant, nothing of a tenant's
//! is taken away, what cannot be seen is unknown, and in the end everything is as it was asked for.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![expect(
    clippy::too_many_lines,
    reason = "each test is one story, told in its order"
)]

use std::time::Duration;

use harness::Spec;
use harness::world::{MEMBER, World};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

#[path = "resilience/bad_days.rs"]
mod bad_days;
#[path = "resilience/clock.rs"]
mod clock;
#[path = "resilience/members.rs"]
mod members;
#[path = "resilience/operator.rs"]
mod operator;
#[path = "resilience/proxy.rs"]
mod proxy;
#[path = "resilience/tenants.rs"]
mod tenants;
#[path = "resilience/watcher.rs"]
mod watcher;

/// Probes are 10 s apart, each twice for 5 s; then up to 15 s between two tries to connect.
const NOTICED: Duration = Duration::from_mins(1);
/// The operator's account, as the audit log names it.
const ACCOUNT: &str = "system:serviceaccount:qipan-system:qipan-operator";
/// Taken away for a while.
const STOPPED: &str = "zj-1";
/// Frozen for a while.
const PAUSED: &str = "sz-2";
/// Emptied.
const WIPED: &str = "gz-3";

static WORLD: OnceCell<World> = OnceCell::const_new();
static ALONE: OnceCell<Mutex<World>> = OnceCell::const_new();

/// A world whose operator lives, with a member for each misfortune and one that has none.
async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            let members = [MEMBER, STOPPED, PAUSED, WIPED];
            World::start(Spec::with_members(&members)).await.unwrap()
        })
        .await
}

/// A world for one test at a time: its operator is killed, or its silence is listened to.
async fn alone() -> MutexGuard<'static, World> {
    ALONE
        .get_or_init(async || Mutex::new(World::start(Spec::default()).await.unwrap()))
        .await
        .lock()
        .await
}
