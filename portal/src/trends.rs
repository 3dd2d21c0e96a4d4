//! Trends of grants: what was granted and what was used, as step lines with their table and file. A stretch that nobody saw
//! is drawn as a gap: nothing is made up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Response};
use crds::{Quantity, TenantQuota, resource_name};
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::ages;
use crate::db::history::{Grain, Point};
use crate::db::{Db, DbError, micros};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::figures::{Resource, Unit};
use crate::history::{self, Figure};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::shown::escaped;

/// The picture's size.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
/// A narrower gap is no gap: the newest sample is a few minutes old.
const SEEN_GAP: f64 = WIDTH / 100.0;
/// More grants are not added up for one page.
const GRANTS: usize = 200;
/// Rows of the table beside a picture; the file has them all.
const ROWS: usize = 60;

/// How far back is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Day,
    Month,
    Year,
}

impl Span {
    const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Year];

    const fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    const fn length(self) -> Duration {
        Duration::from_hours(match self {
            Self::Day => 24,
            Self::Month => 24 * 30,
            Self::Year => 24 * 365,
        })
    }

    fn of(code: &str) -> Self {
        let known = Self::ALL.into_iter().find(|span| span.code() == code);
        known.unwrap_or(Self::Month)
    }
}

/// What was granted and used at a time; absent where nobody saw it.
type Rows = BTreeMap<i64, [Option<f64>; 2]>;

/// A trend of one resource.
struct Trend {
    id: String,
    title: String,
    svg: String,
    /// What the top of the picture stands for; its bottom is nothing.
    top: String,
    /// From when on there is anything, where the picture reaches further back.
    since: Option<String>,
    head: [String; 3],
    rows: Vec<[String; 3]>,
    left: usize,
}

#[derive(Template)]
#[template(path = "trends.html")]
struct Trends {
    p: Page,
    spans: Vec<(&'static str, &'static str, bool)>,
    here: String,
    all: Vec<Trend>,
    csv: String,
    too_many: bool,
    /// The first and the last moment of the pictures.
    ends: [String; 2],
}

/// One subject: a grant, or everything on a platform.
struct Subject {
    name: String,
    quotas: Vec<Arc<TenantQuota>>,
}

fn db(visit: &Visit) -> Result<&Db, AppError> {
    let records = visit.state.records.as_ref();
    records
        .map(|records| &records.db)
        .ok_or(AppError::NoDatabase)
}

/// What a grant is called by in a series: the name under which its list has the resource.
fn names(quota: &TenantQuota, resource: Resource) -> Vec<String> {
    let known = quota.spec.hard.iter().map(|(name, _)| name.to_owned());
    let same =
        |name: &String| resource_name::canonical(name).is_ok_and(|name| name == resource.name());
    known.filter(same).collect()
}

async fn rows(
    db: &Db,
    subject: &Subject,
    resource: Resource,
    (span, now): (Span, i64),
) -> Result<Rows, DbError> {
    let mut parts: Vec<Rows> = Vec::new();
    for quota in subject.quotas.iter().take(GRANTS) {
        let (namespace, grant) = (quota.namespace().unwrap_or_default(), quota.name_any());
        for name in names(quota, resource) {
            let mut one = Rows::new();
            for (place, figure) in [Figure::Hard, Figure::Used].into_iter().enumerate() {
                let series = history::series(&namespace, &grant, &name, figure);
                for Point { at, mean, .. } in
                    history::trend(db, &series, span.length(), now).await?
                {
                    one.entry(at).or_default()[place] = Some(mean);
                }
            }
            parts.push(one);
        }
    }
    Ok(added(&parts))
}

/// The sum of several: where one is granted and its use was not seen, nobody knows the sum's.
fn added(parts: &[Rows]) -> Rows {
    let mut all = Rows::new();
    for (at, [hard, used]) in parts.iter().flatten() {
        let sum = all.entry(*at).or_insert([Some(0.0), Some(0.0)]);
        for (sum, one) in sum.iter_mut().zip([hard, used]) {
            *sum = sum.zip(*one).map(|(sum, one)| sum + one);
        }
    }
    all
}

