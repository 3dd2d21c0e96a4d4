//! The edges of the program: the clock, and tasks that run beside the requests.

use std::future::Future;

use jiff::Timestamp;

/// The moment. Everything else takes it as a parameter.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where time enters the portal"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs a task beside the requests; one that ends by a panic ends the program, which is then started again: a portal
/// whose caches have stopped would show the past as the present.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the portal spawns"
)]
#[expect(clippy::exit, reason = "half a portal is worse than none")]
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = tokio::spawn(task).await
            && error.is_panic()
        {
            tracing::error!(task = name, "a task panicked; the program ends");
            std::process::exit(70);
        }
    });
}
