//! What an application will change, before it does: per grant, pool and budget before and after, what is short by how much
//! with the way out, what it costs a month. Pure; the portal shows it, the operator holds by it and enacts it.

mod again;
pub mod decided;
mod delays;
mod grant;
mod item;
mod mlps;
pub mod price;
mod shares;
mod stock;

pub use stock::{Standing, gave_back, standing, taken};

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::HoldStatus;
use super::application::{Application, ApplicationType, Environment};
use crate::account::Account;
use crate::approval::ApprovalRules;
use crate::calendar::days_after;
use crate::change_window::{self, ChangeWindow, WindowType};
use crate::cloud_platform::{CloudPlatform, Expansion, PoolSpec, PoolStatus};
use crate::cloud_product::CloudProduct;
use crate::condition::Verdict;
use crate::information_system::InformationSystem;
use crate::money::Money;
use crate::quantity::{Quantity, ResourceList};
use crate::reason::Reason;
use crate::resource_name;
use crate::service_offering::ServiceOffering;
use crate::tenant::Tenant;
use crate::tenant_quota::{LeafSpec, TenantQuota};
use crate::words::{Day, Zone};

/// What an application is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Name of the request, from which new grants are named.
    pub request: &'a str,
    /// The asking unit.
    pub tenant: &'a Tenant,
    /// The units above it, nearest first.
    pub above: &'a [Tenant],
    /// Every platform.
    pub platforms: &'a [CloudPlatform],
    /// The service catalog.
    pub offerings: &'a [ServiceOffering],
    /// The product catalog.
    pub products: &'a [CloudProduct],
    /// The unit's own grants.
    pub grants: &'a [TenantQuota],
    /// The unit's own information systems.
    pub systems: &'a [InformationSystem],
    /// What the pools hold for this request already, and so is free for it.
    pub holds: &'a [HoldStatus],
    /// How many of each product are taken by others (see [`taken`]).
    pub taken: &'a BTreeMap<String, u32>,
    /// What was delivered to the unit by hand (see [`standing`]).
    pub standing: &'a Standing,
    /// How requests are decided.
    pub rules: &'a ApprovalRules,
    /// The change windows that have not ended.
    pub windows: &'a [ChangeWindow],
    /// The day, in UTC+8.
    pub today: Day,
}

/// What an application will change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Grants that are made or changed.
    pub changes: Vec<GrantChange>,
    /// Work for the operations provider.
    pub orders: Vec<Order>,
    /// The pools that it is taken from.
    pub pools: Vec<PoolEffect>,
    /// The budgets above that it counts against.
    pub budgets: Vec<BudgetEffect>,
    /// What each item costs a month; `None` where the price is unknown (未定价).
    pub costs: Vec<(String, Option<Money>)>,
    /// All of what is asked for, summed over the items.
    pub total: ResourceList,
    /// What stands against it, each with its item where it is one's.
    pub problems: Vec<Problem>,
    /// The freezes that would hold it back, the earliest first.
    pub delays: Vec<ChangeWindow>,
}

/// A grant that is made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantChange {
    /// Its name in the unit's namespace.
    pub grant: String,
    /// Its platform.
    pub platform: String,
    /// Its zone.
    pub zone: Zone,
    /// Its pool.
    pub pool: String,
    /// Whether it is there already.
    pub exists: bool,
    /// Its `spec.hard` before, in canonical names.
    pub before: ResourceList,
    /// Its `spec.hard` after.
    pub after: ResourceList,
    /// What the items state, summed.
    pub stated: ResourceList,
    /// What the pool is charged for it now.
    pub admitted: ResourceList,
    /// Its namespaces after.
    pub namespaces: Vec<LeafSpec>,
    /// The last day of its lease after; `None` where it has no end.
    pub until: Option<Day>,
    /// The items that it comes from.
    pub items: Vec<String>,
}

impl GrantChange {
    /// What the pool is to be charged more.
    #[must_use]
    pub fn increase(&self) -> ResourceList {
        self.after.excess_over(&self.admitted)
    }
}

/// Work for the operations provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The item that it is for.
    pub item: String,
    /// What it is made of in sum.
    pub resources: ResourceList,
}

/// What an application does to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolEffect {
    /// The platform.
    pub platform: String,
    /// The zone.
    pub zone: Zone,
    /// The pool.
    pub pool: String,
    /// The pool's ledger as it stands; `None` while it is unknown.
    pub account: Option<Account>,
    /// What is free for this request, its own hold among it.
    pub free: ResourceList,
    /// What it takes.
    pub asked: ResourceList,
    /// What it gives back.
    pub freed: ResourceList,
}

impl PoolEffect {
    /// What remains free of a resource; below zero where it is short.
    #[must_use]
    pub fn left(&self, name: &str) -> Quantity {
        self.free.of(name).minus(self.asked.of(name))
    }
}

/// What an application does to a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetEffect {
    /// The unit whose budget it is.
    pub tenant: String,
    /// Its ledger; `None` while it is unknown.
    pub account: Option<Account>,
    /// What counts against it.
    pub asked: ResourceList,
}

