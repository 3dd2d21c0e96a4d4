//! Half a year later: old rows leave the database by the command, younger ones do not, and what is left still holds. The clock
//! of the commands is moved; the rows are those of the real recorder.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use harness::{faketime, tools};
use jiff::{SignedDuration, Timestamp};

use super::*;

impl Hub {
    /// A command of the portal, so many days later.
    fn later(&self, library: &Path, days: i64, arguments: &[&str]) -> Result<String> {
        let clock = self.testbed.dir().join("clock");
        std::fs::write(&clock, format!("+{days}d"))?;
        let mut command = Command::new(tools::binary("qipan-portal")?);
        command
            .envs(faketime::options(library, &clock, "spaeter").env)
            .args(arguments)
            .args(["--database-url", &self.url()]);
        tools::run(&mut command)
    }

    /// Archives what is older than a day, so many days later.
    fn archive(&self, library: &Path, days: i64, before: &str, to: &Path) -> Result<String> {
        let to = to.display().to_string();
        let kubeconfig = self.testbed.admin_kubeconfig(HUB)?.display().to_string();
        let command = ["audit", "archive", "--before", before, "--to", &to];
        let command = [&command[..], &["--kubeconfig", &kubeconfig]].concat();
        self.later(library, days, &command)
    }
}

/// A day, so many days from now, as the command takes it.
fn day(days: i64) -> String {
    let then = Timestamp::now() + SignedDuration::from_hours(24 * days);
    then.strftime("%Y-%m-%d").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_year_later_old_rows_leave_into_a_file_younger_ones_stay_and_both_hold() -> Result<()>
{
    let Some(library) = faketime::library() else {
        eprintln!("left out: no libfaketime here (apt-get install faketime)");
        return Ok(());
    };
    for database in [None, Some(harness::Postgres::start(&[]).await?)] {
        lives_half_a_year(Hub::start_on(database, "sha256").await?, &library).await?;
    }
    Ok(())
}

async fn lives_half_a_year(mut hub: Hub, library: &Path) -> Result<()> {
    hub.three_tenants().await?;
    hub.wait_anchored().await?;
    hub.portal.program.stop();
    let old = hub.rows().await?;
    let through = old.last().context("there are rows")?.seq;
    let folder = hub.testbed.dir().join("segments");
    std::fs::create_dir(&folder)?;
    // 170 days later they are too young, and so is everything, whatever day is named.
    for before in [day(1), day(169), "2099-01-01".to_owned()] {
        let why = refusal(hub.archive(library, 170, &before, &folder))?;
        ensure!(why.contains("180"), "{why}");
    }
    // A row of that day: an export is one.
    let out = hub.testbed.dir().join("rows.jsonl").display().to_string();
    hub.later(library, 170, &["audit", "export", "--out", &out])?;
    // 200 days later the first ones are old enough; the export is 30 days old.
    let why = refusal(hub.archive(library, 200, &day(171), &folder))?;
    ensure!(why.contains("180"), "{why}");
    let said = hub.archive(library, 200, &day(19), &folder)?;
    ensure!(said.contains(&format!("rows 1 to {through}")), "{said}");
    let left = hub.rows().await?;
    let verbs: Vec<_> = left.iter().map(|row| row.verb.as_str()).collect();
    ensure!(verbs == ["export", "archive"], "{}", told(&left));
    // Nothing else is old, a day later.
    let said = hub.archive(library, 201, &day(20), &folder)?;
    ensure!(said.contains("no row is older"), "{said}");
    ensure!(hub.rows().await? == left);
    both_hold(&hub, &folder, &old).await
}

/// The archived rows are what they were, the chain goes on through them, and a file or a row that was touched is found.
async fn both_hold(hub: &Hub, folder: &Path, old: &[Row]) -> Result<()> {
    let files: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    ensure!(files.len() == 1, "{files:?}");
    let file = files[0].path();
    let lines = std::fs::read_to_string(&file)?;
    let kept: Vec<Row> = lines
        .lines()
        .take(old.len())
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(kept == old, "{}", told(&kept));
    let kubeconfig = hub.testbed.admin_kubeconfig(HUB)?.display().to_string();
    let name = file.display().to_string();
    let verify = [
        "audit",
        "verify",
        "--kubeconfig",
        &kubeconfig,
        "--segment",
        &name,
    ];
    let proof = hub.portal(&verify)?;
    let (through, last) = (old.len(), old.len() + 2);
    ensure!(
        proof.contains(&format!("archived rows 1 to {through}"))
            && proof.contains(&format!("rows {} to {last}", through + 1)),
        "{proof}"
    );
    std::fs::write(&file, lines.replacen("shuiwu", "shuiwv", 1))?;
    let why = refusal(hub.portal(&verify))?;
    ensure!(why.contains(&name), "{why}");
    std::fs::write(&file, lines)?;
    // What was the first row after the archived ones is bound to the last of them.
    let first = through + 1;
    hub.tamper(&format!("DELETE FROM audit WHERE seq = {first}"))
        .await?;
    let why = refusal(hub.portal(&verify))?;
    ensure!(why.contains(&format!("row {first} ")), "{why}");
    Ok(())
}
