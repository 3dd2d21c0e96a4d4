//! What waits for a person's decision or opinion: one by one, or several with one comment. Made for a phone first.

mod cards;
pub mod decide;
pub mod duties;
mod rights;

use std::sync::Arc;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use crds::ResourceRequest;
use crds::resource_request::{Decision, DecisionOutcome};
use http::{HeaderMap, StatusCode};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::acts::request_id;
use crate::cluster::write::{Author, WriteError};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::forms::{self, Fields};
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::page::Page;
use crate::refusals::Told;
use crate::requests::{self, standing, words};
use crate::views::slice::Slice;
use cards::{Card, Which, card};
pub(crate) use rights::waiting;
pub use rights::{Roles, roles};

/// Cards of a page.
const CARDS: usize = 30;
/// How many of the person's own decisions are shown.
const RECENT: usize = 20;
const BULK: &str = "approvals";

/// Something that the person decided.
struct Past {
    href: String,
    title: String,
    tenant: String,
    outcome: &'static str,
    now: &'static str,
}

/// What became of one of several.
struct Result_ {
    href: String,
    title: String,
    done: bool,
    words: String,
}

#[derive(Template)]
#[template(path = "approvals.html", blocks = ["banners", "list"])]
struct Approvals {
    p: Page,
    cards: Vec<Card>,
    which: Which,
    all: usize,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
    csv: String,
    past: Vec<Past>,
    results: Vec<Result_>,
    token: String,
    comment: String,
}

live!(Approvals: "banners" => as_banners, "list" => as_list);

/// What waits.
///
/// # Errors
/// The hub gives no answer.
pub async fn list(visit: Visit) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit).await?)
}

pub(crate) async fn draw(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let visible = visit.visible().await?;
    page(visit, &visible, Vec::new()).await
}

async fn page(
    visit: &Visit,
    visible: &Visible,
    results: Vec<Result_>,
) -> Result<Approvals, AppError> {
    let (lang, wording) = (visit.reader.lang, visit.wording(visible));
    let mut waiting = ordered(visit, visible).await?;
    let decide = waiting.iter().filter(|(_, roles)| roles.decides).count();
    let advise = waiting.len() - decide;
    let overdue = waiting
        .iter()
        .filter(|(request, _)| is_overdue(request))
        .count();
    let parts = [
        ("approvals.title.decide", decide),
        ("approvals.title.advise", advise),
        ("approvals.title.overdue", overdue),
    ];
    let told: Vec<_> = parts
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(key, n)| lang.count(key, n))
        .collect();
    let title = if told.is_empty() {
        lang.t("approvals.title.none").to_owned()
    } else {
        lang.join(&told)
    };
    let (all, which) = (waiting.len(), Which::of(&visit.reader));
    waiting.retain(|(request, _)| which.takes(visible, request));
    let total = waiting.len();
    let slice = Slice::of(lang, total, CARDS, which.page);
    let cards = waiting[slice.from..slice.to]
        .iter()
        .map(|(request, roles)| card(visit, &wording, request, roles));
    Ok(Approvals {
        p: visit
            .page(visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.approvals")),
        cards: cards.collect(),
        all,
        shown: slice.shown,
        previous: slice.previous.map(|page| which.href(page)),
        next: slice.next.map(|page| which.href(page)),
        csv: format!("/approvals.csv?{}", which.query(1)),
        which,
        past: past(visit, visible),
        results,
        token: forms::token(&visit.session, BULK),
        comment: String::new(),
    })
}

/// What waits for the person, what is due first.
async fn ordered(
    visit: &Visit,
    visible: &Visible,
) -> Result<Vec<(Arc<ResourceRequest>, Roles)>, AppError> {
    let mut waiting = rights::waiting(visit, visible).await?;
    // Of those due on one day, who has waited longest.
    waiting.sort_by_key(|(request, _)| {
        let since = standing::current(request).and_then(|stage| stage.since);
        (
            standing::due(request).map_or((1, None), |day| (0, Some(day))),
            since,
        )
    });
    Ok(waiting)
}

