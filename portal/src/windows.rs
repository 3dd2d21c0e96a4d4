//! Change windows: what is frozen or in maintenance, when and where. Everybody signed in reads them; the authority orders a
//! freeze, and whoever runs platforms announces a maintenance of them, as themselves (the rule is the policy `change-windows`).

use askama::Template;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::ChangeWindow;
use crds::change_window::{ChangeWindowSpec, WindowPhase, WindowScope, WindowType};
use crds::keys::tenant_namespace;
use crds::words::{DisplayName, Zone};
use http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use kube::ResourceExt as _;

use crate::access::{Visible, everywhere};
use crate::acts::request_id;
use crate::ages::{self, Moment};
use crate::cluster::write::{Author, WriteError};
use crate::cluster::{Cluster, Kind};
use crate::db::new_id;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::forms::{Fields, WRONG, not_done, token};
use crate::health::{Health, Wording};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::{Banner, Page};
use crate::refusals::Told;

/// What the form's token is for.
const PURPOSE: &str = "change-window";
/// Characters of a title, and of a reason.
const TITLE: usize = 128;
const REASON: usize = 1024;
const ZONES: [Zone; 4] = [
    Zone::Internet,
    Zone::Extranet,
    Zone::Exchange,
    Zone::Management,
];

/// A window as it is shown.
pub struct Shown {
    /// Its name in the API.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Freeze or maintenance.
    pub kind: String,
    /// Where it holds.
    pub scope: String,
    /// Why, and by which document.
    pub reason: String,
    /// Its first instant.
    pub from: Moment,
    /// Its end.
    pub to: Moment,
    /// How it stands.
    pub health: Health,
    /// The word for that.
    pub state: String,
    /// How much it holds back, where it does.
    pub held: Option<String>,
    /// Whether it may be ended.
    pub goes_on: bool,
    /// Whether it has not begun: then it is taken back.
    pub planned: bool,
}

#[derive(Template)]
#[template(path = "windows.html")]
struct Windows {
    p: Page,
    rows: Vec<Shown>,
    may: Rights,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
    token: String,
    /// The name that the window gets: sending the form twice makes one.
    name: String,
    zones: Vec<(&'static str, &'static str)>,
}

/// What somebody may announce: freezes, and maintenance of these platforms (id and name).
#[derive(Clone, Debug, Default)]
struct Rights {
    freeze: bool,
    platforms: Vec<(String, String)>,
}

impl Rights {
    fn any(&self) -> bool {
        self.freeze || !self.platforms.is_empty()
    }
}

fn show(wording: &Wording, window: &ChangeWindow) -> Shown {
    let (lang, now, spec) = (wording.lang, wording.now, &window.spec);
    let phase = spec.phase(now);
    let health = match phase {
        WindowPhase::Planned | WindowPhase::Ended => Health::Idle,
        WindowPhase::Active => Health::Attention,
    };
    let word = ["phase", phase.as_str()].join(".");
    let held = window.status.as_ref().map_or(0, |s| s.held_back);
    let reason = match &spec.reference {
        Some(reference) => [spec.reason.as_str(), reference.as_str()].join(lang.t("sentence.dot")),
        None => spec.reason.clone(),
    };
    Shown {
        name: window.name_any(),
        title: spec.title.in_language(lang.code()).to_owned(),
        kind: kind(lang, spec.type_).to_owned(),
        scope: scope(wording, &spec.scope),
        reason,
        from: ages::moment(lang, spec.from, now),
        to: ages::moment(lang, spec.to, now),
        health,
        state: lang.t(&format!("window.{word}")).to_owned(),
        held: (phase == WindowPhase::Active && held > 0)
            .then(|| lang.say("window.held", &[("n", &held.to_string())])),
        goes_on: phase != WindowPhase::Ended,
        planned: phase == WindowPhase::Planned,
    }
}

fn kind(lang: Lang, type_: WindowType) -> &'static str {
    match type_ {
        WindowType::Freeze => lang.find("window.freeze"),
        WindowType::Maintenance => lang.find("window.maintenance"),
    }
    .unwrap_or_default()
}

/// Where it holds, in words.
fn scope(wording: &Wording, scope: &WindowScope) -> String {
    let lang = wording.lang;
    if scope.is_everywhere() {
        return lang.t("window.everywhere").to_owned();
    }
    let platforms = scope
        .platforms
        .iter()
        .map(|p| wording.platform(p).to_owned());
    let clusters = scope.clusters.iter().cloned();
    let tenants = scope.tenants.iter().map(|t| wording.tenant(t).to_owned());
    let zones = scope.zones.iter();
    let zones = zones.map(|z| lang.t(&format!("zone.{}", z.as_str())).to_owned());
    let parts = platforms.chain(clusters).chain(tenants).chain(zones);
    parts.collect::<Vec<_>>().join(lang.t("sentence.dot"))
}

