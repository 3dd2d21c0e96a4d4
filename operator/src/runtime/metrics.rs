//! Every metric of the operator, with how to read it.

use std::sync::LazyLock;

use prometheus::{
    HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder, histogram_opts, opts,
};

/// The one registry.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

fn register<M: prometheus::core::Collector + Clone + 'static>(
    metric: Result<M, prometheus::Error>,
) -> M {
    // Names and labels are literals of this file; a wrong one fails the first test that touches it.
    let metric = metric.unwrap_or_else(|e| unreachable!("metric literal: {e}"));
    REGISTRY
        .register(Box::new(metric.clone()))
        .unwrap_or_else(|e| unreachable!("metric literal: {e}"));
    metric
}

/// Passes by controller and outcome.
pub static RECONCILES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register(IntCounterVec::new(
        opts!(
            "qipan_reconciles_total",
            "Passes by controller and outcome. A steady rate without changes is a loop: look at the outcome."
        ),
        &["controller", "outcome"],
    ))
});

/// Time of a pass.
pub static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    register(HistogramVec::new(
        histogram_opts!(
            "qipan_reconcile_seconds",
            "Time of one pass. Planning takes microseconds; what is here is the API servers' answers.",
            vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]
        ),
        &["controller"],
    ))
});

/// Writes to API servers.
pub static WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register(IntCounterVec::new(
        opts!(
            "qipan_writes_total",
            "Writes by resource and verb, Events and Leases left out. Zero while nothing changes."
        ),
        &["resource", "verb"],
    ))
});

/// Ways in that were asked for.
pub static WAYS_IN: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register(IntCounterVec::new(
        opts!(
            "qipan_ways_in_total",
            "Ways in that were asked for, by outcome. Many refused ones: somebody tries doors."
        ),
        &["outcome"],
    ))
});

/// Whether each member answers.
pub static MEMBER_UP: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register(IntGaugeVec::new(
        opts!(
            "qipan_member_up",
            "1 while the cluster answers as itself, 0 otherwise. Absent: not configured."
        ),
        &["platform", "cluster"],
    ))
});

/// Whether the loss of each member was announced.
pub static MEMBER_IN_MAINTENANCE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register(IntGaugeVec::new(
        opts!(
            "qipan_member_in_maintenance",
            "1 while the cluster does not answer in a maintenance that was announced (ChangeWindow), else 0. Its state is unknown all the same."
        ),
        &["platform", "cluster"],
    ))
});

/// When each member last answered.
pub static MEMBER_CONTACT: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register(IntGaugeVec::new(
        opts!(
            "qipan_member_last_contact_seconds",
            "Unix time of the last answer of the cluster: the age that status does not refresh."
        ),
        &["platform", "cluster"],
    ))
});

/// Who is bound to two offices of administrators.
pub static OFFICES_COMBINED: LazyLock<IntGauge> = LazyLock::new(|| {
    register(IntGauge::new(
        "qipan_offices_combined",
        "Accounts and groups bound to two of the three offices of administrators. 0 is as it should be; members of groups are not seen.",
    ))
});

/// Whether this replica leads.
pub static LEADER: LazyLock<IntGauge> = LazyLock::new(|| {
    register(IntGauge::new(
        "qipan_leader",
        "1 on the replica that holds the Lease. The sum over replicas is 1, or 0 for a moment.",
    ))
});

/// The metrics as Prometheus reads them.
#[must_use]
pub fn text() -> String {
    let mut out = String::new();
    if let Err(why) = TextEncoder::new().encode_utf8(&REGISTRY.gather(), &mut out) {
        tracing::warn!(error = %why, "failed to encode metrics");
    }
    out
}
