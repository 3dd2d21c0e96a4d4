//! Runs a controller: queue → pass → metrics, with one malformed object never stopping the others.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crds::{ConditionType, Conditions, Reason, Verdict};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject};
use kube::core::object::HasStatus;
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::apply::{self, Written};
use super::clock::wall;
use super::gather::gather;
use super::hub::Guarded;
use super::{Context, Error, Plan, metrics};

/// A status with conditions.
pub trait Judged:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Its conditions.
    fn conditions(&mut self) -> &mut Conditions;
    /// The generation that it judged.
    fn observed_generation(&mut self) -> &mut Option<i64>;
    /// The conditions of which a new judgement is an event.
    const TOLD: &'static [ConditionType] = &[ConditionType::Ready];
    /// The part that must be stored before any child is written; equal parts need no write.
    fn ledger(&self) -> impl PartialEq + Send {}
}

/// A kind that the operator manages.
pub trait Managed:
    Resource<DynamicType = (), Scope: Send>
    + HasStatus<Status: Judged>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Managed for K where
    K: Resource<DynamicType = (), Scope: Send>
        + HasStatus<Status: Judged>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// The status of a kind.
pub type Status<K> = <K as HasStatus>::Status;

/// One controller: what it looks at, and what it decides.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: Managed;
    /// Everything that `plan` may look at, already fetched.
    type World: Send + Sync;
    /// Name in logs and metrics.
    const NAME: &'static str;
    /// How long further triggers of one object are gathered before its pass.
    const GATHER: Duration = Duration::from_millis(0);
    /// Objects that are worked on at once.
    const CONCURRENCY: u16 = 32;

    /// Gathers the world. Reads only.
    fn observe(cx: &Context, object: &Self::Object) -> Self::World;

    /// Decides. Pure: no client, no clock, no randomness.
    fn plan(
        object: &Self::Object,
        world: &Self::World,
        now: Timestamp,
    ) -> Plan<Status<Self::Object>>;

    /// Counts what was judged, for Prometheus.
    fn measure(_: &Self::Object, _: &Status<Self::Object>) {}

    /// Notes what counts of an object that cannot be read as its kind.
    fn unreadable(_: &Context, _: &DynamicObject) {}

    /// The typed API of an object.
    fn api(cx: &Context, object: &ObjectRef<Guarded<Self::Object>>) -> Api<Self::Object>;
}

/// What was last written to each object: a cache older than this is not decided on.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<String, u64>>);

impl Versions {
    fn is_stale(&self, uid: &str, version: Option<&str>) -> bool {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = version
            .and_then(|v| v.parse::<u64>().ok())
            .unwrap_or(u64::MAX);
        versions.get(uid).is_some_and(|written| seen < *written)
    }

    fn wrote(&self, uid: &str, version: Option<&str>) {
        if let Some(version) = version.and_then(|v| v.parse().ok()) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(uid.to_owned(), version);
        }
    }

    fn forget(&self, uid: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }
}

/// Starts a task whose end by panic ends the process, visibly: a controller that stopped in silence is worse.
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    let handle = tokio::spawn(task);
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    tokio::spawn(async move {
        if let Err(why) = handle.await
            && why.is_panic()
        {
            tracing::error!(
                task = name,
                "a task panicked; the process ends so that its replica takes over"
            );
            std::process::exit(70);
        }
    });
}

struct Run<R: Reconciler> {
    cx: Arc<Context>,
    versions: Versions,
    failures: Mutex<HashMap<ObjectRef<Guarded<R::Object>>, u32>>,
}

impl<R: Reconciler> Run<R> {
    fn failures(&self) -> MutexGuard<'_, HashMap<ObjectRef<Guarded<R::Object>>, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recovered(&self, reference: &ObjectRef<Guarded<R::Object>>) {
        self.failures().remove(reference);
    }
}

/// Runs a controller until the process ends.
pub async fn run<R: Reconciler>(
    cx: Arc<Context>,
    store: Store<Guarded<R::Object>>,
    queue: mpsc::UnboundedReceiver<ObjectRef<Guarded<R::Object>>>,
) {
    let state = Arc::new(Run::<R> {
        cx,
        versions: Versions::default(),
        failures: Mutex::default(),
    });
    let queue = gather(queue, R::GATHER).map(Ok::<_, std::convert::Infallible>);
    let config = Config::default().concurrency(R::CONCURRENCY);
    let passes = applier(
        |object: Arc<Guarded<R::Object>>, state: Arc<Run<R>>| Box::pin(one::<R>(object, state)),
        |_, _: &std::convert::Infallible, _| Action::await_change(),
        state,
        store,
        queue,
        config,
    );
    passes.for_each(|_| std::future::ready(())).await;
}

