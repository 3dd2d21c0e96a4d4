//! The two catalogs, kept by form: the authority says what is offered, the operations provider what provides it, at what price
//! and how many. A form is looked at before anything is written: what changes, whom it concerns, what kubectl would apply,
//! and whether the API server would take it. Who may is the policy `catalog-keepers`; nothing is deleted here: what is
//! withdrawn can be offered again.

pub mod entry;
pub mod product;
pub mod rights;
mod rows;
pub mod service;

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::{CloudProduct, ServiceOffering};
use http::{HeaderMap, StatusCode};
use kube::{Resource, ResourceExt};

use self::entry::{Catalogs, Entry};
use self::rights::Keeper;
use crate::access::Visible;
use crate::acts::request_id;
use crate::cluster::write::{Author, WriteError};
use crate::error::{AppError, escaped};
use crate::fields::{Field, Group, Input, Wrong, mark};
use crate::forms::{Fields, TOKEN, WRONG, not_done, token};
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::refusals::Told;

#[derive(Template)]
#[template(path = "keep.html")]
struct KeepPage {
    p: Page,
    groups: Vec<Group>,
    action: String,
    hidden: Vec<(String, String)>,
    errors: Vec<(String, String)>,
    /// Whether it has lists of which there may be more.
    rows: bool,
}

/// What a field says, before and after.
struct Line {
    question: String,
    before: Option<String>,
    after: String,
}

#[derive(Template)]
#[template(path = "keep-check.html")]
struct CheckPage {
    p: Page,
    lines: Vec<Line>,
    effects: Vec<String>,
    action: String,
    hidden: Vec<(String, String)>,
    command: String,
    yaml: String,
    is_new: bool,
}

/// Somebody at an entry: what is known, and what they keep.
struct Desk {
    visit: Visit,
    visible: Visible,
    wording: Wording,
    catalogs: Catalogs,
    keeper: Keeper,
}

impl Desk {
    async fn of(visit: Visit) -> Result<Self, AppError> {
        let visible = visit.visible().await?;
        let keeper = rights::keeper(&visit, &visible).await?;
        let wording = visit.wording(&visible);
        let catalogs = Catalogs::of(&visit, &wording, &visible, &keeper);
        Ok(Self {
            visit,
            visible,
            wording,
            catalogs,
            keeper,
        })
    }

    /// The entry of a name that the person keeps; none for a new one.
    fn find<K: Entry>(&self, name: Option<&str>) -> Result<Option<Arc<K>>, AppError> {
        let one = match name {
            None => None,
            Some(name) => Some(
                K::all(&self.catalogs)
                    .iter()
                    .find(|one| one.name_any() == name)
                    .cloned()
                    .ok_or(AppError::NoPage)?,
            ),
        };
        let kept = K::kept_by(&self.keeper, one.as_deref());
        kept.then_some(one).ok_or(AppError::NoPage)
    }

    fn frame(&self, title: String, here: &str) -> Page {
        let lang = self.visit.reader.lang;
        let above = [
            (lang.t("nav.overview"), "/"),
            (lang.t("nav.catalog"), "/catalog"),
        ];
        self.visit.page(&self.visible, title).under(&above, here)
    }

    /// What every form of an entry carries: its token, and which state of the entry was seen.
    fn carried<K: Entry>(&self, one: Option<&K>) -> Vec<(String, String)> {
        let purpose = purpose(one);
        vec![(TOKEN.to_owned(), token(&self.visit.session, &purpose))]
    }

    fn form<K: Entry>(
        &self,
        one: Option<&K>,
        fields: &Fields,
        wrongs: &[Wrong],
        alert: Option<Told>,
    ) -> Result<Response, AppError> {
        let lang = self.visit.reader.lang;
        let called = one.map(|one| one.called(lang));
        let title = match &called {
            Some(name) => lang.say("keep.title", &[("name", name)]),
            None => lang.t(K::NEW).to_owned(),
        };
        let mut p = self.frame(title, called.as_deref().unwrap_or(lang.t(K::NEW)));
        let mut groups = K::groups(lang, fields, &self.catalogs);
        if one.is_none() {
            let id = Field::new(lang, "id", "entry-id", Input::Line);
            groups.insert(
                0,
                Group::new(
                    "",
                    vec![id.with(fields.get("id")).required().most(rights::NAME)],
                ),
            );
        }
        let errors = mark(&mut groups, wrongs);
        if alert.is_some() || !errors.is_empty() {
            p.title_prefix = Some(lang.t("error.prefix"));
        }
        p.alert = alert;
        let mut hidden = self.carried(one);
        if let Some(offering) = fields.some("offering") {
            hidden.push(("offering".to_owned(), offering));
        }
        let wrong = !errors.is_empty();
        let html = KeepPage {
            p,
            groups,
            action: address(one, fields),
            hidden,
            errors,
            rows: K::ROWS,
        };
        let page = Html(html.render()?).into_response();
        let status = if wrong { WRONG } else { StatusCode::OK };
        Ok(not_done(status)(page))
    }

