//! The seven docking checks by their evidence, and the conditions of a platform.

use crds::cloud_platform::{
    Check, CheckState, CheckStatus, CloudPlatformStatus, ClusterState, ClusterStatus, Enforcement,
    Evidence, PlatformMode,
};
use crds::condition::whole_second;
use crds::{CloudPlatform, ConditionStatus, ConditionType, Reason, Verdict};
use jiff::{Timestamp, ToSpan as _};

use super::World;

/// What a check waits for while nothing says so.
fn awaited(check: Check) -> Verdict {
    match check {
        Check::Inventory => Verdict::unknown(Reason::NodesUnread),
        Check::Allocation => Verdict::unknown(Reason::QuotaUnseen),
        Check::Deployment => Verdict::unknown(Reason::PoliciesUnread),
        Check::Monitoring => Verdict::unknown(Reason::MetricsSilent),
        Check::Backup | Check::Operations | Check::Authentication => {
            Verdict::unknown(Reason::Unobserved).with("check", check.as_str())
        }
    }
}

/// Judges the seven checks: an observation first, else the owner's word while it lasts, else unknown.
pub(super) fn checks(
    platform: &CloudPlatform,
    world: &World,
    status: &mut CloudPlatformStatus,
    now: Timestamp,
) {
    let before = std::mem::take(&mut status.checks);
    for check in Check::ALL {
        let mut next = observed(check, world, status)
            .map(|verdict| said(check, &verdict, Evidence::Observation))
            .or_else(|| attested(check, platform, world))
            .unwrap_or_else(|| said(check, &awaited(check), Evidence::None));
        let old = before.iter().find(|c| c.check == check);
        let since = old
            .filter(|c| c.state == next.state && c.evidence == next.evidence)
            .and_then(|c| c.since);
        next.since = since.or_else(|| Some(whole_second(now)));
        status.checks.push(next);
    }
    let passed = status
        .checks
        .iter()
        .filter(|c| c.state == CheckState::Passed)
        .count();
    status.checks_passed = Some(format!("{passed}/7"));
}

fn said(check: Check, verdict: &Verdict, evidence: Evidence) -> CheckStatus {
    CheckStatus {
        check,
        state: match verdict.status {
            ConditionStatus::True => CheckState::Passed,
            ConditionStatus::False => CheckState::Failed,
            ConditionStatus::Unknown => CheckState::Unknown,
        },
        evidence,
        reason: verdict.reason.to_string(),
        message: verdict.message(),
        params: verdict.params.clone(),
        since: None,
        until: None,
    }
}

/// What Qipan itself has seen; only while every connected cluster answers, since an old sight is no evidence.
fn observed(check: Check, world: &World, status: &CloudPlatformStatus) -> Option<Verdict> {
    let live = |c: &&ClusterStatus| c.state != ClusterState::Declared;
    let clusters: Vec<&ClusterStatus> = status.clusters.iter().filter(live).collect();
    if clusters.is_empty() || clusters.iter().any(|c| c.state != ClusterState::Connected) {
        return None;
    }
    let seen = |reason| Verdict::yes(reason).with("clusters", clusters.len());
    match check {
        Check::Inventory => {
            let nodes = clusters.iter().flat_map(|c| c.capacity.values());
            let nodes: i64 = nodes.map(|c| c.nodes).sum();
            let all = clusters.iter().all(|c| !c.capacity.is_empty());
            all.then(|| seen(Reason::NodesRead).with("nodes", nodes))
        }
        Check::Allocation => proven(world).then(|| Verdict::yes(Reason::QuotaSeen)),
        Check::Deployment => enforcement(&clusters),
        Check::Monitoring => {
            let all = world
                .members
                .values()
                .all(|m| m.facts.metrics == Some(true));
            all.then(|| seen(Reason::MetricsAnswer))
        }
        Check::Backup | Check::Operations | Check::Authentication => None,
    }
}

/// Whether any quota that Qipan wrote here was seen in force.
fn proven(world: &World) -> bool {
    world
        .grants
        .values()
        .flatten()
        .any(|g| g.in_force && !g.claim.admitted.is_zero())
}

