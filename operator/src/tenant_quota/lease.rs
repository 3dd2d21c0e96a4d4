//! The end of a lease: notice, no growth, down to what is in use, release (design §4). Pure; days are those of UTC+8.
//!
//! Nothing is evicted on the way: a share falls to what is charged in its namespace, and to nothing only as that falls.

use std::collections::BTreeMap;

use crds::approval::ApprovalRules;
use crds::calendar::days_after;
use crds::tenant_quota::Lease;
use crds::words::Day;
use crds::{Quantity, Reason, ResourceList, Verdict};
use jiff::Unit;

use super::ledger::{LeafKey, LeafSeen};
use super::validate::Valid;

/// How far a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It runs, and its end is far.
    Runs,
    /// It ends in so many days.
    Ending(i64),
    /// It has ended: nothing grows.
    Ended,
    /// The grant falls to what is in use.
    Shrinking,
    /// The grant falls to nothing.
    Released,
}

/// A lease on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its last day.
    pub until: Day,
    /// How far it is.
    pub stage: Stage,
    /// When the next step comes.
    pub next: Day,
}

/// How far a lease is on a day; `None` where there is none.
#[must_use]
pub fn standing(lease: Option<&Lease>, rules: &ApprovalRules, today: Day) -> Option<Standing> {
    let until = lease?.until;
    let step = i32::from(rules.lease_step_days);
    let (shrinks, goes) = (days_after(until, step), days_after(until, 2 * step));
    let left = today.0.until((Unit::Day, until.0));
    let left = left.map_or(0, |span| i64::from(span.get_days()));
    let (stage, next) = if today > goes {
        (Stage::Released, goes)
    } else if today > shrinks {
        (Stage::Shrinking, days_after(goes, 1))
    } else if today > until {
        (Stage::Ended, days_after(shrinks, 1))
    } else if left <= i64::from(rules.lease_notice_days) {
        (Stage::Ending(left), days_after(until, 1))
    } else {
        (Stage::Runs, until)
    };
    Some(Standing { until, stage, next })
}

impl Standing {
    /// What is said of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let said = |verdict: Verdict| verdict.with("until", self.until);
        match self.stage {
            Stage::Runs => said(Verdict::yes(Reason::LeaseRuns)),
            Stage::Ending(days) => said(Verdict::no(Reason::LeaseEnding)).with("days", days),
            Stage::Ended => said(Verdict::no(Reason::LeaseEnded)).with("next", self.next),
            Stage::Shrinking => said(Verdict::no(Reason::LeaseShrinking)).with("next", self.next),
            Stage::Released => said(Verdict::no(Reason::LeaseReleased)),
        }
    }

    /// Whether nothing may grow any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(
            self.stage,
            Stage::Ended | Stage::Shrinking | Stage::Released
        )
    }
}

/// What is left of a grant whose lease has ended.
#[must_use]
pub fn curb(valid: Valid, lease: Option<&Standing>, seen: &BTreeMap<LeafKey, LeafSeen>) -> Valid {
    let gone = match lease.map(|l| l.stage) {
        None | Some(Stage::Runs | Stage::Ending(_) | Stage::Ended) => return valid,
        Some(Stage::Shrinking) => false,
        Some(Stage::Released) => true,
    };
    let cluster = valid.cluster.clone().unwrap_or_default();
    let shares: BTreeMap<_, _> = valid
        .shares
        .into_iter()
        .map(|(namespace, share)| {
            let leaf = seen.get(&(cluster.clone(), namespace.clone()));
            // What is unknown keeps what it has.
            let charged = || leaf.and_then(in_use).unwrap_or_else(|| share.clone());
            let bound = if gone {
                ResourceList::default()
            } else {
                charged()
            };
            (namespace, least(&share, &bound))
        })
        .collect();
    let sum: ResourceList = shares.values().sum();
    Valid {
        wanted: least(&valid.wanted, &sum),
        shares,
        ..valid
    }
}