    fn check<K: Entry>(&self, one: Option<&K>, new: &K, fields: &Fields) -> CheckPage {
        let lang = self.visit.reader.lang;
        let lines = lines(lang, one, fields, &self.catalogs);
        let n = lines.len();
        let name = new.called(lang);
        let title = match (one, n) {
            (None, _) => lang.say("keep.check.new", &[("name", &name)]),
            (Some(_), 0) => lang.say("keep.check.same", &[("name", &name)]),
            (Some(_), n) => lang.say(
                "keep.check.changed",
                &[("name", &name), ("n", &n.to_string())],
            ),
        };
        let mut hidden = self.carried(one);
        let typed = fields.0.iter().filter(|(key, _)| !is_carried(key));
        hidden.extend(typed.cloned());
        CheckPage {
            p: self.frame(title, &name),
            lines,
            effects: new.effects(lang, one, &self.catalogs),
            action: address(one, fields),
            hidden,
            command: format!("kubectl apply -f {}.yaml", new.name_any()),
            yaml: serde_yaml::to_string(new).unwrap_or_default(),
            is_new: one.is_none(),
        }
    }

    fn told(&self, error: &WriteError) -> Told {
        self.wording.refusal(error)
    }
}

/// What only carries the form itself.
fn is_carried(key: &str) -> bool {
    key == TOKEN || key == "stage"
}

fn purpose<K: Entry>(one: Option<&K>) -> String {
    let meta = one.map(Resource::meta);
    let uid = meta.and_then(|meta| meta.uid.clone()).unwrap_or_default();
    let generation = meta.and_then(|meta| meta.generation).unwrap_or_default();
    format!("keep:{}:{uid}:{generation}", K::PLURAL)
}

/// Where its form is; of a new product with its service, so that the page can be opened again.
fn address<K: Entry>(one: Option<&K>, fields: &Fields) -> String {
    match (one, fields.some("offering")) {
        (Some(one), _) => format!("{}/{}/keep", K::PLACE, one.name_any()),
        (None, Some(offering)) => format!("{}/new?offering={}", K::PLACE, escaped(&offering)),
        (None, None) => format!("{}/new", K::PLACE),
    }
}

/// What the fields say and did not say before; of a new entry, all that they say.
fn lines<K: Entry>(lang: Lang, one: Option<&K>, fields: &Fields, catalogs: &Catalogs) -> Vec<Line> {
    let before = one.map(K::filled);
    let old = before
        .as_ref()
        .map(|fields| K::groups(lang, fields, catalogs));
    let old: Vec<_> = old
        .into_iter()
        .flatten()
        .flat_map(|group| named(lang, group))
        .collect();
    let was = |id: &str| old.iter().find(|(_, field)| field.id == id);
    let new: Vec<_> = K::groups(lang, fields, catalogs)
        .into_iter()
        .flat_map(|group| named(lang, group))
        .collect();
    let gone = old
        .iter()
        .filter(|(_, field)| !new.iter().any(|(_, other)| other.id == field.id));
    let gone = gone.map(|(question, field)| Line {
        question: question.clone(),
        before: Some(field.told(lang)),
        after: lang.t("keep.nothing").to_owned(),
    });
    let changed = new.iter().filter_map(|(question, field)| {
        let earlier = was(&field.id).map_or("", |(_, field)| field.value.as_str());
        (field.value != earlier).then(|| Line {
            question: question.clone(),
            before: one.map(|_| {
                was(&field.id).map_or_else(
                    || lang.t("keep.nothing").to_owned(),
                    |(_, field)| field.told(lang),
                )
            }),
            after: field.told(lang),
        })
    });
    changed.chain(gone).collect()
}

/// The fields of a group, each with the group's name before its own.
fn named(lang: Lang, group: Group) -> Vec<(String, Field)> {
    let legend = group.legend;
    let question = |label: &str| {
        if legend.is_empty() {
            label.to_owned()
        } else {
            [legend.as_str(), label].join(lang.t("sentence.dot"))
        }
    };
    group
        .fields
        .into_iter()
        .map(|field| (question(&field.label), field))
        .collect()
}

async fn show<K: Entry>(visit: Visit, name: Option<&str>) -> Result<Response, AppError> {
    let desk = Desk::of(visit).await?;
    let one = desk.find::<K>(name)?;
    let fields = if let Some(one) = &one {
        one.filled()
    } else {
        let offering = desk.visit.reader.parameter("offering");
        if K::OF_SERVICE && desk.catalogs.offering(&offering).is_none() {
            return Err(AppError::NoPage);
        }
        product::of_service(&offering)
    };
    desk.form(one.as_deref(), &fields, &[], None)
}

