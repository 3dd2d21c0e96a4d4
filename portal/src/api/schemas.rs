//! Schemas: those of the kinds are their own (`crds`), so that the API, the CRDs and `kubectl explain` say the same of a field.
//!
//! Not utoipa: it would have every field of every kind described a second time, beside `schemars`, from which the CRDs are made.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::operation::{NAME, SchemaOf};
use super::problem::Problem;

/// Where the schemas of answers stand in the document.
const PLACE: &str = "/components/schemas";

/// What makes the schemas of answers: each type once, by its name.
#[must_use]
pub fn of_answers() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = PLACE.into();
        settings.meta_schema = None;
    });
    settings.for_serialize().into_generator()
}

/// The schema of a body, whole, and closed: what it does not name is refused.
#[must_use]
pub fn of_body(schema: SchemaOf) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut generator = settings.for_deserialize().into_generator();
    let mut value = schema(&mut generator).to_value();
    told(&mut value);
    close(&mut value);
    value
}

/// What Kubernetes says of an amount, said so that others understand it.
pub fn told(value: &mut Value) {
    match value {
        Value::Object(schema) => {
            if schema.contains_key("x-kubernetes-int-or-string") && !schema.contains_key("type") {
                schema.insert("type".into(), json!(["string", "integer"]));
                schema.insert("minimum".into(), 0.into());
            }
            schema.retain(|name, _| !name.starts_with("x-kubernetes-"));
            schema.values_mut().for_each(told);
        }
        Value::Array(all) => all.iter_mut().for_each(told),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close(value: &mut Value) {
    match value {
        Value::Object(schema) => {
            if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
                schema.insert("additionalProperties".into(), false.into());
            }
            schema.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Refuses a body that says something that its schema does not name.
///
/// # Errors
/// The path of what is not known.
pub fn nothing_unknown(body: &Value, schema: &Value) -> Result<(), Problem> {
    let Some(field) = unknown(body, schema, "body") else {
        return Ok(());
    };
    Err(Problem::of("unknown-field")
        .field(&field)
        .with("field", &field))
}

/// The alternatives of a schema, and itself.
fn faces(schema: &Value) -> Vec<&Value> {
    let others = ["anyOf", "oneOf", "allOf"].into_iter();
    let others = others.filter_map(|name| schema.get(name)?.as_array());
    std::iter::once(schema)
        .chain(others.flatten().flat_map(faces))
        .collect()
}

fn unknown(value: &Value, schema: &Value, path: &str) -> Option<String> {
    let faces = faces(schema);
    match value {
        Value::Object(fields) => {
            let known = |name: &str| {
                let mut named = faces.iter();
                named.find_map(|face| face.get("properties")?.get(name))
            };
            let any = faces.iter().find_map(|face| {
                face.get("additionalProperties")
                    .filter(|more| more.is_object())
            });
            let is_closed = faces.iter().any(|face| face.get("properties").is_some());
            fields.iter().find_map(|(name, inner)| {
                let path = format!("{path}.{name}");
                match known(name).or(any) {
                    Some(schema) => unknown(inner, schema, &path),
                    None => is_closed.then_some(path),
                }
            })
        }
        Value::Array(entries) => {
            let items = faces.iter().find_map(|face| face.get("items"))?;
            let mut entries = entries.iter().enumerate();
            entries.find_map(|(index, entry)| unknown(entry, items, &format!("{path}[{index}]")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// An object of a kind, as the API shows it.
#[must_use]
pub fn object<S: JsonSchema, T: JsonSchema>(
    generator: &mut SchemaGenerator,
    of_unit: bool,
) -> Schema {
    let (spec, status) = (
        generator.subschema_for::<S>(),
        generator.subschema_for::<T>(),
    );
    let mut required = vec!["name", "uid", "revision", "created", "spec", "status"];
    let mut properties = BTreeMap::from([
        ("name", name("Its name, as in Kubernetes.")),
        (
            "uid",
            json!({ "type": ["string", "null"], "description": "What tells it from another of the same name." }),
        ),
        (
            "revision",
            json!({ "type": ["string", "null"], "description": "Its resourceVersion." }),
        ),
        ("created", moment("When it was made.", true)),
        ("spec", spec.to_value()),
        (
            "status",
            json!({ "anyOf": [status, { "type": "null" }], "description": "What the operator says of it; null while it has said nothing: unknown." }),
        ),
    ]);
    if of_unit {
        required.push("tenant");
        properties.insert("tenant", name("The unit that it belongs to."));
    }
    json_schema!({ "type": "object", "required": required, "properties": properties })
}

/// Whatever it is.
#[must_use]
pub fn anything(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

/// A name in an answer.
#[must_use]
pub fn name(about: &str) -> Value {
    json!({ "type": "string", "pattern": NAME, "description": about })
}

/// A moment in an answer.
#[must_use]
pub fn moment(about: &str, may_be_unknown: bool) -> Value {
    let kind = if may_be_unknown {
        json!(["string", "null"])
    } else {
        json!("string")
    };
    json!({ "type": kind, "format": "date-time", "description": about })
}

/// An object with these fields, all of which are always there.
#[must_use]
pub fn record(fields: &[(&str, Value)]) -> Schema {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json_schema!({ "type": "object", "required": required, "properties": properties })
}

/// Text, with its meaning.
#[must_use]
pub fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

/// A count, with its meaning.
#[must_use]
pub fn figure(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::resource_request::Application;

    #[test]
    fn what_a_body_does_not_name_is_found_by_its_path() {
        let schema = of_body(SchemaGenerator::subschema_for::<Application>);
        let good = json!({ "title": "a", "items": [{ "name": "b", "parameters": { "any": "c" } }], "project": { "name": "d" } });
        assert_eq!(unknown(&good, &schema, "body"), None);
        for (path, wrong) in [
            (
                "body.items[0].colour",
                json!({ "items": [{ "colour": 1 }] }),
            ),
            ("body.project.colour", json!({ "project": { "colour": 1 } })),
            ("body.Title", json!({ "Title": "a" })),
        ] {
            assert_eq!(unknown(&wrong, &schema, "body").as_deref(), Some(path));
        }
    }

    #[test]
    fn a_body_is_whole_and_closed_and_says_nothing_that_only_kubernetes_knows() {
        let schema = of_body(SchemaGenerator::subschema_for::<Application>);
        let text = schema.to_string();
        assert!(
            !text.contains("$ref") && !text.contains("x-kubernetes"),
            "{text}"
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
