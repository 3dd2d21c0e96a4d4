//! The lines of an application: which service, where, in which size, how many; or which grant and what of it.

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use kube::ResourceExt as _;

use super::form::ItemForm;
use super::{FormPage, Open, Preview, answer, begin, check, draft_error, review, steps};
use crate::error::AppError;
use crate::fields::{Choice, Field, Group, Input, Wrong, mark};
use crate::forms::Fields;
use crate::live::Visit;
use crate::page::Page;
use crate::requests::effect::Effect;
use crate::requests::words;

/// What stands before the name of a grant where a service could be chosen.
const GRANT: &str = "grant:";

/// Asks which service, or shows a line.
///
/// # Errors
/// There is no such draft or line, or the hub or the database gives no answer.
pub async fn item(
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    if name == "new" && open.form.by_catalog() {
        return Ok(Html(choose_service(&open, &[]).render()?).into_response());
    }
    let item = line(&open, &name)?;
    let wrongs = if open.visit.reader.parameter("check").is_empty() {
        Vec::new()
    } else {
        check::item(open.lang(), &open.form, &item, &open.ground)
    };
    Ok(Html(item_page(&open, &name, &item, &wrongs).render()?).into_response())
}

fn line(open: &Open, name: &str) -> Result<ItemForm, AppError> {
    if name == "new" {
        return Ok(ItemForm::default());
    }
    let found = open.form.items.iter().find(|item| item.name == name);
    found.cloned().ok_or(AppError::NoPage)
}

/// Which service: the first question about a line.
fn choose_service(open: &Open, wrongs: &[Wrong]) -> FormPage {
    let lang = open.lang();
    let offered = open
        .ground
        .offerings
        .iter()
        .filter(|o| !o.spec.withdrawn)
        .filter(|o| {
            let name = o.name_any();
            open.ground
                .products
                .iter()
                .any(|p| p.spec.offering == name && !p.spec.withdrawn)
        });
    let choices = offered.map(|o| {
        let about = o
            .spec
            .description
            .as_ref()
            .map_or("", |text| text.in_language(lang.code()));
        Choice::new(o.name_any(), o.spec.display_name.in_language(lang.code())).about(about)
    });
    // An exception may also make larger what is there.
    let grants = open
        .ground
        .grants
        .iter()
        .filter(|_| open.form.takes_grants());
    let larger = grants.map(|grant| {
        let spec = &grant.spec;
        let place = [
            open.wording.platform(&spec.platform),
            words::zone(lang, spec.zone),
            &grant.name_any(),
        ];
        let figures = [("grant", &*place.join(lang.t("sentence.dot")))];
        let word = lang.say("wizard.service.larger", &figures);
        let about = words::amounts(lang, &spec.hard);
        Choice::new(format!("{GRANT}{}", grant.name_any()), word).about(about)
    });
    let choices = Input::Radio(choices.chain(larger).collect());
    let field = Field::new(lang, "offering", "offering", choices).required();
    let mut groups = vec![Group::new("", vec![field])];
    let errors = mark(&mut groups, wrongs);
    FormPage {
        p: open.frame(
            lang.t("wizard.service.title").to_owned(),
            lang.t("wizard.items"),
        ),
        about: vec![lang.t("wizard.service.about").to_owned()],
        groups,
        action: format!("{}/items/new", open.home()),
        hidden: open.hidden(),
        button: lang.t("wizard.next").to_owned(),
        back: Some((open.home(), lang.t("wizard.back").to_owned())),
        errors,
        remove: None,
        preview: None,
    }
}

fn item_page(open: &Open, name: &str, item: &ItemForm, wrongs: &[Wrong]) -> FormPage {
    let lang = open.lang();
    let mut groups = steps::item_groups(&open.wording, &open.form, item, &open.ground);
    let errors = mark(&mut groups, wrongs);
    let offering = open.ground.offering(&item.offering);
    let service = offering.map(|o| o.spec.display_name.in_language(lang.code()).to_owned());
    let title = match &service {
        Some(service) => lang.say("wizard.item.title", &[("service", service)]),
        None => lang.t("wizard.grant.title").to_owned(),
    };
    let about = offering
        .and_then(|o| o.spec.description.as_ref())
        .map(|text| text.in_language(lang.code()).to_owned());
    let place = format!("{}/items/{name}", open.home());
    let preview = Preview {
        href: format!("{place}/preview"),
        effect: effect_of(open, item),
    };
    FormPage {
        preview: Some(preview),
        p: open.frame(title, lang.t("wizard.items")),
        about: about.into_iter().collect(),
        groups,
        hidden: open.hidden(),
        button: lang.t("wizard.save").to_owned(),
        back: Some((open.home(), lang.t("wizard.back").to_owned())),
        errors,
        remove: (name != "new").then(|| {
            (
                format!("{place}/remove"),
                lang.t("wizard.remove").to_owned(),
            )
        }),
        action: place,
    }
}

