//! Who holds two of the three offices of administrators (design §5), from the hub's cluster roles and their bindings.
//!
//! The same question as the policy `three-administrators` asks: an office is a verb on `governanceprofiles` in the whole
//! cluster, and administrators of the cluster, known by `manage-anywhere`, are outside of it. What a group's members are is the
//! identity provider's to know: two offices of which one is a group's may meet in one person, and that is *unknown*.

use std::collections::{BTreeMap, BTreeSet};

use crds::offices::Office;
use crds::{GROUP, Reason, Verdict, keys};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Subject};

/// Holders that a message names; of more only how many.
const NAMED: usize = 10;
/// Everybody who is signed in, and everything that runs under an account.
const EVERYBODY: &str = "system:authenticated";
const ACCOUNTS: &str = "system:serviceaccounts";

/// Whom a binding names, as the API server knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    User(String),
    Group(String),
}

impl Holder {
    fn of(subject: &Subject) -> Option<Self> {
        let name = subject.name.clone();
        match subject.kind.as_str() {
            "User" => Some(Self::User(name)),
            "Group" => Some(Self::Group(name)),
            "ServiceAccount" => {
                let namespace = subject.namespace.as_deref().unwrap_or_default();
                Some(Self::User(format!(
                    "system:serviceaccount:{namespace}:{name}"
                )))
            }
            _ => None,
        }
    }

