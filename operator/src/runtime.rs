//! The loop that every kind shares, written once.
//!
//! ```text
//! trigger ─► observe (memory and reads only) ─► plan (pure: object, world, now) ─► apply
//!                                                                                 ├ ledger first, by compare-and-swap
//!                                                                                 ├ children: create, patch, prune
//!                                                                                 ├ deeds: grants and orders from requests
//!                                                                                 ├ finalizer, when nothing is left
//!                                                                                 └ status, if it differs; one event
//! ```
//! Where a decision needs what no cache can tell, the plan asks (an inquiry), and the next pass has the answer.
//! A conflict anywhere starts the pass over; nothing that a stale view decided is ever stored.

pub mod accounts;
pub mod apply;
pub mod clock;
pub mod controller;
pub mod error;
pub mod events;
pub mod gather;
pub mod hub;
pub mod inquiry;
pub mod lease;
pub mod metrics;
pub mod plan;

pub use controller::{Reconciler, run};
pub use error::Error;
pub use plan::{Child, ChildKind, Children, Deed, Inquiry, Placed, Plan, Right, Target};

use std::sync::Arc;

use crate::member::Members;

/// What every controller works with.
pub struct Context {
    /// The hub: its client and what is known of its objects.
    pub hub: hub::Hub,
    /// The members: their connections and what is known of them.
    pub members: Arc<Members>,
    /// By what right accounts are written.
    pub accounts: accounts::Accounts,
    /// What was answered about people's rights.
    pub rights: inquiry::Rights,
    /// Where events go.
    pub events: events::Events,
}
