//! The request wizard: is anything classified → what is it → the task list → check the answers → submit. Works without scripts.
//!
//! What is written is a draft in the database until it is submitted: it survives a lost session, another browser, a hub that is
//! away. The first question comes before anything is stored.

pub mod begin;
pub mod check;
pub mod files;
pub mod form;
pub mod items;
pub mod places;
pub mod review;
pub mod steps;

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::InformationSystem;
use crds::keys::tenant_namespace;
use http::StatusCode;
use kube::ResourceExt as _;
use sqlx::AnyConnection;

use crate::access::Visible;
use crate::db::drafts::{self, Draft, DraftError};
use crate::db::{Db, micros};
use crate::error::AppError;
use crate::fields::{Group, Wrong, mark};
use crate::forms::{self, Fields};
use crate::ground::Ground;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::records::Records;
use crate::refusals::Told;
use crate::requests::{effect, words};
use check::Step;
use form::{Form, ItemForm};

/// What drafts of applications are kept as.
pub(crate) const PURPOSE: &str = "ResourceRequest";

/// A form as a page.
#[derive(Template)]
#[template(path = "form.html")]
pub struct FormPage {
    /// The frame.
    pub p: Page,
    /// What to know before.
    pub about: Vec<String>,
    /// The fields.
    pub groups: Vec<Group>,
    /// Where it is sent.
    pub action: String,
    /// What it carries.
    pub hidden: Vec<(&'static str, String)>,
    /// What its button says.
    pub button: String,
    /// Where to without sending it.
    pub back: Option<(String, String)>,
    /// What is wrong, with the field that it leads to.
    pub errors: Vec<(String, String)>,
    /// What else can be done, and what that says.
    pub remove: Option<(String, String)>,
    /// What the line does, as it stands and as it is typed.
    pub preview: Option<Preview>,
}

/// What a line of an application does.
pub struct Preview {
    /// Where the form is sent to be looked at, and not kept.
    pub href: String,
    /// The effect; absent while something is not filled in.
    pub effect: Option<effect::Effect>,
}

/// An open draft.
pub(crate) struct Open {
    pub(crate) visit: Visit,
    pub(crate) visible: Visible,
    pub(crate) wording: Wording,
    pub(crate) draft: Draft,
    pub(crate) form: Form,
    pub(crate) ground: Ground,
}

/// What a draft could not do, as an error of a page.
pub(crate) fn draft_error(error: DraftError) -> AppError {
    match error {
        DraftError::Database(error) => AppError::database(&error),
        DraftError::NoDraft => AppError::NoDraft,
        DraftError::TooMany => AppError::TooManyDrafts,
        DraftError::TooLarge(_) => AppError::FormTooLarge,
        DraftError::Stale => AppError::DraftStale,
    }
}

impl Visit {
    /// The database.
    ///
    /// # Errors
    /// There is none.
    pub fn records(&self) -> Result<&Records, AppError> {
        self.state.records.as_ref().ok_or(AppError::NoDatabase)
    }
}

impl Open {
    pub(crate) async fn find(visit: Visit, id: &str) -> Result<Self, AppError> {
        let visible = visit.visible().await?;
        let mut connection = visit
            .records()?
            .db
            .acquire()
            .await
            .map_err(|e| AppError::database(&e))?;
        let found = drafts::find(&mut connection, &visit.session.user.name, id).await;
        drop(connection);
        let draft = found.map_err(draft_error)?;
        if draft.purpose != PURPOSE {
            return Err(AppError::NoDraft);
        }
        let form: Form = serde_json::from_str(&draft.contents).map_err(AppError::internal)?;
        let ground = Ground::of(&visit.state.cluster, &form.tenant, None, visit.now)
            .ok_or(AppError::NoPage)?;
        Ok(Self {
            wording: visit.wording(&visible),
            visit,
            visible,
            draft,
            form,
            ground,
        })
    }

    pub(crate) const fn lang(&self) -> Lang {
        self.visit.reader.lang
    }

    pub(crate) fn home(&self) -> String {
        format!("/drafts/{}", self.draft.id)
    }

