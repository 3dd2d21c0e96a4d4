//! What an application does, as a page shows it: every pool before and after, grants, work, cost, and what stands against it.

use std::fmt::Write as _;

use crds::Quantity;
use crds::money_budget::{self, Commitment};
use crds::resource_request::preview::{BudgetEffect, GrantChange, Order, PoolEffect, Preview};
use crds::resource_request::{Application, Item};

use super::words;
use crate::ages;
use crate::costs::reckon::{self, Line};
use crate::figures::resource_word;
use crate::ground::Ground;
use crate::health::Wording;
use crate::shown::escaped;

/// What an application does.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// What it takes from pools.
    pub pools: Vec<PoolView>,
    /// What becomes of grants.
    pub grants: Vec<GrantView>,
    /// Work for the operations provider, one line each.
    pub orders: Vec<String>,
    /// What counts against budgets above, one line each.
    pub budgets: Vec<String>,
    /// What each item costs a month.
    pub costs: Vec<(String, String)>,
    /// What it costs a month in all.
    pub monthly: String,
    /// What stands against it.
    pub problems: Vec<Against>,
    /// The freezes that will hold it back, one line each.
    pub delays: Vec<String>,
    /// How the unit's money stands with it, as a whole and from each source, and whether that needs attention.
    pub money: Vec<(String, bool)>,
}

impl Effect {
    /// Whether nothing of it can be said yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
            && self.grants.is_empty()
            && self.orders.is_empty()
            && self.costs.is_empty()
            && self.problems.is_empty()
    }
}

/// Something that stands against an application.
#[derive(Clone, Debug)]
pub struct Against {
    /// The item, where it is one's.
    pub item: Option<String>,
    /// What.
    pub happened: String,
    /// The way out.
    pub todo: String,
}

/// A pool before and after.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// Its platform, zone and name.
    pub name: String,
    /// Each resource.
    pub bars: Vec<PoolBar>,
}

/// One resource of a pool before and after.
#[derive(Clone, Debug)]
pub struct PoolBar {
    /// The resource.
    pub word: String,
    /// The bar.
    pub svg: String,
    /// What is free now.
    pub free: String,
    /// What is taken, or given back.
    pub change: String,
    /// What is left.
    pub left: String,
    /// Whether it is not enough.
    pub short: bool,
}

/// A grant before and after.
#[derive(Clone, Debug)]
pub struct GrantView {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Whether it is there already.
    pub exists: bool,
    /// Each resource with before and after.
    pub rows: Vec<(String, String, String)>,
    /// Its namespaces after.
    pub namespaces: String,
    /// Its last day.
    pub until: Option<String>,
}

impl Effect {
    /// The effect of an application on its ground; `request` is the name that it has, or will have.
    #[must_use]
    pub fn of(
        wording: &Wording,
        ground: &Ground,
        (request, application): (&str, &Application),
        preview: &Preview,
    ) -> Self {
        let lang = wording.lang;
        let called = |item: &str| called(wording, ground, application, item);
        let problems = preview.problems.iter().map(|problem| {
            let verdict = &problem.verdict;
            let (happened, todo) =
                wording.reason(verdict.reason.as_str(), &verdict.params, &verdict.message());
            Against {
                item: problem.item.clone(),
                happened,
                todo,
            }
        });
        Self {
            pools: preview
                .pools
                .iter()
                .map(|pool| pool_view(wording, pool))
                .collect(),
            grants: preview
                .changes
                .iter()
                .map(|change| grant_view(wording, change))
                .collect(),
            orders: preview
                .orders
                .iter()
                .map(|order| order_line(wording, called(&order.item), order))
                .collect(),
            budgets: budgets(wording, preview),
            costs: preview
                .costs
                .iter()
                .map(|(item, cost)| (called(item), words::monthly(lang, *cost)))
                .collect(),
            monthly: words::monthly(lang, preview.monthly()),
            problems: problems.collect(),
            delays: delays(wording, application, preview),
            money: money(wording, ground, (request, application), preview),
        }
    }
}

/// How the unit's budget of money stands with what is asked for, in the place of what stands there now.
fn money(
    wording: &Wording,
    ground: &Ground,
    (request, application): (&str, &Application),
    preview: &Preview,
) -> Vec<(String, bool)> {
    let Some(budget) = &ground.tenant.spec.money_budget else {
        return Vec::new();
    };
    // What the request itself has become by now is asked for, and not committed besides.
    let changed = |line: &&Line| {
        let mut items = application.items.iter();
        line.request == request || items.any(|i| reckon::place(request, i) == line.grant)
    };
    let others = ground.lines.iter().filter(|line| !changed(line));
    let others: Vec<Line> = others.cloned().collect();
    let committed = reckon::in_force(&others, ground.today.0);
    let committed = committed.into_values().next().unwrap_or_default();
    let funding = application
        .project
        .iter()
        .flat_map(|project| &project.funding);
    let funding: Vec<_> = funding.map(|share| (share.source, share.percent)).collect();
    let mut asked = Commitment::default();
    for (_, cost) in &preview.costs {
        asked.add(*cost, &funding);
    }
    let all = money_budget::standings(budget, &ground.money, &committed, &asked);
    all.iter()
        .map(|one| {
            (
                words::money_line(wording.lang, budget, one),
                one.1.threshold.is_some(),
            )
        })
        .collect()
}

