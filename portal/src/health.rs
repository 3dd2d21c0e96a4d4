//! How things are, in one word, and what needs attention: computed from conditions, worded from the reasons' catalogue.

mod notices;

use crds::cloud_platform::{CheckState, ClusterState, PlatformMode};
use crds::governance_profile::Thresholds;
use crds::{CloudPlatform, Condition, ConditionStatus, ConditionType, Conditions, Reason};
use jiff::civil::Date;

use crate::i18n::Lang;
use crate::ledger::{self, Certainty, Ledger};

pub use notices::{Names, Notice, Wording, order};

/// How something is. Worse comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Something is wrong.
    Bad,
    /// Nobody can tell.
    Unknown,
    /// Something will be wrong.
    Attention,
    /// Work is under way.
    Progress,
    /// Nothing goes on, and nothing is wrong: not begun, paused, over.
    Idle,
    /// As it should be.
    Good,
}

impl Health {
    /// The word in style sheets.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Unknown => "unknown",
            Self::Attention => "attention",
            Self::Progress => "progress",
            Self::Idle => "idle",
            Self::Good => "good",
        }
    }

    /// Its sign, so that colour is never alone.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Bad => "\u{25a0}",
            Self::Unknown => "\u{25c7}",
            Self::Attention => "\u{25b2}",
            Self::Progress => "\u{25d0}",
            Self::Idle => "\u{25cb}",
            Self::Good => "\u{25cf}",
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self, lang: Lang) -> &'static str {
        lang.find(&format!("health.{}", self.code())).unwrap_or("")
    }
}

/// How a platform stands: the one word of its card, and what the sentence over the overview counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Answers, and nothing is open.
    Healthy,
    /// Answers, and something will be wrong.
    Attention,
    /// Something is wrong.
    Faulty,
    /// One of its clusters does not answer.
    Unreachable,
    /// Nothing is known but its owner's word.
    Declared,
    /// The operator has not looked at it yet.
    Waiting,
}

impl Standing {
    /// In the order in which the sentence names them.
    pub const ALL: [Self; 6] = [
        Self::Healthy,
        Self::Attention,
        Self::Faulty,
        Self::Unreachable,
        Self::Declared,
        Self::Waiting,
    ];

    /// The word in the message files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Attention => "attention",
            Self::Faulty => "faulty",
            Self::Unreachable => "unreachable",
            Self::Declared => "declared",
            Self::Waiting => "waiting",
        }
    }

    /// Its sign and colour.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::Healthy => Health::Good,
            Self::Attention => Health::Attention,
            Self::Faulty => Health::Bad,
            Self::Unreachable | Self::Declared | Self::Waiting => Health::Unknown,
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self, lang: Lang) -> &'static str {
        lang.find(&format!("standing.{}", self.code()))
            .unwrap_or("")
    }

    /// How a platform stands.
    #[must_use]
    pub fn of(platform: &CloudPlatform, thresholds: Thresholds, today: Date) -> Self {
        let Some((status, mode)) = platform.status.as_ref().and_then(|s| Some((s, s.mode?))) else {
            return Self::Waiting;
        };
        if mode == PlatformMode::Declared {
            return Self::Declared;
        }
        let any = |state| status.clusters.iter().any(|cluster| cluster.state == state);
        let ready = status
            .conditions
            .get(ConditionType::Ready)
            .map(|c| c.status);
        if any(ClusterState::Unreachable) {
            return Self::Unreachable;
        }
        let faulty =
            status.conditions.get(ConditionType::Ready).and_then(judge) == Some(Health::Bad);
        if any(ClusterState::Refused) || faulty {
            return Self::Faulty;
        }
        if any(ClusterState::Unknown) || ready != Some(ConditionStatus::True) {
            return Self::Waiting;
        }
        let said_no = |type_| {
            status
                .conditions
                .get(type_)
                .is_some_and(|c| c.status == ConditionStatus::False)
        };
        let failed = status
            .checks
            .iter()
            .any(|check| check.state == CheckState::Failed);
        let zones = ledger::zones(platform, today);
        let full = zones
            .iter()
            .flat_map(|zone| &zone.ledgers)
            .any(|ledger| nearly_full(ledger, thresholds));
        let open =
            failed || full || said_no(ConditionType::Docked) || said_no(ConditionType::Current);
        if open { Self::Attention } else { Self::Healthy }
    }
}

fn nearly_full(ledger: &Ledger, thresholds: Thresholds) -> bool {
    ledger
        .granted_percent()
        .is_some_and(|percent| percent >= i64::from(thresholds.granted_percent))
}

/// How one zone of a platform is.
#[must_use]
pub fn of_zone(
    platform: &CloudPlatform,
    zone: &ledger::ZoneLedgers,
    thresholds: Thresholds,
) -> Health {
    if ledger::clusters_in(platform, zone.zone)
        .any(|cluster| cluster.state == ClusterState::Refused)
    {
        return Health::Bad;
    }
    if zone.certainty != Certainty::Observed {
        return Health::Unknown;
    }
    if zone
        .ledgers
        .iter()
        .any(|ledger| ledger.over() > crds::Quantity::ZERO)
    {
        return Health::Bad;
    }
    if zone
        .ledgers
        .iter()
        .any(|ledger| nearly_full(ledger, thresholds))
    {
        Health::Attention
    } else {
        Health::Good
    }
}

