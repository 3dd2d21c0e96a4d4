//! Lists as somebody wants to see them: which columns, and views that are kept under names. One for all lists: `query.rs` says what
//! an address asks for, `act.rs` keeps views, `db/views.rs` stores them, `templates/views.html` shows both above a list.

pub mod act;
pub mod order;
pub mod query;
pub mod slice;

use std::time::Duration;

use axum::response::{IntoResponse as _, Redirect, Response};

use crate::db::DbError;
use crate::db::views::{self as table, View};
use crate::forms;
use crate::live::Visit;
use query::Asked;

/// No list waits longer for its views.
const SOON: Duration = Duration::from_millis(300);

/// A list that can be looked at in several ways.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    /// Its word in addresses and in the database.
    pub code: &'static str,
    /// Its page.
    pub path: &'static str,
    /// The parameters that narrow and order it.
    pub parameters: &'static [&'static str],
    /// The columns that can be left out, with the keys of their headings: all but the first, which names what a row is about.
    pub columns: &'static [(&'static str, &'static str)],
    /// The columns by which it is ordered where that is asked for; the first one is the column that is never left out.
    pub orders: &'static [&'static str],
}

/// Requests.
pub const REQUESTS: List = List {
    code: "requests",
    path: "/requests",
    parameters: &["q", "phase", "type", "tenant", "mine", "sort"],
    columns: &[
        ("tenant", "table.tenant"),
        ("phase", "table.phase"),
        ("clock", "table.clock"),
        ("submitted", "table.submitted"),
        ("price", "table.price"),
    ],
    // Its headings are its own: the newest come first.
    orders: &[],
};
/// Tenants.
pub const TENANTS: List = List {
    code: "tenants",
    path: "/tenants",
    parameters: &["q", "level", "sort"],
    columns: &[
        ("level", "table.level"),
        ("parent", "table.parent"),
        ("state", "table.state"),
        ("grants", "table.grants"),
        ("cpu", "resource.requests.cpu"),
        ("memory", "resource.requests.memory"),
        ("storage", "resource.requests.storage"),
    ],
    orders: &["name", "level", "grants"],
};
/// Platforms.
pub const PLATFORMS: List = List {
    code: "platforms",
    path: "/platforms",
    parameters: &[],
    columns: &[
        ("tier", "table.tier"),
        ("state", "table.state"),
        ("docking", "table.docking"),
        ("capacity", "table.capacity"),
    ],
    orders: &[],
};
/// Work orders.
pub const ORDERS: List = List {
    code: "work-orders",
    path: "/work-orders",
    parameters: &["q", "state", "sort"],
    columns: &[
        ("state", "table.state"),
        ("due", "table.due"),
        ("purpose", "table.purpose"),
        ("tenant", "table.tenant"),
        ("platform", "table.platform"),
    ],
    orders: &["title", "state", "due", "purpose", "tenant", "platform"],
};
/// Information systems.
pub const SYSTEMS: List = List {
    code: "systems",
    path: "/systems",
    parameters: &["q", "sort"],
    columns: &[
        ("tenant", "table.tenant"),
        ("owner", "field.system-owner"),
        ("category", "field.system-category"),
        ("hosting", "field.system-hosting"),
        ("mlps", "field.mlps"),
        ("namespaces", "table.namespaces"),
    ],
    orders: &["name", "tenant", "owner", "mlps", "namespaces"],
};
/// What things cost.
pub const COSTS: List = List {
    code: "costs",
    path: "/costs",
    parameters: &["month"],
    columns: &[
        ("share", "costs.share"),
        ("sum", "costs.sum"),
        ("lines", "costs.lines"),
        ("unpriced", "cost.unpriced"),
    ],
    orders: &[],
};
/// All of them.
const ALL: [&List; 6] = [&REQUESTS, &TENANTS, &PLATFORMS, &ORDERS, &SYSTEMS, &COSTS];

/// A column that may be chosen.
pub(crate) struct Heading {
    /// Its word in the address.
    pub(crate) code: &'static str,
    /// Its heading.
    pub(crate) word: &'static str,
    /// Whether it is shown.
    pub(crate) shown: bool,
    /// What its heading is drawn with: figures stand to the right.
    pub(crate) class: &'static str,
    /// How the list is ordered by it.
    pub(crate) ordered: Option<Ordered>,
}

/// How a list is ordered by a column.
pub(crate) struct Ordered {
    /// The list ordered by it, or the other way round where it is already.
    pub(crate) href: String,
    /// `ascending` or `descending` where it is.
    pub(crate) now: Option<&'static str>,
}

impl Ordered {
    fn of(list: &List, asked: &Asked, column: &'static str) -> Option<Self> {
        let known = list.orders.contains(&column);
        let now = asked.sort().filter(|(by, _)| *by == column);
        let other = match now {
            Some((_, false)) => format!("-{column}"),
            Some((_, true)) | None => column.to_owned(),
        };
        known.then(|| Self {
            href: asked.with(list.path, &[("sort", &other)]),
            now: now.map(|(_, down)| if down { "descending" } else { "ascending" }),
        })
    }
}

