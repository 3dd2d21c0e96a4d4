//! What the ledger knows of an object, and what differs between two states of it. Pure.
//!
//! Spec, decisions (they are in the spec), labels and annotations, the phase and outcome, and of each condition its status
//! and reason: not `used`, no timestamps, no figures in messages, which change all the time and decide nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Annotations that repeat the object.
const REPEATS: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What is known of the status beside its conditions.
const OF_STATUS: [&str; 5] = ["phase", "outcome", "delivery", "holds", "activePlacement"];

/// What the ledger knows of an object.
#[must_use]
pub fn state(object: &Value) -> Value {
    let mut state = Map::new();
    let mut keep = |key: &str, value: Value| {
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            state.insert(key.to_owned(), value);
        }
    };
    keep("spec", object["spec"].clone());
    keep("labels", object["metadata"]["labels"].clone());
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(all) = annotations.as_object_mut() {
        all.remove(REPEATS);
    }
    keep("annotations", annotations);
    if !object["metadata"]["deletionTimestamp"].is_null() {
        keep("deleting", json!(true));
    }
    let mut status = Map::new();
    for key in OF_STATUS {
        if !object["status"][key].is_null() {
            status.insert(key.to_owned(), object["status"][key].clone());
        }
    }
    let conditions = conditions(&object["status"]["conditions"]);
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), Value::Object(conditions));
    }
    keep("status", Value::Object(status));
    Value::Object(state)
}

/// Conditions by type, as `status reason`.
fn conditions(list: &Value) -> Map<String, Value> {
    let word =
        |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    list.as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            let words = format!(
                "{} {}",
                word(condition, "status"),
                word(condition, "reason")
            );
            (
                word(condition, "type"),
                Value::String(words.trim().to_owned()),
            )
        })
        .collect()
}

/// What was at each place that differs, and what is: JSON pointers (RFC 6901) to values; a place that one side does not
/// have is absent there.
pub type Difference = (BTreeMap<String, Value>, BTreeMap<String, Value>);

/// What differs between two states.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Difference {
    let mut found = Difference::default();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Difference) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in old
                .keys()
                .chain(new.keys().filter(|key| !old.contains_key(*key)))
            {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                compare(
                    &format!("{path}/{escaped}"),
                    old.get(key),
                    new.get(key),
                    found,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                compare(
                    &format!("{path}/{index}"),
                    old.get(index),
                    new.get(index),
                    found,
                );
            }
        }
        (before, after) => {
            found
                .0
                .extend(before.map(|value| (path.to_owned(), value.clone())));
            found
                .1
                .extend(after.map(|value| (path.to_owned(), value.clone())));
        }
    }
}

/// Whether only the status differs: then it was reported, not asked for.
#[must_use]
pub fn is_of_status((before, after): &Difference) -> bool {
    before
        .keys()
        .chain(after.keys())
        .all(|path| path.starts_with("/status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(cpu: &str, used: &str, ready: &str) -> Value {
        json!({
            "metadata": {
                "name": "pei", "resourceVersion": used, "generation": 2,
                "annotations": { REPEATS: cpu, "qipan.dev/project": "a/b" },
            },
            "spec": { "hard": { "cpu": cpu }, "decisions": [{ "by": "cs-approver" }] },
            "status": {
                "used": { "cpu": used }, "phase": "Delivered",
                "conditions": [{ "type": "Ready", "status": ready, "reason": "InForce", "lastTransitionTime": used, "message": used }],
            },
        })
    }

    #[test]
    fn figures_and_times_are_no_change() {
        assert_eq!(
            state(&grant("4", "1", "True")),
            state(&grant("4", "3", "True"))
        );
    }

    #[test]
    fn a_change_is_told_by_its_places() {
        let (before, after) = difference(
            &state(&grant("4", "1", "True")),
            &state(&grant("8", "1", "True")),
        );
        assert_eq!(before, [("/spec/hard/cpu".to_owned(), json!("4"))].into());
        assert_eq!(after, [("/spec/hard/cpu".to_owned(), json!("8"))].into());
        let condition = difference(
            &state(&grant("4", "1", "True")),
            &state(&grant("4", "1", "False")),
        );
        assert_eq!(
            condition.1,
            [(
                "/status/conditions/Ready".to_owned(),
                json!("False InForce")
            )]
            .into()
        );
        assert!(is_of_status(&condition) && !is_of_status(&(before, after)));
    }

    #[test]
    fn what_was_added_or_taken_away_is_on_one_side_only() {
        let (before, after) = difference(
            &json!({ "a/b": [1, 2], "c": 1 }),
            &json!({ "a/b": [1], "d": {} }),
        );
        assert_eq!(
            before,
            [
                ("/a~1b/1".to_owned(), json!(2)),
                ("/c".to_owned(), json!(1))
            ]
            .into()
        );
        assert_eq!(after, [("/d".to_owned(), json!({}))].into());
    }
}
