//! `GET /events?of=<path>`: tells an open page which of its regions have changed, by server-sent events.
//!
//! After a change in the caches the page is drawn again for this person, in memory, and each region's digest compared:
//! what a person may not see can therefore not reach them, not even as a hint. The browser fetches what changed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::Query;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::error::AppError;
use crate::live::{Live, Visit};
use crate::{approvals, catalog, metrics, overview, platforms, requests, tenants, work_orders};

/// Changes that come this close together are told together.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// A silent connection is kept open by a comment this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A page is looked at again this often even if nothing came: days pass, attestations end, sessions end.
const LOOK_AGAIN: Duration = Duration::from_mins(5);
/// Whether the session still lives is asked this often, when something changed.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How many live pages one person may hold open.
const PAGES: usize = 12;
/// How many live pages are drawn again at once: after a change there may be a thousand, and whoever asks for a page in the
/// meantime waits for one of them at most.
const REDRAWN_AT_ONCE: usize = 1;

/// How many live pages each person holds open, and whose turn it is to be drawn again.
#[derive(Debug)]
pub struct Seats {
    taken: Mutex<HashMap<String, usize>>,
    redrawing: Semaphore,
}

impl Default for Seats {
    fn default() -> Self {
        Self {
            taken: Mutex::default(),
            redrawing: Semaphore::new(REDRAWN_AT_ONCE),
        }
    }
}

/// One live page; given back when its connection ends.
#[derive(Debug)]
struct Seat {
    seats: Arc<Seats>,
    user: String,
}

