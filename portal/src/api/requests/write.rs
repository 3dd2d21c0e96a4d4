//! What is written about requests: each by the function of the page that writes the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crds::ResourceRequest;
use crds::approval::Stage;
use crds::resource_request::record::View;
use crds::resource_request::{Application, DecisionOutcome};
use kube::ResourceExt as _;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::super::call::{Call, Reply};
use super::super::objects::item;
use super::super::problem::Problem;
use super::{effect, ground};
use crate::ages;
use crate::approvals::decide as decisions;
use crate::attachments::form::Sent;
use crate::attachments::{self, File};
use crate::cluster::write::WriteError;
use crate::db::new_id;
use crate::error::AppError;
use crate::forms::Fields;
use crate::refusals::Told;
use crate::requests::acts::{self, Act};
use crate::requests::page;
use crate::wizard::review::submission;

/// An application to submit.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewRequest {
    /// Whether it concerns state secrets. Anything that does may not be asked for here, and nothing of it is stored.
    classified: bool,
    /// The application: as the wizard writes it, and as kubectl would.
    application: Application,
    /// The request's name: sent again, the same submission makes no second one. Made up where it is absent.
    #[schemars(length(max = 42), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    name: Option<String>,
    /// Documents, which the application then names.
    #[serde(default)]
    #[schemars(length(max = 5))]
    attachments: Vec<NewFile>,
}

/// A decision of the caller at the stage whose turn it is.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewDecision {
    /// Approve, Return or Reject.
    outcome: DecisionOutcome,
    /// What is said. Needed for Return and Reject.
    #[schemars(length(max = 2048))]
    comment: Option<String>,
    /// `seen` of the effect that the caller looked at: where something was written since, nothing is done.
    #[schemars(length(max = 32))]
    seen: Option<String>,
    /// `shown` of that effect: where an approval would do something else by now, nothing is done.
    #[schemars(length(max = 32))]
    shown: Option<String>,
}

/// A stage handed on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewDelegation {
    /// To whom: the user name.
    #[schemars(length(min = 1, max = 253))]
    to: String,
    /// Why.
    #[schemars(length(min = 1, max = 1024))]
    reason: String,
}

/// An opinion. It decides nothing.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewOpinion {
    /// Technical or Expert.
    stage: AdvisingStage,
    /// For it, against it, or neither.
    view: View,
    /// The opinion.
    #[schemars(length(min = 1, max = 4096))]
    comment: String,
}

/// A stage that advises.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum AdvisingStage {
    /// The operations provider's.
    Technical,
    /// The experts'.
    Expert,
}

/// An answer to a return.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewAnswer {
    /// The answer.
    #[schemars(length(min = 1, max = 4096))]
    comment: String,
    /// Documents that were asked for.
    #[serde(default)]
    #[schemars(length(max = 5))]
    attachments: Vec<NewFile>,
}

/// A file to hand in.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewFile {
    /// What it is called; it ends as its content is: .pdf, .ofd, .docx, .xlsx, .png, .jpg.
    #[schemars(length(min = 1, max = 255))]
    name: String,
    /// Its content in base64, at most 10 MB of it.
    #[schemars(length(min = 1, max = 13_333_336))]
    content: String,
}

/// The files of a body, judged as a form's are.
fn files(call: &Call, said: Vec<NewFile>) -> Result<Vec<File>, Problem> {
    if said.len() > attachments::MOST {
        return Err(wrong_file(
            call,
            "attachments",
            &attachments::Wrong::TooMany,
        ));
    }
    let read = said.into_iter().enumerate().map(|(nth, file)| {
        let Ok(bytes) = STANDARD.decode(&file.content) else {
            let field = format!("body.attachments[{nth}].content");
            return Err(Problem::of("bad-field")
                .field(&field)
                .with("field", &field)
                .with("why", "!~ base64 (RFC 4648 §4)"));
        };
        let wrong = |wrong| wrong_file(call, &format!("attachments[{nth}]"), &wrong);
        File::of(&file.name, bytes).map_err(wrong)
    });
    read.collect()
}

