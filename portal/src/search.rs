//! Search over everything that a person may see: names in Chinese and English, ids, and the first letters of the Chinese
//! names (`gaj` finds 公安局).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use crds::keys::tenant_of_namespace;
use crds::words::DisplayName;
use crds::{InformationSystem, WorkOrder};
use pinyin::ToPinyin as _;

use crate::access::Visible;
use crate::cluster::{Cluster, Kind};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::{systems, work_orders};

/// So many are shown; the sum is exact.
const SHOWN: usize = 100;
/// So many names' letters are kept.
const KEPT: usize = 100_000;
/// A question is no longer.
const LONGEST: usize = 128;

/// Something that can be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) zh: String,
    pub(crate) en: String,
    pub(crate) about: String,
    pub(crate) href: String,
}

/// How well something fits: the smaller, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Whole,
    Start,
    Part,
    Letters,
}

/// What was found, as it is shown.
struct Hit {
    kind: &'static str,
    name: String,
    id: String,
    about: String,
    href: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    p: Page,
    q: String,
    hits: Vec<Hit>,
    left: usize,
    csv: String,
}

/// The letters of names, kept.
type Letters = HashMap<String, Arc<(String, String)>>;

/// The letters of a Chinese name: the first of each syllable, and all of them.
pub(crate) fn letters(name: &str) -> Arc<(String, String)> {
    static LETTERS: OnceLock<Mutex<Letters>> = OnceLock::new();
    let kept = LETTERS.get_or_init(Mutex::default);
    if let Some(known) = kept.lock().ok().and_then(|kept| kept.get(name).cloned()) {
        return known;
    }
    let (mut first, mut all) = (String::new(), String::new());
    for (c, syllable) in name.chars().zip(name.to_pinyin()) {
        match syllable {
            Some(syllable) => {
                first.push_str(syllable.first_letter());
                all.push_str(syllable.plain());
            }
            None if c.is_ascii_alphanumeric() => {
                first.push(c.to_ascii_lowercase());
                all.push(c.to_ascii_lowercase());
            }
            None => {}
        }
    }
    let found = Arc::new((first, all));
    if let Ok(mut kept) = kept.lock() {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), Arc::clone(&found));
    }
    found
}

/// How well an id and its names fit what is asked, which is in small letters.
fn fit([id, zh, en]: [&str; 3], q: &str) -> Option<Fit> {
    // Ids are in small letters as they are.
    let names = [zh, en].map(str::to_lowercase);
    let texts = [id, &names[0], &names[1]];
    if texts.contains(&q) {
        return Some(Fit::Whole);
    }
    if texts.iter().any(|text| text.starts_with(q)) {
        return Some(Fit::Start);
    }
    if texts.iter().any(|text| text.contains(q)) {
        return Some(Fit::Part);
    }
    let plain = q.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (first, all) = &*letters(zh);
    (plain && (first.contains(q) || all.contains(q))).then_some(Fit::Letters)
}

/// What is asked, as it is compared; nothing where nothing is asked.
fn question(q: &str) -> Option<String> {
    let q: String = q.trim().to_lowercase().chars().take(LONGEST).collect();
    (!q.is_empty()).then_some(q)
}

/// The best first.
fn ordered(mut found: Vec<(Fit, Entry)>) -> Vec<Entry> {
    found.sort_by(|(a, x), (b, y)| {
        a.cmp(b)
            .then_with(|| x.zh.cmp(&y.zh))
            .then_with(|| x.id.cmp(&y.id))
    });
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Goes through everything that a person may see; what does not fit costs no more than the comparison.
struct Index<'a> {
    lang: Lang,
    visible: &'a Visible,
    q: String,
    found: Vec<(Fit, Entry)>,
}

