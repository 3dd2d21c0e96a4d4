//! Whoever gets hold of the portal's token and leaves its code behind: what the account is refused, under its own name and as
//! other people. Each request is one that an administrator may send, so that no refusal is for want of sense.

use anyhow::{Result, ensure};
use harness::world::SOON;
use harness::{HUB, client_from_file, eventually, hub_kubeconfig, world};
use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::{PORTAL, hub};

/// A request: what it is, as whom (header lines), and what is asked.
struct Attempt {
    what: String,
    /// Header lines that say as whom.
    who: Vec<(&'static str, &'static str)>,
    method: &'static str,
    path: String,
    body: Value,
}

impl Attempt {
    fn new(method: &'static str, path: &str, body: Value) -> Self {
        let dry = if method == "GET" { "" } else { "?dryRun=All" };
        Self {
            what: format!("{method} {path}"),
            who: Vec::new(),
            method,
            path: format!("{path}{dry}"),
            body,
        }
    }

    fn by(mut self, who: &[(&'static str, &'static str)]) -> Self {
        self.what = format!("{} as {who:?}", self.what);
        self.who = who.to_vec();
        self
    }

    /// The status and what is said, with or without the headers.
    async fn sent(&self, client: &Client, with_headers: bool) -> Result<(u16, String)> {
        let kind = if self.method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("content-type", kind);
        for (name, value) in self.who.iter().filter(|_| with_headers) {
            request = request.header(*name, *value);
        }
        let body = match self.method {
            "GET" => Vec::new(),
            _ => self.body.to_string().into_bytes(),
        };
        let answer = client.send(request.body(Body::from(body))?).await?;
        let status = answer.status().as_u16();
        let said = answer.into_body().collect_bytes().await?;
        Ok((status, String::from_utf8_lossy(&said).into_owned()))
    }
}

/// What is deleted only as if: a body speaks louder than the query.
fn dry() -> Value {
    json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] })
}

fn core(path: &str) -> String {
    format!("/api/v1/{path}")
}

fn rbac(path: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/{path}")
}

/// What opens doors: Secrets, tokens, pods, roles and what binds them.
fn what_opens_doors() -> Vec<Attempt> {
    let named = |kind: &str, api: &str| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "probe" } });
    let everything =
        json!({ "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }] });
    let mut bound = named("ClusterRoleBinding", "rbac.authorization.k8s.io/v1");
    bound["roleRef"] = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
    bound["subjects"] =
        json!([{ "kind": "ServiceAccount", "name": "qipan-portal", "namespace": "qipan-system" }]);
    let token = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [] } });
    let mut pod = serde_json::to_value(world::pod("probe", "1")).unwrap_or_default();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let system = "namespaces/qipan-system";
    let of = |name: &str| core(&format!("{system}/serviceaccounts/{name}/token"));
    vec![
        Attempt::new("GET", &core("secrets"), Value::Null),
        Attempt::new("GET", &core(&format!("{system}/secrets")), Value::Null),
        Attempt::new(
            "GET",
            &core(&format!("{system}/secrets/geheim")),
            Value::Null,
        ),
        Attempt::new("GET", &core("pods"), Value::Null),
        Attempt::new("GET", &core("nodes"), Value::Null),
        Attempt::new("GET", &core("namespaces"), Value::Null),
        Attempt::new("GET", &core("events"), Value::Null),
        Attempt::new("POST", &core("namespaces/qp-shuiwu/pods"), pod),
        Attempt::new("GET", &rbac("clusterroles"), Value::Null),
        Attempt::new("GET", &rbac("rolebindings"), Value::Null),
        Attempt::new("POST", &rbac("clusterrolebindings"), bound),
        Attempt::new(
            "PATCH",
            &rbac("clusterroles/qipan:portal"),
            everything.clone(),
        ),
        Attempt::new(
            "PATCH",
            &rbac(&format!("{system}/roles/qipan:portal")),
            everything,
        ),
        Attempt::new("POST", &of("qipan-operator"), token.clone()),
        Attempt::new("POST", &of("qipan-portal"), token),
    ]
}

