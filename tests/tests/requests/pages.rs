//! What people do by the forms of pages, each on a real API server by somebody with the chart's role for it: managers of a unit,
//! change windows, announcements, faults and the work on them, opinions, stages handed on, views, drafts.

use anyhow::{Context as _, Result, ensure};
use crds::{ChangeWindow, Tenant, WorkOrder};
use harness::browser::{Answer, Browser};
use harness::{NAMESPACE, apply_yaml};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::{HOME, World, world};
use crate::{draft, shows};

/// The hidden fields of the first form of a page that is sent to an address.
pub(crate) fn carried(page: &Answer, action: &str) -> Result<Vec<(String, String)>> {
    // A form may carry a query in its address.
    let heads = [
        format!("action=\"{action}\""),
        format!("action=\"{action}?"),
    ];
    let is = |form: &&str| heads.iter().any(|head| form.contains(head));
    let form = page.body.split("<form").find(is);
    let form = form.with_context(|| format!("no form for {action}: {}", page.body))?;
    let form = form.split("</form>").next().unwrap_or_default();
    let hidden = form
        .split("type=\"hidden\" name=\"")
        .skip(1)
        .filter_map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"")?;
            let value = rest
                .split('"')
                .next()?
                .replace("&#38;", "&")
                .replace("&amp;", "&");
            Some((name.to_owned(), value))
        });
    Ok(hidden.collect())
}

/// Fills the form of a page and sends it.
pub(crate) async fn submit(
    browser: &mut Browser,
    (path, action): (&str, &str),
    fields: &[(&str, &str)],
) -> Result<Answer> {
    let page = browser.get(path).await?;
    ensure!(page.status == 200, "{path}: {} {}", page.head, page.body);
    let carried = carried(&page, action)?;
    let filled = |name: &str| fields.iter().any(|(field, _)| *field == name);
    let mut form: Vec<_> = carried
        .iter()
        .filter(|(name, _)| !filled(name))
        .collect::<Vec<_>>();
    form.sort();
    form.dedup();
    let mut all: Vec<(&str, &str)> = fields.to_vec();
    all.extend(
        form.into_iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    browser.post(action, &all).await
}

/// The same, and it is done.
pub(crate) async fn done(
    browser: &mut Browser,
    at: (&str, &str),
    fields: &[(&str, &str)],
) -> Result<Answer> {
    let sent = submit(browser, at, fields).await?;
    ensure!(sent.status == 303, "{at:?}: {} {}", sent.head, sent.body);
    Ok(sent)
}

pub(crate) async fn everywhere(world: &World, role: &str, group: &str) -> Result<()> {
    let api = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding",
        "metadata": { "name": format!("{group}-{}", role.replace(':', "-")) },
        "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
    });
    apply_yaml(&world.hub, &binding.to_string(), NAMESPACE).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_keeps_managers_windows_and_announcements() -> Result<()> {
    let world = world().await?;
    everywhere(&world, "qipan:authority", "gd-zsj").await?;
    let mut authority = world.at("administrator").await?;
    members(&world, &mut authority).await?;
    windows(&world, &mut authority).await?;
    announcements(&mut authority, &world).await
}

async fn members(world: &World, authority: &mut Browser) -> Result<()> {
    let api: Api<Tenant> = Api::all(world.hub.clone());
    let owners = async || {
        let tenant = api.get("renshe").await?;
        let names = tenant.spec.owners.into_iter().map(|owner| owner.name);
        Ok::<Vec<_>, kube::Error>(names.collect())
    };
    let page = "/tenants/renshe/members";
    shows(authority, page, "/tenants/renshe/members/add").await?;
    done(
        authority,
        (page, "/tenants/renshe/members/add"),
        &[("part", "owner"), ("kind", "User"), ("name", "zweite")],
    )
    .await?;
    ensure!(owners().await? == ["renshe-owner", "zweite"]);
    shows(authority, page, "zweite").await?;
    let one = [
        ("part", "owner"),
        ("kind", "User"),
        ("name", "renshe-owner"),
    ];
    done(authority, (page, "/tenants/renshe/members/remove"), &one).await?;
    ensure!(owners().await? == ["zweite"]);
    approvers(&api, authority, page).await?;
    // The last one stays: the page has no button for it, and the API server has the same rule for everybody.
    let last = shows(authority, page, "zweite").await?;
    ensure!(
        carried(&last, "/tenants/renshe/members/remove").is_err(),
        "{}",
        last.body
    );
    let none = json!({ "spec": { "owners": [] } });
    let refused = api
        .patch("renshe", &PatchParams::default(), &Patch::Merge(&none))
        .await;
    let words = refused
        .err()
        .context("the last manager was removed")?
        .to_string();
    ensure!(words.contains("the last one stays"), "{words}");
    Ok(())
}

