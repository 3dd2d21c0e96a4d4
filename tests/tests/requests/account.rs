//! The portal's own account holds what it uses, and uses what it holds: the hub's audit log against its roles, over a day in
//! which people do everything that the portal writes for them.

use anyhow::{Result, ensure};
use harness::rights::{Right, asked, findings, held_by};
use harness::{HUB, NAMESPACE, Options, Postgres, apply_yaml, eventually};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::stage::{SOON, World, world_with};
use crate::{decision, draft, fill, hidden, send, shows};

const ACCOUNT: &str = "qipan-portal";

/// In the whole cluster: somebody who keeps units and orders freezes, and who runs the platforms.
async fn bound_everywhere(world: &World) -> Result<()> {
    let api = "rbac.authorization.k8s.io";
    for (role, group) in [
        ("authority", "gd-zsj"),
        ("operations-provider", "zhanjiang-yunying"),
    ] {
        let bound = json!({
            "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": format!("alle-{role}") },
            "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": format!("qipan:{role}") },
            "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
        });
        apply_yaml(&world.hub, &bound.to_string(), NAMESPACE).await?;
    }
    Ok(())
}

/// A department asks, with a system to be registered; its authority decides.
async fn a_request_is_made_and_decided(world: &World) -> Result<()> {
    let mut owner = world.at("owner").await?;
    shows(&owner, "/requests/new", "name=\"tenant\"").await?;
    let home = draft(&mut owner).await?;
    shows(&owner, &format!("{home}/check"), "961.50").await?;
    let sent = fill(&mut owner, &format!("{home}/check"), &[]).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    world.submitted("konto").await?;
    let mut approver = world.at("approver").await?;
    let path = "/approvals/renshe/konto";
    let page = shows(&approver, path, "您的决定").await?;
    let sent = send(&mut approver, path, &decision(&page, "Approve", "同意")).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    Ok(())
}

/// A department reports a fault; the operations provider takes a step.
async fn a_fault_is_reported_and_worked_off(world: &World) -> Result<()> {
    let mut owner = world.at("owner").await?;
    let path = "/work-orders/new";
    let page = shows(&owner, path, "name=\"platform\"").await?;
    let name = hidden(&page, "id");
    let fields = [
        ("tenant", "renshe"),
        ("platform", harness::world::PLATFORM),
        ("title", "卡顿"),
        ("description", "从早上起"),
        ("id", name.as_str()),
    ];
    let sent = fill(&mut owner, path, &fields).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    let order = format!("/work-orders/renshe/{name}");
    let mut works = world.at("operations").await?;
    let page = shows(&works, &order, "value=\"Accepted\"").await?;
    let token = hidden(&page, "token");
    let form = [("token", token.as_str()), ("state", "Accepted")];
    let sent = works.post(&format!("{order}/steps"), &form).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    Ok(())
}

/// One window is ended and another one taken back; a unit gets a manager.
async fn windows_come_and_go_and_a_unit_gets_a_manager(world: &World) -> Result<()> {
    let mut authority = world.at("administrator").await?;
    let day = |days: i64| {
        let then = Timestamp::now() + SignedDuration::from_hours(24 * days);
        then.strftime("%Y-%m-%dT08:00").to_string()
    };
    // One that has begun, and one that has not.
    for (from, to) in [(day(-2), day(9)), (day(20), day(29))] {
        let page = shows(&authority, "/windows", "value=\"Freeze\"").await?;
        let name = hidden(&page, "name");
        let window = [
            ("name", name.as_str()),
            ("type", "Freeze"),
            ("title", "春运"),
            ("from", from.as_str()),
            ("to", to.as_str()),
            ("reason", "r"),
        ];
        let sent = fill(&mut authority, "/windows", &window).await?;
        ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
        let page = shows(&authority, "/windows", "action=\"/windows/end\"").await?;
        let end = [("token", hidden(&page, "token")), ("name", name.clone())];
        let sent = send(&mut authority, "/windows/end", &end).await?;
        ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
        eventually("it is over", SOON, async || {
            let page = authority.get("/windows").await?;
            ensure!(!page.body.contains("/windows/end"), "{}", page.body);
            Ok(())
        })
        .await?;
    }
    let page = shows(&authority, "/tenants/renshe/members", "members/add").await?;
    let token = hidden(&page, "token");
    let one = [
        ("token", token.as_str()),
        ("part", "owner"),
        ("kind", "User"),
        ("name", "neu"),
    ];
    let sent = authority.post("/tenants/renshe/members/add", &one).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    Ok(())
}

/// On PostgreSQL, since an embedded database has one replica and needs no Lease.
#[tokio::test(flavor = "multi_thread")]
async fn the_portals_account_holds_what_it_uses_and_uses_what_it_holds() -> Result<()> {
    let database = Postgres::start(&[]).await?;
    let url = database.url("postgres");
    let world = world_with(async |_| {
        let args = vec!["--database-url".to_owned(), url];
        Ok(Options {
            args,
            ..Options::default()
        })
    })
    .await?;
    bound_everywhere(&world).await?;
    a_request_is_made_and_decided(&world).await?;
    a_fault_is_reported_and_worked_off(&world).await?;
    windows_come_and_go_and_a_unit_gets_a_manager(&world).await?;
    let held = held_by(&world.hub, ACCOUNT).await?;
    eventually("every right is used", SOON, async || {
        let asked = asked(&world.testbed, ACCOUNT, HUB)?;
        // What people may write is said for every kind (`chart.rs`), also where no page writes one of it yet: of those
        // rights, each verb that a page uses must be seen.
        let refused =
            |event: &&harness::Event| event.impersonated_user.is_none() || !event.is_forbidden();
        let asked: Vec<_> = asked.iter().filter(refused).cloned().collect();
        let findings = findings(&held, &asked);
        let of_no_page = |finding: &&String| finding.starts_with("never used: impersonate-on:");
        let (spared, wrong): (Vec<_>, Vec<_>) = findings.iter().partition(of_no_page);
        ensure!(wrong.is_empty(), "{wrong:#?}");
        let of = |right: &&Right| right.is_of_impersonation();
        let all = held.iter().flat_map(|role| &role.rights).filter(of).count();
        for verb in ["create", "patch", "delete"] {
            let on = format!("impersonate-on:user-info:{verb}");
            let mut rights = held.iter().flat_map(|role| &role.rights);
            ensure!(
                rights.any(|right| right.verb == on && asked.iter().any(|e| right.covers(e))),
                "nobody was seen to {verb}"
            );
        }
        println!(
            "{all} rights to act as a person, {} of them used by no page",
            spared.len()
        );
        Ok(())
    })
    .await
}
