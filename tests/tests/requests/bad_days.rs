//! Forms on bad days, on the real thing: the database gone, locked or full, the hub gone. The page says so, what was typed
//! stands on it, and the same form does what it says when the day is better. Nothing is done twice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use harness::browser::{Answer, Browser};
use harness::{HUB, Options, Postgres, Program, eventually};
use kube::api::ListParams;
use portal::db::Db;
use sqlx::Connection as _;

use crate::stage::{SOON, World, world, world_with};
use crate::{decision, draft, files, hidden, send, shows};

/// Typed on the bad day: quotes, tags, lines and a character beyond the first plane.
const TYPED: &str = "停电𠮷 \"<b>\" 第一行\n第二行";
/// How it stands in a field of a page, up to the quotes.
const STANDS: [&str; 2] = ["停电𠮷", "第一行\n第二行"];

type Form = Vec<(&'static str, String)>;

/// Three forms that were opened on a good day: a step of the wizard, its submission, a decision.
struct Opened {
    owner: Browser,
    approver: Browser,
    home: String,
    step: Form,
    check: Form,
    judged: Form,
}

impl Opened {
    async fn at(world: &World) -> Result<Self> {
        let mut owner = world.at("owner").await?;
        shows(&owner, "/requests/new", "name=\"tenant\"").await?;
        let home = draft(&mut owner).await?;
        world.submitted("notfall").await?;
        let approver = world.at("approver").await?;
        let page = shows(&approver, DECISION, "您的决定").await?;
        let mut opened = Self {
            judged: decision(&page, "Approve", TYPED),
            check: Vec::new(),
            step: Vec::new(),
            owner,
            approver,
            home,
        };
        opened.step = opened.carried("basics").await?;
        let typed = [("title", "停电期间"), ("justification", TYPED)];
        let typed = typed.map(|(name, value)| (name, value.to_owned()));
        let days = ["from", "until"].map(|name| (name, String::new()));
        opened.step.extend(typed.into_iter().chain(days));
        opened.check = opened.carried("check").await?;
        Ok(opened)
    }

    /// What the form of a page carries.
    async fn carried(&self, step: &str) -> Result<Form> {
        let page = shows(&self.owner, &self.path(step), "name=\"revision\"").await?;
        let value = |name| (name, hidden(&page, name));
        Ok(vec![value("token"), value("revision")])
    }

    fn path(&self, step: &str) -> String {
        format!("{}/{step}", self.home)
    }

    async fn save(&self) -> Result<Answer> {
        send(&mut self.owner.clone(), &self.path("basics"), &self.step).await
    }

    async fn submit(&self) -> Result<Answer> {
        send(&mut self.owner.clone(), &self.path("check"), &self.check).await
    }

    async fn decide(&self) -> Result<Answer> {
        send(&mut self.approver.clone(), DECISION, &self.judged).await
    }

    /// On a good day again: each of the forms, as it was, does what it says, once.
    async fn goes_on(mut self, world: &World) -> Result<()> {
        eventually("the step is saved", SOON, async || {
            is_done(&self.save().await?)
        })
        .await?;
        let page = shows(&self.owner, &self.path("basics"), STANDS[1]).await?;
        ensure!(page.body.contains("停电期间"), "{}", page.body);
        self.check = self.carried("check").await?;
        let sent = eventually("it is submitted", SOON, async || {
            let sent = self.submit().await?;
            is_done(&sent)?;
            let leads = sent.leads_to()?;
            ensure!(leads.starts_with("/requests/renshe/"), "{leads}");
            anyhow::Ok(sent)
        })
        .await?;
        let again = self.submit().await?;
        ensure!(again.leads_to()? == sent.leads_to()?, "{}", again.head);
        let stored = world.requests().list(&ListParams::default()).await?.items;
        for title in ["停电期间", "测试notfall"] {
            let titled = stored.iter().map(|one| &one.spec.application.title);
            let count = titled.filter(|one| *one == title).count();
            let all: Vec<_> = stored
                .iter()
                .map(|one| &one.spec.application.title)
                .collect();
            ensure!(count == 1, "{title} {count} times in {all:?}");
        }
        self.is_decided_once(world).await
    }

    async fn is_decided_once(&self, world: &World) -> Result<()> {
        let decided = async || {
            let decisions = world.requests().get("notfall").await?.spec.decisions;
            anyhow::Ok(decisions)
        };
        if decided().await?.is_empty() {
            let again = async || is_done(&self.decide().await?);
            eventually("it is decided", SOON, again).await?;
        }
        let decisions = decided().await?;
        let comment = decisions.first().and_then(|one| one.comment.as_deref());
        ensure!(
            decisions.len() == 1 && comment.is_some_and(|text| text.replace('\r', "") == TYPED),
            "{decisions:?}"
        );
        Ok(())
    }
}

const DECISION: &str = "/approvals/renshe/notfall";

fn is_done(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 303, "{} {}", answer.head, answer.body);
    Ok(())
}

