//! One request before somebody who decides: what it does, by the state of this moment, what others say, and the decision.
//!
//! Before a decision is written the request is judged anew: what does not fit any more is not approved, and what was shown
//! otherwise is shown again first.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::ResourceRequest;
use crds::approval::Stage;
use crds::resource_request::record::View;
use crds::resource_request::{DecisionOutcome, Delegation, Opinion};
use http::HeaderMap;
use kube::ResourceExt as _;

use super::Roles;
use crate::access::Visible;
use crate::acts::request_id;
use crate::attachments::{self, Link};
use crate::cluster::Kind;
use crate::cluster::write::{Author, WriteError};
use crate::error::AppError;
use crate::fields::{Choice, Field, Group, Input};
use crate::forms::{self, Fields};
use crate::ground::Ground;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::objects;
use crate::page::Page;
use crate::refusals::Told;
use crate::requests::effect::Effect;
use crate::requests::events::{EventRow, events};
use crate::requests::page::{OpinionRow, StageRow};
use crate::requests::standing::Lamp;
use crate::requests::{self, standing, words};

#[derive(Template)]
#[template(path = "decide.html", blocks = ["banners", "head", "effect", "chain"])]
pub(crate) struct DecidePage {
    p: Page,
    stage: String,
    lamp: Lamp,
    tenant: String,
    kind: String,
    applicant: String,
    justification: String,
    items: Vec<(String, String)>,
    files: Vec<Link>,
    effect: Effect,
    stages: Vec<StageRow>,
    opinions: Vec<OpinionRow>,
    events: Vec<EventRow>,
    roles: Roles,
    on_behalf: Option<String>,
    party: Option<String>,
    action: String,
    hidden: Vec<(&'static str, String)>,
    comment: Field,
    delegate: Vec<Group>,
    opinion: Vec<Group>,
    whole: String,
    /// What one types instead.
    kubectl: Option<String>,
}

live!(DecidePage: "banners" => as_banners, "head" => as_head, "effect" => as_effect, "chain" => as_chain);

/// The page.
///
/// # Errors
/// There is no such request that the person may see, or the hub gives no answer.
pub async fn page(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit, &tenant, &name).await?)
}

pub(crate) async fn draw(visit: &Visit, tenant: &str, name: &str) -> Result<DecidePage, AppError> {
    let visible = visit.visible().await?;
    let request = requests::page::find(visit, &visible, tenant, name)?;
    whole(visit, &visible, &request, None, "").await
}

/// What a decision is about, in a digest: what becomes of grants, work, cost, and what stands against it. What the pool has left
/// beside it may move.
pub(crate) fn shown(ground: Option<&Ground>, request: &ResourceRequest) -> String {
    let mut hasher = DefaultHasher::new();
    if let Some(ground) = ground {
        let holds = request
            .status
            .as_ref()
            .map(|status| status.holds.as_slice())
            .unwrap_or_default();
        let preview = ground.preview(&request.spec.application, &request.name_any(), holds);
        format!(
            "{:?} {:?} {:?}",
            preview.changes, preview.orders, preview.costs
        )
        .hash(&mut hasher);
        for problem in &preview.problems {
            problem.verdict.reason.as_str().hash(&mut hasher);
        }
    }
    format!("{:016x}", hasher.finish())
}

pub(crate) fn ground_of(visit: &Visit, request: &ResourceRequest) -> Option<Ground> {
    Ground::of(
        &visit.state.cluster,
        &requests::tenant(request),
        Some(request),
        visit.now,
    )
}

/// Why it cannot be approved now, in a sentence.
pub(super) fn stands_against(
    visit: &Visit,
    wording: &Wording,
    request: &ResourceRequest,
    outcome: DecisionOutcome,
) -> Option<String> {
    if outcome != DecisionOutcome::Approve {
        return None;
    }
    let effect = requests::page::effect_of(wording, ground_of(visit, request).as_ref(), request);
    let problem = effect.problems.first()?;
    let parts = [problem.happened.clone(), problem.todo.clone()];
    Some(
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(wording.lang.t("sentence.stop")),
    )
}

/// That somebody else was quicker, and who.
pub(crate) fn stale(lang: Lang, wording: &Wording, request: &ResourceRequest) -> Told {
    let mut told = wording.refusal(&WriteError::Stale);
    if let Some(by) = super::decided_by(lang, request) {
        told.happened = by;
    }
    told
}

fn purpose(request: &ResourceRequest) -> String {
    format!(
        "decide:{}/{}",
        request.namespace().unwrap_or_default(),
        request.name_any()
    )
}

fn title(lang: Lang, roles: &Roles, title: &str, tenant: &str) -> String {
    let key = match (roles.decides, roles.any()) {
        (true, _) => "decide.title",
        (false, true) => "decide.title.advise",
        (false, false) => "decide.title.nothing",
    };
    lang.say(key, &[("title", title), ("tenant", tenant)])
}