fn is_lost(reason: &str) -> bool {
    let lost = [
        Reason::Unreachable,
        Reason::MemberUnreachable,
        Reason::InMaintenance,
    ];
    lost.iter().any(|lost| lost.as_str() == reason)
}

/// Whether a condition needs attention, and how badly.
#[must_use]
pub fn judge(condition: &Condition) -> Option<Health> {
    use ConditionType::{
        Admitted, Current, Docked, Enacted, Held, InForce, OfficesApart, OnTime, OverGrant,
        Reachable, Ready, Reviewed,
    };
    let good = match condition.type_ {
        OverGrant => ConditionStatus::False,
        Ready | Admitted | InForce | Reachable | Docked | Current | Held | Enacted | OnTime
        | Reviewed | OfficesApart => ConditionStatus::True,
    };
    let by_nature = [
        Reason::Declared,
        Reason::NoEvidence,
        Reason::NothingHeld,
        Reason::WindowEnded,
    ];
    let by_nature = by_nature.iter().any(|r| r.as_str() == condition.reason);
    if condition.status == good || by_nature {
        return None;
    }
    if is_lost(&condition.reason) {
        return Some(Health::Unknown);
    }
    let under_way = [
        Reason::Progressing,
        Reason::AwaitingPool,
        Reason::AwaitingEnforcement,
        Reason::Lowering,
        Reason::Recovering,
        Reason::Draining,
        Reason::Deleting,
        Reason::Submitted,
        Reason::AwaitingHold,
        Reason::Reviewing,
        Reason::Returned,
        Reason::Approved,
        Reason::Provisioning,
        Reason::WorkOpen,
        Reason::ChangeFrozen,
        Reason::WindowPlanned,
        Reason::DelegatorLost,
        Reason::ReviewOpen,
    ];
    if under_way.iter().any(|r| r.as_str() == condition.reason) {
        return Some(Health::Progress);
    }
    if condition.status == ConditionStatus::Unknown {
        return Some(Health::Unknown);
    }
    Some(match condition.type_ {
        Ready | Admitted | Reachable | InForce => Health::Bad,
        OverGrant | Docked | Current | Held | Enacted | OnTime | Reviewed | OfficesApart => {
            Health::Attention
        }
    })
}

/// How an object with conditions is: as its worst condition.
#[must_use]
pub fn of_conditions(conditions: &Conditions) -> Health {
    if conditions.0.is_empty() {
        return Health::Unknown;
    }
    conditions
        .0
        .iter()
        .filter_map(judge)
        .min()
        .unwrap_or(Health::Good)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::overview::tests::{now, platform, today};

    fn standing(name: &str) -> Standing {
        Standing::of(&platform(name), Thresholds::default(), today())
    }

    fn wording(lang: Lang) -> Wording {
        Wording {
            lang,
            now: now(),
            names: crate::health::Names::default(),
            thresholds: Thresholds::default(),
        }
    }

    #[test]
    fn platforms_stand_as_their_evidence_says() {
        assert_eq!(standing("gd-prov"), Standing::Healthy);
        assert_eq!(standing("zj-node"), Standing::Attention);
        assert_eq!(standing("mm-node"), Standing::Unreachable);
        assert_eq!(standing("st-node"), Standing::Faulty);
        assert_eq!(standing("ga-cloud"), Standing::Declared);
        assert_eq!(standing("new-city"), Standing::Waiting);
    }

    #[test]
    fn a_loss_is_told_once_and_as_unknown() {
        let lost = platform("mm-node");
        let notices =
            wording(Lang::Zh).notices("mm", "/platforms/mm-node", &lost.status.unwrap().conditions);
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert_eq!(notices[0].health, Health::Unknown);
        assert!(notices[0].happened.contains("mm-extranet") && !notices[0].todo.is_empty());
    }

    #[test]
    fn figures_are_worded_in_the_readers_language() {
        let over = platform("st-node");
        let conditions = over.status.unwrap().conditions;
        let zh = wording(Lang::Zh).notices("st", "/", &conditions);
        assert!(
            zh[0].happened.contains("CPU") && !zh[0].happened.contains("requests.cpu"),
            "{zh:?}"
        );
        let checks = zh.iter().find(|n| n.health == Health::Attention).unwrap();
        assert!(checks.happened.contains("备份"), "{checks:?}");
    }

    #[test]
    fn a_declared_platform_is_not_a_finding() {
        let declared = platform("rs-cloud");
        assert!(
            wording(Lang::En)
                .notices("rs", "/", &declared.status.unwrap().conditions)
                .is_empty()
        );
    }

    #[test]
    fn a_reason_of_a_newer_operator_is_shown_in_its_own_words() {
        let (happened, _) =
            wording(Lang::Zh).reason("FromTheFuture", &BTreeMap::new(), "something new");
        assert_eq!(happened, "something new");
    }
}
