//! What the department does about a request: withdraw, urge, answer a return, confirm receipt, rate. Each is one entry appended
//! by the person, to the list as they saw it.

use askama::Template as _;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::ResourceRequest;
use crds::keys::tenant_namespace;
use crds::resource_request::chain::StageState;
use crds::resource_request::{Acceptance, Answer, Phase, Rating, Urging, Withdrawal};
use http::HeaderMap;
use kube::ResourceExt as _;
use serde_json::Value;

use super::{page, standing};
use crate::access::within;
use crate::acts::request_id;
use crate::cluster::write::{Author, WriteError};
use crate::cluster::{Cluster, Kind};
use crate::error::AppError;
use crate::fields::{Choice, Field, Group, Input};
use crate::forms::{self, Fields};
use crate::i18n::Lang;
use crate::live::Visit;

/// An act on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Answer a return.
    Answer,
    /// Confirm receipt, or say what is missing.
    Accept,
    /// Rate.
    Rate,
    /// Remind those who decide.
    Urge,
    /// Withdraw.
    Withdraw,
}

/// An act as the page offers it.
pub struct Action {
    /// Its word in addresses and message files.
    pub code: &'static str,
    /// What its heading says.
    pub word: &'static str,
    /// Its fields.
    pub groups: Vec<Group>,
    /// What the form carries.
    pub hidden: Vec<(&'static str, String)>,
    /// Where it is sent.
    pub action: String,
    /// What its button says.
    pub button: &'static str,
    /// Whether it ends something.
    pub ends: bool,
    /// Whether it is what the request waits for.
    pub open: bool,
}

impl Act {
    const ALL: [Self; 5] = [
        Self::Answer,
        Self::Accept,
        Self::Rate,
        Self::Urge,
        Self::Withdraw,
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Accept => "accept",
            Self::Rate => "rate",
            Self::Urge => "urge",
            Self::Withdraw => "withdraw",
        }
    }

    /// The list of the spec that it is an entry of.
    const fn list(self) -> &'static str {
        match self {
            Self::Answer => "answers",
            Self::Accept => "acceptance",
            Self::Rate => "rating",
            Self::Urge => "urgings",
            Self::Withdraw => "withdrawal",
        }
    }

    fn count(self, request: &ResourceRequest) -> usize {
        let spec = &request.spec;
        match self {
            Self::Answer => spec.answers.len(),
            Self::Accept => spec.acceptance.len(),
            Self::Rate => spec.rating.len(),
            Self::Urge => spec.urgings.len(),
            Self::Withdraw => spec.withdrawal.len(),
        }
    }

    /// Whether it is the time for it.
    fn is_due(self, request: &ResourceRequest) -> bool {
        let phase = super::phase(request);
        match self {
            Self::Answer => phase == Phase::Returned,
            Self::Accept => phase == Phase::Delivered,
            Self::Rate => phase == Phase::Accepted && request.spec.rating.is_empty(),
            Self::Urge => phase == Phase::Reviewing || (phase == Phase::Provisioning),
            Self::Withdraw => {
                matches!(phase, Phase::Submitted | Phase::Reviewing | Phase::Returned)
                    && request.spec.withdrawal.is_empty()
            }
        }
    }

    fn groups(self, lang: Lang) -> Vec<Group> {
        let comment = |key: &str| Field::new(lang, "comment", key, Input::Long).most(1024);
        let fields = match self {
            Self::Answer => vec![comment("answer-comment").required().most(4096)],
            Self::Accept => {
                let choices = vec![
                    Choice::new("yes", lang.t("accept.yes")).about(lang.t("accept.yes.about")),
                    Choice::new("no", lang.t("accept.no")).about(lang.t("accept.no.about")),
                ];
                vec![
                    Field::new(lang, "accepted", "accepted", Input::Radio(choices)).required(),
                    comment("accept-comment"),
                ]
            }
            Self::Rate => {
                let stars = (1..=5)
                    .rev()
                    .map(|n| Choice::new(n.to_string(), lang.t(&format!("stars.{n}"))));
                vec![
                    Field::new(lang, "stars", "stars", Input::Radio(stars.collect())).required(),
                    comment("rate-comment"),
                ]
            }
            Self::Urge => vec![comment("urge-comment")],
            Self::Withdraw => vec![comment("withdraw-reason")],
        };
        let mut groups = vec![Group::new("", fields)];
        // Ids are unique on a page with several forms.
        for field in groups.iter_mut().flat_map(|group| &mut group.fields) {
            field.id = self.field(&field.id);
        }
        groups
    }

    /// What a field of it is called in a form.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        format!("{}-{name}", self.code())
    }

    fn purpose(self, request: &ResourceRequest) -> String {
        let namespace = request.namespace().unwrap_or_default();
        format!("{}:{namespace}/{}", self.code(), request.name_any())
    }

    /// The entry that a form makes; the key of what is wrong with it.
    fn entry(self, fields: &Fields, by: &str) -> Result<Value, &'static str> {
        let get = |name: &str| fields.get(&self.field(name)).to_owned();
        let by = by.to_owned();
        let comment = Some(get("comment")).filter(|text| !text.is_empty());
        let entry = match self {
            Self::Answer => {
                let comment = comment.ok_or("wrong.no-answer")?;
                serde_json::to_value(Answer {
                    by,
                    comment,
                    attachments: Vec::new(),
                })
            }
            Self::Accept => {
                let accepted = match get("accepted").as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err("wrong.no-acceptance"),
                };
                if !accepted && comment.is_none() {
                    return Err("wrong.what-is-missing");
                }
                serde_json::to_value(Acceptance {
                    by,
                    accepted,
                    comment,
                })
            }
            Self::Rate => {
                let stars = get("stars").parse().ok().filter(|n| (1..=5).contains(n));
                serde_json::to_value(Rating {
                    by,
                    stars: stars.ok_or("wrong.no-stars")?,
                    comment,
                })
            }
            Self::Urge => serde_json::to_value(Urging { by, comment }),
            Self::Withdraw => serde_json::to_value(Withdrawal {
                by,
                reason: comment,
            }),
        };
        entry.map_err(|_| "wrong.no-answer")
    }
}