async fn whole(
    visit: &Visit,
    visible: &Visible,
    request: &Arc<ResourceRequest>,
    alert: Option<Told>,
    written: &str,
) -> Result<DecidePage, AppError> {
    let (lang, wording, user) = (
        visit.reader.lang,
        visit.wording(visible),
        &visit.session.user,
    );
    let ground = ground_of(visit, request);
    let roles = super::roles(visit, request).await?;
    let application = &request.spec.application;
    let (tenant, name) = (requests::tenant(request), request.name_any());
    let current = standing::current(request);
    let stage = current
        .map(|s| words::stage(&wording, s.stage, s.of.as_deref()))
        .unwrap_or_default();
    let called = wording.tenant(&tenant).to_owned();
    let title = title(lang, &roles, &application.title, &called);
    let way = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.approvals"), "/approvals"),
    ];
    let mut p = visit.page(visible, title).under(&way, &name);
    p.alert = alert;
    let kind = [
        words::type_(lang, application.type_),
        words::environment(lang, application.environment),
    ];
    Ok(DecidePage {
        p,
        stage,
        lamp: standing::lamp(lang, request),
        tenant: called,
        kind: kind.join(lang.t("sentence.dot")),
        applicant: request.spec.applicant.clone().unwrap_or_default(),
        justification: application.justification.clone(),
        items: requests::page::items(&wording, ground.as_ref(), request),
        files: attachments::links(request, &application.attachments),
        effect: requests::page::effect_of(&wording, ground.as_ref(), request),
        stages: requests::page::stages(&wording, request),
        opinions: requests::page::opinions(&wording, request),
        events: events(&wording, request),
        on_behalf: current
            .and_then(|s| standing::handed_by(request, s, user))
            .map(str::to_owned),
        party: current.and_then(|s| standing::party(s, user)),
        action: format!("/approvals/{tenant}/{name}"),
        hidden: hidden(visit, ground.as_ref(), request),
        comment: Field::new(lang, "comment", "decide-comment", Input::Long)
            .with(written)
            .most(2048),
        delegate: delegate(lang),
        opinion: opinion(lang, &roles),
        kubectl: kubectl(visit, request, &roles),
        roles,
        whole: format!("/requests/{tenant}/{name}"),
    })
}

/// What one types to approve it.
fn kubectl(visit: &Visit, request: &ResourceRequest, roles: &Roles) -> Option<String> {
    let said = (DecisionOutcome::Approve, None);
    let entry = super::decision(visit, request, said).filter(|_| roles.decides)?;
    let plural = Kind::ResourceRequest.plural();
    Some(objects::appending(request, plural, "decisions", &entry))
}

/// How many entries there were when the page was made: decisions, delegations, opinions.
pub(crate) fn seen(request: &ResourceRequest) -> String {
    let spec = &request.spec;
    format!(
        "{}-{}-{}",
        spec.decisions.len(),
        spec.delegations.len(),
        spec.opinions.len()
    )
}

fn hidden(
    visit: &Visit,
    ground: Option<&Ground>,
    request: &ResourceRequest,
) -> Vec<(&'static str, String)> {
    let token = forms::token(&visit.session, &purpose(request));
    vec![
        (forms::TOKEN, token),
        ("seen", seen(request)),
        ("shown", shown(ground, request)),
    ]
}

fn delegate(lang: Lang) -> Vec<Group> {
    vec![Group::new(
        "",
        vec![
            Field::new(lang, "to", "delegate-to", Input::Line)
                .required()
                .most(253),
            Field::new(lang, "reason", "delegate-reason", Input::Line)
                .required()
                .most(1024),
        ],
    )]
}

fn opinion(lang: Lang, roles: &Roles) -> Vec<Group> {
    if roles.advises.is_empty() {
        return Vec::new();
    }
    let stages = roles
        .advises
        .iter()
        .map(|stage| Choice::new(stage.as_str(), lang.t(&format!("stage.{}", stage.as_str()))));
    let stage = Field::new(
        lang,
        "stage",
        "opinion-stage",
        Input::Choice(stages.collect()),
    )
    .required();
    let views = [View::Favourable, View::Unfavourable, View::Neutral]
        .map(|view| Choice::new(format!("{view:?}"), words::view(lang, view)));
    vec![Group::new(
        "",
        vec![
            stage,
            Field::new(lang, "view", "opinion-view", Input::Radio(views.into())).required(),
            Field::new(lang, "opinion", "opinion-comment", Input::Long)
                .required()
                .most(4096),
        ],
    )]
}

