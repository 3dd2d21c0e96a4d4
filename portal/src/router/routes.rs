//! A router that remembers what it was told: the list of routes and the router itself cannot drift apart.
//!
//! The suite of the browser (`tests/tests/browser.rs`) takes the list from here, and fails for every route that people ask
//! for and it does not visit.

use std::sync::LazyLock;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{get, post};
use serde::Serialize;

use crate::state::AppState;

/// What an answer of a route is, where everything goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gives {
    /// A page that a person reads.
    Page,
    /// A list as comma-separated values.
    Csv,
    /// A list as a spreadsheet.
    Xlsx,
    /// A paper.
    Pdf,
    /// A file that somebody handed in.
    File,
    /// The description of the API.
    Json,
    /// Plain text, as an object's YAML.
    Text,
    /// Server-sent events.
    Events,
    /// A part of pages: style, script, picture.
    Asset,
    /// The way to another address.
    Hop,
    /// An act: what a form sends, which leads to a page.
    Act,
}

/// A route: what one may ask, and what kind of answer there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The pattern, with `{name}` for a part that varies.
    pub path: String,
    /// What is answered.
    pub gives: Gives,
}

/// Every route that any portal has.
static EVERY: LazyLock<Vec<Route>> = LazyLock::new(|| super::list(true, true));

impl Route {
    /// How well a path fits, part by part: whether it is said word by word, which goes before what varies.
    fn fit(&self, path: &str) -> Option<Vec<bool>> {
        let (wanted, given): (Vec<_>, Vec<_>) =
            (self.path.split('/').collect(), path.split('/').collect());
        let fits = |(wanted, given): (&&str, &&str)| {
            let word = wanted == given;
            (word || wanted.starts_with('{') && !given.is_empty()).then_some(word)
        };
        let parts = (wanted.len() == given.len()).then(|| wanted.iter().zip(&given).map(fits))?;
        parts.collect()
    }
}

/// What is at an address: whether one may look at it; nothing where no route has it.
fn is_looked_at(path: &str) -> Option<bool> {
    let fits = EVERY
        .iter()
        .filter_map(|r| Some((r.fit(path)?, r.method == "GET")));
    fits.max().map(|(_, looked_at)| looked_at)
}

/// The page that an address belongs to: itself, or where forms are sent to it and there is nothing to look at, what lies above.
#[must_use]
pub(crate) fn page_of(path: &str) -> &str {
    if is_looked_at(path) != Some(false) {
        return path;
    }
    let mut above = path;
    while let Some((rest, _)) = above.rsplit_once('/') {
        above = rest;
        if is_looked_at(above) == Some(true) {
            return above;
        }
    }
    "/"
}

/// Routes, and the router that is made of them.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<AppState>,
    list: Vec<Route>,
}

impl Routes {
    /// A page that a person reads.
    pub(super) fn page<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.get(path, Gives::Page, handler)
    }

    /// What a form sends.
    pub(super) fn act<H: Handler<T, AppState>, T: 'static>(
        mut self,
        path: &str,
        handler: H,
    ) -> Self {
        self.router = self.router.route(path, post(handler));
        self.noted("POST", path, Gives::Act)
    }

    /// A list as a file, in both forms.
    pub(super) fn files<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, AppState> + Clone,
        T: 'static,
    {
        self.get(&format!("{path}.csv"), Gives::Csv, handler.clone())
            .get(&format!("{path}.xlsx"), Gives::Xlsx, handler)
    }

    /// Anything else that is asked for.
    pub(super) fn get<H, T>(mut self, path: &str, gives: Gives, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, get(handler));
        self.noted("GET", path, gives)
    }

    /// These and those.
    pub(super) fn and(mut self, more: Self) -> Self {
        self.router = self.router.merge(more.router);
        self.list.extend(more.list);
        self
    }

    fn noted(mut self, method: &'static str, path: &str, gives: Gives) -> Self {
        self.list.push(Route {
            method,
            path: path.to_owned(),
            gives,
        });
        self
    }

    /// The router.
    pub(super) fn into_router(self) -> Router<AppState> {
        self.router
    }

    /// The list.
    pub(super) fn into_list(self) -> Vec<Route> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_belongs_to_a_page() {
        for (act, page) in [
            ("/requests/zj/r-1/urge", "/requests/zj/r-1"),
            ("/drafts/d1/items/host/remove", "/drafts/d1/items/host"),
            ("/drafts/d1/delete", "/drafts/d1"),
            ("/tenants/zj/members/add", "/tenants/zj/members"),
            ("/views/requests", "/"),
            ("/sign-out", "/"),
            // These are looked at, or nothing is there.
            ("/windows", "/windows"),
            ("/requests/new", "/requests/new"),
            ("/drafts/d1/basics", "/drafts/d1/basics"),
            ("/nowhere/at/all", "/nowhere/at/all"),
        ] {
            assert_eq!(page_of(act), page, "{act}");
        }
        for act in EVERY.iter().filter(|route| route.method == "POST") {
            let path = act.path.replace(['{', '}'], "");
            let page = page_of(&path);
            let fits = EVERY.iter().filter(|r| r.fit(page).is_some());
            assert!(
                fits.clone().any(|r| r.gives == Gives::Page),
                "{path}: {page}"
            );
        }
    }
}