/// How far ahead a freeze is named: what is asked for today is decided long before one that is further away.
const FORESEEN: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// The day from which on it is asked for, and the freezes that will hold back what is approved meanwhile.
fn delays(wording: &Wording, application: &Application, preview: &Preview) -> Vec<String> {
    let lang = wording.lang;
    let line = |window: &crds::ChangeWindow| {
        let moment = |at| ages::moment(lang, at, wording.now).exact;
        let figures = [
            ("title", window.spec.title.in_language(lang.code())),
            ("from", &moment(window.spec.from)),
            ("until", &moment(window.spec.to)),
        ];
        lang.say("effect.delay", &figures)
    };
    let near = |window: &&crds::ChangeWindow| window.spec.from < wording.now + FORESEEN;
    let today = ages::today(wording.now);
    let from = application.from.filter(|from| from.0 > today);
    let from = from.map(|from| lang.say("effect.from", &[("from", &from.to_string())]));
    let frozen = preview.delays.iter().filter(near).map(line);
    from.into_iter().chain(frozen).collect()
}

fn order_line(wording: &Wording, name: String, order: &Order) -> String {
    let made_of = words::amounts(wording.lang, &order.resources);
    if made_of.is_empty() {
        name
    } else {
        [name, made_of].join(wording.lang.t("sentence.dot"))
    }
}

/// What counts against the budgets above, and what they have.
fn budgets(wording: &Wording, preview: &Preview) -> Vec<String> {
    let lang = wording.lang;
    let counted = preview.budgets.iter().filter(|b| !b.asked.is_zero());
    let line = |budget: &BudgetEffect| {
        let free = budget.account.as_ref().map(|account| {
            let asked = budget.asked.iter().filter(|(_, q)| *q > Quantity::ZERO);
            let left = asked.map(|(name, _)| {
                let free = words::amount(lang, name, account.free(name));
                [resource_word(lang, name), free].join(" ")
            });
            left.collect::<Vec<_>>().join(lang.t("sentence.dot"))
        });
        let free = free.unwrap_or_else(|| lang.t("health.unknown").to_owned());
        // What is not asked for is not told.
        let mut asked = budget.asked.clone();
        asked.0.retain(|_, amount| *amount > Quantity::ZERO);
        let figures = [
            ("tenant", wording.tenant(&budget.tenant)),
            ("asked", &words::amounts(lang, &asked)),
            ("free", &free),
        ];
        lang.say("effect.budget", &figures)
    };
    counted.map(line).collect()
}

/// What an item is called: its service and how much of it.
#[must_use]
pub fn called(wording: &Wording, ground: &Ground, application: &Application, item: &str) -> String {
    let found = application.items.iter().find(|i| i.name == item);
    let Some(found) = found else {
        return item.to_owned();
    };
    // What was delivered by hand is called as it was asked for then, unless it becomes something else.
    let named = found.delivered.as_ref();
    let named = named.filter(|_| found.product.is_none());
    let there = named.and_then(|named| ground.standing.get(named));
    service(wording, ground, there.unwrap_or(found))
}

/// A line by its service, size and count; by its grant where it names no service.
#[must_use]
pub fn service(wording: &Wording, ground: &Ground, found: &Item) -> String {
    let lang = wording.lang;
    let offering = found
        .offering
        .as_deref()
        .and_then(|name| ground.offering(name));
    let Some(offering) = offering else {
        return found.grant.clone().unwrap_or_else(|| found.name.clone());
    };
    let service = offering.spec.display_name.in_language(lang.code());
    let (Some(size), Some(count)) = (&found.size, found.count) else {
        return service.to_owned();
    };
    let known = offering.spec.sizes.iter().find(|s| s.name == *size);
    let size = known.map_or("", |s| s.display_name.in_language(lang.code()));
    let unit = offering.spec.unit.in_language(lang.code());
    let figures = [
        ("service", service),
        ("size", size),
        ("count", &count.to_string()),
        ("unit", unit),
    ];
    lang.say(
        if size.is_empty() {
            "item.counted"
        } else {
            "item.sized"
        },
        &figures,
    )
}

