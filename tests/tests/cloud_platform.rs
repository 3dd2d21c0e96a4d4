//! A platform's clusters on the real thing: which may be docked, what is said of those that may not, and that no text about
//! a kubeconfig repeats what is secret in it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use crds::{CloudPlatform, ConditionType};
use harness::world::{MEMBER, PLATFORM, World, platform, profile};
use harness::{
    FIELD_MANAGER, HUB, NAMESPACE, Spec, apply_yaml, eventually, install_member, member_kubeconfig,
};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A member that no platform docks until a test does.
const SPARE: &str = "zj-1";
/// What stands for a credential: it must come up nowhere.
const CREDENTIAL: &str = "geheimnis-0f9d4c";
/// The operator reads version, nodes and policies of a member every 30 s.
const REREAD: Duration = Duration::from_secs(45);

static WORLD: OnceCell<World> = OnceCell::const_new();

async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            World::start(Spec::with_members(&[MEMBER, SPARE]))
                .await
                .unwrap()
        })
        .await
}

/// Puts a text into the Secret that the platform `platform(name, name, ..)` reads.
async fn put_secret(world: &World, cluster: &str, text: &str) {
    let mut secret = Secret::default();
    let name = format!("{cluster}-kubeconfig");
    secret.metadata.name = Some(name.clone());
    secret.metadata.labels = Some([("qipan.dev/kubeconfig".to_owned(), "true".to_owned())].into());
    secret.data = Some(
        [(
            "kubeconfig".to_owned(),
            ByteString(text.as_bytes().to_vec()),
        )]
        .into(),
    );
    let api: Api<Secret> = Api::namespaced(world.hub().await.unwrap(), NAMESPACE);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(&secret))
        .await
        .unwrap();
}

async fn put_platform(world: &World, platform: &Value) {
    apply_yaml(
        &world.hub().await.unwrap(),
        &platform.to_string(),
        NAMESPACE,
    )
    .await
    .unwrap();
}

fn of_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Docks a cluster of this name with such a kubeconfig; gives the sentence by which it is refused.
async fn refused(world: &World, name: &str, kubeconfig: &str, reason: &str) -> String {
    put_secret(world, name, kubeconfig).await;
    put_platform(world, &of_json(&platform(name, name, 10))).await;
    let said = world
        .platform_says(name, ConditionType::Reachable, reason)
        .await
        .unwrap();
    eventually("Ready says the same", REREAD, async || {
        world
            .platform_says(name, ConditionType::Ready, reason)
            .await
    })
    .await
    .unwrap();
    nowhere(world, CREDENTIAL).await;
    said
}

