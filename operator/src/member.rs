//! The members: a connection each, what is known through it, and how it is lost and found again.
//!
//! A member that does not answer is *unknown*: its connection and everything that was known through it are dropped, nothing
//! is written to it or decided from it, and it is listed anew when it answers as itself.

mod cache;
mod charged;
mod connection;
mod kubeconfig;
pub mod policies;
mod probe;
mod proof;
mod registry;

pub use cache::{ClusterCache, QuotaSeen, Seen};
pub use connection::Connection;
pub use kubeconfig::{Credential, KubeconfigError, claims, client_settings};
pub use probe::{Facts, uid};
pub use proof::{Leaf, Proof};
pub use registry::{Desired, MemberKey, MemberView, Members, Source};