/// Stretches without a gap: points that follow each other within one and a half lengths.
fn stretches(rows: &Rows, place: usize, length: i64) -> Vec<Vec<(i64, f64)>> {
    let mut stretches: Vec<Vec<(i64, f64)>> = Vec::new();
    for (at, figures) in rows {
        let Some(figure) = figures[place] else {
            continue;
        };
        let follows = stretches
            .last()
            .and_then(|stretch| stretch.last())
            .is_some_and(|(before, _)| at - before <= length * 3 / 2);
        if follows && let Some(stretch) = stretches.last_mut() {
            stretch.push((*at, figure));
        } else {
            stretches.push(vec![(*at, figure)]);
        }
    }
    stretches
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn across(at: i64, (from, to): (i64, i64)) -> f64 {
    ((at - from) as f64 / (to - from).max(1) as f64 * WIDTH).clamp(0.0, WIDTH)
}

fn up(figure: f64, top: f64) -> f64 {
    HEIGHT - figure / top * (HEIGHT - 10.0)
}

/// A step line a stretch, and what is before, between and after them as unknown.
fn path(
    rows: &Rows,
    place: usize,
    (from, to, length): (i64, i64, i64),
    top: f64,
) -> (String, String) {
    let (mut line, mut gaps) = (String::new(), String::new());
    let mut gap = |end: f64, begin: f64| {
        if begin - end > SEEN_GAP {
            let _infallible = write!(
                gaps,
                r#"<rect class="part unknown" x="{end:.1}" y="0" width="{:.1}" height="{HEIGHT}" fill="url(#p-unknown)"/>"#,
                begin - end
            );
        }
    };
    let mut end = 0.0;
    for stretch in stretches(rows, place, length) {
        gap(end, across(stretch[0].0, (from, to)));
        for (nth, (at, figure)) in stretch.iter().enumerate() {
            let (x, y) = (across(*at, (from, to)), up(*figure, top));
            let _infallible = if nth == 0 {
                write!(line, "M{x:.1} {y:.1}")
            } else {
                write!(line, "H{x:.1}V{y:.1}")
            };
        }
        let last = stretch.last().map_or(from, |(at, _)| at + length);
        let x = across(last.min(to), (from, to));
        let _infallible = write!(line, "H{x:.1}");
        end = x;
    }
    gap(end, WIDTH);
    (line, gaps)
}

/// The highest figure, which the picture's top stands for.
fn highest(rows: &Rows) -> f64 {
    let figures = rows.values().flatten().flatten();
    figures.copied().fold(0.0_f64, f64::max)
}

/// Where the newest figure of one of the two is: a line of one sample is too short to be seen.
fn newest(rows: &Rows, place: usize, (from, to): (i64, i64), top: f64) -> String {
    let found = rows
        .iter()
        .rev()
        .find_map(|(at, row)| Some((*at, row[place]?)));
    let Some((at, figure)) = found else {
        return String::new();
    };
    let class = ["hard", "used"][place];
    let (x, y) = (across(at, (from, to)), up(figure, top));
    let (x, y) = (x.clamp(4.0, WIDTH - 4.0), y.clamp(4.0, HEIGHT - 4.0));
    format!(r#"<circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#)
}

fn picture(lang: Lang, title: &str, rows: &Rows, (from, to, length): (i64, i64, i64)) -> String {
    let top = highest(rows).max(f64::MIN_POSITIVE);
    let (used, gaps) = path(rows, 1, (from, to, length), top);
    let (hard, _) = path(rows, 0, (from, to, length), top);
    let dots: String = (0..2)
        .map(|place| newest(rows, place, (from, to), top))
        .collect();
    format!(
        r#"<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img"><title>{}</title><desc>{}</desc>{gaps}<path class="axis" d="M0 {HEIGHT}H{WIDTH}"/><path class="line used" d="{used}"/><path class="line hard" d="{hard}"/>{dots}</svg>"#,
        escaped(title),
        escaped(lang.t("trend.about"))
    )
}

/// An amount as a trend has it, in the unit of its resource.
fn amount(lang: Lang, resource: Resource, figure: Option<f64>) -> String {
    let quantity = figure.and_then(|figure| format!("{figure:.3}").parse::<Quantity>().ok());
    quantity.map_or_else(String::new, |quantity| {
        Unit::of(resource.name(), quantity).exact(lang, quantity)
    })
}

/// A time of a series, exactly.
fn exact(visit: &Visit, at: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or(visit.now);
    ages::moment(visit.reader.lang, at, visit.now).exact
}

/// The trend of one resource, as it is drawn and told.
fn trend(
    visit: &Visit,
    (nth, subject): (usize, &Subject),
    (resource, rows): (Resource, &Rows),
    (from, now, length): (i64, i64, i64),
) -> Trend {
    let lang = visit.reader.lang;
    let figures = [
        ("name", subject.name.as_str()),
        ("resource", resource.word(lang)),
    ];
    let title = lang.say("trend.title", &figures);
    let shown = rows.iter().rev().take(ROWS).map(|(at, [hard, used])| {
        [
            exact(visit, *at),
            amount(lang, resource, *hard),
            amount(lang, resource, *used),
        ]
    });
    let highest = amount(lang, resource, Some(highest(rows)));
    let first = rows.keys().next().filter(|at| **at > from + length);
    Trend {
        id: format!("trend-{nth}-{}", resource.name().replace('.', "-")),
        svg: picture(lang, &title, rows, (from, now, length)),
        top: lang.say("trend.top", &[("amount", &highest)]),
        since: first.map(|at| lang.say("trend.since", &[("at", &exact(visit, *at))])),
        title,
        head: ["table.when", "table.granted", "table.used"].map(|key| lang.t(key).to_owned()),
        left: rows.len().saturating_sub(ROWS),
        rows: shown.collect(),
    }
}

async fn draw(
    visit: &Visit,
    visible: &Visible,
    (name, href): (&str, String),
    (subjects, above): (Vec<Subject>, &[(&str, &str)]),
) -> Result<Response, AppError> {
    let (lang, db) = (visit.reader.lang, db(visit)?);
    let span = Span::of(&visit.reader.parameter("span"));
    let now = micros(visit.now);
    let length = Grain::for_span(span.length()).seconds() * 1_000_000;
    let from = now - i64::try_from(span.length().as_micros()).unwrap_or(0);
    let too_many = subjects.iter().any(|subject| subject.quotas.len() > GRANTS);
    let mut trends = Vec::new();
    for (nth, subject) in subjects.iter().enumerate() {
        for resource in Resource::ALL {
            let rows = rows(db, subject, resource, (span, now)).await;
            let rows = rows.map_err(|error| AppError::database(&error))?;
            if rows.is_empty() {
                continue;
            }
            let of = (resource, &rows);
            trends.push(trend(visit, (nth, subject), of, (from, now, length)));
        }
    }
    let spans = Span::ALL.map(|one| {
        let word = lang
            .find(&format!("trend-span.{}", one.code()))
            .unwrap_or("");
        (one.code(), word, one == span)
    });
    let title = lang.say("trends.title", &[("name", name)]);
    let html = Trends {
        ends: [exact(visit, from), exact(visit, now)],
        p: visit.page(visible, title).under(above, lang.t("trends")),
        spans: spans.into(),
        csv: format!("{href}.csv?span={}", span.code()),
        here: href,
        all: trends,
        too_many,
    };
    Ok(Html(html.render()?).into_response())
}

fn of_tenant(visible: &Visible, tenant: &str) -> Result<Vec<Subject>, AppError> {
    if !visible.tenant_names.contains(tenant) {
        return Err(AppError::NoPage);
    }
    let quotas = crate::tenants::grants::of(visible, tenant).into_iter();
    Ok(quotas
        .map(|quota| Subject {
            name: quota.name_any(),
            quotas: vec![quota],
        })
        .collect())
}

fn of_platform(lang: Lang, visible: &Visible, platform: &str) -> Result<Vec<Subject>, AppError> {
    if visible.platform(platform).is_none() {
        return Err(AppError::NoPage);
    }
    let quotas = visible
        .quotas
        .iter()
        .filter(|quota| quota.spec.platform == platform);
    Ok(vec![Subject {
        name: visible.names.platform(lang, platform).to_owned(),
        quotas: quotas.cloned().collect(),
    }])
}

/// A tenant's grants.
///
/// # Errors
/// There is none of that name that the person may see, or the hub or the database gives no answer.
pub async fn tenant(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let subjects = of_tenant(&visible, &name)?;
    let called = visible.names.tenant(lang, &name).to_owned();
    let page = format!("/tenants/{name}");
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.tenants"), "/tenants"),
        (called.as_str(), page.as_str()),
    ];
    let href = format!("{page}/trends");
    draw(&visit, &visible, (&called, href), (subjects, &above)).await
}

/// What a person may see of a platform's grants, added up.
///
/// # Errors
/// As of [`tenant`].
pub async fn platform(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let subjects = of_platform(lang, &visible, &name)?;
    let called = visible.names.platform(lang, &name).to_owned();
    let page = format!("/platforms/{name}");
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.platforms"), "/platforms"),
        (called.as_str(), page.as_str()),
    ];
    let href = format!("{page}/trends");
    draw(&visit, &visible, (&called, href), (subjects, &above)).await
}

