use super::*;
use serde_json::{Value, json};

fn request(status: &Value, extra: &Value) -> ResourceRequest {
    let mut spec = json!({
        "classified": false, "applicant": "rsj-clerk",
        "application": {
            "type": "New", "environment": "Production", "title": "扩容", "justification": "j",
            "items": [{ "name": "app", "platform": "zj", "zone": "Extranet", "pool": "p", "resources": { "cpu": "2" } }],
        },
    });
    for (key, value) in extra.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": "kuorong", "namespace": "qp-renshe", "uid": "u-1" },
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn nobody() -> People<'static> {
    People {
        tenant: None,
        operations: &[],
    }
}

fn told(status: &Value, extra: &Value) -> Vec<(Topic, Vec<String>)> {
    let all = of_request(&request(status, extra), nobody());
    all.into_iter()
        .map(|told| {
            (
                told.topic,
                told.to.into_iter().map(|who| who.name).collect(),
            )
        })
        .collect()
}

fn stage(stage: &str, how: &str, since: Option<&str>) -> Value {
    let mut value = json!({
        "stage": stage, "rule": "Any", "workingDays": 3, "state": how,
        "approvers": [{ "kind": "Group", "name": format!("{}-group", stage.to_lowercase()) }],
    });
    if let Some(since) = since {
        value["since"] = json!(since);
    }
    value
}

#[test]
fn every_topic_has_one_row_and_somebody_who_hears_of_it() {
    for (topic, parts, _) in TABLE {
        assert!(!parts.is_empty(), "{topic:?}");
        let rows = TABLE.iter().filter(|(other, _, _)| *other == topic);
        assert_eq!(rows.count(), 1, "{topic:?}");
    }
}

#[test]
fn whose_turn_it_is_hears_of_it_and_whom_it_was_handed_on_to() {
    let status = json!({
        "phase": "Reviewing",
        "timeline": [
            { "kind": "Submitted", "at": "2026-11-02T01:00:00Z" },
            { "kind": "Delegation", "index": 0, "at": "2026-11-03T01:00:00Z" },
        ],
        "chain": [
            stage("UnitHead", "Approved", Some("2026-11-02T01:00:00Z")),
            stage("Authority", "Current", Some("2026-11-02T02:00:00Z")),
            stage("PlatformOwner", "Waiting", None),
        ],
    });
    let handed =
        json!({ "delegations": [{ "stage": "Authority", "by": "a", "to": "b", "reason": "r" }] });
    let authority = || vec!["authority-group".to_owned()];
    assert_eq!(
        told(&status, &json!({})),
        [
            (Topic::Submitted, vec!["rsj-clerk".to_owned()]),
            (Topic::Turn, authority()),
        ]
    );
    let told = told(&status, &handed);
    assert_eq!(
        told[1],
        (
            Topic::Turn,
            vec!["b".to_owned(), "authority-group".to_owned()]
        )
    );
    assert_eq!(told[2], (Topic::Turn, vec!["b".to_owned()]));
}

#[test]
fn a_return_its_answer_a_reminder_and_lateness_find_who_has_to_act() {
    let chain = json!([stage("UnitHead", "Current", Some("2026-11-02T02:00:00Z"))]);
    let status = json!({
        "phase": "Reviewing", "chain": chain,
        "clock": { "workingDays": 3, "used": 5, "left": -2 },
        "timeline": [
            { "kind": "Urging", "index": 0, "at": "2026-11-01T01:00:00Z" },
            { "kind": "Decision", "index": 0, "at": "2026-11-03T01:00:00Z" },
            { "kind": "Answer", "index": 0, "at": "2026-11-04T01:00:00Z" },
            { "kind": "Urging", "index": 1, "at": "2026-11-05T01:00:00Z" },
        ],
    });
    let spec = json!({ "decisions": [{ "stage": "UnitHead", "by": "h", "outcome": "Return", "comment": "c" }] });
    let heads = || vec!["unithead-group".to_owned()];
    assert_eq!(
        told(&status, &spec),
        [
            (Topic::Returned, vec!["rsj-clerk".to_owned()]),
            (Topic::Answered, heads()),
            (Topic::Urged, heads()),
            (Topic::Turn, heads()),
            (
                Topic::Overdue,
                vec!["rsj-clerk".to_owned(), "unithead-group".to_owned()]
            ),
        ],
        "the reminder of an earlier stage is not for these"
    );
}

