//! A province with the people who ask and decide: a province, a city and a county, the provincial platform, the city's node
//! and an older cloud that grows no more. Every act is done by the person it names, under a certificate of their own.

use anyhow::{Context as _, Result, ensure};
use crds::resource_request::Phase;
use crds::{ConditionType, ResourceRequest, WorkOrder};
use harness::world::{MEMBER, PLATFORM, SOON, World};
use harness::{HUB, eventually};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// The member of the city's node, and the node.
pub(crate) const NODE: &str = "jiedian";
/// The member of the older cloud, and the cloud.
pub(crate) const OLD: &str = "jiuyun";

fn group(name: &str) -> Value {
    json!({ "kind": "Group", "name": name })
}

fn pool(name: &str, cluster: &str, cpu: u32) -> Value {
    json!({
        "name": name, "zone": "Extranet", "architecture": "arm64", "cluster": cluster,
        "capacity": { "cpu": cpu, "memory": "400Gi", "pods": 1000 },
    })
}

fn platform(name: &str, tier: &str, owner: &str, pools: &[Value]) -> Value {
    let cluster = if name == PLATFORM { MEMBER } else { name };
    let mut platform = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "tier": tier, "provision": "SelfBuilt", "owner": owner,
            "approvers": [group(owner)],
            "operationsProvider": { "name": "运营公司", "post": format!("{name}-duty") },
            "crossZoneApproval": { "number": "A-1", "by": "ciso", "until": "2099-12-31" },
            "clusters": [{ "name": cluster, "zone": "Extranet", "connection": { "kubeconfigSecret": format!("{cluster}-kubeconfig") } }],
            "pools": pools,
        },
    });
    if name == NODE {
        platform["spec"]["compliance"] = json!({ "mlpsLevel": 3 });
    }
    if name == OLD {
        platform["spec"]["expansion"] = json!("Frozen");
        platform["spec"]["growthGoesTo"] = json!(NODE);
    }
    platform
}

pub(crate) fn unit(
    name: &str,
    level: &str,
    parent: Option<&str>,
    authority: Option<&str>,
) -> Value {
    let mut unit = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "level": level,
            "owners": [
                { "kind": "User", "name": format!("{name}-head") },
                { "kind": "User", "name": format!("{name}-officer") },
            ],
        },
    });
    if let Some(parent) = parent {
        unit["spec"]["parent"] = json!(parent);
    }
    if let Some(authority) = authority {
        unit["spec"]["authorityGroups"] = json!([authority]);
    }
    unit
}

/// The rules, the platforms, the units above, the catalogs, and the rights of those who ask and work.
pub(crate) async fn found(world: &World) -> Result<()> {
    let years = [2026, 2027, 2028].map(|year| json!({ "year": year, "source": "test" }));
    world
        .put(&json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "GovernanceProfile", "metadata": { "name": "default" },
            "spec": {
                "province": { "zh": "测试省" }, "hubZone": "Management", "quota": { "settleSeconds": 1 },
                "approvals": {
                    "automatic": { "enabled": true },
                    // In a town all who are named for the unit have to approve.
                    "chains": [{ "name": "town", "levels": ["Town"], "steps": [{ "stage": "UnitHead", "rule": "All", "workingDays": 2 }] }],
                },
                "calendar": { "years": years },
            },
        }))
        .await?;
    let pools = [pool("x86", MEMBER, 1000)];
    world
        .put(&platform(PLATFORM, "Provincial", "sheng-ju", &pools))
        .await?;
    let pools = [
        pool("gong", NODE, 500),
        pool("wei", NODE, 10),
        pool("san", NODE, 10),
        pool("dong", NODE, 20),
    ];
    world.put(&platform(NODE, "City", "shi-ju", &pools)).await?;
    let pools = [pool("jiu", OLD, 50)];
    world.put(&platform(OLD, "City", "shi-ju", &pools)).await?;
    for (name, level, parent, authority) in [
        ("sheng", "Province", None, "sheng-ju"),
        ("shi", "City", Some("sheng"), "shi-ju"),
        ("xian", "County", Some("shi"), "xian-ju"),
    ] {
        world
            .put(&unit(name, level, parent, Some(authority)))
            .await?;
        world.tenant_says(name, "Ready").await?;
    }
    for object in catalog() {
        world.put(&object).await?;
    }
    // Owners, approvers and authorities are bound by the operator; who runs platforms, by the hub's administrator.
    world
        .put(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "test:provider" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "qipan:operations-provider" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "yw-1" }],
        }))
        .await?;
    for name in [PLATFORM, NODE, OLD] {
        world
            .platform_says(name, ConditionType::Reachable, "Connected")
            .await?;
    }
    Ok(())
}

