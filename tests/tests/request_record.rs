//! Attempts to decide on a request outside the rules, by every path, on a real API server under the chart's roles and policies.
//! None of them may work, and none may leave a trace in the record. (The rules one by one: `policies/request-*`.)

use std::time::Duration;

use anyhow::{Result, ensure};
use crds::ResourceRequest;
use harness::{
    HUB, NAMESPACE, Spec, Testbed, apply_yaml, client_from_file, eventually, hub_kubeconfig,
    install_hub,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use portal::cluster::{Cluster, connect};
use portal::identity::User;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

#[path = "request_record/paths.rs"]
mod paths;
#[path = "request_record/persons.rs"]
mod persons;

const SOON: Duration = Duration::from_secs(20);
/// The unit's namespace.
const HOME: &str = "qp-shuiwu";
/// A county's unit and everybody around one request of it.
const PEOPLE: &str = include_str!("request_record/people.yaml");

static SHARED: OnceCell<Testbed> = OnceCell::const_new();

/// The hub that all tests of this file share; each has a request of its own.
async fn hub() -> Result<&'static Testbed> {
    SHARED
        .get_or_try_init(|| async {
            let testbed = Testbed::start(Spec::with_members(&[])).await?;
            install_hub(&testbed).await?;
            let admin = testbed.client(HUB).await?;
            eventually("the people", SOON, async || {
                apply_yaml(&admin, PEOPLE, NAMESPACE).await
            })
            .await?;
            Ok(testbed)
        })
        .await
}

/// A request, as one test has it.
struct Case {
    name: String,
    admin: Client,
    testbed: &'static Testbed,
}

impl Case {
    /// Submitted by the unit's officer; it is the unit head's turn.
    async fn submitted(name: &str) -> Result<Self> {
        Self::submitted_by(name, "sw-officer", None).await
    }

    async fn submitted_by(name: &str, user: &str, behalf: Option<&str>) -> Result<Self> {
        let testbed = hub().await?;
        let case = Self {
            name: name.to_owned(),
            admin: testbed.client(HUB).await?,
            testbed,
        };
        let api = case.of(user).await?;
        let mut object = application(name);
        object["spec"]["application"]["onBehalfOf"] = json!(behalf);
        let request: ResourceRequest = serde_json::from_value(object)?;
        let made = eventually("the request is made", SOON, async || {
            api.create(&PostParams::default(), &request).await
        })
        .await?;
        ensure!(
            made.spec.applicant.as_deref() == Some(user),
            "stamped: {:?}",
            made.spec.applicant
        );
        case.turn_of("UnitHead", None).await?;
        Ok(case)
    }

    /// The requests as a user sees them.
    async fn of(&self, user: &str) -> Result<Api<ResourceRequest>> {
        let client = self.testbed.client_as(HUB, user, &[]).await?;
        Ok(Api::namespaced(client, HOME))
    }

    async fn now(&self) -> Result<ResourceRequest> {
        let api: Api<ResourceRequest> = Api::namespaced(self.admin.clone(), HOME);
        Ok(api.get(&self.name).await?)
    }

    /// Says whose turn it is, as the operator does once it has looked.
    async fn turn_of(&self, stage: &str, of: Option<&str>) -> Result<()> {
        let api: Api<ResourceRequest> = Api::namespaced(self.admin.clone(), HOME);
        let status = json!({ "status": {
            "observedGeneration": self.now().await?.metadata.generation,
            "phase": "Reviewing", "stage": stage, "stageOf": of, "conditions": [],
            "chain": [{ "stage": stage, "of": of, "rule": "Any", "approvers": [], "workingDays": 3, "state": "Current" }],
        } });
        api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// How many decisions there are, and by whom.
    async fn decided_by(&self) -> Result<Vec<String>> {
        let decisions = self.now().await?.spec.decisions;
        Ok(decisions.into_iter().map(|d| d.by).collect())
    }

    /// A write that must be refused in these words, and leave nothing behind.
    async fn refused<T: std::fmt::Debug>(
        &self,
        what: &str,
        words: &str,
        write: impl Future<Output = kube::Result<T>>,
    ) -> Result<()> {
        let before = self.now().await?;
        let answer = write.await;
        let Err(kube::Error::Api(status)) = answer else {
            anyhow::bail!("{what}: {answer:?}");
        };
        ensure!(
            status.message.contains(words),
            "{what}: refused in other words.\nexpected: {words}\n  answer: {}",
            status.message
        );
        let after = self.now().await?;
        ensure!(
            before.spec == after.spec
                && before.metadata.resource_version == after.metadata.resource_version,
            "{what}: it left {:?}",
            after.spec
        );
        Ok(())
    }
}

fn application(name: &str) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": name, "namespace": HOME },
        "spec": { "classified": false, "application": {
            "type": "New", "environment": "Test", "title": "水务测试环境", "justification": "新系统联调。",
            "items": [{ "name": "app", "platform": "node", "zone": "Extranet", "pool": "x86", "resources": { "cpu": "3" } }],
        } },
    })
}

/// An approval of one's own.
fn approval(by: &str, stage: &str, of: Option<&str>) -> Value {
    let mut entry = json!({ "by": by, "stage": stage, "outcome": "Approve" });
    if let Some(of) = of {
        entry["of"] = json!(of);
    }
    entry
}

/// A JSON patch that appends to a list of the spec, whether it is there or not.
async fn append(
    case: &Case,
    api: &Api<ResourceRequest>,
    list: &str,
    entry: Value,
) -> kube::Result<ResourceRequest> {
    let there = case.now().await.ok().and_then(|r| {
        let spec = serde_json::to_value(r.spec).ok()?;
        spec.get(list).cloned()
    });
    let (path, value) = match there {
        Some(_) => (format!("/spec/{list}/-"), entry),
        None => (format!("/spec/{list}"), json!([entry])),
    };
    edit(
        api,
        &case.name,
        json!([{ "op": "add", "path": path, "value": value }]),
    )
    .await
}

/// A JSON patch.
async fn edit(
    api: &Api<ResourceRequest>,
    name: &str,
    operations: Value,
) -> kube::Result<ResourceRequest> {
    let edits = Patch::<Value>::Json(serde_json::from_value(operations).unwrap_or_default());
    api.patch(name, &PatchParams::default(), &edits).await
}

/// A merge patch.
async fn merge(
    api: &Api<ResourceRequest>,
    name: &str,
    spec: Value,
) -> kube::Result<ResourceRequest> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    api.patch(name, &PatchParams::default(), &patch).await
}

/// A server-side apply of these fields.
async fn apply(
    api: &Api<ResourceRequest>,
    name: &str,
    (manager, force): (&str, bool),
    spec: Value,
) -> kube::Result<ResourceRequest> {
    let mut params = PatchParams::apply(manager);
    params.force = force;
    let object = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": name, "namespace": HOME }, "spec": spec,
    });
    api.patch(name, &params, &Patch::Apply(object)).await
}