/// Columns of figures.
const FIGURES: [&str; 6] = ["grants", "cpu", "memory", "storage", "namespaces", "price"];

/// A view as the list links to it.
pub(crate) struct Link {
    /// What its owner calls it.
    pub(crate) name: String,
    /// The list as it shows it.
    pub(crate) href: String,
    /// Whether the page shows that.
    pub(crate) here: bool,
    /// Whether the list opens with it.
    pub(crate) usual: bool,
}

/// What stands above a list: its views, and its columns.
pub(crate) struct Bar {
    /// What the address asks for.
    pub(crate) asked: Asked,
    /// Somebody's views; nothing where the database does not say.
    pub(crate) views: Option<Vec<Link>>,
    /// The columns.
    pub(crate) headings: Vec<Heading>,
    /// How the list is ordered by its first column.
    pub(crate) first: Option<Ordered>,
    /// The order that is asked for, which the form of the filter carries.
    pub(crate) sort: String,
    /// The list with everything in it.
    pub(crate) all: String,
    /// What the forms carry.
    pub(crate) hidden: Vec<(&'static str, String)>,
    /// Where they are sent.
    pub(crate) action: String,
    /// The name that was just given to a view which was not kept.
    pub(crate) name: String,
    /// Why it was not.
    pub(crate) wrong: Option<String>,
    /// Whether there is a view of that name, which may be replaced.
    pub(crate) exists: bool,
}

impl Bar {
    /// What stands above a list for whoever looks at it. A region alone needs no views.
    pub(crate) async fn of(visit: &Visit, list: &'static List) -> Self {
        let (lang, reader) = (visit.reader.lang, &visit.reader);
        let asked = Asked::of(list, &reader.query);
        let kept = if reader.part.is_none() {
            kept(visit, list).await
        } else {
            Some(Vec::new())
        };
        let link = |view: View| {
            let of_view = Asked::of(list, &view.query);
            Link {
                name: view.name,
                href: of_view.href(),
                here: of_view == asked,
                usual: view.usual,
            }
        };
        let heading = |&(code, key): &(&'static str, &'static str)| Heading {
            code,
            word: lang.find(key).unwrap_or(key),
            shown: asked.shows(code),
            class: if FIGURES.contains(&code) {
                " class=\"num\""
            } else {
                ""
            },
            ordered: Ordered::of(list, &asked, code),
        };
        let first = list.orders.first();
        let wrong = act::Wrong::of(&reader.parameter("view-wrong"));
        Self {
            views: kept.map(|views| views.into_iter().map(link).collect()),
            headings: list.columns.iter().map(heading).collect(),
            first: first.and_then(|column| Ordered::of(list, &asked, column)),
            sort: reader.parameter("sort"),
            all: Asked::of(list, "").href(),
            hidden: vec![
                (
                    forms::TOKEN,
                    forms::token(&visit.session, &act::purpose(list)),
                ),
                ("query", asked.query()),
            ],
            action: format!("/views/{}", list.code),
            name: reader.parameter("view-name"),
            exists: wrong == Some(act::Wrong::Exists),
            wrong: wrong.map(|wrong| wrong.words(lang, &reader.parameter("view-name"))),
            asked,
        }
    }

    /// Whether a column is shown.
    pub(crate) fn shows(&self, column: &str) -> bool {
        self.asked.shows(column)
    }

    /// How many columns are shown, of how many, where some are left out.
    pub(crate) fn chosen(&self) -> Option<String> {
        let shown = self.headings.iter().filter(|heading| heading.shown).count();
        let all = self.headings.len();
        (shown < all).then(|| format!("{shown}/{all}"))
    }
}

/// Somebody's views of a list; nothing where the database does not say at once. A list does without them.
async fn kept(visit: &Visit, list: &List) -> Option<Vec<View>> {
    let db = &visit.state.records.as_ref()?.db;
    let asked = async {
        let mut connection = db.acquire().await?;
        table::of(&mut connection, &visit.session.user.name, list.code).await
    };
    match tokio::time::timeout(SOON, asked).await {
        Ok(Ok(views)) => Some(views),
        Ok(Err(error)) => unread(&error),
        Err(_) => unread(&DbError::Gone("no answer at once".to_owned())),
    }
}

fn unread<T>(error: &DbError) -> Option<T> {
    tracing::warn!(%error, "a list is shown without the views of it");
    None
}

/// Where the bare address of a list leads: to the view that its reader has chosen for that.
pub async fn usual(visit: &Visit, list: &'static List) -> Option<Response> {
    if !visit.reader.query.is_empty() || visit.reader.part.is_some() {
        return None;
    }
    let views = kept(visit, list).await?;
    let view = views.into_iter().find(|view| view.usual)?;
    Some(Redirect::to(&Asked::of(list, &view.query).href()).into_response())
}

#[cfg(test)]
mod tests;