/// Domains: a service with a stock of three, delivered by hand; virtual machines, delivered by Qipan; cards of the older
/// cloud, delivered by hand.
fn catalog() -> Vec<Value> {
    let offering = |name: &str, category: &str| {
        json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ServiceOffering", "metadata": { "name": name },
            "spec": {
                "displayName": { "zh": name }, "category": category, "unit": { "zh": "个" },
                "class": if matches!(category, "Compute" | "Gpu") { "Cloud" } else { "Network" },
                "zones": ["Extranet"], "sla": { "deliveryWorkingDays": 2 },
            },
        })
    };
    let product = |name: &str, offering: &str, rest: Value| {
        let mut product = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": name },
            "spec": { "displayName": { "zh": name }, "offering": offering, "platform": NODE, "zone": "Extranet" },
        });
        for (key, value) in rest.as_object().into_iter().flatten() {
            product["spec"][key] = value.clone();
        }
        product
    };
    let by_hand = json!({ "sizes": [{ "name": "unit", "price": { "monthly": "12.50" } }], "stock": 3, "fulfilment": "WorkOrder" });
    let few = json!({ "sizes": [{ "name": "unit" }], "stock": 3, "fulfilment": "WorkOrder" });
    let machine = json!({
        "pool": "gong", "fulfilment": "Automatic",
        "sizes": [{ "name": "2C4G", "resources": { "cpu": 2, "memory": "4Gi", "pods": 10 }, "price": { "monthly": "80" } }],
    });
    let cards = json!({ "platform": OLD, "sizes": [{ "name": "unit" }], "stock": 8, "fulfilment": "WorkOrder" });
    vec![
        offering("yuming", "Domain"),
        offering("tongdao", "Exchange"),
        offering("zhuji", "Compute"),
        offering("jiuji", "Compute"),
        offering("kapian", "Gpu"),
        product("jy-kapian", "kapian", cards),
        product("jd-yuming", "yuming", by_hand),
        product("jd-tongdao", "tongdao", few),
        product("jd-zhuji", "zhuji", machine.clone()),
        product("jd-jiuji", "jiuji", machine),
    ]
}

/// One request, and those who have to do with it.
pub(crate) struct Story<'a> {
    world: &'a World,
    /// The asking unit.
    pub(crate) unit: String,
    name: String,
}

/// An application of a county unit.
pub(crate) fn application(items: &Value) -> Value {
    json!({ "type": "New", "environment": "Test", "title": "水位监测", "justification": "按测算", "items": items })
}

/// So much CPU from a pool, with one namespace `web`.
pub(crate) fn cpu(platform: &str, pool: &str, cpu: u32) -> Value {
    json!([{
        "name": "app", "platform": platform, "zone": "Extranet", "pool": pool,
        "resources": { "cpu": cpu, "memory": format!("{cpu}Gi"), "pods": 10 }, "namespaces": [{ "name": "web" }],
    }])
}

/// Makes a county unit of this name and waits until it is ready.
pub(crate) async fn settle_unit(world: &World, name: &str) {
    let there = unit(name, "County", Some("xian"), None);
    world.put(&there).await.unwrap();
    world.tenant_says(name, "Ready").await.unwrap();
}