/// Every window: what is in force first, then what is to come, then what is over, newest first.
fn all(cluster: &Cluster, now: Timestamp) -> Vec<std::sync::Arc<ChangeWindow>> {
    let mut windows = cluster.windows();
    windows.sort_by_key(|w| {
        let (from, to) = (w.spec.from.as_second(), w.spec.to.as_second());
        match w.spec.phase(now) {
            WindowPhase::Active => (0, to),
            WindowPhase::Planned => (1, from),
            WindowPhase::Ended => (2, -to),
        }
    });
    windows
}

/// The windows that concern a platform and are not over.
#[must_use]
pub fn of_platform(wording: &Wording, cluster: &Cluster, platform: &str) -> Vec<Shown> {
    let named = |w: &ChangeWindow| {
        let platforms = &w.spec.scope.platforms;
        platforms.is_empty() || platforms.iter().any(|p| p == platform)
    };
    all(cluster, wording.now)
        .iter()
        .filter(|w| w.spec.phase(wording.now) != WindowPhase::Ended && named(w))
        .map(|w| show(wording, w))
        .collect()
}

/// What is in force now and concerns what a person sees, over every page.
#[must_use]
pub fn banners(wording: &Wording, cluster: &Cluster, visible: &Visible) -> Vec<Banner> {
    let lang = wording.lang;
    let grants = |platform: &String| visible.quotas.iter().any(|q| q.spec.platform == *platform);
    let concerns = |w: &ChangeWindow| {
        let scope = &w.spec.scope;
        let platform = scope.platforms.is_empty() || scope.platforms.iter().any(grants);
        let own = |tenant: &String| {
            visible.tenant_names.contains(tenant) || visible.requests.has(&tenant_namespace(tenant))
        };
        platform && (scope.tenants.is_empty() || scope.tenants.iter().any(own))
    };
    all(cluster, wording.now)
        .iter()
        .filter(|w| w.spec.phase(wording.now) == WindowPhase::Active && concerns(w))
        .map(|w| {
            let shown = show(wording, w);
            let figures = [
                ("title", shown.title.as_str()),
                ("scope", &shown.scope),
                ("until", &shown.to.exact),
            ];
            let text = match w.spec.type_ {
                WindowType::Freeze => lang.say("window.banner.freeze", &figures),
                WindowType::Maintenance => lang.say("window.banner.maintenance", &figures),
            };
            Banner {
                health: Health::Attention,
                text,
            }
        })
        .collect()
}

async fn rights(visit: &Visit, visible: &Visible) -> Result<Rights, AppError> {
    let of_windows = |verb| everywhere(verb, Kind::ChangeWindow);
    if !visit.may(of_windows("create")).await? {
        return Ok(Rights::default());
    }
    let freeze = visit.may(of_windows("freeze")).await?;
    let run = if freeze {
        visible.platforms.iter().map(|p| p.name_any()).collect()
    } else {
        visit.run_by(visible).await?
    };
    let lang = visit.reader.lang;
    let called = |name: String| (name.clone(), visible.names.platform(lang, &name).to_owned());
    Ok(Rights {
        freeze,
        platforms: run.into_iter().map(called).collect(),
    })
}

/// The page: what is in force, to come and over, and for who may the form.
///
/// # Errors
/// The hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    draw(&visit, Fields::default(), Vec::new(), None).await
}