/// Who decides at a stage is named and taken off, and managers are not touched by it.
async fn approvers(api: &Api<Tenant>, authority: &mut Browser, page: &str) -> Result<()> {
    let before = api.get("renshe").await?.spec;
    let head = [
        ("part", "UnitHead"),
        ("kind", "User"),
        ("name", "renshe-head"),
    ];
    let add = (page, "/tenants/renshe/members/add");
    done(authority, add, &head).await?;
    let named = api.get("renshe").await?.spec;
    let stages: Vec<_> = named.approvers.iter().map(|a| a.stage.as_str()).collect();
    ensure!(stages == ["UnitHead"] && named.approvers[0].subjects[0].name == "renshe-head");
    ensure!(named.owners == before.owners);
    shows(authority, page, "value=\"renshe-head\"").await?;
    let twice = submit(authority, add, &head).await?;
    ensure!(
        twice.status == 422 && twice.body.contains("role=\"alert\""),
        "{}",
        twice.body
    );
    done(authority, (page, "/tenants/renshe/members/remove"), &head).await?;
    ensure!(api.get("renshe").await?.spec == before, "as it was");
    Ok(())
}

async fn windows(world: &World, authority: &mut Browser) -> Result<()> {
    let api: Api<ChangeWindow> = Api::all(world.hub.clone());
    let wrong = submit(
        authority,
        ("/windows", "/windows"),
        &[("type", "Freeze"), ("title", "重保")],
    )
    .await?;
    ensure!(wrong.status == 422, "{}", wrong.head);
    ensure!(
        wrong.body.contains("value=\"重保\"")
            && api.list(&ListParams::default()).await?.items.is_empty()
    );
    let day = |days: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        at.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let (from, to) = (day(-1), day(7));
    let fields = [
        ("type", "Freeze"),
        ("title", "重保封网"),
        ("from", &*from),
        ("to", &to),
        ("reason", "重大活动保障"),
    ];
    done(authority, ("/windows", "/windows"), &fields).await?;
    let window = api
        .list(&ListParams::default())
        .await?
        .items
        .pop()
        .context("no window")?;
    ensure!(window.spec.title.zh == "重保封网" && window.spec.reason == "重大活动保障");
    shows(authority, "/windows", "action=\"/windows/end\"").await?;
    done(authority, ("/windows", "/windows/end"), &[]).await?;
    let ended = api
        .list(&ListParams::default())
        .await?
        .items
        .pop()
        .context("no window")?;
    ensure!(ended.spec.to < window.spec.to, "{ended:?}");
    Ok(())
}

async fn announcements(authority: &mut Browser, world: &World) -> Result<()> {
    let fields = [("title", "国庆值班"), ("body", "7×24值守"), ("public", "1")];
    done(authority, ("/bulletins", "/bulletins"), &fields).await?;
    let owner = world.at("owner").await?;
    shows(&owner, "/mine", "国庆值班").await?;
    done(authority, ("/bulletins", "/bulletins/end"), &[]).await?;
    let desk = owner.get("/mine").await?;
    ensure!(!desk.body.contains("国庆值班"), "{}", desk.body);
    Ok(())
}