/// What waits as a file.
///
/// # Errors
/// The hub gives no answer.
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let (wording, which) = (visit.wording(&visible), Which::of(&visit.reader));
    let head = [
        "table.id",
        "table.request",
        "table.tenant",
        "table.type",
        "table.what",
        "table.stage",
        "table.clock",
        "table.price",
        "table.against",
    ];
    let mut waiting = ordered(&visit, &visible).await?;
    waiting.retain(|(request, _)| which.takes(&visible, request));
    let row = |(request, roles): &(Arc<ResourceRequest>, Roles)| {
        let card = card(&visit, &wording, request, roles);
        let against = lang.join(&card.against);
        let (id, clock) = (request.name_any(), card.lamp.words);
        vec![
            id,
            card.title,
            card.tenant,
            card.kind,
            card.what,
            card.stage,
            clock,
            card.cost,
            against,
        ]
    };
    let table = Table {
        file: "approvals",
        head: &head.map(|key| lang.t(key)),
        rows: &waiting.iter().map(row).collect::<Vec<_>>(),
        sensitive: false,
    };
    export::table(&visit, table)
}

fn is_overdue(request: &ResourceRequest) -> bool {
    let clock = request
        .status
        .as_ref()
        .and_then(|status| status.clock.as_ref());
    clock.is_some_and(|clock| clock.left.is_some_and(|left| left < 0))
}

/// What the person decided last.
fn past(visit: &Visit, visible: &Visible) -> Vec<Past> {
    let lang = visit.reader.lang;
    let me = &visit.session.user.name;
    let mut decided = requests::visible(visit, visible);
    decided.retain(|request| {
        request
            .spec
            .decisions
            .iter()
            .any(|decision| decision.by == *me)
    });
    decided.sort_by_key(|request| std::cmp::Reverse(requests::submitted(request)));
    let row = |request: &Arc<ResourceRequest>| {
        let mine = request
            .spec
            .decisions
            .iter()
            .rfind(|decision| decision.by == *me)?;
        Some(Past {
            href: requests::href(request),
            title: request.spec.application.title.clone(),
            tenant: visible
                .names
                .tenant(lang, &requests::tenant(request))
                .to_owned(),
            outcome: words::outcome(lang, mine.outcome),
            now: words::phase(lang, requests::phase(request)),
        })
    };
    decided.iter().take(RECENT).filter_map(row).collect()
}

/// The outcome that a form names, and whether its comment suffices; else the key of what is wrong.
pub(crate) fn outcome(fields: &Fields) -> Result<(DecisionOutcome, Option<String>), &'static str> {
    let outcome = match fields.get("outcome") {
        "Approve" => DecisionOutcome::Approve,
        "Return" => DecisionOutcome::Return,
        "Reject" => DecisionOutcome::Reject,
        _ => return Err("wrong.no-outcome"),
    };
    let comment = fields.some("comment");
    match (outcome, &comment) {
        (DecisionOutcome::Return, None) => Err("wrong.return-comment"),
        (DecisionOutcome::Reject, None) => Err("wrong.reject-comment"),
        _ if comment
            .as_ref()
            .is_some_and(|text| text.chars().count() > 2048) =>
        {
            Err("wrong.comment-long")
        }
        _ => Ok((outcome, comment)),
    }
}

/// The decision of a person at the stage whose turn it is; `None` where it is no stage's.
pub(crate) fn decision(
    visit: &Visit,
    request: &ResourceRequest,
    (outcome, comment): (DecisionOutcome, Option<String>),
) -> Option<Decision> {
    let user = &visit.session.user;
    let stage = standing::current(request).filter(|stage| stage.stage.decides())?;
    let named = stage
        .approvers
        .iter()
        .any(|subject| standing::is_named(subject, user));
    let handed = standing::handed_by(request, stage, user).map(str::to_owned);
    Some(Decision {
        stage: stage.stage,
        of: stage.of.clone(),
        by: user.name.clone(),
        party: standing::party(stage, user),
        outcome,
        comment,
        on_behalf: handed.filter(|_| !named),
    })
}

