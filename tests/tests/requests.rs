//! The pages of requests on the real thing: the chart's roles and policies, a real API server, the portal under its own account,
//! people at browsers without scripts. No operator: status is written as it would, so that each test stands at its own moment.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crds::ResourceRequest;
use crds::resource_request::{DecisionOutcome, Urging};
use harness::browser::{Answer, Browser};
use harness::world::{self, PLATFORM, POOL};
use harness::{
    HUB, NAMESPACE, Options, Portal, Spec, Testbed, apply_yaml, eventually, hub_kubeconfig,
    install_hub,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use portal::cluster::write::{Author, WriteError};
use portal::cluster::{Cluster, connect};
use portal::identity::User;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const HOME: &str = "qp-renshe";

struct World {
    testbed: Testbed,
    portal: Portal,
    hub: Client,
}

/// A unit with a service to ask for, and the three posts of the demo around it: who asks, the authority, the platform's owner.
async fn world() -> Result<World> {
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
    let portal = Portal::start(&testbed, Options::default()).await?;
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
    fn requests(&self) -> Api<ResourceRequest> {
        Api::namespaced(self.hub.clone(), HOME)
    }

    async fn at(&self, post: &str) -> Result<Browser> {
        let mut browser = Browser::new(&self.portal.url());
        browser.sign_in_by_demo(post).await?;
        Ok(browser)
    }

    /// A request that waits for the authority, its last write seen.
    async fn submitted(&self, name: &str) -> Result<()> {
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
    async fn judged(&self, name: &str, phase: &str, stage: usize) -> Result<()> {
        let api = self.requests();
        let generation = api.get(name).await?.metadata.generation;
        let state = |nth: usize| {
            if nth < stage {
                "Approved"
            } else if nth == stage {
                "Current"
            } else {
                "Waiting"
            }
        };
        let group = |name: &str| json!([{ "kind": "Group", "name": name }]);
        let chain = json!([
            { "stage": "Authority", "unit": "renshe", "rule": "Any", "approvers": group("zhanjiang-dsj"), "workingDays": 3, "state": state(0), "since": "2026-11-20T01:00:00Z" },
            { "stage": "PlatformOwner", "of": PLATFORM, "rule": "Any", "approvers": group("gd-zsj"), "workingDays": 3, "state": state(1) },
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

/// The value of a hidden field, of the last form that has it.
fn hidden(page: &Answer, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let after = page.body.rsplit(&before).next().unwrap_or_default();
    after.split('"').next().unwrap_or_default().to_owned()
}

/// Fills a form of a page with its token and revision.
async fn fill(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
    let page = browser.get(path).await?;
    ensure!(page.status == 200, "{path}: {} {}", page.head, page.body);
    let carried = ["token", "revision"].map(|name| (name, hidden(&page, name)));
    let mut form = fields.to_vec();
    form.extend(carried.iter().map(|(name, value)| (*name, value.as_str())));
    browser.post(path, &form).await
}

/// Waits until a page shows something, and gives it.
async fn shows(browser: &Browser, path: &str, what: &str) -> Result<Answer> {
    eventually(&format!("{path} shows {what}"), SOON, async || {
        let page = browser.get(path).await?;
        ensure!(page.body.contains(what), "{}", page.body);
        Ok(page)
    })
    .await
}

/// A decision form, filled.
fn decision(page: &Answer, outcome: &str, comment: &str) -> Vec<(&'static str, String)> {
    vec![
        ("token", page.form_token_of_decision()),
        ("seen", hidden(page, "seen")),
        ("shown", hidden(page, "shown")),
        ("outcome", outcome.to_owned()),
        ("comment", comment.to_owned()),
    ]
}

trait DecisionForm {
    fn form_token_of_decision(&self) -> String;
}

impl DecisionForm for Answer {
    fn form_token_of_decision(&self) -> String {
        hidden(self, "token")
    }
}

async fn send(
    browser: &mut Browser,
    path: &str,
    form: &[(&'static str, String)],
) -> Result<Answer> {
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    browser.post(path, &form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_asks_through_the_wizard_and_however_often_it_clicks_it_is_one_request()
-> Result<()> {
    let world = world().await?;
    let mut owner = world.at("owner").await?;
    let begin = [
        ("classified", "no"),
        ("tenant", "renshe"),
        ("type", "New"),
        ("environment", "Test"),
    ];
    shows(&owner, "/requests/new", "name=\"tenant\"").await?;
    let started = fill(&mut owner, "/requests/new?offering=compute", &begin).await?;
    let item = started.leads_to().with_context(|| started.body.clone())?;
    let home = item.split("/items/").next().unwrap_or_default().to_owned();
    let placed = [
        ("place", "general/4C16G"),
        ("count", "3"),
        ("namespace", "kuorong"),
    ];
    ensure!(fill(&mut owner, &item, &placed).await?.status == 303);
    let basics = [
        ("title", "智慧人社𠮷扩容"),
        ("justification", "<b>为什么</b>"),
        ("from", ""),
        ("until", ""),
    ];
    ensure!(
        fill(&mut owner, &format!("{home}/basics"), &basics)
            .await?
            .status
            == 303
    );
    let system = [
        ("system", "new"),
        ("id", "zhrs"),
        ("name", "智慧人社"),
        ("owner", "信息岗"),
        ("category", "Own"),
        ("hosting", "Local"),
        ("mlps", "3"),
    ];
    ensure!(
        fill(&mut owner, &format!("{home}/system"), &system)
            .await?
            .status
            == 303
    );
    let check = shows(&owner, &format!("{home}/check"), "961.50 元/月").await?;
    ensure!(
        check.body.contains("60 核") && check.body.contains("48 核"),
        "before and after: {}",
        check.body
    );
    ensure!(
        check.body.contains("&#60;b&#62;") || check.body.contains("&lt;b&gt;"),
        "escaped"
    );
    let form = [
        ("token", hidden(&check, "token")),
        ("revision", hidden(&check, "revision")),
    ];
    let sent = send(&mut owner, &format!("{home}/check"), &form).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    let request = sent.leads_to()?;
    let page = shows(&owner, &request, "智慧人社𠮷扩容").await?;
    ensure!(page.body.contains("申请已提交"), "{}", page.body);
    // The second click, and the back button.
    let again = send(&mut owner, &format!("{home}/check"), &form).await?;
    ensure!(
        again.status == 303 && again.leads_to()? == request,
        "{} {}",
        again.head,
        again.body
    );
    let stored = world.requests().list(&ListParams::default()).await?.items;
    ensure!(stored.len() == 1, "{stored:?}");
    let spec = &stored[0].spec;
    ensure!(
        spec.applicant.as_deref() == Some("zj-rsj-owner")
            && spec.application.system.as_deref() == Some("zhrs")
    );
    let systems: Api<crds::InformationSystem> = Api::namespaced(world.hub.clone(), HOME);
    ensure!(systems.get("zhrs").await?.spec.mlps_level == Some(3));
    ensure!(
        owner.get(&home).await?.status == 404,
        "the draft has become the request"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_once_one_does_and_the_other_is_told() -> Result<()> {
    let world = world().await?;
    world.submitted("eins").await?;
    let mut approver = world.at("approver").await?;
    shows(&approver, "/approvals", "测试eins").await?;
    let path = "/approvals/renshe/eins";
    let page = shows(&approver, path, "您的决定").await?;
    // Two tabs, or two approvers, with the same page open.
    let mut tab = world.at("approver").await?;
    let other = tab.get(path).await?;
    let (mine, theirs) = (
        decision(&page, "Approve", "同意"),
        decision(&other, "Reject", "不同意"),
    );
    let (one, two) = tokio::join!(
        send(&mut approver, path, &mine),
        send(&mut tab, path, &theirs)
    );
    let (one, two) = (one?, two?);
    ensure!(
        [one.status, two.status].contains(&303),
        "{} / {}",
        one.head,
        two.head
    );
    let lost = if one.status == 303 { &two } else { &one };
    ensure!(
        [409, 422].contains(&lost.status) && lost.body.contains("role=\"alert\""),
        "{} {}",
        lost.head,
        lost.body
    );
    let stored = world.requests().get("eins").await?.spec.decisions;
    ensure!(
        stored.len() == 1 && stored[0].by == "cs-approver",
        "{stored:?}"
    );
    // The stale tab, later: who decided is said.
    let late = eventually("the portal has seen it", SOON, async || {
        let late = send(&mut tab.clone(), path, &theirs).await?;
        ensure!(
            late.body.contains("cs-approver已在您之前决定"),
            "{}",
            late.body
        );
        Ok(late)
    })
    .await?;
    ensure!(late.status == 409, "{}", late.head);
    ensure!(world.requests().get("eins").await?.spec.decisions.len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_role_between_opening_and_clicking_is_refused_visibly() -> Result<()> {
    let world = world().await?;
    world.submitted("zwei").await?;
    let mut approver = world.at("approver").await?;
    let path = "/approvals/renshe/zwei";
    let page = shows(&approver, path, "您的决定").await?;
    let bindings: Api<RoleBinding> = Api::namespaced(world.hub.clone(), HOME);
    bindings
        .delete("authority", &DeleteParams::default())
        .await?;
    let form = decision(&page, "Approve", "同意");
    // The authorizer of the API server learns of it by a watch.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let answer = send(&mut approver, path, &form).await?;
    ensure!(
        [403, 422].contains(&answer.status),
        "{} {}",
        answer.head,
        answer.body
    );
    ensure!(
        answer.body.contains("<title>错误：") && answer.body.contains("权限"),
        "{}",
        answer.body
    );
    ensure!(
        world
            .requests()
            .get("zwei")
            .await?
            .spec
            .decisions
            .is_empty()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_answered_urged_decided_and_each_entry_is_the_persons_own() -> Result<()> {
    let world = world().await?;
    world.submitted("drei").await?;
    let mut approver = world.at("approver").await?;
    let mut owner = world.at("owner").await?;
    let path = "/approvals/renshe/drei";
    let page = shows(&approver, path, "您的决定").await?;
    let answer = send(
        &mut approver,
        path,
        &decision(&page, "Return", "请补充测算"),
    )
    .await?;
    ensure!(answer.status == 303, "{} {}", answer.head, answer.body);
    world.judged("drei", "Returned", 0).await?;
    let act = async |owner: &mut Browser, act: &str, fields: &[(&'static str, &str)]| {
        let page = shows(owner, "/requests/renshe/drei", &format!("act-{act}")).await?;
        let form = page
            .body
            .split(&format!("/drei/{act}\""))
            .nth(1)
            .unwrap_or_default();
        let value = |name: &str| {
            let after = form
                .split(&format!("name=\"{name}\" value=\""))
                .nth(1)
                .unwrap_or_default();
            after.split('"').next().unwrap_or_default().to_owned()
        };
        let mut sent = vec![("token", value("token")), ("seen", value("seen"))];
        sent.extend(
            fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        send(owner, &format!("/requests/renshe/drei/{act}"), &sent).await
    };
    let answered = act(&mut owner, "answer", &[("answer-comment", "已补充")]).await?;
    ensure!(
        answered.status == 303,
        "{} {}",
        answered.head,
        answered.body
    );
    world.judged("drei", "Reviewing", 0).await?;
    let urged = act(&mut owner, "urge", &[("urge-comment", "尽快")]).await?;
    ensure!(urged.status == 303, "{} {}", urged.head, urged.body);
    // Written a moment ago and not judged yet: the policy says so, and the page says it in Chinese.
    let page = shows(&approver, path, "尽快").await?;
    let early = send(&mut approver, path, &decision(&page, "Approve", "")).await?;
    ensure!(
        early.status == 422 && early.body.contains("刚刚被他人改动"),
        "{} {}",
        early.head,
        early.body
    );
    world.judged("drei", "Reviewing", 0).await?;
    let page = shows(&approver, path, "您的决定").await?;
    ensure!(
        send(&mut approver, path, &decision(&page, "Approve", ""))
            .await?
            .status
            == 303
    );
    world.judged("drei", "Reviewing", 1).await?;
    // The owner of the platform decides for several at once.
    let mut province = world.at("administrator").await?;
    let list = shows(&province, "/approvals", "测试drei").await?;
    let pick = list
        .body
        .split("name=\"pick\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let form = [
        ("token", hidden(&list, "token")),
        ("pick", pick.context("a pick")?.to_owned()),
        ("outcome", "Approve".to_owned()),
        ("comment", "批量同意".to_owned()),
    ];
    let done = send(&mut province, "/approvals", &form).await?;
    ensure!(
        done.status == 200 && done.body.contains("已办理"),
        "{} {}",
        done.head,
        done.body
    );
    let spec = world.requests().get("drei").await?.spec;
    let by: Vec<_> = spec
        .decisions
        .iter()
        .map(|d| (d.by.as_str(), d.outcome))
        .collect();
    ensure!(
        by == [
            ("cs-approver", DecisionOutcome::Return),
            ("cs-approver", DecisionOutcome::Approve),
            ("gd-admin", DecisionOutcome::Approve)
        ],
        "{by:?}"
    );
    ensure!(spec.answers[0].by == "zj-rsj-owner" && spec.urgings[0].by == "zj-rsj-owner");
    Ok(())
}

/// The write itself, without pages: over what was seen, or not at all; and tried without being stored.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_lands_on_the_list_that_was_seen_or_not_at_all() -> Result<()> {
    let world = world().await?;
    world.submitted("vier").await?;
    let kubeconfig = hub_kubeconfig(&world.testbed, "qipan-portal").await?;
    let cluster = Cluster::start(connect(Some(&kubeconfig)).await?);
    let user = User {
        name: "zj-rsj-owner".to_owned(),
        groups: vec!["zhanjiang-rsj".to_owned()],
        post: None,
    };
    let author = |dry| Author {
        user: &user,
        request_id: "r-vier",
        dry,
    };
    let urging = |said: &str| Urging {
        by: user.name.clone(),
        comment: Some(said.to_owned()),
    };
    let seen = world.requests().get("vier").await?;
    let tried = cluster
        .append(author(true), &seen, "urgings", &urging("a"))
        .await?;
    ensure!(tried.spec.urgings.len() == 1, "a dry run answers as if");
    ensure!(
        world.requests().get("vier").await?.spec.urgings.is_empty(),
        "and stores nothing"
    );
    let first = cluster
        .append(author(false), &seen, "urgings", &urging("a"))
        .await?;
    let stale = cluster
        .append(author(false), &seen, "urgings", &urging("a"))
        .await;
    ensure!(matches!(stale, Err(WriteError::Stale)), "{stale:?}");
    let second = cluster
        .append(author(false), &first, "urgings", &urging("b"))
        .await?;
    let stale = cluster
        .append(author(false), &first, "urgings", &urging("c"))
        .await;
    ensure!(matches!(stale, Err(WriteError::Stale)), "{stale:?}");
    ensure!(second.spec.urgings.len() == 2);
    // Another object of the same name is another object.
    let mut other = second.clone();
    other.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let gone = cluster
        .append(author(false), &other, "urgings", &urging("d"))
        .await;
    ensure!(matches!(gone, Err(WriteError::Stale)), "{gone:?}");
    let mut nobody = second.clone();
    nobody.metadata.name = Some("fuenf".to_owned());
    let gone = cluster
        .append(author(false), &nobody, "urgings", &urging("d"))
        .await;
    ensure!(matches!(gone, Err(WriteError::Gone)), "{gone:?}");
    let forged = cluster
        .append(
            author(false),
            &second,
            "urgings",
            &Urging {
                by: "cs-approver".to_owned(),
                comment: None,
            },
        )
        .await;
    let Err(WriteError::Refused(refusal)) = forged else {
        anyhow::bail!("{forged:?}")
    };
    ensure!(
        refusal.policy.is_some() && refusal.sentence.contains("request-record"),
        "{refusal:?}"
    );
    let mut twice = second.clone();
    twice.metadata.resource_version = None;
    twice.spec.urgings.clear();
    twice.spec.applicant = Some(user.name.clone());
    let exists = cluster.create(author(false), &twice).await;
    ensure!(
        matches!(exists, Err(WriteError::Exists)),
        "{exists:?} {}",
        twice.name_any()
    );
    Ok(())
}
