//! The edge where time enters.

use std::sync::LazyLock;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// The time of day: for conditions, certificates and days. It may jump either way.
#[must_use]
pub fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the edge where time enters")]
    Timestamp::now()
}

/// A time that only goes forward, at the pace of a monotonic clock, whatever becomes of the time of day: for what must have
/// lasted a while. It means something in this process only; nothing of it is stored.
#[must_use]
pub fn steady() -> Timestamp {
    static START: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (wall(), Instant::now()));
    let (began, instant) = *START;
    began
        .saturating_add(SignedDuration::try_from(instant.elapsed()).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}
