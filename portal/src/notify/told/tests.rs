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
