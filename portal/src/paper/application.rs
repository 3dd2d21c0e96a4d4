//! The application (申请书) as a form on paper: what is asked for, for which project, who decided what and when.

use axum::extract::Path;
use axum::response::Response;
use crds::ResourceRequest;
use crds::keys::tenant_namespace;
use crds::resource_request::{EventKind, Item, Project, record};
use kube::ResourceExt as _;

use super::{PaperError, Sheet};
use crate::ages;
use crate::attachments;
use crate::error::AppError;
use crate::export;
use crate::health::Wording;
use crate::live::Visit;
use crate::requests::words;

/// The form of a request, as PDF.
///
/// # Errors
/// There is none of that name that the person may see, or this machine has no font for it.
pub async fn pdf(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let namespace = tenant_namespace(&tenant);
    let request = visit.state.cluster.request(&namespace, &name);
    let request = request.filter(|_| visible.requests.has(&namespace));
    let request = request.ok_or(AppError::NoPage)?;
    let wording = visit.wording(&visible);
    let foot = foot(&visit);
    // A large font is read and cut down: that is no work for the threads that serve pages.
    let (fonts, taken) = (visit.state.fonts.clone(), export::taken(&visit));
    let made = tokio::task::spawn_blocking(move || {
        let mut sheet = Sheet::new(&fonts)?;
        write(&mut sheet, &wording, &tenant, &request);
        sheet.finish(&request.spec.application.title, &taken, &foot)
    });
    let bytes = made.await.map_err(AppError::internal)?;
    let bytes = bytes.map_err(|error| match error {
        PaperError::NoFont(why) => {
            tracing::error!(why, "no form can be printed");
            AppError::NoFont
        }
        PaperError::Failed(why) => AppError::internal(why),
    })?;
    Ok(export::file(&name, ("pdf", "application/pdf"), bytes))
}

/// Who printed it, when, and the newest row of the ledger that is anchored.
fn foot(visit: &Visit) -> String {
    let records = visit.state.records.as_ref();
    let seq = records.map_or(0, |records| records.anchored.borrow().seq);
    let lang = visit.reader.lang;
    let figures = [("taken", export::taken(visit)), ("seq", seq.to_string())];
    lang.say(
        "paper.foot",
        &figures.each_ref().map(|(key, text)| (*key, text.as_str())),
    )
}

fn write(sheet: &mut Sheet<'_>, wording: &Wording, tenant: &str, request: &ResourceRequest) {
    let (lang, spec) = (wording.lang, &request.spec);
    let application = &spec.application;
    sheet.title(lang.t("paper.title"));
    head(sheet, wording, tenant, request);
    sheet.heading(lang.t("paper.items"));
    items(sheet, wording, &application.items);
    if let Some(project) = &application.project {
        sheet.heading(lang.t("paper.project"));
        self::project(sheet, wording, project);
    }
    sheet.heading(lang.t("paper.justification"));
    sheet.text(&application.justification);
    if attachments::named(request).next().is_some() {
        sheet.heading(lang.t("paper.attachments"));
        let rows: Vec<_> = attachments::named(request)
            .map(|file| vec![file.name.clone(), file.digest.clone()])
            .collect();
        let head = [lang.t("table.name"), lang.t("paper.digest")];
        sheet.table(&[0.4, 0.6], &head, &rows);
    }
    sheet.heading(lang.t("paper.decisions"));
    decisions(sheet, wording, request);
}

/// What is asked for, by whom, for how long, and where it stands.
fn head(sheet: &mut Sheet<'_>, wording: &Wording, tenant: &str, request: &ResourceRequest) {
    let (lang, spec) = (wording.lang, &request.spec);
    let (application, status) = (
        &spec.application,
        request.status.clone().unwrap_or_default(),
    );
    let day = |day: Option<crds::words::Day>| day.map_or_else(String::new, |day| day.to_string());
    let phase = status.phase.unwrap_or_default();
    let submitted = request.creation_timestamp().map(|time| time.0);
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    sheet.facts(&[
        (
            lang.t("paper.number"),
            format!("{tenant} / {}", request.name_any()),
        ),
        (lang.t("paper.about"), application.title.clone()),
        (lang.t("table.tenant"), wording.tenant(tenant).to_owned()),
        (lang.t("paper.applicant"), some(&spec.applicant)),
        (lang.t("paper.for"), some(&application.on_behalf_of)),
        (
            lang.t("paper.submitted"),
            submitted.map_or_else(String::new, |at| ages::moment(lang, at, at).exact),
        ),
        (
            lang.t("paper.type"),
            words::type_(lang, application.type_).to_owned(),
        ),
        (
            lang.t("paper.environment"),
            words::environment(lang, application.environment).to_owned(),
        ),
        (lang.t("table.system"), some(&application.system)),
        (lang.t("paper.from"), day(application.from)),
        (lang.t("table.until"), day(application.until)),
        (lang.t("paper.phase"), words::phase(lang, phase).to_owned()),
        (
            lang.t("paper.cost"),
            words::monthly(lang, status.monthly_cost),
        ),
        (
            lang.t("paper.classified"),
            lang.t("paper.classified.no").to_owned(),
        ),
    ]);
}