fn pool_view(wording: &Wording, pool: &PoolEffect) -> PoolView {
    let lang = wording.lang;
    let place = [
        wording.platform(&pool.platform),
        words::zone(lang, pool.zone),
        &pool.pool,
    ];
    let names: std::collections::BTreeSet<&str> = pool
        .asked
        .iter()
        .chain(pool.freed.iter())
        .filter(|(_, q)| *q > Quantity::ZERO)
        .map(|(n, _)| n)
        .collect();
    PoolView {
        name: place.join(lang.t("sentence.dot")),
        bars: names
            .into_iter()
            .map(|name| pool_bar(wording, pool, name))
            .collect(),
    }
}

fn pool_bar(wording: &Wording, pool: &PoolEffect, name: &str) -> PoolBar {
    let lang = wording.lang;
    let (asked, freed) = (pool.asked.of(name), pool.freed.of(name));
    let word = resource_word(lang, name);
    let unknown = || lang.t("health.unknown").to_owned();
    let known = pool.account.is_some();
    let amount = |q: Quantity| words::amount(lang, name, q);
    let (free, left) = (pool.free.of(name), pool.left(name).plus(freed));
    let change = if asked > Quantity::ZERO {
        format!("−{}", amount(asked))
    } else {
        format!("+{}", amount(freed))
    };
    let total = pool.account.as_ref().map(|account| account.total.of(name));
    let told = [free, left].map(|q| if known { amount(q) } else { unknown() });
    let figures = [
        ("resource", word.clone()),
        ("total", total.map_or_else(unknown, amount)),
        ("free", told[0].clone()),
        ("change", change.clone()),
        ("left", told[1].clone()),
    ];
    let figures = figures.each_ref().map(|(key, text)| (*key, text.as_str()));
    let title = lang.say("effect.bar", &figures);
    let [free_told, left_told] = told;
    PoolBar {
        svg: bar(&title, total, free, asked),
        word,
        free: free_told,
        change,
        left: left_told,
        short: known && left < Quantity::ZERO,
    }
}

/// Before and after in one bar: taken by others, asked for here, left; what is not there is drawn over.
fn bar(title: &str, total: Option<Quantity>, free: Quantity, asked: Quantity) -> String {
    let mut svg = format!(
        r#"<svg class="bar" width="100%" height="12" role="img"><title>{}</title>"#,
        escaped(title)
    );
    let whole = total.unwrap_or(Quantity::ZERO);
    let taken = whole.minus(free).max(Quantity::ZERO);
    let scale = whole.max(taken.plus(asked));
    let parts = if total.is_none() || scale == Quantity::ZERO {
        vec![("unknown", r#" fill="url(#p-unknown)""#, 1000)]
    } else {
        let at = |q: Quantity| {
            i64::try_from(q.nanos().saturating_mul(1000) / scale.nanos()).unwrap_or(1000)
        };
        let (taken, fits) = (at(taken), at(taken.plus(asked.min(free))));
        // What is asked for is seen even where it is a thousandth of the pool.
        let fits = if asked > Quantity::ZERO {
            fits.max(taken + 6).min(1000)
        } else {
            fits
        };
        let over = asked > free;
        vec![
            ("used", "", taken),
            ("granted", r#" fill="url(#p-granted)""#, fits - taken),
            if over {
                ("over", r#" fill="url(#p-over)""#, 1000 - fits)
            } else {
                ("free", "", 1000 - fits)
            },
        ]
    };
    let mut from = 0;
    for (class, fill, width) in parts.into_iter().filter(|(_, _, width)| *width > 0) {
        let _infallible = write!(
            svg,
            r#"<rect class="part {class}" x="{}.{}%" width="{}.{}%" height="12"{fill}/>"#,
            from / 10,
            from % 10,
            width / 10,
            width % 10
        );
        from += width;
    }
    svg.push_str("</svg>");
    svg
}

fn grant_view(wording: &Wording, change: &GrantChange) -> GrantView {
    let lang = wording.lang;
    let names: std::collections::BTreeSet<&String> = change
        .before
        .0
        .keys()
        .chain(change.after.0.keys())
        .collect();
    let rows = names.into_iter().map(|name| {
        let before = if change.exists {
            words::amount(lang, name, change.before.of(name))
        } else {
            lang.t("effect.none").to_owned()
        };
        (
            resource_word(lang, name),
            before,
            words::amount(lang, name, change.after.of(name)),
        )
    });
    let place = [
        wording.platform(&change.platform),
        words::zone(lang, change.zone),
        &change.pool,
    ];
    GrantView {
        name: change.grant.clone(),
        place: place.join(lang.t("sentence.dot")),
        exists: change.exists,
        rows: rows.collect(),
        namespaces: lang.join(
            &change
                .namespaces
                .iter()
                .map(|leaf| leaf.name.clone())
                .collect::<Vec<_>>(),
        ),
        until: change.until.map(|day| day.to_string()),
    }
}
