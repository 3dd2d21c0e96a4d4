//! What things cost (showback): by unit, service, platform and source of funding, month by month. Prices are the product
//! catalog's; what nobody has priced is counted apart and is in no sum.

pub mod reckon;

use std::collections::BTreeMap;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use crds::calendar::day_of;
use crds::keys::tenant_namespace;
use crds::money_budget::{Commitment, MoneyBudget, Standing, standings};
use crds::tenant_quota::FundingSource;
use jiff::civil::Date;
use kube::ResourceExt as _;

use crate::access::Visible;
use crate::charts;
use crate::cluster::Kind;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::figures::Resource;
use crate::health::{Health, Wording};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::requests::words;
use crate::views::{self, Bar, COSTS};
use reckon::{Line, Month, Sum, by_funding, charge, in_force, lines, sums};

/// Months that may be chosen, the newest first.
const MONTHS: usize = 12;

/// A sum as it is shown.
struct Row {
    href: Option<String>,
    name: String,
    sum: String,
    unpriced: usize,
    lines: usize,
    bar: String,
}

struct Part {
    id: &'static str,
    word: &'static str,
    rows: Vec<Row>,
}

/// A unit whose budget is nearly granted.
struct Near {
    href: String,
    name: String,
    resource: &'static str,
    percent: i64,
    bar: String,
    health: Health,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "costs.html")]
struct Costs {
    p: Page,
    months: Vec<(String, String, bool)>,
    unpriced: usize,
    parts: Vec<Part>,
    near: Vec<Near>,
    money: Vec<MoneyRow>,
    csv: String,
    bar: Bar,
}

/// A unit's budget of money.
struct MoneyRow {
    href: String,
    name: String,
    bar: String,
    /// The whole, then each source, with whether it needs attention.
    lines: Vec<(String, bool)>,
    health: Health,
    state: &'static str,
}

/// What may be seen of what things cost, and when.
pub(crate) struct Reckoned {
    pub(crate) lines: Vec<Line>,
    pub(crate) month: Month,
    pub(crate) today: Date,
}

/// What a caller may see of what things cost in the month that the address names.
pub(crate) async fn reckoned(visit: &Visit) -> Result<(Visible, Reckoned), AppError> {
    let visible = visit.visible().await?;
    let cluster = &visit.state.cluster;
    let products = cluster.products();
    let products: BTreeMap<_, _> = products
        .iter()
        .map(|product| (product.name_any(), product.as_ref()))
        .collect();
    let mut requests = cluster.requests();
    requests.retain(|request| {
        request
            .namespace()
            .is_some_and(|ns| visible.requests.has(&ns))
    });
    let today = day_of(visit.now).0;
    let asked = Month::read(&visit.reader.parameter("month"));
    let reckoned = Reckoned {
        lines: lines(requests.iter().map(AsRef::as_ref), &products),
        month: asked.unwrap_or_else(|| Month::of(today)),
        today,
    };
    Ok((visible, reckoned))
}

/// The page.
///
/// # Errors
/// The hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    if let Some(way) = views::usual(&visit, &COSTS).await {
        return Ok(way);
    }
    let (visible, reckoned) = reckoned(&visit).await?;
    let (lang, wording) = (visit.reader.lang, visit.wording(&visible));
    let when = (reckoned.month, reckoned.today);
    let all = sums(&reckoned.lines, when, |_| ());
    let all = all.first().map(|((), sum)| *sum).unwrap_or_default();
    let month = reckoned.month.to_string();
    let figures = [
        ("month", reckoned.month.in_words(lang)),
        ("sum", words::yuan(all.priced)),
        ("unpriced", all.unpriced.to_string()),
    ];
    let figures = figures.each_ref().map(|(key, text)| (*key, text.as_str()));
    let title = match (all.lines, all.unpriced) {
        (0, _) => lang.say("costs.title.none", &figures),
        (_, 0) => lang.say("costs.title", &figures),
        _ => lang.say("costs.title.unpriced", &figures),
    };
    let mut newest = Month::of(reckoned.today);
    let months = std::iter::repeat_with(|| {
        let this = newest;
        newest = newest.before();
        this
    });
    let html = Costs {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.costs")),
        months: months
            .take(MONTHS)
            .map(|one| (one.to_string(), one.in_words(lang), one == reckoned.month))
            .collect(),
        unpriced: all.unpriced,
        parts: parts(&wording, &reckoned, all, &offered(&visit, &visible)),
        near: near(&visit, &visible),
        money: money(&visit, &visible, &reckoned),
        csv: format!("/costs.csv?month={month}"),
        bar: Bar::of(&visit, &COSTS).await,
    };
    Ok(Html(html.render()?).into_response())
}

