//! The ledger on the real thing: who changed what, whichever way it came; restarts, gaps, and a chain that is anchored.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::{
    HUB, NAMESPACE, Operator, Options, Portal, Postgres, Spec, Testbed, apply_yaml, eventually,
    install_hub, tools, world,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use portal::audit::chain::Row;
use portal::audit::verify::verify;
use portal::db::Db;

#[path = "ledger/archived.rs"]
mod archived;
#[path = "ledger/commands.rs"]
mod commands;
#[path = "database/forge.rs"]
mod forge;
#[path = "ledger/forged.rs"]
mod forged;

const SOON: Duration = Duration::from_mins(1);
const OPERATOR: &str = "system:serviceaccount:qipan-system:qipan-operator";

struct Hub {
    testbed: Testbed,
    portal: Portal,
    /// Where the ledger is, if it is in no file.
    database: Option<Postgres>,
}

impl Hub {
    async fn start() -> Result<Self> {
        Self::start_on(None, "sha256").await
    }

    /// A hub whose portal keeps its ledger there, and hashes like this.
    async fn start_on(database: Option<Postgres>, hash: &str) -> Result<Self> {
        let testbed = Testbed::start(Spec::with_members(&[])).await?;
        install_hub(&testbed).await?;
        apply_yaml(&testbed.client(HUB).await?, &world::profile(), NAMESPACE).await?;
        let mut options = Options {
            args: vec!["--audit-hash".to_owned(), hash.to_owned()],
            ..Options::default()
        };
        if let Some(database) = &database {
            let url = database.url("postgres");
            options.args.extend(["--database-url".to_owned(), url]);
        }
        let portal = Portal::start(&testbed, options).await?;
        let hub = Self {
            testbed,
            portal,
            database,
        };
        // It follows every kind once it has said how far it is.
        hub.eventually("the profile was found", |rows| {
            rows.iter()
                .any(|row| row.kind == "GovernanceProfile" && row.verb == "found")
        })
        .await?;
        hub.followed().await?;
        Ok(hub)
    }

    fn url(&self) -> String {
        if let Some(database) = &self.database {
            return database.url("postgres");
        }
        format!("sqlite:{}", self.testbed.dir().join("portal.db").display())
    }

    async fn db(&self) -> Result<Db> {
        Ok(Db::connect(&self.url().parse()?).await?)
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        forge::rows(&self.db().await?).await
    }

    async fn eventually(&self, what: &str, is_so: impl Fn(&[Row]) -> bool) -> Result<Vec<Row>> {
        eventually(what, SOON, async || {
            let rows = self.rows().await?;
            ensure!(is_so(&rows), "the ledger has {}", told(&rows));
            Ok::<_, anyhow::Error>(rows)
        })
        .await
    }

    async fn followed(&self) -> Result<()> {
        let kinds = i64::try_from(portal::cluster::objects::every_kind().len())?;
        let db = self.db().await?;
        eventually("every kind is followed", SOON, async || {
            let sql = "SELECT COUNT(*) FROM positions WHERE source LIKE 'watch/%'";
            let followed: i64 = sqlx::query_scalar(sql).fetch_one(db.pool()).await?;
            ensure!(followed == kinds, "{followed} of {kinds}");
            Ok::<_, anyhow::Error>(())
        })
        .await
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        let program = self.testbed.dir().join("kubectl");
        if !program.exists() {
            std::os::unix::fs::symlink(tools::testbed()?, &program)?;
        }
        let file = self.testbed.dir().join("input.yaml");
        std::fs::write(&file, input)?;
        let mut kubectl = Command::new(program);
        kubectl
            .arg("--kubeconfig")
            .arg(self.testbed.admin_kubeconfig(HUB)?)
            .args(arguments);
        if !input.is_empty() {
            kubectl.arg("-f").arg(file);
        }
        tools::run(&mut kubectl)
    }

    /// Who `kubectl` is.
    fn whoami(&self) -> Result<String> {
        let name = "jsonpath={.status.userInfo.username}";
        self.kubectl(&["auth", "whoami", "-o", name], "")
    }

    fn portal(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(tools::binary("qipan-portal")?);
        command
            .args(arguments)
            .args(["--database-url", &self.url()]);
        tools::run(&mut command)
    }

    /// The heads that are anchored on the hub.
    async fn anchored(&self) -> Result<String> {
        let maps: Api<ConfigMap> = Api::namespaced(self.testbed.client(HUB).await?, NAMESPACE);
        let data = maps.get("qipan-audit-head").await?.data.unwrap_or_default();
        Ok(data.get("heads").cloned().unwrap_or_default())
    }

