//! The OpenAPI 3.1 document, made of the table of operations, in the reader's language.

use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, VARY};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::call;
use super::operation::{Answer, NAME, Operation, Verb};
use super::problem::Problem;
use super::{ROOT, operations, schemas};
use crate::attachments::content::Content;
use crate::i18n::Lang;

/// Gives the document. It says nothing of anybody's, so that tools may read it before they have a token.
pub async fn serve(headers: HeaderMap) -> Response {
    let kind = (CONTENT_TYPE, "application/json");
    let text = of(call::lang(&headers)).to_string();
    ([kind, (VARY, "accept-language")], text).into_response()
}

/// The document.
#[must_use]
pub fn of(lang: Lang) -> Value {
    let mut generator = schemas::of_answers();
    let mut paths = Map::new();
    for operation in operations() {
        let described = described(lang, operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[method(operation.verb)] = described;
    }
    paths.insert("/openapi.json".into(), of_itself(lang));
    let mut components = generator.take_definitions(true);
    components.insert("Problem".into(), problem());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": lang.t("api.title"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": lang.t("api.about"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": ROOT }],
        "security": [{ "token": [] }],
        "tags": tags(lang),
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": lang.t("api.security") },
            },
        },
    });
    schemas::told(&mut document);
    document
}

/// The groups of operations in the order of the table.
#[must_use]
pub fn groups() -> Vec<&'static str> {
    let mut groups = Vec::new();
    for operation in operations() {
        if !groups.contains(&operation.group) {
            groups.push(operation.group);
        }
    }
    groups
}

fn tags(lang: Lang) -> Value {
    let tag = |group: &&str| json!({ "name": group, "description": lang.t(&format!("api-group.{group}")) });
    groups().iter().map(tag).collect()
}

/// The word of a verb in the document.
#[must_use]
pub const fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
    }
}

fn described(lang: Lang, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let id = operation.id;
    let mut described = json!({
        "operationId": id,
        "tags": [operation.group],
        "summary": lang.t(&format!("api-op.{id}")),
        "description": lang.t(&format!("api-about.{id}")),
        "parameters": parameters(lang, operation),
        "responses": responses(lang, operation, generator),
    });
    if let Some(body) = operation.body {
        let example: Value = serde_json::from_str(body.example).unwrap_or_default();
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schemas::of_body(body.schema), "example": example } },
        });
    }
    described
}

fn parameters(lang: Lang, operation: &Operation) -> Value {
    let about = |name: &str| lang.t(&format!("api-param.{name}")).to_owned();
    let path = operation.names().map(|name| {
        let mut parameter = json!({
            "name": name, "in": "path", "required": true,
            "description": about(name),
            "schema": { "type": "string", "pattern": NAME, "maxLength": 253 },
        });
        if name == "tenant" {
            parameter["example"] = "zj-rsj".into();
        }
        parameter
    });
    let query = operation.query.iter().map(|param| {
        json!({ "name": param.name, "in": "query", "required": false, "description": about(param.name), "schema": param.schema() })
    });
    path.chain(query).collect()
}

fn responses(lang: Lang, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let (status, content) = match operation.answer {
        Answer::One(schema) => ("200", json(schema(generator).to_value())),
        Answer::Made(schema) => ("201", json(schema(generator).to_value())),
        Answer::Page(schema) => ("200", json(page_of(&schema(generator).to_value()))),
        Answer::File => ("200", files()),
    };
    let mut responses = Map::new();
    let mut good = json!({
        "description": lang.t(if status == "201" { "api.made" } else { "api.good" }),
        "headers": { "qipan-as-of": { "description": lang.t("api.as-of"), "schema": { "type": "string", "format": "date-time" } } },
        "content": content,
    });
    let links: Map<_, _> = operation
        .links
        .iter()
        .map(|link| {
            let with: Map<_, _> = link
                .with
                .iter()
                .map(|(k, v)| ((*k).into(), Value::from(*v)))
                .collect();
            (
                link.to.to_owned(),
                json!({ "operationId": link.to, "parameters": with }),
            )
        })
        .collect();
    if !links.is_empty() {
        good["links"] = links.into();
    }
    responses.insert(status.to_owned(), good);
    for status in problems(operation) {
        responses.insert(status.to_string(), refused(lang, *status));
    }
    responses.into()
}

