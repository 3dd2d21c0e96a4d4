//! `make bench`: the figures of the design (§11) as they are on this machine, each beside its goal. It asserts nothing.
//!
//! The direct write of the same objects by an ordinary identity is the limit that Qipan is measured against: before, and
//! after, in the same run (A/B/A), so that a machine that is busy is busy for both.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use crds::ConditionType;
use harness::world::{MEMBER, PLATFORM, World, grant, platform};
use harness::{HUB, NAMESPACE, Spec, apply_yaml, eventually, tools};
use kube::Client;
use serde_json::{Value, json};

#[path = "bench/direct.rs"]
mod direct;
#[path = "bench/measure.rs"]
mod measure;
#[path = "bench/qipan.rs"]
mod qipan;

use measure::{Figures, Writes};

/// Measures Qipan beside the direct write of the same objects.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Tenants of a round, each with one grant.
    #[arg(long, default_value_t = 200)]
    tenants: usize,
    /// Namespaces of a grant.
    #[arg(long, default_value_t = 2)]
    namespaces: usize,
    /// Rounds, each direct, Qipan, direct; the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections that write.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Forty tenants, one round, ten quiet seconds: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
}

/// What a round runs on.
struct Bench {
    args: Args,
    world: World,
    /// Writes as an ordinary identity: a member of `system:masters` skips priority and fairness.
    hub: Client,
    member: Client,
}

/// What the rounds have shown.
#[derive(Default)]
struct Rounds {
    direct: Figures,
    ours: Figures,
    ratios: Figures,
    per_object: Figures,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = Args::parse();
    if args.quick {
        (args.tenants, args.rounds) = (args.tenants.min(40), 1);
    }
    println!("{}", machine()?);
    let mut bench = Bench::start(args).await?;
    let mut table = rounds(&bench).await?.rows(&bench.args);
    let (resident, cpu) = measure::process(&bench.world.operator.program)?;
    table.push(row(
        "operator: peak resident",
        "≤ 256 MiB",
        format!("{} MiB", resident >> 20),
    ));
    table.push(row("operator: CPU, all rounds", "", format!("{cpu:.1} s")));
    let changed = changes(&bench, bench.args.rounds).await?;
    let what = "one grant changed on 100 namespaces → in force";
    table.push(row(what, "≤ 2 s", format!("{changed} s")));
    let quiet = if bench.args.quick { 10 } else { 60 };
    let still = silence(&bench, Duration::from_secs(quiet)).await?;
    table.push(row(
        &format!("writes in {quiet} quiet seconds"),
        "0",
        still.to_string(),
    ));
    let (took, writes) = restart(&mut bench).await?;
    let what = format!(
        "restart with {} grants → every one looked at",
        bench.grants()
    );
    table.push(row(&what, "≤ 10 s", format!("{:.2} s", took.as_secs_f64())));
    table.push(row("writes after the restart", "0", writes.to_string()));
    println!("\n| what | goal | measured: median (least – most) |\n| - | - | - |");
    for [what, goal, measured] in table {
        println!("| {what} | {goal} | {measured} |");
    }
    Ok(())
}

fn row(what: &str, goal: &str, measured: impl Into<String>) -> [String; 3] {
    [what.to_owned(), goal.to_owned(), measured.into()]
}

async fn rounds(bench: &Bench) -> Result<Rounds> {
    let mut all = Rounds::default();
    let template = direct::Template::read(bench).await?;
    for round in 0..bench.args.rounds {
        let before = direct::round(bench, &template, &format!("d{round}a")).await?;
        let measured = qipan::round(bench, &format!("q{round}")).await?;
        let after = direct::round(bench, &template, &format!("d{round}b")).await?;
        let limit = (before + after) / 2;
        all.direct.add(before);
        all.direct.add(after);
        all.ours.add(measured.took);
        all.ratios
            .push(measured.took.as_secs_f64() / limit.as_secs_f64());
        let objects = u32::try_from(measured.objects)?;
        all.per_object
            .push(f64::from(u32::try_from(measured.writes.count)?) / f64::from(objects));
        println!(
            "round {round}: direct {before:.2?}, Qipan {:.2?}, direct {after:.2?}; {objects} objects; {}",
            measured.took, measured.writes
        );
    }
    Ok(all)
}

impl Rounds {
    fn rows(&self, args: &Args) -> Vec<[String; 3]> {
        let shape = format!("{} tenants × {} namespaces", args.tenants, args.namespaces);
        let applied = format!("{shape}, TenantQuotas applied → all Ready");
        vec![
            row(
                &format!("{shape}, written directly"),
                "the limit",
                format!("{} s", self.direct),
            ),
            row(&applied, "", format!("{} s", self.ours)),
            row(
                "the same, beside the direct write",
                "≤ 2×",
                format!("{}×", self.ratios),
            ),
            row(
                "writes per object written",
                "≤ 1.5",
                self.per_object.to_string(),
            ),
        ]
    }
}

