//! How a request stands in time: the lamp of working days, and who may do what about it. Pure but for the questions of rights.

use crds::ResourceRequest;
use crds::approval::Stage;
use crds::resource_request::chain::{StageState, StageStatus};
use crds::words::{Day, Subject, SubjectKind};

use crate::health::Health;
use crate::i18n::Lang;
use crate::identity::User;

/// The lamp of the stage that decides now.
#[derive(Clone, Debug)]
pub struct Lamp {
    /// Its sign and colour; good where nothing is waited for.
    pub health: Health,
    /// What it says.
    pub words: String,
}

/// The last day of the stage that decides now.
#[must_use]
pub fn due(request: &ResourceRequest) -> Option<Day> {
    request.status.as_ref()?.clock.as_ref()?.due
}

/// The lamp of working days: red over its time, amber on its last day.
#[must_use]
pub fn lamp(lang: Lang, request: &ResourceRequest) -> Lamp {
    let Some(clock) = request
        .status
        .as_ref()
        .and_then(|status| status.clock.as_ref())
    else {
        return Lamp {
            health: Health::Good,
            words: String::new(),
        };
    };
    let days = clock
        .left
        .map(|left| left.unsigned_abs().to_string())
        .unwrap_or_default();
    let due = clock.due.map(|day| day.to_string()).unwrap_or_default();
    let figures = [("n", days.as_str()), ("due", due.as_str())];
    if clock.paused.is_some() {
        return Lamp {
            health: Health::Idle,
            words: lang.say("clock.paused", &figures),
        };
    }
    match clock.left {
        Some(left) if left < 0 => Lamp {
            health: Health::Bad,
            words: lang.say("clock.over", &figures),
        },
        Some(left) if left <= 1 => Lamp {
            health: Health::Attention,
            words: lang.say("clock.left", &figures),
        },
        Some(_) => Lamp {
            health: Health::Progress,
            words: lang.say("clock.left", &figures),
        },
        None => Lamp {
            health: Health::Unknown,
            words: lang.t("clock.unknown").to_owned(),
        },
    }
}

/// The stage whose turn it is.
#[must_use]
pub fn current(request: &ResourceRequest) -> Option<&StageStatus> {
    let status = request.status.as_ref()?;
    let turn = |stage: &&StageStatus| stage.state == StageState::Current;
    let mut waiting = status.chain.iter().filter(turn);
    let stage = status.stage;
    let mut same = status
        .chain
        .iter()
        .filter(turn)
        .filter(|s| Some(s.stage) == stage && s.of == status.stage_of);
    same.next().or_else(|| waiting.next())
}

/// Whether a subject is this person, or a group of theirs.
#[must_use]
pub fn is_named(subject: &Subject, user: &User) -> bool {
    match subject.kind {
        SubjectKind::User => subject.name == user.name,
        SubjectKind::Group => user.groups.contains(&subject.name),
    }
}

/// Who handed the stage on to this person, where it was.
#[must_use]
pub fn handed_by<'a>(
    request: &'a ResourceRequest,
    stage: &StageStatus,
    user: &User,
) -> Option<&'a str> {
    let same = |d: &&crds::resource_request::Delegation| {
        d.stage == stage.stage && d.of == stage.of && d.to == user.name
    };
    request
        .spec
        .delegations
        .iter()
        .rfind(same)
        .map(|d| d.by.as_str())
}

/// Whether the person is named to decide at a stage, by name, by group, or by delegation.
#[must_use]
pub fn may_be_asked(request: &ResourceRequest, stage: &StageStatus, user: &User) -> bool {
    stage
        .approvers
        .iter()
        .any(|subject| is_named(subject, user))
        || handed_by(request, stage, user).is_some()
}

/// Whether it is the person's own request: then they decide nothing about it.
#[must_use]
pub fn is_own(request: &ResourceRequest, user: &User) -> bool {
    let own = [
        &request.spec.applicant,
        &request.spec.application.on_behalf_of,
    ];
    own.into_iter().flatten().any(|who| *who == user.name)
}

/// The group for which a person decides where all have to approve: one that has not approved yet.
#[must_use]
pub fn party(stage: &StageStatus, user: &User) -> Option<String> {
    let open = |s: &&Subject| {
        s.kind == SubjectKind::Group && user.groups.contains(&s.name) && !stage.by.contains(&s.name)
    };
    let found = stage.approvers.iter().find(open).map(|s| s.name.clone());
    found.filter(|_| stage.rule == crds::approval::Rule::All)
}

/// The stages that only give opinions, in the chain of a request or not.
pub const ADVISORS: [Stage; 2] = [Stage::Technical, Stage::Expert];
