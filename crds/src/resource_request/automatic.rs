//! Small steps that are approved by rule (000 §9.1): a decrease, or one step up with measured use and nothing changed for
//! long. Pure; the portal says it before submission, the operator by the same words after it.

use super::application::{Application, ApplicationType};
use super::preview::{GrantChange, Preview};
use crate::approval::AutomaticRule;
use crate::calendar::days_after;
use crate::quantity::Quantity;
use crate::tenant_quota::TenantQuota;
use crate::words::Day;

/// Whether an application is a small step that needs nobody's decision.
#[must_use]
pub fn is_small_step(
    application: &Application,
    preview: &Preview,
    grants: &[TenantQuota],
    rule: AutomaticRule,
    today: Day,
) -> bool {
    let kind = matches!(
        application.type_,
        ApplicationType::Change | ApplicationType::Release
    );
    let sound = preview.problems.is_empty() && preview.orders.is_empty();
    rule.enabled
        && kind
        && sound
        && !preview.changes.is_empty()
        && preview.changes.iter().all(|change| {
            let name = Some(change.grant.as_str());
            let mut there = grants.iter().filter(|g| g.metadata.name.as_deref() == name);
            there
                .next()
                .is_some_and(|grant| is_small(change, grant, rule, today))
        })
}

fn is_small(change: &GrantChange, grant: &TenantQuota, rule: AutomaticRule, today: Day) -> bool {
    let ends = grant.spec.lease.as_ref().map(|l| l.until);
    // Without an end it lasts for ever: what gets one lasts no longer.
    let longer = ends.is_some_and(|end| change.until.is_none_or(|until| until > end));
    if longer {
        return false;
    }
    let raised = change.after.excess_over(&change.before);
    if raised.is_empty() {
        return true;
    }
    if ends.is_some_and(|end| end < today) {
        return false;
    }
    let status = grant.status.clone().unwrap_or_default();
    let long = status
        .unchanged_since
        .is_some_and(|since| days_after(since, i32::from(rule.unchanged_days)) <= today);
    let Some(peak) = status.peak_7d.filter(|_| long) else {
        return false;
    };
    raised.iter().all(|(name, more)| {
        let before = change.before.of(name);
        before > Quantity::ZERO
            && more.by(100) <= before.by(u32::from(rule.step_percent))
            && peak.of(name).by(100) >= before.by(u32::from(rule.peak_percent))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::preview::{Around, Standing, preview};
    use super::super::tests::{application, platform, unit};
    use super::*;
    use crate::approval::ApprovalRules;
    use crate::cloud_platform::Tier;
    use crate::tenant::Level;

    const TODAY: &str = "2026-11-24";

    fn grant(unchanged: &str, peak: i64, until: Option<&str>) -> TenantQuota {
        let mut spec = json!({
            "platform": "zj", "zone": "Extranet", "pool": "gui", "hard": { "cpu": 4, "memory": "8Gi" },
            "namespaces": [{ "name": "web", "hard": { "cpu": 4, "memory": "8Gi" } }],
        });
        if let Some(until) = until {
            spec["lease"] = json!({ "until": until });
        }
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota", "metadata": { "name": "gou" }, "spec": spec,
            "status": {
                "admitted": { "requests.cpu": 4, "requests.memory": "8Gi" },
                "unchangedSince": unchanged, "peak7d": { "requests.cpu": peak, "requests.memory": "1Gi" },
            },
        }))
        .unwrap()
    }

    /// Whether asking for so much CPU is a small step.
    fn small(cpu: u32, grant: &TenantQuota, patch: &Value) -> bool {
        let mut asked = serde_json::to_value(application("zj")).unwrap();
        asked["type"] = json!("Change");
        asked["items"][0]["grant"] = json!("gou");
        asked["items"][0]["resources"] = json!({ "cpu": cpu });
        for (key, value) in patch.as_object().unwrap() {
            asked[key] = value.clone();
        }
        let asked: Application = serde_json::from_value(asked).unwrap();
        let rules = ApprovalRules::default();
        let rule = AutomaticRule {
            enabled: true,
            ..AutomaticRule::default()
        };
        let (today, taken) = (Day(TODAY.parse().unwrap()), BTreeMap::new());
        let grants = [grant.clone()];
        let around = Around {
            request: "r",
            tenant: &unit("shui", Level::City, &[]),
            above: &[],
            platforms: &[platform("zj", Tier::City, "shi")],
            offerings: &[],
            products: &[],
            grants: &grants,
            systems: &[],
            holds: &[],
            taken: &taken,
            standing: &Standing::new(),
            rules: &rules,
            windows: &[],
            today,
        };
        let preview = preview(&asked, around);
        // That its lease has ended stands against it anyway.
        let over = |p: &&crate::resource_request::preview::Problem| {
            p.verdict.reason != crate::Reason::LeaseOver
        };
        assert_eq!(preview.problems.iter().find(over), None, "{asked:?}");
        is_small_step(&asked, &preview, &grants, rule, today)
    }

    #[test]
    fn a_decrease_is_one_and_a_step_up_takes_use_and_rest() {
        let none = json!({});
        let steady = grant("2026-10-01", 4, None);
        assert!(small(3, &steady, &none), "a decrease");
        assert!(small(5, &steady, &none), "25 percent up, 100 percent used");
        assert!(!small(6, &steady, &none), "50 percent up");
        assert!(
            !small(5, &grant("2026-10-01", 3, None), &none),
            "75 percent used"
        );
        assert!(
            !small(5, &grant("2026-11-01", 4, None), &none),
            "changed lately"
        );
        assert!(
            small(3, &grant("2026-11-01", 0, None), &none),
            "a decrease needs neither"
        );
    }

    #[test]
    fn prolonging_is_none_and_an_ended_lease_does_not_grow() {
        let longer = json!({ "until": "2027-12-31" });
        assert!(!small(
            4,
            &grant("2026-10-01", 4, Some("2026-12-31")),
            &longer
        ));
        let none = json!({});
        assert!(small(5, &grant("2026-10-01", 4, Some("2026-12-31")), &none));
        assert!(!small(
            5,
            &grant("2026-10-01", 4, Some("2026-11-20")),
            &none
        ));
    }
}