/// Something that stands against an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The item, where it is one's.
    pub item: Option<String>,
    /// What, with its figures and the way out.
    pub verdict: Verdict,
}

impl Preview {
    /// Yuan a month in all; `None` while the price of any item is unknown.
    #[must_use]
    pub fn monthly(&self) -> Option<Money> {
        self.costs
            .iter()
            .try_fold(Money::default(), |sum, (_, cost)| Some(sum.plus((*cost)?)))
    }

    /// What is to be held, by pool.
    #[must_use]
    pub fn holds(&self) -> Vec<HoldStatus> {
        let held = self.pools.iter().filter(|p| !p.asked.is_zero());
        held.map(|p| HoldStatus {
            platform: p.platform.clone(),
            pool: p.pool.clone(),
            amount: p.asked.clone(),
            held: false,
        })
        .collect()
    }

    /// The freeze that holds it back now.
    #[must_use]
    pub fn frozen(&self, now: Timestamp) -> Option<&ChangeWindow> {
        change_window::in_force(&self.delays, WindowType::Freeze, None, now)
    }

    fn problem(&mut self, item: Option<&str>, verdict: Verdict) {
        self.problems.push(Problem {
            item: item.map(ToOwned::to_owned),
            verdict,
        });
    }
}

/// What an application will change.
#[must_use]
pub fn preview(application: &Application, around: Around<'_>) -> Preview {
    let mut preview = Preview::default();
    let until = lease(application, around, &mut preview);
    let mut names: BTreeMap<(&str, &str), String> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for item in &application.items {
        if let Some(named) = &item.delivered {
            let judged = if application.type_ == ApplicationType::Change {
                again::changed(application, (item, named), around, &mut counts)
            } else {
                again::judge(application, item, named, around)
            };
            match judged {
                Ok((order, cost)) => {
                    preview.costs.push((item.name.clone(), cost));
                    preview.orders.push(order);
                }
                Err(verdict) => preview.problem(Some(&item.name), verdict),
            }
            continue;
        }
        let judged = match item::judge(application, item, around, &mut counts) {
            Ok(judged) => judged,
            Err(verdict) => {
                preview.problem(Some(&item.name), verdict);
                continue;
            }
        };
        preview.costs.push((item.name.clone(), judged.cost));
        preview.total = preview.total.plus(&judged.amount);
        let Some(pool) = item.pool.as_deref().filter(|_| judged.automatic) else {
            preview.orders.push(Order {
                item: item.name.clone(),
                resources: judged.amount,
            });
            continue;
        };
        let key = (item.platform.as_str(), pool);
        let grant = item.grant.clone().unwrap_or_else(|| {
            let new = || format!("{}-{}", around.request, item.name);
            names.entry(key).or_insert_with(new).clone()
        });
        let part = grant::Part {
            item,
            grant: &grant,
            pool,
            amount: &judged.amount,
            until,
        };
        let merged = grant::merge(&mut preview.changes, application, &part, around);
        if let Err(verdict) = merged {
            preview.problem(Some(&item.name), verdict);
        }
    }
    price::settle(application, around, &mut preview);
    mlps::judge(application, around, &mut preview);
    shares::settle(application, around, &mut preview);
    pools(application, around, &mut preview);
    budgets(around, &mut preview);
    preview.delays = delays::delays(application, around, &preview);
    preview
}

/// Until when; what is wrong with that is a problem.
fn lease(application: &Application, around: Around<'_>, preview: &mut Preview) -> Option<Day> {
    let days = around.rules.test_days;
    let from = application.from.unwrap_or(around.today).max(around.today);
    let latest = days_after(from, i32::from(days));
    let test = application.environment == Environment::Test
        && !matches!(application.type_, ApplicationType::Release);
    if let Some(until) = application.until {
        if until < around.today {
            let verdict = Verdict::no(Reason::LeasePast).with("until", until);
            preview.problem(None, verdict.with("today", around.today));
        } else if test && until > latest {
            let verdict = Verdict::no(Reason::TestTooLong).with("until", until);
            preview.problem(None, verdict.with("latest", latest).with("days", days));
        }
    }
    application.until.or(test.then_some(latest))
}

fn pool_of<'a>(
    around: Around<'a>,
    platform: &str,
    pool: &str,
) -> Option<(&'a CloudPlatform, &'a PoolSpec, Option<&'a PoolStatus>)> {
    let platform = around
        .platforms
        .iter()
        .find(|p| p.metadata.name.as_deref() == Some(platform))?;
    let spec = platform.spec.pools.iter().find(|p| p.name == pool)?;
    let status = platform.status.as_ref()?;
    Some((platform, spec, status.pools.iter().find(|p| p.name == pool)))
}

