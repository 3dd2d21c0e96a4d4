//! Requests: the list, narrowed, sorted and paged by its address. `page.rs` shows one, `acts.rs` does things about one.

pub mod acts;
pub mod effect;
pub mod events;
mod facts;
pub mod page;
pub mod standing;
pub mod words;

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use crds::ResourceRequest;
use crds::keys::tenant_of_namespace;
use crds::resource_request::{Application, ApplicationType, Phase};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::health::Health;
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::page::Page;
use crate::reader::Reader;
use crate::views::slice::Slice;
use crate::views::{self, Bar, REQUESTS};
use crate::wizard::begin::{self, DraftRow};
use standing::Lamp;

/// Rows of a page of the list.
const ROWS: usize = 50;

/// What the list is narrowed to and ordered by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    q: String,
    phase: String,
    type_: String,
    tenant: String,
    mine: bool,
    sort: String,
    page: usize,
}

/// A request in the list.
struct Row {
    href: String,
    title: String,
    id: String,
    tenant: String,
    kind: String,
    what: String,
    health: Health,
    phase: &'static str,
    stage: String,
    lamp: Lamp,
    submitted: ages::Moment,
    cost: String,
}

/// A column that the list can be ordered by.
struct Column {
    /// Its word in addresses; empty for the one that is always there.
    code: &'static str,
    word: &'static str,
    href: String,
    order: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "requests.html", blocks = ["banners", "list"])]
struct List {
    p: Page,
    drafts: Vec<DraftRow>,
    rows: Vec<Row>,
    filter: Filter,
    phases: Vec<(&'static str, &'static str)>,
    types: Vec<(String, &'static str)>,
    tenants: Vec<(String, String)>,
    columns: Vec<Column>,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
    narrowed: bool,
    csv: String,
    bar: Bar,
}

live!(List: "banners" => as_banners, "list" => as_list);

impl Filter {
    fn of(reader: &Reader) -> Self {
        let get = |name: &str| reader.parameter(name);
        Self {
            q: get("q"),
            phase: get("phase"),
            type_: get("type"),
            tenant: get("tenant"),
            mine: ["1", "true"].contains(&get("mine").as_str()),
            sort: get("sort"),
            page: get("page").parse().unwrap_or(0),
        }
    }

    fn is_narrow(&self) -> bool {
        let words = [&self.q, &self.phase, &self.type_, &self.tenant];
        self.mine || words.iter().any(|word| !word.is_empty())
    }

    fn takes(&self, visit: &Visit, visible: &Visible, request: &ResourceRequest) -> bool {
        let application = &request.spec.application;
        let tenant = tenant(request);
        let said = || {
            let [zh, en] =
                [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, &tenant).to_owned());
            let (name, title) = (request.name_any(), &application.title);
            let text = format!("{name} {title} {tenant} {zh} {en}");
            text.to_lowercase().contains(&self.q.to_lowercase())
        };
        let me = &visit.session.user.name;
        (!self.mine || request.spec.applicant.as_ref() == Some(me))
            && (self.phase.is_empty() || phase(request).as_str() == self.phase)
            && (self.type_.is_empty() || format!("{:?}", application.type_) == self.type_)
            && (self.tenant.is_empty() || tenant == self.tenant)
            && (self.q.is_empty() || said())
    }
}

/// The unit of a request.
#[must_use]
pub fn tenant(request: &ResourceRequest) -> String {
    let namespace = request.namespace().unwrap_or_default();
    tenant_of_namespace(&namespace)
        .unwrap_or(&namespace)
        .to_owned()
}

/// Where a request stands.
#[must_use]
pub fn phase(request: &ResourceRequest) -> Phase {
    request
        .status
        .as_ref()
        .and_then(|status| status.phase)
        .unwrap_or_default()
}

/// When it was submitted.
#[must_use]
pub fn submitted(request: &ResourceRequest) -> Option<jiff::Timestamp> {
    request
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0)
}

/// The address of a request's page.
#[must_use]
pub fn href(request: &ResourceRequest) -> String {
    format!("/requests/{}/{}", tenant(request), request.name_any())
}

