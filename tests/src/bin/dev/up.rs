//! `up`, `down` and `status` of the sample province.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    HUB, NAMESPACE, Spec, Testbed, apply_yaml, eventually, get, hub_kubeconfig, install_hub,
    install_member, register_member_secret, tools, yaml_files,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use rustix::process::Pid;
use serde::Deserialize;

use crate::{
    needs,
    processes::{Detached, end},
    state,
};

/// The live clusters of the sample beside the hub (design §12).
const MEMBERS: [&str; 3] = ["province", "zj-extranet", "zj-internet"];

/// Reasons that only pass through; any other is a decision.
const PASSING: [&str; 6] = [
    "no condition Ready",
    "Progressing",
    "AwaitingPool",
    "AwaitingEnforcement",
    "MemberUnreachable",
    "TenantNotReady",
];

/// How long the operator has to make the sample ready.
const SAMPLE_READY: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the control planes only: no operator, no portal.
    #[arg(long)]
    clusters_only: bool,
    /// Leave the portal out.
    #[arg(long)]
    no_portal: bool,
    /// Do not load the sample province.
    #[arg(long)]
    no_sample: bool,
}

/// One `up` or `down` at a time; the kernel drops the lock when its holder dies.
fn lock(state: &Path) -> Result<File> {
    let lock = File::create(state.join("dev.lock"))?;
    ensure!(
        lock.try_lock().is_ok(),
        "another `make up` or `make down` is at work here"
    );
    Ok(lock)
}

/// Says each step as it begins, with the seconds since the start.
struct Steps {
    began: Instant,
    done: usize,
    total: usize,
}

impl Steps {
    fn next(&mut self, what: &str) {
        self.done += 1;
        let seconds = self.began.elapsed().as_secs_f32();
        println!("[{}/{}] {what} … ({seconds:.1} s)", self.done, self.total);
    }
}

pub(crate) async fn up(args: Args) -> Result<()> {
    let state = state();
    fs::create_dir_all(state.join("logs"))?;
    let _lock = lock(&state)?;
    let mut steps = Steps {
        began: Instant::now(),
        done: 0,
        total: 9,
    };
    steps.next("tools: the control plane and helm");
    needs::check()?;
    let testbed = tools::testbed()?;
    tools::helm()?;
    steps.next("cargo build: operator and portal");
    let operator = (!args.clusters_only)
        .then(|| tools::binary("qipan-operator"))
        .transpose()?;
    let portal = (!args.clusters_only && !args.no_portal)
        .then(|| tools::binary("qipan-portal"))
        .transpose()?;
    steps.next("control planes: the hub and three members");
    let mut start = Command::new(testbed);
    start
        .args(["up", "--detach", "--durable", "--dir"])
        .arg(&state);
    tools::run(start.args(Spec::with_members(&MEMBERS).arguments()))?;
    let testbed = Testbed::attach(&state)?;
    steps.next("hub: definitions, roles, policies");
    install_hub(&testbed).await?;
    steps.next("members: account, roles, policies, and their kubeconfigs as Secrets on the hub");
    install_members(&testbed).await?;
    steps.next("operator");
    if let Some(binary) = operator {
        start_operator(&testbed, &binary).await?;
    }
    steps.next("sample province");
    load_sample(&testbed, &args).await?;
    steps.next("portal");
    let url = match portal {
        Some(binary) => Some(start_portal(&testbed, &binary).await?),
        None => None,
    };
    steps.next("waiting for the sample to be ready");
    if !args.clusters_only && !args.no_sample {
        report_readiness(&testbed.client(HUB).await?).await?;
    }
    println!("\nup in {:.1} s", steps.began.elapsed().as_secs_f32());
    say_where(&state, url.as_deref());
    Ok(())
}

fn say_where(state: &Path, portal: Option<&str>) {
    println!(
        "kubectl    export KUBECONFIG={}",
        state.join("hub.kubeconfig").display()
    );
    println!("           (or: cargo run -p qipan-tests --bin dev -- kubectl get tenantquotas -A)");
    println!("logs       {}", state.join("logs").display());
    if let Some(url) = portal {
        println!("portal     {url}  (its demo sign-in offers every post of the sample)");
    }
}

