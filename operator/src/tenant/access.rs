//! Who may enter a unit's namespace on the hub: its owners, those above it, and who decides or advises on its requests.
//!
//! A stage's approvers are those that the chain of a request names ([`chain::approvers`]), bound to the role of the stage. A
//! platform's owner decides by a `Role` that names the platform, and only where a request of the unit concerns it.

use std::collections::{BTreeMap, BTreeSet};

use crds::approval::{ApprovalRules, Stage};
use crds::resource_request::{Phase, chain};
use crds::words::{Subject, SubjectKind};
use crds::{ResourceRequest, Tenant, keys};

use super::name_of;
use crate::children::{namespace, role, role_binding};
use crate::runtime::hub::{by_name, good};
use crate::runtime::{Child, Context, Placed, Target};

/// Whom a unit's requests concern beside the unit and those above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The owners' approvers of the platforms that its requests name, by platform.
    pub owners: BTreeMap<String, Vec<Subject>>,
    /// To whom a stage of an open request was handed on.
    pub delegates: BTreeSet<Subject>,
}

impl Concerned {
    /// By the requests in a namespace.
    #[must_use]
    pub fn by_requests_of(cx: &Context, namespace: &str) -> Self {
        let mut all = Self::default();
        for request in good(&cx.hub.requests) {
            if let Ok(request) = &request.0
                && request.metadata.namespace.as_deref() == Some(namespace)
            {
                all.add(request, |platform| {
                    by_name(&cx.hub.platforms, platform).map(|p| p.spec.approvers)
                });
            }
        }
        all
    }

    /// Owners may read what they decided on, so a request that ended still counts; a delegate's turn ends with it.
    fn add(&mut self, request: &ResourceRequest, approvers: impl Fn(&str) -> Option<Vec<Subject>>) {
        let status = request.status.as_ref();
        let deciders = status.iter().flat_map(|s| &s.chain);
        for platform in deciders.filter_map(|stage| stage.of.as_ref()) {
            let named = approvers(platform).unwrap_or_default();
            if !named.is_empty() {
                self.owners.insert(platform.clone(), named);
            }
        }
        let ended =
            |phase: Phase| matches!(phase, Phase::Accepted | Phase::Rejected | Phase::Withdrawn);
        if !status.and_then(|s| s.phase).is_some_and(ended) {
            let users = request.spec.delegations.iter().map(|d| Subject {
                kind: SubjectKind::User,
                name: d.to.clone(),
            });
            self.delegates.extend(users);
        }
    }
}

/// The namespace with everybody's access.
pub(super) fn children(tenant: &Tenant, above: &[Tenant], concerned: &Concerned) -> Vec<Placed> {
    let home = keys::tenant_namespace(name_of(tenant));
    let labels = BTreeMap::from([(keys::TENANT.to_owned(), name_of(tenant).to_owned())]);
    let mut access = vec![
        (keys::OWNER_ROLE.to_owned(), tenant.spec.owners.clone()),
        (keys::SUPERIOR_ROLE.to_owned(), superiors(tenant, above)),
        (
            keys::DELEGATE_ROLE.to_owned(),
            concerned.delegates.iter().cloned().collect(),
        ),
        (
            keys::stage_role(Stage::PlatformOwner),
            concerned.owners.values().flatten().cloned().collect(),
        ),
    ];
    let rules = ApprovalRules::default();
    let ground = chain::Ground {
        tenant,
        above,
        platforms: &[],
        rules: &rules,
    };
    for stage in Stage::ALL
        .into_iter()
        .filter(|s| *s != Stage::PlatformOwner)
    {
        if let Some((_, subjects)) = chain::approvers(stage, ground) {
            access.push((keys::stage_role(stage), subjects));
        }
    }
    let mut children = vec![namespace::build(&home, &labels, "restricted")];
    // On the hub a person's name is the one that the hub's own authentication gives: no prefix is added.
    children.extend(
        access
            .iter()
            .filter(|(_, subjects)| !subjects.is_empty())
            .map(|(role, subjects)| role_binding::build(&home, role, subjects, ("", ""), &labels)),
    );
    for (platform, subjects) in &concerned.owners {
        let name = keys::platform_owner(platform);
        children.push(role::of_platform_owner(&home, platform, &labels));
        children.push(role_binding::to_role(&home, &name, subjects, &labels));
    }
    let placed = |child: Child| Placed {
        target: Target::Hub,
        child,
    };
    children.into_iter().map(placed).collect()
}

