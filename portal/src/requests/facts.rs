//! The facts of a request: for whom, what kind, the project behind it.

use crds::ResourceRequest;
use crds::resource_request::Project;
use kube::ResourceExt as _;

use super::words;
use crate::ages;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::platforms::Fact;

type Told = Vec<(&'static str, Option<String>)>;

/// The facts of a request; what is not said is left out.
pub(super) fn facts(wording: &Wording, visit: &Visit, request: &ResourceRequest) -> Vec<Fact> {
    let lang = wording.lang;
    let application = &request.spec.application;
    let kind = [
        words::type_(lang, application.type_),
        words::environment(lang, application.environment),
    ];
    let open = || lang.t("fact.open").to_owned();
    let days =
        [application.from, application.until].map(|d| d.map_or_else(open, |d| d.to_string()));
    let lasts = application.from.is_some() || application.until.is_some();
    let status = request.status.as_ref();
    let unit = wording.tenant(&super::tenant(request)).to_owned();
    let submitted = super::submitted(request).map(|at| ages::moment(lang, at, visit.now).exact);
    let mut told: Told = vec![
        ("table.tenant", Some(unit)),
        ("fact.applicant", request.spec.applicant.clone()),
        ("fact.on-behalf-of", application.on_behalf_of.clone()),
        ("table.submitted", submitted),
        ("table.type", Some(kind.join(lang.t("sentence.dot")))),
        ("wizard.system", system(lang, visit, request)),
        ("fact.lasts", lasts.then(|| days.join(" – "))),
    ];
    if let Some(project) = &application.project {
        told.extend(of_project(lang, project));
    }
    let cost = status.map(|status| words::monthly(lang, status.monthly_cost));
    told.push(("effect.costs", cost));
    told.push((
        "field.justification",
        Some(application.justification.clone()),
    ));
    let told = told
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.filter(|v| !v.is_empty())?)));
    told.map(|(key, value)| Fact {
        word: lang.find(key).unwrap_or(key),
        value,
    })
    .collect()
}

/// The system that it is for, by its name.
fn system(lang: Lang, visit: &Visit, request: &ResourceRequest) -> Option<String> {
    let id = request.spec.application.system.clone()?;
    let namespace = request.namespace();
    let systems = visit.state.cluster.systems();
    let mut own = systems.iter().filter(|s| s.namespace() == namespace);
    let known = own.find(|s| s.name_any() == id);
    Some(known.map_or(id, |s| {
        s.spec.display_name.in_language(lang.code()).to_owned()
    }))
}

fn of_project(lang: Lang, project: &Project) -> Told {
    let shares = project.funding.iter().map(|share| {
        let source = share.source;
        let word = lang.find(&format!("funding.{source:?}")).unwrap_or("");
        format!("{word} {}%", share.percent)
    });
    let reviews: Vec<_> = project.reviews.iter().map(|r| r.number.clone()).collect();
    let exemption = project.exemption.as_ref();
    let exemption =
        exemption.map(|e| lang.say("project.exempted", &[("basis", &e.basis), ("by", &e.by)]));
    let level = project.mlps_level;
    let level = level.map(|n| lang.say("figure.level", &[("n", &n.to_string())]));
    vec![
        ("field.project-name", Some(project.name.clone())),
        ("field.project-approval", project.approval_number.clone()),
        (
            "project.funding",
            Some(lang.join(&shares.collect::<Vec<_>>())),
        ),
        ("project.reviews", Some(lang.join(&reviews))),
        ("project.exempt", exemption),
        ("field.mlps", level),
        ("fact.responsible-post", project.responsible_post.clone()),
    ]
}
