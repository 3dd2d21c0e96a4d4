//! Who looks: the province's authority, who sees everything, a department that sees its own, and many.

use anyhow::Result;
use jiff::Timestamp;
use portal::db::Db;
use portal::identity::User;
use portal::identity::sessions::{Arrival, IDLE, LIFE, Sessions, Way};
use serde_json::{Value, json};

/// Everybody who sees everything.
const VIEWERS: &str = "bench-viewers";
const AUDITORS: &str = "bench-auditors";
const OWNERS: &str = "bench-owners";

/// Somebody who is signed in.
pub(crate) struct Visitor {
    /// What they are.
    pub(crate) post: &'static str,
    /// The cookie of their session.
    pub(crate) cookie: String,
}

/// Their rights on the hub.
pub(crate) fn bindings() -> Value {
    let binding = |kind: &str, namespace: Option<&str>, role: &str, group: &str| {
        let api = "rbac.authorization.k8s.io";
        json!({
            "apiVersion": format!("{api}/v1"), "kind": kind,
            "metadata": { "name": format!("{group}-{}", role.replace(':', "-")), "namespace": namespace },
            "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
        })
    };
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        binding("ClusterRoleBinding", None, "qipan:viewer", VIEWERS),
        binding("ClusterRoleBinding", None, "qipan:auditor", AUDITORS),
        binding("RoleBinding", Some("qp-t0"), "qipan:owner", OWNERS),
    ]})
}

/// Signs somebody in, as the sign-in would.
async fn sign_in(db: &Db, name: &str, groups: &[&str]) -> Result<String> {
    let now = Timestamp::now();
    let arrival = Arrival {
        user: User {
            name: name.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            post: None,
        },
        level: String::new(),
        authenticated: now,
        way: Way::Provider,
        provider_session: String::new(),
        agent: "bench".to_owned(),
    };
    let token = Sessions::in_database(db.clone(), IDLE, LIFE)
        .begin(&arrival, now)
        .await?;
    Ok(format!("qipan_session={token}"))
}

/// Those whose visits are measured.
pub(crate) async fn visitors(db: &Db) -> Result<Vec<Visitor>> {
    let mut visitors = Vec::new();
    for (post, groups) in [
        ("authority", [VIEWERS, AUDITORS]),
        ("department", [OWNERS, OWNERS]),
    ] {
        let cookie = sign_in(db, &format!("bench-{post}"), &groups).await?;
        visitors.push(Visitor { post, cookie });
    }
    Ok(visitors)
}

/// Many, each with a page open: one in ten sees everything, the others their own.
pub(crate) async fn many(db: &Db, count: usize) -> Result<Vec<String>> {
    let mut cookies = Vec::with_capacity(count);
    for n in 0..count {
        let group = if n.is_multiple_of(10) {
            VIEWERS
        } else {
            OWNERS
        };
        cookies.push(sign_in(db, &format!("bench-person-{n}"), &[group]).await?);
    }
    Ok(cookies)
}