impl Bench {
    async fn start(args: Args) -> Result<Self> {
        let world = World::start(Spec::default()).await?;
        let mut large: Value = serde_json::from_str(&platform(PLATFORM, MEMBER, 10_000_000))?;
        for (name, amount) in [("memory", json!("100Pi")), ("pods", json!(10_000_000))] {
            large["spec"]["pools"][0]["capacity"][name] = amount;
        }
        apply_yaml(&world.hub().await?, &large.to_string(), NAMESPACE).await?;
        let writer = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "bench-writer" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bench-writer" }],
        });
        let mut clients = Vec::new();
        for cluster in [HUB, MEMBER] {
            let admin = world.testbed.client(cluster).await?;
            apply_yaml(&admin, &writer.to_string(), NAMESPACE).await?;
            clients.push(
                world
                    .testbed
                    .client_as(cluster, "bench-writer", &[])
                    .await?,
            );
        }
        let member = clients.pop().context("two clients")?;
        let hub = clients.pop().context("two clients")?;
        world
            .platform_says(PLATFORM, ConditionType::Ready, "Connected")
            .await?;
        Ok(Self {
            args,
            world,
            hub,
            member,
        })
    }

    /// How many grants there are when all rounds are over.
    fn grants(&self) -> usize {
        self.args.tenants * self.args.rounds + 2
    }
}

/// One grant raised on a hundred namespaces, again and again.
async fn changes(bench: &Bench, rounds: usize) -> Result<Figures> {
    let names: Vec<String> = (0..100).map(|i| format!("n{i}")).collect();
    let of = |cpu: u32| {
        let leaves: Vec<_> = names.iter().map(|name| (name.as_str(), cpu)).collect();
        grant("hundert", "alle", cpu * 100, &leaves)
    };
    bench.world.tenant("hundert").await?;
    bench.world.grant(&of(1)).await?;
    bench.world.in_force("qp-hundert", "alle").await?;
    let mut figures = Figures::default();
    for round in 0..rounds {
        let cpu = u32::try_from(round)? + 2;
        let all = measure::quotas(
            &bench.member,
            "qipan.dev/tenant=hundert,app.kubernetes.io/managed-by=qipan",
            100,
            move |quota| measure::in_force(quota, "requests.cpu", &cpu.to_string()),
        )
        .await?;
        let began = Instant::now();
        bench.world.grant(&of(cpu)).await?;
        figures.add(all.done(began).await?);
    }
    Ok(figures)
}

/// What is written while nothing happens.
async fn silence(bench: &Bench, length: Duration) -> Result<Writes> {
    eventually("it comes to rest", Duration::from_mins(2), async || {
        let marks = Writes::mark(&bench.world)?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let writes = Writes::since(&bench.world, marks)?;
        anyhow::ensure!(writes.count == 0, "{writes}");
        Ok(())
    })
    .await?;
    let marks = Writes::mark(&bench.world)?;
    tokio::time::sleep(length).await;
    Writes::since(&bench.world, marks)
}

/// From the start of the process until it has looked at every grant and tenant once.
async fn restart(bench: &mut Bench) -> Result<(Duration, Writes)> {
    let grants = u32::try_from(bench.grants())?;
    // Each grant has a tenant of its own.
    let marks = Writes::mark(&bench.world)?;
    bench.world.operator.program.stop();
    let began = Instant::now();
    bench.world.operator.program.restart()?;
    let operator = &bench.world.operator;
    eventually(
        "every object was looked at",
        Duration::from_mins(2),
        async || {
            let metrics = operator.metrics().await?;
            for (controller, objects) in [("tenantquota", grants), ("tenant", grants)] {
                let passes = measure::passes(&metrics, controller);
                anyhow::ensure!(
                    passes >= f64::from(objects),
                    "{controller}: {passes} of {objects}"
                );
            }
            Ok(())
        },
    )
    .await?;
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok((took, Writes::since(&bench.world, marks)?))
}

fn machine() -> Result<String> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(tools::repository()).args(args);
        tools::run(&mut git).map(|said| said.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", "operator", "crds"])?;
    let changed = if changed.is_empty() {
        ""
    } else {
        " (operator or crds changed since)"
    };
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| {
        model.trim_start_matches([':', '\t', ' '])
    });
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "commit {commit}{changed}; {cores} cores, {model}; load before the start {load}"
    ))
}