/// What is asked for, in a line.
#[must_use]
pub fn what(lang: Lang, cluster: &crate::cluster::Cluster, application: &Application) -> String {
    let offerings = cluster.offerings();
    let told = application.items.iter().map(|item| {
        let offering = offerings
            .iter()
            .find(|o| Some(o.name_any()) == item.offering);
        let Some(offering) = offering else {
            let name = item.grant.clone().unwrap_or_else(|| item.name.clone());
            let amounts = words::amounts(lang, &item.resources);
            return [name, amounts]
                .into_iter()
                .filter(|t| !t.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
        };
        let service = offering.spec.display_name.in_language(lang.code());
        match item.count {
            Some(count) => format!("{service} × {count}"),
            None => service.to_owned(),
        }
    });
    lang.join(&told.collect::<Vec<_>>())
}

/// The requests that a person may see, unordered.
#[must_use]
pub fn visible(visit: &Visit, visible: &Visible) -> Vec<Arc<ResourceRequest>> {
    let mut requests = visit.state.cluster.requests();
    requests.retain(|request| {
        request
            .metadata
            .namespace
            .as_deref()
            .is_some_and(|ns| visible.requests.has(ns))
    });
    requests
}

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &REQUESTS).await {
        return Ok(way);
    }
    live::answer(&visit.reader, &draw_list(&visit).await?)
}

/// The requests that an address asks for, narrowed and ordered as the page has them.
pub(crate) fn listed(visit: &Visit, visible: &Visible) -> Vec<Arc<ResourceRequest>> {
    ordered(visit, visible, &Filter::of(&visit.reader))
}

fn ordered(visit: &Visit, visible_: &Visible, filter: &Filter) -> Vec<Arc<ResourceRequest>> {
    let mut requests = visible(visit, visible_);
    requests.retain(|request| filter.takes(visit, visible_, request));
    match filter.sort.as_str() {
        "title" => requests.sort_by(|a, b| a.spec.application.title.cmp(&b.spec.application.title)),
        "tenant" => requests.sort_by_cached_key(|r| tenant(r)),
        "phase" => requests.sort_by_key(|r| phase(r)),
        "due" => requests.sort_by_key(|r| standing::due(r).map_or((1, None), |day| (0, Some(day)))),
        "-submitted" => requests.sort_by_key(|r| submitted(r)),
        _ => requests.sort_by_key(|r| std::cmp::Reverse(submitted(r))),
    }
    requests
}

pub(crate) async fn draw_list(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let (visible_, lang, filter) = (
        visit.visible().await?,
        visit.reader.lang,
        Filter::of(&visit.reader),
    );
    let all = visible(visit, &visible_);
    let requests = ordered(visit, &visible_, &filter);
    let slice = Slice::of(lang, requests.len(), ROWS, filter.page);
    let rows = requests[slice.from..slice.to]
        .iter()
        .map(|request| row(visit, &visible_, request))
        .collect();
    let bar = Bar::of(visit, &REQUESTS).await;
    Ok(List {
        p: visit
            .page(&visible_, title(lang, &all))
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.requests")),
        drafts: begin::mine(visit, &visible_).await,
        rows,
        phases: Phase::ALL
            .into_iter()
            .skip(1)
            .map(|p| (p.as_str(), words::phase(lang, p)))
            .collect(),
        types: [
            ApplicationType::New,
            ApplicationType::Change,
            ApplicationType::Renew,
            ApplicationType::Release,
            ApplicationType::Exception,
        ]
        .map(|t| (format!("{t:?}"), words::type_(lang, t)))
        .into(),
        tenants: units(lang, &visible_, &all),
        columns: columns(lang, &filter, &bar),
        shown: slice.shown,
        previous: slice.previous.map(|page| bar.asked.page(page)),
        next: slice.next.map(|page| bar.asked.page(page)),
        narrowed: filter.is_narrow(),
        csv: bar.asked.with("/requests.csv", &[]),
        bar,
        filter,
    })
}

/// The units of requests, with their names.
fn units(lang: Lang, visible: &Visible, all: &[Arc<ResourceRequest>]) -> Vec<(String, String)> {
    let mut units: Vec<_> = all.iter().map(|request| tenant(request)).collect();
    units.sort();
    units.dedup();
    let named = units.into_iter().map(|id| {
        let name = visible.names.tenant(lang, &id).to_owned();
        (id, name)
    });
    named.collect()
}

