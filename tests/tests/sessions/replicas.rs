//! Two portals on one PostgreSQL: a form of one is taken by the other, a token that one revoked is worth nothing at the other,
//! and one of them alone records what happens on the hub.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::browser::Browser;
use harness::{
    HUB, NAMESPACE, Portal, Postgres, Spec, Testbed, apply_yaml, eventually, install_hub, world,
};

use crate::{SOON, demo, replica};

/// Two replicas whose statements the server can tell apart.
struct Two {
    testbed: Testbed,
    database: Postgres,
    replicas: [Portal; 2],
}

const NAMES: [&str; 2] = ["eins", "zwei"];

impl Two {
    async fn start() -> Result<Self> {
        let testbed = Testbed::start(Spec::with_members(&[])).await?;
        install_hub(&testbed).await?;
        apply_yaml(&testbed.client(HUB).await?, &world::profile(), NAMESPACE).await?;
        // Every change is in the server's log, with the name of the program that made it.
        let database = Postgres::start(&["log_statement=mod", "log_line_prefix=%a|"]).await?;
        let url = |name| format!("{}?application_name={name}", database.url("postgres"));
        let replicas = [
            replica(&testbed, NAMES[0], &url(NAMES[0])).await?,
            replica(&testbed, NAMES[1], &url(NAMES[1])).await?,
        ];
        Ok(Self {
            testbed,
            database,
            replicas,
        })
    }

    /// The one that says that it records.
    async fn leader(&self, among: &[usize]) -> Result<usize> {
        eventually("one of them records", SOON * 2, async || {
            let mut leaders = Vec::new();
            for nth in among {
                let log = self.replicas[*nth].program.log()?;
                if log.contains("this replica records and tells") {
                    leaders.push(*nth);
                }
            }
            ensure!(leaders.len() == 1, "{leaders:?} of {among:?}");
            anyhow::Ok(leaders[0])
        })
        .await
    }

    /// Makes a tenant on the hub, and waits until that is a row.
    async fn make(&self, tenant: &str) -> Result<()> {
        let hub = self.testbed.client(HUB).await?;
        apply_yaml(&hub, &world::tenant(tenant).to_string(), NAMESPACE).await?;
        let sql = format!("SELECT COUNT(*) FROM audit WHERE kind = 'Tenant' AND name = '{tenant}'");
        eventually("it is recorded, once", SOON, async || {
            let rows = self.database.psql("postgres", &sql)?;
            ensure!(rows.trim() == "1", "{rows} rows");
            anyhow::Ok(())
        })
        .await
    }

    /// Who tried to write a row about a tenant, whether or not it became one.
    fn writers(&self, tenant: &str) -> Result<Vec<String>> {
        let log = fs::read_to_string(self.database.dir().join("postgres.log"))?;
        let lines: Vec<_> = log.lines().collect();
        let writes = lines.windows(2).filter(|two| {
            two[0].contains("INSERT INTO audit ") && two[1].contains(&format!("'{tenant}'"))
        });
        let who = writes.filter_map(|two| two[0].split_once('|'));
        Ok(who.map(|(who, _)| who.to_owned()).collect())
    }
}

/// A token of somebody's for a program, made at one portal; and what revokes it there.
async fn token(browser: &mut Browser) -> Result<(String, [(&'static str, String); 2])> {
    let form_token = browser
        .get("/tokens")
        .await?
        .form_token()
        .context("a form")?;
    let form = [
        ("title", "月报"),
        ("scope", "read"),
        ("days", "7"),
        ("token", &form_token),
    ];
    let made = browser.post("/tokens", &form).await?;
    let shown = made.body.split("<code class=\"command\">").nth(1);
    let token = shown.and_then(|rest| rest.split('<').next());
    let page = browser.get("/tokens").await?.body;
    let value = |name: &str| {
        let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
        rest.and_then(|rest| rest.split('"').next())
            .map(str::to_owned)
    };
    let revokes = [
        ("id", value("id").context("a button")?),
        ("token", value("token").context("a form")?),
    ];
    Ok((token.context("it is shown")?.to_owned(), revokes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_one_replica_is_taken_by_the_other_and_a_token_revoked_at_one_ends_at_both()
-> Result<()> {
    let two = Two::start().await?;
    let [one, other] = &two.replicas;
    let mut here = demo(one, "owner").await?;
    let (token, button) = token(&mut here).await?;
    let call = async |portal: &Portal| {
        let line = format!("Authorization: Bearer {token}\r\n");
        let answer = Browser::new(&portal.url())
            .say("GET", "/api/v1/me", &line, "")
            .await?;
        anyhow::Ok(answer.status)
    };
    ensure!(
        (call(one).await?, call(other).await?) == (200, 200),
        "it is good at both"
    );
    // The form was made by one replica; the other takes it, and a forged one it does not.
    let mut there = here.at(&other.url());
    let forged = [("id", button[0].1.as_str()), ("token", "gefaelscht")];
    let refused = there.post("/tokens/revoke", &forged).await?;
    ensure!(refused.status == 400, "{} {}", refused.head, refused.body);
    ensure!(call(one).await? == 200);
    let form = button
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let revoked = there.post("/tokens/revoke", &form).await?;
    ensure!(revoked.status == 303, "{} {}", revoked.head, revoked.body);
    ensure!(
        (call(one).await?, call(other).await?) == (401, 401),
        "it ended at both at once"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_alone_records_and_when_it_dies_the_other_goes_on() -> Result<()> {
    let mut two = Two::start().await?;
    let leader = two.leader(&[0, 1]).await?;
    two.make("shuiwu").await?;
    ensure!(
        two.writers("shuiwu")? == [NAMES[leader]],
        "{:?}",
        two.writers("shuiwu")?
    );
    let next = 1 - leader;
    two.replicas[leader].program.kill()?;
    ensure!(two.leader(&[next]).await? == next);
    two.make("jiaoyu").await?;
    let mut writers = two.writers("jiaoyu")?;
    writers.dedup();
    ensure!(writers == [NAMES[next]], "{writers:?}");
    ensure!(two.writers("shuiwu")?.contains(&NAMES[leader].to_owned()));
    // What the first one recorded is not recorded again, and the chain holds over both.
    let rows = "SELECT COUNT(*) FROM audit WHERE kind = 'Tenant' AND verb = 'create'";
    let rows = two.database.psql("postgres", rows)?;
    ensure!(rows.trim() == "2", "{rows}");
    let url = two.database.url("postgres");
    let db = portal::db::Db::connect(&url.parse()?).await?;
    let proof = portal::audit::verify::verify(&db, &[]).await?;
    ensure!(proof.is_ok(), "{proof:?}");
    Ok(())
}
