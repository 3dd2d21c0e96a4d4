//! What the department does about a request: withdraw, urge, answer a return, confirm receipt, rate. Each is one entry appended
//! by the person, to the list as they saw it.

use askama::Template as _;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::ResourceRequest;
use crds::resource_request::chain::StageState;
use crds::resource_request::{
    Acceptance, Answer, Phase, Rating, ResourceRequestStatus, Urging, Withdrawal,
};
use http::{HeaderMap, StatusCode};
use kube::ResourceExt as _;
use serde_json::Value;

use super::{page, standing};
use crate::access::{Visible, within};
use crate::acts::request_id;
use crate::attachments::content::accepted;
use crate::attachments::form::Sent;
use crate::attachments::{self, File};
use crate::cluster::Kind;
use crate::cluster::write::{Author, WriteError};
use crate::db::DbError;
use crate::error::AppError;
use crate::fields::{self, Choice, Field, Group, Input};
use crate::forms::{self, Fields};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::objects;
use crate::refusals::Told;
use crate::typed::Typed;

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
    /// What one types instead.
    pub kubectl: String,
    /// Whether files go with it.
    pub files: bool,
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
        let status = request.status.as_ref();
        match self {
            Self::Answer => status.is_some_and(ResourceRequestStatus::awaits_answer),
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
            Self::Answer => vec![
                comment("answer-comment").required().most(4096),
                Field::new(lang, "files", "answer-files", Input::Files(accepted())),
            ],
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

    /// Its fields, with what was filled in and what is wrong with it.
    fn filled(self, lang: Lang, tried: Option<&page::Tried<'_>>) -> Vec<Group> {
        let mut groups = self.groups(lang);
        if let Some(tried) = tried {
            for field in groups.iter_mut().flat_map(|group| &mut group.fields) {
                tried.fields.get(&field.id).clone_into(&mut field.value);
            }
            fields::mark(&mut groups, &tried.wrong);
        }
        groups
    }

    /// What a field of it is called in a form.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        format!("{}-{name}", self.code())
    }

    /// What one types to do it, with the usual answer.
    fn kubectl(self, lang: Lang, request: &ResourceRequest, by: &str) -> String {
        let said = [
            ("comment", lang.t("act.kubectl.say")),
            ("accepted", "yes"),
            ("stars", "5"),
        ];
        let said = said.map(|(name, value)| (self.field(name), value.to_owned()));
        let entry = self
            .entry(&Fields(said.into()), &[], by)
            .unwrap_or_default();
        objects::appending(request, Kind::ResourceRequest.plural(), self.list(), &entry)
    }

    fn purpose(self, request: &ResourceRequest) -> String {
        let namespace = request.namespace().unwrap_or_default();
        format!("{}:{namespace}/{}", self.code(), request.name_any())
    }

    /// The entry that a form makes; the key of what is wrong with it.
    fn entry(self, fields: &Fields, files: &[File], by: &str) -> Result<Value, &'static str> {
        let get = |name: &str| fields.get(&self.field(name)).to_owned();
        let by = by.to_owned();
        let comment = Some(get("comment")).filter(|text| !text.is_empty());
        let entry = match self {
            Self::Answer => {
                let comment = comment.ok_or("wrong.no-answer")?;
                serde_json::to_value(Answer {
                    by,
                    comment,
                    attachments: files.iter().map(File::entry).collect(),
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
    let namespace = request.namespace().unwrap_or_default();
    let question = within("patch", Kind::ResourceRequest, &namespace);
    visit.may(question).await
}

/// What the person can do about it now; what was just tried with what was filled in.
pub(super) async fn offered(
    visit: &Visit,
    request: &ResourceRequest,
    tried: Option<&page::Tried<'_>>,
) -> Result<Vec<Action>, AppError> {
    // The applicant always sees what can be done; others of the unit where RBAC lets them write requests there.
    let user = &visit.session.user;
    let create = within(
        "create",
        Kind::ResourceRequest,
        &request.namespace().unwrap_or_default(),
    );
    let unit = visit.may(create).await?;
    if !(standing::is_own(request, user) || unit) || !may_write(visit, request).await? {
        return Ok(Vec::new());
    }
    let lang = visit.reader.lang;
    let (tenant, name) = (super::tenant(request), request.name_any());
    let of = |act: Act| tried.filter(|tried| tried.act == act);
    // Its time may have passed while somebody wrote: what they wrote stands there all the same.
    let due = Act::ALL
        .into_iter()
        .filter(|act| act.is_due(request) || of(*act).is_some_and(page::Tried::says_something));
    Ok(due
        .map(|act| Action {
            code: act.code(),
            word: lang.find(&format!("act.{}", act.code())).unwrap_or(""),
            groups: act.filled(lang, of(act)),
            files: act == Act::Answer,
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
            kubectl: act.kubectl(lang, request, &user.name),
            ends: act == Act::Withdraw,
            open: matches!(act, Act::Answer | Act::Accept | Act::Rate) || of(act).is_some(),
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
    /// Files that may not be handed in.
    Files(Vec<attachments::Wrong>),
    /// The files cannot be kept.
    NotKept(DbError),
    /// The hub says no.
    Write(WriteError),
}

/// Does something about a request as it was seen, and gives it as it is then.
///
/// # Errors
/// What was said is wrong, a file may not be handed in or cannot be kept, or the hub says no.
pub async fn perform(
    visit: &Visit,
    author: Author<'_>,
    act: Act,
    request: &ResourceRequest,
    said: &Sent,
) -> Result<ResourceRequest, No> {
    let cluster = &visit.state.cluster;
    if !said.wrongs.is_empty() {
        return Err(No::Files(said.wrongs.clone()));
    }
    let entry = act.entry(&said.fields, &said.files, &author.user.name);
    let entry = entry.map_err(No::Wrong)?;
    let append = async |dry| {
        let author = Author { dry, ..author };
        cluster.append(author, request, act.list(), &entry).await
    };
    if !said.files.is_empty() {
        append(true).await.map_err(No::Write)?;
    }
    let uid = request.uid().unwrap_or_default();
    let records = visit.state.records.as_ref();
    let kept = attachments::keep(records, author.user, (&uid, &said.files)).await;
    let kept = kept.map_err(No::NotKept)?;
    let done = append(false).await;
    kept.settle(&done).await;
    done.map_err(No::Write)
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
    carry_out(&visit, act, (&tenant, &name), &headers, fields.into()).await
}

/// Answers a return, with files.
///
/// # Errors
/// There is no such request, or the form is not ours.
pub async fn answer(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, AppError> {
    let fields = sent.fields.clone();
    let done = carry_out(&visit, Act::Answer, (&tenant, &name), &headers, sent).await;
    let action = visit.reader.path.clone();
    Ok(done.unwrap_or_else(|error| Typed::of_files(action, fields, error)))
}

async fn carry_out(
    visit: &Visit,
    act: Act,
    (tenant, name): (&str, &str),
    headers: &HeaderMap,
    sent: Sent,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let request = page::find(visit, &visible, tenant, name)?;
    sent.fields.check(&visit.session, &act.purpose(&request))?;
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(headers),
        dry: false,
    };
    let done = if sent.fields.get("seen") == act.count(&request).to_string() {
        perform(visit, author, act, &request, &sent).await
    } else {
        Err(No::Write(WriteError::Stale))
    };
    let Err(no) = done else {
        let href = format!("{}?done={}", super::href(&request), act.code());
        return Ok(Redirect::to(&href).into_response());
    };
    let (status, told, wrong) = explained(visit, &visible, act, no);
    let tried = page::Tried {
        act,
        fields: &sent.fields,
        told: chosen_again(visit.reader.lang, told, &sent),
        wrong,
    };
    let page = page::whole(visit, &visible, &request, Some(tried)).await?;
    Ok((status, Html(page.render()?)).into_response())
}

/// Why something was not done: the status, what is said of it, and which fields are wrong.
fn explained(
    visit: &Visit,
    visible: &Visible,
    act: Act,
    no: No,
) -> (StatusCode, Told, Vec<fields::Wrong>) {
    let lang = visit.reader.lang;
    let happened = |happened: &str| Told {
        happened: happened.to_owned(),
        ..Told::default()
    };
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match no {
        No::Wrong(key) => {
            let field = match key {
                "wrong.no-acceptance" => "accepted",
                "wrong.no-stars" => "stars",
                _ => "comment",
            };
            let wrong = fields::Wrong::new(&act.field(field), lang.t(key));
            (unprocessable, happened(lang.t(key)), vec![wrong])
        }
        No::Files(wrongs) => {
            let words = attachments::Wrong::all_words(&wrongs, lang);
            let status = attachments::Wrong::status(&wrongs);
            let wrong = fields::Wrong::new(&act.field("files"), words.as_str());
            (status, happened(&words), vec![wrong])
        }
        No::NotKept(error) => {
            tracing::warn!(%error, "files cannot be kept");
            let told = Told {
                happened: lang.t("files.not-kept.happened").to_owned(),
                todo: lang.t("files.not-kept.todo").to_owned(),
                ..Told::default()
            };
            (StatusCode::SERVICE_UNAVAILABLE, told, Vec::new())
        }
        No::Write(error) => (
            error.status(),
            visit.wording(visible).refusal(&error),
            Vec::new(),
        ),
    }
}

/// A browser gives files once: where there were some, it is said that they are to be chosen again.
fn chosen_again(lang: Lang, mut told: Told, sent: &Sent) -> Told {
    if told.todo.is_empty() && !(sent.files.is_empty() && sent.wrongs.is_empty()) {
        lang.t("files.again").clone_into(&mut told.todo);
    }
    told
}
