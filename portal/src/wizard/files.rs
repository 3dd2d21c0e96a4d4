//! The files of an application: kept with its draft, and the request's from its submission on. A file that is not taken is told
//! of; the others that came with it are kept.

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};

use super::check::Step;
use super::{Open, draft_error, next_task, not_saved};
use crate::attachments::content::accepted;
use crate::attachments::form::Sent;
use crate::attachments::{self, File, Link, OF_APPLICATION};
use crate::db::DbError;
use crate::db::attachments as table;
use crate::db::drafts::DraftError;
use crate::error::AppError;
use crate::fields::{Field, Group, Input, Wrong, mark};
use crate::forms::Fields;
use crate::live::Visit;
use crate::page::Page;

#[derive(Template)]
#[template(path = "files.html")]
struct FilesPage {
    p: Page,
    files: Vec<(Link, String)>,
    groups: Vec<Group>,
    errors: Vec<(String, String)>,
    hidden: Vec<(&'static str, String)>,
    here: String,
    back: &'static str,
    next: String,
}

fn files_page(open: &Open, wrongs: &[Wrong]) -> FilesPage {
    let lang = open.lang();
    let here = format!("{}/{}", open.home(), Step::Files.code());
    let field = Field::new(lang, "files", "application-files", Input::Files(accepted()));
    let mut groups = vec![Group::new("", vec![field])];
    let errors = mark(&mut groups, wrongs);
    let files = open.form.attachments.iter().map(|file| {
        let sha256 = file.digest.trim_start_matches("sha256:").to_owned();
        (attachments::link(&here, file), sha256)
    });
    let title = lang.t("wizard.files.title").to_owned();
    let mut p = open.frame(title, lang.t("wizard.files"));
    if !errors.is_empty() {
        p.title_prefix = Some(lang.t("error.prefix"));
    }
    FilesPage {
        p,
        files: files.collect(),
        groups,
        errors,
        hidden: open.hidden(),
        back: super::back(open),
        next: next_task(open, Step::Files),
        here,
    }
}

/// The files of an application, and the form that adds some.
///
/// # Errors
/// There is no such draft, or the hub or the database gives no answer.
pub async fn page(visit: Visit, Path(id): Path<String>) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    Ok(Html(files_page(&open, &[]).render()?).into_response())
}

/// Adds files.
///
/// # Errors
/// There is no such draft, or the form is not ours.
pub async fn add(visit: Visit, Path(id): Path<String>, sent: Sent) -> Result<Response, AppError> {
    let mut open = Open::find(visit, &id).await?;
    open.check(&sent.fields)?;
    let mut wrongs = sent.wrongs;
    if wrongs.is_empty() && sent.files.is_empty() {
        wrongs.push(attachments::Wrong::None);
    }
    let mut fresh: Vec<File> = Vec::new();
    for file in sent.files {
        let entry = file.entry();
        let kept = &mut open.form.attachments;
        // The same content twice is one file.
        if kept.iter().any(|file| file.digest == entry.digest) {
            continue;
        }
        if kept.len() == OF_APPLICATION {
            wrongs.push(attachments::Wrong::TooManyOfAll);
            break;
        }
        kept.push(entry);
        fresh.push(file);
    }
    if !fresh.is_empty() {
        let kept = keep(&mut open, &fresh).await;
        if let Err(error) = kept {
            return not_kept(open, &error).await;
        }
    }
    if wrongs.is_empty() {
        let href = format!("{}/files{}", open.home(), super::back(&open));
        return Ok(Redirect::to(&href).into_response());
    }
    let lang = open.lang();
    let status = attachments::Wrong::status(&wrongs);
    let words = attachments::Wrong::all_words(&wrongs, lang);
    let page = files_page(&open, &[Wrong::new("files", words)]);
    Ok((status, Html(page.render()?)).into_response())
}

/// Keeps files and the draft that names them, both or neither.
async fn keep(open: &mut Open, fresh: &[File]) -> Result<(), DraftError> {
    let mut transaction = open.db()?.begin().await?;
    let user = &open.visit.session.user;
    attachments::put(
        &mut transaction,
        user,
        &attachments::place(&open.draft.id),
        fresh,
    )
    .await?;
    open.save_over(&mut transaction, open.draft.revision)
        .await?;
    Ok(transaction.commit().await.map_err(DbError::from)?)
}

/// What there was before, and why the new ones are not among them.
async fn not_kept(open: Open, error: &DraftError) -> Result<Response, AppError> {
    let status = super::status_of(error);
    let lang = open.lang();
    let id = open.draft.id.clone();
    let mut page = match Open::find(open.visit, &id).await {
        Ok(open) => files_page(&open, &[]),
        Err(gone) => return Err(gone),
    };
    let mut told = not_saved(lang, error);
    if let DraftError::Database(_) = error {
        lang.t("files.not-kept.happened")
            .clone_into(&mut told.happened);
    }
    page.p.alert = Some(told);
    Ok((status, Html(page.render()?)).into_response())
}

/// Takes a file out.
///
/// # Errors
/// There is no such draft or file, the form is not ours, or the database gives no answer.
pub async fn remove(
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, AppError> {
    let mut open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    let digest = format!("sha256:{}", fields.get("sha256"));
    open.form.attachments.retain(|file| file.digest != digest);
    let taken = async {
        let mut transaction = open.db()?.begin().await?;
        table::remove(
            &mut transaction,
            &attachments::place(&open.draft.id),
            &digest,
        )
        .await?;
        open.save_over(&mut transaction, open.draft.revision)
            .await?;
        Ok::<_, DraftError>(transaction.commit().await.map_err(DbError::from)?)
    };
    taken.await.map_err(draft_error)?;
    let href = format!("{}/files{}", open.home(), super::back(&open));
    Ok(Redirect::to(&href).into_response())
}

/// Gives a file back to whose draft it is.
///
/// # Errors
/// There is no such draft or file, or the database gives no answer.
pub async fn give(
    visit: Visit,
    Path((id, sha256)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    let wanted = format!("sha256:{sha256}");
    let mut named = open.form.attachments.iter();
    let entry = named.find(|file| file.digest == wanted);
    let entry = entry.ok_or(AppError::NoPage)?;
    let db = &open.visit.records()?.db;
    let owner = &open.draft.owner;
    attachments::given(db, (&attachments::place(&open.draft.id), owner), entry).await
}

#[cfg(test)]
mod tests;