fn items(sheet: &mut Sheet<'_>, wording: &Wording, items: &[Item]) {
    let lang = wording.lang;
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let what = match (&item.size, item.count) {
                (Some(size), Some(count)) => format!("{size} × {count}"),
                _ => words::amounts(lang, &item.resources),
            };
            let product = item.product.as_ref().or(item.offering.as_ref());
            vec![
                item.name.clone(),
                product.cloned().unwrap_or_default(),
                what,
                wording.platform(&item.platform).to_owned(),
                words::zone(lang, item.zone).to_owned(),
                item.pool.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let head = [
        "table.name",
        "paper.product",
        "paper.amount",
        "table.platform",
        "table.zone",
        "table.pool",
    ];
    sheet.table(
        &[0.12, 0.18, 0.26, 0.18, 0.14, 0.12],
        &head.map(|key| lang.t(key)),
        &rows,
    );
}

fn project(sheet: &mut Sheet<'_>, wording: &Wording, project: &Project) {
    let lang = wording.lang;
    let funding = project.funding.iter().map(|share| {
        let source = lang.t(&format!("funding.{:?}", share.source)).to_owned();
        let reference = share.reference.as_deref().unwrap_or_default();
        format!("{source} {}% {reference}", share.percent)
    });
    let reviews = project.reviews.iter().map(|review| {
        let kind = lang.t(&format!("review.{:?}", review.kind)).to_owned();
        let date = review.date.map_or_else(String::new, |day| day.to_string());
        format!("{kind} {} {date}", review.number)
    });
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let level = project.mlps_level.map_or_else(String::new, |level| {
        lang.say("figure.level", &[("n", &level.to_string())])
    });
    let exemption = project
        .exemption
        .as_ref()
        .map_or_else(String::new, |exemption| {
            format!("{} ({})", exemption.basis, exemption.by)
        });
    sheet.facts(&[
        (lang.t("paper.project.name"), project.name.clone()),
        (
            lang.t("paper.project.number"),
            some(&project.approval_number),
        ),
        (
            lang.t("paper.project.funding"),
            funding.collect::<Vec<_>>().join("\n"),
        ),
        (
            lang.t("paper.project.reviews"),
            reviews.collect::<Vec<_>>().join("\n"),
        ),
        (lang.t("fact.mlps-level"), level),
        (
            lang.t("fact.responsible-post"),
            some(&project.responsible_post),
        ),
        (lang.t("paper.project.exemption"), exemption),
    ]);
}

/// Opinions and decisions in order, with when each was seen.
fn decisions(sheet: &mut Sheet<'_>, wording: &Wording, request: &ResourceRequest) {
    let (lang, spec) = (wording.lang, &request.spec);
    let timeline = request
        .status
        .as_ref()
        .map(|status| status.timeline.as_slice());
    let seen = |kind, index: usize| {
        let index = u32::try_from(index).ok();
        record::at(timeline.unwrap_or_default(), kind, index)
            .map_or_else(String::new, |at| ages::moment(lang, at, at).exact)
    };
    let comment = |text: Option<&String>| text.cloned().unwrap_or_default();
    let opinions = spec.opinions.iter().enumerate().map(|(index, opinion)| {
        vec![
            words::stage(wording, opinion.stage, None),
            opinion.by.clone(),
            words::view(lang, opinion.view).to_owned(),
            opinion.comment.clone(),
            seen(EventKind::Opinion, index),
        ]
    });
    let decided = spec.decisions.iter().enumerate().map(|(index, decision)| {
        vec![
            words::stage(wording, decision.stage, decision.of.as_deref()),
            decision.by.clone(),
            words::outcome(lang, decision.outcome).to_owned(),
            comment(decision.comment.as_ref()),
            seen(EventKind::Decision, index),
        ]
    });
    let rows: Vec<_> = opinions.chain(decided).collect();
    if rows.is_empty() {
        sheet.text(lang.t("paper.decisions.none"));
        return;
    }
    let head = [
        "paper.stage",
        "paper.by",
        "paper.outcome",
        "paper.comment",
        "table.when",
    ];
    sheet.table(
        &[0.18, 0.16, 0.14, 0.32, 0.20],
        &head.map(|key| lang.t(key)),
        &rows,
    );
}
