//! Roles as sets of what they allow, so that two of them can be compared however they are written.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a role allows: group, resource, name (`*` for all), verb.
pub(crate) type Allowed = BTreeSet<(String, String, String, String)>;

/// What the rules of a role allow.
pub(crate) fn allowed(role: &Value) -> Allowed {
    let mut all = Allowed::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let names = words(&rule["resourceNames"]);
        let names = if names.is_empty() {
            vec!["*".to_owned()]
        } else {
            names
        };
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for name in &names {
                    for verb in words(&rule["verbs"]) {
                        all.insert((group.clone(), resource.clone(), name.clone(), verb));
                    }
                }
            }
        }
    }
    all
}

fn words(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str().map(ToOwned::to_owned))
        .collect()
}
