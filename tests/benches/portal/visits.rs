//! Pages, asked for one after the other on a connection each, as a browser accepts them.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::people::Visitor;

/// What is visited: lists as they open, narrowed, ordered, far behind; and the pages of single things.
pub(crate) const PAGES: [&str; 17] = [
    "/",
    "/mine",
    "/tenants",
    "/tenants?q=t77",
    "/tenants/t0",
    "/platforms/zhongxin",
    "/requests",
    "/requests?phase=Reviewing&sort=due",
    "/requests?sort=title&page=500",
    "/requests/t0/r4",
    "/approvals",
    "/work-orders",
    "/search?q=t77",
    "/costs",
    "/audit",
    "/audit?actor=t77-owner",
    "/audit?verb=export&below=500000",
];

/// What the visits of a page were like.
pub(crate) struct Figures {
    took: Vec<Duration>,
    sent: usize,
    status: u16,
}

impl Figures {
    fn at(&self, percent: usize) -> f64 {
        let nth = (self.took.len() * percent)
            .div_ceil(100)
            .clamp(1, self.took.len());
        self.took[nth - 1].as_secs_f64() * 1000.0
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.status != 200 {
            return write!(f, "answers {} | | | ", self.status);
        }
        let sent = f64::from(u32::try_from(self.sent).unwrap_or(u32::MAX)) / 1024.0;
        write!(
            f,
            "{:.0} ms | {:.0} ms | {:.0} ms | {sent:.0} KB",
            self.at(50),
            self.at(95),
            self.at(100)
        )
    }
}

/// Visits a page so many times; the first visit, which fills what is kept for 30 s, counts like the others.
pub(crate) async fn visit(
    address: &str,
    visitor: &Visitor,
    path: &str,
    times: usize,
) -> Result<Figures> {
    let mut figures = Figures {
        took: Vec::with_capacity(times),
        sent: 0,
        status: 0,
    };
    for _ in 0..times {
        let began = Instant::now();
        let answer = get(address, path, &visitor.cookie).await?;
        figures.took.push(began.elapsed());
        (figures.status, figures.sent) = (status(&answer)?, answer.len());
    }
    figures.took.sort();
    Ok(figures)
}

/// Bytes of the script that every page loads, compressed, in KB.
pub(crate) async fn script(address: &str) -> Result<String> {
    let page = String::from_utf8_lossy(&plain(address, "/sign-in").await?).into_owned();
    let source = page
        .split("<script src=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let answer = get(address, source.context("the page has a script")?, "").await?;
    ensure!(status(&answer)? == 200, "the script is not there");
    Ok(format!(
        "{:.1}",
        f64::from(u32::try_from(answer.len())?) / 1024.0
    ))
}

async fn plain(address: &str, path: &str) -> Result<Vec<u8>> {
    say(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"),
    )
    .await
}

async fn get(address: &str, path: &str, cookie: &str) -> Result<Vec<u8>> {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    say(address, &head).await
}

async fn say(address: &str, head: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn status(answer: &[u8]) -> Result<u16> {
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = std::str::from_utf8(line)?;
    line.split(' ')
        .nth(1)
        .context("no status line")?
        .parse()
        .context("no status")
}
