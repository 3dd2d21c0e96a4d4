//! The portal in a real browser, on the sample province: `tests/browser/run.mjs` in Debian's Chromium.
//!
//! One test, since what it looks at is one province: control planes, operator and portal as `make up` starts them. Each
//! of the suite's checks is told by its name when it fails; their number is printed.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::{HUB, Operator, Options, Portal, Spec, Testbed, debian, install_hub, sample, tools};

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
    let testbed = Testbed::start(Spec::with_members(&sample::MEMBERS)).await?;
    install_hub(&testbed).await?;
    sample::install_members(&testbed).await?;
    let _operator = Operator::start(&testbed, Options::default()).await?;
    let hub = testbed.client(HUB).await?;
    sample::load(&hub).await?;
    let portal = Portal::start(&testbed, Options::default()).await?;
    sample::decided(&hub).await?;

    let kubectl = kubectl(&testbed)?;
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let mut node = Command::new("node");
    node.arg(suite.join("run.mjs"));
    node.args(["--url", &portal.url(), "--kubectl", &kubectl]);
    node.arg("--chromium").arg(chromium);
    node.arg("--shots").arg(&shots);
    // One look while a page is being made, for example zh-light-1280.
    if let Some(look) = std::env::var_os("QIPAN_LOOK") {
        node.arg("--only").arg(look);
    }
    let seen = tokio::task::spawn_blocking(move || look(node)).await??;
    println!(
        "{seen} checks in the browser; screenshots in {}",
        shots.display()
    );
    Ok(())
}

/// The kubectl of the testbed's one binary, as the hub's administrator.
fn kubectl(testbed: &Testbed) -> Result<String> {
    let program = testbed.dir().join("kubectl");
    symlink(tools::testbed()?, &program)?;
    let kubeconfig = testbed.admin_kubeconfig(HUB)?;
    Ok(format!(
        "{} --kubeconfig {}",
        program.display(),
        kubeconfig.display()
    ))
}

/// Runs the suite to its end and says how many checks passed.
fn look(mut node: Command) -> Result<usize> {
    let output = node
        .stdin(Stdio::null())
        .output()
        .context("failed to start node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{complaints}");
    let line = said.lines().last().unwrap_or_default();
    let passed = line
        .split_once(" passed, 0 failed")
        .map(|(n, _)| n.parse::<usize>());
    let passed =
        passed.with_context(|| format!("the suite does not say how many passed: {said}"))??;
    ensure!(passed > 0, "nothing was checked");
    Ok(passed)
}