    async fn wait_anchored(&self) -> Result<()> {
        eventually("the newest row is anchored", SOON, async || {
            let last = self.rows().await?.last().map_or(0, |row| row.seq);
            let anchored = self.anchored().await?;
            ensure!(
                anchored.starts_with(&format!("{last} ")),
                "row {last} is the newest; {anchored}"
            );
            Ok::<_, anyhow::Error>(())
        })
        .await
    }

    fn level(&self, tenant: &str, level: &str) -> Result<()> {
        let patch = format!(r#"{{"spec":{{"level":"{level}"}}}}"#);
        let arguments = ["patch", "tenant", tenant, "--type=merge", "-p", &patch];
        self.kubectl(&arguments, "").map(drop)
    }

    async fn three_tenants(&self) -> Result<Vec<Row>> {
        for name in ["shuiwu", "jiaoyu", "yijing"] {
            self.kubectl(&["apply"], &tenant(name))?;
        }
        let made = |rows: &[Row]| rows.iter().filter(|row| row.verb == "create").count() == 3;
        self.eventually("three are made", made).await
    }

    async fn restart(&mut self) -> Result<()> {
        self.portal.program.restart()?;
        let address = self.portal.address.clone();
        self.portal.program.wait_ready(&address).await
    }

    async fn tamper(&self, sql: &str) -> Result<()> {
        forge::tamper(&self.db().await?, sql).await.map(drop)
    }

    /// `qipan-portal audit verify`, with the anchor on the hub.
    fn verify(&self) -> Result<String> {
        let kubeconfig = self.testbed.admin_kubeconfig(HUB)?.display().to_string();
        self.portal(&["audit", "verify", "--kubeconfig", &kubeconfig])
    }

    /// The chain by itself, without the anchor.
    async fn is_proven(&self) -> Result<()> {
        let proof = verify(&self.db().await?, &[]).await?;
        ensure!(
            proof.as_ref().is_ok_and(|proof| proof.first == 1),
            "{proof:?}"
        );
        Ok(())
    }
}

/// What a command says when it refuses.
fn refusal(said: Result<String>) -> Result<String> {
    let error = said.err().context("it was not refused")?;
    Ok(format!("{error:#}"))
}

fn told(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let object = [row.kind.as_str(), &row.namespace, &row.name].join("/");
        format!(
            "{} {} {object} by {:?} via {}",
            row.seq, row.verb, row.actor, row.via
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn tenant(name: &str) -> String {
    world::tenant(name).to_string()
}

/// The rows of one tenant with one verb.
fn of<'a>(rows: &'a [Row], verb: &str, name: &str) -> Vec<&'a Row> {
    let is = |row: &&Row| row.verb == verb && row.name == name && row.kind == "Tenant";
    rows.iter().filter(is).collect()
}

/// Who, and by which way.
fn who(row: &Row) -> (&str, &str) {
    (row.actor.as_str(), row.via.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_names_who_made_it_whichever_way_it_came() -> Result<()> {
    let hub = Hub::start().await?;
    let _operator = Operator::start(&hub.testbed, Options::default()).await?;
    let me = hub.whoami()?;
    hub.kubectl(&["apply"], &tenant("shuiwu"))?;
    hub.level("shuiwu", "County")?;
    let refused = hub.kubectl(
        &["delete", "tenant", "shuiwu", "--as=nobody-in-particular"],
        "",
    );
    assert!(refused.is_err());
    let rows = hub
        .eventually("every change is a row", |rows| {
            let there = |verb| !of(rows, verb, "shuiwu").is_empty();
            let raised = of(rows, "update", "shuiwu")
                .iter()
                .any(|row| row.after.contains("County"));
            there("create") && raised && there("status") && there("delete")
        })
        .await?;
    let created = of(&rows, "create", "shuiwu")[0];
    assert_eq!(who(created), (me.as_str(), "kubectl"));
    assert!(
        created.after.contains("水务局") && created.before == "{}",
        "{created:?}"
    );
    let updates = of(&rows, "update", "shuiwu");
    let raised = updates
        .iter()
        .find(|row| row.after.contains("County"))
        .context("it was raised")?;
    assert_eq!(who(raised), (me.as_str(), "kubectl"));
    assert!(
        raised.before.contains(r#""/spec/level":"City""#),
        "{}",
        raised.before
    );
    assert!(!raised.request_id.is_empty() && !raised.resource_version.is_empty());
    for row in of(&rows, "status", "shuiwu") {
        assert_eq!(who(row), (OPERATOR, "operator"), "{row:?}");
        assert!(
            row.after.contains("/status") && row.after.contains("Ready"),
            "{}",
            row.after
        );
    }
    a_refusal_is_a_row(&rows, &me);
    a_deletion_leaves_what_was(&hub).await
}

fn a_refusal_is_a_row(rows: &[Row], me: &str) {
    let refusal = of(rows, "delete", "shuiwu")[0];
    assert_eq!(
        (refusal.outcome.as_str(), refusal.actor.as_str()),
        ("refused", me)
    );
    let says = |word| refusal.after.contains(word);
    assert!(
        says("nobody-in-particular") && says("403"),
        "{}",
        refusal.after
    );
}

/// The end of a deletion may be the operator's, where it held a finalizer; the wish was a person's.
async fn a_deletion_leaves_what_was(hub: &Hub) -> Result<()> {
    hub.kubectl(&["delete", "tenant", "shuiwu"], "")?;
    let done = |row: &&&Row| row.outcome == "ok";
    let rows = hub
        .eventually("the deletion is a row", |rows| {
            of(rows, "delete", "shuiwu").iter().any(|row| done(&row))
        })
        .await?;
    let gone = of(&rows, "delete", "shuiwu");
    let gone = gone.iter().find(done).context("it is gone")?;
    assert!(
        gone.before.contains("水务局") && !gone.actor.is_empty(),
        "{gone:?}"
    );
    let known = |row: &Row| row.via != "unknown" || row.verb == "found";
    assert!(rows.iter().all(known), "{}", told(&rows));
    hub.is_proven().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing_and_repeats_nothing_and_a_gap_is_said() -> Result<()> {
    let mut hub = Hub::start().await?;
    let before = hub.three_tenants().await?;
    hub.portal.program.kill()?;
    for level in ["County", "Town", "City"] {
        hub.level("shuiwu", level)?;
    }
    hub.kubectl(&["delete", "tenant", "jiaoyu"], "")?;
    hub.restart().await?;
    let what = "what happened meanwhile is there";
    let rows = hub
        .eventually(what, |rows| !of(rows, "delete", "jiaoyu").is_empty())
        .await?;
    let new = &rows[before.len()..];
    assert_eq!(new.len(), 4, "{}", told(&rows));
    assert_eq!(of(&rows, "update", "shuiwu").len(), 3, "{}", told(&rows));
    assert!(
        new.iter().all(|row| row.via == "kubectl"),
        "{}",
        told(&rows)
    );
    a_gap_is_said(&mut hub).await
}

/// The hub no longer tells what happened since: that is a row, and what can be seen is compared.
async fn a_gap_is_said(hub: &mut Hub) -> Result<()> {
    hub.portal.program.stop();
    hub.level("shuiwu", "Town")?;
    hub.kubectl(&["delete", "tenant", "yijing"], "")?;
    hub.tamper("UPDATE positions SET position = '1' WHERE source = 'watch/Tenant'")
        .await?;
    hub.restart().await?;
    let gap = |row: &Row| row.verb == "gap" && row.kind == "Tenant";
    let rows = hub
        .eventually("the gap is a row", |rows| rows.iter().any(gap))
        .await?;
    assert_eq!(of(&rows, "update", "shuiwu").len(), 4, "{}", told(&rows));
    assert_eq!(of(&rows, "delete", "yijing").len(), 1, "{}", told(&rows));
    hub.is_proven().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_tail_is_found_by_the_anchor_on_the_hub_which_is_kept_as_evidence() -> Result<()> {
    let mut hub = Hub::start().await?;
    hub.three_tenants().await?;
    hub.wait_anchored().await?;
    let proof = hub.verify()?;
    assert!(
        proof.contains("intact") && proof.contains("the newest row is the anchored one"),
        "{proof}"
    );
    hub.portal.program.stop();
    let last = hub.rows().await?.last().context("there are rows")?.seq;
    hub.tamper(&format!("DELETE FROM audit WHERE seq = {last}"))
        .await?;
    forge::set_head(&hub.db().await?).await?;
    // The database alone does not show it.
    hub.is_proven().await?;
    let why = refusal(hub.verify())?;
    assert!(why.contains(&format!("row {last} is missing")), "{why}");
    let evidence = hub.anchored().await?;
    hub.restart().await?;
    hub.kubectl(&["delete", "tenant", "jiaoyu"], "")?;
    eventually(
        "the portal says that its ledger was tampered with",
        SOON,
        async || {
            ensure!(
                hub.portal.program.log()?.contains("tampered with"),
                "it says nothing"
            );
            Ok(())
        },
    )
    .await?;
    assert_eq!(
        hub.anchored().await?,
        evidence,
        "the evidence is not overwritten"
    );
    let why = refusal(hub.verify())?;
    assert!(why.contains(&format!("row {last} ")), "{why}");
    Ok(())
}
