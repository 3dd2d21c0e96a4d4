//! `/notifications`: what a person was told, how it went outside the portal, where they want to be told; and the log of
//! everything that was sent, for those who may read the ledger.

use askama::Template;
use axum::Form;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::words::SubjectKind;
use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::herald::{recipient, sentence};
use crate::acts;
use crate::ages::{self, Moment};
use crate::audit::page::is_auditor;
use crate::db::notices::{self, Contact, Notice};
use crate::db::outbox::{self, Channel, Message};
use crate::db::{Db, DbError, micros};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::health::Health;
use crate::i18n::Lang;
use crate::identity::sessions::same_secret;
use crate::identity::{User, safe_next};
use crate::live::Visit;
use crate::page::Page;

/// Notices and messages of a page.
const ROWS: i64 = 50;
/// Rows of the log as a file.
const ROWS_OF_A_FILE: i64 = 10_000;
/// An address is no longer.
const LONGEST: usize = 254;

/// How a notice went by one way out.
struct Way {
    word: String,
    health: Health,
    why: String,
}

struct Shown {
    id: String,
    sentence: String,
    at: Moment,
    read: bool,
    ways: Vec<Way>,
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct Center {
    p: Page,
    rows: Vec<Shown>,
    unread: usize,
    older: Option<String>,
    contact: Contact,
    problem: Option<&'static str>,
    saved: bool,
    form_token: String,
    log: bool,
}

struct Line {
    at: Moment,
    channel: String,
    recipient: String,
    subject: String,
    state: String,
    health: Health,
    attempts: i64,
    problem: String,
}

#[derive(Template)]
#[template(path = "notifications_log.html")]
struct Log {
    p: Page,
    rows: Vec<Line>,
    older: Option<String>,
}

/// Which page, and what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    before: Option<i64>,
    saved: Option<String>,
    wrong: Option<String>,
}

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    token: String,
    email: String,
    phone: String,
}

/// Under which names a person is told things.
#[must_use]
pub fn recipients(user: &User) -> Vec<String> {
    let own = recipient(SubjectKind::User, &user.name);
    let groups = user.groups.iter();
    let groups = groups.map(|group| recipient(SubjectKind::Group, group));
    std::iter::once(own).chain(groups).collect()
}

/// How much a person has not read; nothing where the database does not say at once.
pub async fn unread(db: &Db, user: &User) -> Option<i64> {
    let asked = async {
        let mut connection = db.acquire().await?;
        notices::unread(&mut connection, &user.name, &recipients(user)).await
    };
    let soon = std::time::Duration::from_millis(300);
    tokio::time::timeout(soon, asked).await.ok()?.ok()
}

fn db(visit: &Visit) -> Result<&Db, AppError> {
    let records = visit.state.records.as_ref();
    records.map(|records| &records.db).ok_or(AppError::NoPage)
}

fn which(visit: &Visit) -> Which {
    let uri = format!("/?{}", visit.reader.query);
    let uri = uri.parse::<http::Uri>().unwrap_or_default();
    axum::extract::Query::<Which>::try_from_uri(&uri)
        .map(|query| query.0)
        .unwrap_or_default()
}

/// The page.
///
/// # Errors
/// The hub or the database gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let (lang, visible, which) = (visit.reader.lang, visit.visible().await?, which(&visit));
    let user = &visit.session.user;
    let read = async {
        let mut connection = db(&visit)
            .map_err(|_| DbError::Other(String::new()))?
            .acquire()
            .await?;
        let before = which.before.unwrap_or(i64::MAX);
        let whose = recipients(user);
        let all = notices::of(&mut connection, &user.name, &whose, (before, ROWS + 1)).await?;
        let contact = notices::contact(&mut connection, &user.name).await?;
        let mut rows = Vec::new();
        for notice in all.iter().take(usize::try_from(ROWS).unwrap_or(0)) {
            rows.push(Shown {
                id: notice.id.clone(),
                sentence: sentence(lang, &visible.names, &notice.topic, &figures(notice)),
                at: moment(lang, notice.created, visit.now),
                read: notice.read,
                ways: ways(&mut connection, lang, &notice.cause).await?,
            });
        }
        let older = (all.len() > rows.len())
            .then(|| all.get(rows.len().saturating_sub(1)))
            .flatten()
            .map(|last| format!("/notifications?before={}", last.created));
        Ok((rows, older, contact.unwrap_or_default()))
    };
    let (rows, older, contact) = read.await.map_err(|e: DbError| AppError::database(&e))?;
    let unread = visit.unread.unwrap_or_default();
    let title = match unread {
        0 => lang.t("notices.title.none").to_owned(),
        n => lang.say("notices.title", &[("n", &n.to_string())]),
    };
    let here = lang.t("nav.notifications");
    let html = Center {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], here),
        unread: rows.iter().filter(|row| !row.read).count(),
        rows,
        older,
        contact,
        problem: match which.wrong.as_deref() {
            Some("email") => lang.find("notices.wrong.email"),
            Some(_) => lang.find("notices.wrong.phone"),
            None => None,
        },
        saved: which.saved.is_some(),
        form_token: visit.session.form_token.clone(),
        log: leads_to_log(&visit).await?,
    };
    Ok(Html(html.render()?).into_response())
}

