//! 工作台: what waits for somebody, what they have, what is wrong with it; each of it a link to where it is done.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use crds::ResourceRequest;
use crds::calendar::day_of;
use crds::keys::tenant_of_namespace;
use crds::resource_request::chain::{StageState, StageStatus};
use crds::resource_request::{Phase, ResourceRequestStatus};
use crds::words::{Subject, SubjectKind};
use crds::work_order::OrderState;
use kube::ResourceExt as _;

use crate::access::{self, Visible};
use crate::ages::{self, Moment};
use crate::bulletins::{self, Shown};
use crate::db::{DbError, drafts};
use crate::error::AppError;
use crate::health::{Health, Notice, Wording};
use crate::identity::User;
use crate::live::Visit;
use crate::page::Page;
use crate::requests::standing::{self, Lamp};
use crate::requests::{self, words};
use crate::work_orders;

/// So many of a kind are shown; the rest is behind a link.
const SHOWN: usize = 10;
/// So many things that are wrong are shown beside them.
const WRONG: usize = 5;

/// Something that waits.
pub struct Task {
    /// Where it is done.
    pub href: String,
    /// What is to be done.
    pub what: String,
    /// What it is about.
    pub title: String,
    /// Whose it is, and since when or until when.
    pub about: String,
    /// How urgent it is.
    pub health: Health,
    /// The word for that.
    pub state: String,
}

/// Something that somebody has.
struct Own {
    href: String,
    title: String,
    about: String,
    health: Health,
    state: String,
    since: Option<Moment>,
}

#[derive(Template)]
#[template(path = "mine.html")]
struct Mine {
    p: Page,
    bulletins: Vec<Shown>,
    tasks: Vec<Task>,
    more: usize,
    own: Vec<Own>,
    drafts: Vec<Own>,
    units: Vec<Own>,
    notices: Vec<Notice>,
    left: usize,
    report: bool,
}

/// The page.
///
/// # Errors
/// The hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let wording = visit.wording(&visible);
    let mut tasks = tasks(&visit, &visible, &wording).await?;
    let title = match tasks.len() {
        0 => lang.t("mine.title.none").to_owned(),
        n => lang.say("mine.title", &[("n", &n.to_string())]),
    };
    let more = tasks.len().saturating_sub(SHOWN);
    tasks.truncate(SHOWN);
    let mut notices = crate::overview::notices(&wording, &visible);
    let left = notices.len().saturating_sub(WRONG);
    notices.truncate(WRONG);
    let html = Mine {
        p: visit.page(&visible, title),
        bulletins: bulletins::now(&visit.state, lang, false, visit.now).await,
        tasks,
        more,
        own: own(&visit, &visible, &wording),
        drafts: drafts(&visit).await,
        units: units(&visit, &visible),
        notices,
        left,
        report: !work_orders::report::units(&visit, &visible)
            .await?
            .is_empty(),
    };
    Ok(Html(html.render()?).into_response())
}

/// Whether a subject is somebody.
fn is(subject: &Subject, user: &User) -> bool {
    match subject.kind {
        SubjectKind::User => subject.name == user.name,
        SubjectKind::Group => user.groups.contains(&subject.name),
    }
}

/// Whether it is somebody's turn in a request: named there, or handed on to, and not the one who asked.
#[must_use]
pub fn is_turn(request: &ResourceRequest, user: &User) -> bool {
    let Some(stage) = current(request) else {
        return false;
    };
    let asked = [
        &request.spec.applicant,
        &request.spec.application.on_behalf_of,
    ];
    let own = asked.into_iter().flatten().any(|name| *name == user.name);
    let named = stage.approvers.iter().any(|subject| is(subject, user));
    let handed = request.spec.delegations.iter().any(|delegation| {
        (delegation.stage, &delegation.of) == (stage.stage, &stage.of) && delegation.to == user.name
    });
    let decided = stage.by.contains(&user.name);
    (named || handed) && !own && !decided
}