/// Whether the policies hold in every cluster; the first where they do not says why. `None`: they could not be read.
fn enforcement(clusters: &[&ClusterStatus]) -> Option<Verdict> {
    let of = |c: &&ClusterStatus| short(c);
    if let Some(verdict) = clusters.iter().find_map(of) {
        return Some(verdict);
    }
    let full = |c: &&ClusterStatus| c.enforcement == Some(Enforcement::Full);
    let verdict = Verdict::yes(Reason::PoliciesVerified).with("clusters", clusters.len());
    clusters.iter().all(full).then_some(verdict)
}

/// What a cluster lacks of the policies, where that is known.
fn short(cluster: &ClusterStatus) -> Option<Verdict> {
    match cluster.enforcement? {
        Enforcement::Partial => Some(
            Verdict::no(Reason::PartialEnforcement)
                .with("cluster", &cluster.name)
                .with("version", cluster.version.clone().unwrap_or_default()),
        ),
        Enforcement::Missing => Some(
            Verdict::no(Reason::PoliciesMissing)
                .with("cluster", &cluster.name)
                .with("policies", cluster.missing_policies.join(", ")),
        ),
        Enforcement::Full | Enforcement::Unknown => None,
    }
}

fn attested(check: Check, platform: &CloudPlatform, world: &World) -> Option<CheckStatus> {
    let mut words = platform.spec.attestations.iter();
    let stated = &words.find(|a| a.check == check)?.attestation;
    let verdict = if stated.until >= world.today {
        Verdict::yes(Reason::Attested)
            .with("on", stated.date)
            .with("basis", stated.basis.as_deref().unwrap_or("-"))
    } else {
        Verdict::unknown(Reason::AttestationExpired).with("what", check.as_str())
    };
    let verdict = verdict.with("by", &stated.by).with("until", stated.until);
    let mut said = said(check, &verdict, Evidence::Attestation);
    said.until = Some(stated.until);
    Some(said)
}

/// Sets Reachable, Docked, Current and Ready.
pub(super) fn conditions(
    platform: &CloudPlatform,
    world: &World,
    status: &mut CloudPlatformStatus,
    now: Timestamp,
) {
    let generation = platform.metadata.generation;
    let (reachable, docked, current) = (
        reachable(platform, status),
        docked(status),
        current(platform, world, status),
    );
    let ready = ready(platform, status, &reachable);
    for (type_, verdict) in [
        (ConditionType::Reachable, reachable),
        (ConditionType::Docked, docked),
        (ConditionType::Current, current),
        (ConditionType::Ready, ready),
    ] {
        status.conditions.set(type_, &verdict, generation, now);
    }
}

fn declared(platform: &CloudPlatform) -> Verdict {
    let word = platform
        .spec
        .pools
        .iter()
        .find_map(|p| p.attestation.as_ref());
    Verdict::unknown(Reason::Declared)
        .with("by", word.map_or("nobody", |w| w.by.as_str()))
        .with(
            "on",
            word.map_or_else(|| "no date".to_owned(), |w| w.date.to_string()),
        )
}

fn reachable(platform: &CloudPlatform, status: &CloudPlatformStatus) -> Verdict {
    if status.mode == Some(PlatformMode::Declared) {
        return declared(platform);
    }
    let configured = status
        .clusters
        .iter()
        .filter(|c| c.state != ClusterState::Declared);
    let bad = configured
        .clone()
        .find(|c| c.state != ClusterState::Connected);
    match bad {
        None => Verdict::yes(Reason::Connected)
            .with("connected", configured.clone().count())
            .with("clusters", configured.count()),
        Some(cluster) => {
            let reason = cluster.reason.parse().unwrap_or(Reason::Progressing);
            let status = if cluster.state == ClusterState::Refused {
                ConditionStatus::False
            } else {
                ConditionStatus::Unknown
            };
            let mut verdict = Verdict::new(status, reason);
            verdict.params.clone_from(&cluster.params);
            if reason == Reason::Progressing {
                verdict.with("what", format!("connecting {}", cluster.name))
            } else {
                verdict
            }
        }
    }
}