    /// Whether whatever is given to `other` is given to this one as well, as far as names tell.
    fn is_among(&self, other: &Self) -> bool {
        let Self::Group(group) = other else {
            return self == other;
        };
        let account = match self {
            Self::User(name) => name.strip_prefix("system:serviceaccount:"),
            Self::Group(_) => None,
        };
        let namespace = account.and_then(|rest| rest.split(':').next());
        self == other
            || group == EVERYBODY
            || group == ACCOUNTS && namespace.is_some()
            || namespace.is_some_and(|of| group.strip_prefix(ACCOUNTS) == Some(&format!(":{of}")))
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// What a role gives, of what is asked here.
#[derive(Clone, Debug, Default)]
struct Gives {
    offices: BTreeSet<Office>,
    anywhere: bool,
}

/// Whether a rule allows a verb on a resource of ours in the whole cluster, whatever the object's name.
fn allows(rule: &PolicyRule, resource: &str, verb: &str) -> bool {
    let has = |list: Option<&Vec<String>>, word: &str| {
        list.is_some_and(|list| list.iter().any(|entry| entry == word || entry == "*"))
    };
    let every_name = rule.resource_names.as_ref().is_none_or(Vec::is_empty);
    every_name
        && has(rule.api_groups.as_ref(), GROUP)
        && has(rule.resources.as_ref(), resource)
        && has(Some(&rule.verbs), verb)
}

fn gives(role: &ClusterRole) -> Gives {
    let rules = role.rules.as_deref().unwrap_or_default();
    let allowed = |resource, verb| rules.iter().any(|rule| allows(rule, resource, verb));
    let held = |office: &Office| allowed("governanceprofiles", office.verb());
    Gives {
        offices: Office::ALL.into_iter().filter(held).collect(),
        anywhere: allowed("tenantquotas", keys::VERB_MANAGE_ANYWHERE),
    }
}

/// The bindings that give each holder each office, and who administers the cluster.
#[derive(Default)]
struct Held {
    offices: BTreeMap<Holder, BTreeMap<Office, BTreeSet<String>>>,
    anywhere: BTreeSet<Holder>,
}

fn held(roles: &[ClusterRole], bindings: &[ClusterRoleBinding]) -> Held {
    let known: BTreeMap<_, _> = roles
        .iter()
        .filter_map(|role| Some((role.metadata.name.as_deref()?, gives(role))))
        .collect();
    let mut held = Held::default();
    for binding in bindings {
        let name = binding.metadata.name.clone().unwrap_or_default();
        let Some(given) = known.get(binding.role_ref.name.as_str()) else {
            continue;
        };
        let subjects = binding.subjects.iter().flatten();
        for holder in subjects.filter_map(Holder::of) {
            if given.anywhere {
                held.anywhere.insert(holder.clone());
            }
            for office in &given.offices {
                let of = held.offices.entry(holder.clone()).or_default();
                of.entry(*office).or_default().insert(name.clone());
            }
        }
    }
    held
}

impl Held {
    fn administers(&self, holder: &Holder) -> bool {
        self.anywhere.iter().any(|admin| holder.is_among(admin))
    }

    /// The offices of a holder with the bindings that give them, those of groups that it is known to be in among them.
    fn offices_of(&self, holder: &Holder) -> BTreeMap<Office, BTreeSet<String>> {
        let mut all: BTreeMap<Office, BTreeSet<String>> = BTreeMap::new();
        for (_, offices) in self.offices.iter().filter(|(h, _)| holder.is_among(h)) {
            for (office, bindings) in offices {
                all.entry(*office).or_default().extend(bindings.clone());
            }
        }
        all
    }

    /// Groups of which a member may hold another office as well.
    fn may_meet(&self) -> BTreeSet<&str> {
        let holders = || self.offices.iter().filter(|(h, _)| !self.administers(h));
        let groups = holders().filter_map(|(holder, offices)| match holder {
            Holder::Group(name) => Some((holder, name, offices)),
            Holder::User(_) => None,
        });
        let meets = |holder: &Holder, offices: &BTreeMap<Office, _>| {
            holders().any(|(other, theirs)| {
                other != holder && theirs.keys().any(|office| !offices.contains_key(office))
            })
        };
        groups
            .filter(|(holder, _, offices)| meets(holder, offices))
            .map(|(_, name, _)| name.as_str())
            .collect()
    }
}

/// Whether the three offices are apart: who holds two of them through which bindings, or what cannot be seen.
#[must_use]
pub fn judge(roles: &[ClusterRole], bindings: &[ClusterRoleBinding]) -> Verdict {
    let held = held(roles, bindings);
    let combined: Vec<String> = held
        .offices
        .keys()
        .filter(|holder| !held.administers(holder))
        .map(|holder| (holder, held.offices_of(holder)))
        .filter(|(_, offices)| offices.len() > 1)
        .map(|(holder, offices)| format!("{holder} ({})", through(&offices)))
        .collect();
    if !combined.is_empty() {
        return Verdict::no(Reason::OfficesCombined)
            .with("count", combined.len())
            .with("holders", some(&combined, "; "));
    }
    let groups = held.may_meet();
    if groups.is_empty() {
        return Verdict::yes(Reason::OfficesApart);
    }
    let groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
    Verdict::unknown(Reason::OfficesUnseen).with("groups", some(&groups, ", "))
}

/// `administer-system by ops, audit by look`.
fn through(offices: &BTreeMap<Office, BTreeSet<String>>) -> String {
    let one = |(office, bindings): (&Office, &BTreeSet<String>)| {
        let bindings: Vec<_> = bindings.iter().map(String::as_str).collect();
        format!("{} by {}", office.verb(), bindings.join("+"))
    };
    offices.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn some(all: &[String], between: &str) -> String {
    let named = all[..all.len().min(NAMED)].join(between);
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}{between}+{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::ConditionStatus;
    use serde_json::json;

    fn role(name: &str, verbs: &[&str]) -> ClusterRole {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "rules": [{ "apiGroups": ["qipan.dev"], "resources": ["governanceprofiles"], "verbs": verbs }],
        }))
        .unwrap()
    }

    fn roles() -> Vec<ClusterRole> {
        let wildcard = json!({
            "metadata": { "name": "cluster-admin" },
            "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }],
        });
        let by_name = json!({
            "metadata": { "name": "one-object" },
            "rules": [{ "apiGroups": ["qipan.dev"], "resources": ["governanceprofiles"],
                        "resourceNames": ["default"], "verbs": ["audit"] }],
        });
        vec![
            role("sys", &["get", "administer-system"]),
            role("sec", &["administer-security"]),
            role("aud", &["audit"]),
            role("two", &["administer-system", "audit"]),
            serde_json::from_value(wildcard).unwrap(),
            serde_json::from_value(by_name).unwrap(),
        ]
    }

