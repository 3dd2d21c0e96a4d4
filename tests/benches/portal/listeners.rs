//! Many open pages: how long until each has heard of one change, and what holding them costs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use harness::Portal;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use portal::db::Db;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::people;

/// Nobody waits longer to hear of a change.
const PATIENCE: Duration = Duration::from_mins(2);

/// Opens so many pages, changes one thing that all of them show, and says how it went.
pub(crate) async fn listen(portal: &Portal, db: &Db, hub: &Client, count: usize) -> Result<String> {
    let before = portal.program.resident_bytes()?;
    let cookies = people::many(db, count).await?;
    let began = Instant::now();
    let mut streams = Vec::with_capacity(count);
    for some in cookies.chunks(16) {
        let opened = some.iter().map(|cookie| open(&portal.address, cookie));
        // One that is refused (a hub that cannot answer so many reviews in time) is a figure, not the end.
        streams.extend(join_all(opened).await.into_iter().flatten());
    }
    let (opening, open_pages) = (began.elapsed(), streams.len());
    let resident = portal.program.resident_bytes()?;
    let held = resident.saturating_sub(before) >> 20;
    rename(hub).await?;
    let changed = Instant::now();
    let waiting = streams.iter_mut().map(|stream| hear(stream, changed));
    let mut heard: Vec<_> = join_all(waiting).await.into_iter().flatten().collect();
    heard.sort();
    let at = |percent: usize| {
        let nth = (heard.len() * percent).div_ceil(100).max(1);
        heard.get(nth - 1).map_or(0.0, Duration::as_secs_f64)
    };
    Ok(format!(
        "{open_pages} of {count} pages open after {:.1} s, {held} MiB more; {} heard of a change: median {:.2} s, p95 {:.2} s, last {:.2} s",
        opening.as_secs_f64(),
        heard.len(),
        at(50),
        at(95),
        at(100)
    ))
}

async fn open(address: &str, cookie: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET /events?of=/tenants/t0 HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut first = [0; 512];
    let length = stream.read(&mut first).await?;
    let head = String::from_utf8_lossy(&first[..length]).into_owned();
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(stream)
}

/// How long after a moment an event came; nothing where none did.
async fn hear(stream: &mut TcpStream, since: Instant) -> Option<Duration> {
    let mut buffer = [0; 1024];
    let reading = async {
        loop {
            let length = stream
                .read(&mut buffer)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            if String::from_utf8_lossy(&buffer[..length]).contains("event:") {
                return Some(since.elapsed());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.ok().flatten()
}

/// A change that every open page shows.
async fn rename(hub: &Client) -> Result<()> {
    let tenants: Api<crds::Tenant> = Api::all(hub.clone());
    let now = jiff::Timestamp::now();
    let patch = json!({ "spec": { "displayName": { "zh": format!("水务局{now}"), "en": format!("Water bureau {now}") } } });
    let patched = tenants
        .patch("t0", &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    patched.map(drop).context("failed to rename a tenant")
}
