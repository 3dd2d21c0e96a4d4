//! From a request on a real hub to who hears of it: two replicas of the portal on one PostgreSQL tell each cause once.
//! The status is written here as the operator would: what is tested is the telling.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crds::ResourceRequest;
use harness::{
    HUB, Mail, NAMESPACE, Options, Portal, Postgres, Spec, Testbed, apply_yaml, eventually,
    install_hub, world,
};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(40);

fn request() -> Result<ResourceRequest> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": "kuorong", "namespace": "qp-renshe" },
        "spec": {
            "classified": false, "applicant": "zj-rsj-owner",
            "application": {
                "type": "New", "environment": "Test", "title": "𠮷的扩容", "justification": "j",
                "items": [{ "name": "app", "platform": "zj", "zone": "Extranet", "pool": "p", "resources": { "requests.cpu": "2" } }],
            },
        },
    }))?)
}

async fn stand(hub: &Client, status: Value) -> Result<()> {
    let api: Api<ResourceRequest> = Api::namespaced(hub.clone(), "qp-renshe");
    let patch = json!({ "status": status });
    api.patch_status("kuorong", &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}

fn reviewing(now: &str) -> Value {
    let approvers = |names: &[&str]| -> Vec<Value> {
        let all = names.iter();
        all.map(|name| json!({ "kind": "User", "name": name }))
            .collect()
    };
    json!({
        "phase": "Reviewing",
        "timeline": [{ "kind": "Submitted", "at": now, "by": "zj-rsj-owner" }],
        "chain": [{
            "stage": "Authority", "rule": "Any", "workingDays": 3, "state": "Current", "since": now,
            "approvers": approvers(&["cs-approver", "without-address"]),
        }],
    })
}

/// A hub with a unit whose owner may ask.
async fn hub_with_a_unit() -> Result<Testbed> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let hub = testbed.client(HUB).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "test-owner", "namespace": "qp-renshe" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "qipan:owner" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "zj-rsj-owner" }],
    });
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "qp-renshe" } });
    apply_yaml(&hub, &world::profile(), NAMESPACE).await?;
    for object in [world::tenant("renshe"), namespace, binding] {
        apply_yaml(&hub, &object.to_string(), NAMESPACE).await?;
    }
    Ok(testbed)
}

/// A configuration with a mail server, in which one of the two approvers has an address.
fn configuration(dir: &TempDir, mail: &Mail) -> Result<String> {
    let config = dir.path().join("notifications.yaml");
    let text = format!(
        "email: {{ host: localhost, port: {}, tls: None, from: noreply@example.gov.cn }}
contacts: [{{ kind: User, name: cs-approver, email: approver@example.gov.cn }}]
deadlineSeconds: 5\n",
        mail.port
    );
    std::fs::write(&config, text)?;
    Ok(config.display().to_string())
}

#[expect(
    clippy::too_many_lines,
    reason = "one story: who hears what, in its order"
)]
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_everybody_once_and_who_has_no_address_in_the_portal() -> Result<()> {
    if std::env::var_os("QIPAN_HUB_KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        println!("skipped: requests are not put into an existing cluster");
        return Ok(());
    }
    let testbed = hub_with_a_unit().await?;
    let hub = testbed.client(HUB).await?;
    let dir = TempDir::new()?;
    let mail = Mail::start(dir.path(), None).await?;
    let config = configuration(&dir, &mail)?;
    let postgres = Postgres::start(&["fsync=off"]).await?;
    postgres.psql("postgres", "CREATE DATABASE portal")?;
    let url = postgres.url("portal");
    let options = |identity: &str| Options {
        args: ["--notifications", &config, "--database-url", &url]
            .map(str::to_owned)
            .into(),
        identity: Some(identity.to_owned()),
        ..Options::default()
    };
    let _first = Portal::start(&testbed, options("portal-a")).await?;
    let _second = Portal::start(&testbed, options("portal-b")).await?;

    let owner = testbed.client_as(HUB, "zj-rsj-owner", &[]).await?;
    let api: Api<ResourceRequest> = Api::namespaced(owner, "qp-renshe");
    api.create(&PostParams::default(), &request()?).await?;
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    stand(&hub, reviewing(&now)).await?;
    eventually("the approver's letter", SOON, async || {
        let letters = mail.letters()?;
        ensure!(letters.len() == 1, "{letters:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let count = |what: &str| -> Result<i64> {
        let sql = format!("SELECT COUNT(*) FROM {what}");
        Ok(postgres.psql("portal", &sql)?.trim().parse()?)
    };
    assert_eq!(
        count("notices WHERE topic = 'turn'")?,
        2,
        "each approver has one"
    );
    assert_eq!(count("notices WHERE topic = 'submitted'")?, 1);
    assert_eq!(
        count("outbox WHERE state = 'unaddressed'")?,
        1,
        "who has no address blocks nobody"
    );

    // The same again, and a change of something else, tells nobody anything; the end of it does.
    let mut ended = reviewing(&now);
    ended["conditions"] = json!([{ "type": "Ready", "status": "True", "reason": "Reviewing", "message": "m", "lastTransitionTime": now }]);
    stand(&hub, ended.clone()).await?;
    ended["phase"] = json!("Rejected");
    ended["chain"][0]["state"] = json!("Rejected");
    ended["outcome"] = json!({ "decision": "Reject", "by": "cs-approver", "at": now });
    stand(&hub, ended).await?;
    eventually("the applicant hears of it", SOON, async || {
        let told = count("notices WHERE topic = 'rejected'")?;
        ensure!(told == 1, "{told}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(count("notices")?, 4);
    let letters = mail.letters()?;
    assert_eq!(
        letters.len(),
        1,
        "the applicant has no address: {letters:?}"
    );
    let letter = letters.first().context("there is one")?;
    assert!(!letter.data.contains("justification"), "{}", letter.data);
    Ok(())
}