    /// The systems of the unit, as far as the person may see them.
    async fn systems(&self) -> Result<Vec<Arc<InformationSystem>>, AppError> {
        let namespace = tenant_namespace(&self.form.tenant);
        let question =
            crate::access::within("list", crate::cluster::Kind::InformationSystem, &namespace);
        if !self.visit.may(question).await? {
            return Ok(Vec::new());
        }
        let mut systems = self.visit.state.cluster.systems();
        systems.retain(|system| system.namespace().as_deref() == Some(&namespace));
        Ok(systems)
    }

    fn purpose(&self) -> String {
        format!("draft:{}", self.draft.id)
    }

    pub(crate) fn hidden(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                forms::TOKEN,
                forms::token(&self.visit.session, &self.purpose()),
            ),
            ("revision", self.draft.revision.to_string()),
        ]
    }

    pub(crate) fn check(&self, fields: &Fields) -> Result<(), AppError> {
        fields.check(&self.visit.session, &self.purpose())
    }

    pub(crate) fn frame(&self, title: String, here: &str) -> Page {
        let lang = self.lang();
        let home = self.home();
        let way = [
            (lang.t("nav.overview"), "/"),
            (lang.t("nav.requests"), "/requests"),
            (lang.t("wizard.tasks"), home.as_str()),
        ];
        let way = if here == lang.t("wizard.tasks") {
            &way[..2]
        } else {
            &way[..]
        };
        self.visit.page(&self.visible, title).under(way, here)
    }

    /// Where drafts are.
    fn db(&self) -> Result<&Db, DraftError> {
        let records = self.visit.state.records.as_ref();
        Ok(&records.ok_or(DraftError::NoDraft)?.db)
    }

    /// Saves what is written, over the revision that the form was made from.
    pub(crate) async fn save(&mut self, fields: &Fields) -> Result<(), DraftError> {
        let revision = fields.get("revision").parse().unwrap_or(0);
        let mut connection = self.db()?.acquire().await?;
        self.save_over(&mut connection, revision).await
    }

    /// Saves what is written, over a revision.
    async fn save_over(
        &mut self,
        connection: &mut AnyConnection,
        revision: i64,
    ) -> Result<(), DraftError> {
        let contents = serde_json::to_string(&self.form).unwrap_or_default();
        let now = micros(self.visit.now);
        let key = (self.draft.owner.as_str(), self.draft.id.as_str(), revision);
        self.draft.revision =
            drafts::save(connection, key, (self.form.title(), &contents), now).await?;
        Ok(())
    }
}

/// Why what was written was not saved; it still stands in the form.
fn not_saved(lang: Lang, error: &DraftError) -> Told {
    let key = match error {
        DraftError::Stale => "stale",
        DraftError::TooLarge(_) => "large",
        DraftError::TooMany | DraftError::NoDraft => "gone",
        DraftError::Database(_) => "database",
    };
    Told {
        happened: lang.t(&format!("draft-error.{key}.happened")).to_owned(),
        todo: lang.t(&format!("draft-error.{key}.todo")).to_owned(),
        ..Told::default()
    }
}

