//! What an auditor does with the ledger by its commands: prove, export, archive, back up and restore; by SM3 as well.

use std::fs;

use anyhow::{Result, ensure};
use harness::tools;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_exported_archived_backed_up_and_restored_by_its_commands() -> Result<()> {
    let hub = Hub::start_on(None, "sm3").await?;
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
    let again = forge::rows(&db).await?;
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
