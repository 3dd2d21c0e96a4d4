//! What an auditor does with the ledger by its commands: prove, export, archive, back up and restore; by SM3 as well.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::{HUB, Options, Portal, Spec, Testbed, apply_yaml, install_hub, tools, world};

use super::*;

impl Hub {
    /// A hub whose portal hashes with SM3 (GB/T 32905).
    async fn with_sm3() -> Result<Self> {
        let testbed = Testbed::start(Spec::with_members(&[])).await?;
        install_hub(&testbed).await?;
        apply_yaml(&testbed.client(HUB).await?, &world::profile(), NAMESPACE).await?;
        let options = Options {
            args: vec!["--audit-hash".to_owned(), "sm3".to_owned()],
            ..Options::default()
        };
        let portal = Portal::start(&testbed, options).await?;
        let hub = Self { testbed, portal };
        hub.followed().await?;
        Ok(hub)
    }
}

/// What a command says when it refuses.
fn refusal(said: Result<String>) -> Result<String> {
    let error = said.err().context("it was not refused")?;
    Ok(format!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_exported_archived_backed_up_and_restored_by_its_commands() -> Result<()> {
    let hub = Hub::with_sm3().await?;
    hub.three_tenants().await?;
    hub.wait_anchored().await?;
    let proof = hub.verify()?;
    ensure!(proof.contains("intact"), "{proof}");
    let rows = hub.rows().await?;
    ensure!(
        rows.iter().all(|row| row.algorithm == "sm3"),
        "{}",
        told(&rows)
    );
    let dir = hub.testbed.dir();
    let path = |name: &str| dir.join(name).display().to_string();
    // The export is a file of rows, and a row itself.
    for (file, format) in [("rows.jsonl", "jsonl"), ("rows.csv", "csv")] {
        hub.portal(&[
            "audit",
            "export",
            "--out",
            &path(file),
            "--format",
            format,
            "--audit-hash",
            "sm3",
        ])?;
        let text = fs::read_to_string(dir.join(file))?;
        ensure!(
            text.contains("shuiwu") && text.lines().count() > 3,
            "{text}"
        );
    }
    let exports = hub
        .rows()
        .await?
        .iter()
        .filter(|row| row.verb == "export")
        .count();
    ensure!(exports == 2, "{exports}");
    // What is younger than 180 days is not archived, whatever day is said.
    let archive = [
        "audit",
        "archive",
        "--without-anchor",
        "--audit-hash",
        "sm3",
        "--before",
        "2099-01-01",
        "--to",
    ];
    let folder = path("segments");
    let why = refusal(hub.portal(&[&archive[..], &[folder.as_str()]].concat()))?;
    ensure!(why.contains("180"), "{why}");
    ensure!(!dir.join("segments").exists());
    restores(&hub).await
}

/// A backup of one moment, and everything of it in an empty database.
async fn restores(hub: &Hub) -> Result<()> {
    let dir = hub.testbed.dir();
    let path = |name: &str| dir.join(name).display().to_string();
    let rows = hub.rows().await?;
    hub.portal(&["db", "backup", "--to", &path("backup.jsonl")])?;
    let restored = format!("sqlite:{}", dir.join("restored.db").display());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(tools::binary("qipan-portal")?);
        command.args(arguments).args(["--database-url", &restored]);
        tools::run(&mut command)
    };
    run(&["db", "restore", "--from", &path("backup.jsonl")])?;
    let db = Db::connect(&restored.parse()?).await?;
    let again = audit::after(&mut *db.acquire().await?, 0, 10_000).await?;
    ensure!(
        again.len() >= rows.len() && again[..rows.len()] == rows[..],
        "{}",
        told(&again)
    );
    let proof = run(&["audit", "verify", "--without-anchor"])?;
    ensure!(proof.contains("intact"), "{proof}");
    let twice = refusal(run(&["db", "restore", "--from", &path("backup.jsonl")]))?;
    ensure!(twice.to_lowercase().contains("empty"), "{twice}");
    Ok(())
}

/// Admission takes an impersonated write for the person's; the ledger does not.
#[tokio::test(flavor = "multi_thread")]
async fn who_acts_as_somebody_else_is_named_by_their_own_name() -> Result<()> {
    let hub = Hub::start().await?;
    let me = hub.whoami()?;
    hub.kubectl(&["apply"], &tenant("shuiwu"))?;
    let patch = r#"{"spec":{"level":"County"}}"#;
    let by = ["--as=shuiwu-head", "--as-group=system:masters"];
    hub.kubectl(
        &[
            &["patch", "tenant", "shuiwu", "--type=merge", "-p", patch][..],
            &by,
        ]
        .concat(),
        "",
    )?;
    let rows = hub
        .eventually("the change is a row", |rows| {
            !of(rows, "update", "shuiwu").is_empty()
        })
        .await?;
    let row = of(&rows, "update", "shuiwu")[0];
    ensure!(who(row) == (me.as_str(), "kubectl"), "{row:?}");
    ensure!(
        row.after.contains("shuiwu-head"),
        "as whom is said beside it: {}",
        row.after
    );
    Ok(())
}
