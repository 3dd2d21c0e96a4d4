//! Tenants: the list, and the page of one with its grants by platform, cluster and namespace.

pub mod grants;
pub mod members;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::tenant::Level;
use crds::{Quantity, Tenant};
use kube::ResourceExt as _;
use serde::Deserialize;

use crate::access::Visible;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::figures::{Resource, Unit, number};
use crate::health::{self, Health, Notice};
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::objects::{self, AsCode};
use crate::page::Page;
use crate::platforms::Fact;
use crate::views::order::{Key, order};
use crate::views::query::Asked;
use crate::views::slice::Slice;
use crate::views::{self, Bar, TENANTS};
use crate::way_in;
use grants::{Budget, GrantRow, PlatformGroup};

/// Rows of a page of the list.
const ROWS: usize = 50;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// Part of a name.
    #[serde(default)]
    q: String,
    /// A level.
    #[serde(default)]
    level: String,
    /// The order.
    #[serde(default)]
    sort: String,
    /// The page, from 1.
    #[serde(default)]
    page: usize,
}

/// A tenant in the list.
#[derive(Clone, Debug)]
struct Row {
    href: String,
    name: String,
    id: String,
    level: &'static str,
    parent: String,
    health: Health,
    state: &'static str,
    grants: String,
    amounts: [String; 3],
}

#[derive(Template)]
#[template(path = "tenants.html", blocks = ["banners", "list"])]
struct List {
    p: Page,
    rows: Vec<Row>,
    filter: Filter,
    levels: Vec<(&'static str, &'static str)>,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
    filtered: bool,
    csv: String,
    bar: Bar,
}

live!(List: "banners" => as_banners, "list" => as_list);

#[derive(Template)]
#[template(path = "tenant.html", blocks = ["banners", "head", "grants", "budget", "attention", "code"])]
struct TenantPage {
    p: Page,
    facts: Vec<Fact>,
    groups: Vec<PlatformGroup>,
    budget: Vec<Budget>,
    notices: Vec<Notice>,
    health: Health,
    state: &'static str,
    code: Option<AsCode>,
    kubectl: String,
    csv: String,
}

live!(TenantPage: "banners" => as_banners, "head" => as_head, "grants" => as_grants, "budget" => as_budget, "attention" => as_attention, "code" => as_code);

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &TENANTS).await {
        return Ok(way);
    }
    live::answer(&visit.reader, &draw_list(&visit).await?)
}

fn filter(visit: &Visit) -> Filter {
    let uri = format!("/?{}", visit.reader.query)
        .parse::<http::Uri>()
        .unwrap_or_default();
    Query::<Filter>::try_from_uri(&uri)
        .map(|query| query.0)
        .unwrap_or_default()
}

pub(crate) async fn draw_list(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang, filter) = (visit.visible().await?, visit.reader.lang, filter(visit));
    let names = names(lang, &visible, &filter);
    let (all, total) = (visible.tenant_names.len(), names.len());
    let slice = Slice::of(lang, total, ROWS, filter.page);
    let levels = [Level::Province, Level::City, Level::County, Level::Town];
    let bar = Bar::of(visit, &TENANTS).await;
    let count = lang.count("count.tenants", all);
    let granted = visible.quotas.len();
    let title = match all {
        0 => lang.t("tenants.title.none").to_owned(),
        _ => lang.say(
            "tenants.title",
            &[
                ("count", &count),
                ("grants", &lang.count("count.grants", granted)),
            ],
        ),
    };
    Ok(List {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.tenants")),
        rows: names[slice.from..slice.to]
            .iter()
            .map(|name| row(lang, &visible, name))
            .collect(),
        levels: levels
            .map(|level| (level.as_str(), level_word(lang, level)))
            .into(),
        shown: slice.shown,
        previous: slice.previous.map(|page| bar.asked.page(page)),
        next: slice.next.map(|page| bar.asked.page(page)),
        filtered: !filter.q.is_empty() || !filter.level.is_empty(),
        csv: bar.asked.with("/tenants.csv", &[]),
        bar,
        filter,
    })
}

/// The list as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn list_csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let head = [
        "table.tenant",
        "table.id",
        "table.level",
        "table.parent",
        "table.state",
        "table.grants",
        "resource.requests.cpu",
        "resource.requests.memory",
        "resource.requests.storage",
    ];
    let rows: Vec<Vec<String>> = names(lang, &visible, &filter(&visit))
        .into_iter()
        .map(|name| row(lang, &visible, name))
        .map(|row| {
            let words = [
                row.name,
                row.id,
                row.level.to_owned(),
                row.parent,
                row.state.to_owned(),
                row.grants,
            ];
            words.into_iter().chain(row.amounts).collect()
        })
        .collect();
    let table = Table {
        file: "tenants",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

/// A level's word.
fn level_word(lang: Lang, level: Level) -> &'static str {
    lang.find(&format!("level.{}", level.as_str()))
        .unwrap_or(level.as_str())
}

