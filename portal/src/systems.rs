//! Information systems: the list of those that a person may see, and the page of one with what it has and what was asked for it.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Response};
use crds::InformationSystem;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::cluster::Kind;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::objects::{self, AsCode};
use crate::page::Page;
use crate::platforms::Fact;
use crate::requests::{self, words};
use crate::views::order::{Key, order};
use crate::views::slice::Slice;
use crate::views::{self, Bar, SYSTEMS, query};

/// Rows of a page of the list.
const ROWS: usize = 50;

/// A system in the list.
struct Row {
    href: String,
    name: String,
    id: String,
    tenant: String,
    owner: String,
    category: &'static str,
    hosting: &'static str,
    level: String,
    /// The same as a number.
    grade: Option<u8>,
    namespaces: usize,
}

#[derive(Template)]
#[template(path = "systems.html")]
struct List {
    p: Page,
    rows: Vec<Row>,
    q: String,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
    csv: String,
    bar: Bar,
}

/// A namespace that a system has.
struct Leaf {
    namespace: String,
    platform: String,
    zone: &'static str,
    grant: String,
    href: String,
}

/// A request that was made for it.
struct Asked {
    href: String,
    title: String,
    phase: &'static str,
}

#[derive(Template)]
#[template(path = "system.html")]
struct One {
    p: Page,
    facts: Vec<Fact>,
    leaves: Vec<Leaf>,
    asked: Vec<Asked>,
    code: AsCode,
}

/// The systems that a person may list, everywhere or unit by unit.
///
/// # Errors
/// The hub gives no answer.
pub async fn visible(visit: &Visit) -> Result<Vec<Arc<InformationSystem>>, AppError> {
    let all = visit.state.cluster.systems();
    visit.listed(Kind::InformationSystem, all).await
}

fn tenant(system: &InformationSystem) -> String {
    let namespace = system.namespace().unwrap_or_default();
    tenant_of_namespace(&namespace)
        .unwrap_or_default()
        .to_owned()
}

/// The address of a system's page.
#[must_use]
pub fn href(tenant: &str, name: &str) -> String {
    format!("/tenants/{tenant}/systems/{name}")
}

fn word(lang: Lang, key: &str) -> &'static str {
    lang.find(key).unwrap_or("")
}

/// The namespaces that a system has, in the grants that the person may see.
fn leaves(lang: Lang, visible: &Visible, tenant: &str, system: &str) -> Vec<Leaf> {
    let grants = visible.grants_of(tenant).iter();
    let leaves = grants.flat_map(|grant| {
        let of_system =
            |leaf: &&crds::tenant_quota::LeafSpec| leaf.system.as_deref() == Some(system);
        let spec = &grant.spec;
        let leaves = spec.namespaces.iter().filter(of_system);
        leaves.map(move |leaf| Leaf {
            namespace: format!("{tenant}-{}", leaf.name),
            platform: visible.names.platform(lang, &spec.platform).to_owned(),
            zone: words::zone(lang, spec.zone),
            grant: grant.name_any(),
            href: format!("/tenants/{tenant}#grant-{}", grant.name_any()),
        })
    });
    leaves.collect()
}

fn row(lang: Lang, visible: &Visible, system: &InformationSystem) -> Row {
    let (spec, id, tenant) = (&system.spec, system.name_any(), tenant(system));
    Row {
        href: href(&tenant, &id),
        name: spec.display_name.in_language(lang.code()).to_owned(),
        owner: spec.owner.clone(),
        category: word(lang, &format!("system-category.{:?}", spec.category)),
        hosting: word(lang, &format!("hosting.{:?}", spec.hosting)),
        level: level(lang, spec.mlps_level),
        grade: spec.mlps_level,
        namespaces: leaves(lang, visible, &tenant, &id).len(),
        tenant: visible.names.tenant(lang, &tenant).to_owned(),
        id,
    }
}

fn level(lang: Lang, level: Option<u8>) -> String {
    match level {
        Some(level) => lang.say("figure.level", &[("n", &level.to_string())]),
        None => lang.t("mlps.none").to_owned(),
    }
}