fn wrong_file(call: &Call, field: &str, wrong: &attachments::Wrong) -> Problem {
    let told = Told {
        happened: wrong.words(call.visit.reader.lang),
        ..Told::default()
    };
    Problem::of("invalid")
        .field(&format!("body.{field}"))
        .told(told)
}

/// A receipt.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewAcceptance {
    /// Whether it is what was asked for.
    accepted: bool,
    /// What is missing; needed where it is not.
    #[schemars(length(max = 2048))]
    comment: Option<String>,
}

/// A rating.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewRating {
    /// One to five stars.
    #[schemars(range(min = 1, max = 5))]
    stars: u8,
    /// What is said.
    #[schemars(length(max = 1024))]
    comment: Option<String>,
}

/// A reminder.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewUrging {
    /// What is said.
    #[schemars(length(max = 1024))]
    comment: Option<String>,
}

/// A withdrawal.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewWithdrawal {
    /// Why.
    #[schemars(length(max = 1024))]
    comment: Option<String>,
}

/// What a page's form would have sent.
fn form<const N: usize>(fields: [(String, Option<String>); N]) -> Fields {
    let said = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    Fields(said.collect())
}

fn wrong(call: &Call, key: &str, field: &str) -> Problem {
    let told = Told {
        happened: call.visit.reader.lang.t(key).to_owned(),
        ..Told::default()
    };
    Problem::of("invalid")
        .field(&format!("body.{field}"))
        .told(told)
}

/// The application of a body, the name that it gets, and its files.
fn application(call: &Call) -> Result<(Application, String, Vec<File>), Problem> {
    let mut said: NewRequest = call.body()?;
    if said.classified {
        return Err(wrong(call, "secrecy.stop.happened", "classified"));
    }
    let other = || {
        let day = ages::today(call.visit.now).strftime("%Y%m%d");
        Ok(format!(
            "{day}-{}",
            &new_id().map_err(AppError::internal)?[..8]
        ))
    };
    let name = call.name(said.name, 42, other)?;
    let files = files(call, said.attachments)?;
    said.application
        .attachments
        .extend(files.iter().map(File::entry));
    Ok((said.application, name, files))
}

/// Whether a rule of the hub, or a name that is taken, stands against what has the right shape and may be asked.
fn is_a_rule(error: &WriteError) -> bool {
    matches!(error, WriteError::Refused(refusal) if refusal.policy.is_some())
        || matches!(error, WriteError::Exists)
}

/// What an application would do, and what the hub's rules say of it: nothing is stored.
pub(super) async fn preview(call: Call) -> Result<Reply, Problem> {
    let ground = ground(&call).await?;
    let (application, name, _) = application(&call)?;
    let visit = &call.visit;
    let wording = visit.wording(&visit.visible().await?);
    let preview = ground.preview(&application, &name, &[]);
    let mut effect = effect::of(&wording, &ground, &application, &preview);
    let place = (call.path("tenant"), name);
    let tried = submission(&visit.state.cluster, call.author(true), place, application).await;
    effect["refusal"] = match tried {
        Ok(_) => serde_json::Value::Null,
        Err(error) if !is_a_rule(&error) => return Err(Problem::of_write(&wording, &error)),
        Err(error) => {
            let told = wording.refusal(&error);
            json!({ "detail": told.happened, "wayOut": told.todo, "fields": told.fields, "original": told.original })
        }
    };
    Ok(Reply::One(effect))
}