/// Beyond its two own objects: others of their kinds, and these in any way but reading and changing.
fn what_is_not_its_own() -> Vec<Attempt> {
    let leases = "/apis/coordination.k8s.io/v1/namespaces/qipan-system/leases";
    let maps = core("namespaces/qipan-system/configmaps");
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "probe" } });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "probe" } });
    let held = json!({ "spec": { "holderIdentity": "fremd" } });
    let written = json!({ "data": { "heads": "" } });
    vec![
        Attempt::new("GET", leases, Value::Null),
        Attempt::new("POST", leases, lease),
        Attempt::new("PATCH", &format!("{leases}/fremd"), held.clone()),
        Attempt::new("GET", &format!("{leases}/fremd"), Value::Null),
        Attempt::new("PATCH", &format!("{leases}/qipan-portal"), held),
        Attempt::new("DELETE", &format!("{leases}/qipan-portal"), dry()),
        Attempt::new("GET", &maps, Value::Null),
        Attempt::new("POST", &maps, map),
        Attempt::new("GET", &format!("{maps}/kube-root-ca.crt"), Value::Null),
        Attempt::new(
            "PATCH",
            &format!("{maps}/kube-root-ca.crt"),
            written.clone(),
        ),
        Attempt::new("PATCH", &format!("{maps}/qipan-audit-head"), written),
        Attempt::new("DELETE", &format!("{maps}/qipan-audit-head"), dry()),
    ]
}

/// Objects of Qipan under its own name, whatever it would do with them but list and watch, and their status as anybody.
fn what_is_other_peoples() -> Vec<Attempt> {
    let root = [("impersonate-user", "gd-root")];
    let mut attempts = Vec::new();
    for kind in crds::all() {
        let plural = &kind.spec.names.plural;
        let inside = match kind.spec.scope.as_str() {
            "Namespaced" => "namespaces/qp-shuiwu/",
            _ => "",
        };
        let all = format!("/apis/qipan.dev/v1alpha1/{inside}{plural}");
        let (one, status) = (format!("{all}/probe"), format!("{all}/probe/status"));
        let object = json!({ "apiVersion": "qipan.dev/v1alpha1", "kind": kind.spec.names.kind, "metadata": { "name": "probe" } });
        let merge = json!({ "metadata": { "labels": { "a": "b" } } });
        attempts.extend([
            Attempt::new("POST", &all, object),
            Attempt::new("PATCH", &one, merge.clone()),
            Attempt::new("DELETE", &one, dry()),
            Attempt::new("DELETE", &all, dry()),
            Attempt::new("PATCH", &status, merge.clone()),
            Attempt::new("PATCH", &status, merge).by(&root),
            Attempt::new("GET", &all, Value::Null).by(&root),
            Attempt::new("DELETE", &all, dry()).by(&root),
        ]);
    }
    attempts
}

/// As somebody: who it must not be, and what it must not do as anybody, even as one who may do everything.
fn as_others() -> Vec<Attempt> {
    let tenants = "/apis/qipan.dev/v1alpha1/tenants";
    let tenant = || world::tenant("fremd");
    let whoami = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let masters = [
        ("impersonate-user", "gd-root"),
        ("impersonate-group", "system:masters"),
    ];
    let mut attempts = Vec::new();
    for who in [
        &masters[..],
        &[(
            "impersonate-user",
            "system:serviceaccount:qipan-system:qipan-operator",
        )],
        &[(
            "impersonate-user",
            "system:serviceaccount:kube-system:namespace-controller",
        )],
        &[("impersonate-user", "system:node:node-1")],
        &[
            ("impersonate-user", "system:node:node-1"),
            ("impersonate-group", "system:nodes"),
        ],
        &[("impersonate-user", "gd-root"), ("impersonate-uid", "0815")],
        &[
            ("impersonate-user", "gd-root"),
            ("impersonate-extra-scopes", "all"),
        ],
    ] {
        attempts.push(Attempt::new("POST", tenants, tenant()).by(who));
        attempts.push(Attempt::new("POST", reviews, whoami.clone()).by(who));
    }
    let root = [("impersonate-user", "gd-root")];
    let others = [what_opens_doors(), what_is_not_its_own()];
    attempts.extend(others.into_iter().flatten().map(|one| one.by(&root)));
    attempts
}