/// Content of every kind that is taken.
fn files() -> Value {
    let kinds = Content::ALL.into_iter().map(Content::media_type);
    let binary = json!({ "schema": { "type": "string", "format": "binary" } });
    kinds
        .map(|kind| (kind.to_owned(), binary.clone()))
        .collect::<Map<_, _>>()
        .into()
}

/// The statuses by which an operation says no.
fn problems(operation: &Operation) -> &'static [u16] {
    match (operation.verb, operation.body.is_some()) {
        (Verb::Get, _) => &[400, 401, 404, 406, 500, 503],
        (Verb::Post, false) => &[400, 401, 403, 404, 406, 409, 500, 503],
        (Verb::Post, true) => &[400, 401, 403, 404, 406, 409, 413, 415, 422, 500, 503],
    }
}

fn refused(lang: Lang, status: u16) -> Value {
    let mut answer = json!({
        "description": lang.t(&format!("api-status.{status}")),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let header = match status {
        401 => Some("WWW-Authenticate"),
        503 => Some("Retry-After"),
        _ => None,
    };
    if let Some(header) = header {
        answer["headers"] = json!({ header: { "schema": { "type": "string" } } });
    }
    answer
}

fn page_of(item: &Value) -> Value {
    schemas::record(&[
        ("items", json!({ "type": "array", "items": item })),
        ("total", schemas::figure("How many there are in all.")),
        ("limit", schemas::figure("How many a page has.")),
        ("offset", schemas::figure("How many come before this page.")),
        (
            "asOf",
            schemas::moment(
                "When the hub answered last: what is read is as of then.",
                true,
            ),
        ),
        (
            "unasked",
            schemas::figure(
                "Units in which nobody has asked yet what the caller may see: until it is 0, more may be seen than is listed.",
            ),
        ),
    ])
    .to_value()
}

/// RFC 9457.
fn problem() -> Value {
    let text = schemas::text;
    let mut schema = schemas::record(&[
        ("type", json!({ "type": "string", "format": "uri", "description": "What kind of problem it is." })),
        ("title", text("The same, in words.")),
        ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599, "description": "The status code." })),
        ("detail", text("What happened, with the figures, in the caller's language.")),
        ("instance", text("The path that was called.")),
        ("requestId", text("The request, as in the log and the hub's audit log.")),
        ("reason", text("Why, as a word for programs: the same as in conditions.")),
    ])
    .to_value();
    let entry = json!({ "type": "object" });
    for (name, more) in [
        ("field", text("The field that it is about.")),
        (
            "params",
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": "The figures behind the reason." }),
        ),
        ("wayOut", text("What to do.")),
        (
            "problems",
            json!({ "type": "array", "items": entry, "description": "Everything that stands against an application." }),
        ),
    ] {
        schema["properties"][name] = more;
    }
    schema
}

fn of_itself(lang: Lang) -> Value {
    json!({ "get": {
        "operationId": "getDocument",
        "tags": ["everybody"],
        "summary": lang.t("api-op.getDocument"),
        "description": lang.t("api-about.getDocument"),
        "security": [],
        "responses": { "200": {
            "description": lang.t("api.good"),
            "content": { "application/json": { "schema": { "type": "object", "required": ["openapi"] } } },
        } },
    } })
}

/// Every problem that the API has of its own, for its page: key, status, title, what to do.
#[must_use]
pub fn own_problems(lang: Lang) -> Vec<(u16, &'static str, String)> {
    let worded = |(key, status): (&'static str, http::StatusCode)| {
        let title = lang.t(&format!("problem.{key}")).to_owned();
        (status.as_u16(), key, title)
    };
    Problem::own().map(worded).collect()
}
