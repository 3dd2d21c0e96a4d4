//! "As kubectl": the commands that pages show for a decision and for what an applicant does, run as they are shown by the person
//! whose they are, do what the buttons do.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::HUB;
use harness::browser::Browser;

use crate::stage::{World, world};

/// The command that a page shows for an entry of a list.
async fn shown(browser: &Browser, path: &str, list: &str) -> Result<String> {
    let part = format!("/spec/{list}");
    let page = crate::shows(browser, path, &part).await?;
    let commands = page.body.split("<pre class=\"command\"").skip(1);
    let found = commands
        .filter_map(|part| part.split_once('>')?.1.split("</pre>").next())
        .find(|command| command.contains(&part));
    let command = found.with_context(|| format!("no command for {list}: {}", page.body))?;
    let mut plain = command.to_owned();
    for (written, meant) in [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ] {
        plain = plain.replace(written, meant);
    }
    Ok(plain)
}

/// Runs a command of a page in a shell, as somebody of a group; gives whether it went well and what it said.
fn run(world: &World, command: &str, (user, group): (&str, &str)) -> Result<(bool, String)> {
    let kubectl = world.testbed.kubectl(HUB)?;
    let rest = command.strip_prefix("kubectl ").context("not kubectl")?;
    let groups = format!("--as-group={group} --as-group=system:authenticated");
    let line = format!("{kubectl} --as={user} {groups} {rest}");
    let done = Command::new("sh").args(["-c", &line]).output()?;
    let said = [done.stdout, done.stderr].concat();
    Ok((
        done.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_pages_do_what_their_buttons_do() -> Result<()> {
    let world = world().await?;
    world.submitted("befehl").await?;
    let owner = world.at("owner").await?;
    let urge = shown(&owner, "/requests/renshe/befehl", "urgings").await?;
    let (good, said) = run(&world, &urge, ("zj-rsj-owner", "zhanjiang-rsj"))?;
    ensure!(good, "{urge}\n{said}");
    let stored = world.requests().get("befehl").await?.spec;
    ensure!(
        stored.urgings.len() == 1 && stored.urgings[0].by == "zj-rsj-owner",
        "{stored:?}"
    );
    // A second time it is not what was seen any more.
    let (good, said) = run(&world, &urge, ("zj-rsj-owner", "zhanjiang-rsj"))?;
    ensure!(!good, "{said}");
    world.judged("befehl", "Reviewing", 0).await?;
    let approver = world.at("approver").await?;
    let approve = shown(&approver, "/approvals/renshe/befehl", "decisions").await?;
    // Who asked cannot run what the approver may.
    let (good, said) = run(&world, &approve, ("zj-rsj-owner", "zhanjiang-rsj"))?;
    ensure!(!good && said.contains("denied request: request-"), "{said}");
    let (good, said) = run(&world, &approve, ("cs-approver", "zhanjiang-dsj"))?;
    ensure!(good, "{approve}\n{said}");
    let stored = world.requests().get("befehl").await?.spec;
    let decision = stored.decisions.first().context("not decided")?;
    ensure!(
        (decision.by.as_str(), decision.stage.as_str()) == ("cs-approver", "Authority"),
        "{decision:?}"
    );
    Ok(())
}
