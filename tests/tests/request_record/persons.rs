//! The persons: who asked, who is asked for, robots, who runs platforms, administrators, who lost the role, who comes out of
//! turn or at the same moment.

use super::*;

const ROBOT: &str = "system:serviceaccount:qp-shuiwu:gitops";

/// Appends an approval as somebody, in the person's own name.
async fn approves(
    case: &Case,
    user: &str,
    (stage, of): (&str, Option<&str>),
) -> kube::Result<ResourceRequest> {
    let client = case.of(user).await;
    let api = client.map_err(|error| kube::Error::Service(error.into()))?;
    append(case, &api, "decisions", approval(user, stage, of)).await
}

const HEAD: (&str, Option<&str>) = ("UnitHead", None);

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_decides_nothing_although_it_holds_the_verb() -> Result<()> {
    let case = Case::submitted("robot").await?;
    case.refused("a robot", "is no person", approves(&case, ROBOT, HEAD))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identities_of_one_person_are_one_as_far_as_the_request_says() -> Result<()> {
    let unnamed = Case::submitted_by("two-identities-0", ROBOT, Some("sw-head")).await?;
    // Whoever lets a robot ask does not approve in person, and the robot does not either.
    unnamed
        .refused(
            "in person",
            "or is the one it is asked for",
            approves(&unnamed, "sw-head", HEAD),
        )
        .await?;
    unnamed
        .refused(
            "as the robot",
            "is no person",
            approves(&unnamed, ROBOT, HEAD),
        )
        .await?;
    // Nor hands it on to a friend.
    let api = unnamed.of("sw-head").await?;
    let friend =
        json!({ "stage": "UnitHead", "by": "sw-head", "to": "sw-friend", "reason": "出差" });
    unnamed
        .refused(
            "handed on",
            "sw-head may not hand UnitHead on to sw-friend",
            append(&unnamed, &api, "delegations", friend),
        )
        .await?;
    // A robot that names nobody is not let in at all.
    let api = unnamed.of(ROBOT).await?;
    let request: ResourceRequest = serde_json::from_value(application("two-identities-1"))?;
    unnamed
        .refused(
            "for nobody",
            "is a service account and names the person for whom it asks",
            api.create(&PostParams::default(), &request),
        )
        .await?;
    approves(&unnamed, "sw-deputy", HEAD).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applicant_does_not_approve_although_it_holds_the_verb() -> Result<()> {
    let case = Case::submitted("own").await?;
    case.refused(
        "one's own",
        "sw-officer asked for",
        approves(&case, "sw-officer", HEAD),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_role_since_opening_the_page_decides_no_more() -> Result<()> {
    let case = Case::submitted("lost-role").await?;
    let bindings: Api<RoleBinding> = Api::namespaced(case.admin.clone(), HOME);
    // Read, then taken away, then decided: the other role still lets the request be written.
    let opened = case.of("sw-leaver").await?.get(&case.name).await?;
    ensure!(
        opened
            .status
            .is_some_and(|s| s.stage == Some(crds::approval::Stage::UnitHead))
    );
    bindings.delete("leavers", &DeleteParams::default()).await?;
    let api = case.of("sw-leaver").await?;
    let entry = approval("sw-leaver", "UnitHead", None);
    // The authoriser hears of it within a moment; a dry run does not count.
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "spec": { "decisions": [entry] } }));
    eventually("the role is gone", SOON, async || {
        let answer = api.patch(&case.name, &dry, &patch).await;
        ensure!(answer.is_err(), "still let in");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    case.refused(
        "without the role",
        "sw-leaver may not decide for UnitHead",
        append(&case, &api, "decisions", entry),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_stage_and_another_platforms_owner_are_refused() -> Result<()> {
    let case = Case::submitted("wrong-stage").await?;
    for (user, stage, words) in [
        (
            "lj-zsj",
            HEAD,
            "lj-zsj may not decide for UnitHead on ResourceRequest qp-shuiwu/wrong-stage: that takes the verb approve-unithead",
        ),
        (
            "lj-zsj",
            ("Authority", None),
            "it is the turn of UnitHead, not of Authority",
        ),
        (
            "zj-zsj",
            ("PlatformOwner", Some("node")),
            "it is the turn of UnitHead, not of PlatformOwner of node",
        ),
        (
            "node-ops",
            ("Technical", None),
            "gives opinions and decides nothing",
        ),
    ] {
        case.refused(user, words, approves(&case, user, stage))
            .await?;
    }
    approves(&case, "sw-head", HEAD).await?;
    case.turn_of("PlatformOwner", Some("node")).await?;
    let other = approves(&case, "gd-zsj", ("PlatformOwner", Some("node")));
    case.refused(
        "another platform's owner",
        "gd-zsj may not decide for PlatformOwner of node",
        other,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_platforms_and_who_administers_the_cluster_decide_nothing() -> Result<()> {
    let case = Case::submitted("wildcard").await?;
    case.refused(
        "the provider",
        "node-ops may not decide",
        approves(&case, "node-ops", HEAD),
    )
    .await?;
    // The administrator of the testbed holds every verb there is.
    case.refused(
        "the administrator",
        "admin runs platforms or administers this cluster",
        approves(&case, "admin", HEAD),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_in_anothers_name_is_refused() -> Result<()> {
    let case = Case::submitted("forged-by").await?;
    let api = case.of("sw-deputy").await?;
    case.refused(
        "forged",
        "spec.decisions[].by is whoever writes it: it says 'sw-head', and sw-deputy writes it",
        append(
            &case,
            &api,
            "decisions",
            approval("sw-head", "UnitHead", None),
        ),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_there_stays_whoever_would_remove_it() -> Result<()> {
    let case = Case::submitted("removed").await?;
    approves(&case, "sw-head", HEAD).await?;
    for user in ["sw-head", "sw-officer", "zj-zsj", "admin"] {
        let api = case.of(user).await?;
        let none = merge(&api, &case.name, json!({ "decisions": [] }));
        case.refused(user, "(1 there, 0 sent): entries are only appended", none)
            .await?;
    }
    let all: Api<ResourceRequest> = Api::namespaced(case.admin.clone(), HOME);
    case.refused(
        "deleted",
        "what holds capacity or was decided stays on record",
        all.delete(&case.name, &DeleteParams::default()),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_in_one_write_are_refused() -> Result<()> {
    let case = Case::submitted("two-at-once").await?;
    let api = case.of("sw-head").await?;
    let entry = approval("sw-head", "UnitHead", None);
    case.refused(
        "two of one list",
        "2 entries at once in spec.decisions",
        merge(&api, &case.name, json!({ "decisions": [entry, entry] })),
    )
    .await?;
    let both = json!({ "decisions": [entry], "urgings": [{ "by": "sw-head" }] });
    case.refused(
        "one of two lists",
        "2 entries at once in spec.decisions, spec.urgings",
        merge(&api, &case.name, both),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_approvers_at_the_same_moment_one_counts() -> Result<()> {
    let case = Case::submitted("same-moment").await?;
    let (head, deputy) = (case.of("sw-head").await?, case.of("sw-deputy").await?);
    let decided = |by: &str| json!([{ "op": "add", "path": "/spec/decisions", "value": [approval(by, "UnitHead", None)] }]);
    let (first, second) = tokio::join!(
        edit(&head, &case.name, decided("sw-head")),
        edit(&deputy, &case.name, decided("sw-deputy")),
    );
    let refused: Vec<_> = [&first, &second]
        .into_iter()
        .filter_map(|a| a.as_ref().err())
        .collect();
    ensure!(refused.len() == 1, "{first:?}\n{second:?}");
    ensure!(case.decided_by().await?.len() == 1);
    // Whoever appends to what the other wrote is told that it was written a moment ago.
    let late = if first.is_ok() {
        "sw-deputy"
    } else {
        "sw-head"
    };
    case.refused("the late one", "was written by somebody else a moment ago (generation 2, and status is of 1). Look at it again", approves(&case, late, HEAD)).await
}