impl Index<'_> {
    /// Takes a thing in if it fits; `place` says what stands beside it, and its address.
    fn add(
        &mut self,
        kind: &'static str,
        names: [&str; 3],
        place: impl FnOnce(&Self) -> (String, String),
    ) {
        let Some(fit) = fit(names, &self.q) else {
            return;
        };
        let (about, href) = place(self);
        let [id, zh, en] = names.map(str::to_owned);
        let kind = self.lang.find(kind).unwrap_or(kind);
        self.found.push((
            fit,
            Entry {
                kind,
                id,
                zh,
                en,
                about,
                href,
            },
        ));
    }

    fn unit(&self, namespace: Option<&str>) -> (String, String) {
        let tenant = namespace.and_then(tenant_of_namespace).unwrap_or_default();
        let name = self.visible.names.tenant(self.lang, tenant).to_owned();
        (tenant.to_owned(), name)
    }

    fn places(&mut self) {
        let visible = self.visible;
        for platform in &visible.platforms {
            let id = name(platform.as_ref());
            self.add(
                "search.platform",
                named(id, &platform.spec.display_name),
                |_| (platform.spec.owner.clone(), format!("/platforms/{id}")),
            );
        }
        for id in &visible.tenant_names {
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, id));
            self.add("search.tenant", [id, zh, en], |_| {
                (String::new(), format!("/tenants/{id}"))
            });
        }
        for site in &visible.sites {
            let id = name(site.as_ref());
            self.add("search.site", named(id, &site.spec.display_name), |_| {
                (String::new(), "/platforms".to_owned())
            });
        }
        for quota in &visible.quotas {
            let id = name(quota.as_ref());
            for leaf in &quota.spec.namespaces {
                let (tenant, _) = self.unit(quota.metadata.namespace.as_deref());
                let namespace = format!("{tenant}-{}", leaf.name);
                self.add("search.namespace", [&namespace, &namespace, ""], |index| {
                    let about = index.visible.names.tenant(index.lang, &tenant).to_owned();
                    (about, format!("/tenants/{tenant}#grant-{id}"))
                });
            }
            self.add("search.grant", [id, id, ""], |index| {
                let (tenant, about) = index.unit(quota.metadata.namespace.as_deref());
                (about, format!("/tenants/{tenant}#grant-{id}"))
            });
        }
    }

    fn work(&mut self, cluster: &Cluster, orders: &[Arc<WorkOrder>]) {
        for request in cluster.requests() {
            let (id, namespace) = (
                name(request.as_ref()),
                request.metadata.namespace.as_deref(),
            );
            if namespace.is_some_and(|namespace| self.visible.requests.has(namespace)) {
                let title = &request.spec.application.title;
                self.add("search.request", [id, title, ""], |index| {
                    let (tenant, about) = index.unit(namespace);
                    (about, format!("/requests/{tenant}/{id}"))
                });
            }
        }
        for order in orders {
            let id = name(order.as_ref());
            self.add("search.order", [id, &order.spec.title, ""], |index| {
                let (tenant, about) = index.unit(order.metadata.namespace.as_deref());
                (about, format!("/work-orders/{tenant}/{id}"))
            });
        }
    }

    fn catalogs(&mut self, cluster: &Cluster) {
        let may = |kind| self.visible.general.contains(&kind);
        let (offerings, products) = (may(Kind::ServiceOffering), may(Kind::CloudProduct));
        for offering in cluster.offerings().iter().filter(|_| offerings) {
            let id = name(offering.as_ref());
            self.add(
                "search.offering",
                named(id, &offering.spec.display_name),
                |_| (String::new(), format!("/catalog#service-{id}")),
            );
        }
        for product in cluster.products().iter().filter(|_| products) {
            let (id, spec) = (name(product.as_ref()), &product.spec);
            self.add("search.product", named(id, &spec.display_name), |index| {
                let about = index.visible.names.platform(index.lang, &spec.platform);
                (
                    about.to_owned(),
                    format!("/catalog#service-{}", spec.offering),
                )
            });
        }
        for window in cluster.windows() {
            let id = name(window.as_ref());
            self.add("search.window", named(id, &window.spec.title), |_| {
                (window.spec.reason.clone(), format!("/windows#window-{id}"))
            });
        }
    }

    fn systems(&mut self, systems: &[Arc<InformationSystem>]) {
        for system in systems {
            let id = name(system.as_ref());
            self.add(
                "search.system",
                named(id, &system.spec.display_name),
                |index| {
                    let (tenant, about) = index.unit(system.metadata.namespace.as_deref());
                    (about, systems::href(&tenant, id))
                },
            );
        }
    }
}

