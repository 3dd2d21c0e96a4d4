//! The page of the ledger: who did what, when, and how it ended. For those who hold the verb `audit` on
//! `governanceprofiles`; looking leaves no trace but an export does.

use askama::Template;
use axum::extract::Query;
use axum::response::{Html, IntoResponse as _, Response};
use crds::keys::VERB_MANAGE_ANYWHERE;
use crds::offices::Office;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::chain::Row;
use crate::access::everywhere;
use crate::ages::{self, Moment};
use crate::cluster::{Kind, Question};
use crate::db::acts::{self, Narrow};
use crate::db::{DbError, micros};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;

/// Rows of a page.
const ROWS: i64 = 50;
/// Rows of a file; more are exported at a terminal.
const ROWS_OF_A_FILE: i64 = 10_000;
/// What may be chosen of; everything else is typed.
const VERBS: [&str; 17] = [
    "create",
    "update",
    "status",
    "delete",
    "patch",
    "found",
    "gap",
    "sign-in",
    "sign-out",
    "end-session",
    "make-token",
    "revoke-token",
    "export",
    "archive",
    "way-in",
    "get",
    "post",
];
const WAYS: [&str; 6] = [
    "portal", "kubectl", "operator", "api", "terminal", "unknown",
];
const OUTCOMES: [&str; 2] = ["ok", "refused"];
/// Days begin in Beijing.
const BEIJING: i8 = 8;

/// What the page is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Filter {
    actor: String,
    verb: String,
    via: String,
    outcome: String,
    kind: String,
    namespace: String,
    name: String,
    from: String,
    to: String,
    below: Option<i64>,
}

