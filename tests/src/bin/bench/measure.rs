//! What is measured and how: watches that end when all is there, writes by the audit log, the process by `/proc`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use harness::world::{MEMBER, World};
use harness::{HUB, Program};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

const ACCOUNT: &str = "system:serviceaccount:qipan-system:qipan-operator";
/// No measurement takes longer than this.
const PATIENCE: Duration = Duration::from_mins(10);

/// Measured values: printed as median, least and most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn add(&mut self, took: Duration) {
        self.push(took.as_secs_f64());
    }

    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (Some(least), Some(most)) = (self.0.first(), self.0.last()) else {
            return f.write_str("not measured");
        };
        let middle = self.0.len() / 2;
        let median = f64::midpoint(self.0[(self.0.len() - 1) / 2], self.0[middle]);
        write!(f, "{median:.2} ({least:.2} – {most:.2})")
    }
}

/// The operator's writes that took effect, without Events and Leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    pub(crate) count: usize,
    by: BTreeMap<String, usize>,
}

impl Writes {
    pub(crate) fn mark(world: &World) -> Result<[u64; 2]> {
        Ok([
            world.testbed.audit(HUB)?.mark()?,
            world.testbed.audit(MEMBER)?.mark()?,
        ])
    }

    pub(crate) fn since(world: &World, marks: [u64; 2]) -> Result<Self> {
        let mut writes = Self::default();
        for (cluster, mark) in [HUB, MEMBER].into_iter().zip(marks) {
            for event in world.testbed.audit(cluster)?.writes_by(ACCOUNT, mark)? {
                let object = event.object_ref.unwrap_or_default();
                let slash = if object.subresource.is_empty() {
                    ""
                } else {
                    "/"
                };
                let what = format!(
                    "{} {}{slash}{}",
                    event.verb, object.resource, object.subresource
                );
                *writes.by.entry(what).or_default() += 1;
                writes.count += 1;
            }
        }
        Ok(writes)
    }
}

impl Display for Writes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        if self.count > 0 {
            let by: Vec<_> = self
                .by
                .iter()
                .map(|(what, count)| format!("{count} {what}"))
                .collect();
            write!(f, " ({})", by.join(", "))?;
        }
        Ok(())
    }
}

/// A watch that ends when so many objects are as they should be.
pub(crate) struct All(oneshot::Receiver<Instant>);

impl All {
    /// How long after `began` the last of them was.
    pub(crate) async fn done(self, began: Instant) -> Result<Duration> {
        let ended = tokio::time::timeout(PATIENCE, self.0);
        let ended = ended
            .await
            .context("it did not end")?
            .context("the watch ended")?;
        Ok(ended.duration_since(began))
    }
}

/// Watches objects; returns when they were listed.
pub(crate) async fn all<K>(
    api: Api<K>,
    labels: &str,
    count: usize,
    as_it_should: impl Fn(&K) -> bool + Send + 'static,
) -> Result<All>
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + 'static,
{
    let (listed, is_listed) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let config = watcher::Config::default().labels(labels);
    tokio::spawn(async move {
        let (mut listed, mut good) = (Some(listed), HashSet::new());
        let mut events = std::pin::pin!(watcher(api, config));
        while good.len() < count {
            match events.try_next().await {
                Ok(Some(watcher::Event::Apply(o) | watcher::Event::InitApply(o))) => {
                    let key = (o.meta().namespace.clone(), o.meta().name.clone());
                    if as_it_should(&o) {
                        good.insert(key);
                    } else {
                        good.remove(&key);
                    }
                }
                Ok(Some(watcher::Event::InitDone)) => drop(listed.take().map(|l| l.send(()))),
                Ok(Some(watcher::Event::Init | watcher::Event::Delete(_))) => {}
                Ok(None) => return,
                Err(why) => eprintln!("a watch is started again: {why}"),
            }
        }
        // Nobody waits any more when the measurement has failed.
        let _ = done.send(Instant::now());
    });
    is_listed
        .await
        .context("the watch ended before it had listed")?;
    Ok(All(is_done))
}

/// Watches quotas.
pub(crate) async fn quotas(
    client: &Client,
    labels: &str,
    count: usize,
    as_it_should: impl Fn(&ResourceQuota) -> bool + Send + 'static,
) -> Result<All> {
    all(Api::all(client.clone()), labels, count, as_it_should).await
}

/// Whether a limit is in force as it is written.
pub(crate) fn in_force(quota: &ResourceQuota, name: &str, amount: &str) -> bool {
    let status = quota.status.as_ref().and_then(|s| s.hard.as_ref());
    status
        .and_then(|hard| hard.get(name))
        .is_some_and(|q| q.0 == amount)
}

/// Peak resident bytes, and CPU seconds so far.
pub(crate) fn process(program: &Program) -> Result<(u64, f64)> {
    let pid = program.pid()?.as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM")?;
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(") ").next().context("no stat")?;
    let fields: Vec<_> = after_name.split(' ').collect();
    ensure!(fields.len() > 12, "a short stat");
    // utime and stime, in ticks of a hundredth of a second on Linux.
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok((kibibytes * 1024, ticks / 100.0))
}

/// How many passes a controller has made.
pub(crate) fn passes(metrics: &str, controller: &str) -> f64 {
    let named = format!("controller=\"{controller}\"");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("qipan_reconciles_total{"));
    lines
        .filter(|line| line.contains(&named))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