/// The names of those that are wanted, by level and name.
fn names<'a>(lang: Lang, visible: &'a Visible, filter: &Filter) -> Vec<&'a String> {
    let q = filter.q.trim().to_lowercase();
    let level = |tenant: &Arc<Tenant>| Some((tenant.metadata.name.clone()?, tenant.spec.level));
    let levels: HashMap<String, Level> = visible.tenants.iter().filter_map(level).collect();
    let wanted = |name: &&String| {
        let level = levels.get(*name).map(|level| level.as_str());
        let [zh, en] = [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, name));
        (filter.level.is_empty() || level == Some(filter.level.as_str()))
            && (q.is_empty() || format!("{name} {zh} {en}").to_lowercase().contains(&q))
    };
    let mut names: Vec<_> = visible.tenant_names.iter().filter(wanted).collect();
    // They are in order of names already.
    names.sort_by_key(|name| levels.get(*name).copied());
    let asked = Asked::sorted(&TENANTS, &filter.sort);
    order(&mut names, &asked, |name, column| match column {
        "name" => Key::text(visible.names.tenant(lang, name)),
        "grants" => Key::Number(visible.grants_of(name).len() as i128),
        _ => levels
            .get(*name)
            .map_or(Key::Nothing, |level| Key::Number(*level as i128)),
    });
    names
}

/// How a tenant is: as its worst grant.
#[must_use]
pub fn health(lang: Lang, visible: &Visible, name: &str) -> Health {
    row(lang, visible, name).health
}

fn row(lang: Lang, visible: &Visible, name: &str) -> Row {
    let tenant = visible.tenant(name);
    let quotas = visible.grants_of(name);
    let own = tenant
        .and_then(|t| t.status.as_ref())
        .map(|status| health::of_conditions(&status.conditions));
    let grants = quotas.iter().map(|q| {
        q.status
            .as_ref()
            .map_or(Health::Unknown, |s| health::of_conditions(&s.conditions))
    });
    let health = grants.chain(own).min().unwrap_or(Health::Unknown);
    let parent = tenant
        .and_then(|t| t.spec.parent.clone())
        .unwrap_or_default();
    let amount = |resource: Resource| {
        let amounts = quotas
            .iter()
            .filter_map(|q| resource.of(&q.status.as_ref()?.admitted));
        let sum = amounts.fold(Quantity::ZERO, Quantity::plus);
        Unit::of(resource.name(), sum).exact(lang, sum)
    };
    Row {
        href: format!("/tenants/{name}"),
        name: visible.names.tenant(lang, name).to_owned(),
        id: name.to_owned(),
        level: tenant.map_or("", |t| level_word(lang, t.spec.level)),
        parent: visible.names.tenant(lang, &parent).to_owned(),
        health,
        state: health.word(lang),
        grants: number(i64::try_from(quotas.len()).unwrap_or(i64::MAX)),
        amounts: Resource::ALL.map(amount),
    }
}

/// The page of one tenant.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn page(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit, &name).await?)
}

pub(crate) async fn draw(visit: &Visit, name: &str) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    if !visible.tenant_names.contains(name) {
        return Err(AppError::NoPage);
    }
    let (tenant, wording) = (visible.tenant(name), visit.wording(&visible));
    let own = Visible {
        platforms: Vec::new(),
        tenants: tenant.cloned().into_iter().collect(),
        quotas: grants::of(&visible, name),
        ..visible.clone()
    };
    let notices = crate::overview::notices(&wording, &own);
    let mut groups = grants::groups(&wording, &visible, &own.quotas);
    if way_in::offered(visit, name).await? {
        for grant in groups.iter_mut().flat_map(|group| &mut group.grants) {
            grant.way_in = (!grant.leaves.is_empty()).then(|| way_in::address(name, &grant.name));
        }
    }
    let called = visible.names.tenant(lang, name).to_owned();
    let way = way(lang, &visible, tenant);
    let way: Vec<_> = way
        .iter()
        .map(|(word, href)| (word.as_str(), href.as_str()))
        .collect();
    let health = row(lang, &visible, name).health;
    // As YAML only for whoever could read it with kubectl as well: a unit's own people may not, beyond this page.
    let code = match tenant.filter(|_| visible.all_tenants) {
        Some(tenant) => Some(objects::as_code(
            tenant.as_ref(),
            "tenants",
            None,
            name,
            format!("/tenants/{name}/yaml"),
        )?),
        None => None,
    };
    Ok(TenantPage {
        p: visit
            .page(&visible, grants::title(lang, &called, &own.quotas))
            .under(&way, &called),
        facts: tenant.map(|tenant| facts(lang, tenant)).unwrap_or_default(),
        groups,
        budget: tenant
            .map(|tenant| grants::budget(lang, tenant))
            .unwrap_or_default(),
        notices,
        health,
        state: health.word(lang),
        code,
        kubectl: format!(
            "kubectl get tenantquotas.{} -n {}",
            crds::GROUP,
            tenant_namespace(name)
        ),
        csv: format!("/tenants/{name}/grants.csv"),
    })
}