/// A row as it is shown.
struct Shown {
    seq: i64,
    at: Moment,
    actor: String,
    via: String,
    verb: String,
    object: String,
    outcome: String,
    refused: bool,
    before: String,
    after: String,
    request_id: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    p: Page,
    rows: Vec<Shown>,
    filter: Filter,
    verbs: Vec<(&'static str, String)>,
    ways: Vec<(&'static str, String)>,
    outcomes: Vec<(&'static str, String)>,
    older: Option<String>,
    newest: Option<String>,
    csv: String,
    narrowed: bool,
}

impl Filter {
    /// What the address asks for.
    pub(crate) fn of(visit: &Visit) -> Self {
        let uri = format!("/?{}", visit.reader.query)
            .parse::<http::Uri>()
            .unwrap_or_default();
        Query::<Self>::try_from_uri(&uri)
            .map(|query| query.0)
            .unwrap_or_default()
    }

    /// The same, for the database.
    pub(crate) fn narrow(&self, limit: i64) -> Narrow {
        let text = |text: &String| text.trim().to_owned();
        Narrow {
            actor: text(&self.actor),
            kind: text(&self.kind),
            namespace: text(&self.namespace),
            name: text(&self.name),
            verb: text(&self.verb),
            outcome: text(&self.outcome),
            via: text(&self.via),
            from: midnight(&self.from, 0),
            // The last day counts.
            to: midnight(&self.to, 1),
            below: self.below,
            limit,
        }
    }

    fn query(&self, below: Option<i64>) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in [
            ("actor", &self.actor),
            ("verb", &self.verb),
            ("via", &self.via),
            ("outcome", &self.outcome),
            ("kind", &self.kind),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("from", &self.from),
            ("to", &self.to),
        ] {
            if !value.is_empty() {
                pairs.append_pair(key, value);
            }
        }
        if let Some(below) = below {
            pairs.append_pair("below", &below.to_string());
        }
        pairs.finish()
    }
}

fn midnight(day: &str, later: i64) -> Option<i64> {
    let day: Date = day.trim().parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(BEIJING));
    let day = day.checked_add(jiff::Span::new().days(later)).ok()?;
    Some(micros(day.to_zoned(zone).ok()?.timestamp()))
}

/// The page.
///
/// # Errors
/// The person may not see it, or the hub or the database gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let filter = Filter::of(&visit);
    let rows = rows(&visit, &filter.narrow(ROWS + 1)).await?;
    let (lang, visible) = (visit.reader.lang, visit.visible().await?);
    let more = i64::try_from(rows.len()).unwrap_or(0) > ROWS;
    let shown: Vec<_> = rows
        .iter()
        .take(usize::try_from(ROWS).unwrap_or(0))
        .map(|row| show(lang, row, visit.now))
        .collect();
    let title = match (shown.first(), shown.last()) {
        (Some(newest), Some(oldest)) => lang.say(
            "audit.title",
            &[
                ("newest", newest.at.exact.as_str()),
                ("oldest", oldest.at.exact.as_str()),
            ],
        ),
        _ => lang.t("audit.title.none").to_owned(),
    };
    let choices = |group: &str, words: &[&'static str]| {
        words
            .iter()
            .map(|word| (*word, self::word(lang, group, word)))
            .collect::<Vec<_>>()
    };
    let older = shown
        .last()
        .filter(|_| more)
        .map(|row| format!("/audit?{}", filter.query(Some(row.seq))));
    let newest = filter
        .below
        .map(|_| format!("/audit?{}", filter.query(None)));
    let html = AuditPage {
        p: visit.page(&visible, title),
        narrowed: !filter.query(None).is_empty(),
        csv: format!("/audit.csv?{}", filter.query(None)),
        verbs: choices("verb", &VERBS),
        ways: choices("via", &WAYS),
        outcomes: choices("outcome", &OUTCOMES),
        rows: shown,
        filter,
        older,
        newest,
    };
    Ok(Html(html.render()?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let rows = rows(&visit, &Filter::of(&visit).narrow(ROWS_OF_A_FILE)).await?;
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let table = Table {
        file: "audit",
        head: &Row::COLUMNS,
        rows: &cells,
        sensitive: true,
    };
    export::table(&visit, table)
}

/// Rows of the ledger, to who may see them.
pub(crate) async fn rows(visit: &Visit, narrow: &Narrow) -> Result<Vec<Row>, AppError> {
    if !is_auditor(visit).await? {
        return Err(AppError::NoPage);
    }
    let records = visit.state.records.as_ref().ok_or(AppError::NoPage)?;
    let rows = async { acts::list(&mut *records.db.acquire().await?, narrow).await };
    rows.await
        .map_err(|error: DbError| AppError::database(&error))
}

/// Whether the person may look at what was done, as the API server says.
///
/// # Errors
/// The person is system or security administrator as well, and an administrator of the cluster neither: by the same rule as
/// the policy `three-administrators`, who holds two of the three offices does the acts of neither. Or the hub gives no answer.
pub async fn is_auditor(visit: &Visit) -> Result<bool, AppError> {
    if !visit.may(office(Office::Audit)).await? {
        return Ok(false);
    }
    let anywhere = everywhere(VERB_MANAGE_ANYWHERE, Kind::TenantQuota);
    for other in [Office::System, Office::Security] {
        if visit.may(office(other)).await? && !visit.may(anywhere.clone()).await? {
            let what = format!("see {}", visit.reader.path);
            let sentence = Office::Audit.refusal(other, &visit.session.user.name, &what);
            return Err(AppError::TwoOffices(sentence));
        }
    }
    Ok(true)
}

/// What is asked of the API server about an office.
#[must_use]
pub const fn office(office: Office) -> Question {
    everywhere(office.verb(), Kind::GovernanceProfile)
}

fn word(lang: Lang, group: &str, word: &str) -> String {
    lang.find(&format!("audit.{group}.{word}"))
        .unwrap_or(word)
        .to_owned()
}

fn show(lang: Lang, row: &Row, now: Timestamp) -> Shown {
    let at = Timestamp::from_microsecond(row.happened).unwrap_or(now);
    let object = [&row.kind, &row.namespace, &row.name]
        .into_iter()
        .filter(|part| !part.is_empty());
    Shown {
        seq: row.seq,
        at: ages::moment(lang, at, now),
        actor: match row.actor.as_str() {
            "" => lang.t("audit.nobody").to_owned(),
            name => name.to_owned(),
        },
        via: word(lang, "via", &row.via),
        verb: word(lang, "verb", &row.verb),
        object: object.cloned().collect::<Vec<_>>().join(" / "),
        outcome: word(lang, "outcome", &row.outcome),
        refused: row.outcome == "refused",
        before: pretty(&row.before),
        after: pretty(&row.after),
        request_id: row.request_id.clone(),
        hash: row.hash.clone(),
    }
}

/// JSON in lines; what is none stays as it is, and nothing is nothing.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(object)) if object.is_empty() => String::new(),
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_beijing_days_and_the_last_one_counts() {
        let filter = Filter {
            from: "2026-11-22".into(),
            to: "2026-11-22".into(),
            ..Filter::default()
        };
        let narrow = filter.narrow(1);
        let moment = |text: &str| Some(micros(text.parse().unwrap()));
        assert_eq!(narrow.from, moment("2026-11-21T16:00:00Z"));
        assert_eq!(narrow.to, moment("2026-11-22T16:00:00Z"));
    }

    #[test]
    fn a_filter_is_said_in_the_address_and_nothing_else_is() {
        let filter = Filter {
            actor: "数据局&x=1".into(),
            ..Filter::default()
        };
        assert_eq!(
            filter.query(Some(7)),
            "actor=%E6%95%B0%E6%8D%AE%E5%B1%80%26x%3D1&below=7"
        );
    }
}