/// Whether a text is in no object, no Event and no log: whoever may read those may not read Secrets.
async fn nowhere(world: &World, text: &str) {
    let hub = world.hub().await.unwrap();
    let platforms = Api::<CloudPlatform>::all(hub.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let platforms = serde_json::to_string(&platforms).unwrap();
    let events = Api::<k8s_openapi::api::events::v1::Event>::all(hub)
        .list(&ListParams::default())
        .await
        .unwrap();
    let events = serde_json::to_string(&events).unwrap();
    let log = world.operator.program.log().unwrap();
    for (place, content) in [
        ("a platform", platforms),
        ("an Event", events),
        ("the operator's log", log),
    ] {
        let line = content.lines().find(|line| line.contains(text));
        let line = line.map(|line| {
            line.chars()
                .rev()
                .take(2000)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>()
        });
        assert!(line.is_none(), "{place} repeats the credential: {line:?}");
    }
}

/// A kubeconfig for the member with other words about its user and, where given, another address.
async fn altered(world: &World, cluster: &str, user: Value, server: Option<&str>) -> String {
    let good = member_kubeconfig(&world.testbed, cluster).await.unwrap();
    let mut kubeconfig: Value = serde_yaml::from_str(&good).unwrap();
    kubeconfig["users"][0]["user"] = user;
    if let Some(server) = server {
        kubeconfig["clusters"][0]["cluster"]["server"] = json!(server);
    }
    kubeconfig.to_string()
}

#[tokio::test]
async fn a_malformed_kubeconfig_is_refused_and_not_repeated() {
    let world = world().await;
    // What people do put there: the token alone, a torn file, a file whose indentation is off.
    for (name, text) in [
        ("blosstoken", CREDENTIAL.to_owned()),
        (
            "zerrissen",
            format!("users: [{{name: u, user: {{token: {CREDENTIAL}"),
        ),
        ("verrutscht", format!("users: {CREDENTIAL}")),
        (
            "verrutscht-b",
            format!("users: [{{name: u, user: {CREDENTIAL}}}]"),
        ),
        (
            "verrutscht-c",
            format!("users: [{{name: u, user: {{token: [{CREDENTIAL}]}}}}]"),
        ),
        (
            "kein-pem",
            altered(
                world,
                MEMBER,
                json!({ "client-certificate-data": CREDENTIAL, "client-key-data": CREDENTIAL }),
                None,
            )
            .await,
        ),
    ] {
        let said = refused(world, name, &text, "KubeconfigMalformed").await;
        assert!(said.contains(&format!("{name}-kubeconfig")), "{said}");
    }
}

#[tokio::test]
async fn what_has_expired_says_when() {
    let world = world().await;
    let certificate = world
        .testbed
        .kubeconfig_for(MEMBER, "qipan-operator", &[], Duration::ZERO)
        .await
        .unwrap();
    let said = refused(world, "abgelaufen", &certificate, "CredentialExpired").await;
    assert!(said.contains("abgelaufen-kubeconfig"), "{said}");
    // {"exp":1700000000}
    let token = format!("{CREDENTIAL}.eyJleHAiOjE3MDAwMDAwMDB9.{CREDENTIAL}");
    let token = altered(world, MEMBER, json!({ "token": token }), None).await;
    let said = refused(world, "abgelaufen-b", &token, "CredentialExpired").await;
    assert!(said.contains("2023-11-14"), "{said}");
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_unauthorized() {
    let world = world().await;
    let token = altered(world, MEMBER, json!({ "token": CREDENTIAL }), None).await;
    refused(world, "unbekannt", &token, "Unauthorized").await;
}

#[tokio::test]
async fn where_nobody_listens_is_unreachable() {
    let world = world().await;
    let nowhere = format!("https://127.0.0.1:{}", harness::free_port().unwrap());
    let token = json!({ "token": CREDENTIAL });
    let kubeconfig = altered(world, MEMBER, token, Some(&nowhere)).await;
    refused(world, "niemand", &kubeconfig, "Unreachable").await;
}

#[tokio::test]
async fn the_hub_by_mistake_and_a_cluster_of_another_platform_are_told_apart() {
    let world = world().await;
    world
        .platform_says(PLATFORM, ConditionType::Reachable, "Connected")
        .await
        .unwrap();
    let hub = member_kubeconfig(&world.testbed, HUB).await.unwrap();
    refused(world, "selbst", &hub, "IsTheHub").await;
    let member = member_kubeconfig(&world.testbed, MEMBER).await.unwrap();
    let said = refused(world, "zweimal", &member, "ClusterDockedTwice").await;
    assert!(said.contains(&format!("{PLATFORM}/{MEMBER}")), "{said}");
    world
        .platform_says(PLATFORM, ConditionType::Reachable, "Connected")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let world = world().await;
    put_platform(world, &of_json(&platform("ohne", "ohne", 10))).await;
    let said = world
        .platform_says("ohne", ConditionType::Reachable, "SecretMissing")
        .await
        .unwrap();
    assert!(said.contains("ohne-kubeconfig"), "{said}");
}

#[tokio::test]
async fn a_program_in_a_kubeconfig_is_never_run() {
    let world = world().await;
    let trace = world.testbed.dir().join("the-program-ran");
    let exec = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "touch",
        "args": [trace], "env": [{ "name": "TOKEN", "value": CREDENTIAL }],
    } });
    let kubeconfig = altered(world, MEMBER, exec, None).await;
    let said = refused(world, "programm", &kubeconfig, "KubeconfigNotAllowed").await;
    assert!(said.contains("users[0].user.exec"), "{said}");
    assert!(!Path::new(&trace).exists(), "the operator ran a program");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_never_sent_a_credential() {
    let world = world().await;
    // Whatever connects to it is told: the operator must not even try.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("http://{}", listener.local_addr().unwrap());
    let token = json!({ "token": CREDENTIAL });
    let kubeconfig = altered(world, MEMBER, token.clone(), Some(&plain)).await;
    let said = refused(world, "offen", &kubeconfig, "KubeconfigInsecure").await;
    assert!(said.contains("clusters[0].cluster.server"), "{said}");
    assert!(said.contains("https://"), "it names the way out: {said}");
    let tried = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
    assert!(tried.is_err(), "the operator connected without TLS");
    let anybody = format!("https://{}", listener.local_addr().unwrap());
    let blind = altered(world, MEMBER, token, Some(&anybody)).await;
    let mut blind: Value = serde_json::from_str(&blind).unwrap();
    blind["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = json!(true);
    let said = refused(world, "blind", &blind.to_string(), "KubeconfigInsecure").await;
    assert!(said.contains("insecure-skip-tls-verify"), "{said}");
    let tried = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
    assert!(tried.is_err(), "the operator trusted whoever answers");
}

#[tokio::test]
async fn a_rotated_secret_connects_without_a_restart() {
    let world = world().await;
    let pid = world.operator.program.pid().unwrap();
    let unknown = altered(world, SPARE, json!({ "token": CREDENTIAL }), None).await;
    let good = member_kubeconfig(&world.testbed, SPARE).await.unwrap();
    put_platform(world, &of_json(&platform("wechsel", SPARE, 10))).await;
    for (text, reason) in [
        ("kind: Config", "KubeconfigMalformed"),
        (&unknown, "Unauthorized"),
    ] {
        put_secret(world, SPARE, text).await;
        world
            .platform_says("wechsel", ConditionType::Reachable, reason)
            .await
            .unwrap();
        let rotated = Instant::now();
        put_secret(world, SPARE, &good).await;
        world
            .platform_says("wechsel", ConditionType::Reachable, "Connected")
            .await
            .unwrap();
        assert!(
            rotated.elapsed() < Duration::from_secs(10),
            "after {:?}",
            rotated.elapsed()
        );
    }
    assert_eq!(
        world.operator.program.pid().unwrap(),
        pid,
        "the operator was not restarted"
    );
    nowhere(world, CREDENTIAL).await;
}

#[tokio::test]
async fn a_hub_docks_its_own_zone_and_others_by_approval_only() {
    let world = world().await;
    let hub = world.hub().await.unwrap();
    let token = altered(world, MEMBER, json!({ "token": CREDENTIAL }), None).await;
    put_secret(world, "waiwang", &token).await;
    let mut internet = of_json(&platform("waiwang", "waiwang", 10));
    internet["spec"]["clusters"][0]["zone"] = json!("Internet");
    internet["spec"]["pools"][0]["zone"] = json!("Internet");
    let says = async |reason: &str| {
        world
            .platform_says("waiwang", ConditionType::Reachable, reason)
            .await
            .unwrap()
    };
    // With its approval a hub in the Management zone asks the cluster, which does not know this token.
    put_platform(world, &internet).await;
    says("Unauthorized").await;
    internet["spec"]["crossZoneApproval"]["until"] = json!("2020-02-29");
    put_platform(world, &internet).await;
    let said = says("ApprovalExpired").await;
    assert!(
        said.contains("2020-02-29") && said.contains("A-1"),
        "{said}"
    );
    internet["spec"]
        .as_object_mut()
        .unwrap()
        .remove("crossZoneApproval");
    put_platform(world, &internet).await;
    says("ZoneForbidden").await;
    // A hub in a zone of its own docks no other, approved or not.
    internet["spec"]["crossZoneApproval"] =
        json!({ "number": "A-2", "by": "ciso", "until": "2099-12-31" });
    put_platform(world, &internet).await;
    says("Unauthorized").await;
    let mut extranet = of_json(&profile());
    extranet["spec"]["hubZone"] = json!("Extranet");
    apply_yaml(&hub, &extranet.to_string(), NAMESPACE)
        .await
        .unwrap();
    let said = says("ZoneForbidden").await;
    assert!(
        said.contains("Internet") && said.contains("Extranet"),
        "{said}"
    );
    world
        .platform_says(PLATFORM, ConditionType::Reachable, "Connected")
        .await
        .unwrap();
    apply_yaml(&hub, &profile(), NAMESPACE).await.unwrap();
    says("Unauthorized").await;
}

#[tokio::test]
async fn a_policy_that_is_gone_from_a_member_is_named_until_it_is_back() {
    let world = world().await;
    let says = async |reason: &str| {
        eventually("the platform says so", REREAD, async || {
            let message = world
                .platform_says(PLATFORM, ConditionType::Ready, reason)
                .await?;
            Ok::<_, anyhow::Error>(message)
        })
        .await
        .unwrap()
    };
    says("Connected").await;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(world.member().await.unwrap());
    let names: Vec<_> = policies
        .list(&ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let victim = names.iter().find(|name| name.contains("qipan")).unwrap();
    policies
        .delete(victim, &DeleteParams::default())
        .await
        .unwrap();
    let said = says("PoliciesMissing").await;
    assert!(
        said.contains(&format!("ValidatingAdmissionPolicy/{victim}")),
        "{said}"
    );
    let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
    eventually("the check says so", REREAD, async || {
        let status = platforms.get(PLATFORM).await?.status.unwrap_or_default();
        let checks = serde_json::to_string(&status.checks)?;
        ensure!(
            checks.contains("PoliciesMissing") && checks.contains(victim.as_str()),
            "{checks}"
        );
        Ok(())
    })
    .await
    .unwrap();
    install_member(&world.testbed, MEMBER).await.unwrap();
    says("Connected").await;
}
