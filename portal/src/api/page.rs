//! `/api`: the API described for people, drawn on the server from the same document that programs read. No viewer is embedded:
//! those that are widely used need styles or scripts that the policy of our pages refuses.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::Value;

use super::{DOCUMENT, ROOT, document};
use crate::error::AppError;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;

/// An operation as it is shown.
struct Shown {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: String,
    parameters: Vec<Parameter>,
    body: Option<String>,
    answer: String,
    statuses: Vec<(String, String)>,
    curl: String,
}

/// A parameter as it is shown.
struct Parameter {
    name: String,
    place: &'static str,
    says: String,
    about: String,
}

/// Operations that belong together.
struct Group {
    id: String,
    word: String,
    operations: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "api.html")]
struct Api {
    p: Page,
    groups: Vec<Group>,
    schemas: Vec<(String, String)>,
    problems: Vec<(u16, &'static str, String)>,
    document: &'static str,
    first: String,
}

/// The page.
///
/// # Errors
/// The hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let origin = visit.state.origin.as_deref().unwrap_or("http://$PORTAL");
    let document = document::of(lang);
    let groups = document::groups().into_iter().map(|group| Group {
        id: group.to_owned(),
        word: lang.t(&format!("api-group.{group}")).to_owned(),
        operations: operations(lang, origin, &document, group),
    });
    let title = lang.t("api.title");
    let html = Api {
        p: visit
            .page(&visible, title.to_owned())
            .under(&[(lang.t("nav.overview"), "/")], title),
        groups: groups.collect(),
        schemas: definitions(&document),
        problems: document::own_problems(lang),
        document: DOCUMENT,
        first: format!("curl -H \"Authorization: Bearer $TOKEN\" {origin}{ROOT}/me"),
    };
    Ok(Html(html.render()?).into_response())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn definitions(document: &Value) -> Vec<(String, String)> {
    let schemas = document["components"]["schemas"].as_object();
    let schemas = schemas.into_iter().flatten();
    schemas
        .map(|(name, schema)| (name.clone(), pretty(schema)))
        .collect()
}

fn operations(lang: Lang, origin: &str, document: &Value, group: &str) -> Vec<Shown> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path, method, operation))
    });
    let of_group = all.filter(|(_, _, operation)| operation["tags"][0] == group);
    of_group
        .map(|(path, method, operation)| shown(lang, origin, (path, method), operation))
        .collect()
}

fn shown(lang: Lang, origin: &str, (path, method): (&str, &str), operation: &Value) -> Shown {
    let content = &operation["requestBody"]["content"]["application/json"];
    let example = if content["example"].is_null() {
        String::new()
    } else {
        pretty(&content["example"])
    };
    let responses = operation["responses"].as_object().into_iter().flatten();
    let good = responses
        .clone()
        .find(|(status, _)| status.starts_with('2'));
    let answer = good.map(|(_, answer)| &answer["content"]["application/json"]["schema"]);
    Shown {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: format!("{ROOT}{path}"),
        summary: text(&operation["summary"]),
        about: text(&operation["description"]),
        parameters: parameters(lang, operation),
        body: (!content.is_null()).then(|| pretty(&content["schema"])),
        answer: answer.map(pretty).unwrap_or_default(),
        statuses: responses
            .map(|(status, answer)| (status.clone(), text(&answer["description"])))
            .collect(),
        curl: curl(origin, (path, method), &example),
    }
}

fn parameters(lang: Lang, operation: &Value) -> Vec<Parameter> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let shown = all.map(|parameter| Parameter {
        name: text(&parameter["name"]),
        place: if parameter["in"] == "path" {
            lang.find("api.in.path").unwrap_or("path")
        } else {
            lang.find("api.in.query").unwrap_or("query")
        },
        says: says(&parameter["schema"]),
        about: text(&parameter["description"]),
    });
    shown.collect()
}

/// What a parameter may say, in the words of its schema.
fn says(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return words.join(" | ");
    }
    let kind = text(&schema["type"]);
    match (&schema["format"], &schema["minimum"], &schema["maximum"]) {
        (Value::String(format), _, _) => format.clone(),
        (_, Value::Number(least), Value::Number(most)) => format!("{kind} {least}..{most}"),
        _ => kind,
    }
}

/// What one types to call it.
fn curl(origin: &str, (path, method): (&str, &str), example: &str) -> String {
    let token = if path == "/openapi.json" {
        ""
    } else {
        " -H \"Authorization: Bearer $TOKEN\""
    };
    let address = format!("\"{origin}{ROOT}{path}\"");
    if method == "get" {
        return format!("curl{token} {address}");
    }
    if example.is_empty() {
        return format!("curl -X POST{token} {address}");
    }
    let body = example.replace('\'', "'\\''");
    format!(
        "curl -X POST{token} -H \"Content-Type: application/json\" \\\n  {address} \\\n  -d '{body}'"
    )
}