fn title(lang: Lang, all: &[Arc<ResourceRequest>]) -> String {
    let count = |wanted: fn(Phase) -> bool| all.iter().filter(|r| wanted(phase(r))).count();
    let parts = [
        (
            "requests.title.open",
            count(|p| matches!(p, Phase::Submitted | Phase::Reviewing)),
        ),
        ("requests.title.returned", count(|p| p == Phase::Returned)),
        (
            "requests.title.provisioning",
            count(|p| matches!(p, Phase::Approved | Phase::Provisioning)),
        ),
        ("requests.title.delivered", count(|p| p == Phase::Delivered)),
    ];
    let told: Vec<_> = parts
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(key, n)| lang.count(key, n))
        .collect();
    let head = match all.len() {
        0 => return lang.t("requests.title.none").to_owned(),
        n => lang.count("count.requests", n),
    };
    if told.is_empty() {
        return lang.say("requests.title.done", &[("count", &head)]);
    }
    lang.say(
        "requests.title",
        &[("count", &head), ("list", &lang.join(&told))],
    )
}

fn columns(lang: Lang, filter: &Filter, bar: &Bar) -> Vec<Column> {
    let column = |code: &'static str, key: &'static str, sort: &'static str| {
        let by_time = sort == "submitted";
        let taken =
            filter.sort == sort || (by_time && ["", "-submitted"].contains(&filter.sort.as_str()));
        let up = if by_time {
            filter.sort == "-submitted"
        } else {
            true
        };
        // The newest come first unless something else is asked for.
        let wanted = match (by_time, filter.sort.as_str()) {
            (true, "") => "-submitted",
            (true, _) => "",
            (false, _) => sort,
        };
        Column {
            code,
            word: lang.find(key).unwrap_or(key),
            href: bar.asked.with("/requests", &[("sort", wanted)]),
            order: taken.then_some(if up { "ascending" } else { "descending" }),
        }
    };
    let all = [
        column("", "table.request", "title"),
        column("phase", "table.phase", "phase"),
        column("clock", "table.clock", "due"),
        column("tenant", "table.tenant", "tenant"),
        column("submitted", "table.submitted", "submitted"),
    ];
    let shown = |column: &Column| column.code.is_empty() || bar.shows(column.code);
    all.into_iter().filter(shown).collect()
}

fn row(visit: &Visit, visible: &Visible, request: &ResourceRequest) -> Row {
    let lang = visit.reader.lang;
    let wording = visit.wording(visible);
    let (phase, application) = (phase(request), &request.spec.application);
    let status = request.status.as_ref();
    let cost = status.and_then(|s| s.monthly_cost);
    Row {
        href: href(request),
        title: application.title.clone(),
        id: request.name_any(),
        tenant: visible.names.tenant(lang, &tenant(request)).to_owned(),
        kind: [
            words::type_(lang, application.type_),
            words::environment(lang, application.environment),
        ]
        .join(lang.t("sentence.dot")),
        what: what(lang, &visit.state.cluster, application),
        health: words::phase_health(phase),
        phase: words::phase(lang, phase),
        stage: status
            .and_then(|s| {
                s.stage
                    .map(|stage| words::stage(&wording, stage, s.stage_of.as_deref()))
            })
            .unwrap_or_default(),
        lamp: standing::lamp(lang, request),
        submitted: ages::moment(lang, submitted(request).unwrap_or(visit.now), visit.now),
        cost: status.map_or_else(String::new, |_| words::monthly(lang, cost)),
    }
}

/// The list as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang, filter) = (
        visit.visible().await?,
        visit.reader.lang,
        Filter::of(&visit.reader),
    );
    let head = [
        "table.id",
        "table.request",
        "table.tenant",
        "table.type",
        "table.what",
        "table.phase",
        "table.stage",
        "table.clock",
        "table.submitted",
        "table.price",
    ];
    let rows = ordered(&visit, &visible, &filter)
        .into_iter()
        .map(|request| {
            let row = row(&visit, &visible, &request);
            vec![
                row.id,
                row.title,
                row.tenant,
                row.kind,
                row.what,
                row.phase.to_owned(),
                row.stage,
                row.lamp.words,
                row.submitted.exact,
                row.cost,
            ]
        });
    let table = Table {
        file: "requests",
        head: &head.map(|key| lang.t(key)),
        rows: &rows.collect::<Vec<_>>(),
        sensitive: false,
    };
    export::table(&visit, table)
}
