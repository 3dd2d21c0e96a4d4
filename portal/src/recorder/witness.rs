//! An event of the hub's audit log, read for who did what. Pure.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::{Entry, Outcome, Via, groups_digest};
use crate::db::recorder::Witness;

/// What an event tells the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Who wrote a version of an object.
    Wrote(Witness),
    /// A write that the hub refused.
    Refused(Box<Entry>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI", default)]
    request_uri: String,
    user: Person,
    impersonated_user: Option<Person>,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Status,
    #[serde(default)]
    response_object: Value,
    stage_timestamp: Option<jiff::Timestamp>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    uid: String,
    api_group: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
    message: String,
}

/// Which accounts are Qipan's own programs.
#[derive(Clone, Debug)]
pub struct Programs {
    portal: String,
    operator: String,
}

impl Programs {
    /// The accounts of the chart in Qipan's namespace.
    #[must_use]
    pub fn of(namespace: &str) -> Self {
        let account = |name| format!("system:serviceaccount:{namespace}:{name}");
        Self {
            portal: account("qipan-portal"),
            operator: account("qipan-operator"),
        }
    }
}

/// What a line of the log tells; nothing where it is about something else or cannot be read.
#[must_use]
pub fn read(
    line: &str,
    programs: &Programs,
    kind_of: &dyn Fn(&str) -> Option<String>,
) -> Option<Told> {
    // Most lines are about other things: they are told apart before they are parsed.
    if !line.contains(crds::GROUP) {
        return None;
    }
    let event: Event = serde_json::from_str(line).ok()?;
    let object = event.object_ref.as_ref()?;
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    let about_us = object.api_group == crds::GROUP
        && event.stage == "ResponseComplete"
        && writes.contains(&event.verb.as_str())
        && !event.request_uri.contains("dryRun=All");
    if !about_us {
        return None;
    }
    let (person, acting_as, via) = who(&event, programs);
    match event.response_status.code {
        200..300 => {
            let metadata = &event.response_object["metadata"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let mut uid = text(&metadata["uid"]);
            if uid.is_empty() {
                uid = text(&event.response_object["details"]["uid"]);
            }
            if uid.is_empty() {
                uid.clone_from(&object.uid);
            }
            // A log without response objects cannot be joined: who did it stays unknown.
            (!uid.is_empty()).then(|| {
                Told::Wrote(Witness {
                    resource_version: text(&metadata["resourceVersion"]),
                    uid,
                    verb: event.verb.clone(),
                    username: person.username.clone(),
                    groups_digest: groups_digest(&person.groups),
                    acting_as,
                    via: via.word().to_owned(),
                    happened: happened(&event),
                    audit_id: event.audit_id.clone(),
                })
            })
        }
        // Not allowed, or not admitted.
        403 | 422 => Some(Told::Refused(Box::new(refusal(
            &event,
            object,
            (person, &acting_as, via),
            kind_of,
        )))),
        _ => None,
    }
}

/// The row of a write that was refused.
fn refusal(
    event: &Event,
    object: &ObjectRef,
    (person, acting_as, via): (&Person, &str, Via),
    kind_of: &dyn Fn(&str) -> Option<String>,
) -> Entry {
    let status = &event.response_status;
    Entry {
        happened: happened(event),
        actor: person.username.clone(),
        groups: groups_digest(&person.groups),
        via,
        verb: event.verb.clone(),
        kind: kind_of(&object.resource).unwrap_or_else(|| object.resource.clone()),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: object.uid.clone(),
        resource_version: String::new(),
        before: String::new(),
        after: json!({
            "code": status.code, "reason": status.reason, "message": status.message, "as": acting_as,
        })
        .to_string(),
        request_id: event.audit_id.clone(),
        outcome: Outcome::Refused,
        key: format!("hub/{}", event.audit_id),
    }
}

fn happened(event: &Event) -> i64 {
    event
        .stage_timestamp
        .map_or(0, jiff::Timestamp::as_microsecond)
}

/// Who is answerable, as whom they acted, and by which way. The portal acts for the person whom it names; anybody else who
/// impersonates is answerable themselves.
fn who<'a>(event: &'a Event, programs: &Programs) -> (&'a Person, String, Via) {
    let name = event.user.username.as_str();
    match &event.impersonated_user {
        Some(person) if name == programs.portal => (person, String::new(), Via::Portal),
        other => {
            let acting_as = other.as_ref().map(|person| person.username.clone());
            let via = if name == programs.operator {
                Via::Operator
            } else if name == programs.portal {
                Via::Portal
            } else if event.user_agent.starts_with("kubectl") {
                Via::Kubectl
            } else {
                Via::Api
            };
            (&event.user, acting_as.unwrap_or_default(), via)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: impl FnOnce(&mut Value)) -> Option<Told> {
        let mut event = json!({
            "auditID": "a-1", "stage": "ResponseComplete", "verb": "patch", "requestURI": "/apis/qipan.dev/v1alpha1/…",
            "user": { "username": "cs-owner", "groups": ["b", "a"] }, "userAgent": "kubectl/v1.36.3",
            "objectRef": { "resource": "tenantquotas", "namespace": "qp-cs", "name": "pei", "apiGroup": "qipan.dev" },
            "responseStatus": { "code": 200 }, "responseObject": { "metadata": { "uid": "u-1", "resourceVersion": "41" } },
            "stageTimestamp": "2026-11-22T10:00:00.000001Z",
        });
        change(&mut event);
        let kind = |plural: &str| (plural == "tenantquotas").then(|| "TenantQuota".to_owned());
        read(&event.to_string(), &Programs::of("qipan-system"), &kind)
    }

    fn wrote(change: impl FnOnce(&mut Value)) -> (String, String, String) {
        match told(change) {
            Some(Told::Wrote(witness)) => (witness.username, witness.acting_as, witness.via),
            other => panic!("{other:?}"),
        }
    }

    fn words(one: &str, two: &str, three: &str) -> (String, String, String) {
        (one.into(), two.into(), three.into())
    }

    #[test]
    fn the_person_is_named_by_whichever_way_they_came() {
        assert_eq!(wrote(|_| {}), words("cs-owner", "", "kubectl"));
        assert_eq!(
            wrote(|e| e["userAgent"] = json!("argocd")),
            words("cs-owner", "", "api")
        );
        let portal = "system:serviceaccount:qipan-system:qipan-portal";
        let by_portal = |e: &mut Value| {
            e["user"]["username"] = json!(portal);
            e["impersonatedUser"] = json!({ "username": "zj-owner" });
        };
        assert_eq!(wrote(by_portal), words("zj-owner", "", "portal"));
        let operator = "system:serviceaccount:qipan-system:qipan-operator";
        assert_eq!(
            wrote(|e| e["user"]["username"] = json!(operator)),
            words(operator, "", "operator")
        );
        // `kubectl --as`: who did it is who authenticated.
        let as_other = |e: &mut Value| e["impersonatedUser"] = json!({ "username": "zj-owner" });
        assert_eq!(wrote(as_other), words("cs-owner", "zj-owner", "kubectl"));
    }

    #[test]
    fn a_deletion_is_joined_by_the_uid_of_its_answer() {
        let deleted = told(|e| {
            e["verb"] = json!("delete");
            e["responseObject"] = json!({ "kind": "Status", "details": { "uid": "u-9" } });
        });
        let Some(Told::Wrote(witness)) = deleted else {
            panic!("{deleted:?}")
        };
        assert_eq!(
            (witness.uid.as_str(), witness.resource_version.as_str()),
            ("u-9", "")
        );
    }

    #[test]
    fn a_refusal_is_a_row_with_its_reason() {
        let refused = told(|e| {
            e["responseStatus"] =
                json!({ "code": 403, "reason": "Forbidden", "message": "no grant" });
        });
        let Some(Told::Refused(entry)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (entry.kind.as_str(), entry.outcome),
            ("TenantQuota", Outcome::Refused)
        );
        assert!(entry.after.contains("no grant") && entry.key == "hub/a-1");
    }

    #[test]
    fn what_changed_nothing_tells_nothing() {
        assert_eq!(told(|e| e["verb"] = json!("get")), None);
        assert_eq!(told(|e| e["stage"] = json!("ResponseStarted")), None);
        assert_eq!(told(|e| e["requestURI"] = json!("/x?dryRun=All")), None);
        assert_eq!(told(|e| e["responseStatus"]["code"] = json!(409)), None);
        assert_eq!(told(|e| e["objectRef"]["apiGroup"] = json!("apps")), None);
        assert_eq!(told(|e| drop(e["responseObject"].take())), None);
        assert_eq!(read("{\"qipan.dev\"", &Programs::of("x"), &|_| None), None);
    }
}
