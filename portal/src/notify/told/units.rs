//! What there is to tell of what a unit has: a lease that ends, a budget that fills up. Pure.

use crds::condition::ConditionType;
use crds::keys::tenant_of_namespace;
use crds::money_budget::Standing;
use crds::tenant_quota::FundingSource;
use crds::words::Day;
use crds::{Tenant, TenantQuota};
use kube::ResourceExt as _;

use super::{People, Told, Topic, owners};
use crate::figures::Resource;

/// What there is to tell of a grant as it is: each step of the end of its lease, once.
#[must_use]
pub fn of_grant(grant: &TenantQuota, people: People<'_>) -> Option<Told> {
    let current = grant
        .status
        .as_ref()?
        .conditions
        .get(ConditionType::Current)?;
    let topic = match current.reason.as_str() {
        "LeaseEnding" => Topic::LeaseEnding,
        "LeaseEnded" => Topic::LeaseEnded,
        "LeaseShrinking" => Topic::LeaseShrinking,
        "LeaseReleased" => Topic::LeaseReleased,
        _ => return None,
    };
    let until = grant.spec.lease.as_ref()?.until.to_string();
    let namespace = grant.namespace().unwrap_or_default();
    let tenant = tenant_of_namespace(&namespace)?;
    let uid = grant.uid().unwrap_or_default();
    let (_, reach) = topic.row();
    let mut figures = vec![
        ("title", grant.name_any()),
        ("tenant", tenant.to_owned()),
        ("platform", grant.spec.platform.clone()),
        ("until", until.clone()),
    ];
    let next = current.params.get("next");
    figures.extend(next.map(|next| ("next", next.clone())));
    Some(Told {
        // A renewed lease ends anew.
        cause: format!("TenantQuota/{uid}/{}/{until}", topic.word()),
        topic,
        to: owners(people.tenant),
        reach,
        figures,
        href: format!("/tenants/{tenant}"),
        at: None,
    })
}

/// What there is to tell of a unit's budgets: of each resource beyond the share from which on it needs attention, and of money
/// beyond each threshold, as a whole and from each source of funding; once a month and step.
#[must_use]
pub fn of_budgets(
    tenant: &Tenant,
    money: &[(Option<FundingSource>, Standing)],
    (percent, today): (u8, Day),
) -> Vec<Told> {
    let (name, uid) = (tenant.name_any(), tenant.uid().unwrap_or_default());
    let month = today.0.strftime("%Y-%m").to_string();
    let mut told = Vec::new();
    let mut tell = |topic: Topic, what: &str, step: u16, figures: Vec<(&'static str, String)>| {
        let (_, reach) = topic.row();
        let unit = [("tenant", name.clone())];
        told.push(Told {
            cause: format!("Tenant/{uid}/{}/{what}/{step}/{month}", topic.word()),
            topic,
            to: owners(Some(tenant)),
            reach,
            figures: unit.into_iter().chain(figures).collect(),
            href: "/costs".to_owned(),
            at: None,
        });
    };
    let account = tenant
        .status
        .as_ref()
        .and_then(|status| status.budget.as_ref());
    for resource in Resource::ALL {
        let total = account.and_then(|account| resource.of(&account.total));
        let Some((account, total)) = account.zip(total).filter(|(_, total)| total.nanos() > 0)
        else {
            continue;
        };
        let charged = account.charged(resource.name()).nanos();
        let share = charged.saturating_mul(100) / total.nanos();
        let steps = [100, u16::from(percent)];
        if let Some(step) = steps.into_iter().find(|step| share >= i128::from(*step)) {
            let figures = vec![
                ("resource", resource.name().to_owned()),
                ("percent", share.to_string()),
            ];
            tell(Topic::BudgetFull, resource.name(), step, figures);
        }
    }
    for (source, money) in money {
        let Some(step) = money.threshold else {
            continue;
        };
        let mut figures = vec![
            ("percent", money.percent.to_string()),
            ("threshold", step.to_string()),
        ];
        match source {
            None => tell(Topic::MoneyFull, "money", step, figures),
            Some(source) => {
                let source = format!("{source:?}");
                figures.push(("source", source.clone()));
                tell(Topic::SourceFull, &source, step, figures);
            }
        }
    }
    told
}