fn docked(status: &CloudPlatformStatus) -> Verdict {
    let passed = status
        .checks
        .iter()
        .filter(|c| c.state == CheckState::Passed)
        .count();
    let failed = status.checks.iter().any(|c| c.state == CheckState::Failed);
    let open: Vec<_> = status
        .checks
        .iter()
        .filter(|c| c.state != CheckState::Passed)
        .map(|c| c.check.as_str())
        .collect();
    if open.is_empty() {
        return Verdict::yes(Reason::Docked);
    }
    let verdict = if failed {
        Verdict::no(Reason::ChecksOpen)
    } else {
        Verdict::unknown(Reason::ChecksOpen)
    };
    verdict.with("passed", passed).with("open", open.join(", "))
}

fn current(platform: &CloudPlatform, world: &World, status: &CloudPlatformStatus) -> Verdict {
    let days = i64::from(
        world
            .profile
            .as_ref()
            .map_or_else(Default::default, |p| p.thresholds)
            .expiry_days,
    );
    let words = platform
        .spec
        .attestations
        .iter()
        .map(|a| (a.check.as_str().to_owned(), &a.attestation));
    let pools = platform
        .spec
        .pools
        .iter()
        .filter_map(|p| Some((p.name.clone(), p.attestation.as_ref()?)));
    if let Some((what, word)) = words.chain(pools).find(|(_, w)| w.until < world.today) {
        return Verdict::no(Reason::AttestationExpired)
            .with("what", what)
            .with("by", &word.by)
            .with("until", word.until);
    }
    let today = world.today.0;
    let soon = status.clusters.iter().find_map(|c| {
        let until = jiff::tz::Offset::constant(8)
            .to_datetime(c.credential_until?)
            .date();
        let left = i64::from(today.until(until).map_or(0, |span| span.get_days()));
        (until <= today.saturating_add(days.days())).then_some((c, until, left))
    });
    if let Some((cluster, until, left)) = soon {
        let named = platform
            .spec
            .clusters
            .iter()
            .find(|c| c.name == cluster.name);
        let secret = named
            .and_then(|c| c.connection.as_ref()?.kubeconfig_secret.clone())
            .unwrap_or_default();
        return Verdict::no(Reason::CredentialExpiring)
            .with("cluster", &cluster.name)
            .with("until", until)
            .with("days", left)
            .with("secret", secret);
    }
    Verdict::yes(Reason::Current).with("days", days)
}

/// Ready says that Qipan has done its part for this platform: it answers, it is who it should be, its policies hold, and its
/// pools are not overdrawn. A declared platform is registered, which is all that Qipan can do for it.
fn ready(platform: &CloudPlatform, status: &CloudPlatformStatus, reachable: &Verdict) -> Verdict {
    if platform.metadata.deletion_timestamp.is_some() && status.grants > 0 {
        return Verdict::no(Reason::PlatformInUse).with("grants", status.grants);
    }
    if let Some((pool, name)) = unenforced(platform) {
        return name.with("field", format!("spec.pools[{pool}].capacity"));
    }
    for pool in &status.pools {
        let over = pool
            .account
            .total
            .iter()
            .find(|(name, total)| pool.account.charged(name) > *total);
        if let Some((resource, total)) = over {
            let verdict = Verdict::no(Reason::PoolOvercommitted)
                .with("pool", &pool.name)
                .with("resource", resource);
            return verdict
                .with("total", total)
                .with("granted", pool.account.charged(resource));
        }
    }
    if reachable.reason != Reason::Connected {
        return reachable.clone();
    }
    let bad = status
        .clusters
        .iter()
        .find(|c| c.enforcement.is_some_and(|e| e != Enforcement::Full));
    bad.map_or_else(
        || reachable.clone(),
        |c| {
            short(c)
                .unwrap_or_else(|| Verdict::unknown(Reason::NoEvidence).with("cluster", &c.name))
        },
    )
}

fn unenforced(platform: &CloudPlatform) -> Option<(&str, Verdict)> {
    platform.spec.pools.iter().find_map(|pool| {
        let why = crate::tenant_quota::validate::canonical("", &pool.capacity).err()?;
        Some((pool.name.as_str(), why))
    })
}