impl<'a> Story<'a> {
    /// The unit's officer submits an application.
    pub(crate) async fn submit(
        world: &'a World,
        unit: &str,
        name: &str,
        application: &Value,
    ) -> Self {
        let story = Story {
            world,
            unit: unit.to_owned(),
            name: name.to_owned(),
        };
        let request = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": name, "namespace": story.namespace() },
            "spec": { "classified": false, "applicant": story.officer(), "application": application },
        });
        let api: Api<ResourceRequest> = Api::namespaced(
            story.person(&story.officer(), &[]).await,
            &story.namespace(),
        );
        let request = serde_json::from_value(request).unwrap();
        // Access comes a moment after the unit is ready.
        eventually("the officer may ask", SOON, async || {
            api.create(&PostParams::default(), &request).await
        })
        .await
        .unwrap();
        story
    }

    /// A request that was submitted before.
    pub(crate) fn again(world: &'a World, unit: &str, name: &str) -> Self {
        Story {
            world,
            unit: unit.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn namespace(&self) -> String {
        format!("qp-{}", self.unit)
    }

    /// Who asks.
    pub(crate) fn officer(&self) -> String {
        format!("{}-officer", self.unit)
    }

    pub(crate) async fn person(&self, user: &str, groups: &[&str]) -> Client {
        self.world
            .testbed
            .client_as(HUB, user, groups)
            .await
            .unwrap()
    }

    /// The request as it is now.
    pub(crate) async fn now(&self) -> Result<ResourceRequest> {
        let api: Api<ResourceRequest> = Api::namespaced(self.world.hub().await?, &self.namespace());
        Ok(api.get(&self.name).await?)
    }

    /// Somebody appends an entry to a list of the request; whose access is new gets it a moment later.
    pub(crate) async fn append(&self, user: &str, groups: &[&str], list: &str, entry: Value) {
        eventually(&format!("{user} appends to {list}"), SOON, async || {
            self.try_append((user, groups), list, &entry).await
        })
        .await
        .unwrap();
    }

    /// Tries to append an entry.
    pub(crate) async fn try_append(
        &self,
        (user, groups): (&str, &[&str]),
        list: &str,
        entry: &Value,
    ) -> Result<()> {
        let api: Api<ResourceRequest> =
            Api::namespaced(self.person(user, groups).await, &self.namespace());
        let there = serde_json::to_value(self.now().await?.spec)?;
        let place = format!("/spec/{list}");
        let operation = if there[list].is_array() {
            json!({ "op": "add", "path": format!("{place}/-"), "value": entry })
        } else {
            json!({ "op": "add", "path": place, "value": [entry] })
        };
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(json!([operation]))?);
        api.patch(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Somebody decides at a stage; `stage` of a platform is written `PlatformOwner/<platform>`.
    pub(crate) async fn decide(&self, stage: &str, (user, groups): (&str, &[&str]), outcome: &str) {
        let (stage, of) = stage
            .split_once('/')
            .map_or((stage, None), |(s, of)| (s, Some(of)));
        let mut entry =
            json!({ "stage": stage, "by": user, "outcome": outcome, "comment": "意见" });
        if let Some(of) = of {
            entry["of"] = json!(of);
        }
        self.append(user, groups, "decisions", entry).await;
    }

    /// The unit's head, the county's authority and the city's approve, each when it is their turn.
    pub(crate) async fn approve(&self) {
        let head = format!("{}-head", self.unit);
        self.turn_of("UnitHead").await;
        self.decide("UnitHead", (&head, &[]), "Approve").await;
        self.turn_of("Authority").await;
        self.decide("Authority", ("xian-ke", &["xian-ju"]), "Approve")
            .await;
        self.turn_of("PlatformOwner").await;
        let last = format!("PlatformOwner/{NODE}");
        self.decide(&last, ("shi-ke", &["shi-ju"]), "Approve").await;
    }

    /// Everybody whom an exception on the older cloud takes approves, the province last.
    pub(crate) async fn approve_exception(&self) {
        let head = format!("{}-head", self.unit);
        for (stage, user, group) in [
            ("UnitHead".to_owned(), head.as_str(), self.unit.as_str()),
            ("Authority".to_owned(), "xian-ke", "xian-ju"),
            (format!("PlatformOwner/{OLD}"), "shi-ke", "shi-ju"),
            (format!("PlatformOwner/{PLATFORM}"), "sheng-ke", "sheng-ju"),
        ] {
            let (turn, of) = stage.split_once('/').unwrap_or((&stage, ""));
            eventually("it is their turn", SOON, async || {
                let status = self.turn_of(turn).await.status.unwrap_or_default();
                let now = status.stage_of.unwrap_or_default();
                ensure!(now == of, "it is the turn of {now}");
                Ok(())
            })
            .await
            .unwrap();
            self.decide(&stage, (user, &[group]), "Approve").await;
        }
    }

    /// Waits until it is a stage's turn.
    pub(crate) async fn turn_of(&self, stage: &str) -> ResourceRequest {
        eventually(&format!("it is the turn of {stage}"), SOON, async || {
            let now = self.now().await?;
            let status = now.status.clone().unwrap_or_default();
            let turn = status.stage.map_or("nobody", crds::approval::Stage::as_str);
            ensure!(
                turn == stage && status.observed_generation == now.metadata.generation,
                "it is the turn of {turn}: {:?}",
                status.conditions
            );
            Ok(now)
        })
        .await
        .unwrap()
    }

    /// Waits for a phase.
    pub(crate) async fn reaches(&self, phase: Phase) -> ResourceRequest {
        eventually(&format!("{} is {phase}", self.name), SOON, async || {
            let now = self.now().await?;
            let status = now.status.clone().unwrap_or_default();
            ensure!(
                status.phase == Some(phase)
                    && status.observed_generation == now.metadata.generation,
                "it is {:?}: {:?}",
                status.phase,
                status.conditions
            );
            Ok(now)
        })
        .await
        .unwrap()
    }

    /// Waits until it gives this reason; gives the sentence.
    pub(crate) async fn says(&self, reason: &str) -> String {
        eventually(&format!("{} says {reason}", self.name), SOON, async || {
            let status = self.now().await?.status.unwrap_or_default();
            let ready = status.conditions.get(ConditionType::Ready);
            let ready = ready.context("not judged yet")?;
            ensure!(
                ready.reason == reason,
                "it says {}: {}",
                ready.reason,
                ready.message
            );
            Ok(ready.message.clone())
        })
        .await
        .unwrap()
    }

    /// The operations provider takes a step of a work order of the unit.
    pub(crate) async fn work(&self, order: &str, state: &str, comment: &str) {
        let api: Api<WorkOrder> = Api::namespaced(
            self.world
                .testbed
                .client_as(HUB, "yw-1", &[])
                .await
                .unwrap(),
            &self.namespace(),
        );
        let there = eventually("the order is there", SOON, async || api.get(order).await)
            .await
            .unwrap();
        let entry = json!({ "by": "yw-1", "state": state, "comment": comment });
        let operation = if there.spec.progress.is_empty() {
            json!({ "op": "add", "path": "/spec/progress", "value": [entry] })
        } else {
            json!({ "op": "add", "path": "/spec/progress/-", "value": entry })
        };
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(json!([operation])).unwrap());
        api.patch(order, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

/// What a pool's ledger holds of CPU, as `(granted or promised, held)`.
async fn ledger(world: &World, platform: &str, pool: &str) -> Result<(String, String)> {
    let api: Api<crds::CloudPlatform> = Api::all(world.hub().await?);
    let status = api.get(platform).await?.status.unwrap_or_default();
    let pool = status.pools.into_iter().find(|p| p.name == pool);
    let account = pool.context("no such pool")?.account;
    Ok((
        account.charged("requests.cpu").to_string(),
        account.held.of("requests.cpu").to_string(),
    ))
}

/// Waits until a pool's ledger reads so.
pub(crate) async fn ledger_reads(world: &World, pool: &str, granted: &str, held: &str) {
    eventually(
        &format!("{pool} has {granted} granted, {held} held"),
        SOON,
        async || {
            let now = ledger(world, NODE, pool).await?;
            ensure!(
                now == (granted.to_owned(), held.to_owned()),
                "it reads {now:?}"
            );
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
}