/// The rows that an address asks for.
async fn rows(visit: &Visit, visible_: &Visible) -> Result<Vec<Row>, AppError> {
    let lang = visit.reader.lang;
    let q = visit.reader.parameter("q").to_lowercase();
    let systems = visible(visit).await?;
    let mut rows: Vec<_> = systems
        .iter()
        .map(|system| row(lang, visible_, system))
        .collect();
    rows.retain(|row| {
        let text = [&row.name, &row.id, &row.tenant, &row.owner];
        q.is_empty() || text.iter().any(|text| text.to_lowercase().contains(&q))
    });
    rows.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
    let asked = query::Asked::of(&SYSTEMS, &visit.reader.query);
    order(&mut rows, &asked, |row, column| match column {
        "name" => Key::text(&row.name),
        "tenant" => Key::text(&row.tenant),
        "owner" => Key::text(&row.owner),
        "namespaces" => Key::Number(row.namespaces as i128),
        _ => row
            .grade
            .map_or(Key::Nothing, |level| Key::Number(level.into())),
    });
    Ok(rows)
}

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &SYSTEMS).await {
        return Ok(way);
    }
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let rows = rows(&visit, &visible).await?;
    let total = rows.len();
    let page = visit.reader.parameter("page").parse().unwrap_or(1);
    let slice = Slice::of(lang, total, ROWS, page);
    let ungraded = rows
        .iter()
        .filter(|row| row.level == lang.t("mlps.none"))
        .count();
    let key = match (total, ungraded) {
        (0, _) => "systems.title.none",
        (_, 0) => "systems.title.graded",
        _ => "systems.title",
    };
    let (count, ungraded) = (total.to_string(), ungraded.to_string());
    let title = lang.say(key, &[("n", &count), ("ungraded", &ungraded)]);
    let bar = Bar::of(&visit, &SYSTEMS).await;
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.tenants"), "/tenants"),
    ];
    let html = List {
        p: visit
            .page(&visible, title)
            .under(&above, lang.t("nav.systems")),
        rows: rows.into_iter().skip(slice.from).take(ROWS).collect(),
        q: visit.reader.parameter("q"),
        shown: slice.shown,
        previous: slice.previous.map(|page| bar.asked.page(page)),
        next: slice.next.map(|page| bar.asked.page(page)),
        csv: bar.asked.with("/systems.csv", &[]),
        bar,
    };
    Ok(Html(html.render()?).into_response())
}

/// The list as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let rows = rows(&visit, &visible).await?.into_iter().map(|row| {
        let namespaces = row.namespaces.to_string();
        vec![
            row.name,
            row.id,
            row.tenant,
            row.owner,
            row.category.to_owned(),
            row.hosting.to_owned(),
            row.level,
            namespaces,
        ]
    });
    let head = [
        "field.system",
        "table.id",
        "table.tenant",
        "field.system-owner",
        "field.system-category",
        "field.system-hosting",
        "field.mlps",
        "table.namespaces",
    ];
    let table = Table {
        file: "systems",
        head: &head.map(|key| lang.t(key)),
        rows: &rows.collect::<Vec<_>>(),
        sensitive: false,
    };
    export::table(&visit, table)
}

async fn find(visit: &Visit, tenant: &str, name: &str) -> Result<Arc<InformationSystem>, AppError> {
    let namespace = tenant_namespace(tenant);
    let mut systems = visible(visit).await?.into_iter();
    let found = systems.find(|system| {
        system.name_any() == name && system.namespace().as_deref() == Some(&namespace)
    });
    found.ok_or(AppError::NoPage)
}

/// One system.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn page(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let (visible_, lang) = (visit.visible().await?, visit.reader.lang);
    let system = find(&visit, &tenant, &name).await?;
    let row = row(lang, &visible_, &system);
    let facts = [
        ("table.id", row.id.clone()),
        ("table.tenant", row.tenant.clone()),
        ("field.system-owner", row.owner),
        ("field.system-category", row.category.to_owned()),
        ("field.system-hosting", row.hosting.to_owned()),
        ("field.mlps", row.level),
    ];
    let facts = facts.map(|(key, value)| Fact {
        word: lang.find(key).unwrap_or(key),
        value,
    });
    let mut asked = requests::visible(&visit, &visible_);
    asked.retain(|request| {
        requests::tenant(request) == tenant
            && request.spec.application.system.as_deref() == Some(&name)
    });
    let asked = asked.iter().map(|request| Asked {
        href: requests::href(request),
        title: request.spec.application.title.clone(),
        phase: words::phase(lang, requests::phase(request)),
    });
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.systems"), "/systems"),
    ];
    let html = One {
        p: visit
            .page(&visible_, row.name.clone())
            .under(&above, &row.name),
        facts: facts.into(),
        leaves: leaves(lang, &visible_, &tenant, &name),
        asked: asked.collect(),
        code: objects::as_code(
            system.as_ref(),
            "informationsystems",
            system.namespace().as_deref(),
            &name,
            format!("{}/yaml", row.href),
        )?,
    };
    Ok(Html(html.render()?).into_response())
}

/// A system as YAML.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn yaml(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    objects::answer(find(&visit, &tenant, &name).await?.as_ref())
}