async fn draw(
    visit: &Visit,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
    alert: Option<Told>,
) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let wording = visit.wording(&visible);
    let windows = all(&visit.state.cluster, visit.now);
    let rows: Vec<_> = windows.iter().map(|w| show(&wording, w)).collect();
    let active = rows
        .iter()
        .filter(|r| r.health == Health::Attention)
        .count();
    let title = match active {
        0 => lang.t("windows.title.none").to_owned(),
        n => lang.say("windows.title", &[("n", &n.to_string())]),
    };
    let here = lang.t("nav.windows");
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.bulletins"), "/bulletins"),
    ];
    let mut p = visit.page(&visible, title).under(&above, here);
    p.alert = alert;
    let name = match fields.get("name") {
        "" => format!("window-{}", &new_id().map_err(AppError::internal)?[..10]),
        name => name.to_owned(),
    };
    let zone = |zone: Zone| {
        let word = lang.find(&format!("zone.{}", zone.as_str()));
        (zone.as_str(), word.unwrap_or(zone.as_str()))
    };
    let html = Windows {
        p,
        rows,
        may: rights(visit, &visible).await?,
        errors,
        token: token(&visit.session, PURPOSE),
        fields,
        name,
        zones: ZONES.map(zone).into(),
    };
    Ok(Html(html.render()?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let wording = visit.wording(&visible);
    let rows: Vec<_> = all(&visit.state.cluster, visit.now)
        .iter()
        .map(|w| show(&wording, w))
        .map(|row| {
            let held = row.held.unwrap_or_default();
            let (from, to) = (row.from.exact, row.to.exact);
            vec![
                row.name, row.title, row.kind, row.scope, from, to, row.state, held, row.reason,
            ]
        })
        .collect();
    let head = [
        "audit.name",
        "table.title",
        "window.kind",
        "window.scope",
        "bulletin.from",
        "bulletin.until",
        "table.state",
        "window.effect",
        "window.reason",
    ];
    let table = Table {
        file: "windows",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

/// A moment of a `datetime-local` field, in UTC+8.
fn moment(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    Offset::constant(8).to_timestamp(civil).ok()
}

/// What the form says, or what is wrong with it.
fn read(
    lang: Lang,
    fields: &Fields,
) -> Result<ChangeWindowSpec, Vec<(&'static str, &'static str)>> {
    let (from, to) = (moment(fields.get("from")), moment(fields.get("to")));
    let length = |name: &str| fields.get(name).chars().count();
    let type_ = match fields.get("type") {
        "Freeze" => Some(WindowType::Freeze),
        "Maintenance" => Some(WindowType::Maintenance),
        _ => None,
    };
    let ordered = from.zip(to).is_some_and(|(from, to)| from < to);
    let wrong = [
        ("type-1", "window.wrong.type", type_.is_some()),
        (
            "title",
            "bulletin.wrong.title",
            (1..=TITLE).contains(&length("title")),
        ),
        ("from", "window.wrong.from", from.is_some()),
        ("to", "window.wrong.to", ordered || from.is_none()),
        (
            "reason",
            "window.wrong.reason",
            (1..=REASON).contains(&length("reason")),
        ),
    ];
    let errors = wrong.into_iter().filter(|(_, _, good)| !good);
    let errors: Vec<_> = errors
        .map(|(field, key, _)| (field, lang.find(key).unwrap_or(key)))
        .collect();
    let (Some(type_), Some(from), Some(to), true) = (type_, from, to, errors.is_empty()) else {
        return Err(errors);
    };
    let zones = ZONES.into_iter();
    Ok(ChangeWindowSpec {
        title: DisplayName {
            zh: fields.get("title").to_owned(),
            en: None,
        },
        type_,
        from,
        to,
        scope: WindowScope {
            platforms: fields.all("platform").map(str::to_owned).collect(),
            zones: zones
                .filter(|z| fields.all("zone").any(|v| v == z.as_str()))
                .collect(),
            ..WindowScope::default()
        },
        reason: fields.get("reason").to_owned(),
        reference: fields.some("reference"),
    })
}

/// Makes a window, as the person who announces it.
///
/// # Errors
/// The form is not this session's, or the hub gives no answer.
pub async fn put(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, PURPOSE)?;
    let spec = match read(visit.reader.lang, &fields) {
        Ok(spec) => spec,
        Err(errors) => {
            let page = draw(&visit, fields, errors, None).await;
            return page.map(not_done(WRONG));
        }
    };
    let window = ChangeWindow::new(fields.get("name"), spec);
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(&headers),
        dry: false,
    };
    match visit.state.cluster.create_everywhere(author, &window).await {
        // A second click finds what the first one made.
        Ok(_) | Err(WriteError::Exists) => Ok(Redirect::to("/windows?done=window").into_response()),
        Err(error) => refused(&visit, fields, &error).await,
    }
}

/// Ends a window now, as the person: one that has not begun is deleted, since it never was.
///
/// # Errors
/// As of [`put`].
pub async fn end(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, PURPOSE)?;
    let windows = visit.state.cluster.windows();
    let named = windows.iter().find(|w| w.name_any() == fields.get("name"));
    let window = named.ok_or(AppError::NoPage)?;
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(&headers),
        dry: false,
    };
    let cluster = &visit.state.cluster;
    let done = if window.spec.from > visit.now {
        cluster.take_back(author, window.as_ref()).await
    } else {
        let now = crds::condition::whole_second(visit.now);
        cluster.set(author, window.as_ref(), "to", &now).await
    };
    match done {
        Ok(()) => Ok(Redirect::to("/windows?done=window-ended").into_response()),
        Err(error) => refused(&visit, Fields::default(), &error).await,
    }
}

async fn refused(visit: &Visit, fields: Fields, error: &WriteError) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let told = visit.wording(&visible).refusal(error);
    let page = draw(visit, fields, Vec::new(), Some(told)).await;
    page.map(not_done(error.status()))
}

#[cfg(test)]
mod tests;