/// Whether the person may write to a unit's requests at all.
async fn may_write(visit: &Visit, request: &ResourceRequest) -> Result<bool, AppError> {
    let (cluster, user) = (&visit.state.cluster, &visit.session.user);
    let namespace = request.namespace().unwrap_or_default();
    let question = within("patch", Kind::ResourceRequest, &namespace);
    let may = visit.state.access.may(cluster, user, question).await;
    may.map_err(|error| AppError::hub_silent(cluster, &error))
}

/// What the person can do about it now.
pub(super) async fn offered(
    visit: &Visit,
    request: &ResourceRequest,
) -> Result<Vec<Action>, AppError> {
    // The applicant always sees what can be done; others of the unit where RBAC lets them write requests there.
    let user = &visit.session.user;
    let create = within(
        "create",
        Kind::ResourceRequest,
        &request.namespace().unwrap_or_default(),
    );
    let unit = visit
        .state
        .access
        .may(&visit.state.cluster, user, create)
        .await;
    let unit = unit.map_err(|error| AppError::hub_silent(&visit.state.cluster, &error))?;
    if !(standing::is_own(request, user) || unit) || !may_write(visit, request).await? {
        return Ok(Vec::new());
    }
    let lang = visit.reader.lang;
    let (tenant, name) = (super::tenant(request), request.name_any());
    let due = Act::ALL.into_iter().filter(|act| act.is_due(request));
    Ok(due
        .map(|act| Action {
            code: act.code(),
            word: lang.find(&format!("act.{}", act.code())).unwrap_or(""),
            groups: act.groups(lang),
            hidden: vec![
                (
                    forms::TOKEN,
                    forms::token(&visit.session, &act.purpose(request)),
                ),
                ("seen", act.count(request).to_string()),
            ],
            action: format!("/requests/{tenant}/{name}/{}", act.code()),
            button: lang
                .find(&format!("act-button.{}", act.code()))
                .unwrap_or(""),
            ends: act == Act::Withdraw,
            open: matches!(act, Act::Answer | Act::Accept | Act::Rate),
        })
        .collect())
}

/// Whether the request waits for this person's decision or opinion.
pub(super) async fn decides_here(
    visit: &Visit,
    request: &ResourceRequest,
) -> Result<bool, AppError> {
    let status = request.status.as_ref();
    let waits = status.is_some_and(|s| {
        s.chain
            .iter()
            .any(|stage| stage.state == StageState::Current)
    });
    Ok(waits && crate::approvals::roles(visit, request).await?.any())
}

/// Why nothing was done about a request.
#[derive(Debug)]
pub enum No {
    /// What was said is wrong; the key of what.
    Wrong(&'static str),
    /// The hub says no.
    Write(WriteError),
}

/// Does something about a request as it was seen, and gives it as it is then.
///
/// # Errors
/// What was said is wrong, or the hub says no.
pub async fn perform(
    cluster: &Cluster,
    author: Author<'_>,
    act: Act,
    request: &ResourceRequest,
    fields: &Fields,
) -> Result<ResourceRequest, No> {
    let entry = act.entry(fields, &author.user.name).map_err(No::Wrong)?;
    let appended = cluster.append(author, request, act.list(), &entry).await;
    appended.map_err(No::Write)
}

/// Does something about a request.
///
/// # Errors
/// There is no such request or act, or the form is not ours.
pub async fn act(
    visit: Visit,
    Path((tenant, name, code)): Path<(String, String, String)>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    let act = Act::ALL
        .into_iter()
        .find(|act| act.code() == code)
        .ok_or(AppError::NoPage)?;
    let visible = visit.visible().await?;
    let request = page::find(&visit, &visible, &tenant, &name)?;
    fields.check(&visit.session, &act.purpose(&request))?;
    let user = &visit.session.user;
    let author = Author {
        user,
        request_id: request_id(&headers),
        dry: false,
    };
    let lang = visit.reader.lang;
    let refused = if fields.get("seen") == act.count(&request).to_string() {
        match perform(&visit.state.cluster, author, act, &request, &fields).await {
            Ok(_) => None,
            Err(No::Write(error)) => Some(error),
            Err(No::Wrong(key)) => {
                let told = crate::refusals::Told {
                    happened: lang.t(key).to_owned(),
                    ..Default::default()
                };
                let page = page::whole(&visit, &visible, &request, Some(told)).await?;
                return Ok(
                    (http::StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response(),
                );
            }
        }
    } else {
        Some(WriteError::Stale)
    };
    match refused {
        None => {
            let namespace = tenant_namespace(&tenant);
            let href = format!(
                "/requests/{}/{name}?done={}",
                namespace.trim_start_matches("qp-"),
                act.code()
            );
            Ok(Redirect::to(&href).into_response())
        }
        Some(error) => {
            let told = visit.wording(&visible).refusal(&error);
            let page = page::whole(&visit, &visible, &request, Some(told)).await?;
            Ok((error.status(), Html(page.render()?)).into_response())
        }
    }
}
