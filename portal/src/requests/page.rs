//! The page of one request: where it stands, who decides, what it does, what happened, and what the reader can do.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use crds::ResourceRequest;
use crds::keys::tenant_namespace;
use crds::resource_request::Phase;
use kube::ResourceExt as _;

use super::effect::{self, Effect};
use super::events::{EventRow, events};
use super::standing::{self, Lamp};
use super::{acts, facts, words};
use crate::access::Visible;
use crate::ages;
use crate::attachments::{self, Link};
use crate::error::AppError;
use crate::fields::Wrong;
use crate::forms::Fields;
use crate::ground::Ground;
use crate::health::{Health, Wording};
use crate::live::{self, Visit, live};
use crate::objects::{self, AsCode};
use crate::page::Page;
use crate::platforms::Fact;
use crate::refusals::Told;
use crate::way_in;

/// A stage of the chain.
pub(crate) struct StageRow {
    pub(crate) word: String,
    pub(crate) who: String,
    pub(crate) health: Health,
    pub(crate) state: &'static str,
    pub(crate) took: String,
    pub(crate) current: bool,
}

/// An opinion.
pub(crate) struct OpinionRow {
    pub(crate) stage: String,
    pub(crate) by: String,
    pub(crate) health: Health,
    pub(crate) view: &'static str,
    pub(crate) comment: String,
}

/// A line of the delivery sheet.
struct Delivered {
    place: String,
    facts: Vec<Fact>,
}

#[derive(Template)]
#[template(path = "request.html", blocks = ["banners", "head", "effect", "chain", "timeline", "delivery", "code"])]
pub(crate) struct RequestPage {
    p: Page,
    lamp: Lamp,
    health: Health,
    phase: &'static str,
    said: String,
    facts: Vec<Fact>,
    items: Vec<(String, String)>,
    files: Vec<Link>,
    effect: Effect,
    settled: bool,
    stages: Vec<StageRow>,
    opinions: Vec<OpinionRow>,
    events: Vec<EventRow>,
    deliveries: Vec<Delivered>,
    /// The grants that can be entered, with the page of each one's way in.
    ways_in: Vec<(String, String)>,
    accept_by: Option<String>,
    actions: Vec<acts::Action>,
    decide: Option<String>,
    code: AsCode,
}

live!(RequestPage: "banners" => as_banners, "head" => as_head, "effect" => as_effect, "chain" => as_chain, "timeline" => as_timeline, "delivery" => as_delivery, "code" => as_code);

/// A request that the person may see.
///
/// # Errors
/// There is none of that name, or they may not: the two look the same.
pub fn find(
    visit: &Visit,
    visible: &Visible,
    tenant: &str,
    name: &str,
) -> Result<Arc<ResourceRequest>, AppError> {
    let namespace = tenant_namespace(tenant);
    if !visible.requests.has(&namespace) {
        return Err(AppError::NoPage);
    }
    visit
        .state
        .cluster
        .request(&namespace, name)
        .ok_or(AppError::NoPage)
}

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

pub(crate) async fn draw(visit: &Visit, tenant: &str, name: &str) -> Result<RequestPage, AppError> {
    let visible = visit.visible().await?;
    let request = find(visit, &visible, tenant, name)?;
    whole(visit, &visible, &request, None).await
}

/// Something that was just tried and was not done.
pub(crate) struct Tried<'a> {
    /// What.
    pub(crate) act: acts::Act,
    /// What was filled in.
    pub(crate) fields: &'a Fields,
    /// Why it was not done.
    pub(crate) told: Told,
    /// Which field is wrong, and what is wrong with it.
    pub(crate) wrong: Vec<Wrong>,
}

impl Tried<'_> {
    /// Whether there is anything in it to lose.
    pub(crate) fn says_something(&self) -> bool {
        !self.fields.get(&self.act.field("comment")).is_empty()
    }
}

