//! Walks `policies/*` on a real API server: what must pass passes, what must not is refused with the words of its rule, and
//! each rule taken away lets its own rejects through and nobody else's. How a case is written: `policies/README.md`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use harness::{
    HUB, Spec, Testbed, apply_files, apply_yaml, eventually, install_hub, install_member,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota, Service};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize as _;
use serde_json::{Value, json};

use case::{Case, Verb, merge, policy_file, policy_objects, read_cases, rules};

#[path = "policies/case.rs"]
mod case;

const SOON: Duration = Duration::from_secs(20);
/// How many cases are tried at once.
const AT_ONCE: usize = 16;

/// The name of a way to send a case, and what the API server said.
type Answer = (&'static str, kube::Result<()>);

/// The cluster with the world and all rules in it, and a client for every identity.
struct Bench {
    testbed: Testbed,
    admin: Client,
    clients: BTreeMap<String, Client>,
    kinds: BTreeMap<String, (ApiResource, Scope)>,
    /// The names of a rule's policies, as refusals say them.
    policies: BTreeMap<String, Vec<String>>,
}

impl Bench {
    async fn start(cases: &[Case]) -> Result<Self> {
        let testbed = Testbed::start(Spec::with_members(&[])).await?;
        let admin = testbed.client(HUB).await?;
        let root = harness::tools::repository();
        apply_files(&admin, &root.join("charts/qipan/crds"), "default").await?;
        let world = std::fs::read_to_string(root.join("policies/world.yaml"))?;
        // Service accounts and definitions come a moment after what they belong to.
        eventually("the world of the cases", SOON, async || {
            apply_yaml(&admin, &world, "default").await
        })
        .await?;
        statuses(&admin, &world).await?;
        in_force_but_for_pods(&admin).await?;
        // It stays as long as what it holds has finalizers.
        let namespaces: Api<Namespace> = Api::all(admin.clone());
        let now = DeleteParams::default();
        namespaces.delete("shuiwu-ending", &now).await?;
        install_hub(&testbed).await?;
        // A place with a single cluster is hub and member at once: the rules of both must not contradict.
        install_member(&testbed, HUB).await?;
        let mut bench = Self {
            testbed,
            admin,
            clients: BTreeMap::new(),
            kinds: BTreeMap::new(),
            policies: BTreeMap::new(),
        };
        for case in cases {
            bench
                .prepare(case)
                .await
                .with_context(|| case.path.clone())?;
        }
        for rule in rules()? {
            let named = policy_objects(&rule)?
                .into_iter()
                .filter(|o| o["kind"] == "ValidatingAdmissionPolicy");
            bench.policies.insert(
                rule,
                named
                    .filter_map(|o| o["metadata"]["name"].as_str().map(ToOwned::to_owned))
                    .collect(),
            );
        }
        Ok(bench)
    }

    async fn prepare(&mut self, case: &Case) -> Result<()> {
        if !self.clients.contains_key(&case.identity()) {
            let groups: Vec<_> = case.groups.iter().map(String::as_str).collect();
            self.clients.insert(
                case.identity(),
                self.testbed.client_as(HUB, &case.user, &groups).await?,
            );
        }
        let kind = case.kind()?;
        if !self.kinds.contains_key(&kind.kind) {
            let (resource, capabilities) = pinned_kind(&self.admin, &kind).await?;
            self.kinds.insert(kind.kind, (resource, capabilities.scope));
        }
        Ok(())
    }

    fn api_of(&self, case: &Case) -> Result<Api<DynamicObject>> {
        self.api(
            self.clients
                .get(&case.identity())
                .context("a prepared client")?,
            case,
        )
    }

    fn api(&self, client: &Client, case: &Case) -> Result<Api<DynamicObject>> {
        let (resource, scope) = self
            .kinds
            .get(case.text("/kind"))
            .context("a prepared kind")?;
        Ok(match scope {
            Scope::Cluster => Api::all_with(client.clone(), resource),
            Scope::Namespaced => {
                Api::namespaced_with(client.clone(), case.text("/metadata/namespace"), resource)
            }
        })
    }

    /// Sends a case as kubectl would; the answer with the name of its way.
    async fn send(&self, case: &Case) -> Result<Answer> {
        let (api, name) = (self.api_of(case)?, case.text("/metadata/name"));
        let post = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let dry = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let merged = Patch::Merge(&case.object);
        Ok(match (case.verb, case.subresource.as_deref()) {
            (Verb::Create, _) => {
                let object: DynamicObject = serde_json::from_value(case.object.clone())?;
                ("create", api.create(&post, &object).await.map(drop))
            }
            (Verb::Delete, _) => {
                let dry = DeleteParams {
                    dry_run: true,
                    ..DeleteParams::default()
                };
                ("delete", api.delete(name, &dry).await.map(drop))
            }
            (Verb::Patch, None) => ("patch", api.patch(name, &dry, &merged).await.map(drop)),
            (Verb::Patch, Some(sub)) => (
                "patch",
                api.patch_subresource(sub, name, &dry, &merged)
                    .await
                    .map(drop),
            ),
            // Namespaces are finalized by PUT alone, and quota controllers may PUT alone.
            (Verb::Update, sub) => {
                let live = self.api(&self.admin, case)?.get(name).await?;
                let mut object = serde_json::to_value(live)?;
                merge(&mut object, &case.object);
                // Unconditional: others may write meanwhile.
                object["metadata"]["resourceVersion"].take();
                let sub = sub.context("an update of a subresource")?;
                (
                    "update",
                    api.replace_subresource(sub, name, &post, &object)
                        .await
                        .map(drop),
                )
            }
        })
    }

    /// Sends a case as a server-side apply.
    async fn send_applied(&self, case: &Case) -> Result<Answer> {
        let (api, name) = (self.api_of(case)?, case.text("/metadata/name"));
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::apply("case").force()
        };
        let patch = Patch::Apply(&case.object);
        let answer = match case.subresource.as_deref() {
            Some(sub) => api.patch_subresource(sub, name, &params, &patch).await,
            None => api.patch(name, &params, &patch).await,
        };
        Ok(("apply", answer.map(drop)))
    }

    /// Whether a case comes out as its rule, in force or not, would have it.
    async fn judge(&self, case: &Case, in_force: bool) -> Result<()> {
        let mut answers = vec![self.send(case).await?];
        if case.server_side_apply_too() {
            answers.push(self.send_applied(case).await?);
        }
        for (way, answer) in answers {
            let expected = case.refusal.as_ref().filter(|_| in_force);
            match (answer, expected) {
                (Ok(()), None) => {}
                (Err(kube::Error::Api(status)), Some(words)) => {
                    let ours = self.policies[&case.rule]
                        .iter()
                        .any(|p| status.message.contains(&format!("'{p}'")));
                    ensure!(
                        ours,
                        "{} by {way}: refused, but not by {}: {}",
                        case.path,
                        case.rule,
                        status.message
                    );
                    ensure!(
                        status.message.contains(words.as_str()),
                        "{} by {way}: refused in other words.\nexpected: {words}\n  answer: {}",
                        case.path,
                        status.message
                    );
                }
                (Ok(()), Some(_)) => bail!("{} by {way}: let in", case.path),
                (Err(error), _) => bail!("{} by {way}: {error}", case.path),
            }
        }
        Ok(())
    }

    /// All of these cases; every failure is told, not only the first.
    async fn judge_all(&self, cases: impl Iterator<Item = &Case>, in_force: bool) -> Result<()> {
        let verdicts = futures::stream::iter(cases)
            .map(|case| self.judge(case, in_force))
            .buffer_unordered(AT_ONCE);
        let failures: Vec<_> = verdicts
            .filter_map(async |v| v.err().map(|e| format!("{e:#}")))
            .collect()
            .await;
        ensure!(
            failures.is_empty(),
            "{} cases came out otherwise:\n{}",
            failures.len(),
            failures.join("\n")
        );
        Ok(())
    }

    async fn take_away(&self, rule: &str) -> Result<()> {
        for object in policy_objects(rule)? {
            let object: DynamicObject = serde_json::from_value(object)?;
            let types = object.types.as_ref().context("a policy has a kind")?;
            let resource = ApiResource::from_gvk(&types.try_into()?);
            Api::<DynamicObject>::all_with(self.admin.clone(), &resource)
                .delete(&object.name_any(), &DeleteParams::default())
                .await
                .with_context(|| object.name_any())?;
        }
        Ok(())
    }
}