/// Owners, approvers and authorities of the units above, and the unit's own authorities: they may look.
fn superiors(tenant: &Tenant, above: &[Tenant]) -> Vec<Subject> {
    let authorities = std::iter::once(tenant)
        .chain(above)
        .flat_map(|t| &t.spec.authority_groups);
    let authorities = authorities.map(|group| Subject {
        kind: SubjectKind::Group,
        name: group.clone(),
    });
    let approvers = above.iter().flat_map(|t| &t.spec.approvers);
    above
        .iter()
        .flat_map(|t| t.spec.owners.clone())
        .chain(approvers.flat_map(|a| a.subjects.clone()))
        .chain(authorities)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unit(name: &str, spec: &serde_json::Value) -> Tenant {
        let mut all = json!({ "displayName": { "zh": name }, "level": "County" });
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        Tenant::new(name, serde_json::from_value(all).unwrap())
    }

    /// The bindings as `role: subjects`.
    fn bound(children: &[Placed]) -> Vec<String> {
        let bindings = children.iter().filter_map(|placed| {
            if let Child::RoleBinding(binding) = &placed.child {
                Some(binding)
            } else {
                None
            }
        });
        let words = |binding: &k8s_openapi::api::rbac::v1::RoleBinding| {
            let subjects = binding.subjects.iter().flatten().map(|s| s.name.as_str());
            format!(
                "{}: {}",
                binding.role_ref.name,
                subjects.collect::<Vec<_>>().join(" ")
            )
        };
        bindings.map(words).collect()
    }

    #[test]
    fn approvers_are_bound_to_their_stage_and_those_above_may_look() {
        let tenant = unit(
            "nyj",
            &json!({ "owners": [{ "kind": "User", "name": "nyj-owner" }],
                "approvers": [{ "stage": "UnitHead", "subjects": [{ "kind": "User", "name": "nyj-head" }] }] }),
        );
        let above = [
            unit("lianjiang", &json!({ "authorityGroups": ["lj-zsj"] })),
            unit(
                "zhanjiang",
                &json!({ "authorityGroups": ["zj-zsj"],
                    "approvers": [{ "stage": "Security", "subjects": [{ "kind": "Group", "name": "zj-aq" }] }] }),
            ),
        ];
        let mut concerned = Concerned::default();
        let request: ResourceRequest = serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest", "metadata": { "name": "r" },
            "spec": { "classified": false,
                "delegations": [{ "stage": "UnitHead", "by": "nyj-head", "to": "nyj-deputy", "reason": "出差" }],
                "application": { "type": "New", "environment": "Test", "title": "t", "justification": "j",
                    "items": [{ "name": "app", "platform": "node", "zone": "Extranet" }] } },
            "status": { "phase": "Reviewing", "chain": [
                { "stage": "UnitHead", "rule": "Any", "approvers": [], "workingDays": 3, "state": "Current" },
                { "stage": "PlatformOwner", "of": "node", "rule": "Any", "approvers": [], "workingDays": 3, "state": "Waiting" },
            ] },
        }))
        .unwrap();
        let owners = |platform: &str| {
            (platform == "node").then(|| {
                vec![Subject {
                    kind: SubjectKind::Group,
                    name: "zj-owners".into(),
                }]
            })
        };
        concerned.add(&request, owners);
        assert_eq!(
            bound(&children(&tenant, &above, &concerned)),
            [
                "qipan:owner: nyj-owner",
                "qipan:superior: lj-zsj zj-aq zj-zsj",
                "qipan:delegate: nyj-deputy",
                "qipan:approve-platformowner: zj-owners",
                "qipan:approve-unithead: nyj-head",
                // The nearest above that names any.
                "qipan:approve-authority: lj-zsj",
                "qipan:approve-security: zj-aq",
                "qipan:platform-owner:node: zj-owners",
            ]
        );
        // A request that ended keeps its readers and lets the delegate go.
        let mut ended = request;
        ended.status.as_mut().unwrap().phase = Some(Phase::Rejected);
        let mut after = Concerned::default();
        after.add(&ended, owners);
        assert!(after.delegates.is_empty() && after.owners.contains_key("node"));
    }
}
