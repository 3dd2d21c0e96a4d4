//! The pages of requests on the real thing: the chart's roles and policies, a real API server, the portal under its own account,
//! people at browsers without scripts. No operator: status is written as it would, so that each test stands at its own moment.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crds::resource_request::DecisionOutcome;
use harness::browser::{Answer, Browser};
use harness::eventually;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

#[path = "requests/account.rs"]
mod account;
#[path = "requests/bad_days.rs"]
mod bad_days;
#[path = "requests/catalogs.rs"]
mod catalogs;
#[path = "requests/commands.rs"]
mod commands;
#[path = "requests/files.rs"]
mod files;
#[path = "requests/gigabyte.rs"]
mod gigabyte;
#[path = "requests/pages.rs"]
mod pages;
#[path = "requests/stage.rs"]
mod stage;
#[path = "requests/unseen.rs"]
mod unseen;
#[path = "requests/writes.rs"]
mod writes;

use stage::{HOME, SOON, World, world};

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

/// The YAML on a page.
fn yaml_of(page: &Answer) -> Result<String> {
    let text = page
        .body
        .split("<pre")
        .nth(1)
        .and_then(|rest| rest.split_once('>'));
    let text = text.and_then(|(_, rest)| rest.split("</pre>").next());
    let mut text = text.context("no YAML")?.to_owned();
    for (entity, letter) in [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    Ok(text)
}

/// Writes an application step by step; gives the address of its draft.
async fn draft(owner: &mut Browser) -> Result<String> {
    let begin = [
        ("classified", "no"),
        ("tenant", "renshe"),
        ("type", "New"),
        ("environment", "Test"),
    ];
    let started = fill(owner, "/requests/new?offering=compute", &begin).await?;
    let item = started.leads_to().with_context(|| started.body.clone())?;
    let home = item.split("/items/").next().unwrap_or_default().to_owned();
    let placed = [
        ("place", "general/4C16G"),
        ("count", "3"),
        ("namespace", "kuorong"),
    ];
    ensure!(fill(owner, &item, &placed).await?.status == 303);
    let basics = [
        ("title", "智慧人社𠮷扩容"),
        ("justification", "<b>为什么</b>"),
        ("from", ""),
        ("until", ""),
    ];
    ensure!(
        fill(owner, &format!("{home}/basics"), &basics)
            .await?
            .status
            == 303
    );
    let sent = files::upload(owner, &format!("{home}/files"), ("批复.pdf", files::PDF)).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
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
        fill(owner, &format!("{home}/system"), &system)
            .await?
            .status
            == 303
    );
    Ok(home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_asks_through_the_wizard_and_however_often_it_clicks_it_is_one_request()
-> Result<()> {
    let world = world().await?;
    let mut owner = world.at("owner").await?;
    shows(&owner, "/requests/new", "name=\"tenant\"").await?;
    let home = draft(&mut owner).await?;
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
    files::given_with_the_application(&world, &stored[0], &request).await?;
    let promised: crds::ResourceRequest = serde_yaml::from_str(&yaml_of(&check)?)?;
    ensure!(
        promised.spec == stored[0].spec && promised.metadata.name == stored[0].metadata.name,
        "what the page gives to kubectl is what the button writes: {promised:?}"
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

/// Sends the form of an act on the request `drei`.
async fn act(owner: &mut Browser, act: &str, fields: &[(&'static str, &str)]) -> Result<Answer> {
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
}

/// The owner of the platform decides for several at once.
async fn decides_for_several(world: &World) -> Result<()> {
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
    decides_for_several(&world).await?;
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