/// What the application does with this line as it stands; nothing while the line is not complete.
fn effect_of(open: &Open, item: &ItemForm) -> Option<Effect> {
    if !check::item(open.lang(), &open.form, item, &open.ground).is_empty() {
        return None;
    }
    let mut form = open.form.clone();
    match form.items.iter_mut().find(|kept| kept.name == item.name) {
        Some(kept) => *kept = item.clone(),
        None => form.items.push(item.clone()),
    }
    let application = form.application(&open.ground);
    let name = review::name_of(open);
    let preview = open.ground.preview(&application, &name, &[]);
    let asked = (name.as_str(), &application);
    Some(Effect::of(&open.wording, &open.ground, asked, &preview))
}

#[derive(Template)]
#[template(path = "preview.html")]
struct PreviewPart {
    p: Page,
    effect: Option<Effect>,
}

/// What a line does while it is typed: by the same code that decides and enacts it. Nothing is kept.
///
/// # Errors
/// There is no such draft or line, or the form is not ours.
pub async fn preview(
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    let mut item = line(&open, &name)?;
    steps::take_item(&mut item, &fields);
    if name == "new" {
        item.name = open.form.free_name(&item.grant);
    }
    let part = PreviewPart {
        effect: effect_of(&open, &item),
        p: open.frame(String::new(), ""),
    };
    Ok(Html(part.render()?).into_response())
}

/// Adds a line about the grant that was chosen in the place of a service; gives its name.
fn larger(open: &mut Open, wanted: &str) -> Option<String> {
    let grant = wanted
        .strip_prefix(GRANT)
        .filter(|_| open.form.takes_grants())?;
    let mut grants = open.ground.grants.iter();
    let grant = grants.find(|g| g.name_any() == grant)?.name_any();
    let name = open.form.free_name(&grant);
    open.form.items.push(ItemForm {
        name: name.clone(),
        grant,
        ..ItemForm::default()
    });
    Some(name)
}

/// Takes a line, whatever is wrong with it; then says what is.
///
/// # Errors
/// There is no such draft or line, or the form is not ours.
pub async fn save_item(
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, AppError> {
    let mut open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    let lang = open.lang();
    if name == "new" && open.form.by_catalog() {
        let wanted = fields.get("offering");
        if let Some(name) = larger(&mut open, wanted) {
            return match open.save(&fields).await {
                Ok(()) => {
                    Ok(Redirect::to(&format!("{}/items/{name}", open.home())).into_response())
                }
                Err(error) => answer(choose_service(&open, &[]), Some(&error), lang),
            };
        }
        let Some(offering) = open
            .ground
            .offering(wanted)
            .map(kube::ResourceExt::name_any)
        else {
            let wrongs = [Wrong::new("offering", lang.t("wrong.no-offering"))];
            return answer(choose_service(&open, &wrongs), None, lang);
        };
        let name = begin::add_service(&mut open.form, &offering, &open.ground);
        return match open.save(&fields).await {
            Ok(()) => Ok(Redirect::to(&format!("{}/items/{name}", open.home())).into_response()),
            Err(error) => answer(choose_service(&open, &[]), Some(&error), lang),
        };
    }
    let mut item = line(&open, &name)?;
    steps::take_item(&mut item, &fields);
    let wrongs = check::item(lang, &open.form, &item, &open.ground);
    if name == "new" {
        item.name = open.form.free_name(&item.grant);
        open.form.items.push(item.clone());
    } else if let Some(kept) = open.form.items.iter_mut().find(|kept| kept.name == name) {
        *kept = item.clone();
    }
    // A line about no grant is none: it is asked for again and not kept.
    if name == "new" && !wrongs.is_empty() {
        open.form.items.pop();
        return answer(item_page(&open, &name, &item, &wrongs), None, lang);
    }
    let saved = open.save(&fields).await;
    if saved.is_ok() && wrongs.is_empty() {
        return Ok(Redirect::to(&open.home()).into_response());
    }
    answer(
        item_page(&open, &name, &item, &wrongs),
        saved.as_ref().err(),
        lang,
    )
}

/// Takes a line out.
///
/// # Errors
/// There is no such draft, or the form is not ours.
pub async fn remove_item(
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, AppError> {
    let mut open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    open.form.items.retain(|item| item.name != name);
    open.save(&fields).await.map_err(draft_error)?;
    Ok(Redirect::to(&open.home()).into_response())
}