    fn bound(name: &str, role: &str, kind: &str, to: &str) -> ClusterRoleBinding {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": kind, "name": to, "namespace": "werk" }],
        }))
        .unwrap()
    }

    fn said(bindings: &[ClusterRoleBinding]) -> (ConditionStatus, Reason, String) {
        let verdict = judge(&roles(), bindings);
        (verdict.status, verdict.reason, verdict.message())
    }

    #[test]
    fn a_person_with_two_offices_is_a_finding_with_the_bindings_that_give_them() {
        let (status, reason, message) = said(&[
            bound("b-sys", "sys", "User", "li"),
            bound("b-aud", "aud", "User", "li"),
            bound("b-sec", "sec", "User", "wang"),
        ]);
        assert_eq!(
            (status, reason),
            (ConditionStatus::False, Reason::OfficesCombined)
        );
        assert!(
            message.starts_with("1 hold two")
                && message.contains("li (administer-system by b-sys, audit by b-aud)")
                && !message.contains("wang"),
            "{message}"
        );
    }

    #[test]
    fn one_role_with_two_offices_and_a_group_with_two_are_findings_too() {
        let (_, reason, message) = said(&[
            bound("beide", "two", "User", "li"),
            bound("g-sec", "sec", "Group", "ops"),
            bound("g-aud", "aud", "Group", "ops"),
        ]);
        assert_eq!(reason, Reason::OfficesCombined);
        assert!(
            message.contains("2 hold two") && message.contains("group ops"),
            "{message}"
        );
    }

    #[test]
    fn what_everybody_is_given_everybody_holds() {
        let (_, reason, message) = said(&[
            bound("alle", "aud", "Group", "system:authenticated"),
            bound("b-sys", "sys", "User", "li"),
        ]);
        assert_eq!(reason, Reason::OfficesCombined);
        assert!(
            message.contains("li (administer-system by b-sys, audit by alle)"),
            "{message}"
        );
        let robots = bound("alle", "aud", "Group", "system:serviceaccounts:werk");
        let robot = bound("b-sys", "sys", "ServiceAccount", "robot");
        assert_eq!(said(&[robots, robot]).1, Reason::OfficesCombined);
    }

    #[test]
    fn members_of_groups_are_unknown_and_never_good() {
        let (status, reason, message) = said(&[
            bound("g-aud", "aud", "Group", "auditors"),
            bound("b-sys", "sys", "User", "li"),
        ]);
        assert_eq!(
            (status, reason),
            (ConditionStatus::Unknown, Reason::OfficesUnseen)
        );
        assert!(message.contains("(auditors)"), "{message}");
        let only_one = said(&[bound("g-aud", "aud", "Group", "auditors")]);
        assert_eq!(
            only_one.0,
            ConditionStatus::True,
            "no second office to meet"
        );
    }

    #[test]
    fn administrators_of_the_cluster_and_single_objects_are_outside_of_it() {
        let apart = said(&[
            bound("admin", "cluster-admin", "Group", "system:masters"),
            bound("root", "cluster-admin", "User", "root"),
            bound("root-aud", "aud", "User", "root"),
            bound("b-sys", "sys", "User", "li"),
            bound("b-one", "one-object", "User", "li"),
            bound("gone", "no-such-role", "User", "li"),
        ]);
        assert_eq!(apart.0, ConditionStatus::True, "{apart:?}");
        assert_eq!(said(&[]).0, ConditionStatus::True);
    }

    #[test]
    fn of_many_the_first_are_named_and_the_rest_counted() {
        let many: Vec<_> = (0..12)
            .map(|n| bound("beide", "two", "User", &format!("p{n:02}")))
            .collect();
        let message = said(&many).2;
        assert!(
            message.starts_with("12 hold") && message.contains("; +2") && !message.contains("p11"),
            "{message}"
        );
    }
}