#[test]
fn how_it_ended_is_told_to_who_asked_and_delivery_to_the_unit_as_well() {
    let tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "renshe" },
        "spec": { "displayName": { "zh": "人社局" }, "level": "City", "owners": [{ "kind": "Group", "name": "zhanjiang-rsj" }] },
    }))
    .unwrap();
    let status = json!({
        "phase": "Delivered",
        "outcome": { "decision": "Approve", "by": "x", "at": "2026-11-05T01:00:00Z" },
        "timeline": [{ "kind": "Delivered", "at": "2026-11-06T01:00:00Z" }],
    });
    let people = People {
        tenant: Some(&tenant),
        operations: &[],
    };
    let all = of_request(&request(&status, &json!({})), people);
    assert_eq!(all[0].topic, Topic::Delivered);
    assert_eq!(all[0].to.len(), 2, "{all:?}");
    assert_eq!(all[1].topic, Topic::Approved);
    assert_eq!(all[1].href, "/requests/renshe/kuorong");
    let causes: std::collections::BTreeSet<_> = all.iter().map(|told| &told.cause).collect();
    assert_eq!(causes.len(), all.len());
}

#[test]
fn a_fault_is_for_the_operations_provider_and_its_end_for_the_unit() {
    let operations = [Subject {
        kind: SubjectKind::Group,
        name: "ops".into(),
    }];
    let people = People {
        tenant: None,
        operations: &operations,
    };
    let order = |progress: Value| -> WorkOrder {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "WorkOrder",
            "metadata": { "name": "guzhang", "namespace": "qp-renshe", "uid": "w-1", "creationTimestamp": "2026-11-02T01:00:00Z" },
            "spec": { "purpose": "Fault", "title": "t", "platform": "zj", "due": "2026-11-03", "progress": progress },
        }))
        .unwrap()
    };
    let today = crds::words::Day("2026-11-04".parse().unwrap());
    let topics = |order: &WorkOrder| -> Vec<_> {
        let all = of_order(order, people, today);
        all.into_iter().map(|told| told.topic).collect()
    };
    assert_eq!(
        topics(&order(json!([]))),
        [Topic::OrderOpened, Topic::OrderOverdue]
    );
    let done = order(json!([{ "by": "o", "state": "Done" }]));
    assert_eq!(topics(&done), [Topic::OrderOpened, Topic::OrderDone]);
}

fn grant(reason: &str, until: &str) -> crds::TenantQuota {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota",
        "metadata": { "name": "prod", "namespace": "qp-renshe", "uid": "u-2" },
        "spec": { "platform": "zj", "zone": "Extranet", "pool": "p", "hard": {}, "namespaces": [], "lease": { "until": until } },
        "status": { "conditions": [{
            "type": "Current", "status": "False", "reason": reason, "lastTransitionTime": "2026-11-02T01:00:00Z",
            "params": { "until": until, "next": "2026-12-01" },
        }] },
    }))
    .unwrap()
}

fn unit() -> Tenant {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "renshe", "uid": "u-3" },
        "spec": { "displayName": { "zh": "人社局" }, "level": "City", "owners": [{ "kind": "User", "name": "o" }] },
        "status": { "budget": {
            "total": { "requests.cpu": "100", "requests.memory": "1000" },
            "granted": { "requests.cpu": "89", "requests.memory": "1000" },
        } },
    }))
    .unwrap()
}