fn name<K: kube::Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// An id with its names in both languages.
fn named<'a>(id: &'a str, name: &'a DisplayName) -> [&'a str; 3] {
    [id, &name.zh, name.en.as_deref().unwrap_or_default()]
}

/// What is found, the best first.
pub(crate) async fn found(
    visit: &Visit,
    visible: &Visible,
    q: &str,
) -> Result<Vec<Entry>, AppError> {
    let Some(q) = question(q) else {
        return Ok(Vec::new());
    };
    let orders = work_orders::visible(visit).await?;
    let mut index = Index {
        lang: visit.reader.lang,
        visible,
        q,
        found: Vec::new(),
    };
    index.places();
    index.work(&visit.state.cluster, &orders);
    index.catalogs(&visit.state.cluster);
    index.systems(&systems::visible(visit).await?);
    Ok(ordered(index.found))
}

fn hit(lang: Lang, entry: Entry) -> Hit {
    let name = match lang {
        Lang::En if !entry.en.is_empty() => entry.en,
        Lang::En | Lang::Zh => entry.zh,
    };
    Hit {
        kind: entry.kind,
        name,
        id: entry.id,
        about: entry.about,
        href: entry.href,
    }
}

/// The page.
///
/// # Errors
/// The hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let q = visit.reader.parameter("q");
    let found = found(&visit, &visible, &q).await?;
    let total = found.len();
    let count = total.to_string();
    let title = match (q.is_empty(), total) {
        (true, _) => lang.t("search.title").to_owned(),
        (false, 0) => lang.say("search.none", &[("q", &q)]),
        (false, _) => lang.say("search.found", &[("q", &q), ("n", &count)]),
    };
    let encoded: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
    let html = Search {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("search")),
        hits: found
            .into_iter()
            .take(SHOWN)
            .map(|entry| hit(lang, entry))
            .collect(),
        left: total.saturating_sub(SHOWN),
        csv: format!("/search.csv?q={encoded}"),
        q,
    };
    Ok(Html(html.render()?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let found = found(&visit, &visible, &visit.reader.parameter("q")).await?;
    let rows: Vec<_> = found
        .into_iter()
        .map(|entry| hit(lang, entry))
        .map(|hit| vec![hit.kind.to_owned(), hit.name, hit.id, hit.about])
        .collect();
    let head = ["table.kind", "table.name", "table.id", "table.about"];
    let table = Table {
        file: "search",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of what is found among things with an id and two names.
    fn find<'a>(all: &[[&'a str; 3]], q: &str) -> Vec<String> {
        let Some(q) = question(q) else {
            return Vec::new();
        };
        let entry = |[id, zh, _]: [&'a str; 3]| Entry {
            id: id.into(),
            zh: zh.into(),
            ..Entry::default()
        };
        let found = all
            .iter()
            .filter_map(|names| Some((fit(*names, &q)?, entry(*names))));
        let found = ordered(found.collect()).into_iter();
        found.map(|entry| entry.id).collect()
    }

    #[test]
    fn names_ids_and_first_letters_find_and_the_best_fit_comes_first() {
        let all = [
            ["zj-gaj", "湛江市公安局", "Zhanjiang Public Security Bureau"],
            ["zj-rsj", "湛江市人力资源和社会保障局", ""],
            ["gaj", "某公安局", ""],
        ];
        let ids = |q: &str| find(&all, q);
        assert_eq!(ids("公安"), ["gaj", "zj-gaj"]);
        assert_eq!(ids("GAJ"), ["gaj", "zj-gaj"], "the whole id first");
        assert_eq!(ids("zjsrl"), ["zj-rsj"]);
        assert_eq!(ids("renli"), ["zj-rsj"]);
        assert_eq!(ids("security"), ["zj-gaj"]);
        assert!(ids("  ").is_empty() && ids("nobody").is_empty());
    }

    #[test]
    fn rare_characters_and_long_questions_do_no_harm() {
        assert_eq!(find(&[["a", "𠮷某局", ""]], "𠮷").len(), 1);
        assert!(find(&[["a", "b", "c"]], &"公".repeat(100_000)).is_empty());
    }
}
