//! Who manages a tenant (`spec.owners`) and who decides for it (`spec.approvers`): added and removed as the person who does it.
//! The last manager cannot be removed; a stage whose last name is removed is decided as the unit above says.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::Tenant;
use crds::approval::{Stage, StageApprovers};
use crds::words::{Subject, SubjectKind};
use http::HeaderMap;
use kube::ResourceExt as _;

use crate::access::{Visible, with_one};
use crate::acts::request_id;
use crate::cluster::write::Author;
use crate::cluster::{Kind, Question};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::forms::{Fields, WRONG, not_done, token};
use crate::i18n::Lang;
use crate::identity::StepUp;
use crate::identity::step_up::is_recent;
use crate::live::Visit;
use crate::page::Page;
use crate::refusals::Told;

/// A tenant has no more managers, and a stage no more names.
const MOST: usize = 32;
const MOST_OF_STAGE: usize = 16;
/// Characters of a name.
const NAME: usize = 253;

/// Somebody in the table.
struct Member {
    kind: &'static str,
    name: String,
    value: String,
    part: String,
    /// The part as forms send it.
    code: &'static str,
    /// Whether a button removes them.
    removable: bool,
}

#[derive(Template)]
#[template(path = "members.html")]
struct Members {
    p: Page,
    owners: Vec<Member>,
    others: Vec<Member>,
    may: bool,
    /// Where somebody who may proves first who they are; a change of rights takes a recent proof.
    prove: Option<String>,
    action: String,
    token: String,
    kind: String,
    name: String,
    /// What somebody may be added as: code and word, and the one that was chosen.
    parts: Vec<(&'static str, String)>,
    part: String,
    problem: Option<&'static str>,
    csv: String,
}

/// As what somebody is named: as a manager, or as one who decides at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A manager.
    Owner,
    /// One who decides, or gives an opinion, at a stage.
    Stage(Stage),
}

impl Part {
    /// Every part that is named on a unit; who decides for a platform is named on the platform.
    fn all() -> impl Iterator<Item = Self> {
        let stages = Stage::ALL
            .into_iter()
            .filter(|stage| *stage != Stage::PlatformOwner);
        std::iter::once(Self::Owner).chain(stages.map(Self::Stage))
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Stage(stage) => stage.as_str(),
        }
    }

    fn read(code: &str) -> Option<Self> {
        Self::all().find(|part| part.code() == code)
    }

    fn word(self, lang: Lang) -> String {
        match self {
            Self::Owner => lang.t("fact.owners").to_owned(),
            Self::Stage(stage) => lang.t(&format!("stage.{}", stage.as_str())).to_owned(),
        }
    }

    /// Who is named as it.
    fn of(self, tenant: &Tenant) -> &[Subject] {
        match self {
            Self::Owner => &tenant.spec.owners,
            Self::Stage(stage) => {
                let named = tenant.spec.approvers.iter().find(|a| a.stage == stage);
                named.map_or(&[], |approvers| &approvers.subjects)
            }
        }
    }

    const fn most(self) -> usize {
        match self {
            Self::Owner => MOST,
            Self::Stage(_) => MOST_OF_STAGE,
        }
    }
}

/// The approvers with other names at one stage; none leave the stage to the unit above.
fn at_stage(all: &[StageApprovers], stage: Stage, subjects: Vec<Subject>) -> Vec<StageApprovers> {
    let mut others: Vec<_> = all.iter().filter(|a| a.stage != stage).cloned().collect();
    if !subjects.is_empty() {
        let place = all.iter().position(|a| a.stage == stage);
        let place = place.unwrap_or(others.len());
        others.insert(place, StageApprovers { stage, subjects });
    }
    others
}

/// Why a change is not even asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Somebody has to manage the unit.
    Last,
    /// It is no name.
    Name,
    /// They are among them already.
    There,
    /// They are not among them any more.
    Gone,
    /// There are as many as there can be.
    Full,
}

impl Wrong {
    fn words(self, lang: Lang) -> Option<&'static str> {
        lang.find(match self {
            Self::Last => "members.wrong.last",
            Self::Name => "members.wrong.name",
            Self::There => "members.wrong.there",
            Self::Gone => "members.wrong.gone",
            Self::Full => "members.wrong.full",
        })
    }
}

/// The names of a part with one more.
///
/// # Errors
/// It is no name, they are there already, or there are too many.
pub fn with(part: Part, named: &[Subject], one: &Subject) -> Result<Vec<Subject>, Wrong> {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    let length = one.name.chars().count();
    if !(1..=NAME).contains(&length) || one.name.contains(bad) || one.name.starts_with("system:") {
        return Err(Wrong::Name);
    }
    if named.contains(one) {
        return Err(Wrong::There);
    }
    if named.len() >= part.most() {
        return Err(Wrong::Full);
    }
    Ok(named.iter().chain([one]).cloned().collect())
}