/// What a person was told, as a file: the newest first.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (lang, visible) = (visit.reader.lang, visit.visible().await?);
    let user = &visit.session.user;
    let whole = db(&visit)?;
    let read = async {
        let mut connection = whole.acquire().await?;
        let newest = (i64::MAX, ROWS_OF_A_FILE);
        notices::of(&mut connection, &user.name, &recipients(user), newest).await
    };
    let all = read.await.map_err(|e: DbError| AppError::database(&e))?;
    let rows: Vec<_> = all
        .iter()
        .map(|notice| {
            let sentence = sentence(lang, &visible.names, &notice.topic, &figures(notice));
            let read = lang.t(if notice.read {
                "notices.read"
            } else {
                "notices.new"
            });
            let at = moment(lang, notice.created, visit.now).exact;
            vec![at, sentence, read.to_owned(), notice.href.clone()]
        })
        .collect();
    let head = [
        "table.when",
        "nav.notifications",
        "table.state",
        "notices.href",
    ];
    let table = Table {
        file: "notifications",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

fn figures(notice: &Notice) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(&notice.figures).unwrap_or_default()
}

fn moment(lang: Lang, micros: i64, now: Timestamp) -> Moment {
    let at = Timestamp::from_microsecond(micros).unwrap_or(now);
    ages::moment(lang, at, now)
}

/// How a notice went outside the portal.
async fn ways(
    connection: &mut sqlx::AnyConnection,
    lang: Lang,
    cause: &str,
) -> Result<Vec<Way>, DbError> {
    let mut ways = Vec::new();
    for channel in [Channel::Email, Channel::Sms] {
        if let Some(message) = outbox::of_cause(connection, channel, cause).await? {
            let (word, health) = state(lang, &message);
            let channel = lang.t(&format!("channel.{}", channel.word())).to_owned();
            ways.push(Way {
                word: lang.say("notices.way", &[("channel", &channel), ("state", &word)]),
                health,
                why: message.problem,
            });
        }
    }
    Ok(ways)
}

fn state(lang: Lang, message: &Message) -> (String, Health) {
    let health = match message.state.as_str() {
        "sent" => Health::Good,
        "failed" => Health::Bad,
        "unaddressed" => Health::Unknown,
        _ if message.problem.is_empty() => Health::Progress,
        _ => Health::Attention,
    };
    let word = lang.t(&format!("message.{}", message.state)).to_owned();
    (word, health)
}

/// Opens what a notice leads to, and notes that it was read.
///
/// # Errors
/// It is not this person's, or the database gives no answer.
pub async fn open(visit: Visit, Path(id): Path<String>) -> Result<Response, AppError> {
    let (db, user) = (db(&visit)?, &visit.session.user);
    let opened = async {
        let mut connection = db.acquire().await?;
        let notice = notices::find(&mut connection, &recipients(user), &id).await?;
        if notice.is_some() {
            notices::read(&mut connection, &user.name, &id, micros(visit.now)).await?;
        }
        Ok(notice)
    };
    let notice = opened.await.map_err(|e: DbError| AppError::database(&e))?;
    let notice = notice.ok_or(AppError::NoPage)?;
    Ok(Redirect::to(safe_next(&notice.href)).into_response())
}

fn checked(visit: &Visit, sent: &Sent) -> Result<(), AppError> {
    if same_secret(&visit.session.form_token, &sent.token) {
        Ok(())
    } else {
        Err(AppError::FormExpired)
    }
}

/// Notes that everything was read.
///
/// # Errors
/// The form is not this session's, or the database gives no answer.
pub async fn read_all(visit: Visit, Form(sent): Form<Sent>) -> Result<Response, AppError> {
    checked(&visit, &sent)?;
    let (db, user) = (db(&visit)?, &visit.session.user);
    let noted = async {
        let mut connection = db.acquire().await?;
        let now = micros(visit.now);
        notices::read_all(&mut connection, &user.name, &recipients(user), now).await
    };
    noted.await.map_err(|e: DbError| AppError::database(&e))?;
    Ok(Redirect::to("/notifications").into_response())
}

