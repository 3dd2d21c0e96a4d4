//! A request on the real thing: from the department's submission to the receipt, and what may come between.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![expect(
    clippy::too_many_lines,
    reason = "each test is one story, told in its order"
)]

use harness::Spec;
use harness::world::World;
use tokio::sync::OnceCell;

#[path = "resource_request/days.rs"]
mod days;
#[path = "resource_request/frozen.rs"]
mod frozen;
#[path = "resource_request/journey.rs"]
mod journey;
#[path = "resource_request/later.rs"]
mod later;
#[path = "resource_request/mended.rs"]
mod mended;
#[path = "resource_request/province.rs"]
mod province;
#[path = "resource_request/quiet.rs"]
mod quiet;
#[path = "resource_request/refused.rs"]
mod refused;
#[path = "resource_request/shape.rs"]
mod shape;
#[path = "resource_request/who.rs"]
mod who;

static WORLD: OnceCell<World> = OnceCell::const_new();

/// One world for all: each test has a unit of its own, and a pool of its own where it fills one.
async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            let members = [harness::world::MEMBER, province::NODE, province::OLD];
            let world = World::start(Spec::with_members(&members)).await.unwrap();
            province::found(&world).await.unwrap();
            world
        })
        .await
}
