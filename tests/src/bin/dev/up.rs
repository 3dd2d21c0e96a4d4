//! `up`, `down` and `status` of the sample province.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    HUB, NAMESPACE, Spec, Testbed, WayIn, course, eventually, get, hub_kubeconfig, install_hub,
    keycloak::{self, Place},
    sample, tools,
};
use kube::Client;
use rustix::process::Pid;

use crate::{
    needs,
    processes::{Detached, end},
    state,
};

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that one gives or leaves out"
)]
pub(crate) struct Args {
    /// Run the control planes only: no operator, no portal.
    #[arg(long)]
    clusters_only: bool,
    /// Leave the portal out.
    #[arg(long)]
    no_portal: bool,
    /// Add a Keycloak, at which the posts of the sample sign in with a password; the hub trusts it.
    #[arg(long)]
    oidc: bool,
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
        total: if args.oidc { 11 } else { 10 },
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
    let provider = if args.oidc {
        steps.next("Keycloak (first time: 160 MB from Maven Central)");
        Some(start_keycloak(&state).await?)
    } else {
        None
    };
    steps.next("control planes: the hub and three members");
    let testbed = start_control_planes(&state, &testbed, provider.as_ref())?;
    steps.next("hub: definitions, roles, policies");
    install_hub(&testbed).await?;
    steps.next("members: account, roles, policies, and their kubeconfigs as Secrets on the hub");
    sample::install_members(&testbed).await?;
    steps.next("operator");
    let way_in = WayIn::prepare(&state)?;
    if let Some(binary) = operator {
        start_operator(&testbed, &binary, &way_in).await?;
    }
    steps.next("sample province");
    load_sample(&testbed, &args).await?;
    steps.next("portal");
    let url = match portal {
        Some(binary) => Some(start_portal(&testbed, &binary, (&way_in, provider.as_ref())).await?),
        None => None,
    };
    steps.next("waiting for the sample to be ready");
    if !args.clusters_only && !args.no_sample {
        report_readiness(&testbed.client(HUB).await?).await?;
    }
    steps.next("what happened in it: applications, decisions, a work order, a fault");
    if !args.clusters_only && !args.no_sample {
        let told = course::tell(&testbed).await?;
        println!("      {} acts", told.acts);
        for why in told.stopped {
            println!("      one story ends early: {why}");
        }
    }
    println!("\nup in {:.1} s", steps.began.elapsed().as_secs_f32());
    say_where(&state, url.as_deref(), provider.as_ref());
    Ok(())
}

/// The hub, which trusts the provider where there is one, and the members.
fn start_control_planes(state: &Path, testbed: &Path, provider: Option<&Place>) -> Result<Testbed> {
    let spec = Spec {
        oidc: provider.map(Place::oidc),
        ..Spec::with_members(&sample::MEMBERS)
    };
    let mut start = Command::new(testbed);
    start
        .args(["up", "--detach", "--durable", "--dir"])
        .arg(state);
    tools::run(start.args(spec.arguments()))?;
    Testbed::attach(state)
}

fn say_where(state: &Path, portal: Option<&str>, provider: Option<&Place>) {
    println!(
        "kubectl    export KUBECONFIG={}",
        state.join("hub.kubeconfig").display()
    );
    println!("           (or: cargo run -p qipan-tests --bin dev -- kubectl get tenantquotas -A)");
    println!("logs       {}", state.join("logs").display());
    if let Some(url) = portal {
        println!("portal     {url}  (its demo sign-in offers every post of the sample)");
    }
    if let Some(place) = provider {
        println!(
            "sign-in    {} with the password {}",
            keycloak::POSTS.join(", "),
            keycloak::PASSWORD
        );
        println!(
            "           at {} (administrator: admin, same password)",
            place.issuer()
        );
    }
}