async fn install_members(testbed: &Testbed) -> Result<()> {
    let secrets = secrets_of_sample()?;
    for member in MEMBERS {
        install_member(testbed, member)
            .await
            .with_context(|| format!("member {member}"))?;
        let default = format!("{member}-kubeconfig");
        let name = secrets.get(member).unwrap_or(&default);
        register_member_secret(testbed, member, name).await?;
    }
    Ok(())
}

/// The names by which the sample's platforms ask for the kubeconfigs of clusters.
fn secrets_of_sample() -> Result<BTreeMap<String, String>> {
    let sample = tools::repository().join("tests/sample");
    let mut names = BTreeMap::new();
    if !sample.exists() {
        return Ok(names);
    }
    for file in yaml_files(&sample)? {
        for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(&file)?) {
            let object = serde_json::Value::deserialize(document)
                .with_context(|| format!("in {}", file.display()))?;
            let clusters = object.pointer("/spec/clusters").and_then(|v| v.as_array());
            for cluster in clusters.into_iter().flatten() {
                let secret = cluster.pointer("/connection/kubeconfigSecret");
                if let (Some(name), Some(secret)) =
                    (cluster["name"].as_str(), secret.and_then(|s| s.as_str()))
                {
                    names.insert(name.to_owned(), secret.to_owned());
                }
            }
        }
    }
    Ok(names)
}

async fn start_operator(testbed: &Testbed, binary: &Path) -> Result<()> {
    let kubeconfig = hub_kubeconfig(testbed, "qipan-operator").await?;
    let detached = Detached::new(testbed.dir(), "operator");
    detached.stop()?;
    let address = address(testbed.dir(), "operator.url", 8081)?;
    let mut command: Vec<String> = vec![binary.display().to_string()];
    command.extend(["run", "--namespace", NAMESPACE, "--listen", &address].map(String::from));
    command.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    detached.start(&command)?;
    wait_ready(&detached, &address).await
}

async fn start_portal(testbed: &Testbed, binary: &Path) -> Result<String> {
    let kubeconfig = hub_kubeconfig(testbed, "qipan-portal").await?;
    let detached = Detached::new(testbed.dir(), "portal");
    detached.stop()?;
    let address = address(testbed.dir(), "portal.url", 8080)?;
    let mut command: Vec<String> = vec![binary.display().to_string()];
    command.extend(["serve", "--demo", "--listen", &address].map(String::from));
    command.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    detached.start(&command)?;
    wait_ready(&detached, &address).await?;
    Ok(format!("http://{address}"))
}

/// The address of the last time if it is free, else a usual one, else any; it is written down as a URL.
fn address(state: &Path, file: &str, usual: u16) -> Result<String> {
    let path = state.join(file);
    let last = fs::read_to_string(&path).unwrap_or_default();
    let last = last
        .trim()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = match [last, Some(usual)].into_iter().flatten().find(free) {
        Some(port) => port,
        None => harness::free_port()?,
    };
    fs::write(path, format!("http://127.0.0.1:{port}\n"))?;
    Ok(format!("127.0.0.1:{port}"))
}

async fn wait_ready(program: &Detached, address: &str) -> Result<()> {
    let name = program.name;
    let gone = eventually(
        &format!("the {name} is ready"),
        Duration::from_mins(1),
        async || {
            if program.pid().is_none() {
                return Ok(true);
            }
            let (status, body) = get(address, "/readyz").await?;
            ensure!(status == 200, "/readyz says {status} {body}");
            Ok(false)
        },
    )
    .await?;
    ensure!(
        !gone,
        "the {name} ended at once; see {}",
        program.log.display()
    );
    Ok(())
}

