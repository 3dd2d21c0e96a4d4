//! Waiting for what a controller will do: polled, bounded, and explained when it did not happen.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How often the condition is looked at again.
const INTERVAL: Duration = Duration::from_millis(100);

/// Polls `check` until it gives `Ok`, for at most `timeout`; the error names `what` and the last reason.
///
/// ```text
/// let quota = eventually("the quota is in force", Duration::from_secs(10), async || {
///     let quota = quotas.get("qipan").await?;
///     anyhow::ensure!(quota.status.is_some(), "it has no status yet");
///     Ok(quota)
/// }).await?;
/// ```
pub async fn eventually<T, E: Display>(
    what: &str,
    timeout: Duration,
    mut check: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let began = Instant::now();
    let mut last = String::from("the first look did not return");
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        // A look that hangs must not hang the test: a paused API server accepts and never answers.
        match tokio::time::timeout(left.max(INTERVAL), check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = format!("{reason:#}"),
            Err(_) => {}
        }
        if began.elapsed() >= timeout {
            bail!("{what}: not after {timeout:?}; last reason: {last}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_what_the_check_gives() {
        let mut looks = 0;
        let seen = eventually("the third look", Duration::from_secs(5), async || {
            looks += 1;
            anyhow::ensure!(looks == 3, "look {looks}");
            Ok(looks)
        })
        .await;
        assert_eq!(seen.ok(), Some(3));
    }

    #[tokio::test]
    async fn its_error_names_the_last_reason() {
        let seen = eventually("the moon", Duration::from_millis(150), async || {
            Err::<(), _>("it is cloudy")
        });
        let error = seen.await.map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("the moon") && e.contains("it is cloudy")));
    }
}