fn current(request: &ResourceRequest) -> Option<&StageStatus> {
    let mut chain = request.status.as_ref()?.chain.iter();
    chain.find(|stage| stage.state == StageState::Current)
}

fn asked(request: &ResourceRequest, user: &User) -> bool {
    request.spec.applicant.as_ref() == Some(&user.name)
}

async fn tasks(visit: &Visit, visible: &Visible, wording: &Wording) -> Result<Vec<Task>, AppError> {
    let (lang, user) = (visit.reader.lang, &visit.session.user);
    let mut tasks = Vec::new();
    for request in requests(visit, visible) {
        let status = request.status.as_ref();
        let returned = status.is_some_and(ResourceRequestStatus::awaits_answer);
        let (key, place) = match status.and_then(|status| status.phase) {
            _ if is_turn(&request, user) => ("mine.decide", "approvals"),
            _ if returned && asked(&request, user) => ("mine.answer", "requests"),
            Some(Phase::Delivered) if asked(&request, user) => ("mine.accept", "requests"),
            _ => continue,
        };
        tasks.push(of_request(wording, &request, (lang.t(key), place)));
    }
    let orders = work_orders::visible(visit).await?;
    let open = |state| matches!(state, OrderState::Open | OrderState::InProgress);
    let platforms: BTreeSet<_> = orders
        .iter()
        .filter(|order| open(order.spec.state()))
        .map(|order| order.spec.platform.clone())
        .collect();
    let mut operated = BTreeSet::new();
    for platform in platforms {
        if visit.may(access::operate(&platform)).await? {
            operated.insert(platform);
        }
    }
    for order in orders {
        if open(order.spec.state()) && operated.contains(&order.spec.platform) {
            let row = work_orders::row(wording, &order);
            tasks.push(Task {
                what: lang.t("mine.work").to_owned(),
                about: lang.join(&[row.tenant, row.platform]),
                title: row.title,
                href: row.href,
                health: row.health,
                state: row.state.to_owned(),
            });
        }
    }
    tasks.sort_by_key(|task| task.health != Health::Attention);
    Ok(tasks)
}

fn of_request(wording: &Wording, request: &ResourceRequest, (what, place): (&str, &str)) -> Task {
    let lang = wording.lang;
    let namespace = request.namespace().unwrap_or_default();
    let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
    let phase = requests::phase(request);
    let lamp = standing::lamp(lang, request);
    let lamp = if lamp.words.is_empty() {
        Lamp {
            health: words::phase_health(phase),
            words: words::phase(lang, phase).to_owned(),
        }
    } else {
        lamp
    };
    Task {
        href: format!("/{place}/{tenant}/{}", request.name_any()),
        what: what.to_owned(),
        title: request.spec.application.title.clone(),
        about: wording.tenant(tenant).to_owned(),
        health: lamp.health,
        state: lamp.words,
    }
}

fn requests(visit: &Visit, visible: &Visible) -> Vec<std::sync::Arc<ResourceRequest>> {
    let mut requests = visit.state.cluster.requests();
    requests.retain(|request| {
        request
            .namespace()
            .is_some_and(|ns| visible.requests.has(&ns))
    });
    requests
}

/// What somebody asked for, newest first.
fn own(visit: &Visit, visible: &Visible, wording: &Wording) -> Vec<Own> {
    let lang = visit.reader.lang;
    let mut requests = requests(visit, visible);
    requests.retain(|request| asked(request, &visit.session.user));
    requests.sort_by_key(|request| std::cmp::Reverse(request.creation_timestamp()));
    let own = requests.iter().take(SHOWN).map(|request| {
        let namespace = request.namespace().unwrap_or_default();
        let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
        let phase = request
            .status
            .as_ref()
            .and_then(|status| status.phase)
            .unwrap_or_default();
        Own {
            href: format!("/requests/{tenant}/{}", request.name_any()),
            title: request.spec.application.title.clone(),
            about: wording.tenant(tenant).to_owned(),
            health: words::phase_health(phase),
            state: words::phase(lang, phase).to_owned(),
            since: request
                .creation_timestamp()
                .map(|time| ages::moment(lang, time.0, visit.now)),
        }
    });
    own.collect()
}

