//! What happened to a request, in words: the timeline of its page.

use crds::ResourceRequest;
use crds::resource_request::{Event, EventKind};

use super::words;
use crate::ages::{self, Moment};
use crate::attachments::{self, Link};
use crate::health::Wording;

/// Something that happened.
pub(crate) struct EventRow {
    pub(crate) word: String,
    pub(crate) by: String,
    pub(crate) at: Option<Moment>,
    pub(crate) said: String,
    /// What was handed in with it.
    pub(crate) files: Vec<Link>,
}

/// What happened, newest first, with what was said.
pub(crate) fn events(wording: &Wording, request: &ResourceRequest) -> Vec<EventRow> {
    let lang = wording.lang;
    let seen = request
        .status
        .as_ref()
        .map(|status| status.timeline.as_slice())
        .unwrap_or_default();
    // What was appended and not yet seen by the operator is there as well, without a time.
    let created = super::submitted(request).unwrap_or(wording.now);
    let whole = crds::resource_request::record::timeline(&request.spec, seen, created, wording.now);
    let known = seen.len();
    let mut rows: Vec<_> = whole
        .iter()
        .enumerate()
        .map(|(place, event)| {
            let (word, said) = event_words(wording, request, event);
            let sure = place < known || event.kind == EventKind::Submitted;
            EventRow {
                word,
                by: event.by.clone().unwrap_or_default(),
                at: sure.then(|| ages::moment(lang, event.at, wording.now)),
                said,
                files: files(request, event),
            }
        })
        .collect();
    rows.reverse();
    rows
}

/// The files of an answer.
fn files(request: &ResourceRequest, event: &Event) -> Vec<Link> {
    let answer = (event.kind == EventKind::Answer).then_some(event.index);
    let answer = answer
        .flatten()
        .and_then(|at| request.spec.answers.get(at as usize));
    answer.map_or_else(Vec::new, |answer| {
        attachments::links(request, &answer.attachments)
    })
}

/// What an event is called, and what was said.
fn event_words(wording: &Wording, request: &ResourceRequest, event: &Event) -> (String, String) {
    let (lang, kind) = (wording.lang, event.kind);
    let plain = lang.find(&format!("event.{kind:?}")).unwrap_or("");
    let (word, said) = entry(wording, request, event).unwrap_or_default();
    let word = if word.is_empty() {
        plain.to_owned()
    } else {
        word
    };
    (word, said.unwrap_or_default())
}

/// The entry that an event is about: a word of its own, where it has one, and what was said.
fn entry(
    wording: &Wording,
    request: &ResourceRequest,
    event: &Event,
) -> Option<(String, Option<String>)> {
    let (lang, spec) = (wording.lang, &request.spec);
    let at = event.index? as usize;
    let found = match event.kind {
        EventKind::Decision => decided(wording, request, at)?,
        EventKind::Opinion => {
            let opinion = spec.opinions.get(at)?;
            let stage = words::stage(wording, opinion.stage, None);
            let figures = [
                ("stage", stage.as_str()),
                ("view", words::view(lang, opinion.view)),
            ];
            (
                lang.say("event.advised", &figures),
                Some(opinion.comment.clone()),
            )
        }
        EventKind::Answer => (String::new(), Some(spec.answers.get(at)?.comment.clone())),
        EventKind::Delegation => {
            let handed = spec.delegations.get(at)?;
            let stage = words::stage(wording, handed.stage, handed.of.as_deref());
            let figures = [("stage", stage.as_str()), ("to", &handed.to)];
            (
                lang.say("event.delegated", &figures),
                Some(handed.reason.clone()),
            )
        }
        EventKind::Urging => (String::new(), spec.urgings.get(at)?.comment.clone()),
        EventKind::Withdrawal => (String::new(), spec.withdrawal.get(at)?.reason.clone()),
        EventKind::Acceptance => {
            let receipt = spec.acceptance.get(at)?;
            let key = if receipt.accepted {
                "event.accepted"
            } else {
                "event.not-accepted"
            };
            (lang.t(key).to_owned(), receipt.comment.clone())
        }
        EventKind::Rating => {
            let rating = spec.rating.get(at)?;
            let stars = rating.stars.to_string();
            (
                lang.say("event.rated", &[("stars", &stars)]),
                rating.comment.clone(),
            )
        }
        EventKind::Submitted
        | EventKind::Held
        | EventKind::Enacted
        | EventKind::Delivered
        | EventKind::AcceptedByRule
        | EventKind::Curtailed => return None,
    };
    Some(found)
}

/// A decision, and that it does not count where it does not.
fn decided(
    wording: &Wording,
    request: &ResourceRequest,
    at: usize,
) -> Option<(String, Option<String>)> {
    let lang = wording.lang;
    let decision = request.spec.decisions.get(at)?;
    let stage = words::stage(wording, decision.stage, decision.of.as_deref());
    let outcome = words::outcome(lang, decision.outcome);
    let mut word = lang.say("event.decided", &[("stage", &stage), ("outcome", outcome)]);
    let uncounted = request
        .status
        .as_ref()
        .map(|status| status.uncounted.as_slice());
    let mut uncounted = uncounted.unwrap_or_default().iter();
    if let Some(found) = uncounted.find(|u| u.index as usize == at) {
        let why = found.why;
        word.push_str(lang.find(&format!("uncounted.{why:?}")).unwrap_or(""));
    }
    Some((word, decision.comment.clone()))
}
