//! `make soak`: what takes too long for every day. Ten minutes in which nothing may be written, then a change that must be in
//! force within two seconds; then the operator is killed again and again while shares are moved, and no sum may ever be above
//! its grant. It ends with an error at the first thing that is not as it should be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use crds::Quantity;
use harness::world::{MEMBER, World, grant};
use harness::{HUB, Spec, eventually};
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

/// The operator's account, as the audit log names it.
const ACCOUNT: &str = "system:serviceaccount:qipan-system:qipan-operator";
/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_mins(2);
/// CPU of each grant.
const GRANTED: u32 = 10;

/// Long runs: silence, and kills.
#[derive(Debug, Parser)]
struct Args {
    /// Minutes in which nothing may be written.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How often the operator is killed.
    #[arg(long, default_value_t = 100)]
    kills: u64,
    /// Grants, each of two namespaces.
    #[arg(long, default_value_t = 50)]
    grants: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut world = World::start(Spec::default()).await?;
    world.tenant("langzeit").await?;
    for i in 0..args.grants {
        world.grant(&shares(i, 8)).await?;
    }
    settled(&world, args.grants, 8).await?;
    silence(&world, Duration::from_mins(args.minutes)).await?;
    for kill in 1..=args.kills {
        let left = if kill % 2 == 1 { 3 } else { 8 };
        for i in 0..args.grants {
            world.grant(&shares(i, left)).await?;
        }
        // At another moment of the work each time.
        tokio::time::sleep(Duration::from_millis(kill * 37 % 900)).await;
        world.operator.program.kill()?;
        within(&world).await?;
        world.operator.program.restart()?;
        settled(&world, args.grants, left).await?;
        println!("kill {kill} of {}: as it was asked for", args.kills);
    }
    Ok(())
}

/// Grant `i` with so much CPU in its first namespace and the rest in its second.
fn shares(i: usize, left: u32) -> Value {
    let (a, b) = (format!("l{i}"), format!("r{i}"));
    let leaves = [(a.as_str(), left), (b.as_str(), GRANTED - left)];
    grant("langzeit", &format!("g{i}"), GRANTED, &leaves)
}

fn cpu(hard: Option<&BTreeMap<String, Written>>) -> Option<Quantity> {
    hard?.get("requests.cpu")?.0.parse().ok()
}

/// Every quota of the member, after checking that no grant's limits add up to more than it.
async fn within(world: &World) -> Result<Vec<ResourceQuota>> {
    let api: Api<ResourceQuota> = Api::all(world.member().await?);
    let ours = ListParams::default().labels("qipan.dev/tenant=langzeit");
    let quotas = api.list(&ours).await?.items;
    let mut sums: BTreeMap<String, Quantity> = BTreeMap::new();
    for quota in &quotas {
        let spec = cpu(quota.spec.as_ref().and_then(|s| s.hard.as_ref()));
        let status = cpu(quota.status.as_ref().and_then(|s| s.hard.as_ref()));
        let highest = spec.max(status).unwrap_or(Quantity::ZERO);
        let grant = quota
            .labels()
            .get("qipan.dev/grant")
            .context("a leaf names its grant")?;
        let sum = sums.entry(grant.clone()).or_insert(Quantity::ZERO);
        *sum = sum.plus(highest);
    }
    let most = Quantity::units(i64::from(GRANTED));
    let above = sums.iter().find(|(_, sum)| **sum > most);
    ensure!(above.is_none(), "more in force than granted: {above:?}");
    Ok(quotas)
}

/// Waits until every share is in force, looking at the sums all the while.
async fn settled(world: &World, grants: usize, left: u32) -> Result<()> {
    let began = Instant::now();
    loop {
        let quotas = within(world).await?;
        let shown = |quota: &&ResourceQuota| {
            let first = quota
                .namespace()
                .is_some_and(|n| n.starts_with("langzeit-l"));
            let wanted = if first { left } else { GRANTED - left };
            cpu(quota.status.as_ref().and_then(|s| s.hard.as_ref()))
                == Some(Quantity::units(i64::from(wanted)))
        };
        let shown = quotas.iter().filter(shown).count();
        if shown == 2 * grants {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "{shown} of {} shares after {PATIENCE:?}",
            2 * grants
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn silence(world: &World, length: Duration) -> Result<()> {
    let marks = || -> Result<[u64; 2]> {
        Ok([
            world.testbed.audit(HUB)?.mark()?,
            world.testbed.audit(MEMBER)?.mark()?,
        ])
    };
    let written = |marks: [u64; 2]| -> Result<usize> {
        let [hub, member] = marks;
        let hub = world.testbed.audit(HUB)?.writes_by(ACCOUNT, hub)?;
        let member = world.testbed.audit(MEMBER)?.writes_by(ACCOUNT, member)?;
        Ok(hub.len() + member.len())
    };
    eventually("it comes to rest", PATIENCE, async || {
        let before = marks()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        ensure!(written(before)? == 0, "it still writes");
        Ok(())
    })
    .await?;
    let before = marks()?;
    tokio::time::sleep(length).await;
    let writes = written(before)?;
    println!("{writes} writes in {length:?}");
    ensure!(writes == 0, "{writes} writes while nothing happened");
    let member: Api<ResourceQuota> = Api::namespaced(world.member().await?, "langzeit-l0");
    let changed = Instant::now();
    world.grant(&shares(0, 7)).await?;
    eventually(
        "the change is in force",
        Duration::from_secs(2),
        async || {
            let quota = member.get("qipan").await?;
            let now = cpu(quota.status.as_ref().and_then(|s| s.hard.as_ref()));
            ensure!(now == Some(Quantity::units(7)), "{now:?}");
            Ok(())
        },
    )
    .await?;
    println!("a change is in force after {:.2?}", changed.elapsed());
    Ok(())
}
