//! A gigabyte that somebody sends where a form was expected: refused with words long before its end, kept nowhere, neither in
//! memory nor on the disk, whatever the request says about its length.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use harness::browser::Browser;
use portal::attachments::form::BODY;
use portal::db::Db;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stage::{World, world};
use crate::{draft, hidden, shows};

const GIGABYTE: u64 = 1 << 30;
const PIECE: usize = 1 << 16;
/// What may be on its way when the portal has had enough.
const ON_ITS_WAY: u64 = 32 << 20;
/// What the files that may be taken, and what is read of those that may not, take at most.
const MEMORY: u64 = 128 << 20;

/// How long a request says that its body is.
#[derive(Clone, Copy, Debug)]
enum Length {
    /// As long as it is.
    Gigabyte,
    /// It does not say.
    Chunked,
    /// So long, and longer.
    Lie(u64),
}

/// A body without end, and who sends it.
struct Flood<'a> {
    path: &'a str,
    kind: &'a str,
    cookie: String,
    beginning: String,
    length: Length,
}

/// What became of it.
struct Outcome {
    sent: u64,
    answer: String,
    grown: u64,
}

impl Flood<'_> {
    fn head(&self, address: &str) -> String {
        let length = match self.length {
            Length::Gigabyte => {
                format!("Content-Length: {}", GIGABYTE + self.beginning.len() as u64)
            }
            Length::Chunked => "Transfer-Encoding: chunked".to_owned(),
            Length::Lie(bytes) => format!("Content-Length: {bytes}"),
        };
        format!(
            "POST {} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: qipan_session={}\r\n\
             Content-Type: {}\r\nAccept-Language: zh\r\nConnection: close\r\n{length}\r\n\r\n",
            self.path, self.cookie, self.kind
        )
    }

    fn piece(&self, bytes: &[u8]) -> Vec<u8> {
        match self.length {
            Length::Gigabyte | Length::Lie(_) => bytes.to_vec(),
            Length::Chunked => {
                [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
            }
        }
    }

    /// Sends it until the portal has had enough, and listens meanwhile.
    async fn pour(&self, world: &World) -> Result<Outcome> {
        let address = &world.portal.address;
        let resting = world.portal.program.resident_bytes()?;
        let mut stream = TcpStream::connect(address).await?;
        let (mut from, mut to) = stream.split();
        let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let most = AtomicU64::new(resting);
        let pouring = async {
            let mut first = self.head(address).into_bytes();
            first.extend(self.piece(self.beginning.as_bytes()));
            let _closed_early = to.write_all(&first).await;
            let piece = self.piece(&vec![b'x'; PIECE]);
            while sent.load(Ordering::Relaxed) < GIGABYTE && !over.load(Ordering::Relaxed) {
                if to.write_all(&piece).await.is_err() {
                    break;
                }
                sent.fetch_add(PIECE as u64, Ordering::Relaxed);
                let now = world.portal.program.resident_bytes().unwrap_or_default();
                most.fetch_max(now, Ordering::Relaxed);
            }
        };
        let listening = async {
            let mut answer = Vec::new();
            // A reset is an end, too.
            let _reset = from.read_to_end(&mut answer).await;
            over.store(true, Ordering::Relaxed);
            answer
        };
        let (answer, ()) = tokio::join!(listening, pouring);
        Ok(Outcome {
            sent: sent.into_inner(),
            answer: String::from_utf8_lossy(&answer).into_owned(),
            grown: most.into_inner().saturating_sub(resting),
        })
    }
}

/// What the portal's database takes on the disk, and how many files it keeps.
async fn kept(world: &World) -> Result<(u64, i64)> {
    let file = world.testbed.dir().join("portal.db");
    let db = Db::connect(&format!("sqlite:{}", file.display()).parse()?).await?;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM attachments");
    let count: i64 = count.fetch_one(db.pool()).await?;
    let mut bytes = 0;
    for ending in ["", "-wal"] {
        let path = file.with_file_name(format!("portal.db{ending}"));
        bytes += fs::metadata(path).map_or(0, |meta| meta.len());
    }
    Ok((bytes, count))
}

