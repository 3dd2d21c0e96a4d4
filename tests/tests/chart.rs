//! The chart: it lints, renders, refuses wrong values, applies, runs as Restricted; and its roles say what is decided.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::rights::{Right, rights as allowed};
use harness::{
    HUB, Spec, Testbed, apply_yaml, eventually, install_hub, install_member, tools, yaml_files,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::PostParams;
use serde::Deserialize;
use serde_json::{Value, json};

#[path = "chart/applied.rs"]
mod applied;

const NAMESPACE: &str = "qipan-system";
/// Everything that is off by default, switched on.
const ALL: [&str; 16] = [
    "hubIsMember=true",
    "operator.wayIn.secretName=operator-way-in",
    "portal.notifications.secretName=portal-notifications",
    "portal.replicas=2",
    "portal.database.secretName=portal-database",
    "portal.demo=true",
    "publicUrl=https://portal.example.gov.cn",
    "portal.oidc.issuer=https://id.example.gov.cn/realms/qipan",
    "portal.oidc.secretName=portal-oidc",
    "portal.oidc.caConfigMap=portal-oidc-ca",
    "portal.ingress.enabled=true",
    "portal.ingress.tlsSecretName=portal-tls",
    "portal.httpRoute.enabled=true",
    "portal.httpRoute.parentRefs[0].name=public",
    "metrics.serviceMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
];

fn helm(arguments: &[&str], set: &[&str]) -> Result<String> {
    let mut command = Command::new(tools::helm()?);
    command.current_dir(tools::repository()).args(arguments);
    command.args(["--namespace", NAMESPACE]);
    for value in set {
        command.args(["--set", value]);
    }
    tools::run(&mut command)
}

fn render(set: &[&str]) -> Result<String> {
    helm(&["template", "qipan", "charts/qipan"], set)
}

fn documents(text: &str) -> Result<Vec<Value>> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).map_err(Into::into))
        .filter(|value| !matches!(value, Ok(Value::Null)))
        .collect()
}

fn rendered(set: &[&str]) -> Result<Vec<Value>> {
    documents(&render(set)?)
}

