//! What an account may do, one right at a time, read from a cluster's roles; and what it did, read from the audit log.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject};
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{Event, NAMESPACE, Testbed};

/// Being a person (constrained impersonation).
const BE: &str = "impersonate:user-info";
/// Doing something as one: before the verb.
const ON: &str = "impersonate-on:user-info:";

/// One verb on one kind of object: what a rule of a role comes down to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group, empty for the core.
    pub group: String,
    /// The plural, with its subresource: `tenantquotas/status`.
    pub resource: String,
    /// The one object it is about; `*` for all.
    pub name: String,
    /// The verb.
    pub verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            resource,
            name,
            verb,
        } = self;
        write!(f, "{verb} {resource}.{group} {name}")
    }
}

impl Right {
    /// Whether a request is what this right is for. One that was made as somebody else takes the rights to be them, and to
    /// do this as them.
    #[must_use]
    pub fn covers(&self, event: &Event) -> bool {
        let Some(object) = &event.object_ref else {
            return false;
        };
        let (verb, as_somebody) = match self.verb.strip_prefix(ON) {
            Some(verb) => (verb, true),
            None => (self.verb.as_str(), false),
        };
        if let Some(somebody) = &event.impersonated_user
            && self.verb == BE
        {
            return self.resource == "users"
                || self.resource == "groups" && !somebody.groups.is_empty();
        }
        let named = self.name == "*" || self.name == object.name;
        let rights = (verb, &self.group, self.resource.as_str());
        named
            && as_somebody == event.impersonated_user.is_some()
            && rights == (&event.verb, &object.api_group, &object.full_resource())
    }

    /// Whether it is about acting as a person.
    #[must_use]
    pub fn is_of_impersonation(&self) -> bool {
        self.verb == BE || self.verb.starts_with(ON)
    }

    /// Whether it is asked for by admission or by RBAC itself: no request carries such a verb.
    #[must_use]
    pub fn is_asked_for_only(&self) -> bool {
        const REQUESTS: [&str; 8] = [
            "get",
            "list",
            "watch",
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        ];
        !REQUESTS.contains(&self.verb.as_str()) && !self.is_of_impersonation()
    }

    /// As a rule of a role.
    #[must_use]
    pub fn rule(&self) -> Value {
        let mut rule = json!({ "apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb] });
        if self.name != "*" {
            rule["resourceNames"] = json!([self.name]);
        }
        rule
    }
}

/// What the rules of a role allow.
#[must_use]
pub fn rights(role: &Value) -> BTreeSet<Right> {
    let mut all = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let mut names = words(&rule["resourceNames"]);
        if names.is_empty() {
            names.push("*".to_owned());
        }
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for name in &names {
                    all.extend(words(&rule["verbs"]).into_iter().map(|verb| Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                        verb,
                    }));
                }
            }
        }
    }
    all
}

fn words(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str().map(ToOwned::to_owned))
        .collect()
}

/// A role that is bound to an account.
#[derive(Clone, Debug)]
pub struct Held {
    /// Where it counts; everywhere without.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub rights: BTreeSet<Right>,
}

impl Held {
    /// Whether one of its rights is what a request needed.
    #[must_use]
    pub fn covers(&self, event: &Event) -> bool {
        self.is_in_force(event) && self.rights.iter().any(|right| right.covers(event))
    }

    /// The rights of which none of these requests made use (see [`Right::is_asked_for_only`]).
    #[must_use]
    pub fn unused(&self, events: &[Event]) -> Vec<Right> {
        let used = |right: &&Right| {
            let covers = |event: &Event| self.is_in_force(event) && right.covers(event);
            !right.is_asked_for_only() && !events.iter().any(covers)
        };
        self.rights.iter().filter(used).cloned().collect()
    }

    fn is_in_force(&self, event: &Event) -> bool {
        let of = event.object_ref.as_ref().map(|object| &object.namespace);
        self.namespace.is_none() || self.namespace.as_ref() == of
    }
}

/// Every role that is bound to one of Qipan's accounts.
pub async fn held_by(client: &Client, account: &str) -> Result<Vec<Held>> {
    let ours = |subjects: Option<Vec<Subject>>| {
        subjects.into_iter().flatten().any(|s| {
            s.kind == "ServiceAccount"
                && s.name == account
                && s.namespace.as_deref() == Some(NAMESPACE)
        })
    };
    let all = ListParams::default();
    let mut bound = Vec::new();
    let everywhere: Api<ClusterRoleBinding> = Api::all(client.clone());
    for binding in everywhere.list(&all).await? {
        if ours(binding.subjects) {
            bound.push((None, "ClusterRole".to_owned(), binding.role_ref.name));
        }
    }
    let somewhere: Api<RoleBinding> = Api::all(client.clone());
    for binding in somewhere.list(&all).await? {
        if ours(binding.subjects) {
            let of = binding.role_ref;
            bound.push((binding.metadata.namespace, of.kind, of.name));
        }
    }
    let mut held = Vec::new();
    for (namespace, kind, name) in bound {
        let of = namespace.as_deref().filter(|_| kind == "Role");
        let role = if let Some(of) = of {
            let api: Api<Role> = Api::namespaced(client.clone(), of);
            serde_json::to_value(api.get(&name).await?)?
        } else {
            let api: Api<ClusterRole> = Api::all(client.clone());
            serde_json::to_value(api.get(&name).await?)?
        };
        held.push(Held {
            namespace,
            rights: rights(&role),
            name,
        });
    }
    Ok(held)
}

/// What an account asked of a cluster under its own name. What every account may ask (who am I, which kinds are there)
/// is none of its roles.
pub fn asked(testbed: &Testbed, account: &str, cluster: &str) -> Result<Vec<Event>> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
    let mut events = testbed.audit(cluster)?.events_since(0)?;
    events.retain(|e| e.user.username == user && e.object_ref.is_some());
    Ok(events)
}

/// What is granted and not used, and what was refused or is not granted.
#[must_use]
pub fn findings(held: &[Held], asked: &[Event]) -> Vec<String> {
    let mut findings = Vec::new();
    for event in asked {
        let what = || format!("{} {}", event.verb, event.request_uri);
        if event.is_forbidden() {
            findings.push(format!("refused: {}", what()));
        } else if !held.iter().any(|role| role.covers(event)) {
            findings.push(format!("in no role: {}", what()));
        }
    }
    for role in held {
        let unused = role.unused(asked).into_iter();
        findings.extend(unused.map(|right| format!("never used: {right} ({})", role.name)));
    }
    findings
}
