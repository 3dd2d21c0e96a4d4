//! The portal's database on both engines: the same tests on SQLite and on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "database/chain.rs"]
mod chain;
#[path = "database/forge.rs"]
mod forge;
#[path = "database/kept.rs"]
mod kept;
#[path = "database/place.rs"]
mod place;
#[path = "database/tables.rs"]
mod tables;
#[path = "database/told.rs"]
mod told;
#[path = "database/trouble.rs"]
mod trouble;