/// What services are called, where the person may know of them.
fn offered(visit: &Visit, visible: &Visible) -> BTreeMap<String, String> {
    if !visible.general.contains(&Kind::ServiceOffering) {
        return BTreeMap::new();
    }
    let code = visit.reader.lang.code();
    let offerings = visit.state.cluster.offerings().into_iter();
    offerings
        .map(|o| {
            (
                o.name_any(),
                o.spec.display_name.in_language(code).to_owned(),
            )
        })
        .collect()
}

fn parts(
    wording: &Wording,
    reckoned: &Reckoned,
    all: Sum,
    offered: &BTreeMap<String, String>,
) -> Vec<Part> {
    let (lang, when) = (wording.lang, (reckoned.month, reckoned.today));
    let lines = &reckoned.lines;
    let row = |href: Option<String>, name: &str, sum: Sum| Row {
        bar: charts::share(lang, name, share(sum, all)),
        href,
        name: name.to_owned(),
        sum: words::yuan(sum.priced),
        unpriced: sum.unpriced,
        lines: sum.lines,
    };
    let part = |id: &'static str, key: &'static str, rows: Vec<Row>| Part {
        id,
        word: lang.find(key).unwrap_or(key),
        rows,
    };
    let tenants = sums(lines, when, |line| line.tenant.clone()).into_iter();
    let tenants =
        tenants.map(|(id, sum)| row(Some(format!("/tenants/{id}")), wording.tenant(&id), sum));
    let offerings = sums(lines, when, |line| line.offering.clone()).into_iter();
    let offerings = offerings.map(|(id, sum)| {
        if id.is_empty() {
            return row(None, lang.t("costs.plain"), sum);
        }
        let name = offered.get(&id).unwrap_or(&id);
        row(Some(format!("/catalog#service-{id}")), name, sum)
    });
    let platforms = sums(lines, when, |line| line.platform.clone()).into_iter();
    let platforms = platforms.map(|(id, sum)| row(None, wording.platform(&id), sum));
    let funding = by_funding(lines, when).into_iter().map(|(source, sum)| {
        let key = source.map_or_else(
            || "costs.funding.none".to_owned(),
            |source| format!("funding.{source:?}"),
        );
        row(None, lang.t(&key), sum)
    });
    vec![
        part("tenants", "table.tenant", tenants.collect()),
        part("offerings", "costs.offering", offerings.collect()),
        part("platforms", "table.platform", platforms.collect()),
        part("funding", "costs.funding", funding.collect()),
    ]
}

fn share(sum: Sum, all: Sum) -> i64 {
    match all.priced.in_fen() {
        0 => 0,
        whole => sum.priced.in_fen().saturating_mul(100) / whole,
    }
}

/// Units whose budget is granted beyond the threshold of the profile.
fn near(visit: &Visit, visible: &Visible) -> Vec<Near> {
    let lang = visit.reader.lang;
    let threshold = i64::from(visible.thresholds.granted_percent);
    let mut near = Vec::new();
    for tenant in &visible.tenants {
        let Some(account) = tenant
            .status
            .as_ref()
            .and_then(|status| status.budget.as_ref())
        else {
            continue;
        };
        for resource in Resource::ALL {
            let Some(total) = resource.of(&account.total) else {
                continue;
            };
            let (granted, total) = (account.charged(resource.name()).nanos(), total.nanos());
            if total <= 0 {
                continue;
            }
            let percent = i64::try_from(granted.saturating_mul(100) / total).unwrap_or(i64::MAX);
            if percent < threshold {
                continue;
            }
            let name = visible.names.tenant(lang, &tenant.name_any()).to_owned();
            let health = if percent >= 100 {
                Health::Bad
            } else {
                Health::Attention
            };
            near.push(Near {
                href: format!("/tenants/{}", tenant.name_any()),
                bar: charts::share(lang, &name, percent),
                name,
                resource: resource.word(lang),
                percent,
                health,
                state: health.word(lang),
            });
        }
    }
    near.sort_by_key(|one| std::cmp::Reverse(one.percent));
    near
}

