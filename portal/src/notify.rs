//! Telling people: who hears of what (`told.rs`), the notices in the portal (`herald.rs`, `page.rs`), and the ways out of it
//! (`config.rs`, `send.rs`, `email.rs`, `http.rs`).
//!
//! What is to be told is read off the objects as they are, not off their changes: a restart loses nothing, and a cause that
//! was told once is not told again. One replica does all of it.

pub mod config;
pub mod email;
pub mod herald;
pub mod http;
pub mod page;
pub mod send;
pub mod told;

pub use config::Config;

#[cfg(test)]
mod tests;