/// The names of a part without one.
///
/// # Errors
/// They are the last manager, or not among them.
pub fn without(part: Part, named: &[Subject], one: &Subject) -> Result<Vec<Subject>, Wrong> {
    if !named.contains(one) {
        return Err(Wrong::Gone);
    }
    if part == Part::Owner && named.len() < 2 {
        return Err(Wrong::Last);
    }
    Ok(named
        .iter()
        .filter(|other| *other != one)
        .cloned()
        .collect())
}

fn update(name: &str) -> Question {
    with_one("update", Kind::Tenant, name)
}

fn tenant(visible: &Visible, name: &str) -> Result<Arc<Tenant>, AppError> {
    visible.tenant(name).cloned().ok_or(AppError::NoPage)
}

fn subject(fields: &Fields) -> Subject {
    Subject {
        kind: match fields.get("kind") {
            "Group" => SubjectKind::Group,
            _ => SubjectKind::User,
        },
        name: fields.get("name").to_owned(),
    }
}

/// What a form is for: this tenant, with these managers and approvers.
fn purpose(tenant: &Tenant) -> String {
    let named = (&tenant.spec.owners, &tenant.spec.approvers);
    let named = serde_json::to_string(&named).unwrap_or_default();
    format!("members:{}:{named}", tenant.uid().unwrap_or_default())
}

/// The page.
///
/// # Errors
/// There is no tenant of that name whose entry the person may see, or the hub gives no answer.
pub async fn page(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    draw(&visit, &name, &Fields::default(), (None, None)).await
}

async fn draw(
    visit: &Visit,
    name: &str,
    fields: &Fields,
    (wrong, alert): (Option<Wrong>, Option<Told>),
) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let tenant = tenant(&visible, name)?;
    let may = visit.may(update(name)).await?;
    let recent = is_recent(&visit.session, false, visit.now);
    let called = visible.names.tenant(lang, name).to_owned();
    let count = tenant.spec.owners.len();
    let figures = [("name", called.as_str()), ("n", &count.to_string())];
    let title = match count {
        0 => lang.say("members.title.none", &figures),
        _ => lang.say("members.title", &figures),
    };
    let href = format!("/tenants/{name}");
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.tenants"), "/tenants"),
        (called.as_str(), href.as_str()),
    ];
    let mut p = visit.page(&visible, title).under(&above, lang.t("members"));
    p.alert = alert;
    let html = Members {
        p,
        owners: owners(lang, &tenant),
        others: others(lang, &tenant),
        may: may && recent,
        prove: (may && !recent).then(|| format!("/sign-in/again?next={href}/members")),
        action: format!("{href}/members"),
        token: token(&visit.session, &purpose(&tenant)),
        kind: fields.get("kind").to_owned(),
        name: fields.get("name").to_owned(),
        parts: Part::all()
            .map(|part| (part.code(), part.word(lang)))
            .collect(),
        part: fields.get("part").to_owned(),
        problem: wrong.and_then(|wrong| wrong.words(lang)),
        csv: format!("{href}/members.csv"),
    };
    Ok(Html(html.render()?).into_response())
}

fn owners(lang: Lang, tenant: &Tenant) -> Vec<Member> {
    let owners = &tenant.spec.owners;
    let removable = owners.len() > 1;
    let member = |subject: &Subject| member(lang, subject, Part::Owner, removable);
    owners.iter().map(member).collect()
}

/// Who decides for the unit, and the groups of its authority, which the hub's administrator keeps.
fn others(lang: Lang, tenant: &Tenant) -> Vec<Member> {
    let spec = &tenant.spec;
    let groups = spec.authority_groups.iter().map(|name| {
        let subject = Subject {
            kind: SubjectKind::Group,
            name: name.clone(),
        };
        Member {
            part: lang.t("fact.authority-groups").to_owned(),
            ..member(lang, &subject, Part::Stage(Stage::Authority), false)
        }
    });
    let approvers = spec.approvers.iter().flat_map(|approvers| {
        let part = Part::Stage(approvers.stage);
        let named = Part::read(part.code()).is_some();
        let all = approvers.subjects.iter();
        all.map(move |subject| member(lang, subject, part, named))
    });
    approvers.chain(groups).collect()
}

fn member(lang: Lang, subject: &Subject, part: Part, removable: bool) -> Member {
    let (kind, value) = match subject.kind {
        SubjectKind::User => ("subject.kind.User", "User"),
        SubjectKind::Group => ("subject.kind.Group", "Group"),
    };
    Member {
        kind: lang.find(kind).unwrap_or(value),
        name: subject.name.clone(),
        value: value.to_owned(),
        part: part.word(lang),
        code: part.code(),
        removable,
    }
}

