//! Which policies a member must have, and whether it has them as they were written.

use serde_json::Value;

/// The manifest that a member's administrator applies: the same text that the chart ships.
pub const MANIFEST: &str = include_str!("../../../charts/qipan/files/member.yaml");

/// The admission policies and bindings of the manifest: kind, name, spec.
#[must_use]
pub fn expected() -> Vec<(String, String, Value)> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(MANIFEST)
        .filter_map(|document| Value::deserialize(document).ok())
        .filter_map(|object| {
            let kind = object.get("kind")?.as_str()?.to_owned();
            let name = object.pointer("/metadata/name")?.as_str()?.to_owned();
            kind.starts_with("ValidatingAdmissionPolicy")
                .then(|| (kind, name, object.get("spec").cloned().unwrap_or_default()))
        })
        .collect()
}

/// The expected objects that `found` lacks or has otherwise; `found` gives an object's spec by kind and name.
#[must_use]
pub fn missing<'a>(
    expected: &[(String, String, Value)],
    found: impl Fn(&str, &str) -> Option<&'a Value>,
) -> Vec<String> {
    expected
        .iter()
        .filter(|(kind, name, spec)| found(kind, name).is_none_or(|there| !within(spec, there)))
        .map(|(kind, name, _)| format!("{kind}/{name}"))
        .collect()
}

/// Whether everything that `wanted` states stands in `there`; the API server adds defaults.
fn within(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().all(|(key, value)| {
            there
                .get(key)
                .map_or(empty(value), |there| within(value, there))
        }),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted
                    .iter()
                    .zip(there)
                    .all(|(wanted, there)| within(wanted, there))
        }
        (Value::String(wanted), Value::String(there)) => wanted.trim() == there.trim(),
        (wanted, there) => wanted == there,
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_may_be_added_and_nothing_else_changed() {
        let wanted = vec![(
            "P".to_owned(),
            "n".to_owned(),
            json!({"a": [{"b": 1}], "c": {}}),
        )];
        assert!(
            missing(&wanted, |_, _| Some(Box::leak(Box::new(
                json!({"a": [{"b": 1, "d": 2}]})
            ))))
            .is_empty()
        );
        assert_eq!(
            missing(&wanted, |_, _| Some(Box::leak(Box::new(
                json!({"a": [{"b": 2}]})
            )))),
            ["P/n"]
        );
        assert_eq!(missing(&wanted, |_, _| None), ["P/n"]);
    }

    #[test]
    fn the_manifest_has_policies_and_a_binding_for_each() {
        let expected = expected();
        let names = |kind: &str| expected.iter().filter(|(k, ..)| k == kind).count();
        assert!(names("ValidatingAdmissionPolicy") >= 4);
        assert_eq!(
            names("ValidatingAdmissionPolicy"),
            names("ValidatingAdmissionPolicyBinding")
        );
    }
}
