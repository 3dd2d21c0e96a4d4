//! The testbed itself: what every other test takes for granted.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use harness::{HUB, Program, Spec, Testbed, apply_yaml, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ResourceQuota};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use rustix::process::{Pid, Signal, kill_process};

const SOON: Duration = Duration::from_secs(30);

fn pod(name: &str, cpu: &str) -> Pod {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": name},
        "spec": {"containers": [{
            "name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}},
        }]},
    }))
    .unwrap()
}

async fn kube_system_uid(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

#[tokio::test]
async fn a_quota_refuses_one_pod_and_the_scheduler_runs_another() {
    let testbed = Testbed::shared().await.unwrap();
    let member = testbed.client("province").await.unwrap();
    // Its own in every run, and removed: an existing cluster is used again.
    let namespace = format!("t-quota-{}", std::process::id());
    let yaml = format!(
        "
apiVersion: v1
kind: ResourceQuota
metadata: {{name: small, namespace: {namespace}}}
spec: {{hard: {{requests.cpu: '3'}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
"
    );
    apply_yaml(&member, &yaml, "default").await.unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(member.clone(), &namespace);
    eventually("the quota is in force", SOON, async || {
        let status = quotas.get_status("small").await?.status.unwrap_or_default();
        anyhow::ensure!(status.hard.is_some(), "its status is {status:?}");
        Ok(())
    })
    .await
    .unwrap();

    let pods: Api<Pod> = Api::namespaced(member.clone(), &namespace);
    // The service account controller makes `default` a moment after the namespace; until then pods are refused too.
    eventually("the pod that fits is let in", SOON, async || {
        pods.create(&PostParams::default(), &pod("fits", "2")).await
    })
    .await
    .unwrap();
    let refusal = pods
        .create(&PostParams::default(), &pod("too-much", "2"))
        .await
        .unwrap_err();
    assert!(
        refusal.to_string().contains("exceeded quota: small"),
        "{refusal}"
    );

    let running = eventually("the pod runs", SOON, async || {
        let pod = pods.get("fits").await?;
        let phase = pod.status.as_ref().and_then(|s| s.phase.clone());
        anyhow::ensure!(phase.as_deref() == Some("Running"), "it is {phase:?}");
        Ok(pod)
    })
    .await
    .unwrap();
    let node = running.spec.unwrap().node_name.unwrap();
    assert!(!node.is_empty(), "it runs nowhere");
    let namespaces: Api<Namespace> = Api::all(member);
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_in_particular_sees_health_and_nothing_else() {
    let testbed = Testbed::shared().await.unwrap();
    if testbed.is_external() {
        eprintln!("skipped: who is anonymous in an existing cluster is its owner's choice");
        return;
    }
    let mut kubeconfig =
        kube::config::Kubeconfig::read_from(testbed.admin_kubeconfig(HUB).unwrap()).unwrap();
    for user in &mut kubeconfig.auth_infos {
        user.auth_info = Some(kube::config::AuthInfo::default());
    }
    let text = serde_yaml::to_string(&kubeconfig).unwrap();
    let nobody = harness::client_from_text(&text).await.unwrap();
    let ask = |path: &str| http::Request::get(path).body(Vec::new()).unwrap();
    assert_eq!(nobody.request_text(ask("/readyz")).await.unwrap(), "ok");
    for path in ["/api", "/api/v1/namespaces", "/version"] {
        let Err(kube::Error::Api(refusal)) = nobody.request_text(ask(path)).await else {
            panic!("{path} was answered");
        };
        assert!([401, 403].contains(&refusal.code), "{path}: {refusal:?}");
    }
}

#[tokio::test]
async fn the_audit_log_tells_writes_and_refusals_by_user() {
    let testbed = Testbed::shared().await.unwrap();
    if testbed.is_external() {
        eprintln!("skipped: an existing cluster gives us no audit log");
        return;
    }
    let audit = testbed.audit(HUB).unwrap();
    let mark = audit.mark().unwrap();
    let admin: Api<ConfigMap> = Api::namespaced(
        testbed.client_as(HUB, "admin", &[]).await.unwrap(),
        "default",
    );
    let guest: Api<ConfigMap> = Api::namespaced(
        testbed.client_as(HUB, "guest", &["guests"]).await.unwrap(),
        "default",
    );
    let map: ConfigMap =
        serde_json::from_value(serde_json::json!({"metadata": {"name": "audited"}})).unwrap();
    admin.create(&PostParams::default(), &map).await.unwrap();
    admin
        .create(
            &PostParams {
                dry_run: true,
                ..PostParams::default()
            },
            &map,
        )
        .await
        .unwrap_err();
    guest.get("audited").await.unwrap_err();
    guest
        .create(&PostParams::default(), &map)
        .await
        .unwrap_err();

    let written = audit.writes_by("admin", mark).unwrap();
    let audited = |name: &str| {
        written
            .iter()
            .filter(|e| e.object_ref.as_ref().is_some_and(|o| o.name == name))
            .count()
    };
    assert_eq!(audited("audited"), 1, "{written:?}");
    assert_eq!(audit.writes_by("guest", mark).unwrap().len(), 0);
    assert_eq!(audit.forbidden_to("guest", mark).unwrap().len(), 2);
    let verbs = audit.verbs_of("guest", "configmaps", mark).unwrap();
    assert_eq!(verbs.into_iter().collect::<Vec<_>>(), ["create", "get"]);
}

#[tokio::test]
async fn a_certificate_that_has_expired_opens_nothing() {
    let testbed = Testbed::shared().await.unwrap();
    if testbed.is_external() {
        eprintln!("skipped: we issue no certificates for an existing cluster");
        return;
    }
    let text = testbed
        .kubeconfig_for(HUB, "admin", &[], Duration::ZERO)
        .await
        .unwrap();
    let client = harness::client_from_text(&text).await.unwrap();
    let answer = Api::<Namespace>::all(client)
        .list(&ListParams::default())
        .await;
    assert!(
        matches!(&answer, Err(kube::Error::Api(s)) if s.code == 401),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_member_can_be_stopped_paused_and_wiped() {
    let testbed = Testbed::start(Spec::with_members(&["zj-1"])).await.unwrap();
    if testbed.is_external() {
        eprintln!("skipped: an existing cluster is not ours to stop");
        return;
    }
    let member = testbed.client("zj-1").await.unwrap();
    let before = kube_system_uid(&member).await.unwrap();

    testbed.stop_cluster("zj-1").await.unwrap();
    assert!(
        kube_system_uid(&member).await.is_err(),
        "a stopped API server answered"
    );
    assert!(
        kube_system_uid(&testbed.client(HUB).await.unwrap())
            .await
            .is_ok()
    );
    testbed.start_cluster("zj-1").await.unwrap();
    assert_eq!(kube_system_uid(&member).await.unwrap(), before);

    testbed.pause_cluster("zj-1").await.unwrap();
    // An answer that was under way when the signal came may still arrive.
    eventually("a paused API server does not answer", SOON, async || {
        let asked = tokio::time::timeout(Duration::from_secs(1), kube_system_uid(&member)).await;
        anyhow::ensure!(asked.is_err(), "it answered: {asked:?}");
        Ok(())
    })
    .await
    .unwrap();
    testbed.resume_cluster("zj-1").await.unwrap();
    assert_eq!(
        kube_system_uid(&testbed.client("zj-1").await.unwrap())
            .await
            .unwrap(),
        before
    );

    testbed.wipe_cluster("zj-1").await.unwrap();
    let wiped = testbed.client("zj-1").await.unwrap();
    let after = eventually("the wiped member answers", SOON, async || {
        kube_system_uid(&wiped).await
    })
    .await
    .unwrap();
    assert_ne!(after, before);
}

#[tokio::test]
async fn a_program_can_be_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("program.log");
    let script = "echo started as $$; trap 'echo asked to end; exit' TERM; sleep 600 & wait";
    let command = ["/bin/sh", "-c", script].map(String::from).to_vec();
    let mut program = Program::start(command, [].into(), log).unwrap();
    let started = async |program: &Program| {
        let line = format!("started as {}", program.pid()?.as_raw_nonzero());
        anyhow::ensure!(
            program.log()?.contains(&line),
            "its log is {:?}",
            program.log()
        );
        anyhow::Ok(program.pid()?)
    };
    let first = eventually("it says its pid", SOON, async || started(&program).await)
        .await
        .unwrap();

    program.kill().unwrap();
    assert!(program.pid().is_err(), "a killed program has no pid");
    assert!(!fs::exists(format!("/proc/{}", first.as_raw_nonzero())).unwrap());
    program.restart().unwrap();
    eventually("it says its new pid", SOON, async || {
        started(&program).await
    })
    .await
    .unwrap();

    assert!(
        !program.log().unwrap().contains("asked to end"),
        "SIGKILL asks nobody"
    );
    program.stop();
    assert!(
        program.log().unwrap().contains("asked to end"),
        "a stop is orderly"
    );
}

/// Run again as a child (with `HOLD` set), this test starts a testbed and a program and waits to be killed.
#[tokio::test]
async fn nothing_outlives_a_killed_test() {
    const HOLD: &str = "QIPAN_TEST_HOLD";
    const NAME: &str = "nothing_outlives_a_killed_test";
    if std::env::var_os(HOLD).is_some() {
        let testbed = Testbed::start(Spec::with_members(&[])).await.unwrap();
        let log = testbed.logs().join("sleep.log");
        let sleep = ["/bin/sleep", "1000"].map(String::from).to_vec();
        let program = Program::start(sleep, [].into(), log).unwrap();
        let pid = program.pid().unwrap().as_raw_nonzero();
        println!("\nHELD {} {pid}", testbed.dir().display());
        tokio::time::sleep(Duration::from_mins(10)).await;
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(HOLD, "1")
        .env_remove("QIPAN_HUB_KUBECONFIG")
        .env_remove("QIPAN_KEEP")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = lines
        .map_while(Result::ok)
        .find_map(|l| l.strip_prefix("HELD ").map(String::from));
    let held = held.expect("the child holds a testbed");
    let (dir, sleeper) = held.split_once(' ').unwrap();
    assert!(
        processes_naming(dir).len() >= 4,
        "a control plane and its supervisor run"
    );

    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    eventually("everything is gone", SOON, async || {
        let left = processes_naming(dir);
        anyhow::ensure!(left.is_empty(), "still there: {left:?}");
        let sleeps = fs::exists(format!("/proc/{sleeper}"))?;
        anyhow::ensure!(!sleeps, "the program still runs");
        anyhow::ensure!(!fs::exists(dir)?, "{dir} is still there");
        Ok(())
    })
    .await
    .unwrap();
}

/// The command lines of the processes that name a directory.
fn processes_naming(dir: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(dir))
        .collect()
}