/// Decides several with one comment; each by itself, and each is told by itself.
///
/// # Errors
/// The form is not ours, or the hub gives no answer.
pub async fn bulk(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, BULK)?;
    let visible = visit.visible().await?;
    let lang = visit.reader.lang;
    let picked: Vec<&str> = fields.all("pick").take(CARDS).collect();
    let wrong = match outcome(&fields) {
        Ok(_) if picked.is_empty() => Some("wrong.nothing-picked"),
        Ok(_) => None,
        Err(key) => Some(key),
    };
    if let Some(key) = wrong {
        let mut page = page(&visit, &visible, Vec::new()).await?;
        page.p.alert = Some(Told {
            happened: lang.t(key).to_owned(),
            ..Default::default()
        });
        fields.get("comment").clone_into(&mut page.comment);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    }
    let mut results = Vec::new();
    for pick in picked {
        results.push(one(&visit, &visible, &headers, &fields, pick).await);
    }
    let all_done = results.iter().all(|result| result.done);
    let page = page(&visit, &visible, results).await?;
    let status = if all_done {
        StatusCode::OK
    } else {
        StatusCode::CONFLICT
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// Decides one of several, as it was seen.
async fn one(
    visit: &Visit,
    visible: &Visible,
    headers: &HeaderMap,
    fields: &Fields,
    pick: &str,
) -> Result_ {
    let lang = visit.reader.lang;
    let refused = |title: &str, words: String| Result_ {
        href: "/approvals".to_owned(),
        title: title.to_owned(),
        done: false,
        words,
    };
    let gone = || refused(pick, lang.t("refusal.gone.happened").to_owned());
    let parts: Vec<_> = pick.splitn(4, '/').collect();
    let [tenant, name, seen, shown] = parts[..] else {
        return gone();
    };
    let Ok(request) = requests::page::find(visit, visible, tenant, name) else {
        return gone();
    };
    let title = request.spec.application.title.clone();
    let result = |done, words| Result_ {
        href: requests::href(&request),
        title: title.clone(),
        done,
        words,
    };
    let wording = visit.wording(visible);
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(headers),
        dry: false,
    };
    let told = |told: Told| {
        let parts = [told.happened, told.todo];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(lang.t("sentence.stop"))
    };
    // As if it were the only one.
    let field = |name: &str| (name.to_owned(), fields.get(name).to_owned());
    let as_seen = [("seen", seen), ("shown", shown)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let said = [field("outcome"), field("comment")]
        .into_iter()
        .chain(as_seen);
    let done = decide::decide(visit, &wording, author, &request, &Fields(said.collect())).await;
    match done {
        Ok((_, now)) => {
            let last = now.spec.decisions.last().map(|last| last.outcome);
            let word = last.map_or("", |outcome| words::outcome(lang, outcome));
            result(true, word.to_owned())
        }
        Err(decide::No::Wrong(key)) => result(false, lang.t(key).to_owned()),
        Err(decide::No::Told(why)) => result(false, told(why)),
        Err(decide::No::Write(WriteError::Stale)) => {
            result(false, decide::stale(lang, &wording, &request).happened)
        }
        Err(decide::No::Write(error)) => result(false, told(wording.refusal(&error))),
    }
}

/// How many wait for the person, for the rail and the home page.
///
/// # Errors
/// The hub gives no answer.
pub async fn count(visit: &Visit, visible: &Visible) -> Result<usize, AppError> {
    Ok(rights::waiting(visit, visible).await?.len())
}

/// What is said where something is decided already.
fn decided_by(lang: Lang, request: &ResourceRequest) -> Option<String> {
    let last = request.spec.decisions.last()?;
    Some(lang.say(
        "approvals.decided-by",
        &[
            ("by", &last.by),
            ("outcome", words::outcome(lang, last.outcome)),
        ],
    ))
}

#[cfg(test)]
mod tests;
