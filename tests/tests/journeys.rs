//! A request's whole way in a real browser, on the sample province: `tests/browser/journey.mjs`, once in each language.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::{debian, sample::Province, tools};

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
    let province = Province::start().await?;
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journeys");
    for lang in ["zh", "en"] {
        let mut node = Command::new("node");
        node.arg(suite.join("journey.mjs")).args(["--lang", lang]);
        node.arg("--chromium").arg(&chromium);
        node.arg("--shots").arg(&shots);
        println!("{lang}:\n{}", province.visit(node)?);
    }
    println!("screenshots in {}", shots.display());
    Ok(())
}