/// Decides, hands on, or advises.
///
/// # Errors
/// There is no such request, or the form is not ours.
pub async fn post(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let request = requests::page::find(&visit, &visible, &tenant, &name)?;
    fields.check(&visit.session, &purpose(&request))?;
    let (lang, wording) = (visit.reader.lang, visit.wording(&visible));
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(&headers),
        dry: false,
    };
    let written = match fields.get("what") {
        "delegate" => hand_on(&visit, author, &request, &fields).await,
        "opinion" => advise(&visit, author, &request, &fields).await,
        _ => decide(&visit, &wording, author, &request, &fields).await,
    };
    let (status, told) = match written {
        Ok((done, _)) => {
            return Ok(Redirect::to(&format!("/approvals?done={done}")).into_response());
        }
        Err(No::Wrong(key)) => (
            http::StatusCode::UNPROCESSABLE_ENTITY,
            Told {
                happened: lang.t(key).to_owned(),
                ..Told::default()
            },
        ),
        Err(No::Told(told)) => (http::StatusCode::CONFLICT, told),
        Err(No::Write(WriteError::Stale)) => {
            (http::StatusCode::CONFLICT, stale(lang, &wording, &request))
        }
        Err(No::Write(error)) => (error.status(), wording.refusal(&error)),
    };
    let page = whole(
        &visit,
        &visible,
        &request,
        Some(told),
        fields.get("comment"),
    )
    .await?;
    Ok((status, Html(page.render()?)).into_response())
}

/// Why nothing was written.
pub(crate) enum No {
    /// What was filled in is wrong.
    Wrong(&'static str),
    /// It is otherwise than it was shown.
    Told(Told),
    /// The hub says no.
    Write(WriteError),
}

/// Whether the nth list is as it was seen.
fn unchanged(fields: &Fields, request: &ResourceRequest, nth: usize) -> Result<(), No> {
    let now = seen(request);
    let part = |text: &str| text.split('-').nth(nth).map(str::to_owned);
    if part(fields.get("seen")) == part(&now) {
        Ok(())
    } else {
        Err(No::Write(WriteError::Stale))
    }
}

/// Decides a request as it was seen, and gives it as it is then.
pub(crate) async fn decide(
    visit: &Visit,
    wording: &Wording,
    author: Author<'_>,
    request: &ResourceRequest,
    fields: &Fields,
) -> Result<(&'static str, ResourceRequest), No> {
    let said = super::outcome(fields).map_err(No::Wrong)?;
    unchanged(fields, request, 0)?;
    let outcome = said.0;
    if outcome == DecisionOutcome::Approve {
        if let Some(against) = stands_against(visit, wording, request, outcome) {
            return Err(No::Told(Told {
                happened: against,
                ..Told::default()
            }));
        }
        if fields.get("shown") != shown(ground_of(visit, request).as_ref(), request) {
            let lang = wording.lang;
            let told = Told {
                happened: lang.t("decide.changed.happened").to_owned(),
                todo: lang.t("decide.changed.todo").to_owned(),
                ..Told::default()
            };
            return Err(No::Told(told));
        }
    }
    let decision = super::decision(visit, request, said).ok_or(No::Write(WriteError::Stale))?;
    let appended = visit
        .state
        .cluster
        .append(author, request, "decisions", &decision)
        .await;
    let request = appended.map_err(No::Write)?;
    let done = match outcome {
        DecisionOutcome::Approve => "approved",
        DecisionOutcome::Return => "returned",
        DecisionOutcome::Reject => "rejected",
    };
    Ok((done, request))
}

/// Hands the stage on, and gives the request as it is then.
pub(crate) async fn hand_on(
    visit: &Visit,
    author: Author<'_>,
    request: &ResourceRequest,
    fields: &Fields,
) -> Result<(&'static str, ResourceRequest), No> {
    unchanged(fields, request, 1)?;
    let stage = standing::current(request).ok_or(No::Write(WriteError::Stale))?;
    let entry = Delegation {
        stage: stage.stage,
        of: stage.of.clone(),
        by: author.user.name.clone(),
        to: fields.some("to").ok_or(No::Wrong("wrong.delegate-to"))?,
        reason: fields
            .some("reason")
            .ok_or(No::Wrong("wrong.delegate-reason"))?,
    };
    if entry.to == entry.by {
        return Err(No::Wrong("wrong.delegate-self"));
    }
    let appended = visit
        .state
        .cluster
        .append(author, request, "delegations", &entry)
        .await;
    appended
        .map(|request| ("delegated", request))
        .map_err(No::Write)
}

/// Gives an opinion, and gives the request as it is then.
pub(crate) async fn advise(
    visit: &Visit,
    author: Author<'_>,
    request: &ResourceRequest,
    fields: &Fields,
) -> Result<(&'static str, ResourceRequest), No> {
    unchanged(fields, request, 2)?;
    let stage = [Stage::Technical, Stage::Expert]
        .into_iter()
        .find(|s| s.as_str() == fields.get("stage"));
    let view = [View::Favourable, View::Unfavourable, View::Neutral]
        .into_iter()
        .find(|v| format!("{v:?}") == fields.get("view"));
    let entry = Opinion {
        stage: stage.ok_or(No::Wrong("wrong.opinion-stage"))?,
        by: author.user.name.clone(),
        view: view.ok_or(No::Wrong("wrong.opinion-view"))?,
        comment: fields
            .some("opinion")
            .ok_or(No::Wrong("wrong.opinion-comment"))?,
    };
    let appended = visit
        .state
        .cluster
        .append(author, request, "opinions", &entry)
        .await;
    appended
        .map(|request| ("advised", request))
        .map_err(No::Write)
}