fn in_use(leaf: &LeafSeen) -> Option<ResourceList> {
    match leaf {
        LeafSeen::Unknown => None,
        LeafSeen::Absent(_) => Some(ResourceList::default()),
        LeafSeen::Present { quota, .. } => quota.as_ref()?.used.clone(),
    }
}

fn least(list: &ResourceList, bound: &ResourceList) -> ResourceList {
    let least = |(name, amount): (&str, Quantity)| (name.to_owned(), amount.min(bound.of(name)));
    ResourceList(list.iter().map(least).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::QuotaSeen;

    fn day(text: &str) -> Day {
        Day(text.parse().unwrap())
    }

    fn on(today: &str) -> Standing {
        let lease = Lease {
            from: None,
            until: day("2026-11-30"),
        };
        standing(Some(&lease), &ApprovalRules::default(), day(today)).unwrap()
    }

    #[test]
    fn it_is_announced_then_ends_then_shrinks_then_goes() {
        let cases = [
            ("2026-10-30", Stage::Runs, "2026-11-30", "LeaseRuns"),
            ("2026-10-31", Stage::Ending(30), "2026-12-01", "LeaseEnding"),
            ("2026-11-30", Stage::Ending(0), "2026-12-01", "LeaseEnding"),
            ("2026-12-01", Stage::Ended, "2026-12-08", "LeaseEnded"),
            ("2026-12-07", Stage::Ended, "2026-12-08", "LeaseEnded"),
            (
                "2026-12-08",
                Stage::Shrinking,
                "2026-12-15",
                "LeaseShrinking",
            ),
            (
                "2026-12-14",
                Stage::Shrinking,
                "2026-12-15",
                "LeaseShrinking",
            ),
            ("2026-12-15", Stage::Released, "2026-12-14", "LeaseReleased"),
        ];
        for (today, stage, next, reason) in cases {
            let now = on(today);
            assert_eq!((now.stage, now.next), (stage, day(next)), "{today}");
            assert_eq!(now.verdict().reason.to_string(), reason, "{today}");
            assert!(
                !now.verdict().message().contains('?'),
                "{}",
                now.verdict().message()
            );
        }
        assert_eq!(
            standing(None, &ApprovalRules::default(), day("2026-12-15")),
            None
        );
    }

    fn cpu(units: i64) -> ResourceList {
        [("requests.cpu", Quantity::units(units))].into()
    }

    #[test]
    fn it_falls_to_what_is_in_use_and_what_is_unknown_stays() {
        let leaf = |used| LeafSeen::Present {
            uid: "u".into(),
            terminating: false,
            quota: Some(QuotaSeen {
                epoch: 1,
                hard: cpu(4),
                in_force: Some(cpu(4)),
                used,
                shown_since: None,
            }),
        };
        let key = |name: &str| ("zj-1".to_owned(), name.to_owned());
        let seen = BTreeMap::from([
            (key("t-web"), leaf(Some(cpu(3)))),
            (key("t-db"), leaf(None)),
        ]);
        let shares = ["t-web", "t-db", "t-new"].map(|name| (name.to_owned(), cpu(4)));
        let valid = Valid {
            tenant: "t".into(),
            cluster: Some("zj-1".into()),
            wanted: cpu(14),
            shares: shares.into(),
        };
        let after = |today| curb(valid.clone(), Some(&on(today)), &seen);
        assert_eq!(after("2026-12-07"), valid);
        let shrunk = after("2026-12-10");
        assert_eq!(shrunk.shares["t-web"], cpu(3));
        assert_eq!(shrunk.shares["t-db"], cpu(4));
        assert_eq!(shrunk.wanted, cpu(11));
        let gone = after("2026-12-20");
        assert_eq!(
            (gone.wanted, gone.shares["t-web"].clone()),
            (cpu(0), cpu(0))
        );
    }
}
