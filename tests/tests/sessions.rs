//! Sessions on the real thing: two portals on one PostgreSQL, restarts, a database that goes and comes back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::browser::Browser;
use harness::{Options, Portal, Postgres, Spec, Testbed, eventually, install_hub};

#[path = "sessions/replicas.rs"]
mod replicas;

const SOON: Duration = Duration::from_secs(30);

async fn replica(testbed: &Testbed, name: &str, url: &str) -> Result<Portal> {
    let mut options = Options {
        identity: Some(name.to_owned()),
        ..Options::default()
    };
    options.args = vec!["--database-url".to_owned(), url.to_owned()];
    Portal::start(testbed, options).await
}

async fn demo(portal: &Portal, post: &str) -> Result<Browser> {
    let mut browser = Browser::new(&portal.url());
    browser.sign_in_by_demo(post).await?;
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_one_session_on_every_replica_and_outlives_restarts_of_all_of_it() -> Result<()>
{
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let mut database = Postgres::start(&[]).await?;
    let url = database.url("postgres");
    let one = replica(&testbed, "portal-one", &url).await?;
    let mut other = replica(&testbed, "portal-other", &url).await?;

    let mut browser = demo(&one, "owner").await?;
    let second = demo(&one, "owner").await?;
    let at_other = browser.at(&other.url());
    ensure!(
        at_other.get("/sessions").await?.status == 200,
        "the other replica knows it"
    );

    // A restart of the portal.
    other.program.restart()?;
    other.program.wait_ready(&other.address).await?;
    ensure!(
        at_other.get("/sessions").await?.status == 200,
        "it survives a restart"
    );

    nothing_is_lost_while_the_database_is_away(&browser, &mut database).await?;

    // What one replica ends has ended on the other.
    let page = browser.get("/sessions").await?;
    let token = page.form_token().context("a form")?;
    let form = [("session", "others"), ("token", &token)];
    ensure!(browser.post("/sessions", &form).await?.status == 303);
    ensure!(
        second.at(&other.url()).get("/sessions").await?.status == 303,
        "it was revoked"
    );
    let form = [("token", token.as_str())];
    ensure!(browser.post("/sign-out", &form).await?.status == 303);
    ensure!(
        at_other.get("/sessions").await?.status == 303,
        "it was signed out"
    );

    // The token is nowhere but in the browser.
    let kept = database.psql("postgres", "SELECT digest, contents FROM sessions")?;
    ensure!(kept.trim().is_empty(), "{kept}");
    for portal in [&one, &other] {
        let log = portal.program.log()?;
        ensure!(
            !log.contains(&second.cookie("qipan_session").context("a cookie")?),
            "{log}"
        );
    }
    Ok(())
}

/// It is said, and no session is lost.
async fn nothing_is_lost_while_the_database_is_away(
    browser: &Browser,
    database: &mut Postgres,
) -> Result<()> {
    database.program.kill()?;
    let answer = browser.get("/sessions?lang=en").await?;
    ensure!(answer.status == 503, "{}", answer.status);
    ensure!(answer.body.contains("database"), "{}", answer.body);
    ensure!(
        !answer
            .head
            .to_lowercase()
            .contains("set-cookie: qipan_session"),
        "{}",
        answer.head
    );
    database.program.restart()?;
    database.wait().await?;
    eventually("the session is there again", SOON, async || {
        let answer = browser.get("/sessions?lang=en").await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        ensure!(
            answer.body.contains("signed in at 2 places"),
            "{}",
            answer.body
        );
        Ok(())
    })
    .await
}
