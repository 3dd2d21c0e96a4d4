//! How a person reads: language and theme, from the address, else from cookies. Chinese and light where nothing is said.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Uri};

use crate::i18n::Lang;
use crate::identity::cookie;

const LANG: &str = "qipan_lang";
const THEME: &str = "qipan_theme";

/// The set of tokens that a page is drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    #[default]
    Light,
    /// Light on dark.
    Dark,
    /// Large print, larger targets, fewer columns.
    Care,
}

impl Theme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::Care];

    /// The word in cookies, addresses and style sheets.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Care => "care",
        }
    }

    fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.code() == code)
    }
}

/// How this request's pages are to be written.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// The language.
    pub lang: Lang,
    /// The theme.
    pub theme: Theme,
    /// The path of the page.
    pub path: String,
    /// The query of the page without language, theme and part.
    pub query: String,
    /// The one region that is asked for, where it is not the whole page.
    pub part: Option<String>,
}

/// The value of a parameter. Values here are plain words: nothing needs decoding.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .rev()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

impl Reader {
    /// Reads the address and the cookies of a request.
    #[must_use]
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let said = |name: &str, kept: &str| {
            parameter(uri, name)
                .map(str::to_owned)
                .or_else(|| cookie(headers, kept))
        };
        let rest: Vec<_> = uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter(|pair| {
                !pair.is_empty()
                    && !["lang=", "theme=", "part="]
                        .iter()
                        .any(|own| pair.starts_with(own))
            })
            .collect();
        Self {
            lang: said("lang", LANG)
                .and_then(|code| Lang::of(&code))
                .unwrap_or_default(),
            theme: said("theme", THEME)
                .and_then(|code| Theme::of(&code))
                .unwrap_or_default(),
            path: uri.path().to_owned(),
            query: rest.join("&"),
            part: parameter(uri, "part").map(str::to_owned),
        }
    }

    /// The value of a parameter of the address, decoded; empty where it is not there.
    #[must_use]
    pub fn parameter(&self, name: &str) -> String {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        let found = pairs.find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }

    /// What was just done: a form leads to a page with `done=<what>` in its address, which has words for it.
    #[must_use]
    pub fn done(&self) -> Option<&'static str> {
        let mut pairs = self.query.split('&');
        let what = pairs.find_map(|pair| pair.strip_prefix("done="))?;
        self.lang.find(&format!("done.{what}"))
    }

    /// This page's address with one parameter set.
    #[must_use]
    pub fn here_with(&self, name: &str, value: &str) -> String {
        let and = if self.query.is_empty() { "" } else { "&" };
        format!("{}?{}{and}{name}={value}", self.path, self.query)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers))
    }
}

/// Keeps a language or theme that was named in the address in a cookie.
pub async fn remember(request: Request, next: Next) -> Response {
    let lang = parameter(request.uri(), "lang")
        .and_then(Lang::of)
        .map(|lang| (LANG, lang.code()));
    let theme = parameter(request.uri(), "theme")
        .and_then(Theme::of)
        .map(|theme| (THEME, theme.code()));
    let mut response = next.run(request).await;
    for (name, value) in [lang, theme].into_iter().flatten() {
        let line = format!("{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax");
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_before_the_cookie_and_nonsense_is_chinese_and_light() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "qipan_lang=en; qipan_theme=dark".parse().unwrap());
        let reader = Reader::of(&"/tenants?q=a&lang=zh".parse().unwrap(), &headers);
        assert_eq!((reader.lang, reader.theme), (Lang::Zh, Theme::Dark));
        assert_eq!(reader.here_with("lang", "en"), "/tenants?q=a&lang=en");
        let reader = Reader::of(
            &"/?lang=xx&theme=%3Cscript%3E".parse().unwrap(),
            &HeaderMap::new(),
        );
        assert_eq!((reader.lang, reader.theme), (Lang::Zh, Theme::Light));
    }
}