fn file(path: &str) -> Result<Vec<Value>> {
    let path = tools::repository().join("charts/qipan/files").join(path);
    documents(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let is = |o: &&Value| o["kind"] == kind && o["metadata"]["name"] == name;
    objects
        .iter()
        .find(is)
        .with_context(|| format!("no {kind} {name}"))
}

#[test]
fn it_lints() -> Result<()> {
    helm(&["lint", "charts/qipan", "--strict"], &[])?;
    helm(&["lint", "charts/qipan", "--strict"], &ALL).map(drop)
}

#[test]
fn every_object_is_rendered_once_and_in_our_namespace() -> Result<()> {
    for set in [
        &[][..],
        &ALL,
        &["workloads.enabled=false", "hubIsMember=true"],
    ] {
        let objects = rendered(set)?;
        let mut names: Vec<_> = objects
            .iter()
            .map(|o| format!("{}/{}", o["kind"], o["metadata"]["name"]))
            .collect();
        names.sort();
        let count = names.len();
        names.dedup();
        ensure!(names.len() == count, "{set:?}: an object is rendered twice");
        for object in &objects {
            let namespace = &object["metadata"]["namespace"];
            ensure!(namespace.is_null() || namespace == NAMESPACE, "{object}");
        }
    }
    Ok(())
}

#[test]
fn without_workloads_nothing_runs() -> Result<()> {
    let mut set = ALL.to_vec();
    set.push("workloads.enabled=false");
    for object in rendered(&set)? {
        let kind = object["kind"].as_str().unwrap_or_default();
        ensure!(
            ![
                "Deployment",
                "Service",
                "PodDisruptionBudget",
                "Ingress",
                "HTTPRoute",
            ]
            .contains(&kind),
            "{object}"
        );
    }
    Ok(())
}

#[test]
fn wrong_values_are_refused() -> Result<()> {
    for wrong in [
        "operator.replicas=0",
        "operator.replicas=two",
        "operator.image.pullPolicy=Sometimes",
        "operator.logFormat=xml",
        "operater.replicas=2",
        "workloads.enabled=maybe",
        "portal.service.type=ExternalName",
        "portal.service.port=70000",
        "portal.demo=1",
        "portal.auditHash=md5",
        "portal.database.persistence.size=much",
        "publicUrl=portal.example.gov.cn",
        "portal.oidc.issuer=http://id.example.gov.cn",
        "portal.oidc.scopes[0]=two words",
        "portal.session.idleMinutes=1",
        "portal.session.hours=48",
        "portal.httpRoute.parentRefs[0].nmae=public",
        "metrics.serviceMonitor.interval=often",
        "imagePullSecrets[0].nmae=pull",
    ] {
        let Err(refusal) = render(&[wrong]) else {
            anyhow::bail!("{wrong} is let in");
        };
        ensure!(
            refusal.to_string().contains("values don't meet"),
            "{wrong}: {refusal}"
        );
    }
    Ok(())
}

#[test]
fn replicas_of_the_portal_share_a_database() -> Result<()> {
    let refusal = render(&["portal.replicas=2"]).map_err(|e| e.to_string());
    ensure!(
        refusal
            .as_ref()
            .is_err_and(|e| e.contains("portal.database.secretName")),
        "{refusal:?}"
    );
    let objects = rendered(&[])?;
    let deployment = find(&objects, "Deployment", "qipan-portal")?;
    ensure!(
        deployment["spec"]["strategy"]["type"] == "Recreate",
        "{deployment}"
    );
    find(&objects, "PersistentVolumeClaim", "qipan-portal-database")?;
    let shared = rendered(&["portal.database.secretName=db"])?;
    ensure!(find(&shared, "PersistentVolumeClaim", "qipan-portal-database").is_err());
    Ok(())
}

/// What the chart renders for the identity provider is what the program reads: its flags, and the Secret as a file.
#[test]
fn the_identity_provider_reaches_the_portal_and_its_secret_is_a_file() -> Result<()> {
    let objects = rendered(&ALL)?;
    let pod = &find(&objects, "Deployment", "qipan-portal")?["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let args: Vec<_> = container["args"]
        .as_array()
        .context("args")?
        .iter()
        .collect();
    for wanted in [
        "--oidc-issuer=https://id.example.gov.cn/realms/qipan",
        "--oidc-client-secret-file=/etc/qipan/oidc/client-secret",
        "--oidc-ca-file=/etc/qipan/oidc-ca/ca.crt",
        "--oidc-username-prefix=",
        "--public-url=https://portal.example.gov.cn",
    ] {
        ensure!(
            args.iter().any(|arg| *arg == wanted),
            "no {wanted} in {args:?}"
        );
    }
    let binary = tools::binary("qipan-portal")?;
    let help = tools::run(Command::new(binary).args(["serve", "--help"]))?;
    for arg in args.iter().filter_map(|arg| arg.as_str()) {
        let flag = arg.split('=').next().unwrap_or_default();
        ensure!(
            flag == "serve" || help.contains(flag),
            "the program has no {flag}"
        );
    }
    let volumes = pod["volumes"].as_array().context("volumes")?;
    let secret = volumes
        .iter()
        .find(|volume| volume["name"] == "oidc")
        .context("no volume")?;
    ensure!(secret["secret"]["secretName"] == "portal-oidc", "{secret}");
    let refusal =
        render(&["portal.oidc.issuer=https://id.example.gov.cn"]).map_err(|e| e.to_string());
    ensure!(
        refusal.as_ref().is_err_and(|e| e.contains("publicUrl")),
        "{refusal:?}"
    );
    Ok(())
}

#[test]
fn the_way_in_takes_its_host_from_the_public_url() -> Result<()> {
    let objects = rendered(&ALL)?;
    let ingress = &find(&objects, "Ingress", "qipan-portal")?["spec"];
    ensure!(
        ingress["rules"][0]["host"] == "portal.example.gov.cn",
        "{ingress}"
    );
    ensure!(ingress["tls"][0]["secretName"] == "portal-tls", "{ingress}");
    let route = &find(&objects, "HTTPRoute", "qipan-portal")?["spec"];
    ensure!(
        route["hostnames"] == json!(["portal.example.gov.cn"]),
        "{route}"
    );
    let port = &find(&objects, "Service", "qipan-portal")?["spec"]["ports"][0]["port"];
    ensure!(
        &route["rules"][0]["backendRefs"][0]["port"] == port,
        "{route}"
    );
    let none = rendered(&[])?;
    ensure!(find(&none, "Ingress", "qipan-portal").is_err());
    ensure!(find(&none, "HTTPRoute", "qipan-portal").is_err());
    for (set, says) in [
        (&["portal.ingress.enabled=true"][..], "publicUrl"),
        (
            &[
                "portal.httpRoute.enabled=true",
                "publicUrl=https://portal.example.gov.cn",
            ],
            "parentRefs",
        ),
    ] {
        let refusal = render(set).map_err(|e| e.to_string());
        ensure!(
            refusal.as_ref().is_err_and(|e| e.contains(says)),
            "{set:?}: {refusal:?}"
        );
    }
    Ok(())
}

#[test]
fn another_namespace_is_refused_with_the_way_out() -> Result<()> {
    let mut command = Command::new(tools::helm()?);
    command
        .current_dir(tools::repository())
        .args(["template", "qipan", "charts/qipan"]);
    let refusal = tools::run(command.args(["--namespace", "default"])).map_err(|e| e.to_string());
    ensure!(
        refusal
            .as_ref()
            .is_err_and(|e| e.contains("--namespace qipan-system")),
        "{refusal:?}"
    );
    Ok(())
}

/// What no account of Qipan may do anywhere (design §1.7, §1.8).
fn is_dangerous(
    Right {
        group,
        resource,
        verb,
        ..
    }: &Right,
) -> bool {
    let (_, sub) = resource.split_once('/').unwrap_or((resource, ""));
    group == "*"
        || resource == "*"
        || ["*", "impersonate", "escalate"].contains(&verb.as_str())
        || [
            "exec",
            "attach",
            "portforward",
            "proxy",
            "ephemeralcontainers",
            "token",
        ]
        .contains(&sub)
}

#[test]
fn accounts_may_nothing_dangerous_and_read_secrets_in_one_namespace_only() -> Result<()> {
    let mut objects = rendered(&ALL)?;
    objects.extend(file("member.yaml")?);
    for name in ["qipan:operator", "qipan:member-operator", "qipan:portal"] {
        let may = allowed(find(&objects, "ClusterRole", name)?);
        ensure!(!may.is_empty(), "{name} allows nothing: is it read?");
        for one in &may {
            // Tokens of the one account that is for people, and of no other.
            let way_in =
                one.resource == "serviceaccounts/token" && one.name == crds::keys::WAY_IN_ACCOUNT;
            let way_in = way_in && name == "qipan:member-operator";
            ensure!(way_in || !is_dangerous(one), "{name} may {one:?}");
            // Pods are counted in members, never read one by one or written.
            let counted = name == "qipan:member-operator" && one.verb == "list";
            ensure!(
                one.resource != "secrets" && (one.resource != "pods" || counted),
                "{name} may {one:?}"
            );
            // The operator enacts what was approved (design §1.6); what it may raise is bound by policy and by its own plan.
            let enacts = name == "qipan:operator";
            ensure!(enacts || one.verb != "grant", "{name} may grant: {one:?}");
            ensure!(
                one.verb != "bind" || one.name != "*",
                "{name} may bind every role"
            );
        }
    }
    let own = allowed(find(&objects, "Role", "qipan:operator")?);
    ensure!(
        own.iter().any(|one| one.resource == "secrets"),
        "the operator reads its kubeconfigs"
    );
    ensure!(own.iter().all(|one| !is_dangerous(one)), "{own:?}");
    Ok(())
}

#[test]
fn nobody_holds_the_legacy_verb_impersonate() -> Result<()> {
    let mut objects = rendered(&ALL)?;
    objects.extend(file("member.yaml")?);
    for object in objects
        .iter()
        .filter(|o| o["kind"] == "ClusterRole" || o["kind"] == "Role")
    {
        let legacy = allowed(object)
            .into_iter()
            .find(|one| one.verb == "impersonate");
        ensure!(
            legacy.is_none(),
            "{}: {legacy:?}",
            object["metadata"]["name"]
        );
    }
    Ok(())
}

#[test]
fn of_people_only_the_authority_grants() -> Result<()> {
    for object in rendered(&ALL)?
        .iter()
        .filter(|o| o["kind"] == "ClusterRole")
    {
        let grants = allowed(object).iter().any(|one| one.verb == "grant");
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let may = ["qipan:authority", "qipan:operator"].contains(&name);
        ensure!(grants == may, "{object}");
    }
    Ok(())
}

#[test]
fn every_kind_can_be_viewed_and_those_with_a_controller_are_in_the_operators_role() -> Result<()> {
    let objects = rendered(&ALL)?;
    for name in ["qipan:operator", "qipan:portal", "qipan:viewer"] {
        let may = allowed(find(&objects, "ClusterRole", name)?);
        let of_the_operator = |plural: &str| crds::MANAGED.contains(&plural);
        for kind in crds::all() {
            if name == "qipan:operator" && !of_the_operator(&kind.spec.names.plural) {
                continue;
            }
            let watched = Right {
                group: crds::GROUP.to_owned(),
                resource: kind.spec.names.plural,
                name: "*".to_owned(),
                verb: "watch".to_owned(),
            };
            ensure!(may.contains(&watched), "{name} may not: {watched}");
        }
    }
    Ok(())
}

#[test]
fn the_portal_writes_objects_of_every_kind_for_people_and_nothing_else() -> Result<()> {
    const ON: &str = "impersonate-on:user-info:";
    let objects = rendered(&ALL)?;
    let may = allowed(find(&objects, "ClusterRole", "qipan:portal")?);
    let on: Rights = may
        .into_iter()
        .filter(|one| one.verb.starts_with(ON))
        .collect();
    let kinds = crds::all().into_iter();
    let wanted: Rights = kinds
        .flat_map(|kind| {
            ["create", "delete", "patch", "update"].map(|verb| Right {
                group: crds::GROUP.to_owned(),
                resource: kind.spec.names.plural.clone(),
                name: "*".to_owned(),
                verb: format!("{ON}{verb}"),
            })
        })
        .collect();
    let (more, less) = differences(&on, &wanted);
    ensure!(
        more.is_empty() && less.is_empty(),
        "too much {more:?}, missing {less:?}"
    );
    Ok(())
}

type Rights = BTreeSet<Right>;

/// What `left` has and `right` has not, and the other way round.
fn differences(left: &Rights, right: &Rights) -> (Rights, Rights) {
    (
        left.difference(right).cloned().collect(),
        right.difference(left).cloned().collect(),
    )
}

#[test]
fn alerts_name_metrics_that_there_are() -> Result<()> {
    let root = tools::repository();
    let alerts = std::fs::read_to_string(root.join("charts/qipan/files/alerts.yaml"))?;
    let metrics = std::fs::read_to_string(root.join("operator/src/runtime/metrics.rs"))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for line in alerts
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:"))
    {
        for word in line
            .split(|c| !is_name(c))
            .filter(|word| word.starts_with("qipan_"))
        {
            ensure!(
                metrics.contains(&format!("\"{word}\"")),
                "no metric {word}: {line}"
            );
        }
    }
    Ok(())
}

#[test]
fn alerts_fire_when_they_should() -> Result<()> {
    let promtool = match harness::debian::unpacked("promtool", "prometheus")? {
        Ok(promtool) => promtool,
        Err(why) => {
            println!("skipped: the alerts, because there is {why}");
            return Ok(());
        }
    };
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/alerts.yaml");
    tools::run(Command::new(promtool).args(["test", "rules", cases])).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_applies_to_a_hub_that_is_its_own_member_and_runs_restricted() -> Result<()> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let client = testbed.client(HUB).await?;
    apply_yaml(
        &client,
        &render(&["workloads.enabled=false", "hubIsMember=true"])?,
        NAMESPACE,
    )
    .await?;
    // The manifest of members says the same: applied over it, nothing contradicts.
    install_member(&testbed, HUB).await?;
    runs_restricted(&testbed).await?;
    tenants_may_what_edit_may(&testbed).await?;
    examples_and_sample_are_let_in(&testbed).await
}

/// Every file of `crds/examples` and `tests/sample` passes schema, rules and policies of a real API server, and there is an
/// example of every kind.
async fn examples_and_sample_are_let_in(testbed: &Testbed) -> Result<()> {
    let client = testbed.client(HUB).await?;
    let root = tools::repository();
    let mut kinds = BTreeSet::new();
    for (folder, examples) in [("crds/examples", true), ("tests/sample", false)] {
        for path in yaml_files(&root.join(folder))? {
            let text = std::fs::read_to_string(&path)?;
            for object in documents(&text)? {
                // The operator makes these; here there is none.
                if let Some(name) = object["metadata"]["namespace"].as_str() {
                    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                    apply_yaml(&client, &namespace.to_string(), NAMESPACE).await?;
                }
                if examples {
                    kinds.insert(object["kind"].as_str().unwrap_or_default().to_owned());
                }
            }
            apply_yaml(&client, &text, NAMESPACE)
                .await
                .with_context(|| path.display().to_string())?;
        }
    }
    let all: BTreeSet<_> = crds::all()
        .into_iter()
        .map(|kind| kind.spec.names.kind)
        .collect();
    ensure!(kinds == all, "examples of {kinds:?}, kinds {all:?}");
    Ok(())
}

/// The pods of both programs pass the Pod Security Standard Restricted of a real API server.
async fn runs_restricted(testbed: &Testbed) -> Result<()> {
    let client = testbed.client(HUB).await?;
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": "restricted", "labels": labels}});
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &serde_json::from_value(namespace)?)
        .await?;
    let pods: Api<Pod> = Api::namespaced(client, "restricted");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let objects = rendered(&ALL)?;
    for name in ["qipan-operator", "qipan-portal"] {
        let template = &find(&objects, "Deployment", name)?["spec"]["template"];
        let mut spec = template["spec"].clone();
        for container in spec["containers"].as_array().context("containers")? {
            ensure!(
                container["securityContext"]["readOnlyRootFilesystem"] == true,
                "{name}"
            );
            ensure!(
                container["readinessProbe"]["httpGet"]["path"] == "/readyz",
                "{name}"
            );
            ensure!(
                container["livenessProbe"]["httpGet"]["path"] == "/livez",
                "{name}"
            );
        }
        // Its account is in another namespace.
        spec["serviceAccountName"] = json!("default");
        let pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        // A namespace's default account comes a moment after it.
        eventually(name, std::time::Duration::from_secs(10), async || {
            pods.create(&dry, &pod).await
        })
        .await?;
    }
    Ok(())
}

/// `qipan:tenant` is this server's `edit` without what its comment says, and nothing beside.
async fn tenants_may_what_edit_may(testbed: &Testbed) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(testbed.client(HUB).await?);
    let edit = allowed(&serde_json::to_value(roles.get("edit").await?)?);
    let tenant = allowed(&serde_json::to_value(roles.get("qipan:tenant").await?)?);
    ensure!(!edit.is_empty() && !tenant.is_empty());
    let (more, less) = differences(&tenant, &edit);
    ensure!(
        more.is_empty(),
        "qipan:tenant may what edit may not: {more:?}"
    );
    for one in less {
        let Right {
            group,
            resource,
            verb,
            ..
        } = &one;
        let known = group == "extensions"
            || group == crds::GROUP
            || (resource == "networkpolicies"
                && !["get", "list", "watch"].contains(&verb.as_str()))
            || (resource == "serviceaccounts" && verb == "impersonate");
        ensure!(
            known,
            "edit may, and qipan:tenant does not say why it may not: {one:?}"
        );
    }
    Ok(())
}