/// A page that says what is wrong, with everything that was typed, and that does not go away by itself.
fn says_so(answer: &Answer, words: &str, typed: bool) -> Result<()> {
    let told = answer.status == 503 && answer.body.contains(words);
    ensure!(told, "{} {}", answer.head, answer.body);
    let stands = STANDS.iter().all(|part| answer.body.contains(part));
    ensure!(!typed || stands, "what was typed is lost: {}", answer.body);
    ensure!(!answer.body.contains("<b>\""), "it is escaped");
    let stays = answer.header("refresh").is_none();
    ensure!(!typed || stays, "it goes away: {}", answer.head);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_is_down_under_a_form_loses_nothing_of_it() -> Result<()> {
    let mut database = Postgres::start(&[]).await?;
    let url = database.url("postgres");
    let world = world_with(async |_| Ok(on(&url))).await?;
    let opened = Opened::at(&world).await?;
    database.program.kill()?;
    says_so(&opened.save().await?, "数据库", true)?;
    says_so(&opened.submit().await?, "数据库", false)?;
    says_so(&opened.decide().await?, "数据库", true)?;
    let stored = world.requests().list(&ListParams::default()).await?.items;
    ensure!(
        stored.len() == 1 && stored[0].spec.decisions.is_empty(),
        "{stored:?}"
    );
    database.program.restart()?;
    database.wait().await?;
    opened.goes_on(&world).await
}

fn on(url: &str) -> Options {
    Options {
        args: vec!["--database-url".to_owned(), url.to_owned()],
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_database_that_another_program_locks_under_a_form_loses_nothing_of_it()
-> Result<()> {
    let world = world().await?;
    let opened = Opened::at(&world).await?;
    let file = world.testbed.dir().join("portal.db");
    let other = Db::connect(&format!("sqlite:{}", file.display()).parse()?).await?;
    let mut holder = other.pool().acquire().await?.detach();
    sqlx::raw_sql("BEGIN EXCLUSIVE")
        .execute(&mut holder)
        .await?;
    says_so(&opened.save().await?, "数据库", true)?;
    // What goes to the hub does not wait for the database: it is done, or it is not and says so.
    let decided = opened.decide().await?;
    if decided.status != 303 {
        says_so(&decided, "数据库", true)?;
    }
    holder.close().await?;
    opened.goes_on(&world).await
}

/// A disk of a few megabytes; gone when it is, or this process.
struct SmallDisk {
    program: Program,
    path: PathBuf,
}

impl SmallDisk {
    /// `None` where this process may mount nothing.
    async fn below(dir: &Path) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let path = dir.join("kleine-platte");
        fs::create_dir(&path)?;
        let script = "mount -t tmpfs -o size=16m none \"$1\" || exit 1; trap 'umount -l \"$1\"; exit' TERM; \
                      touch \"$1/da\"; while :; do sleep 600 & wait $!; done";
        let command = ["/bin/sh", "-c", script, "sh", &path.display().to_string()];
        let command = command.map(str::to_owned).to_vec();
        let log = dir.join("kleine-platte.log");
        let program = Program::start(command, std::collections::BTreeMap::new(), log.clone())?;
        let disk = Self { program, path };
        let mounted = eventually("the disk is there", SOON, async || {
            let said = fs::read_to_string(&log)?;
            let refused = said.contains("denied") || said.contains("not permitted");
            ensure!(refused || disk.path.join("da").exists(), "{said}");
            anyhow::Ok(!refused)
        });
        Ok(mounted.await?.then_some(disk))
    }

    /// Takes what room is left.
    fn fill(&self) -> Result<()> {
        use std::io::Write as _;
        let mut file = fs::File::create(self.path.join("voll"))?;
        for _ in 0..100_000 {
            if let Err(error) = file.write_all(&[b'x'; 4096]) {
                ensure!(error.kind() == std::io::ErrorKind::StorageFull, "{error}");
                return Ok(());
            }
        }
        bail!("it has no end")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_database_on_a_full_disk_under_a_form_loses_nothing_of_it() -> Result<()> {
    let place = tempfile::TempDir::new()?;
    let Some(mut disk) = SmallDisk::below(place.path()).await? else {
        eprintln!("left out: nothing can be mounted here");
        return Ok(());
    };
    let url = format!("sqlite:{}", disk.path.join("portal.db").display());
    let world = world_with(async |_| Ok(on(&url))).await?;
    let opened = Opened::at(&world).await?;
    // What is written next needs room, and there is none.
    let db = Db::connect(&url.parse()?).await?;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(db.pool())
        .await?;
    disk.fill()?;
    says_so(&opened.save().await?, "数据库", true)?;
    let (path, large) = (opened.path("files"), "x".repeat(2_000_000));
    let file = format!("{}{large}", files::PDF);
    let lost = files::upload(&opened.owner, &path, ("附图.pdf", &file)).await?;
    ensure!(
        lost.status == 503 && lost.body.contains("无法保存"),
        "{} {}",
        lost.head,
        lost.body
    );
    fs::remove_file(disk.path.join("voll"))?;
    opened.goes_on(&world).await?;
    drop(world);
    disk.program.stop();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_down_under_a_form_loses_nothing_of_it_and_pages_say_their_age() -> Result<()>
{
    let world = world().await?;
    if std::env::var_os("QIPAN_HUB_KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        eprintln!("left out: somebody else's cluster is not stopped");
        return Ok(());
    }
    let opened = Opened::at(&world).await?;
    // Right before: what somebody may see is known for half a minute.
    let list = opened.owner.get("/requests").await?;
    ensure!(list.status == 200, "{}", list.head);
    world.testbed.stop_cluster(HUB).await?;
    let early = opened.decide().await?;
    ensure!(early.status == 503, "{} {}", early.head, early.body);
    says_so(&early, "中枢集群", true)?;
    eventually(
        "rights that cannot be checked are said",
        SOON * 2,
        async || {
            let page = opened.owner.get("/requests").await?;
            ensure!(
                page.status == 503 && page.body.contains("最近一次应答"),
                "{} {}",
                page.head,
                page.body
            );
            Ok(())
        },
    )
    .await?;
    for (answer, typed) in [
        (opened.save().await?, true),
        (opened.submit().await?, false),
        (opened.decide().await?, true),
    ] {
        says_so(&answer, "中枢集群", typed)?;
        ensure!(
            answer.body.contains("再次提交") || !typed,
            "{}",
            answer.body
        );
    }
    world.testbed.start_cluster(HUB).await?;
    let back = eventually("the hub is back", SOON * 2, async || {
        let page = opened.owner.get("/requests").await?;
        let silent = page.body.contains("中枢集群未应答");
        ensure!(page.status == 200 && !silent, "{}", page.head);
        anyhow::Ok(())
    });
    back.await?;
    eventually("its API is back", SOON * 2, async || {
        world.requests().list(&ListParams::default()).await
    })
    .await?;
    // And what happens there is told again: each watch takes its time.
    world.submitted("danach").await?;
    shows(&opened.owner, "/requests", "测试danach").await?;
    opened.goes_on(&world).await
}