async fn load_sample(testbed: &Testbed, args: &Args) -> Result<()> {
    let sample = tools::repository().join("tests/sample");
    if args.no_sample || !sample.exists() {
        println!(
            "      skipped: {}",
            if args.no_sample {
                "as asked"
            } else {
                "no tests/sample"
            }
        );
        return Ok(());
    }
    let hub = testbed.client(HUB).await?;
    let mut count = 0;
    for file in yaml_files(&sample)? {
        let text = fs::read_to_string(&file)?;
        // A tenant's namespace is made by the operator, a moment after the tenant: grants wait for it.
        let applied = eventually(&file.display().to_string(), SAMPLE_READY, async || {
            apply_yaml(&hub, &text, NAMESPACE).await
        })
        .await?;
        count += applied.len();
    }
    println!("      {count} objects");
    Ok(())
}

/// Waits for the grants to be ready and names those that are not: some of a sample wait for people, so this is no error.
async fn report_readiness(hub: &Client) -> Result<()> {
    let kind = GroupVersionKind::gvk("qipan.dev", "v1alpha1", "TenantQuota");
    let api: Api<DynamicObject> = Api::all_with(hub.clone(), &ApiResource::from_gvk(&kind));
    let outcome = eventually("every grant is decided", SAMPLE_READY, async || {
        let quotas = api.list(&ListParams::default()).await?.items;
        let unready = quotas
            .iter()
            .filter_map(|q| Some((q.name_any(), unready(q)?)));
        let (waiting, refused): (Vec<_>, Vec<_>) =
            unready.partition(|(_, reason)| PASSING.contains(&reason.as_str()));
        ensure!(
            waiting.is_empty(),
            "{} of {}: {waiting:?}",
            waiting.len(),
            quotas.len()
        );
        Ok((quotas.len() - refused.len(), refused))
    })
    .await;
    match outcome {
        Ok((count, refused)) => {
            println!("      {count} grants are in force");
            for (name, reason) in refused {
                println!("      {name} is refused, as the sample means it: {reason}");
            }
        }
        Err(error) => println!("      {error:#}"),
    }
    Ok(())
}

/// Why an object is not ready, or nothing if it is.
fn unready(object: &DynamicObject) -> Option<String> {
    let conditions = object
        .data
        .pointer("/status/conditions")
        .and_then(|c| c.as_array());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "Ready");
    match ready {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(
            condition["reason"]
                .as_str()
                .unwrap_or("no reason")
                .to_owned(),
        ),
        None => Some("no condition Ready".to_owned()),
    }
}

pub(crate) fn down(wipe: bool) -> Result<()> {
    let state = state();
    if !state.exists() {
        println!("nothing runs: there is no {}", state.display());
        return Ok(());
    }
    let _lock = lock(&state)?;
    for name in ["portal", "operator"] {
        if Detached::new(&state, name).stop()? {
            println!("stopped the {name}");
        }
    }
    if let Some(pid) = supervisor(&state) {
        // Its own orderly stop takes etcd's data along; twelve processes, a few seconds.
        end(pid, Duration::from_mins(1)).context("the control planes")?;
        println!("stopped the control planes");
    }
    if wipe {
        fs::remove_dir_all(&state)?;
        println!("removed {}", state.display());
    }
    Ok(())
}

/// The supervisor of this directory: the pid in its lock file, if that process is a testbed that names the directory.
fn supervisor(state: &Path) -> Option<Pid> {
    let number = fs::read_to_string(state.join("testbed.lock"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let line = fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let ours = line.starts_with("testbed up ") && line.contains(&*state.to_string_lossy());
    if ours { Pid::from_raw(number) } else { None }
}

pub(crate) fn status() -> Result<()> {
    let state = state();
    match supervisor(&state) {
        Some(pid) => {
            println!("control planes run (pid {})", pid.as_raw_nonzero());
            let testbed = Testbed::attach(&state)?;
            for cluster in testbed.members().chain([HUB]) {
                println!(
                    "  {cluster:14} {}",
                    testbed.admin_kubeconfig(cluster)?.display()
                );
            }
        }
        None => println!("no control planes run"),
    }
    for name in ["operator", "portal"] {
        let url = fs::read_to_string(state.join(format!("{name}.url"))).unwrap_or_default();
        match Detached::new(&state, name).pid() {
            Some(pid) => println!("{name} runs (pid {}) {}", pid.as_raw_nonzero(), url.trim()),
            None => println!("no {name} runs"),
        }
    }
    Ok(())
}