fn pools(application: &Application, around: Around<'_>, preview: &mut Preview) {
    let mut effects: Vec<PoolEffect> = Vec::new();
    for change in &preview.changes {
        let asked = change.increase();
        let freed = change.before.above(&change.after);
        let same = |e: &&mut PoolEffect| e.platform == change.platform && e.pool == change.pool;
        if let Some(effect) = effects.iter_mut().find(same) {
            effect.asked = effect.asked.plus(&asked);
            effect.freed = effect.freed.plus(&freed);
            continue;
        }
        let found = pool_of(around, &change.platform, &change.pool);
        let account = found
            .and_then(|(_, _, status)| status)
            .map(|s| s.account.clone());
        let own = around
            .holds
            .iter()
            .filter(|h| h.held && h.platform == change.platform && h.pool == change.pool);
        let own: ResourceList = own.map(|h| &h.amount).sum();
        let free = account.as_ref().map(|a| {
            let free = |name: &String| {
                (
                    name.clone(),
                    a.free(name).plus(own.of(name)).max(Quantity::ZERO),
                )
            };
            ResourceList(a.total.0.keys().map(free).collect())
        });
        effects.push(PoolEffect {
            platform: change.platform.clone(),
            zone: change.zone,
            pool: change.pool.clone(),
            account,
            free: free.unwrap_or_default(),
            asked,
            freed,
        });
    }
    for effect in &effects {
        if let Err(verdict) = fits(application, around, effect) {
            preview.problem(None, verdict);
        }
    }
    preview.pools = effects;
}

/// Whether a platform takes growth: a frozen one does not, but for an exception.
fn may_grow(
    application: &Application,
    platform: &CloudPlatform,
    pool: &str,
    (resource, asked): (&str, &dyn std::fmt::Display),
) -> Result<(), Verdict> {
    let spec = &platform.spec;
    if spec.expansion != Expansion::Frozen || application.type_ == ApplicationType::Exception {
        return Ok(());
    }
    let way_out = spec.growth_goes_to.as_deref().or(spec.docks_to.as_deref());
    Err(Verdict::no(Reason::PlatformFrozen)
        .with("platform", platform.metadata.name.as_deref().unwrap_or("-"))
        .with("pool", pool)
        .with("resource", resource)
        .with("asked", asked)
        .with("wayOut", way_out.unwrap_or("the provincial platform")))
}

/// Whether a pool gives what is asked of it.
fn fits(application: &Application, around: Around<'_>, effect: &PoolEffect) -> Result<(), Verdict> {
    let asked: Vec<(&str, Quantity)> = effect
        .asked
        .iter()
        .filter(|(_, q)| *q > Quantity::ZERO)
        .collect();
    let Some((first, amount)) = asked.first().copied() else {
        return Ok(());
    };
    let on = |reason| {
        Verdict::no(reason)
            .with("platform", &effect.platform)
            .with("pool", &effect.pool)
    };
    let Some((platform, pool, _)) = pool_of(around, &effect.platform, &effect.pool) else {
        return Err(on(Reason::AwaitingPool));
    };
    may_grow(application, platform, &effect.pool, (first, &amount))?;
    if pool.cluster.is_none() {
        return Err(on(Reason::PlatformDeclared));
    }
    let Some(account) = &effect.account else {
        return Err(on(Reason::AwaitingPool));
    };
    let short = asked
        .iter()
        .find(|(name, asked)| *asked > effect.free.of(name));
    short.map_or(Ok(()), |(name, asked)| {
        let free = effect.free.of(name);
        Err(on(Reason::PoolExhausted)
            .with("resource", name)
            .with("asked", asked)
            .with("free", free)
            .with("total", account.total.of(name))
            .with("granted", account.granted_to_grants(name))
            .with("held", account.held_for_requests(name))
            .with("missing", asked.minus(free)))
    })
}

fn budgets(around: Around<'_>, preview: &mut Preview) {
    let asked: ResourceList = preview.pools.iter().map(|p| &p.asked).sum();
    for unit in std::iter::once(around.tenant).chain(around.above) {
        let Some(budget) = &unit.spec.budget else {
            continue;
        };
        let Ok(names) = resource_name::canonical_list("spec.budget", budget) else {
            continue;
        };
        let account = unit.status.as_ref().and_then(|s| s.budget.clone());
        let counted = asked.in_names_of(&names);
        let tenant = unit.metadata.name.clone().unwrap_or_default();
        if let Some(account) = &account {
            let wanted = ResourceList(
                counted
                    .iter()
                    .filter(|(_, q)| *q > Quantity::ZERO)
                    .map(|(k, q)| (k.to_owned(), q))
                    .collect(),
            );
            if let Some((name, amount, free)) = account.short_of(&wanted) {
                let verdict = Verdict::no(Reason::BudgetExhausted)
                    .with("tenant", &tenant)
                    .with("resource", name)
                    .with("asked", amount)
                    .with("free", free)
                    .with("total", account.total.of(name))
                    .with("granted", account.charged(name))
                    .with("missing", amount.minus(free));
                preview.problem(None, verdict);
            }
        }
        preview.budgets.push(BudgetEffect {
            tenant,
            account,
            asked: counted,
        });
    }
}

#[cfg(test)]
mod tests;
