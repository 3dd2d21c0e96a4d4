//! What waits for a person's decision or opinion: one by one, or several with one comment. Made for a phone first.

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
use crate::ages::{self, Moment};
use crate::cluster::write::Author;
use crate::error::AppError;
use crate::forms::{self, Fields};
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::page::Page;
use crate::requests::{self, standing, words};
pub(crate) use rights::waiting;
pub use rights::{Roles, roles};
use standing::Lamp;

/// Cards of a page.
const CARDS: usize = 30;
/// How many of the person's own decisions are shown.
const RECENT: usize = 20;
const BULK: &str = "approvals";

/// A request that waits.
struct Card {
    href: String,
    pick: String,
    title: String,
    tenant: String,
    kind: String,
    what: String,
    stage: String,
    lamp: Lamp,
    since: Option<Moment>,
    urged: Option<String>,
    opinions: String,
    cost: String,
    advises: bool,
}

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
    more: usize,
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
    let mut waiting = rights::waiting(visit, visible).await?;
    waiting
        .sort_by_key(|(request, _)| standing::due(request).map_or((1, None), |day| (0, Some(day))));
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
    let cards = waiting
        .iter()
        .take(CARDS)
        .map(|(request, roles)| card(visit, &wording, request, roles));
    Ok(Approvals {
        p: visit
            .page(visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.approvals")),
        cards: cards.collect(),
        more: waiting.len().saturating_sub(CARDS),
        past: past(visit, visible),
        results,
        token: forms::token(&visit.session, BULK),
        comment: String::new(),
    })
}

fn is_overdue(request: &ResourceRequest) -> bool {
    let clock = request
        .status
        .as_ref()
        .and_then(|status| status.clock.as_ref());
    clock.is_some_and(|clock| clock.left.is_some_and(|left| left < 0))
}

fn card(visit: &Visit, wording: &Wording, request: &ResourceRequest, roles: &Roles) -> Card {
    let lang = wording.lang;
    let application = &request.spec.application;
    let tenant = requests::tenant(request);
    let stage = standing::current(request);
    let views = request.spec.opinions.iter().map(|opinion| {
        [
            words::stage(wording, opinion.stage, None),
            words::view(lang, opinion.view).to_owned(),
        ]
        .join(lang.t("sentence.colon"))
    });
    let last = request.spec.urgings.last().map(|urging| {
        let said = urging.comment.clone().unwrap_or_default();
        lang.say(
            "approvals.urged",
            &[
                ("n", &request.spec.urgings.len().to_string()),
                ("said", &said),
            ],
        )
    });
    let cost = request
        .status
        .as_ref()
        .and_then(|status| status.monthly_cost);
    Card {
        href: format!("/approvals/{tenant}/{}", request.name_any()),
        pick: format!(
            "{tenant}/{}/{}",
            request.name_any(),
            request.spec.decisions.len()
        ),
        title: application.title.clone(),
        tenant: wording.tenant(&tenant).to_owned(),
        kind: [
            words::type_(lang, application.type_),
            words::environment(lang, application.environment),
        ]
        .join(lang.t("sentence.dot")),
        what: requests::what(lang, &visit.state.cluster, application),
        stage: stage
            .map(|s| words::stage(wording, s.stage, s.of.as_deref()))
            .unwrap_or_default(),
        lamp: standing::lamp(lang, request),
        since: stage
            .and_then(|s| s.since)
            .map(|at| ages::moment(lang, at, visit.now)),
        urged: last,
        opinions: lang.join(&views.collect::<Vec<_>>()),
        cost: words::monthly(lang, cost),
        advises: !roles.decides,
    }
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
        page.p.alert = Some(crate::refusals::Told {
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
    let mut parts = pick.splitn(3, '/');
    let (Some(tenant), Some(name), Some(seen)) = (parts.next(), parts.next(), parts.next()) else {
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
    let said = match outcome(fields) {
        Ok(said) => said,
        Err(key) => return result(false, lang.t(key).to_owned()),
    };
    if let Some(problem) = decide::stands_against(visit, &wording, &request, said.0) {
        return result(false, problem);
    }
    let word = words::outcome(lang, said.0);
    let stale = seen != request.spec.decisions.len().to_string();
    let Some(decision) = decision(visit, &request, said).filter(|_| !stale) else {
        return result(false, decide::stale(lang, &wording, &request).happened);
    };
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(headers),
        dry: false,
    };
    match visit
        .state
        .cluster
        .append(author, request.as_ref(), "decisions", &decision)
        .await
    {
        Ok(_) => result(true, word.to_owned()),
        Err(error) => {
            let told = wording.refusal(&error);
            let parts = [told.happened, told.todo]
                .into_iter()
                .filter(|t| !t.is_empty())
                .collect::<Vec<_>>();
            result(false, parts.join(lang.t("sentence.stop")))
        }
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
