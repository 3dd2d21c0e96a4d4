//! The stage: a unit with a service to ask for, and the posts around it.

use std::time::Duration;

use anyhow::Result;
use crds::ResourceRequest;
use harness::browser::Browser;
use harness::world::{self, PLATFORM, POOL};
use harness::{
    HUB, NAMESPACE, Options, Portal, Spec, Testbed, apply_yaml, eventually, install_hub,
};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const HOME: &str = "qp-renshe";

/// A hub with a portal.
pub(crate) struct World {
    pub(crate) testbed: Testbed,
    pub(crate) portal: Portal,
    pub(crate) hub: Client,
}

/// A unit with a service to ask for, and the three posts of the demo around it: who asks, the authority, the platform's owner.
pub(crate) async fn world() -> Result<World> {
    world_with(async |_| Ok(Options::default())).await
}

/// The same, with a portal that is started in another way.
pub(crate) async fn world_with(
    options: impl AsyncFnOnce(&Testbed) -> Result<Options>,
) -> Result<World> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let hub = testbed.client(HUB).await?;
    let mut platform: Value = serde_json::from_str(&world::platform(PLATFORM, "province", 100))?;
    platform["spec"]["approvers"] = json!([{ "kind": "Group", "name": "gd-zsj" }]);
    let mut tenant = world::tenant("renshe");
    tenant["spec"]["authorityGroups"] = json!(["zhanjiang-dsj"]);
    let mut profile: Value = serde_json::from_str(&world::profile())?;
    profile["spec"]["calendar"] =
        json!({ "years": [{ "year": 2026, "source": "t" }, { "year": 2027, "source": "t" }] });
    let owner = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": { "name": "platform-owner", "namespace": HOME },
        "rules": [{ "apiGroups": ["qipan.dev"], "resources": ["cloudplatforms"], "resourceNames": [PLATFORM], "verbs": ["approve-platformowner"] }],
    });
    let mut objects = vec![
        profile,
        platform,
        tenant,
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": HOME } }),
        owner,
        binding("owner", ("ClusterRole", "qipan:owner"), "zhanjiang-rsj"),
        binding(
            "authority",
            ("ClusterRole", "qipan:approve-authority"),
            "zhanjiang-dsj",
        ),
        binding(
            "platform",
            ("ClusterRole", "qipan:approve-platformowner"),
            "gd-zsj",
        ),
        binding("platform-name", ("Role", "platform-owner"), "gd-zsj"),
    ];
    objects.extend(catalog());
    for object in objects {
        let text = object.to_string();
        eventually("an object is applied", SOON, async || {
            apply_yaml(&hub, &text, NAMESPACE).await
        })
        .await?;
    }
    let account = json!({ "name": POOL, "zone": "Extranet", "total": { "requests.cpu": "100", "requests.memory": "400Gi" }, "granted": { "requests.cpu": "40" } });
    status::<crds::CloudPlatform>(
        &Api::all(hub.clone()),
        PLATFORM,
        json!({ "pools": [account] }),
    )
    .await?;
    let portal = Portal::start(&testbed, options(&testbed).await?).await?;
    Ok(World {
        testbed,
        portal,
        hub,
    })
}

fn binding(name: &str, (kind, role): (&str, &str), group: &str) -> Value {
    let api = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{api}/v1"), "kind": "RoleBinding", "metadata": { "name": name, "namespace": HOME },
        "roleRef": { "apiGroup": api, "kind": kind, "name": role },
        "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
    })
}

fn catalog() -> Vec<Value> {
    let offering = json!({
        "displayName": { "zh": "云计算资源", "en": "Compute" }, "class": "Cloud", "category": "Compute", "unit": { "zh": "套" },
        "zones": ["Extranet"], "sizes": [{ "name": "4C16G", "displayName": { "zh": "4核16GB" } }],
    });
    let product = json!({
        "displayName": { "zh": "通用计算" }, "offering": "compute", "platform": PLATFORM, "zone": "Extranet", "pool": POOL,
        "fulfilment": "Automatic",
        "sizes": [{ "name": "4C16G", "resources": { "cpu": "4", "memory": "16Gi" }, "price": { "monthly": "320.50" } }],
    });
    let object = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "qipan.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    vec![
        object("ServiceOffering", "compute", offering),
        object("CloudProduct", "general", product),
    ]
}

/// Writes a status, as the operator would.
async fn status<K>(api: &Api<K>, name: &str, status: Value) -> Result<()>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

impl World {
    pub(crate) fn requests(&self) -> Api<ResourceRequest> {
        Api::namespaced(self.hub.clone(), HOME)
    }

    pub(crate) async fn at(&self, post: &str) -> Result<Browser> {
        let mut browser = Browser::new(&self.portal.url());
        browser.sign_in_by_demo(post).await?;
        Ok(browser)
    }

    /// A request that waits for the authority, its last write seen.
    pub(crate) async fn submitted(&self, name: &str) -> Result<()> {
        let request = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest", "metadata": { "name": name, "namespace": HOME },
            "spec": { "classified": false, "application": {
                "type": "New", "environment": "Test", "title": format!("测试{name}"), "justification": "j",
                "items": [{ "name": "compute", "offering": "compute", "product": "general", "platform": PLATFORM, "zone": "Extranet",
                    "pool": POOL, "size": "4C16G", "count": 2, "namespaces": [{ "name": name }] }],
            } },
        });
        apply_yaml(&self.hub, &request.to_string(), NAMESPACE).await?;
        self.judged(name, "Reviewing", 0).await
    }

    /// What the operator says of a request: its phase, and which stage's turn it is.
    pub(crate) async fn judged(&self, name: &str, phase: &str, stage: usize) -> Result<()> {
        let api = self.requests();
        let generation = api.get(name).await?.metadata.generation;
        let far = |nth: usize| match nth.cmp(&stage) {
            std::cmp::Ordering::Less => "Approved",
            std::cmp::Ordering::Equal => "Current",
            std::cmp::Ordering::Greater => "Waiting",
        };
        let group = |name: &str| json!([{ "kind": "Group", "name": name }]);
        let chain = json!([
            { "stage": "Authority", "unit": "renshe", "rule": "Any", "approvers": group("zhanjiang-dsj"), "workingDays": 3, "state": far(0), "since": "2026-11-20T01:00:00Z" },
            { "stage": "PlatformOwner", "of": PLATFORM, "rule": "Any", "approvers": group("gd-zsj"), "workingDays": 3, "state": far(1) },
        ]);
        let turn = if stage == 0 {
            json!({ "stage": "Authority", "stageOf": null })
        } else {
            json!({ "stage": "PlatformOwner", "stageOf": PLATFORM })
        };
        let mut says = json!({
            "observedGeneration": generation, "phase": phase, "chain": chain,
            "clock": { "workingDays": 3, "used": 1, "left": 2, "due": "2026-11-25" },
        });
        says["stage"] = turn["stage"].clone();
        says["stageOf"] = turn["stageOf"].clone();
        status(&api, name, says).await
    }
}