async fn csv(visit: &Visit, name: &str, subjects: Vec<Subject>) -> Result<Response, AppError> {
    let (lang, db) = (visit.reader.lang, db(visit)?);
    let span = Span::of(&visit.reader.parameter("span"));
    let mut lines = Vec::new();
    for subject in &subjects {
        for resource in Resource::ALL {
            let rows = rows(db, subject, resource, (span, micros(visit.now))).await;
            for (at, [hard, used]) in rows.map_err(|error| AppError::database(&error))? {
                lines.push(vec![
                    subject.name.clone(),
                    resource.name().to_owned(),
                    exact(visit, at),
                    hard.map_or_else(String::new, |figure| figure.to_string()),
                    used.map_or_else(String::new, |figure| figure.to_string()),
                ]);
            }
        }
    }
    let head = [
        "table.name",
        "table.resource",
        "table.when",
        "table.granted",
        "table.used",
    ];
    let table = Table {
        file: &format!("{name}-trends"),
        head: &head.map(|key| lang.t(key)),
        rows: &lines,
        sensitive: false,
    };
    export::table(visit, table)
}

/// A tenant's trends as a file.
///
/// # Errors
/// As of [`tenant`].
pub async fn tenant_csv(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let subjects = of_tenant(&visit.visible().await?, &name)?;
    csv(&visit, &name, subjects).await
}