/// The table as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let tenant = tenant(&visible, &name)?;
    let all = owners(lang, &tenant)
        .into_iter()
        .chain(others(lang, &tenant));
    let rows: Vec<_> = all
        .map(|one| vec![one.part, one.kind.to_owned(), one.name])
        .collect();
    let head = ["members.part", "members.kind", "table.name"];
    let table = Table {
        file: &format!("{name}-members"),
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

type Change = fn(Part, &[Subject], &Subject) -> Result<Vec<Subject>, Wrong>;

/// Adds a manager or one who decides, as the person, who has proved a short while ago who they are.
///
/// # Errors
/// There is no such tenant, the form is not this session's, or the hub gives no answer.
pub async fn add(
    visit: Visit,
    StepUp(_): StepUp,
    Path(name): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    change(&visit, (&name, &headers), &fields, (with, "member-added")).await
}

/// Removes a manager or one who decides, as the person.
///
/// # Errors
/// As of [`add`].
pub async fn remove(
    visit: Visit,
    StepUp(_): StepUp,
    Path(name): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    change(
        &visit,
        (&name, &headers),
        &fields,
        (without, "member-removed"),
    )
    .await
}

async fn change(
    visit: &Visit,
    (name, headers): (&str, &HeaderMap),
    fields: &Fields,
    (change, done): (Change, &str),
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let tenant = tenant(&visible, name)?;
    fields.check(&visit.session, &purpose(&tenant))?;
    let part = Part::read(fields.get("part")).ok_or(AppError::NoPage)?;
    let named = match change(part, part.of(&tenant), &subject(fields)) {
        Ok(named) => named,
        Err(wrong) => {
            let page = draw(visit, name, fields, (Some(wrong), None)).await;
            return page.map(not_done(WRONG));
        }
    };
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(headers),
        dry: false,
    };
    let cluster = &visit.state.cluster;
    let seen = tenant.as_ref();
    let changed = match part {
        Part::Owner => cluster.exchange(author, seen, "owners", &named).await,
        Part::Stage(stage) => {
            let all = at_stage(&tenant.spec.approvers, stage, named);
            cluster.exchange(author, seen, "approvers", &all).await
        }
    };
    match changed {
        Ok(()) => Ok(Redirect::to(&format!("/tenants/{name}/members?done={done}")).into_response()),
        Err(error) => {
            let told = visit.wording(&visible).refusal(&error);
            let page = draw(visit, name, fields, (None, Some(told))).await;
            page.map(not_done(error.status()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Subject {
        Subject {
            kind: SubjectKind::User,
            name: name.into(),
        }
    }

    #[test]
    fn the_last_manager_stays_and_nobody_is_there_twice() {
        let (a, b, part) = (user("a"), user("b"), Part::Owner);
        assert_eq!(
            without(part, std::slice::from_ref(&a), &a),
            Err(Wrong::Last)
        );
        let both = with(part, std::slice::from_ref(&a), &b).unwrap();
        assert_eq!(both, [a.clone(), b.clone()]);
        assert_eq!(with(part, &both, &a), Err(Wrong::There));
        assert_eq!(without(part, &both, &a), Ok(vec![b]));
        assert_eq!(without(part, &both, &user("c")), Err(Wrong::Gone));
    }

    #[test]
    fn a_stage_without_a_name_is_no_entry_and_the_others_stay_in_their_order() {
        let of = |stage, names: &[&str]| StageApprovers {
            stage,
            subjects: names.iter().map(|name| user(name)).collect(),
        };
        let (head, finance) = (of(Stage::UnitHead, &["h"]), of(Stage::Finance, &["f"]));
        let both = [head.clone(), finance.clone()];
        let last = without(Part::Stage(Stage::UnitHead), &head.subjects, &user("h")).unwrap();
        let rest = at_stage(&both, Stage::UnitHead, last);
        assert_eq!(rest, std::slice::from_ref(&finance));
        let more = with(Part::Stage(Stage::UnitHead), &head.subjects, &user("x")).unwrap();
        let other = of(Stage::UnitHead, &["h", "x"]);
        assert_eq!(
            at_stage(&both, Stage::UnitHead, more),
            [other, finance.clone()]
        );
        let first = with(Part::Stage(Stage::Security), &[], &user("s")).unwrap();
        let new = of(Stage::Security, &["s"]);
        assert_eq!(
            at_stage(&both, Stage::Security, first),
            [head, finance, new]
        );
        assert_eq!(Part::read("PlatformOwner"), None, "named on the platform");
    }

    #[test]
    fn names_that_are_none_are_refused_before_they_are_sent() {
        for name in ["", "a b", "system:masters", "a\u{0}", &"x".repeat(254)] {
            assert_eq!(
                with(Part::Owner, &[], &user(name)),
                Err(Wrong::Name),
                "{name:?}"
            );
        }
        let many: Vec<_> = (0..MOST).map(|n| user(&n.to_string())).collect();
        assert_eq!(with(Part::Owner, &many, &user("x")), Err(Wrong::Full));
        let of_stage = with(Part::Stage(Stage::Expert), &many[..16], &user("x"));
        assert_eq!(of_stage, Err(Wrong::Full));
    }
}