pub(super) async fn submit(call: Call) -> Result<Reply, Problem> {
    let ground = ground(&call).await?;
    let (application, name, files) = application(&call)?;
    let visit = &call.visit;
    let wording = visit.wording(&visit.visible().await?);
    let preview = ground.preview(&application, &name, &[]);
    let effect = effect::of(&wording, &ground, &application, &preview);
    if let Some(first) = effect["problems"].get(0) {
        let text = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
        let told = Told {
            happened: text("detail"),
            todo: text("wayOut"),
            ..Told::default()
        };
        let problem = Problem::of("invalid").field("body.application").told(told);
        return Err(problem
            .reason(&text("reason"))
            .more(effect["problems"].clone()));
    }
    let waiting = new_id().map_err(AppError::internal)?;
    let send = async |dry| {
        let place = (call.path("tenant"), name.clone());
        submission(
            &visit.state.cluster,
            call.author(dry),
            place,
            application.clone(),
        )
        .await
    };
    let refused = |error| Problem::of_write(&wording, &error);
    if !files.is_empty() {
        send(true).await.map_err(refused)?;
    }
    let (records, me) = (visit.state.records.as_ref(), &visit.session.user);
    let kept = attachments::keep(records, me, (&attachments::place(&waiting), &files)).await;
    let kept = kept.map_err(|error| AppError::database(&error))?;
    let made = send(false).await;
    kept.settle(&made).await;
    let request = made.map_err(refused)?;
    if let Some(records) = records.filter(|_| !files.is_empty()) {
        let uid = request.uid().unwrap_or_default();
        if let Err(error) = attachments::hand_over(&records.db, (&me.name, &waiting), &uid).await {
            tracing::warn!(%error, "files of a request wait for it for a while");
        }
    }
    Ok(Reply::Made(item(&request)))
}

/// What pages say of a decision that was not made.
fn not_decided(
    call: &Call,
    wording: &crate::health::Wording,
    request: &ResourceRequest,
    no: decisions::No,
) -> Problem {
    match no {
        decisions::No::Wrong(key) => {
            let field = match key {
                "wrong.no-outcome" => "outcome",
                "wrong.delegate-to" | "wrong.delegate-self" => "to",
                "wrong.delegate-reason" => "reason",
                _ => "comment",
            };
            wrong(call, key, field)
        }
        decisions::No::Told(told) => Problem::of("changed").told(told),
        decisions::No::Write(error @ WriteError::Stale) => {
            let told = decisions::stale(wording.lang, wording, request);
            Problem::of_write(wording, &error).told(told)
        }
        decisions::No::Write(error) => Problem::of_write(wording, &error),
    }
}

pub(super) async fn decide(call: Call) -> Result<Reply, Problem> {
    let said: NewDecision = call.body()?;
    let visit = &call.visit;
    let visible = visit.visible().await?;
    let (request, wording) = (found(&call, &visible)?, visit.wording(&visible));
    let ground = decisions::ground_of(visit, &request);
    let shown = said
        .shown
        .unwrap_or_else(|| decisions::shown(ground.as_ref(), &request));
    let seen = said.seen.unwrap_or_else(|| decisions::seen(&request));
    let fields = form([
        ("outcome".into(), Some(format!("{:?}", said.outcome))),
        ("comment".into(), said.comment),
        ("seen".into(), Some(seen)),
        ("shown".into(), Some(shown)),
    ]);
    let done = decisions::decide(visit, &wording, call.author(false), &request, &fields).await;
    let (_, request) = done.map_err(|no| not_decided(&call, &wording, &request, no))?;
    Ok(Reply::Made(item(&request)))
}

pub(super) async fn delegate(call: Call) -> Result<Reply, Problem> {
    let said: NewDelegation = call.body()?;
    let visit = &call.visit;
    let visible = visit.visible().await?;
    let (request, wording) = (found(&call, &visible)?, visit.wording(&visible));
    let fields = form([
        ("to".into(), Some(said.to)),
        ("reason".into(), Some(said.reason)),
        ("seen".into(), Some(decisions::seen(&request))),
    ]);
    let done = decisions::hand_on(visit, call.author(false), &request, &fields).await;
    let (_, request) = done.map_err(|no| not_decided(&call, &wording, &request, no))?;
    Ok(Reply::Made(item(&request)))
}