/// A unit reports a fault; the operations provider works on it by the form, to its end and again after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_reported_and_worked_off_step_by_step() -> Result<()> {
    let world = world().await?;
    everywhere(&world, "qipan:operations-provider", "zhanjiang-yunying").await?;
    let mut owner = world.at("owner").await?;
    let fields = [
        ("tenant", "renshe"),
        ("platform", harness::world::PLATFORM),
        ("title", "业务后台超时"),
        ("description", "自9:20起"),
    ];
    shows(&owner, "/work-orders/new", "name=\"tenant\"").await?;
    let page = done(
        &mut owner,
        ("/work-orders/new", "/work-orders/new"),
        &fields,
    )
    .await?
    .leads_to()?;
    let page = page.split('?').next().unwrap_or_default().to_owned();
    let mut operations = world.at("operations").await?;
    let action = format!("{page}/steps");
    works_off(&world, &mut operations, (&page, &action)).await?;
    // Who reported it takes no step.
    let own = owner.get(&page).await?;
    ensure!(carried(&own, &action).is_err(), "{}", own.body);
    // What failed is taken up again.
    done(
        &mut operations,
        (&page, &action),
        &[("state", "InProgress"), ("comment", "备件已到")],
    )
    .await?;
    Ok(())
}

/// Takes every step to the last, and each is the person's own.
async fn works_off(
    world: &World,
    operations: &mut Browser,
    (page, action): (&str, &str),
) -> Result<()> {
    let orders: Api<WorkOrder> = Api::namespaced(world.hub.clone(), HOME);
    for (nth, (state, comment)) in [
        ("Accepted", ""),
        ("InProgress", "正在排查"),
        ("Failed", "备件未到"),
    ]
    .iter()
    .enumerate()
    {
        shows(operations, page, &format!("action=\"{action}\"")).await?;
        done(
            operations,
            (page, action),
            &[("state", state), ("comment", comment)],
        )
        .await?;
        let order = orders
            .list(&ListParams::default())
            .await?
            .items
            .pop()
            .context("no order")?;
        let last = order.spec.progress.last().context("no step")?;
        ensure!(order.spec.progress.len() == nth + 1, "{order:?}");
        ensure!(
            (last.by.as_str(), format!("{:?}", last.state).as_str()) == ("zj-ops", *state),
            "{last:?}"
        );
        harness::eventually("the portal has seen it", crate::stage::SOON, async || {
            let shown = operations.get(page).await?;
            ensure!(shown.body.matches("zj-ops").count() > nth, "{}", shown.body);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opinion_is_given_and_a_stage_is_handed_on_by_their_forms() -> Result<()> {
    let world = world().await?;
    everywhere(&world, "qipan:operations-provider", "zhanjiang-yunying").await?;
    world.submitted("meinung").await?;
    let path = "/approvals/renshe/meinung";
    let mut operations = world.at("operations").await?;
    shows(&operations, path, "name=\"what\" value=\"opinion\"").await?;
    let said = [
        ("what", "opinion"),
        ("stage", "Technical"),
        ("view", "Unfavourable"),
        ("opinion", "余量不足"),
    ];
    done(&mut operations, (path, path), &said).await?;
    let stored = world.requests().get("meinung").await?.spec;
    let opinion = stored.opinions.first().context("no opinion")?;
    ensure!(
        opinion.by == "zj-ops" && opinion.comment == "余量不足",
        "{opinion:?}"
    );
    // It decides nothing, and no form lets them decide.
    let page = operations.get(path).await?;
    ensure!(
        stored.decisions.is_empty() && !page.body.contains("value=\"Approve\""),
        "{}",
        page.body
    );
    world.judged("meinung", "Reviewing", 0).await?;
    let mut approver = world.at("approver").await?;
    shows(&approver, path, "余量不足").await?;
    let handed = [
        ("what", "delegate"),
        ("to", "cs-deputy"),
        ("reason", "外出"),
    ];
    done(&mut approver, (path, path), &handed).await?;
    let stored = world.requests().get("meinung").await?.spec;
    let delegation = stored.delegations.first().context("not handed on")?;
    ensure!(
        (delegation.by.as_str(), delegation.to.as_str()) == ("cs-approver", "cs-deputy"),
        "{delegation:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_kept_and_removed_and_a_draft_is_deleted() -> Result<()> {
    let world = world().await?;
    let mut owner = world.at("owner").await?;
    shows(&owner, "/requests/new", "name=\"tenant\"").await?;
    let home = draft(&mut owner).await?;
    let narrowed = "/requests?phase=Returned";
    let action = "/views/requests";
    done(
        &mut owner,
        (narrowed, action),
        &[("what", "save"), ("name", "待补正")],
    )
    .await?;
    shows(&owner, "/requests?all=1", "待补正").await?;
    done(
        &mut owner,
        (narrowed, action),
        &[("what", "remove"), ("name", "待补正")],
    )
    .await?;
    let list = owner.get("/requests?all=1").await?;
    ensure!(!list.body.contains("待补正</a>"), "{}", list.body);
    ensure!(
        list.body.contains(&home),
        "the draft stands in the list: {}",
        list.body
    );
    done(&mut owner, (&home, &format!("{home}/delete")), &[]).await?;
    ensure!(owner.get(&home).await?.status == 404);
    let deleted = owner.get("/requests?done=draft-deleted").await?;
    ensure!(!deleted.body.contains(&home), "{}", deleted.body);
    Ok(())
}

/// A decision through the API is one of the same rules: the applicant's own, somebody's without the verb, one of a forged stage, one
/// by a program that reads only.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_decides_for_nobody_who_may_not() -> Result<()> {
    let world = world().await?;
    everywhere(&world, "qipan:operations-provider", "zhanjiang-yunying").await?;
    world.submitted("api").await?;
    let body = json!({ "outcome": "Approve", "comment": "同意" });
    for (post, scope, statuses) in [
        ("owner", "write", &[403_u16, 422][..]),
        ("operations", "write", &[403, 422]),
        ("approver", "read", &[403]),
        ("county", "write", &[404]),
    ] {
        let token = token(&world, post, scope).await?;
        shows_to(&world, &token, post).await?;
        let answer = decide(&world, &token, &body).await?;
        ensure!(
            statuses.contains(&answer.status),
            "{post}: {} {}",
            answer.head,
            answer.body
        );
        ensure!(
            world.requests().get("api").await?.spec.decisions.is_empty(),
            "{post}"
        );
    }
    let token = token(&world, "approver", "write").await?;
    for forged in [
        json!({ "by": "gd-admin" }),
        json!({ "stage": "PlatformOwner" }),
        json!({ "party": "x" }),
    ] {
        let mut forged_body = body.clone();
        forged_body
            .as_object_mut()
            .context("an object")?
            .extend(forged.as_object().cloned().unwrap_or_default());
        let answer = decide(&world, &token, &forged_body).await?;
        ensure!(answer.status == 400, "{} {}", answer.head, answer.body);
    }
    let answer = decide(&world, &token, &body).await?;
    ensure!(answer.status == 201, "{} {}", answer.head, answer.body);
    let decisions = world.requests().get("api").await?.spec.decisions;
    ensure!(
        decisions.len() == 1 && decisions[0].by == "cs-approver",
        "{decisions:?}"
    );
    Ok(())
}

/// A token that somebody makes on their page.
async fn token(world: &World, post: &str, scope: &str) -> Result<String> {
    let mut browser = world.at(post).await?;
    let fields = [("title", "t"), ("scope", scope), ("days", "1")];
    let made = submit(&mut browser, ("/tokens", "/tokens"), &fields).await?;
    let token = made
        .body
        .split("qipan_demo_")
        .nth(1)
        .with_context(|| made.body.clone())?;
    let token: String = token.chars().take_while(char::is_ascii_hexdigit).collect();
    Ok(format!("qipan_demo_{token}"))
}

async fn asked(
    world: &World,
    token: &str,
    (method, path): (&str, &str),
    body: &str,
) -> Result<Answer> {
    let head = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let browser = Browser::new(&world.portal.url());
    browser
        .say(method, &format!("/api/v1{path}"), &head, body)
        .await
}

/// Waits until the portal knows the request, for whoever may see it.
async fn shows_to(world: &World, token: &str, post: &str) -> Result<()> {
    if post == "county" {
        return Ok(());
    }
    harness::eventually("the request is seen", crate::stage::SOON, async || {
        let got = asked(world, token, ("GET", "/requests/renshe/api"), "").await?;
        let value: Value = serde_json::from_str(&got.body).unwrap_or_default();
        ensure!(
            value["status"]["phase"] == "Reviewing",
            "{} {}",
            got.head,
            got.body
        );
        Ok(())
    })
    .await
}

async fn decide(world: &World, token: &str, body: &Value) -> Result<Answer> {
    asked(
        world,
        token,
        ("POST", "/requests/renshe/api/decisions"),
        &body.to_string(),
    )
    .await
}
