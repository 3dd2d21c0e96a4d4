//! What the hub's audit log tells of a change: who made it, and which state of the object it is.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{HUB, NAMESPACE, Spec, Testbed, apply_yaml, eventually, install_hub, tools, world};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

#[tokio::test]
async fn a_change_is_told_with_its_author_and_the_state_that_it_made() -> Result<()> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let client = testbed.client(HUB).await?;
    let mark = testbed.audit(HUB)?.mark()?;
    apply_yaml(&client, &world::tenant("shuiwu").to_string(), NAMESPACE).await?;
    let tenants: Api<crds::Tenant> = Api::all(client.clone());
    let merge = json!({ "spec": { "level": "County" } });
    let changed = tenants
        .patch("shuiwu", &PatchParams::default(), &Patch::Merge(&merge))
        .await?;
    let (uid, version) = (changed.uid(), changed.resource_version());
    eventually("the log tells", world::SOON, async || {
        let events = testbed.audit(HUB)?.events_since(mark)?;
        let stored = |event: &harness::Event, field: &str| {
            let path = format!("/metadata/{field}");
            let object = event.response_object.as_ref()?;
            object.pointer(&path)?.as_str().map(ToOwned::to_owned)
        };
        let of = events
            .iter()
            .find(|e| stored(e, "uid") == uid && stored(e, "resourceVersion") == version)
            .context("no event with its uid and resourceVersion")?;
        ensure!(of.verb == "patch" && of.actor() == "admin", "{of:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn no_secret_gets_into_the_log() -> Result<()> {
    const PASSWORD: &str = "nicht-im-protokoll";
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let mut secret = Secret::default();
    secret.metadata.name = Some("geheim".into());
    secret.string_data = Some([("password".to_owned(), PASSWORD.to_owned())].into());
    let secrets: Api<Secret> = Api::namespaced(testbed.client(HUB).await?, NAMESPACE);
    secrets.create(&PostParams::default(), &secret).await?;
    let log = eventually("the log tells of it", world::SOON, async || {
        let text = fs::read_to_string(testbed.logs().join(format!("{HUB}-audit.log")))?;
        ensure!(text.contains("/secrets"), "not yet");
        Ok(text)
    })
    .await?;
    // As it was sent, and as it is stored (base64).
    ensure!(!log.contains(PASSWORD) && !log.contains("bmljaHQtaW0tcHJvdG9rb2xs"));
    Ok(())
}

/// What the chart recommends is what the tests run on.
#[test]
fn the_charts_audit_policy_is_the_testbeds() -> Result<()> {
    let rules = |path: &str| -> Result<Vec<Value>> {
        let text = fs::read_to_string(tools::repository().join(path)).context(path.to_owned())?;
        let policy: Value = serde_yaml::from_str(&text)?;
        let rules = policy["rules"].as_array().context("rules")?.iter();
        let ours = |rule: &&Value| rule.to_string().contains("qipan.dev");
        Ok(rules.filter(ours).cloned().collect())
    };
    let recommended = rules("charts/qipan/files/audit-policy.yaml")?;
    ensure!(recommended.len() == 1, "{recommended:?}");
    ensure!(recommended == rules("tests/testbed/config/audit-policy.yaml")?);
    Ok(())
}
