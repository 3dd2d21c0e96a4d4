//! Search over everything that a person may see: names in Chinese and English, ids, and the first letters of the Chinese
//! names (`gaj` finds 公安局).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use crds::WorkOrder;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::words::DisplayName;
use kube::ResourceExt as _;
use pinyin::ToPinyin as _;

use crate::access::Visible;
use crate::cluster::{Cluster, Kind};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::work_orders;

/// So many are shown; the sum is exact.
const SHOWN: usize = 100;
/// So many names' letters are kept.
const KEPT: usize = 100_000;
/// A question is no longer.
const LONGEST: usize = 128;

/// Something that can be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    kind: &'static str,
    id: String,
    zh: String,
    en: String,
    about: String,
    href: String,
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
fn letters(name: &str) -> Arc<(String, String)> {
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

fn fit(entry: &Entry, q: &str) -> Option<Fit> {
    let texts = [&entry.id, &entry.zh, &entry.en].map(|text| text.to_lowercase());
    if texts.iter().any(|text| text == q) {
        return Some(Fit::Whole);
    }
    if texts.iter().any(|text| text.starts_with(q)) {
        return Some(Fit::Start);
    }
    if texts.iter().any(|text| text.contains(q)) {
        return Some(Fit::Part);
    }
    let plain = q.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (first, all) = &*letters(&entry.zh);
    (plain && (first.contains(q) || all.contains(q))).then_some(Fit::Letters)
}

/// What fits, the best first.
fn find(entries: Vec<Entry>, q: &str) -> Vec<Entry> {
    let q: String = q.trim().to_lowercase().chars().take(LONGEST).collect();
    if q.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| Some((fit(&entry, &q)?, entry)))
        .collect();
    found.sort_by(|(a, x), (b, y)| {
        a.cmp(b)
            .then_with(|| x.zh.cmp(&y.zh))
            .then_with(|| x.id.cmp(&y.id))
    });
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Everything that a person may see, as it is searched.
struct Index<'a> {
    lang: Lang,
    visible: &'a Visible,
    entries: Vec<Entry>,
}

impl Index<'_> {
    fn add(
        &mut self,
        kind: &'static str,
        names: (String, String, String),
        (about, href): (String, String),
    ) {
        let (id, zh, en) = names;
        self.entries.push(Entry {
            kind: self.lang.find(kind).unwrap_or(kind),
            id,
            zh,
            en,
            about,
            href,
        });
    }

    fn unit(&self, namespace: Option<String>) -> (String, String) {
        let namespace = namespace.unwrap_or_default();
        let tenant = tenant_of_namespace(&namespace)
            .unwrap_or_default()
            .to_owned();
        let name = self.visible.names.tenant(self.lang, &tenant).to_owned();
        (tenant, name)
    }

    fn places(&mut self) {
        let visible = self.visible;
        for platform in &visible.platforms {
            let id = platform.name_any();
            let place = (platform.spec.owner.clone(), format!("/platforms/{id}"));
            self.add(
                "search.platform",
                named(id, &platform.spec.display_name),
                place,
            );
        }
        for name in &visible.tenant_names {
            let [zh, en] =
                [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, name).to_owned());
            let place = (String::new(), format!("/tenants/{name}"));
            self.add("search.tenant", (name.clone(), zh, en), place);
        }
        for quota in &visible.quotas {
            let (tenant, about) = self.unit(quota.namespace());
            let id = quota.name_any();
            let place = (about, format!("/tenants/{tenant}#grant-{id}"));
            self.add("search.grant", (id.clone(), id, String::new()), place);
        }
    }

    fn work(&mut self, cluster: &Cluster, orders: &[Arc<WorkOrder>]) {
        for request in cluster.requests() {
            if request
                .namespace()
                .is_some_and(|ns| self.visible.requests.has(&ns))
            {
                let (tenant, about) = self.unit(request.namespace());
                let id = request.name_any();
                let place = (about, format!("/requests/{tenant}/{id}"));
                let title = request.spec.application.title.clone();
                self.add("search.request", (id, title, String::new()), place);
            }
        }
        for order in orders {
            let (tenant, about) = self.unit(order.namespace());
            let id = order.name_any();
            let place = (about, format!("/work-orders/{tenant}/{id}"));
            self.add(
                "search.order",
                (id, order.spec.title.clone(), String::new()),
                place,
            );
        }
    }

    fn catalogs(&mut self, cluster: &Cluster) {
        let may = |kind| self.visible.general.contains(&kind);
        let (offerings, products, systems) = (
            may(Kind::ServiceOffering),
            may(Kind::CloudProduct),
            may(Kind::InformationSystem),
        );
        for offering in cluster.offerings().iter().filter(|_| offerings) {
            let id = offering.name_any();
            let place = (String::new(), format!("/catalog#service-{id}"));
            self.add(
                "search.offering",
                named(id, &offering.spec.display_name),
                place,
            );
        }
        for product in cluster.products().iter().filter(|_| products) {
            let about = self
                .visible
                .names
                .platform(self.lang, &product.spec.platform);
            let place = (
                about.to_owned(),
                format!("/catalog#service-{}", product.spec.offering),
            );
            self.add(
                "search.product",
                named(product.name_any(), &product.spec.display_name),
                place,
            );
        }
        let names = self.visible.tenant_names.iter();
        let own: Vec<_> = names.map(|name| tenant_namespace(name)).collect();
        for system in cluster.systems() {
            if systems || system.namespace().is_some_and(|ns| own.contains(&ns)) {
                let (tenant, about) = self.unit(system.namespace());
                let place = (about, format!("/tenants/{tenant}"));
                self.add(
                    "search.system",
                    named(system.name_any(), &system.spec.display_name),
                    place,
                );
            }
        }
    }
}

