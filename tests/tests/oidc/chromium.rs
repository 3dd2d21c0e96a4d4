//! The same in Debian's Chromium: `tests/browser/oidc.mjs`.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::keycloak::PASSWORD;
use harness::{debian, tools};

use super::World;

/// Runs the suite to its end.
pub(super) fn people_sign_in_with_it(world: &World) -> Result<()> {
    let suite = tools::repository().join("tests/browser");
    let chromium = match debian::browser(&suite)? {
        Ok(chromium) => chromium,
        Err(why) => {
            println!("skipped: sign-in in a browser, because there is {why}");
            return Ok(());
        }
    };
    let issuer = world.keycloak.place.issuer();
    let (provider, _) = issuer.split_once("/realms/").context("an issuer")?;
    let mut node = Command::new("node");
    node.arg(suite.join("oidc.mjs")).arg("--chromium");
    node.arg(chromium).args(["--provider", provider]);
    node.args(["--url", &world.portal.url()]);
    node.env("QIPAN_PASSWORD", PASSWORD).stdin(Stdio::null());
    let output = node.output().context("failed to start node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{complaints}");
    println!("{said}");
    Ok(())
}