/// The way to a tenant: through the units above it.
fn way(lang: Lang, visible: &Visible, tenant: Option<&Arc<Tenant>>) -> Vec<(String, String)> {
    let path = tenant
        .and_then(|t| t.status.as_ref())
        .map(|status| status.path.as_slice());
    let above = path.unwrap_or_default().iter();
    let above = above.map(|name| {
        (
            visible.names.tenant(lang, name).to_owned(),
            format!("/tenants/{name}"),
        )
    });
    let first = [("nav.overview", "/"), ("nav.tenants", "/tenants")];
    let first = first.map(|(key, href)| (lang.t(key).to_owned(), href.to_owned()));
    first.into_iter().chain(above).collect()
}

fn facts(lang: Lang, tenant: &Tenant) -> Vec<Fact> {
    let spec = &tenant.spec;
    let owners: Vec<_> = spec
        .owners
        .iter()
        .map(|subject| subject.name.clone())
        .collect();
    let some = |key: &'static str, value: Option<String>| {
        value.filter(|v| !v.is_empty()).map(|value| (key, value))
    };
    let facts = [
        some("fact.level", Some(level_word(lang, spec.level).to_owned())),
        some("fact.credit-code", spec.credit_code.clone()),
        some("fact.division", spec.division.clone()),
        some("fact.responsible-post", spec.responsible_post.clone()),
        some("fact.owners", Some(lang.join(&owners))),
        some(
            "fact.authority-groups",
            Some(lang.join(&spec.authority_groups)),
        ),
        some(
            "fact.mlps-ceiling",
            spec.mlps_ceiling
                .map(|level| lang.say("figure.level", &[("n", &level.to_string())])),
        ),
        some(
            "fact.namespace",
            tenant
                .status
                .as_ref()
                .and_then(|status| status.namespace.clone()),
        ),
    ];
    facts
        .into_iter()
        .flatten()
        .map(|(key, value)| Fact {
            word: lang.find(key).unwrap_or(key),
            value,
        })
        .collect()
}

/// The tenant's namespaces with their shares, as a file.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn csv(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    if !visible.tenant_names.contains(&name) {
        return Err(AppError::NoPage);
    }
    let quotas = grants::of(&visible, &name);
    let groups = grants::groups(&visit.wording(&visible), &visible, &quotas);
    let rows: Vec<_> = groups
        .iter()
        .flat_map(|group| &group.grants)
        .flat_map(GrantRow::cells)
        .collect();
    let head = [
        "table.platform",
        "table.zone",
        "table.pool",
        "table.grant",
        "table.state",
        "table.cluster",
        "table.namespace",
        "table.resource",
        "table.target",
        "table.ceiling",
    ];
    let table = Table {
        file: &format!("{name}-grants"),
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

/// The tenant of a grant.
fn tenant_of(quota: &crds::TenantQuota) -> String {
    let namespace = quota.namespace().unwrap_or_default();
    tenant_of_namespace(&namespace)
        .unwrap_or(&namespace)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::everything;

    #[test]
    fn the_list_is_narrowed_by_name_in_either_language_and_by_level() {
        let visible = everything();
        let found = |q: &str, level: &str| {
            let filter = Filter {
                q: q.into(),
                level: level.into(),
                ..Filter::default()
            };
            let names = names(Lang::Zh, &visible, &filter).into_iter();
            names.cloned().collect::<Vec<_>>()
        };
        assert_eq!(found("人力", ""), ["renshe"]);
        assert_eq!(found("security", ""), ["gongan"]);
        assert_eq!(found("", "County"), ["leizhou", "xiashan"]);
        assert!(found("nobody", "").is_empty());
        let ordered = |sort: &str| {
            let filter = Filter {
                sort: sort.into(),
                ..Filter::default()
            };
            let names = names(Lang::Zh, &visible, &filter).into_iter();
            names.cloned().collect::<Vec<_>>()
        };
        let (mut up, down) = (ordered("grants"), ordered("-grants"));
        assert_eq!(down[0], "renshe", "it has most grants");
        let of = |name: &String| visible.grants_of(name).len();
        assert!(up.is_sorted_by_key(of), "{up:?}");
        up.sort();
        assert_eq!(up, visible.tenant_names.iter().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn a_tenant_is_as_its_worst_grant() {
        let visible = everything();
        let row = row(Lang::En, &visible, "gongan");
        assert_eq!((row.health, row.grants.as_str()), (Health::Bad, "2"));
        assert_eq!(
            row.amounts[0], "400 cores",
            "what was refused is not granted"
        );
    }
}
