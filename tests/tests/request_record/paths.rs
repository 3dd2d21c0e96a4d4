//! The paths: through the portal, by update, JSON patch, merge patch and server-side apply. Each lets the right entry in and
//! nothing else.

use super::*;

fn person(name: &str) -> User {
    User {
        name: name.to_owned(),
        groups: Vec::new(),
        post: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_portal_one_decides_as_oneself_and_the_portal_itself_never() -> Result<()> {
    let case = Case::submitted("portal").await?;
    let kubeconfig = hub_kubeconfig(case.testbed, "qipan-portal").await?;
    let cluster = Cluster::start(connect(Some(&kubeconfig)).await?);
    let of = |user: &str| -> Result<Api<ResourceRequest>> {
        let client = cluster.impersonated(&person(user), "r-record")?;
        Ok(Api::namespaced(client, HOME))
    };
    let forged = approval("sw-deputy", "UnitHead", None);
    case.refused(
        "as another",
        "it says 'sw-deputy', and sw-head writes it",
        append(&case, &of("sw-head")?, "decisions", forged),
    )
    .await?;
    let own = approval("lj-zsj", "UnitHead", None);
    case.refused(
        "out of turn",
        "lj-zsj may not decide for UnitHead",
        append(&case, &of("lj-zsj")?, "decisions", own),
    )
    .await?;
    let bare: Api<ResourceRequest> = Api::namespaced(client_from_file(&kubeconfig).await?, HOME);
    let own = approval("sw-head", "UnitHead", None);
    case.refused(
        "as the portal",
        "qipan-portal\" cannot patch",
        append(&case, &bare, "decisions", own.clone()),
    )
    .await?;
    append(&case, &of("sw-head")?, "decisions", own).await?;
    ensure!(case.decided_by().await? == ["sw-head"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_update_the_right_entry_goes_in_and_nothing_else() -> Result<()> {
    let case = Case::submitted("update").await?;
    let api = case.of("sw-head").await?;
    let post = PostParams::default();
    let mut other = api.get(&case.name).await?;
    other.spec.application.title = "十倍".into();
    case.refused(
        "another application",
        "may not change spec.application",
        api.replace(&case.name, &post, &other),
    )
    .await?;
    let mut right = api.get(&case.name).await?;
    let entry = approval("sw-head", "UnitHead", None);
    right.spec.decisions.push(serde_json::from_value(entry)?);
    let stale = right.clone();
    api.replace(&case.name, &post, &right).await?;
    ensure!(case.decided_by().await? == ["sw-head"]);
    // A stale tab sends what it had read: a conflict, and nothing twice.
    case.refused(
        "sent twice",
        "the object has been modified",
        api.replace(&case.name, &post, &stale),
    )
    .await?;
    // Nor what was read now, with the entry taken out.
    let mut blind = api.get(&case.name).await?;
    blind.spec.decisions.clear();
    case.refused(
        "overwritten",
        "may not remove, change or reorder entries of spec.decisions",
        api.replace(&case.name, &post, &blind),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_json_patch_entries_are_added_and_never_replaced_moved_or_removed() -> Result<()> {
    let case = Case::submitted("json-patch").await?;
    let api = case.of("sw-head").await?;
    append(
        &case,
        &api,
        "decisions",
        approval("sw-head", "UnitHead", None),
    )
    .await?;
    case.turn_of("PlatformOwner", Some("node")).await?;
    let first = "/spec/decisions/0";
    for (what, operation) in [
        ("removed", json!({ "op": "remove", "path": first })),
        (
            "replaced",
            json!({ "op": "replace", "path": format!("{first}/outcome"), "value": "Reject" }),
        ),
        (
            "put before",
            json!({ "op": "add", "path": first, "value": approval("sw-head", "UnitHead", None) }),
        ),
        (
            "moved",
            json!({ "op": "move", "from": first, "path": "/spec/opinions" }),
        ),
    ] {
        let answer = edit(&api, &case.name, json!([operation]));
        let words = if what == "moved" {
            "spec.opinions"
        } else if what == "put before" {
            // Equal entries: the list reads as one that was appended to, and it is not the unit head's turn.
            "it is the turn of PlatformOwner of node, not of UnitHead"
        } else {
            "may not remove, change or reorder entries of spec.decisions"
        };
        case.refused(what, words, answer).await?;
    }
    let owner = case.of("zj-zsj").await?;
    append(
        &case,
        &owner,
        "decisions",
        approval("zj-zsj", "PlatformOwner", Some("node")),
    )
    .await?;
    ensure!(case.decided_by().await? == ["sw-head", "zj-zsj"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_merge_patch_a_list_is_sent_whole_or_not_at_all() -> Result<()> {
    let case = Case::submitted("merge-patch").await?;
    let api = case.of("sw-head").await?;
    let first = approval("sw-head", "UnitHead", None);
    merge(&api, &case.name, json!({ "decisions": [first] })).await?;
    case.turn_of("PlatformOwner", Some("node")).await?;
    let owner = case.of("zj-zsj").await?;
    let second = approval("zj-zsj", "PlatformOwner", Some("node"));
    case.refused(
        "only one's own",
        "may not remove, change or reorder entries of spec.decisions",
        merge(&owner, &case.name, json!({ "decisions": [second] })),
    )
    .await?;
    case.refused(
        "null",
        "may not remove, change or reorder entries of spec.decisions",
        merge(&owner, &case.name, json!({ "decisions": null })),
    )
    .await?;
    merge(&owner, &case.name, json!({ "decisions": [first, second] })).await?;
    ensure!(case.decided_by().await? == ["sw-head", "zj-zsj"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_server_side_apply_force_takes_the_field_and_not_the_record() -> Result<()> {
    let case = Case::submitted("applied").await?;
    let head = case.of("sw-head").await?;
    let first = approval("sw-head", "UnitHead", None);
    apply(
        &head,
        &case.name,
        ("head", false),
        json!({ "decisions": [first] }),
    )
    .await?;
    case.turn_of("PlatformOwner", Some("node")).await?;
    let owner = case.of("zj-zsj").await?;
    let second = approval("zj-zsj", "PlatformOwner", Some("node"));
    let both = json!({ "decisions": [first, second] });
    case.refused(
        "another manager's field",
        "conflict with \"head\"",
        apply(&owner, &case.name, ("owner", false), both.clone()),
    )
    .await?;
    case.refused(
        "forced over it",
        "may not remove, change or reorder entries of spec.decisions",
        apply(
            &owner,
            &case.name,
            ("owner", true),
            json!({ "decisions": [second] }),
        ),
    )
    .await?;
    apply(&owner, &case.name, ("owner", true), both.clone()).await?;
    ensure!(case.decided_by().await? == ["sw-head", "zj-zsj"]);
    // The same manager leaves out what it had applied: an apply that would take it away.
    case.refused(
        "left out",
        "may not remove, change or reorder entries of spec.decisions",
        apply(&owner, &case.name, ("owner", true), json!({})),
    )
    .await?;
    // GitOps applies the request as it was submitted, without any decision: nothing changes, nobody is hindered.
    let submitted = application(&case.name)["spec"].clone();
    let officer = case.of("sw-officer").await?;
    apply(&officer, &case.name, ("gitops", true), submitted).await?;
    ensure!(case.decided_by().await? == ["sw-head", "zj-zsj"]);
    Ok(())
}
