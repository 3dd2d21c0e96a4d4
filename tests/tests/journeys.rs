//! A request's whole way in a real browser, on the sample province: `tests/browser/journey.mjs`, once in each language.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::{
    HUB, Operator, Options, Portal, Spec, Testbed, WayIn, debian, install_hub, sample, tools,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_department_asks_the_authority_decides_resources_arrive() -> Result<()> {
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
    let way_in = WayIn::prepare(testbed.dir())?;
    let operator = Options {
        args: way_in.operator_args(),
        ..Options::default()
    };
    let _operator = Operator::start(&testbed, operator).await?;
    let hub = testbed.client(HUB).await?;
    sample::load(&hub).await?;
    let portal = Options {
        args: way_in.portal_args(&testbed).await?,
        ..Options::default()
    };
    let portal = Portal::start(&testbed, portal).await?;
    sample::decided(&hub).await?;

    let program = testbed.dir().join("kubectl");
    symlink(tools::testbed()?, &program)?;
    let kubeconfig = testbed.admin_kubeconfig(HUB)?;
    let kubectl = format!(
        "{} --kubeconfig {}",
        program.display(),
        kubeconfig.display()
    );
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journeys");
    for lang in ["zh", "en"] {
        let mut node = Command::new("node");
        node.arg(suite.join("journey.mjs"));
        node.args([
            "--url",
            &portal.url(),
            "--kubectl",
            &kubectl,
            "--lang",
            lang,
        ]);
        node.arg("--chromium").arg(&chromium);
        node.arg("--shots").arg(&shots);
        let said = tokio::task::spawn_blocking(move || go(node)).await??;
        println!("{lang}:\n{said}");
    }
    println!("screenshots in {}", shots.display());
    Ok(())
}

fn go(mut node: Command) -> Result<String> {
    let output = node
        .stdin(Stdio::null())
        .output()
        .context("failed to start node")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{complaints}");
    Ok(said)
}
