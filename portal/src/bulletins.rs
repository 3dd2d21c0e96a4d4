//! Announcements: the authority writes them, everybody reads them at the workbench, and those for everybody also before they
//! sign in.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::access::everywhere;
use crate::acts;
use crate::ages::{self, Moment};
use crate::cluster::{Kind, Question};
use crate::db::bulletins::{self, Bulletin};
use crate::db::{Db, DbError, micros};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::forms::{Fields, WRONG, not_done, token};
use crate::health::Health;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::state::AppState;

/// What the form's token is for.
const PURPOSE: &str = "bulletin";
/// Characters of a title, and of a text.
const TITLE: usize = 128;
const BODY: usize = 4096;
/// Days that an announcement is shown where nothing is said, and at most.
const DAYS: i64 = 7;
const MOST_DAYS: i64 = 366;
/// Rows of the page.
const ROWS: i64 = 200;
/// The database is not waited for longer.
const SOON: std::time::Duration = std::time::Duration::from_millis(500);

/// An announcement as it is shown.
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Who announced it.
    pub author: String,
    /// From when.
    pub starts: Moment,
    /// Until when.
    pub ends: Moment,
    /// Whether it is for everybody.
    pub public: bool,
    /// Whether it is shown, was, or will be.
    pub health: Health,
    /// The word for that.
    pub state: String,
}

#[derive(Template)]
#[template(path = "bulletins.html")]
struct Bulletins {
    p: Page,
    rows: Vec<Shown>,
    may: bool,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
    token: String,
}