/// What the operator says of the world's objects: an apply of an object leaves its status out.
async fn statuses(admin: &Client, world: &str) -> Result<()> {
    for document in serde_yaml::Deserializer::from_str(world) {
        let object = Value::deserialize(document)?;
        if object["status"].is_null() {
            continue;
        }
        let named: DynamicObject = serde_json::from_value(object.clone())?;
        let types = named.types.as_ref().context("a document has a kind")?;
        let resource = ApiResource::from_gvk(&types.try_into()?);
        let status = json!({ "status": object["status"] });
        let api: Api<DynamicObject> = match named.namespace() {
            Some(namespace) => Api::namespaced_with(admin.clone(), &namespace, &resource),
            None => Api::all_with(admin.clone(), &resource),
        };
        api.patch_status(
            &named.name_any(),
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await
        .with_context(|| named.name_any())?;
    }
    Ok(())
}

/// Waits for the quotas of the world and takes `pods` out of what shuiwu-half has in force: the state between a change of a
/// quota and the quota controller's word, which passes too fast to be met. (The controller looks again when spec changes.)
async fn in_force_but_for_pods(admin: &Client) -> Result<()> {
    for namespace in ["shuiwu-prod", "shuiwu-half"] {
        let quotas: Api<ResourceQuota> = Api::namespaced(admin.clone(), namespace);
        eventually("the world's quotas are in force", SOON, async || {
            let quota = quotas.get("qipan").await?;
            let (wanted, there) = (
                quota.spec.and_then(|s| s.hard),
                quota.status.and_then(|s| s.hard),
            );
            ensure!(wanted == there, "{namespace}: {there:?}");
            Ok(())
        })
        .await?;
    }
    let quotas: Api<ResourceQuota> = Api::namespaced(admin.clone(), "shuiwu-half");
    let lacking = json!({"status": {"hard": {"pods": null}}});
    quotas
        .patch_status("qipan", &PatchParams::default(), &Patch::Merge(lacking))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_keeps_what_it_says_and_nothing_else() -> Result<()> {
    if std::env::var_os("QIPAN_HUB_KUBECONFIG").is_some_and(|v| !v.is_empty()) {
        eprintln!(
            "skipped: an existing cluster would be without each of its policies for a moment"
        );
        return Ok(());
    }
    let cases = read_cases()?;
    let bench = Bench::start(&cases).await?;
    let rejects = || cases.iter().filter(|c| c.refusal.is_some());
    // What the API server watches (quotas, bindings) it sees a moment later.
    eventually("all rules in force", SOON, async || {
        bench.judge_all(cases.iter(), true).await
    })
    .await?;
    for rule in rules()? {
        let began = Instant::now();
        bench.take_away(&rule).await?;
        let own = || rejects().filter(|c| c.rule == rule);
        eventually(
            &format!("without {rule} its rejects pass"),
            SOON,
            async || bench.judge_all(own(), false).await,
        )
        .await?;
        let others = rejects().filter(|c| c.rule != rule);
        bench
            .judge_all(others, true)
            .await
            .with_context(|| format!("without {rule}, others must hold"))?;
        apply_yaml(&bench.admin, &policy_file(&rule)?, "default").await?;
        eventually(&format!("{rule} back in force"), SOON, async || {
            bench.judge_all(own(), true).await
        })
        .await?;
        println!("{rule}: {} rejects, {:?}", own().count(), began.elapsed());
    }
    println!("{} cases", cases.len());
    no_policy_warns(&bench).await?;
    grants_are_kept_from_their_first_moment(&bench).await?;
    namespaces_of_tenants_can_go(&bench).await
}

/// A grant carries Qipan's finalizer before any operator has seen it, and keeps it when it is applied again.
async fn grants_are_kept_from_their_first_moment(bench: &Bench) -> Result<()> {
    let grant = harness::world::grant("shuiwu", "kept", 1, &[]);
    let api: Api<crds::TenantQuota> = Api::namespaced(bench.admin.clone(), "qp-shuiwu");
    let params = PatchParams::apply("gitops");
    for time in ["first", "second"] {
        let made = api.patch("kept", &params, &Patch::Apply(&grant)).await?;
        let finalizers = made.finalizers();
        ensure!(
            finalizers == ["qipan.dev/children"],
            "the {time} time: {finalizers:?}"
        );
    }
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("kept", &PatchParams::default(), &free).await?;
    api.delete("kept", &DeleteParams::default()).await?;
    Ok(())
}

/// The API server types every expression against the kinds that a policy matches; what it doubts is a finding.
async fn no_policy_warns(bench: &Bench) -> Result<()> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(bench.admin.clone());
    for policy in policies.list(&kube::api::ListParams::default()).await? {
        let warnings = policy
            .status
            .as_ref()
            .and_then(|s| s.type_checking.as_ref())
            .and_then(|t| t.expression_warnings.clone());
        ensure!(
            warnings.iter().flatten().count() == 0,
            "{}: {warnings:?}",
            policy.name_any()
        );
        ensure!(
            policy.name_any().starts_with("qipan-"),
            "{} is not named qipan-…",
            policy.name_any()
        );
    }
    Ok(())
}

/// Kubernetes' own controllers empty and end a tenant's namespace although all rules are in force, and a finalizer can be
/// removed there after the quota has gone.
async fn namespaces_of_tenants_can_go(bench: &Bench) -> Result<()> {
    let client = || bench.admin.clone();
    let namespaces: Api<Namespace> = Api::all(client());
    let names = ["shuiwu-prod", "shuiwu-new", "shuiwu-half", "qp-shuiwu"];
    for name in names {
        namespaces.delete(name, &DeleteParams::default()).await?;
    }
    let quotas: Api<ResourceQuota> = Api::namespaced(client(), "shuiwu-half");
    eventually("the quota goes before what is held", SOON, async || {
        ensure!(quotas.get_opt("qipan").await?.is_none(), "it is there");
        anyhow::Ok(())
    })
    .await?;
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let params = PatchParams::default();
    for name in ["shuiwu-new", "shuiwu-half", "shuiwu-ending"] {
        let services: Api<Service> = Api::namespaced(client(), name);
        services.patch("old", &params, &free).await?;
    }
    let held: Api<ResourceQuota> = Api::namespaced(client(), "shuiwu-ending");
    held.patch("qipan", &params, &free).await?;
    for name in names.into_iter().chain(["shuiwu-ending"]) {
        eventually(
            &format!("{name} is gone"),
            Duration::from_mins(1),
            async || match namespaces.get_opt(name).await? {
                None => Ok(()),
                Some(there) => bail!("{:?}", there.status.and_then(|s| s.conditions)),
            },
        )
        .await?;
    }
    Ok(())
}