async fn take<K: Entry>(
    visit: Visit,
    headers: &HeaderMap,
    name: Option<&str>,
    fields: Fields,
) -> Result<Response, AppError> {
    let desk = Desk::of(visit).await?;
    let one = desk.find::<K>(name)?;
    let (one, lang) = (one.as_deref(), desk.visit.reader.lang);
    if !fields.is_for(&desk.visit.session, &purpose(one)) {
        // Somebody else kept it meanwhile, or the session is another: what was typed stays, beside what stands there now.
        let told = desk.told(&WriteError::Stale);
        let page = desk.form(one, &fields, &[], Some(told));
        return page.map(not_done(WriteError::Stale.status()));
    }
    if matches!(fields.get("stage"), "edit" | "rows") {
        return desk.form(one, &fields, &[], None);
    }
    let mut wrongs = match one {
        None => rights::name(lang, fields.get("id"))
            .err()
            .into_iter()
            .collect(),
        Some(_) => Vec::new(),
    };
    let spec = match K::read(lang, &fields, &desk.catalogs) {
        Ok(spec) if wrongs.is_empty() => spec,
        Ok(_) => return desk.form(one, &fields, &wrongs, None),
        Err(more) => {
            wrongs.extend(more);
            return desk.form(one, &fields, &wrongs, None);
        }
    };
    let called = one.map_or_else(|| fields.get("id").to_owned(), ResourceExt::name_any);
    let new = K::made(&called, spec);
    let writes = fields.get("stage") == "write";
    match write(&desk, headers, one, &new, !writes).await {
        Ok(()) if writes => {
            let place = format!("/catalog?done=kept#service-{}", new.service());
            Ok(Redirect::to(&place).into_response())
        }
        Ok(()) => Ok(Html(desk.check(one, &new, &fields).render()?).into_response()),
        Err(error) => {
            let page = desk.form(one, &fields, &[], Some(desk.told(&error)));
            page.map(not_done(error.status()))
        }
    }
}

/// Writes it as the person, or asks the API server what would become of it.
async fn write<K: Entry>(
    desk: &Desk,
    headers: &HeaderMap,
    one: Option<&K>,
    new: &K,
    dry: bool,
) -> Result<(), WriteError> {
    let author = Author {
        user: &desk.visit.session.user,
        request_id: request_id(headers),
        dry,
    };
    let cluster = &desk.visit.state.cluster;
    match one {
        Some(seen) => cluster.say_anew(author, seen, new.spec()).await,
        None => cluster.create_everywhere(author, new).await.map(drop),
    }
}

/// The form of a new service.
///
/// # Errors
/// The person does not keep the service catalog, or the hub gives no answer.
pub async fn new_service(visit: Visit) -> Result<Response, AppError> {
    show::<ServiceOffering>(visit, None).await
}

/// Looks at a new service, or offers it.
///
/// # Errors
/// As of [`new_service`].
pub async fn offer(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    take::<ServiceOffering>(visit, &headers, None, fields).await
}

/// The form of a service that is there.
///
/// # Errors
/// There is none of that name that the person keeps, or the hub gives no answer.
pub async fn service_form(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    show::<ServiceOffering>(visit, Some(&name)).await
}

/// Looks at what a service would be, or changes it.
///
/// # Errors
/// As of [`service_form`].
pub async fn keep_service(
    visit: Visit,
    Path(name): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    take::<ServiceOffering>(visit, &headers, Some(&name), fields).await
}

/// The form of a new product, for the service that the address names.
///
/// # Errors
/// The person runs no platform, or the hub gives no answer. That there is no such service is said when the form is sent.
pub async fn new_product(visit: Visit) -> Result<Response, AppError> {
    show::<CloudProduct>(visit, None).await
}

/// Looks at a new product, or provides it.
///
/// # Errors
/// As of [`new_product`].
pub async fn provide(
    visit: Visit,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    take::<CloudProduct>(visit, &headers, None, fields).await
}

/// The form of a product that is there.
///
/// # Errors
/// There is none of that name on a platform that the person runs, or the hub gives no answer.
pub async fn product_form(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    show::<CloudProduct>(visit, Some(&name)).await
}

/// Looks at what a product would be, or changes it.
///
/// # Errors
/// As of [`product_form`].
pub async fn keep_product(
    visit: Visit,
    Path(name): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    take::<CloudProduct>(visit, &headers, Some(&name), fields).await
}

#[cfg(test)]
mod tests;
