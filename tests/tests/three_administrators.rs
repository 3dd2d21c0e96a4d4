//! Who holds two of the three offices (三类管理员), on the real thing: the operator finds it, the portal refuses what the office
//! would see, kubectl is refused by admission, all three with the same figures; and it ends with the binding.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crds::{ConditionStatus, ConditionType, GovernanceProfile};
use harness::browser::Browser;
use harness::{
    HUB, NAMESPACE, Operator, Options, Portal, Spec, Testbed, apply_yaml, eventually, install_hub,
    world,
};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use portal::db::{Db, audit};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_mins(1);
/// The auditor of the demo.
const WHO: &str = "gd-auditor";

fn bound(name: &str, role: &str) -> Value {
    let api = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": api, "kind": "User", "name": WHO }],
    })
}

async fn apply(hub: &Client, object: &Value) -> Result<()> {
    apply_yaml(hub, &object.to_string(), NAMESPACE)
        .await
        .map(drop)
}

/// Waits until the profile says so of the offices; gives the sentence.
async fn offices(hub: &Client, status: ConditionStatus) -> Result<String> {
    let profiles: Api<GovernanceProfile> = Api::all(hub.clone());
    eventually(&format!("the offices are {status:?}"), SOON, async || {
        let said = profiles.get("default").await?.status.unwrap_or_default();
        let said = said.conditions.get(ConditionType::OfficesApart);
        let said = said.context("not judged yet")?;
        ensure!(said.status == status, "{said:?}");
        Ok(said.message.clone())
    })
    .await
}

async fn site_by(testbed: &Testbed) -> Result<String> {
    let sites: Api<crds::Site> = Api::all(testbed.client_as(HUB, WHO, &[]).await?);
    let site = serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Site", "metadata": { "name": "zj-x" },
        "spec": { "displayName": { "zh": "机房" }, "division": "440800", "provider": "p" },
    }))?;
    match sites.create(&PostParams::default(), &site).await {
        Ok(_) => bail!("the site was let in"),
        Err(why) => Ok(why.to_string()),
    }
}

async fn metric_reads(operator: &Operator, value: u32) -> Result<()> {
    let line = format!("qipan_offices_combined {value}");
    eventually(&line, SOON, async || {
        ensure!(operator.metrics().await?.contains(&line), "not yet");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_the_three_offices_in_one_person_are_a_finding_and_do_nothing() -> Result<()> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let hub = testbed.client(HUB).await?;
    apply_yaml(&hub, &world::profile(), NAMESPACE).await?;
    let operator = Operator::start(&testbed, Options::default()).await?;
    let portal = Portal::start(&testbed, Options::default()).await?;
    offices(&hub, ConditionStatus::True).await?;
    let (audits, runs) = ("test:auditor", "test:system");
    apply(&hub, &bound(audits, "qipan:auditor")).await?;
    let mut browser = Browser::new(&portal.url());
    browser.sign_in_by_demo("auditor").await?;
    let looked = async |status: u16| {
        eventually(&format!("/audit answers {status}"), SOON, async || {
            let page = browser.get("/audit?lang=zh").await?;
            ensure!(page.status == status, "{}", page.head);
            Ok(page.body)
        })
        .await
    };
    looked(200).await?;
    apply(&hub, &bound(runs, "qipan:system-administrator")).await?;
    let said = offices(&hub, ConditionStatus::False).await?;
    let through = format!("{WHO} (administer-system by {runs}, audit by {audits})");
    ensure!(
        said.contains(&through) && said.contains("Take one of the two roles away"),
        "{said}"
    );
    metric_reads(&operator, 1).await?;
    let page = looked(403).await?;
    ensure!(
        page.contains("gd-auditor兼任审计管理员和系统管理员（audit、administer-system权限）"),
        "{page}"
    );
    for path in ["/audit.csv", "/audit.xlsx", "/notifications/log"] {
        ensure!(browser.get(path).await?.status == 403, "{path}");
    }
    let refused = site_by(&testbed).await?;
    ensure!(
        refused
            .contains("three-administrators: gd-auditor is system and audit administrator in one")
            && refused.contains("Have one of the two roles taken away"),
        "{refused}"
    );
    told(&hub).await?;
    on_record(&testbed).await?;
    // With one office alone the person does its acts again.
    let bindings: Api<ClusterRoleBinding> = Api::all(hub.clone());
    bindings.delete(runs, &DeleteParams::default()).await?;
    offices(&hub, ConditionStatus::True).await?;
    metric_reads(&operator, 0).await?;
    looked(200).await.map(drop)
}

/// One event for one finding.
async fn told(hub: &Client) -> Result<()> {
    let events: Api<Event> = Api::all(hub.clone());
    eventually("the finding is an event", SOON, async || {
        let all = events.list(&ListParams::default()).await?.items;
        let found = all
            .iter()
            .filter(|e| e.reason.as_deref() == Some("OfficesCombined"));
        let notes: Vec<_> = found.filter_map(|e| e.note.as_deref()).collect();
        ensure!(notes.len() == 1 && notes[0].contains(WHO), "{notes:?}");
        Ok(())
    })
    .await
}

/// What the portal refused is in the ledger, with who, what and why.
async fn on_record(testbed: &Testbed) -> Result<()> {
    let url = format!("sqlite:{}", testbed.dir().join("portal.db").display());
    let db = Db::connect(&url.parse()?).await?;
    eventually("the refusals are rows", SOON, async || {
        let rows = audit::after(&mut *db.acquire().await?, 0, 10_000).await?;
        let refused = rows.iter().filter(|row| {
            row.outcome == "refused"
                && row.actor == WHO
                && row.after.contains("administrator in one")
        });
        let paths: Vec<_> = refused.map(|row| row.name.as_str()).collect();
        for path in ["/audit", "/audit.csv", "/audit.xlsx", "/notifications/log"] {
            ensure!(paths.contains(&path), "{path} is not among {paths:?}");
        }
        Ok(())
    })
    .await
}