impl Seats {
    fn take(self: &Arc<Self>, user: &str) -> Option<Seat> {
        let mut taken = self.taken.lock().ok()?;
        let count = taken.entry(user.to_owned()).or_default();
        if *count >= PAGES {
            return None;
        }
        *count += 1;
        metrics::live_pages(1);
        Some(Seat {
            seats: Arc::clone(self),
            user: user.to_owned(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::live_pages(-1);
        if let Ok(mut taken) = self.seats.taken.lock()
            && let Some(count) = taken.get_mut(&self.user)
        {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

/// Which page is open.
#[derive(Debug, Deserialize)]
pub struct Of {
    of: String,
}

type Digests = HashMap<&'static str, u64>;

struct Watching {
    visit: Visit,
    changes: tokio::sync::watch::Receiver<u64>,
    told: Digests,
    seat: Seat,
    asked: Instant,
}

impl Watching {
    /// Whether the session lives, asked at most every [`ASK_AGAIN`]. A database that gives no answer ends no page: the page's
    /// own fetches say so.
    async fn still_signed_in(&mut self) -> bool {
        if self.asked.elapsed() < ASK_AGAIN {
            return true;
        }
        self.asked = Instant::now();
        let (sessions, digest) = (&self.visit.state.sessions, &self.visit.session.digest);
        let found = sessions.find_by_digest(digest, crate::background::now());
        !matches!(found.await, Ok(None))
    }
}

/// The page of a path, drawn for a visit.
async fn draw(visit: &Visit) -> Result<Box<dyn Live>, AppError> {
    let path = visit.reader.path.clone();
    let mut steps = path.trim_matches('/').split('/');
    Ok(
        match (steps.next().unwrap_or(""), steps.next(), steps.next()) {
            ("", None, None) => Box::new(overview::draw(visit).await?),
            ("platforms", None, None) => Box::new(platforms::draw_list(visit).await?),
            ("platforms", Some(name), None) => Box::new(platforms::draw(visit, name).await?),
            ("tenants", None, None) => Box::new(tenants::draw_list(visit).await?),
            ("tenants", Some(name), None) => Box::new(tenants::draw(visit, name).await?),
            ("approvals", None, None) => Box::new(approvals::draw(visit).await?),
            ("approvals", Some(tenant), Some(name)) => {
                Box::new(approvals::decide::draw(visit, tenant, name).await?)
            }
            ("requests", None, None) => Box::new(requests::draw_list(visit).await?),
            ("requests", Some(tenant), Some(name)) => {
                Box::new(requests::page::draw(visit, tenant, name).await?)
            }
            ("catalog", None, None) => Box::new(catalog::draw(visit).await?),
            ("work-orders", None, None) => Box::new(work_orders::draw_list(visit).await?),
            ("work-orders", Some(tenant), Some(name)) => {
                Box::new(work_orders::page::draw(visit, tenant, name).await?)
            }
            _ => return Err(AppError::NoPage),
        },
    )
}

async fn digests(visit: &Visit) -> Result<Digests, AppError> {
    let page = draw(visit).await?;
    let mut digests = Digests::new();
    for name in page.regions() {
        let mut hasher = DefaultHasher::new();
        page.region(name)?.hash(&mut hasher);
        digests.insert(name, hasher.finish());
    }
    Ok(digests)
}

/// Tells an open page what changed.
///
/// # Errors
/// There is no such page, or the person holds too many.
pub async fn stream(
    Query(of): Query<Of>,
    mut visit: Visit,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, AppError> {
    visit.reader.path = of.of;
    // Only regions are drawn for it: what stands beside them is not read again.
    visit.reader.part = Some(String::new());
    let query = visit
        .reader
        .query
        .split('&')
        .filter(|pair| !pair.starts_with("of="))
        .collect::<Vec<_>>()
        .join("&");
    visit.reader.query = query;
    let seat = visit
        .state
        .seats
        .take(&visit.session.user.name)
        .ok_or(AppError::TooManyPages)?;
    let changes = visit.state.cluster.changes();
    let told = digests(&visit).await?;
    let watching = Watching {
        visit,
        changes,
        told,
        seat,
        asked: Instant::now(),
    };
    let events = unfold(
        (Some(watching), Vec::new()),
        |(watching, mut waiting)| async move {
            let mut watching = watching?;
            loop {
                if let Some(region) = waiting.pop() {
                    let event = Event::default().event(region).data(region);
                    return Some((Ok(event), (Some(watching), waiting)));
                }
                waiting = next_changes(&mut watching).await?;
            }
        },
    );
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// The regions that changed, once some may have; nothing once the connection is to end.
async fn next_changes(watching: &mut Watching) -> Option<Vec<&'static str>> {
    let mut ending = watching.visit.state.ending.clone();
    tokio::select! {
        _ = ending.wait_for(|ending| *ending) => {
            tracing::debug!(user.name = watching.seat.user, "a live page ends with the program");
            return None;
        }
        changed = watching.changes.changed() => changed.ok()?,
        () = tokio::time::sleep(LOOK_AGAIN) => {}
    }
    tokio::time::sleep(DEBOUNCE).await;
    if !watching.still_signed_in().await {
        return None;
    }
    let seats = Arc::clone(&watching.seat.seats);
    let turn = seats.redrawing.acquire().await.ok()?;
    // What came while it waited is in what is drawn now.
    watching.changes.mark_unchanged();
    // `now` stays the moment of opening: ages grow in the browser and are no change.
    let drawn = digests(&watching.visit).await;
    drop(turn);
    match drawn {
        Ok(now) => {
            let changed = now
                .iter()
                .filter(|(name, digest)| watching.told.get(*name) != Some(*digest));
            let changed = changed.map(|(name, _)| *name).collect();
            watching.told = now;
            Some(changed)
        }
        // The object is gone: every region is fetched, and the page says so.
        Err(AppError::NoPage) => None,
        // Its rights cannot be checked, say: whatever region is fetched tells the page.
        Err(_) => Some(watching.told.keys().copied().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_holds_a_limited_number_of_live_pages_and_gives_them_back() {
        let seats = Arc::new(Seats::default());
        let mut held: Vec<_> = (0..PAGES).map(|_| seats.take("a").unwrap()).collect();
        assert!(seats.take("a").is_none());
        assert!(seats.take("b").is_some());
        held.pop();
        assert!(seats.take("a").is_some());
        drop(held);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
