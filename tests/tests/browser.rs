//! The portal in a real browser, on the sample province: `tests/browser/run.mjs` in Debian's Chromium.
//!
//! One test, since what it looks at is one province: control planes, operator and portal as `make up` starts them. Each
//! of the suite's checks is told by its name when it fails; their number is printed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::{debian, sample::Province, tools};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_readable_accessible_and_live() -> Result<()> {
    if std::env::var_os("QIPAN_HUB_KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        println!("skipped: the sample province is not loaded into an existing cluster");
        return Ok(());
    }
    let suite = tools::repository().join("tests/browser");
    let chromium = match debian::browser(&suite)? {
        Ok(chromium) => chromium,
        Err(why) => {
            println!("skipped: the browser, because there is {why}");
            return Ok(());
        }
    };
    let province = Province::start().await?;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // The sample's portal has the demo sign-in, and no provider.
    let routes = dir.join("routes.json");
    fs::write(
        &routes,
        serde_json::to_string(&portal::router::list(true, false))?,
    )?;
    let mut node = Command::new("node");
    node.arg(suite.join("run.mjs"));
    node.arg("--chromium").arg(chromium);
    node.arg("--routes").arg(&routes);
    // While a page is being made: one look, for example zh-light, and pictures of every page.
    if let Some(look) = std::env::var_os("QIPAN_LOOK") {
        node.arg("--only").arg(look);
    }
    if let Some(shots) = std::env::var_os("QIPAN_SHOTS") {
        node.arg("--shots").arg(shots);
    }
    let said = province.visit(node)?;
    println!("{said}{} checks in the browser", passed(&said)?);
    Ok(())
}

/// How many checks a suite says have passed.
fn passed(said: &str) -> Result<usize> {
    let line = said.lines().last().unwrap_or_default();
    let passed = line
        .split_once(" passed, 0 failed")
        .map(|(n, _)| n.parse::<usize>());
    let passed =
        passed.with_context(|| format!("the suite does not say how many passed: {said}"))??;
    ensure!(passed > 0, "nothing was checked");
    Ok(passed)
}