/// The page, with what was just tried as it was filled in.
pub(crate) async fn whole(
    visit: &Visit,
    visible: &Visible,
    request: &ResourceRequest,
    tried: Option<Tried<'_>>,
) -> Result<RequestPage, AppError> {
    let (wording, lang) = (visit.wording(visible), visit.reader.lang);
    let (tenant, name) = (super::tenant(request), request.name_any());
    let ground = Ground::of(&visit.state.cluster, &tenant, Some(request), visit.now);
    let status = request.status.clone().unwrap_or_default();
    let phase = super::phase(request);
    let application = &request.spec.application;
    let called = visible.names.tenant(lang, &tenant).to_owned();
    let figures = [
        ("title", application.title.as_str()),
        ("phase", words::phase(lang, phase)),
        ("tenant", &called),
    ];
    let stage =
        standing::current(request).map(|s| words::stage(&wording, s.stage, s.of.as_deref()));
    let title = match &stage {
        Some(stage) => lang.say("request.title.stage", &[figures[0], ("stage", stage)]),
        None => lang.say("request.title", &figures),
    };
    let way = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.requests"), "/requests"),
    ];
    let mut p = visit.page(visible, title).under(&way, &name);
    p.alert = tried.as_ref().map(|tried| tried.told.clone());
    let delivery = status.delivery.filter(|_| phase == Phase::Delivered);
    let accept_by = delivery.and_then(|d| d.accept_by);
    Ok(RequestPage {
        p,
        lamp: standing::lamp(lang, request),
        health: words::phase_health(phase),
        phase: words::phase(lang, phase),
        said: said(&wording, request),
        facts: facts::facts(&wording, visit, request),
        items: items(&wording, ground.as_ref(), request),
        files: attachments::links(request, &application.attachments),
        effect: effect_of(&wording, ground.as_ref(), request),
        settled: is_settled(phase),
        stages: stages(&wording, request),
        opinions: opinions(&wording, request),
        events: events(&wording, request),
        deliveries: deliveries(&wording, request),
        ways_in: ways_in(visit, request, &tenant).await?,
        accept_by: accept_by.map(|day| day.to_string()),
        actions: acts::offered(visit, request, tried.as_ref()).await?,
        decide: acts::decides_here(visit, request)
            .await?
            .then(|| format!("/approvals/{tenant}/{name}")),
        code: objects::as_code(
            request,
            "resourcerequests",
            Some(&tenant_namespace(&tenant)),
            &name,
            format!("/requests/{tenant}/{name}/yaml"),
        )?,
    })
}

/// Whether nothing of it is to be enacted any more.
const fn is_settled(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Delivered | Phase::Accepted | Phase::Rejected | Phase::Withdrawn
    )
}

/// What the request's own conditions say of it: where it stands, and how the review of an emergency does.
pub(crate) fn said(wording: &Wording, request: &ResourceRequest) -> String {
    let conditions = request.status.as_ref().map(|status| &status.conditions);
    let types = [crds::ConditionType::Ready, crds::ConditionType::Reviewed];
    let said: Vec<_> = types
        .into_iter()
        .filter_map(|type_| conditions?.get(type_))
        .map(|one| wording.sentence(&one.reason, &one.params, &one.message))
        .collect();
    if said.is_empty() {
        return wording.lang.t("request.waits").to_owned();
    }
    said.join(wording.lang.t("sentence.stop"))
}

/// What it does, by the ground as it is now.
pub(crate) fn effect_of(
    wording: &Wording,
    ground: Option<&Ground>,
    request: &ResourceRequest,
) -> Effect {
    let Some(ground) = ground else {
        return Effect::default();
    };
    let holds = request
        .status
        .as_ref()
        .map(|status| status.holds.as_slice())
        .unwrap_or_default();
    let application = &request.spec.application;
    let name = request.name_any();
    let preview = ground.preview(application, &name, holds);
    Effect::of(wording, ground, (&name, application), &preview)
}

/// What is asked for, with where.
pub(crate) fn items(
    wording: &Wording,
    ground: Option<&Ground>,
    request: &ResourceRequest,
) -> Vec<(String, String)> {
    let lang = wording.lang;
    let application = &request.spec.application;
    let line = |item: &crds::resource_request::Item| {
        let word = ground.map_or_else(
            || item.name.clone(),
            |g| effect::called(wording, g, application, &item.name),
        );
        let place = [
            wording.platform(&item.platform),
            words::zone(lang, item.zone),
        ]
        .join(lang.t("sentence.dot"));
        let amounts = words::amounts(lang, &item.resources);
        let leaves = item.namespaces.iter().map(|leaf| leaf.name.clone());
        let answers = item
            .parameters
            .iter()
            .map(|(name, answer)| format!("{name}: {answer}"));
        let more = std::iter::once(place)
            .chain(Some(amounts).filter(|a| !a.is_empty()))
            .chain(leaves)
            .chain(answers);
        (word, more.collect::<Vec<_>>().join(lang.t("sentence.dot")))
    };
    application.items.iter().map(line).collect()
}