async fn one<R: Reconciler>(
    guarded: Arc<Guarded<R::Object>>,
    state: Arc<Run<R>>,
) -> Result<Action, std::convert::Infallible> {
    let reference = ObjectRef::from_obj(guarded.as_ref());
    let span = tracing::info_span!("reconcile", controller = R::NAME, object = %reference, generation = guarded.meta().generation);
    let started = Instant::now();
    let outcome = match &guarded.0 {
        Ok(object) => {
            pass::<R>(object, &reference, &state)
                .instrument(span.clone())
                .await
        }
        Err(invalid) => {
            malformed::<R>(&invalid.error, &reference, &state)
                .instrument(span.clone())
                .await
        }
    };
    metrics::DURATION
        .with_label_values(&[R::NAME])
        .observe(started.elapsed().as_secs_f64());
    let mut failures = state.failures();
    let (label, action) = match outcome {
        Ok((label, requeue)) => {
            failures.remove(&reference);
            (
                label,
                requeue.map_or_else(Action::await_change, Action::requeue),
            )
        }
        Err(error) => {
            let class = error.class();
            let count = failures.entry(reference).or_insert(0);
            *count = count.saturating_add(1);
            // 100 ms, 200 ms … 25 s, each with up to half of it added, so that many objects do not come back at once.
            let backoff = Duration::from_millis(100 << (*count - 1).min(8));
            let wait = class
                .wait
                .unwrap_or(backoff)
                .mul_f64(1.0 + rand::random::<f64>() / 2.0);
            span.in_scope(|| complain(&error, class.label, wait));
            (class.label, Action::requeue(wait))
        }
    };
    metrics::RECONCILES
        .with_label_values(&[R::NAME, label])
        .inc();
    Ok(action)
}

/// Says that a pass failed; what is sorted out by the next one is no news.
fn complain(error: &Error, label: &str, wait: Duration) {
    let (detail, seconds) = (error.detail(), wait.as_secs_f64());
    if matches!(label, "stale" | "conflict") {
        tracing::debug!(
            outcome = label,
            detail,
            retry.seconds = seconds,
            "a pass starts over"
        );
    } else {
        tracing::warn!(outcome = label, detail, %error, retry.seconds = seconds, "a pass failed");
    }
}

type Outcome = Result<(&'static str, Option<Duration>), Error>;

async fn pass<R: Reconciler>(
    object: &R::Object,
    reference: &ObjectRef<Guarded<R::Object>>,
    state: &Run<R>,
) -> Outcome {
    let uid = object.meta().uid.clone().unwrap_or_default();
    if state
        .versions
        .is_stale(&uid, object.meta().resource_version.as_deref())
    {
        return Err(Error::Stale);
    }
    let world = R::observe(&state.cx, object);
    let now = wall();
    let mut plan = R::plan(object, &world, now);
    // A plan that says nothing yet writes nothing yet.
    if plan.status != Status::<R::Object>::default() {
        *plan.status.observed_generation() = object.meta().generation;
    }
    let api = R::api(&state.cx, reference);
    let mut written = Written::new(object.clone());
    let applied = apply::apply(&state.cx, &api, &mut written, &plan).await;
    if let Err(error) = &applied
        && let Some(verdict) = error.class().verdict
        && object.meta().deletion_timestamp.is_none()
    {
        plan.status.conditions().set(
            ConditionType::Ready,
            &verdict,
            object.meta().generation,
            now,
        );
        let stored = apply::status(&state.cx, &api, &mut written, &plan.status).await;
        tracing::debug!(
            stored = stored.is_ok(),
            "the failure was put into the status"
        );
    }
    if written.changed {
        state
            .versions
            .wrote(&uid, written.object.meta().resource_version.as_deref());
    }
    if written.released {
        state.versions.forget(&uid);
    }
    if applied.is_err() && written.progressed() {
        // What fails after some progress is not failing for the nth time.
        state.recovered(reference);
    }
    applied?;
    R::measure(object, &plan.status);
    let label = if written.progressed() {
        "changed"
    } else {
        "unchanged"
    };
    // What was asked for is looked at at once.
    let requeue = if plan.inquiries.is_empty() {
        plan.requeue
    } else {
        Some(Duration::ZERO)
    };
    Ok((label, requeue))
}

/// Says on a malformed object what is wrong with it; its other fields stay as they are.
async fn malformed<R: Reconciler>(
    detail: &str,
    reference: &ObjectRef<Guarded<R::Object>>,
    state: &Run<R>,
) -> Outcome {
    let now = wall();
    let verdict =
        Verdict::no(Reason::Malformed).with("detail", detail.chars().take(300).collect::<String>());
    let resource = ApiResource::erase::<R::Object>(&());
    let client = state.cx.hub.client.clone();
    let api: Api<DynamicObject> = match &reference.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let Some(current) =
        apply::deadline("read a malformed object", api.get_opt(&reference.name)).await?
    else {
        return Ok(("gone", None));
    };
    R::unreadable(&state.cx, &current);
    let stored = current
        .data
        .pointer("/status/conditions")
        .cloned()
        .unwrap_or_default();
    let mut conditions: Conditions = serde_json::from_value(stored.clone()).unwrap_or_default();
    conditions.set(
        ConditionType::Ready,
        &verdict,
        current.meta().generation,
        now,
    );
    let wanted = serde_json::to_value(&conditions).unwrap_or_default();
    if wanted != stored {
        let patch = serde_json::json!({ "status": { "conditions": wanted } });
        apply::merge_status(&api, &current.name_any(), &patch).await?;
        tracing::warn!(detail, "a malformed object");
    }
    Ok(("malformed", None))
}
