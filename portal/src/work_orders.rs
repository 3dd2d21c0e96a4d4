//! Work orders: what the operations provider does by hand. The list, the page of one with its steps, a step as the person
//! who takes it, and the report of a fault, which is a work order that a unit makes.

pub mod page;
pub mod report;

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use crds::WorkOrder;
use crds::calendar::day_of;
use crds::keys::tenant_of_namespace;
use crds::work_order::{OrderState, Purpose};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::cluster::Kind;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::health::{Health, Wording};
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::page::Page;
use crate::views::order::{Key, order};
use crate::views::query::Asked;
use crate::views::slice::Slice;
use crate::views::{self, Bar, ORDERS};

/// Rows of a page of the list.
const ROWS: usize = 50;
/// The states in the order of the course.
const STATES: [OrderState; 4] = [
    OrderState::Open,
    OrderState::InProgress,
    OrderState::Done,
    OrderState::Failed,
];
/// An order in the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its page.
    pub href: String,
    /// Its title.
    pub title: String,
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// Where it is done.
    pub platform: String,
    /// Fulfilment or fault.
    pub purpose: &'static str,
    /// How it is shown.
    pub health: Health,
    /// Where it stands.
    pub state: &'static str,
    /// When it is due.
    pub due: String,
    /// Whether that is over.
    pub late: bool,
}

#[derive(Template)]
#[template(path = "work_orders.html", blocks = ["banners", "list"])]
struct List {
    p: Page,
    rows: Vec<Row>,
    q: String,
    state: String,
    states: Vec<(String, &'static str)>,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
    narrowed: bool,
    csv: String,
    bar: Bar,
    report: bool,
}

live!(List: "banners" => as_banners, "list" => as_list);

/// The orders that a person may see.
///
/// # Errors
/// The hub gives no answer.
pub async fn visible(visit: &Visit) -> Result<Vec<Arc<WorkOrder>>, AppError> {
    let all = visit.state.cluster.orders();
    visit.listed(Kind::WorkOrder, all).await
}

/// How an order is shown.
#[must_use]
pub const fn health(state: OrderState, late: bool) -> Health {
    match (state, late) {
        (OrderState::Done, _) => Health::Good,
        (OrderState::Failed, _) => Health::Bad,
        (OrderState::Open | OrderState::InProgress, true) => Health::Attention,
        (OrderState::Open | OrderState::InProgress, false) => Health::Progress,
    }
}

fn state_word(lang: Lang, state: OrderState) -> &'static str {
    lang.find(&format!("order-state.{state:?}")).unwrap_or("")
}

/// An order's row.
#[must_use]
pub fn row(wording: &Wording, order: &WorkOrder) -> Row {
    let (lang, spec) = (wording.lang, &order.spec);
    let namespace = order.namespace().unwrap_or_default();
    let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
    let state = spec.state();
    let open = matches!(state, OrderState::Open | OrderState::InProgress);
    let late = open && spec.due.is_some_and(|due| due < day_of(wording.now));
    Row {
        href: format!("/work-orders/{tenant}/{}", order.name_any()),
        title: spec.title.clone(),
        id: order.name_any(),
        tenant: wording.tenant(tenant).to_owned(),
        platform: wording.platform(&spec.platform).to_owned(),
        purpose: purpose(lang, spec.purpose),
        health: health(state, late),
        state: state_word(lang, state),
        due: spec.due.map_or_else(String::new, |due| due.to_string()),
        late,
    }
}

fn purpose(lang: Lang, purpose: Purpose) -> &'static str {
    lang.find(&format!("order-purpose.{purpose:?}"))
        .unwrap_or("")
}

async fn rows(visit: &Visit, visible: &Visible) -> Result<Vec<Row>, AppError> {
    let wording = visit.wording(visible);
    let (q, state) = (
        visit.reader.parameter("q").to_lowercase(),
        visit.reader.parameter("state"),
    );
    let mut orders = self::visible(visit).await?;
    orders.retain(|order| state.is_empty() || format!("{:?}", order.spec.state()) == state);
    // What is open comes first, the oldest on top: that is the order in which it is worked off.
    orders.sort_by_key(|order| {
        let ended = matches!(order.spec.state(), OrderState::Done | OrderState::Failed);
        (
            ended,
            order.spec.due.is_none(),
            order.spec.due,
            order.name_any(),
        )
    });
    let all = orders.iter().map(|order| row(&wording, order));
    let found = all.filter(|row| {
        let text = format!("{} {} {} {}", row.title, row.id, row.tenant, row.platform);
        q.is_empty() || text.to_lowercase().contains(&q)
    });
    let mut rows: Vec<_> = found.collect();
    let asked = Asked::of(&ORDERS, &visit.reader.query);
    order(&mut rows, &asked, |row, column| match column {
        "title" => Key::text(&row.title),
        "purpose" => Key::text(row.purpose),
        "tenant" => Key::text(&row.tenant),
        "platform" => Key::text(&row.platform),
        "state" => Key::text(row.state),
        _ if row.due.is_empty() => Key::Nothing,
        _ => Key::Text(row.due.clone()),
    });
    Ok(rows)
}

/// The list.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &ORDERS).await {
        return Ok(way);
    }
    live::answer(&visit.reader, &draw_list(&visit).await?)
}

pub(crate) async fn draw_list(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let rows = rows(visit, &visible).await?;
    let (q, state) = (visit.reader.parameter("q"), visit.reader.parameter("state"));
    let total = rows.len();
    let page = visit.reader.parameter("page").parse().unwrap_or(1);
    let slice = Slice::of(lang, total, ROWS, page);
    let bar = Bar::of(visit, &ORDERS).await;
    let open = rows
        .iter()
        .filter(|row| matches!(row.health, Health::Progress | Health::Attention));
    let late = rows.iter().filter(|row| row.late).count();
    let title = match total {
        0 => lang.t("orders.title.none").to_owned(),
        _ => lang.say(
            "orders.title",
            &[
                ("open", &open.count().to_string()),
                ("late", &late.to_string()),
            ],
        ),
    };
    let states = STATES.map(|state| (format!("{state:?}"), state_word(lang, state)));
    Ok(List {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.orders")),
        rows: rows.into_iter().skip(slice.from).take(ROWS).collect(),
        states: states.into(),
        shown: slice.shown,
        previous: slice.previous.map(|page| bar.asked.page(page)),
        next: slice.next.map(|page| bar.asked.page(page)),
        narrowed: !q.is_empty() || !state.is_empty(),
        csv: bar.asked.with("/work-orders.csv", &[]),
        bar,
        report: !report::units(visit, &visible).await?.is_empty(),
        q,
        state,
    })
}

/// The list as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn list_csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let rows: Vec<_> = rows(&visit, &visible)
        .await?
        .into_iter()
        .map(|row| {
            vec![
                row.title,
                row.id,
                row.purpose.to_owned(),
                row.tenant,
                row.platform,
                row.state.to_owned(),
                row.due,
            ]
        })
        .collect();
    let head = [
        "table.title",
        "table.id",
        "table.purpose",
        "table.tenant",
        "table.platform",
        "table.state",
        "table.due",
    ];
    let table = Table {
        file: "work-orders",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}