/// The chain: who, how far, how long.
pub(crate) fn stages(wording: &Wording, request: &ResourceRequest) -> Vec<StageRow> {
    use crds::resource_request::chain::StageState;
    let lang = wording.lang;
    let chain = request
        .status
        .as_ref()
        .map(|status| status.chain.as_slice())
        .unwrap_or_default();
    let row = |stage: &crds::resource_request::StageStatus| {
        let state = stage.state;
        let health = match state {
            StageState::Waiting | StageState::PassedOver => Health::Idle,
            StageState::Current => Health::Progress,
            StageState::Returned => Health::Attention,
            StageState::Approved | StageState::Advised => Health::Good,
            StageState::Rejected => Health::Bad,
        };
        let who: Vec<_> = if stage.by.is_empty() {
            stage
                .approvers
                .iter()
                .map(|subject| words::subject(lang, subject))
                .collect()
        } else {
            stage.by.clone()
        };
        let until = stage.done.unwrap_or(wording.now);
        let took = stage
            .since
            .map(|since| ages::length(lang, until.as_second() - since.as_second()));
        let took = took.map(|length| {
            lang.say(
                if stage.done.is_some() {
                    "stage.took"
                } else {
                    "stage.waits"
                },
                &[("length", &length)],
            )
        });
        let all = (stage.rule == crds::approval::Rule::All).then(|| lang.t("stage.all").to_owned());
        let after = stage
            .afterwards
            .then(|| lang.t("stage.afterwards").to_owned());
        let told: Vec<_> = [took, all, after].into_iter().flatten().collect();
        StageRow {
            word: words::stage(wording, stage.stage, stage.of.as_deref()),
            who: lang.join(&who),
            health,
            state: lang.find(&format!("stage-state.{state:?}")).unwrap_or(""),
            took: told.join(lang.t("sentence.dot")),
            current: matches!(state, StageState::Current | StageState::Returned),
        }
    };
    chain.iter().map(row).collect()
}

/// The opinions.
pub(crate) fn opinions(wording: &Wording, request: &ResourceRequest) -> Vec<OpinionRow> {
    use crds::resource_request::record::View;
    let row = |opinion: &crds::resource_request::Opinion| OpinionRow {
        stage: words::stage(wording, opinion.stage, None),
        by: opinion.by.clone(),
        health: match opinion.view {
            View::Favourable => Health::Good,
            View::Unfavourable => Health::Bad,
            View::Neutral => Health::Unknown,
        },
        view: words::view(wording.lang, opinion.view),
        comment: opinion.comment.clone(),
    };
    request.spec.opinions.iter().map(row).collect()
}

async fn ways_in(
    visit: &Visit,
    request: &ResourceRequest,
    tenant: &str,
) -> Result<Vec<(String, String)>, AppError> {
    let delivered = request.status.iter().filter(|s| s.delivery.is_some());
    let grants: Vec<_> = delivered.flat_map(|status| &status.grants).collect();
    if grants.is_empty() || !way_in::offered(visit, tenant).await? {
        return Ok(Vec::new());
    }
    let link = |grant: &str| (grant.to_owned(), way_in::address(tenant, grant));
    Ok(grants.iter().map(|enacted| link(&enacted.grant)).collect())
}

fn deliveries(wording: &Wording, request: &ResourceRequest) -> Vec<Delivered> {
    let lang = wording.lang;
    let delivery = request
        .status
        .as_ref()
        .and_then(|status| status.delivery.as_ref());
    let entries = delivery
        .map(|delivery| delivery.entries.as_slice())
        .unwrap_or_default();
    let line = |entry: &crds::resource_request::DeliveryEntry| {
        let facts = [
            ("table.cluster", entry.cluster.clone()),
            ("fact.endpoint", entry.endpoint.clone()),
            ("table.namespace", Some(lang.join(&entry.namespaces))),
            ("fact.in-force", Some(words::amounts(lang, &entry.hard))),
            ("fact.contact", entry.contact.clone()),
            ("fact.work-order", entry.work_order.clone()),
            ("fact.note", entry.note.clone()),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.filter(|v| !v.is_empty())?)));
        Delivered {
            place: [
                wording.platform(&entry.platform),
                words::zone(lang, entry.zone),
            ]
            .join(lang.t("sentence.dot")),
            facts: facts
                .map(|(key, value)| Fact {
                    word: lang.find(key).unwrap_or(key),
                    value,
                })
                .collect(),
        }
    };
    entries.iter().map(line).collect()
}

/// A request as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn yaml(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let request = find(&visit, &visible, &tenant, &name)?;
    let text = serde_yaml::to_string(request.as_ref()).map_err(AppError::internal)?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