/// An id with its names in both languages.
fn named(id: String, name: &DisplayName) -> (String, String, String) {
    (id, name.zh.clone(), name.en.clone().unwrap_or_default())
}

async fn entries(visit: &Visit, visible: &Visible) -> Result<Vec<Entry>, AppError> {
    let orders = work_orders::visible(visit).await?;
    let mut index = Index {
        lang: visit.reader.lang,
        visible,
        entries: Vec::new(),
    };
    index.places();
    index.work(&visit.state.cluster, &orders);
    index.catalogs(&visit.state.cluster);
    Ok(index.entries)
}

async fn found(visit: &Visit, visible: &Visible, q: &str) -> Result<Vec<Entry>, AppError> {
    if q.trim().is_empty() {
        return Ok(Vec::new());
    }
    Ok(find(entries(visit, visible).await?, q))
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

    fn entry(id: &str, zh: &str, en: &str) -> Entry {
        Entry {
            id: id.into(),
            zh: zh.into(),
            en: en.into(),
            ..Entry::default()
        }
    }

    #[test]
    fn names_ids_and_first_letters_find_and_the_best_fit_comes_first() {
        let all = || {
            vec![
                entry("zj-gaj", "湛江市公安局", "Zhanjiang Public Security Bureau"),
                entry("zj-rsj", "湛江市人力资源和社会保障局", ""),
                entry("gaj", "某公安局", ""),
            ]
        };
        let ids =
            |q: &str| -> Vec<_> { find(all(), q).into_iter().map(|entry| entry.id).collect() };
        assert_eq!(ids("公安"), ["gaj", "zj-gaj"]);
        assert_eq!(ids("GAJ"), ["gaj", "zj-gaj"], "the whole id first");
        assert_eq!(ids("zjsrl"), ["zj-rsj"]);
        assert_eq!(ids("renli"), ["zj-rsj"]);
        assert_eq!(ids("security"), ["zj-gaj"]);
        assert!(ids("  ").is_empty() && ids("nobody").is_empty());
    }

    #[test]
    fn rare_characters_and_long_questions_do_no_harm() {
        assert_eq!(find(vec![entry("a", "𠮷某局", "")], "𠮷").len(), 1);
        assert!(find(vec![entry("a", "b", "c")], &"公".repeat(100_000)).is_empty());
    }
}