/// What the attempts are about.
async fn things(admin: &Client) -> Result<()> {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "geheim" } });
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "fremd" } });
    for object in [secret, lease] {
        harness::apply_yaml(admin, &object.to_string(), harness::NAMESPACE).await?;
    }
    Ok(())
}

/// Refused for want of a right, by a word about the portal's account and nobody else's.
async fn is_refused(portal: &Client, admin: &Client, attempt: &Attempt) -> Result<()> {
    let what = &attempt.what;
    let (status, said) = attempt.sent(portal, true).await?;
    ensure!(
        status == 403 && said.contains(PORTAL),
        "{what}: {status} {said}"
    );
    let (status, said) = attempt.sent(admin, false).await?;
    let nonsense = said.contains("could not find the requested resource");
    ensure!(
        ![401, 403, 405].contains(&status) && !nonsense,
        "an administrator may not, either; {what}: {status} {said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_portals_token_nothing_is_reached_but_what_its_roles_say() -> Result<()> {
    let hub = hub().await?;
    let admin = hub.testbed.client(HUB).await?;
    things(&admin).await?;
    let kubeconfig = hub_kubeconfig(&hub.testbed, "qipan-portal").await?;
    let portal = client_from_file(&kubeconfig).await?;
    // It is let in where it should be: what follows is not refused for a bad token.
    let own = Attempt::new("GET", "/apis/qipan.dev/v1alpha1/tenants", Value::Null);
    eventually("it lists units", SOON, async || {
        let (status, said) = own.sent(&portal, true).await?;
        ensure!(status == 200, "{status} {said}");
        Ok(())
    })
    .await?;
    let attempts = [
        what_opens_doors(),
        what_is_not_its_own(),
        what_is_other_peoples(),
        as_others(),
    ];
    let mut let_in = Vec::new();
    let mut count = 0;
    for attempt in attempts.into_iter().flatten() {
        count += 1;
        if let Err(why) = is_refused(&portal, &admin, &attempt).await {
            let_in.push(why.to_string());
        }
    }
    ensure!(
        let_in.is_empty(),
        "{} of {count}:\n{}",
        let_in.len(),
        let_in.join("\n")
    );
    println!("{count} attempts refused");
    Ok(())
}

/// The legacy verb, and the constrained ones beyond people: asked of the authorizer itself, by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_portal_holds_no_verb_to_be_anything_but_a_person() -> Result<()> {
    let hub = hub().await?;
    let kubeconfig = hub_kubeconfig(&hub.testbed, "qipan-portal").await?;
    let portal = client_from_file(&kubeconfig).await?;
    let api = "authentication.k8s.io";
    let mut wanted = vec![(api, "users", "impersonate:user-info", true)];
    for (group, resource) in [
        ("", "users"),
        ("", "groups"),
        ("", "serviceaccounts"),
        (api, "users"),
        (api, "uids"),
        (api, "userextras/scopes"),
    ] {
        wanted.push((group, resource, "impersonate", false));
    }
    for resource in ["uids", "userextras/scopes"] {
        wanted.push((api, resource, "impersonate:user-info", false));
    }
    wanted.push((api, "serviceaccounts", "impersonate:serviceaccount", false));
    wanted.push((api, "nodes", "impersonate:arbitrary-node", false));
    wanted.push((api, "nodes", "impersonate:associated-node", false));
    for (group, resource) in [
        ("", "pods"),
        ("", "secrets"),
        ("", "configmaps"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ] {
        for verb in ["get", "list", "create", "update", "patch", "delete"] {
            let on: &'static str =
                Box::leak(format!("impersonate-on:user-info:{verb}").into_boxed_str());
            wanted.push((group, resource, on, false));
        }
    }
    for (group, resource, verb, allowed) in wanted {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": { "group": group, "resource": resource, "subresource": subresource, "verb": verb } },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let review = Attempt {
            path: path.to_owned(),
            ..Attempt::new("POST", path, asked)
        };
        eventually(&format!("{verb} {resource}"), SOON, async || {
            let (status, said) = review.sent(&portal, true).await?;
            ensure!(status == 201, "{status} {said}");
            let answer: Value = serde_json::from_str(&said)?;
            let given = answer["status"]["allowed"] == true;
            ensure!(given == allowed, "{verb} {resource}.{group}: {given}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