fn money_health(standing: &Standing) -> Health {
    match standing.threshold {
        Some(threshold) if threshold >= 100 => Health::Bad,
        Some(_) => Health::Attention,
        None if standing.unpriced > 0 => Health::Unknown,
        None => Health::Good,
    }
}

/// How much of a year's money is committed, and whether that needs attention.
fn money_line(
    lang: Lang,
    budget: &MoneyBudget,
    one: &(Option<FundingSource>, Standing),
) -> (String, bool) {
    (
        words::money_line(lang, budget, one),
        one.1.threshold.is_some(),
    )
}

/// The budgets of money of the units that may be seen, the fullest first.
fn money(visit: &Visit, visible: &Visible, reckoned: &Reckoned) -> Vec<MoneyRow> {
    let lang = visit.reader.lang;
    let rules = visit.state.cluster.profile().map(|p| p.spec.money.clone());
    let (rules, sums) = (
        rules.unwrap_or_default(),
        in_force(&reckoned.lines, reckoned.today),
    );
    let mut rows: Vec<_> = visible
        .tenants
        .iter()
        .filter_map(|tenant| {
            let budget = tenant.spec.money_budget.as_ref()?;
            let id = tenant.name_any();
            // What may not be seen of it is no sum.
            if !visible.requests.has(&tenant_namespace(&id)) {
                return None;
            }
            let committed = sums.get(&id).cloned().unwrap_or_default();
            let all = standings(budget, &rules, &committed, &Commitment::default());
            let (_, standing) = *all.first()?;
            let name = visible.names.tenant(lang, &id).to_owned();
            let health = all.iter().map(|(_, one)| money_health(one)).min();
            let health = health.unwrap_or(Health::Unknown);
            let row = MoneyRow {
                href: format!("/tenants/{id}"),
                bar: charts::share(lang, &name, i64::from(standing.percent)),
                lines: all
                    .iter()
                    .map(|one| money_line(lang, budget, one))
                    .collect(),
                state: health.word(lang),
                name,
                health,
            };
            Some((standing.percent, row))
        })
        .collect();
    rows.sort_by_key(|(percent, _)| std::cmp::Reverse(*percent));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Every line of a month as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (visible, reckoned) = reckoned(&visit).await?;
    let (lang, wording) = (visit.reader.lang, visit.wording(&visible));
    let month = reckoned.month.to_string();
    let rows: Vec<_> = reckoned
        .lines
        .iter()
        .filter_map(|line| {
            let charge = charge(line, reckoned.month, reckoned.today)?;
            let unpriced = || lang.t("cost.unpriced").to_owned();
            Some(vec![
                month.clone(),
                line.tenant.clone(),
                wording.tenant(&line.tenant).to_owned(),
                line.request.clone(),
                line.offering.clone(),
                line.platform.clone(),
                line.from.to_string(),
                line.until
                    .map_or_else(String::new, |until| until.to_string()),
                line.prices
                    .on(reckoned.today)
                    .map_or_else(unpriced, |money| money.to_string()),
                charge.map_or_else(unpriced, |money| money.to_string()),
            ])
        })
        .collect();
    let head = [
        "costs.month",
        "table.id",
        "table.tenant",
        "table.request",
        "costs.offering",
        "table.platform",
        "costs.from",
        "table.until",
        "costs.monthly",
        "costs.sum",
    ];
    let table = Table {
        file: &format!("costs-{month}"),
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::money::Money;

    #[test]
    fn a_share_of_nothing_is_nothing() {
        let sum = |fen| Sum {
            priced: Money::fen(fen),
            ..Sum::default()
        };
        assert_eq!(share(sum(5), sum(0)), 0);
        assert_eq!(share(sum(5), sum(20)), 25);
    }
}