/// A form with files up to the content of one, with what the page's form carries.
async fn beginning(owner: &Browser, path: &str) -> Result<String> {
    let page = shows(owner, path, "name=\"revision\"").await?;
    let begin = "--limit\r\nContent-Disposition: form-data; name=";
    let carried = ["token", "revision"]
        .map(|name| format!("{begin}\"{name}\"\r\n\r\n{}\r\n", hidden(&page, name)));
    Ok(format!(
        "{}{begin}\"files\"; filename=\"批复.pdf\"\r\n\r\n%PDF-1.7 ",
        carried.concat()
    ))
}

/// What is sent where, and what must come of it.
struct Case<'a> {
    path: &'a str,
    kind: &'static str,
    length: Length,
    /// So much of it is read.
    read: u64,
    /// Why it is refused; without words where what lies beyond the length that was said is no part of the request.
    words: Option<&'static str>,
}

const WITH_FILES: &str = "multipart/form-data; boundary=limit";
const PLAIN: &str = "application/x-www-form-urlencoded";

fn cases<'a>(files: &'a str, basics: &'a str) -> Vec<Case<'a>> {
    let much = Some("过大");
    let long = Some("过长");
    let case = |path, kind, length, read, words| Case {
        path,
        kind,
        length,
        read,
        words,
    };
    vec![
        case(files, WITH_FILES, Length::Gigabyte, BODY as u64, much),
        case(files, WITH_FILES, Length::Chunked, BODY as u64, much),
        case(files, WITH_FILES, Length::Lie(200), 0, None),
        case(basics, PLAIN, Length::Gigabyte, 0, long),
        case(basics, PLAIN, Length::Chunked, 0, long),
        case(basics, PLAIN, Length::Lie(20), 0, None),
    ]
}

impl Case<'_> {
    async fn is_refused(&self, world: &World, owner: &Browser) -> Result<()> {
        let beginning = match self.kind {
            WITH_FILES => beginning(owner, self.path).await?,
            _ => "title=a&justification=".to_owned(),
        };
        let flood = Flood {
            path: self.path,
            kind: self.kind,
            cookie: owner.cookie("qipan_session").context("a session")?,
            beginning,
            length: self.length,
        };
        let outcome = flood.pour(world).await?;
        let line = outcome.answer.lines().next().unwrap_or_default();
        let what = format!("{} {:?}", self.path, self.length);
        println!(
            "{what}: {} MB sent, memory grew by {} MB, {line}",
            outcome.sent >> 20,
            outcome.grown >> 20
        );
        ensure!(
            outcome.sent <= self.read + ON_ITS_WAY,
            "{what}: {} bytes",
            outcome.sent
        );
        ensure!(
            outcome.grown <= MEMORY,
            "{what}: {} bytes of memory",
            outcome.grown
        );
        let status = if self.words.is_some() { " 413 " } else { " 4" };
        let words = outcome.answer.contains(self.words.unwrap_or_default());
        ensure!(line.contains(status) && words, "{what}: {}", outcome.answer);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_is_refused_with_words_long_before_its_end_and_kept_nowhere() -> Result<()> {
    let world = world().await?;
    let mut owner = world.at("owner").await?;
    shows(&owner, "/requests/new", "name=\"tenant\"").await?;
    let home = draft(&mut owner).await?;
    let (files, basics) = (format!("{home}/files"), format!("{home}/basics"));
    let before = kept(&world).await?;
    for case in cases(&files, &basics) {
        case.is_refused(&world, &owner).await?;
        ensure!(owner.get(&files).await?.status == 200, "others are served");
    }
    let nobody = Flood {
        path: &files,
        kind: WITH_FILES,
        cookie: "nobody".to_owned(),
        beginning: beginning(&owner, &files).await?,
        length: Length::Gigabyte,
    };
    let outcome = nobody.pour(&world).await?;
    println!("from nobody: {} MB sent", outcome.sent >> 20);
    ensure!(
        outcome.sent <= ON_ITS_WAY && !outcome.answer.contains(" 200 "),
        "{}",
        outcome.answer
    );
    let after = kept(&world).await?;
    ensure!(
        after.1 == before.1 && after.0 <= before.0 + (4 << 20),
        "{before:?} and then {after:?}"
    );
    Ok(())
}