/// What somebody has begun to write; none where the database does not say.
async fn drafts(visit: &Visit) -> Vec<Own> {
    let Some(records) = &visit.state.records else {
        return Vec::new();
    };
    let lang = visit.reader.lang;
    let read = async {
        let mut connection = records.db.acquire().await?;
        drafts::of(&mut connection, &visit.session.user.name).await
    };
    let drafts = read.await.unwrap_or_else(|error: DbError| {
        tracing::warn!(%error, "drafts cannot be shown");
        Vec::new()
    });
    let shown = drafts.into_iter().take(SHOWN).map(|draft| {
        let at = jiff::Timestamp::from_microsecond(draft.changed).unwrap_or(visit.now);
        let title = match draft.title.as_str() {
            "" => lang.t("mine.untitled").to_owned(),
            title => title.to_owned(),
        };
        Own {
            href: format!("/drafts/{}", draft.id),
            title,
            about: String::new(),
            health: Health::Progress,
            state: words::phase(lang, Phase::Draft).to_owned(),
            since: Some(ages::moment(lang, at, visit.now)),
        }
    });
    shown.collect()
}

/// The units that somebody manages.
fn units(visit: &Visit, visible: &Visible) -> Vec<Own> {
    let (lang, user) = (visit.reader.lang, &visit.session.user);
    let managed = visible.tenants.iter().filter(|tenant| {
        let mut owners = tenant.spec.owners.iter();
        owners.any(|owner| is(owner, user))
    });
    let today = day_of(visit.now);
    let units = managed.map(|tenant| {
        let name = tenant.name_any();
        let namespace = crds::keys::tenant_namespace(&name);
        let quotas = visible
            .quotas
            .iter()
            .filter(|quota| quota.namespace().as_deref() == Some(&namespace));
        let quotas: Vec<_> = quotas.collect();
        let ended = quotas.iter().filter(|quota| {
            let lease = quota.spec.lease.as_ref();
            lease.is_some_and(|lease| lease.until < today)
        });
        let (ended, health) = (ended.count(), crate::tenants::health(lang, visible, &name));
        let mut about = lang.count("count.grants", quotas.len());
        if ended > 0 {
            about = lang.join(&[about, lang.say("mine.ended", &[("n", &ended.to_string())])]);
        }
        Own {
            href: format!("/tenants/{name}"),
            title: visible.names.tenant(lang, &name).to_owned(),
            about,
            health,
            state: health.word(lang).to_owned(),
            since: None,
        }
    });
    units.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_turn_is_whose_it_is_and_never_the_applicants() {
        let request: ResourceRequest = serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest", "metadata": { "name": "r", "namespace": "qp-a" },
            "spec": {
                "classified": false, "applicant": "clerk",
                "application": { "type": "New", "environment": "Test", "title": "t", "justification": "j", "items": [{ "name": "i", "platform": "p", "zone": "Extranet" }] },
                "delegations": [{ "stage": "UnitHead", "by": "head", "to": "deputy", "reason": "r" }],
            },
            "status": { "phase": "Reviewing", "chain": [{ "stage": "UnitHead", "rule": "Any", "workingDays": 3, "state": "Current", "approvers": [{ "kind": "Group", "name": "heads" }] }] },
        }))
        .unwrap();
        let user = |name: &str, groups: &[&str]| User {
            name: name.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        };
        assert!(is_turn(&request, &user("head", &["heads"])));
        assert!(is_turn(&request, &user("deputy", &[])));
        assert!(!is_turn(&request, &user("clerk", &["heads"])));
        assert!(!is_turn(&request, &user("other", &["others"])));
    }
}
