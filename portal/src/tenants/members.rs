//! Who manages a tenant (`spec.owners`): shown with who decides for it; added and removed as the person who does it. The last
//! manager cannot be removed.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::Tenant;
use crds::words::{Subject, SubjectKind};
use http::HeaderMap;
use kube::ResourceExt as _;

use crate::access::{Visible, with_one};
use crate::acts::request_id;
use crate::cluster::write::Author;
use crate::cluster::{Kind, Question};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::forms::{Fields, token};
use crate::i18n::Lang;
use crate::identity::StepUp;
use crate::identity::step_up::is_recent;
use crate::live::Visit;
use crate::page::Page;
use crate::refusals::Told;

/// A tenant has no more.
const MOST: usize = 32;
/// Characters of a name.
const NAME: usize = 253;

/// Somebody in the table.
struct Member {
    kind: &'static str,
    name: String,
    value: String,
    part: String,
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
    problem: Option<&'static str>,
    csv: String,
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

/// The managers with one more.
///
/// # Errors
/// It is no name, they are there already, or there are too many.
pub fn with(owners: &[Subject], one: &Subject) -> Result<Vec<Subject>, Wrong> {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    let length = one.name.chars().count();
    if !(1..=NAME).contains(&length) || one.name.contains(bad) || one.name.starts_with("system:") {
        return Err(Wrong::Name);
    }
    if owners.contains(one) {
        return Err(Wrong::There);
    }
    if owners.len() >= MOST {
        return Err(Wrong::Full);
    }
    Ok(owners.iter().chain([one]).cloned().collect())
}

/// The managers without one.
///
/// # Errors
/// They are the last, or not among them.
pub fn without(owners: &[Subject], one: &Subject) -> Result<Vec<Subject>, Wrong> {
    if !owners.contains(one) {
        return Err(Wrong::Gone);
    }
    if owners.len() < 2 {
        return Err(Wrong::Last);
    }
    Ok(owners
        .iter()
        .filter(|owner| *owner != one)
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

/// What a form is for: this tenant, with these managers.
fn purpose(tenant: &Tenant) -> String {
    let owners = serde_json::to_string(&tenant.spec.owners).unwrap_or_default();
    format!("members:{}:{owners}", tenant.uid().unwrap_or_default())
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
        problem: wrong.and_then(|wrong| wrong.words(lang)),
        csv: format!("{href}/members.csv"),
    };
    Ok(Html(html.render()?).into_response())
}

fn owners(lang: Lang, tenant: &Tenant) -> Vec<Member> {
    let part = lang.t("fact.owners").to_owned();
    let owners = &tenant.spec.owners;
    let member = |subject: &Subject| member(lang, subject, part.clone(), owners.len() > 1);
    owners.iter().map(member).collect()
}

/// Who decides for the unit, and who is its authority: they are named where chains are, and shown here.
fn others(lang: Lang, tenant: &Tenant) -> Vec<Member> {
    let spec = &tenant.spec;
    let groups = spec.authority_groups.iter().map(|name| {
        let subject = Subject {
            kind: SubjectKind::Group,
            name: name.clone(),
        };
        member(
            lang,
            &subject,
            lang.t("fact.authority-groups").to_owned(),
            false,
        )
    });
    let approvers = spec.approvers.iter().flat_map(|approvers| {
        let part = lang
            .t(&format!("stage.{}", approvers.stage.as_str()))
            .to_owned();
        let all = approvers.subjects.iter();
        all.map(move |subject| member(lang, subject, part.clone(), false))
    });
    approvers.chain(groups).collect()
}

fn member(lang: Lang, subject: &Subject, part: String, removable: bool) -> Member {
    let (kind, value) = match subject.kind {
        SubjectKind::User => ("subject.kind.User", "User"),
        SubjectKind::Group => ("subject.kind.Group", "Group"),
    };
    Member {
        kind: lang.find(kind).unwrap_or(value),
        name: subject.name.clone(),
        value: value.to_owned(),
        part,
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

type Change = fn(&[Subject], &Subject) -> Result<Vec<Subject>, Wrong>;

/// Adds a manager, as the person, who has proved a short while ago who they are.
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

/// Removes a manager, as the person.
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
    let owners = match change(&tenant.spec.owners, &subject(fields)) {
        Ok(owners) => owners,
        Err(wrong) => return draw(visit, name, fields, (Some(wrong), None)).await,
    };
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(headers),
        dry: false,
    };
    let cluster = &visit.state.cluster;
    match cluster
        .exchange(author, tenant.as_ref(), "owners", &owners)
        .await
    {
        Ok(()) => Ok(Redirect::to(&format!("/tenants/{name}/members?done={done}")).into_response()),
        Err(error) => {
            let told = visit.wording(&visible).refusal(&error);
            draw(visit, name, fields, (None, Some(told))).await
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
        let (a, b) = (user("a"), user("b"));
        assert_eq!(without(std::slice::from_ref(&a), &a), Err(Wrong::Last));
        let both = with(std::slice::from_ref(&a), &b).unwrap();
        assert_eq!(both, [a.clone(), b.clone()]);
        assert_eq!(with(&both, &a), Err(Wrong::There));
        assert_eq!(without(&both, &a), Ok(vec![b]));
        assert_eq!(without(&both, &user("c")), Err(Wrong::Gone));
    }

    #[test]
    fn names_that_are_none_are_refused_before_they_are_sent() {
        for name in ["", "a b", "system:masters", "a\u{0}", &"x".repeat(254)] {
            assert_eq!(with(&[], &user(name)), Err(Wrong::Name), "{name:?}");
        }
        let many: Vec<_> = (0..MOST).map(|n| user(&n.to_string())).collect();
        assert_eq!(with(&many, &user("x")), Err(Wrong::Full));
    }
}
