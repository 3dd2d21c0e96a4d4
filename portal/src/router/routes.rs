//! A router that remembers what it was told: the list of routes and the router itself cannot drift apart.
//!
//! The suite of the browser (`tests/tests/browser.rs`) takes the list from here, and fails for every route that people ask
//! for and it does not visit.

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
