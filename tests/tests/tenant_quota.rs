//! A grant on the real thing: from the CR to a pod too many, and what befalls it on the way.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use harness::Spec;
use harness::world::World;
use tokio::sync::OnceCell;

#[path = "tenant_quota/children.rs"]
mod children;
#[path = "tenant_quota/in_force.rs"]
mod in_force;
#[path = "tenant_quota/refused.rs"]
mod refused;

static WORLD: OnceCell<World> = OnceCell::const_new();

/// One world for all: each test has a tenant of its own.
async fn world() -> &'static World {
    WORLD
        .get_or_init(async || World::start(Spec::default()).await.unwrap())
        .await
}
