//! Fixtures of requests, and the shape of what is stored.

use serde_json::json;

use super::*;
use crate::calendar::Calendar;
use crate::cloud_platform::{CloudPlatform, Tier};
use crate::tenant::{Level, Tenant};

/// 2026 as the State Council announced it, so far as the tests reach.
pub(super) fn calendar_2026() -> Calendar {
    serde_json::from_value(json!({ "years": [{
        "year": 2026, "source": "国办 2025-11-04",
        "holidays": ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"],
        "workdays": ["2026-09-20", "2026-10-10"],
    }] }))
    .unwrap()
}

pub(super) fn unit(name: &str, level: Level, authorities: &[&str]) -> Tenant {
    let mut tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "level": level, "authorityGroups": authorities,
            "owners": [{ "kind": "User", "name": format!("{name}-owner") }],
        },
    }))
    .unwrap();
    tenant.status = Some(crate::tenant::TenantStatus::default());
    tenant
}

/// A platform with one pool `gui` of 10 cores and 40Gi, of which 4 cores and 8Gi are granted.
pub(super) fn platform(name: &str, tier: Tier, owner: &str) -> CloudPlatform {
    let list = |cpu: &str, memory: &str| json!({ "requests.cpu": cpu, "requests.memory": memory });
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "tier": tier, "provision": "SelfBuilt", "owner": owner,
            "growthGoesTo": "guangdong",
            "approvers": [{ "kind": "Group", "name": owner }],
            "clusters": [{ "name": "c1", "zone": "Extranet" }],
            "pools": [{
                "name": "gui", "zone": "Extranet", "architecture": "arm64", "cluster": "c1",
                "capacity": list("10", "40Gi"),
            }],
        },
        "status": { "pools": [{
            "name": "gui", "zone": "Extranet", "total": list("10", "40Gi"), "granted": list("4", "8Gi"),
        }] },
    }))
    .unwrap()
}

/// A new grant of 2 cores and 4Gi in pool `gui` of a platform.
pub(super) fn application(platform: &str) -> Application {
    serde_json::from_value(json!({
        "type": "New", "environment": "Production", "title": "t", "justification": "j",
        "items": [{
            "name": "app", "platform": platform, "zone": "Extranet", "pool": "gui",
            "resources": { "cpu": "2", "memory": "4Gi" }, "namespaces": [{ "name": "web" }],
        }],
    }))
    .unwrap()
}

#[test]
fn phases_and_words_are_one_list() {
    for phase in Phase::ALL {
        assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
    }
    for stage in crate::approval::Stage::ALL {
        assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
        let verb = if stage.decides() {
            "approve-"
        } else {
            "advise-"
        };
        assert_eq!(
            stage.verb(),
            format!("{verb}{}", stage.as_str().to_lowercase())
        );
    }
}
