//! Takes each right away in turn and sends again what needed it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::rights::{Held, Right};
use harness::world::{MEMBER, World, grant};
use harness::{
    Event, HUB, NAMESPACE, client_from_file, client_from_text, eventually, hub_kubeconfig,
    member_kubeconfig,
};
use http::Request;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::scenario::TENANT;

/// An authoriser hears of a changed role at once, or a moment later.
const SOON: Duration = Duration::from_secs(10);

/// A request that a right is needed for.
struct Needing {
    method: &'static str,
    path: String,
    body: Value,
}

/// Gives the number of rights that were tried.
pub(crate) async fn each_in_turn(
    world: &World,
    (account, cluster): (&str, &str),
    held: &[Held],
    asked: &[Event],
) -> Result<usize> {
    let admin = world.testbed.client(cluster).await?;
    let ours = match cluster {
        HUB => client_from_file(&hub_kubeconfig(&world.testbed, account).await?).await?,
        _ => client_from_text(&member_kubeconfig(&world.testbed, cluster).await?).await?,
    };
    let mut count = 0;
    for role in held {
        for right in &role.rights {
            let needing = needing(right, cluster, asked).with_context(|| right.to_string())?;
            let refusal = refused(&ours, &needing).await?;
            ensure!(
                refusal.is_none(),
                "{right}: refused although it is held: {refusal:?}"
            );
            let mut without = role.rights.clone();
            without.remove(right);
            set(&admin, role, &without).await?;
            eventually(
                &format!("without {right} something is refused"),
                SOON,
                async || {
                    let refusal = refused(&ours, &needing).await?;
                    refusal.context("it is let in")
                },
            )
            .await?;
            set(&admin, role, &role.rights).await?;
            eventually(
                &format!("with {right} again it is let in"),
                SOON,
                async || {
                    let refusal = refused(&ours, &needing).await?;
                    ensure!(refusal.is_none(), "{refusal:?}");
                    Ok(())
                },
            )
            .await?;
            count += 1;
        }
    }
    Ok(count)
}

/// The request of the audit log that made use of a right, or one that admission will ask for it.
fn needing(right: &Right, cluster: &str, asked: &[Event]) -> Result<Needing> {
    let dry = "dryRun=All&fieldManager=roles";
    let home = if cluster == MEMBER {
        format!("{TENANT}-neu")
    } else {
        format!("qp-{TENANT}")
    };
    let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{home}/rolebindings");
    let labels = json!({ "app.kubernetes.io/managed-by": "qipan", "qipan.dev/tenant": TENANT });
    match right.verb.as_str() {
        "bind" => Ok(Needing {
            method: "POST",
            path: format!("{bindings}?{dry}"),
            body: json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": { "name": "probe", "labels": labels },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": right.name },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "probe" }],
            }),
        }),
        // Giving a right takes holding it.
        "approve-platformowner" => Ok(Needing {
            method: "POST",
            path: format!("{}?{dry}", bindings.replace("rolebindings", "roles")),
            body: json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": { "name": "qipan:platform-owner:probe", "labels": labels },
                "rules": [{ "apiGroups": [crds::GROUP], "resources": ["cloudplatforms"], "resourceNames": ["probe"], "verbs": [right.verb] }],
            }),
        }),
        "manage-children" => {
            let name = if cluster == MEMBER {
                "qipan:tenant"
            } else {
                "qipan:owner"
            };
            Ok(Needing {
                method: "PATCH",
                path: format!("{bindings}/{name}?{dry}"),
                body: json!({ "metadata": { "annotations": { "probe": "true" } } }),
            })
        }
        "grant" => Ok(Needing {
            method: "POST",
            path: format!("/apis/qipan.dev/v1alpha1/namespaces/qp-{TENANT}/tenantquotas?{dry}"),
            body: grant(TENANT, "probe", 1, &[]),
        }),
        _ => as_it_was_sent(right, asked, dry),
    }
}

/// The request of the audit log that made use of a right.
fn as_it_was_sent(right: &Right, asked: &[Event], dry: &str) -> Result<Needing> {
    let event = asked
        .iter()
        .find(|event| right.covers(event))
        .context("never used")?;
    let path = event.request_uri.split('?').next().unwrap_or_default();
    let (method, query) = match right.verb.as_str() {
        "watch" => ("GET", "watch=true&timeoutSeconds=1".to_owned()),
        "get" | "list" => (
            "GET",
            event
                .request_uri
                .split_once('?')
                .map_or("", |(_, query)| query)
                .to_owned(),
        ),
        "create" => ("POST", dry.to_owned()),
        "update" => ("PUT", dry.to_owned()),
        "patch" => ("PATCH", dry.to_owned()),
        "delete" => ("DELETE", "dryRun=All".to_owned()),
        other => anyhow::bail!("no request has the verb {other}"),
    };
    // An empty body: whether it is allowed is asked before it is read.
    Ok(Needing {
        method,
        path: format!("{path}?{query}"),
        body: json!({}),
    })
}

/// Sends a request; gives the refusal if it is one for want of a right, whatever else may be wrong with it.
async fn refused(client: &Client, needing: &Needing) -> Result<Option<String>> {
    let mut request = Request::builder().method(needing.method).uri(&needing.path);
    let kind = if needing.method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    request = request.header("content-type", kind);
    let body = if needing.method == "GET" {
        Vec::new()
    } else {
        needing.body.to_string().into_bytes()
    };
    let answer = client
        .send(request.body(kube::client::Body::from(body))?)
        .await?;
    Ok((answer.status() == 403).then(|| format!("{} {}", needing.method, needing.path)))
}

/// Makes a role of exactly these rights.
async fn set(admin: &Client, role: &Held, rights: &BTreeSet<Right>) -> Result<()> {
    let rules: Vec<Value> = rights.iter().map(Right::rule).collect();
    let merge = Patch::Merge(json!({ "rules": rules }));
    let params = PatchParams::default();
    if let Some(namespace) = &role.namespace {
        ensure!(
            namespace == NAMESPACE,
            "{} is bound in {namespace}",
            role.name
        );
        let api: Api<Role> = Api::namespaced(admin.clone(), namespace);
        api.patch(&role.name, &params, &merge).await?;
    } else {
        let api: Api<ClusterRole> = Api::all(admin.clone());
        api.patch(&role.name, &params, &merge).await?;
    }
    Ok(())
}
