//! The `Role` by which the owner of one platform decides on a unit's requests: a cluster-wide one cannot name the platform.

use std::collections::BTreeMap;

use crds::approval::Stage;
use crds::{GROUP, keys};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};

use crate::runtime::Child;

/// Allows to decide for a platform, and nothing else.
#[must_use]
pub fn of_platform_owner(
    namespace: &str,
    platform: &str,
    labels: &BTreeMap<String, String>,
) -> Child {
    Child::Role(Role {
        metadata: super::meta::child(Some(namespace), &keys::platform_owner(platform), labels),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![GROUP.into()]),
            resources: Some(vec!["cloudplatforms".into()]),
            resource_names: Some(vec![platform.into()]),
            verbs: vec![Stage::PlatformOwner.verb().into()],
            ..PolicyRule::default()
        }]),
    })
}
