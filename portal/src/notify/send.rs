//! Sends what stands in the outbox. Each way out has a loop of its own and each attempt a deadline: a server that hangs
//! holds up nobody but itself. What fails for now is tried again, later each time; what fails for good is said.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rand::Rng as _;

use super::config::{Config, Email, Robot, Sms};
use super::{email, http};
use crate::background;
use crate::db::outbox::{self, ATTEMPTS, Channel, Message, Progress};
use crate::db::{Db, DbError, micros, notices};

/// How often is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after the database failed.
const PAUSE: Duration = Duration::from_secs(5);
/// So many are sent at once by one way.
const AT_ONCE: i64 = 8;
/// No further attempt waits longer.
const LONGEST: Duration = Duration::from_hours(6);
/// What waited for longer is given up.
const GIVE_UP: Duration = Duration::from_hours(24 * 3);
/// What was settled is kept this long, and longer than what is told again could reach back (`herald.rs`).
const KEPT: Duration = Duration::from_hours(24 * 180);
/// How often old ones are removed.
const TIDY: Duration = Duration::from_hours(1);

/// A message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It may be taken later.
    Temporary(String),
    /// It never will.
    Permanent(String),
}

/// A way out.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    Email(&'a Email),
    Sms(&'a Sms),
    Robot(&'a Robot),
}

impl<'a> Way<'a> {
    fn all(config: &'a Config) -> Vec<Self> {
        let email = config.email.iter().map(Self::Email);
        let sms = config.sms.iter().map(Self::Sms);
        let robots = config.robots.iter().map(Self::Robot);
        email.chain(sms).chain(robots).collect()
    }

    fn address(self) -> (Channel, Option<&'a str>) {
        match self {
            Self::Email(_) => (Channel::Email, None),
            Self::Sms(_) => (Channel::Sms, None),
            Self::Robot(robot) => (robot.channel(), Some(&robot.name)),
        }
    }
}

impl Robot {
    /// Its channel.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self.form {
            super::config::Form::DingTalk => Channel::DingTalk,
            super::config::Form::WeCom => Channel::WeCom,
        }
    }
}

/// Sends what stands in the outbox.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The database.
    pub db: Db,
    /// The ways out.
    pub config: Arc<Config>,
}

impl Sender {
    /// Sends by every way, side by side. It does not end.
    pub async fn run(&self) {
        let ways = Way::all(&self.config);
        let all = futures::future::join_all(ways.into_iter().map(|way| self.serve(way)));
        tokio::join!(all, self.tidy());
    }

    async fn serve(&self, way: Way<'_>) {
        let mut failing = false;
        loop {
            let pause = match self.round(way).await {
                Ok(sent) => {
                    failing = false;
                    if sent { Duration::ZERO } else { LOOK }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "messages wait for the database");
                    }
                    failing = true;
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends what is due; says whether anything was.
    async fn round(&self, way: Way<'_>) -> Result<bool, DbError> {
        let now = micros(background::now());
        let due = outbox::take(&mut *self.db.acquire().await?, way.address(), AT_ONCE, now).await?;
        let any = !due.is_empty();
        let mut under_way: FuturesUnordered<_> = due
            .into_iter()
            .map(|message| async {
                let outcome = self.attempt(way, &message).await;
                (message, outcome)
            })
            .collect();
        while let Some((message, outcome)) = under_way.next().await {
            self.settle(&message, outcome).await;
        }
        Ok(any)
    }

    async fn attempt(&self, way: Way<'_>, message: &Message) -> Result<(), Problem> {
        let config = &self.config;
        let attempt = async {
            match way {
                Way::Email(server) => email::send(config, server, message).await,
                Way::Sms(gateway) => http::sms(&http::client(config)?, gateway, message).await,
                Way::Robot(robot) => {
                    let millis = background::now().as_millisecond();
                    http::robot(&http::client(config)?, robot, message, millis).await
                }
            }
        };
        let late = format!("no answer within {} s", config.deadline().as_secs());
        tokio::time::timeout(config.deadline(), attempt)
            .await
            .unwrap_or(Err(Problem::Temporary(late)))
    }

    /// Writes down how it went. What is not written down is tried again: that is tried a few times.
    async fn settle(&self, message: &Message, outcome: Result<(), Problem>) {
        let jitter = rand::rng().random_range(0.75..1.25);
        let now = micros(background::now());
        let again = pause(self.config.retry(), message.attempts, jitter);
        let again = now.saturating_add(i64::try_from(again.as_micros()).unwrap_or(i64::MAX));
        let (progress, due, problem) = match outcome {
            Ok(()) => (Progress::Sent, now, String::new()),
            Err(Problem::Permanent(what)) => (Progress::Failed, now, what),
            Err(Problem::Temporary(what)) if message.attempts >= ATTEMPTS => {
                (Progress::Failed, now, what)
            }
            Err(Problem::Temporary(what)) => (Progress::Waiting, again, what),
        };
        tracing::info!(
            message.id,
            message.channel,
            message.attempts,
            message.state = progress.word(),
            problem,
            "a message was tried"
        );
        for _ in 0..5 {
            let written = async {
                let mut connection = self.db.acquire().await?;
                outbox::settle(&mut connection, message, (progress, due, &problem), now).await
            };
            match written.await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "how sending went is not written down yet"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn tidy(&self) {
        loop {
            let now = micros(background::now());
            let ago = |span: Duration| now - i64::try_from(span.as_micros()).unwrap_or(0);
            let tidied = async {
                let mut connection = self.db.acquire().await?;
                outbox::give_up(&mut connection, ago(GIVE_UP), now).await?;
                outbox::sweep(&mut connection, ago(KEPT)).await?;
                notices::sweep(&mut connection, ago(KEPT)).await
            };
            if let Err(error) = tidied.await {
                tracing::debug!(%error, "old messages stay");
            }
            tokio::time::sleep(TIDY).await;
        }
    }
}

/// How long to wait after so many attempts: twice as long each time, spread so that not everybody comes at once.
#[must_use]
pub fn pause(first: Duration, attempts: i64, jitter: f64) -> Duration {
    let doubled = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(20);
    let plain = first.saturating_mul(2_u32.saturating_pow(doubled));
    plain.min(LONGEST).mul_f64(jitter.clamp(0.5, 1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_spread_over_about_a_day() {
        let first = Duration::from_secs(30);
        assert_eq!(pause(first, 1, 1.0), first);
        assert_eq!(pause(first, 4, 1.0), first * 8);
        let all: Duration = (1..ATTEMPTS).map(|n| pause(first, n, 1.0)).sum();
        assert!(
            all > Duration::from_hours(12) && all < Duration::from_hours(48),
            "{all:?}"
        );
        assert_eq!(pause(first, i64::MAX, 9.0), LONGEST.mul_f64(1.5));
    }
}