/// Keeps where a person wants to be told. It is an act of the ledger.
///
/// # Errors
/// The form is not this session's, or the database gives no answer.
pub async fn keep(
    visit: Visit,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Result<Response, AppError> {
    checked(&visit, &sent)?;
    let contact = Contact {
        email: sent.email.trim().to_owned(),
        phone: sent.phone.trim().to_owned(),
    };
    if let Some(field) = wrong(&contact) {
        return Ok(Redirect::to(&format!("/notifications?wrong={field}#contact")).into_response());
    }
    let (db, user) = (db(&visit)?, &visit.session.user);
    let mut entry = acts::act(user, "update", &headers);
    "contact".clone_into(&mut entry.kind);
    entry.name.clone_from(&user.name);
    visit.state.record(entry)?;
    let kept = async {
        let mut connection = db.acquire().await?;
        notices::keep_contact(&mut connection, &user.name, &contact, micros(visit.now)).await
    };
    kept.await.map_err(|e: DbError| AppError::database(&e))?;
    Ok(Redirect::to("/notifications?saved=1#contact").into_response())
}

/// Which of the two is no address.
fn wrong(contact: &Contact) -> Option<&'static str> {
    let email = &contact.email;
    if !email.is_empty() && (email.len() > LONGEST || email.parse::<lettre::Address>().is_err()) {
        return Some("email");
    }
    let phone = contact.phone.strip_prefix('+').unwrap_or(&contact.phone);
    let digits = phone.bytes().all(|byte| byte.is_ascii_digit());
    let good = phone.is_empty() || (digits && (5..=15).contains(&phone.len()));
    (!good).then_some("phone")
}

/// Also for whom the log itself refuses: it says why.
async fn leads_to_log(visit: &Visit) -> Result<bool, AppError> {
    match is_auditor(visit).await {
        Err(AppError::TwoOffices(_)) => Ok(true),
        other => other,
    }
}

async fn messages(visit: &Visit, limit: i64) -> Result<Vec<Message>, AppError> {
    if !is_auditor(visit).await? {
        return Err(AppError::NoPage);
    }
    let before = which(visit).before.unwrap_or(i64::MAX);
    let db = db(visit)?;
    let read = async { outbox::newest(&mut *db.acquire().await?, before, limit).await };
    read.await.map_err(|e: DbError| AppError::database(&e))
}

fn line(lang: Lang, message: &Message, now: Timestamp) -> Line {
    let (state, health) = state(lang, message);
    Line {
        at: moment(lang, message.created, now),
        channel: lang.t(&format!("channel.{}", message.channel)).to_owned(),
        recipient: message.recipient.clone(),
        subject: message.subject.clone(),
        state,
        health,
        attempts: message.attempts,
        problem: message.problem.clone(),
    }
}

/// The log of what was sent.
///
/// # Errors
/// The person may not see it, or the hub or the database gives no answer.
pub async fn log(visit: Visit) -> Result<Response, AppError> {
    let messages = messages(&visit, ROWS + 1).await?;
    let (lang, visible) = (visit.reader.lang, visit.visible().await?);
    let rows: Vec<_> = messages
        .iter()
        .take(usize::try_from(ROWS).unwrap_or(0))
        .map(|message| line(lang, message, visit.now))
        .collect();
    let older = (messages.len() > rows.len())
        .then(|| messages.get(rows.len().saturating_sub(1)))
        .flatten()
        .map(|last| format!("/notifications/log?before={}", last.created));
    let failed = messages.iter().filter(|m| m.state == "failed").count();
    let title = lang.say("notices.log.title", &[("failed", &failed.to_string())]);
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.notifications"), "/notifications"),
    ];
    let html = Log {
        p: visit
            .page(&visible, title)
            .under(&above, lang.t("notices.log")),
        rows,
        older,
    };
    Ok(Html(html.render()?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As of [`log`].
pub async fn log_csv(visit: Visit) -> Result<Response, AppError> {
    let messages = messages(&visit, ROWS_OF_A_FILE).await?;
    let lang = visit.reader.lang;
    let head = [
        "table.when",
        "table.channel",
        "table.recipient",
        "table.subject",
        "table.state",
        "table.attempts",
        "table.problem",
    ];
    let rows: Vec<_> = messages
        .iter()
        .map(|message| {
            let line = line(lang, message, visit.now);
            vec![
                line.at.exact,
                line.channel,
                line.recipient,
                line.subject,
                line.state,
                line.attempts.to_string(),
                line.problem,
            ]
        })
        .collect();
    let table = Table {
        file: "notifications",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: true,
    };
    export::table(&visit, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_looked_at_before_they_are_kept() {
        let of = |email: &str, phone: &str| {
            wrong(&Contact {
                email: email.into(),
                phone: phone.into(),
            })
        };
        assert_eq!(of("", ""), None);
        assert_eq!(of("a@example.gov.cn", "+8613800000000"), None);
        assert_eq!(of("a@b\r\nBcc: c@d", ""), Some("email"));
        assert_eq!(of("nobody", ""), Some("email"));
        assert_eq!(of("", "12345x"), Some("phone"));
        assert_eq!(of("", "+12"), Some("phone"));
    }
}
