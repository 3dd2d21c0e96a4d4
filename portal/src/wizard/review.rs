//! The task list of an application, the check of its answers with what they will do, and its submission as the person.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::keys::tenant_namespace;
use crds::resource_request::{Application, ResourceRequest, ResourceRequestSpec};
use crds::{InformationSystem, information_system as system};
use http::{HeaderMap, StatusCode};
use kube::ResourceExt as _;
use serde_json::json;

use super::check::Step;
use super::{Open, item_word, kind_word};
use crate::acts;
use crate::attachments;
use crate::cluster::Cluster;
use crate::cluster::write::{Author, WriteError};
use crate::db::drafts;
use crate::error::AppError;
use crate::forms::Fields;
use crate::health::Health;
use crate::live::Visit;
use crate::page::Page;
use crate::requests::effect::{Effect, called};
use crate::requests::{self, words};

/// One task.
struct Task {
    word: &'static str,
    href: String,
    health: Health,
    state: &'static str,
    about: String,
}

#[derive(Template)]
#[template(path = "tasks.html")]
struct Tasks {
    p: Page,
    kind: String,
    unit: String,
    steps: Vec<Task>,
    items: Vec<(String, String, bool)>,
    add: String,
    hidden: Vec<(&'static str, String)>,
    home: String,
    ready: bool,
    saved: crate::ages::Moment,
}

/// An answer, with the address that changes it.
struct Answer {
    question: String,
    told: String,
    href: String,
}

#[derive(Template)]
#[template(path = "check.html")]
struct Check {
    p: Page,
    parts: Vec<(&'static str, Vec<Answer>)>,
    effect: Effect,
    chain: Vec<(String, String, String)>,
    nobody: Option<String>,
    errors: Vec<(String, String)>,
    hidden: Vec<(&'static str, String)>,
    home: String,
    /// What submitting writes, as YAML.
    yaml: String,
}

/// The task list.
///
/// # Errors
/// There is no such draft, or the hub or the database gives no answer.
pub async fn tasks(visit: Visit, Path(id): Path<String>) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    let lang = open.lang();
    let steps = Step::of(&open.form);
    let tasks: Vec<_> = steps.iter().map(|step| task(&open, *step)).collect();
    let needed = steps
        .iter()
        .zip(&tasks)
        .filter(|(step, _)| !step.is_optional());
    let needed: Vec<_> = needed
        .map(|(_, task)| task.health == Health::Good)
        .collect();
    let done = needed.iter().filter(|done| **done).count();
    let ready = done == needed.len();
    let title = if open.form.title().is_empty() {
        lang.t("drafts.untitled")
    } else {
        open.form.title()
    };
    let key = if ready {
        "wizard.tasks.title.ready"
    } else {
        "wizard.tasks.title"
    };
    let figures = [
        ("title", title),
        ("done", &done.to_string()),
        ("all", &needed.len().to_string()),
    ];
    let items = open.form.items.iter().map(|item| {
        let wrong = !super::check::item(lang, &open.form, item, &open.ground).is_empty();
        let check = if wrong { "?check=1" } else { "" };
        (
            item_word(&open, item),
            format!("{}/items/{}{check}", open.home(), item.name),
            wrong,
        )
    });
    let saved = jiff::Timestamp::from_microsecond(open.draft.changed).unwrap_or(open.visit.now);
    let page = Tasks {
        p: open.frame(lang.say(key, &figures), lang.t("wizard.tasks")),
        kind: kind_word(lang, &open.form),
        unit: open.wording.tenant(&open.form.tenant).to_owned(),
        items: items.collect(),
        steps: tasks,
        add: format!("{}/items/new", open.home()),
        hidden: open.hidden(),
        home: open.home(),
        ready,
        saved: crate::ages::moment(lang, saved, open.visit.now),
    };
    Ok(Html(page.render()?).into_response())
}

fn task(open: &Open, step: Step) -> Task {
    let lang = open.lang();
    let wrongs = step.wrongs(lang, &open.form, &open.ground);
    // "Looked at but incomplete" is not "not begun": case workers need to tell them apart.
    let (health, state, check) = if step.is_untouched(&open.form) {
        let optional = step.is_optional();
        let state = if optional {
            "task.optional"
        } else {
            "task.untouched"
        };
        (Health::Idle, state, "")
    } else if wrongs.is_empty() {
        (Health::Good, "task.done", "")
    } else {
        (Health::Attention, "task.incomplete", "?check=1")
    };
    Task {
        word: lang
            .find(&format!("wizard.{}", step.code()))
            .unwrap_or(step.code()),
        href: format!("{}/{}{check}", open.home(), step.code()),
        health,
        state: lang.find(state).unwrap_or(state),
        about: wrongs
            .first()
            .filter(|_| !check.is_empty())
            .map(|wrong| wrong.words.clone())
            .unwrap_or_default(),
    }
}

/// The name under which a draft is submitted: the same however often it is.
pub(super) fn name_of(open: &Open) -> String {
    let begun = jiff::Timestamp::from_microsecond(open.draft.created).unwrap_or(open.visit.now);
    let day = crate::ages::today(begun).strftime("%Y%m%d").to_string();
    format!("{day}-{}", &open.draft.id[..8.min(open.draft.id.len())])
}

/// The answers and what they will do.
///
/// # Errors
/// There is no such draft, or the hub or the database gives no answer.
pub async fn check(visit: Visit, Path(id): Path<String>) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    Ok(Html(check_page(&open).render()?).into_response())
}

fn check_page(open: &Open) -> Check {
    let lang = open.lang();
    let application = open.form.application(&open.ground);
    let preview = open.ground.preview(&application, &name_of(open), &[]);
    let chain = open.ground.chain(&application);
    let (chain, nobody) = match chain {
        Ok(chain) => (chain, None),
        Err(verdict) => (
            Vec::new(),
            Some(open.wording.sentence(
                verdict.reason.as_str(),
                &verdict.params,
                &verdict.message(),
            )),
        ),
    };
    let chain = chain.iter().map(|stage| {
        let who: Vec<_> = stage
            .approvers
            .iter()
            .map(|subject| words::subject(lang, subject))
            .collect();
        let days = lang.count("count.working-days", stage.working_days.into());
        (
            words::stage(&open.wording, stage.stage, stage.of.as_deref()),
            lang.join(&who),
            days,
        )
    });
    let errors = Step::of(&open.form).into_iter().flat_map(|step| {
        let href = format!("{}/{}?check=1", open.home(), step.code());
        step.wrongs(lang, &open.form, &open.ground)
            .into_iter()
            .map(move |wrong| (href.clone(), wrong.words))
    });
    let errors: Vec<_> = errors.collect();
    let name = name_of(open);
    let asked = (name.as_str(), &application);
    let effect = Effect::of(&open.wording, &open.ground, asked, &preview);
    let me = &open.visit.session.user.name;
    let request = new_request(me, (&open.form.tenant, &name_of(open)), application);
    let fine = errors.is_empty() && effect.problems.is_empty() && nobody.is_none();
    let title = lang.t(if fine {
        "wizard.check.title"
    } else {
        "wizard.check.title.problems"
    });
    Check {
        p: open.frame(title.to_owned(), lang.t("wizard.check")),
        parts: answers(open),
        effect,
        chain: chain.collect(),
        nobody,
        errors,
        hidden: open.hidden(),
        home: open.home(),
        yaml: serde_yaml::to_string(&request).unwrap_or_default(),
    }
}

fn answers(open: &Open) -> Vec<(&'static str, Vec<Answer>)> {
    let lang = open.lang();
    let steps = Step::of(&open.form).into_iter().map(|step| {
        let href = format!("{}/{}?back=check", open.home(), step.code());
        let word = lang
            .find(&format!("wizard.{}", step.code()))
            .unwrap_or(step.code());
        let line = |question: String, told: String, href: String| Answer {
            question,
            told,
            href,
        };
        if step == Step::Items {
            let items = open.form.items.iter().map(|item| {
                let href = format!("{}/items/{}", open.home(), item.name);
                line(item_word(open, item), item_answer(open, item), href)
            });
            return (word, items.collect());
        }
        if step == Step::Files {
            let files = &open.form.attachments;
            let told: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
            let told = if told.is_empty() {
                lang.t("wizard.files.none").to_owned()
            } else {
                lang.join(&told)
            };
            return (
                word,
                vec![line(lang.t("files.title").to_owned(), told, href)],
            );
        }
        let groups = super::steps::groups(lang, step, &open.form, &[]);
        let fields = groups.into_iter().flat_map(|group| group.fields);
        let told = fields
            .filter(|field| !field.value.is_empty() || field.required)
            .map(|field| line(field.label.clone(), told(open, &field), href.clone()));
        (word, told.collect())
    });
    steps.collect()
}

/// What was chosen, by its word.
fn told(open: &Open, field: &crate::fields::Field) -> String {
    if field.value.is_empty() {
        return open.lang().t("wizard.not-filled").to_owned();
    }
    if let Some(name) = field.value.strip_prefix("registered:") {
        let system = open
            .visit
            .state
            .cluster
            .systems()
            .into_iter()
            .find(|s| s.name_any() == name);
        return system.map_or_else(
            || name.to_owned(),
            |s| {
                s.spec
                    .display_name
                    .in_language(open.lang().code())
                    .to_owned()
            },
        );
    }
    field.told(open.lang())
}

fn item_answer(open: &Open, item: &super::ItemForm) -> String {
    let lang = open.lang();
    let application = open.form.application(&open.ground);
    let found = application.items.iter().find(|i| i.name == item.name);
    let by_hand = found.filter(|i| i.delivered.is_some());
    let by_hand = by_hand.map(|i| called(&open.wording, &open.ground, &application, &i.name));
    let place = found.map(|i| {
        [
            open.wording.platform(&i.platform),
            words::zone(lang, i.zone),
        ]
        .join(lang.t("sentence.dot"))
    });
    let namespace =
        (!item.namespace.is_empty()).then(|| format!("{}-{}", open.form.tenant, item.namespace));
    let amounts = super::form::amounts(item);
    let amounts = (!amounts.is_empty()).then(|| words::amounts(lang, &amounts));
    let answers = item.parameters.values().filter(|a| !a.is_empty()).cloned();
    place
        .into_iter()
        .chain(by_hand)
        .chain(amounts)
        .chain(namespace)
        .chain(answers)
        .collect::<Vec<_>>()
        .join(lang.t("sentence.dot"))
}

/// Submits the application as the person. However often it is sent, it is one request.
///
/// # Errors
/// The form is not ours, or the hub or the database gives no answer.
pub async fn submit(
    visit: Visit,
    Path(id): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    let me = visit.session.user.name.clone();
    let again = submitted(&visit.state.cluster, &me, &id);
    let done = |request: &ResourceRequest| {
        let href = format!("{}?done=submitted", requests::href(request));
        Redirect::to(&href).into_response()
    };
    let open = match Open::find(visit, &id).await {
        // The second click, or the back button after the first: the draft has become a request.
        Err(AppError::NoDraft) => return Ok(done(&*again.ok_or(AppError::NoDraft)?)),
        other => other?,
    };
    open.check(&fields)?;
    let mut page = check_page(&open);
    if !page.errors.is_empty() || !page.effect.problems.is_empty() || page.nobody.is_some() {
        page.p.title_prefix = Some(open.lang().t("error.prefix"));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    }
    if fields.get("revision") != open.draft.revision.to_string() {
        page.p.alert = Some(super::not_saved(open.lang(), &drafts::DraftError::Stale));
        return Ok((StatusCode::CONFLICT, Html(page.render()?)).into_response());
    }
    let author = Author {
        user: &open.visit.session.user,
        request_id: acts::request_id(&headers),
        dry: false,
    };
    let request = match (send(&open, author).await, again) {
        (Ok(request), _) => Arc::new(request),
        (Err(WriteError::Exists), Some(request)) => request,
        (Err(error), _) => {
            page.p.alert = Some(open.wording.refusal(&error));
            return Ok((error.status(), Html(page.render()?)).into_response());
        }
    };
    // The request is there; where the database is away, the draft leads to it again until `attachments/keeper.rs` ends it.
    let (uid, cluster) = (request.uid().unwrap_or_default(), &open.visit.state.cluster);
    // A second click that finds no draft looks for the request, as the page of it does.
    cluster.has(|hub| submitted(hub, &me, &id).is_some()).await;
    if let Err(error) = attachments::hand_over(&open.visit.records()?.db, (&me, &id), &uid).await {
        tracing::warn!(%error, "a draft that was submitted stays for a while");
    }
    Ok(done(&request))
}

/// The request that somebody's draft became.
pub(crate) fn submitted(cluster: &Cluster, owner: &str, id: &str) -> Option<Arc<ResourceRequest>> {
    let ending = format!("-{}", id.get(..8)?);
    let is_it = |request: &Arc<ResourceRequest>| {
        request.name_any().ends_with(&ending) && request.spec.applicant.as_deref() == Some(owner)
    };
    cluster.requests().into_iter().find(is_it)
}

/// Registers the system where it is a new one, then makes the request.
async fn send(open: &Open, author: Author<'_>) -> Result<ResourceRequest, WriteError> {
    let namespace = tenant_namespace(&open.form.tenant);
    let cluster = &open.visit.state.cluster;
    if let Some(system) = new_system(open, &namespace) {
        match cluster.create(author, &system).await {
            Ok(_) | Err(WriteError::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    let application = open.form.application(&open.ground);
    let place = (open.form.tenant.as_str(), name_of(open));
    submission(cluster, author, place, application).await
}

/// Submits an application as its author: how the wizard and the API make a request, and the only way.
///
/// # Errors
/// The hub says no.
pub async fn submission(
    cluster: &Cluster,
    author: Author<'_>,
    (tenant, name): (&str, String),
    application: Application,
) -> Result<ResourceRequest, WriteError> {
    let request = new_request(&author.user.name, (tenant, &name), application);
    cluster.create(author, &request).await
}

/// An application as its applicant submits it.
fn new_request(
    applicant: &str,
    (tenant, name): (&str, &str),
    application: Application,
) -> ResourceRequest {
    let spec = ResourceRequestSpec {
        classified: false,
        applicant: Some(applicant.to_owned()),
        application,
        decisions: Vec::new(),
        opinions: Vec::new(),
        answers: Vec::new(),
        delegations: Vec::new(),
        urgings: Vec::new(),
        withdrawal: Vec::new(),
        acceptance: Vec::new(),
        rating: Vec::new(),
    };
    let mut request = ResourceRequest::new(name, spec);
    request.metadata.namespace = Some(tenant_namespace(tenant));
    request
}

fn new_system(open: &Open, namespace: &str) -> Option<InformationSystem> {
    let form = &open.form.system;
    if form.choice != "new" || !open.form.asks_system() {
        return None;
    }
    let spec = json!({
        "displayName": { "zh": form.name },
        "owner": form.owner,
        "category": form.category,
        "hosting": form.hosting,
        "mlpsLevel": form.mlps.parse::<u8>().ok(),
    });
    let spec: system::InformationSystemSpec = serde_json::from_value(spec).ok()?;
    let mut system = InformationSystem::new(&form.id, spec);
    system.metadata.namespace = Some(namespace.to_owned());
    Some(system)
}