const fn status_of(error: &DraftError) -> StatusCode {
    match error {
        DraftError::Stale => StatusCode::CONFLICT,
        DraftError::TooLarge(_)
        | DraftError::TooMany
        | DraftError::NoDraft
        | DraftError::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The form of a step.
fn step_page(
    open: &Open,
    step: Step,
    systems: &[Arc<InformationSystem>],
    wrongs: &[Wrong],
) -> FormPage {
    let lang = open.lang();
    let mut groups = steps::groups(lang, step, &open.form, systems);
    let errors = mark(&mut groups, wrongs);
    let title = lang.t(&format!("wizard.{}.title", step.code())).to_owned();
    let here = format!("wizard.{}", step.code());
    FormPage {
        p: open.frame(title, lang.t(&here)),
        about: vec![lang.t(&format!("wizard.{}.about", step.code())).to_owned()],
        groups,
        action: format!("{}/{}{}", open.home(), step.code(), back(open)),
        hidden: open.hidden(),
        button: lang.t("wizard.save").to_owned(),
        back: Some((open.home(), lang.t("wizard.back").to_owned())),
        errors,
        remove: None,
        preview: None,
    }
}

fn step_of(form: &Form, code: &str) -> Result<Step, AppError> {
    let mut steps = Step::of(form).into_iter();
    steps
        .find(|step| step.code() == code)
        .ok_or(AppError::NoPage)
}

/// A step. With `check=1` in the address, what is wrong with it is said at once.
///
/// # Errors
/// There is no such draft or step, or the hub or the database gives no answer.
pub async fn step(
    visit: Visit,
    Path((id, code)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    let step = step_of(&open.form, &code)?;
    if step == Step::Items {
        return Ok(Redirect::to(&format!("{}/items/new", open.home())).into_response());
    }
    let wrongs = if open.visit.reader.parameter("check").is_empty() {
        Vec::new()
    } else {
        step.wrongs(open.lang(), &open.form, &open.ground)
    };
    let systems = open.systems().await?;
    Ok(Html(step_page(&open, step, &systems, &wrongs).render()?).into_response())
}

/// Saves a step, whatever is wrong with it; then says what is.
///
/// # Errors
/// There is no such draft or step, or the form is not ours.
pub async fn save_step(
    visit: Visit,
    Path((id, code)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, AppError> {
    let mut open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    let step = step_of(&open.form, &code)?;
    steps::take(step, &mut open.form, &fields);
    let saved = open.save(&fields).await;
    let wrongs = step.wrongs(open.lang(), &open.form, &open.ground);
    if saved.is_ok() && wrongs.is_empty() {
        return Ok(Redirect::to(&next_task(&open, step)).into_response());
    }
    let systems = open.systems().await?;
    answer(
        step_page(&open, step, &systems, &wrongs),
        saved.as_ref().err(),
        open.lang(),
    )
}

/// What a form's address carries where the answers are being checked.
fn back(open: &Open) -> &'static str {
    if open.visit.reader.parameter("back").is_empty() {
        ""
    } else {
        "?back=check"
    }
}

/// Whether nothing is missing any more.
fn is_ready(open: &Open) -> bool {
    let steps = Step::of(&open.form);
    let done = |step: &Step| {
        step.wrongs(open.lang(), &open.form, &open.ground)
            .is_empty()
    };
    steps.iter().all(done)
}

/// Where the wizard goes on after a step.
fn next_task(open: &Open, step: Step) -> String {
    if !back(open).is_empty() {
        return format!("{}/check", open.home());
    }
    let mut steps = Step::of(&open.form)
        .into_iter()
        .skip_while(|s| *s != step)
        .skip(1);
    match steps.find(|step| step.is_untouched(&open.form)) {
        Some(next) => format!("{}/{}", open.home(), next.code()),
        None if is_ready(open) => format!("{}/check", open.home()),
        None => open.home(),
    }
}

fn answer(
    mut page: FormPage,
    error: Option<&DraftError>,
    lang: Lang,
) -> Result<Response, AppError> {
    let status = error.map_or(StatusCode::UNPROCESSABLE_ENTITY, status_of);
    page.p.alert = error.map(|error| not_saved(lang, error));
    if page.p.alert.is_none() && !page.errors.is_empty() {
        page.p.title_prefix = Some(lang.t("error.prefix"));
    }
    Ok((status, Html(page.render()?)).into_response())
}

/// A line of the task list, or of the answers.
pub(crate) fn item_word(open: &Open, item: &ItemForm) -> String {
    let application = open.form.application(&open.ground);
    if application.items.iter().any(|i| i.name == item.name) {
        return effect::called(&open.wording, &open.ground, &application, &item.name);
    }
    let offering = open.ground.offering(&item.offering);
    offering.map_or_else(
        || item.grant.clone(),
        |o| {
            o.spec
                .display_name
                .in_language(open.lang().code())
                .to_owned()
        },
    )
}

/// How a type and an environment are called together.
pub(crate) fn kind_word(lang: Lang, form: &Form) -> String {
    [
        words::type_(lang, form.type_),
        words::environment(lang, form.environment),
    ]
    .join(lang.t("sentence.dot"))
}

#[cfg(test)]
mod tests;
