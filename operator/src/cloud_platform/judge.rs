//! The seven docking checks by their evidence, and the conditions of a platform.

use crds::cloud_platform::{
    Check, CheckState, CheckStatus, CloudPlatformStatus, ClusterState, ClusterStatus, Enforcement,
    Evidence, PlatformMode,
};
use crds::condition::whole_second;
use crds::{CloudPlatform, ConditionStatus, ConditionType, Reason, Verdict};
use jiff::{Timestamp, ToSpan as _};

use super::World;

/// What each check, in the order of [`Check::ALL`], waits for while nothing says so.
const AWAITS: [&str; 7] = [
    "no connected cluster whose Nodes can be read; or attest it in spec.attestations",
    "no quota of a grant was seen in force yet; or attest it in spec.attestations",
    "the admission policies could not be read; or attest it in spec.attestations",
    "metrics.k8s.io does not answer in every cluster; or attest it in spec.attestations",
    "nothing observes backups yet: attest it in spec.attestations",
    "nothing observes duty yet: attest it in spec.attestations",
    "nothing observes sign-in yet: attest it in spec.attestations",
];

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
            .or_else(|| attested(check, platform, world))
            .unwrap_or_else(|| {
                said(
                    check,
                    CheckState::Unknown,
                    Evidence::None,
                    AWAITS[check as usize].to_owned(),
                )
            });
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

fn said(check: Check, state: CheckState, evidence: Evidence, detail: String) -> CheckStatus {
    CheckStatus {
        check,
        state,
        evidence,
        detail,
        since: None,
        until: None,
    }
}

/// What Qipan itself has seen; only while every connected cluster answers, since an old sight is no evidence.
fn observed(check: Check, world: &World, status: &CloudPlatformStatus) -> Option<CheckStatus> {
    let live = |c: &&ClusterStatus| c.state != ClusterState::Declared;
    let clusters: Vec<&ClusterStatus> = status.clusters.iter().filter(live).collect();
    if clusters.is_empty() || clusters.iter().any(|c| c.state != ClusterState::Connected) {
        return None;
    }
    let (state, detail) = match check {
        Check::Inventory if clusters.iter().all(|c| !c.capacity.is_empty()) => {
            let nodes: i64 = clusters
                .iter()
                .flat_map(|c| c.capacity.values())
                .map(|c| c.nodes)
                .sum();
            (CheckState::Passed, format!("{nodes} nodes read"))
        }
        Check::Allocation if proven(world) => (
            CheckState::Passed,
            "quotas written and seen in force".to_owned(),
        ),
        Check::Deployment => enforcement(&clusters)?,
        Check::Monitoring
            if world
                .members
                .values()
                .all(|m| m.facts.metrics == Some(true)) =>
        {
            (CheckState::Passed, "metrics.k8s.io answers".to_owned())
        }
        Check::Inventory
        | Check::Allocation
        | Check::Monitoring
        | Check::Backup
        | Check::Operations
        | Check::Authentication => return None,
    };
    Some(said(check, state, Evidence::Observation, detail))
}

/// Whether any quota that Qipan wrote here was seen in force.
fn proven(world: &World) -> bool {
    world
        .grants
        .values()
        .flatten()
        .any(|g| g.in_force && !g.claim.admitted.is_zero())
}

fn enforcement(clusters: &[&ClusterStatus]) -> Option<(CheckState, String)> {
    if clusters
        .iter()
        .all(|c| c.enforcement == Some(Enforcement::Full))
    {
        return Some((
            CheckState::Passed,
            "all admission policies verified".to_owned(),
        ));
    }
    let short = |c: &&&ClusterStatus| {
        matches!(
            c.enforcement,
            Some(Enforcement::Missing | Enforcement::Partial)
        )
    };
    let missing: Vec<_> = clusters
        .iter()
        .filter(short)
        .flat_map(|c| c.missing_policies.clone())
        .collect();
    clusters.iter().any(|c| short(&c)).then(|| {
        (
            CheckState::Failed,
            format!("missing: {}", missing.join(", ")),
        )
    })
}

fn attested(check: Check, platform: &CloudPlatform, world: &World) -> Option<CheckStatus> {
    let found = platform
        .spec
        .attestations
        .iter()
        .find(|a| a.check == check)?;
    let stated = &found.attestation;
    let state = if stated.until >= world.today {
        CheckState::Passed
    } else {
        CheckState::Unknown
    };
    let basis = stated.basis.as_deref().unwrap_or("-");
    let mut said = said(
        check,
        state,
        Evidence::Attestation,
        format!("{} ({}): {basis}", stated.by, stated.date),
    );
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
    match bad {
        Some(c) if c.enforcement == Some(Enforcement::Partial) => {
            Verdict::no(Reason::PartialEnforcement)
                .with("cluster", &c.name)
                .with("version", c.version.clone().unwrap_or_default())
        }
        Some(c) if c.enforcement == Some(Enforcement::Missing) => {
            Verdict::no(Reason::PoliciesMissing)
                .with("cluster", &c.name)
                .with("policies", c.missing_policies.join(", "))
        }
        Some(c) => Verdict::unknown(Reason::NoEvidence).with("cluster", &c.name),
        None => reachable.clone(),
    }
}

fn unenforced(platform: &CloudPlatform) -> Option<(&str, Verdict)> {
    platform.spec.pools.iter().find_map(|pool| {
        let why = crate::tenant_quota::validate::canonical("", &pool.capacity).err()?;
        Some((pool.name.as_str(), why))
    })
}