#[test]
fn every_step_of_a_leases_end_is_told_to_the_units_managers_and_a_renewed_one_anew() {
    let unit = unit();
    let people = People {
        tenant: Some(&unit),
        operations: &[],
    };
    let mut causes = std::collections::BTreeSet::new();
    for (reason, topic) in [
        ("LeaseEnding", Topic::LeaseEnding),
        ("LeaseEnded", Topic::LeaseEnded),
        ("LeaseShrinking", Topic::LeaseShrinking),
        ("LeaseReleased", Topic::LeaseReleased),
    ] {
        for until in ["2026-11-20", "2027-11-20"] {
            let told = of_grant(&grant(reason, until), people).unwrap();
            assert_eq!((told.topic, told.reach), (topic, Reach::Everywhere));
            assert_eq!(told.to, [user("o")]);
            assert!(told.figures.contains(&("next", "2026-12-01".to_owned())));
            assert!(causes.insert(told.cause));
        }
    }
    assert_eq!(of_grant(&grant("LeaseRuns", "2027-11-20"), people), None);
}

#[test]
fn a_budget_is_told_of_at_its_thresholds_once_a_month() {
    let today = |day: &str| crds::words::Day(day.parse().unwrap());
    let causes = |percent, day| {
        let told = of_budgets(&unit(), &[], (percent, today(day)));
        told.into_iter().map(|told| told.cause).collect::<Vec<_>>()
    };
    let memory = "Tenant/u-3/budget-full/requests.memory/100/2026-11";
    assert_eq!(causes(90, "2026-11-24"), [memory]);
    assert_eq!(
        causes(80, "2026-11-25"),
        ["Tenant/u-3/budget-full/requests.cpu/80/2026-11", memory]
    );
    assert_ne!(causes(90, "2026-12-01"), causes(90, "2026-11-24"));
    let money = |fen: i64| crds::money_budget::Standing {
        annual: "100".parse().unwrap(),
        committed: "90".parse().unwrap(),
        asked: "0".parse().unwrap(),
        remains: fen,
        percent: 90,
        threshold: (fen < 2000).then_some(80),
        unpriced: 0,
    };
    let told = of_budgets(&unit(), &[(None, money(1000))], (100, today("2026-11-24")));
    assert_eq!(told.last().map(|told| told.topic), Some(Topic::MoneyFull));
    assert!(
        told.last()
            .unwrap()
            .figures
            .contains(&("threshold", "80".to_owned()))
    );
    let own = Some(crds::tenant_quota::FundingSource::OwnBudget);
    let both = [(None, money(3000)), (own, money(1000))];
    let told = of_budgets(&unit(), &both, (100, today("2026-11-24")));
    assert!(told.iter().all(|told| told.topic != Topic::MoneyFull));
    let last = told.last().unwrap();
    assert_eq!(last.cause, "Tenant/u-3/source-full/OwnBudget/80/2026-11");
}

#[test]
fn a_reminder_after_the_decision_is_for_those_who_have_the_work() {
    let status = json!({
        "phase": "Provisioning",
        "timeline": [
            { "kind": "Urging", "index": 0, "at": "2026-11-02T01:00:00Z" },
            { "kind": "Urging", "index": 1, "at": "2026-11-05T01:00:00Z" },
        ],
        "outcome": { "decision": "Approve", "by": "a", "at": "2026-11-03T01:00:00Z" },
        "chain": [stage("Authority", "Approved", Some("2026-11-02T01:00:00Z"))],
    });
    let operations = [user("ops")];
    let people = People {
        tenant: None,
        operations: &operations,
    };
    let all = of_request(&request(&status, &json!({})), people);
    let urged: Vec<_> = all
        .iter()
        .filter(|told| told.topic == Topic::Urged)
        .collect();
    assert_eq!(urged.len(), 1, "{urged:?}");
    assert_eq!(urged[0].to, operations);
    assert!(
        urged[0].href.starts_with("/requests/"),
        "nobody decides any more"
    );
}

#[test]
fn a_review_that_refuses_an_emergency_is_told_to_who_asked_and_the_units_managers() {
    let status = json!({ "phase": "Delivered", "conditions": [{
        "type": "Reviewed", "status": "False", "reason": "ReviewRejected", "lastTransitionTime": "2026-11-05T01:00:00Z",
    }] });
    let unit = unit();
    let people = People {
        tenant: Some(&unit),
        operations: &[],
    };
    let all = of_request(&request(&status, &json!({})), people);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].topic, Topic::ReviewRejected);
    assert_eq!(all[0].to, [user("o"), user("rsj-clerk")]);
}