/// What is announced now. An unreachable database announces nothing, and keeps nobody from their work.
pub async fn now(state: &AppState, lang: Lang, only_public: bool, at: Timestamp) -> Vec<Shown> {
    let Some(records) = &state.records else {
        return Vec::new();
    };
    let read = async {
        let mut connection = records.db.acquire().await?;
        bulletins::at(&mut connection, only_public, micros(at)).await
    };
    match tokio::time::timeout(SOON, read).await {
        Ok(Ok(all)) => all.iter().map(|one| show(lang, one, at)).collect(),
        Ok(Err(error)) => {
            tracing::debug!(%error, "announcements are not shown");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

fn show(lang: Lang, bulletin: &Bulletin, now: Timestamp) -> Shown {
    let moment = |micros: i64| {
        let at = Timestamp::from_microsecond(micros).unwrap_or(now);
        ages::moment(lang, at, now)
    };
    let (health, state) = if bulletin.ends <= micros(now) {
        (Health::Idle, "bulletin.over")
    } else if bulletin.starts > micros(now) {
        (Health::Idle, "bulletin.ahead")
    } else {
        (Health::Good, "bulletin.shown")
    };
    Shown {
        id: bulletin.id.clone(),
        title: bulletin.title.clone(),
        body: bulletin.body.clone(),
        author: bulletin.author.clone(),
        starts: moment(bulletin.starts),
        ends: moment(bulletin.ends),
        public: bulletin.public,
        health,
        state: lang.t(state).to_owned(),
    }
}

/// Who announces: whoever keeps the service catalog, which is the authority alone (the verb `offer`).
fn question() -> Question {
    everywhere("offer", Kind::ServiceOffering)
}

async fn may(visit: &Visit) -> Result<bool, AppError> {
    visit.may(question()).await
}

fn db(visit: &Visit) -> Result<&Db, AppError> {
    let records = visit.state.records.as_ref();
    records
        .map(|records| &records.db)
        .ok_or(AppError::NoDatabase)
}

/// What somebody sees of everything that was announced: what is over or ahead is the authority's own affair.
pub(crate) async fn seen(visit: &Visit) -> Result<Vec<Bulletin>, AppError> {
    let (may, now) = (may(visit).await?, micros(visit.now));
    let mut all = all(visit).await?;
    all.retain(|one| may || (one.starts <= now && one.ends > now));
    Ok(all)
}

async fn all(visit: &Visit) -> Result<Vec<Bulletin>, AppError> {
    let db = db(visit)?;
    let read = async { bulletins::newest(&mut *db.acquire().await?, ROWS).await };
    read.await.map_err(|e: DbError| AppError::database(&e))
}

/// The page: what was and is announced, and for the authority the form.
///
/// # Errors
/// The hub or the database gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    draw(&visit, Fields::default(), Vec::new()).await
}

async fn draw(
    visit: &Visit,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
) -> Result<Response, AppError> {
    let (visible, lang, may) = (visit.visible().await?, visit.reader.lang, may(visit).await?);
    let mut rows: Vec<_> = all(visit)
        .await?
        .iter()
        .map(|one| show(lang, one, visit.now))
        .collect();
    // What is over or ahead is the authority's own affair.
    rows.retain(|row| may || row.health == Health::Good);
    let shown = rows.iter().filter(|row| row.health == Health::Good).count();
    let title = match shown {
        0 => lang.t("bulletins.title.none").to_owned(),
        n => lang.say("bulletins.title", &[("n", &n.to_string())]),
    };
    let here = lang.t("nav.bulletins");
    let html = Bulletins {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], here),
        rows,
        may,
        fields,
        errors,
        token: token(&visit.session, PURPOSE),
    };
    Ok(Html(html.render()?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (lang, may) = (visit.reader.lang, may(&visit).await?);
    let all = all(&visit).await?;
    let rows: Vec<_> = all
        .iter()
        .map(|one| show(lang, one, visit.now))
        .filter(|row| may || row.health == Health::Good)
        .map(|row| {
            vec![
                row.title,
                row.body,
                row.author,
                row.starts.exact,
                row.ends.exact,
                row.state,
            ]
        })
        .collect();
    let head = [
        "table.title",
        "bulletin.body",
        "bulletin.author",
        "bulletin.from",
        "bulletin.until",
        "table.state",
    ];
    let table = Table {
        file: "bulletins",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

/// When it begins and ends: days of Beijing; the last one counts.
fn span(fields: &Fields, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let today = now.to_zoned(zone.clone()).date();
    let day = |name: &str| -> Option<Option<Date>> {
        match fields.get(name) {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    };
    let from = day("from")?;
    let first = from.unwrap_or(today);
    let until = day("until")?;
    let last = match until {
        Some(until) => until,
        None => first.checked_add(jiff::Span::new().days(DAYS - 1)).ok()?,
    };
    let longest = first.checked_add(jiff::Span::new().days(MOST_DAYS)).ok()?;
    if last < first || last < today || last > longest {
        return None;
    }
    let begin = |day: Date| {
        day.to_zoned(zone.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let starts = if first <= today { now } else { begin(first)? };
    Some((starts, begin(last.tomorrow().ok()?)?))
}

/// Announces something.
///
/// # Errors
/// The person may not, the form is not this session's, or the hub, the database or the ledger gives no answer.
pub async fn put(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, PURPOSE)?;
    if !may(&visit).await? {
        return Err(AppError::NoPage);
    }
    let (lang, db, user) = (visit.reader.lang, db(&visit)?, &visit.session.user);
    let length = |name: &str| fields.get(name).chars().count();
    let span = span(&fields, visit.now);
    let wrong = [
        (
            "title",
            "bulletin.wrong.title",
            (1..=TITLE).contains(&length("title")),
        ),
        (
            "body",
            "bulletin.wrong.body",
            (1..=BODY).contains(&length("body")),
        ),
        ("until", "bulletin.wrong.until", span.is_some()),
    ];
    let errors: Vec<_> = wrong
        .into_iter()
        .filter(|(_, _, good)| !good)
        .map(|(field, key, _)| (field, lang.find(key).unwrap_or(key)))
        .collect();
    let (Some((starts, ends)), true) = (span, errors.is_empty()) else {
        let page = draw(&visit, fields, errors).await;
        return page.map(not_done(WRONG));
    };
    let mut entry = acts::act(user, "create", &headers);
    "bulletin".clone_into(&mut entry.kind);
    fields.get("title").clone_into(&mut entry.name);
    visit.state.record(entry)?;
    let put = async {
        let mut connection = db.acquire().await?;
        let words = (
            fields.get("title"),
            fields.get("body"),
            fields.get("public") == "1",
        );
        let span = (micros(starts), micros(ends));
        bulletins::put(&mut connection, &user.name, words, span, micros(visit.now)).await
    };
    put.await.map_err(|e: DbError| AppError::database(&e))?;
    Ok(Redirect::to("/bulletins?done=bulletin").into_response())
}

/// Takes an announcement down.
///
/// # Errors
/// As of [`put`].
pub async fn end(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, PURPOSE)?;
    if !may(&visit).await? {
        return Err(AppError::NoPage);
    }
    let (db, user) = (db(&visit)?, &visit.session.user);
    let mut entry = acts::act(user, "delete", &headers);
    "bulletin".clone_into(&mut entry.kind);
    fields.get("id").clone_into(&mut entry.name);
    visit.state.record(entry)?;
    let ended = async {
        let mut connection = db.acquire().await?;
        bulletins::end(&mut connection, fields.get("id"), micros(visit.now)).await
    };
    ended.await.map_err(|e: DbError| AppError::database(&e))?;
    Ok(Redirect::to("/bulletins?done=bulletin-ended").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_beijing_days_and_the_last_one_counts() {
        let now: Timestamp = "2026-11-24T06:00:00Z".parse().unwrap();
        let of = |from: &str, until: &str| {
            let fields = [("from", from), ("until", until)];
            span(
                &Fields(fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
                now,
            )
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            of("", "2026-11-24"),
            Some((now, at("2026-11-24T16:00:00Z")))
        );
        assert_eq!(
            of("2026-11-25", "").map(|span| span.0),
            Some(at("2026-11-24T16:00:00Z"))
        );
        for (from, until) in [
            ("2026-11-25", "2026-11-24"),
            ("", "2026-11-23"),
            ("x", ""),
            ("", "2028-01-01"),
        ] {
            assert_eq!(of(from, until), None, "{from} {until}");
        }
    }
}
