//! What waits as cards: enough of each to decide it from a phone, several at once, by what it does as things stand now.

use crds::ResourceRequest;
use kube::ResourceExt as _;

use super::{Roles, decide, is_overdue};
use crate::access::Visible;
use crate::ages::{self, Moment};
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::reader::Reader;
use crate::requests::effect::Effect;
use crate::requests::standing::Lamp;
use crate::requests::{self, standing, words};

/// A request that waits.
pub(super) struct Card {
    pub(super) href: String,
    pub(super) pick: String,
    pub(super) title: String,
    pub(super) tenant: String,
    pub(super) kind: String,
    pub(super) what: String,
    pub(super) stage: String,
    pub(super) lamp: Lamp,
    pub(super) since: Option<Moment>,
    pub(super) urged: Option<String>,
    pub(super) opinions: String,
    pub(super) cost: String,
    /// What each pool has free, before and after.
    pub(super) pools: Vec<(String, bool)>,
    /// What stands against it.
    pub(super) against: Vec<String>,
    pub(super) advises: bool,
}

/// Which of what waits is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Which {
    pub(super) q: String,
    pub(super) overdue: bool,
    pub(super) page: usize,
}

impl Which {
    pub(super) fn of(reader: &Reader) -> Self {
        Self {
            q: reader.parameter("q"),
            overdue: !reader.parameter("overdue").is_empty(),
            page: reader.parameter("page").parse().unwrap_or(1).max(1),
        }
    }

    pub(super) fn takes(&self, visible: &Visible, request: &ResourceRequest) -> bool {
        let said = || {
            let tenant = requests::tenant(request);
            let names = [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, &tenant));
            let text = [
                &request.name_any(),
                &request.spec.application.title,
                &tenant,
            ];
            let mut text = text.into_iter().map(String::as_str).chain(names);
            let q = self.q.to_lowercase();
            text.any(|text| text.to_lowercase().contains(&q))
        };
        (!self.overdue || is_overdue(request)) && (self.q.is_empty() || said())
    }

    pub(super) fn query(&self, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        if self.overdue {
            query.append_pair("overdue", "1");
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }

    pub(super) fn href(&self, page: usize) -> String {
        format!("/approvals?{}", self.query(page))
    }
}

/// A request as a card.
pub(super) fn card(
    visit: &Visit,
    wording: &Wording,
    request: &ResourceRequest,
    roles: &Roles,
) -> Card {
    let lang = wording.lang;
    let application = &request.spec.application;
    let tenant = requests::tenant(request);
    let stage = standing::current(request);
    let views = request.spec.opinions.iter().map(|opinion| {
        [
            words::stage(wording, opinion.stage, None),
            words::view(lang, opinion.view).to_owned(),
        ]
        .join(lang.t("sentence.colon"))
    });
    let last = request.spec.urgings.last().map(|urging| {
        let said = urging.comment.clone().unwrap_or_default();
        lang.say(
            "approvals.urged",
            &[
                ("n", &request.spec.urgings.len().to_string()),
                ("said", &said),
            ],
        )
    });
    let cost = request
        .status
        .as_ref()
        .and_then(|status| status.monthly_cost);
    let ground = decide::ground_of(visit, request);
    let effect = requests::page::effect_of(wording, ground.as_ref(), request);
    Card {
        href: format!("/approvals/{tenant}/{}", request.name_any()),
        pick: [
            &tenant,
            &request.name_any(),
            &decide::seen(request),
            &decide::shown(ground.as_ref(), request),
        ]
        .map(String::as_str)
        .join("/"),
        pools: left(lang, &effect),
        against: against(lang, &effect),
        title: application.title.clone(),
        tenant: wording.tenant(&tenant).to_owned(),
        kind: [
            words::type_(lang, application.type_),
            words::environment(lang, application.environment),
        ]
        .join(lang.t("sentence.dot")),
        what: requests::what(lang, &visit.state.cluster, application),
        stage: stage
            .map(|s| words::stage(wording, s.stage, s.of.as_deref()))
            .unwrap_or_default(),
        lamp: standing::lamp(lang, request),
        since: stage
            .and_then(|s| s.since)
            .map(|at| ages::moment(lang, at, visit.now)),
        urged: last,
        opinions: lang.join(&views.collect::<Vec<_>>()),
        cost: words::monthly(lang, cost),
        advises: !roles.decides,
    }
}

/// What each pool has free, before and after; and whether that is too little.
fn left(lang: Lang, effect: &Effect) -> Vec<(String, bool)> {
    let left = effect.pools.iter().map(|pool| {
        let bars = pool.bars.iter();
        let told: Vec<_> = bars
            .map(|bar| format!("{} {} → {}", bar.word, bar.free, bar.left))
            .collect();
        let short = pool.bars.iter().any(|bar| bar.short);
        let figures = [("pool", pool.name.as_str()), ("left", &lang.join(&told))];
        (lang.say("approvals.left", &figures), short)
    });
    left.collect()
}

/// What stands against it, a sentence each.
fn against(lang: Lang, effect: &Effect) -> Vec<String> {
    let against = effect.problems.iter().map(|problem| {
        let parts = [problem.happened.as_str(), &problem.todo];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(lang.t("sentence.stop"))
    });
    against.collect()
}