pub(super) async fn advise(call: Call) -> Result<Reply, Problem> {
    let said: NewOpinion = call.body()?;
    let visit = &call.visit;
    let visible = visit.visible().await?;
    let (request, wording) = (found(&call, &visible)?, visit.wording(&visible));
    let stage = match said.stage {
        AdvisingStage::Technical => Stage::Technical,
        AdvisingStage::Expert => Stage::Expert,
    };
    let fields = form([
        ("stage".into(), Some(stage.as_str().to_owned())),
        ("view".into(), Some(format!("{:?}", said.view))),
        ("opinion".into(), Some(said.comment)),
        ("seen".into(), Some(decisions::seen(&request))),
    ]);
    let done = decisions::advise(visit, call.author(false), &request, &fields).await;
    let (_, request) = done.map_err(|no| not_decided(&call, &wording, &request, no))?;
    Ok(Reply::Made(item(&request)))
}

fn found(
    call: &Call,
    visible: &crate::access::Visible,
) -> Result<std::sync::Arc<ResourceRequest>, Problem> {
    Ok(page::find(
        &call.visit,
        visible,
        call.path("tenant"),
        call.path("name"),
    )?)
}

/// Does what the department does about a request.
async fn act(call: &Call, act: Act, said: [(&str, Option<String>); 2]) -> Result<Reply, Problem> {
    act_with(call, act, said, Vec::new()).await
}

/// The same, with files.
async fn act_with(
    call: &Call,
    act: Act,
    said: [(&str, Option<String>); 2],
    files: Vec<File>,
) -> Result<Reply, Problem> {
    let visit = &call.visit;
    let visible = visit.visible().await?;
    let request = found(call, &visible)?;
    let said = Sent {
        fields: form(said.map(|(name, value)| (act.field(name), value))),
        files,
        wrongs: Vec::new(),
    };
    let done = acts::perform(visit, call.author(false), act, &request, &said).await;
    let request = done.map_err(|no| match no {
        acts::No::Wrong(key) => {
            let field = match key {
                "wrong.no-stars" => "stars",
                "wrong.no-acceptance" => "accepted",
                _ => "comment",
            };
            wrong(call, key, field)
        }
        acts::No::Files(wrongs) => match wrongs.first() {
            Some(first) => wrong_file(call, "attachments", first),
            None => AppError::Internal.into(),
        },
        acts::No::NotKept(error) => AppError::database(&error).into(),
        acts::No::Write(error) => Problem::of_write(&visit.wording(&visible), &error),
    })?;
    Ok(Reply::Made(item(&request)))
}

pub(super) async fn answer(call: Call) -> Result<Reply, Problem> {
    let said: NewAnswer = call.body()?;
    let files = files(&call, said.attachments)?;
    let comment = ("comment", Some(said.comment));
    act_with(&call, Act::Answer, [comment, ("", None)], files).await
}

pub(super) async fn accept(call: Call) -> Result<Reply, Problem> {
    let said: NewAcceptance = call.body()?;
    let accepted = if said.accepted { "yes" } else { "no" };
    let accepted = ("accepted", Some(accepted.to_owned()));
    act(&call, Act::Accept, [accepted, ("comment", said.comment)]).await
}

pub(super) async fn rate(call: Call) -> Result<Reply, Problem> {
    let said: NewRating = call.body()?;
    let stars = ("stars", Some(said.stars.to_string()));
    act(&call, Act::Rate, [stars, ("comment", said.comment)]).await
}

pub(super) async fn urge(call: Call) -> Result<Reply, Problem> {
    let said: NewUrging = call.body()?;
    act(&call, Act::Urge, [("comment", said.comment), ("", None)]).await
}

pub(super) async fn withdraw(call: Call) -> Result<Reply, Problem> {
    let said: NewWithdrawal = call.body()?;
    act(
        &call,
        Act::Withdraw,
        [("comment", said.comment), ("", None)],
    )
    .await
}