/// Keycloak at the port of the last time, so that the hub and the tokens go on naming the same issuer. The portal's port is
/// settled here already: the provider sends browsers back to it.
async fn start_keycloak(state: &Path) -> Result<Place> {
    let parts = tokio::task::spawn_blocking(keycloak::parts).await??;
    let parts = parts.map_err(|why| anyhow::anyhow!("there is {why}"))?;
    let detached = Detached::new(state, "keycloak");
    detached.stop()?;
    Detached::new(state, "portal").stop()?;
    let address = address(state, "keycloak.url", 8443)?;
    let port = address.rsplit(':').next().unwrap_or_default().parse()?;
    let place = Place::new(&state.join("keycloak"), port)?;
    let portal = format!("http://{}", self::address(state, "portal.url", 8080)?);
    // The realm's file holds the portal's address: it is taken in anew, and what people changed in it is gone.
    let database = state.join("keycloak/home/data/h2");
    if database.exists() {
        fs::remove_dir_all(database)?;
    }
    let mut command = vec!["/usr/bin/env".to_owned()];
    let environment = keycloak::environment().into_iter();
    command.extend(environment.map(|(name, value)| format!("{name}={value}")));
    command.extend(place.command(&parts, &portal)?);
    detached.start(&command)?;
    place.wait().await?;
    Ok(place)
}

async fn load_sample(testbed: &Testbed, args: &Args) -> Result<()> {
    if args.no_sample {
        println!("      skipped: as asked");
        return Ok(());
    }
    let count = sample::load(&testbed.client(HUB).await?).await?;
    println!("      {count} objects");
    Ok(())
}

/// Says how many grants are ready and names those that are not: some of a sample wait for people, so this is no error.
async fn report_readiness(hub: &Client) -> Result<()> {
    match sample::decided(hub).await {
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

async fn start_operator(testbed: &Testbed, binary: &Path, way_in: &WayIn) -> Result<()> {
    let kubeconfig = hub_kubeconfig(testbed, "qipan-operator").await?;
    let detached = Detached::new(testbed.dir(), "operator");
    detached.stop()?;
    let address = address(testbed.dir(), "operator.url", 8081)?;
    let mut command: Vec<String> = vec![binary.display().to_string()];
    command.extend(["run", "--namespace", NAMESPACE, "--listen", &address].map(String::from));
    command.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    command.extend(way_in.operator_args());
    detached.start(&command)?;
    wait_ready(&detached, &address).await
}

async fn start_portal(
    testbed: &Testbed,
    binary: &Path,
    (way_in, provider): (&WayIn, Option<&Place>),
) -> Result<String> {
    let kubeconfig = hub_kubeconfig(testbed, "qipan-portal").await?;
    let detached = Detached::new(testbed.dir(), "portal");
    detached.stop()?;
    let address = address(testbed.dir(), "portal.url", 8080)?;
    let mut command: Vec<String> = vec![binary.display().to_string()];
    command.extend(["serve", "--demo", "--listen", &address].map(String::from));
    command.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    let database = format!("sqlite:{}", testbed.dir().join("portal.db").display());
    command.extend(["--database-url".to_owned(), database]);
    command.extend(way_in.portal_args(testbed).await?);
    if let Some(place) = provider {
        command.extend(place.flags());
        command.push(format!("--public-url=http://{address}"));
    }
    if let Ok(log) = testbed.audit(HUB) {
        command.extend([
            "--hub-audit-log".to_owned(),
            log.path().display().to_string(),
        ]);
    }
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

pub(crate) fn down(wipe: bool) -> Result<()> {
    let state = state();
    if !state.exists() {
        println!("nothing runs: there is no {}", state.display());
        return Ok(());
    }
    let _lock = lock(&state)?;
    for name in ["portal", "operator", "keycloak"] {
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
    for name in ["operator", "portal", "keycloak"] {
        let url = fs::read_to_string(state.join(format!("{name}.url"))).unwrap_or_default();
        match Detached::new(&state, name).pid() {
            Some(pid) => println!("{name} runs (pid {}) {}", pid.as_raw_nonzero(), url.trim()),
            None => println!("no {name} runs"),
        }
    }
    Ok(())
}