/// A platform's trends as a file.
///
/// # Errors
/// As of [`tenant`].
pub async fn platform_csv(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let subjects = of_platform(visit.reader.lang, &visit.visible().await?, &name)?;
    csv(&visit, &name, subjects).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_saw_is_a_gap_and_no_line_crosses_it() {
        let rows: Rows = [(0, 1.0), (10, 2.0), (20, 2.0), (90, 3.0)]
            .map(|(at, figure)| (at, [Some(4.0), Some(figure)]))
            .into();
        let found = stretches(&rows, 1, 10);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], [(90, 3.0)]);
        let (line, gaps) = path(&rows, 1, (0, 100, 10), 4.0);
        assert_eq!(
            (line.matches('M').count(), gaps.matches("<rect").count()),
            (2, 1)
        );
        let (_, gaps) = path(&rows, 1, (-100, 300, 10), 4.0);
        assert_eq!(
            gaps.matches("<rect").count(),
            3,
            "before the first and after the last as well"
        );
    }

    #[test]
    fn a_sum_is_unknown_where_one_of_its_parts_is() {
        let one: Rows = [(0, [Some(4.0), Some(1.0)]), (10, [Some(4.0), None])].into();
        let other: Rows = [(0, [Some(2.0), Some(2.0)]), (10, [Some(2.0), Some(2.0)])].into();
        let sum = added(&[one, other]);
        assert_eq!(sum[&0], [Some(6.0), Some(3.0)]);
        assert_eq!(sum[&10], [Some(6.0), None]);
    }
}
