//! The admission account of a pool or of a budget: what it has, what it has given, whom it is promised to.
//!
//! One level above the leaves (design §4): a claim is reserved here by compare-and-swap, the grant then writes its own
//! `admitted`, and the reservation is settled when that is seen. Every crash between the three leaves a state that reads
//! as "charged", never as "free".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Quantity, ResourceList};

/// How many reservations may be open at once in one account.
pub const MAX_PENDING: usize = 512;

/// A promise to one grant that it has not yet taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    /// UID of the `TenantQuota`.
    pub uid: String,
    /// Namespace and name of the `TenantQuota`, for the reader.
    pub grant: String,
    /// The generation of its spec that was judged. A grant takes up a reservation of its own generation only, so that a
    /// promise read late is never taken up after it was withdrawn.
    pub generation: i64,
    /// What is promised above what the grant is charged already.
    pub amount: ResourceList,
}

/// The state of one account, as stored in a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// What there is to give.
    #[serde(default)]
    pub total: ResourceList,
    /// What grants are charged: the sum of their `status.admitted`.
    #[serde(default)]
    pub granted: ResourceList,
    /// What is promised and not yet taken up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub pending: Vec<Reservation>,
    /// What open requests hold until they are decided or end.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub held: ResourceList,
}

/// One grant as an account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// UID of the `TenantQuota`.
    pub uid: String,
    /// `namespace/name`.
    pub grant: String,
    /// Generation of its spec.
    pub generation: i64,
    /// When it was created, for the order of claims.
    pub created: jiff::Timestamp,
    /// What its spec asks for; zero while it is being deleted or refused for other reasons.
    pub wanted: ResourceList,
    /// What it is charged (`status.admitted`).
    pub admitted: ResourceList,
    /// Whether it may be charged more at all (valid, tenant ready, platform open, reserved at the accounts before this).
    pub may_grow: bool,
}

impl Claim {
    /// What the grant asks for above what it is charged.
    #[must_use]
    pub fn increase(&self) -> ResourceList {
        self.wanted.excess_over(&self.admitted)
    }
}

impl Account {
    /// What is neither granted, promised nor held; may be negative where an account was lowered below its grants.
    #[must_use]
    pub fn free(&self, name: &str) -> Quantity {
        self.total
            .of(name)
            .minus(self.charged(name))
            .minus(self.held.of(name))
    }

    /// What is granted or promised.
    #[must_use]
    pub fn charged(&self, name: &str) -> Quantity {
        self.pending
            .iter()
            .fold(self.granted.of(name), |sum, r| sum.plus(r.amount.of(name)))
    }

    /// The reservation that a grant of this generation may take up.
    #[must_use]
    pub fn reservation(&self, uid: &str, generation: i64) -> Option<&Reservation> {
        self.pending
            .iter()
            .find(|r| r.uid == uid && r.generation == generation)
    }

    /// The first resource of an increase that is not free, with what is free of it (never below zero).
    #[must_use]
    pub fn short_of<'a>(
        &self,
        increase: &'a ResourceList,
    ) -> Option<(&'a str, Quantity, Quantity)> {
        increase
            .iter()
            .find(|(name, amount)| *amount > self.free(name).max(Quantity::ZERO))
            .map(|(name, amount)| (name, amount, self.free(name).max(Quantity::ZERO)))
    }

    /// The next state of the account: settles what was taken up, drops promises to generations that are gone, and promises
    /// what fits in the order (creation, name). Accepted grants are never displaced.
    ///
    /// `claims` must be a view at least as new as the one that this account was last written from.
    #[must_use]
    pub fn next(&self, total: ResourceList, held: ResourceList, claims: &[Claim]) -> Self {
        let granted = claims.iter().map(|c| &c.admitted).sum();
        let mut next = Self {
            total,
            granted,
            pending: Vec::new(),
            held,
        };
        for old in &self.pending {
            let claim = claims
                .iter()
                .find(|c| c.uid == old.uid && c.generation == old.generation);
            let left = claim.map(Claim::increase).unwrap_or_default();
            if !left.is_empty() {
                next.pending.push(Reservation {
                    amount: left,
                    ..old.clone()
                });
            }
        }
        let mut waiting: Vec<_> = claims
            .iter()
            .filter(|c| {
                c.may_grow
                    && !c.increase().is_empty()
                    && !next.pending.iter().any(|r| r.uid == c.uid)
            })
            .collect();
        waiting.sort_by(|a, b| (a.created, &a.grant).cmp(&(b.created, &b.grant)));
        for claim in waiting {
            let increase = claim.increase();
            if next.pending.len() < MAX_PENDING && next.short_of(&increase).is_none() {
                next.pending.push(Reservation {
                    uid: claim.uid.clone(),
                    grant: claim.grant.clone(),
                    generation: claim.generation,
                    amount: increase,
                });
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn cpu(units: i64) -> ResourceList {
        [("requests.cpu", Quantity::units(units))].into()
    }

    fn claim(uid: &str, second: i64, wanted: i64, admitted: i64) -> Claim {
        Claim {
            uid: uid.into(),
            grant: format!("qp-{uid}/g"),
            generation: 1,
            created: Timestamp::from_second(second).unwrap(),
            wanted: cpu(wanted),
            admitted: cpu(admitted),
            may_grow: true,
        }
    }

    #[test]
    fn of_two_claims_for_the_last_unit_the_older_is_promised() {
        let account = Account::default().next(
            cpu(10),
            ResourceList::default(),
            &[claim("late", 2, 6, 0), claim("early", 1, 6, 0)],
        );
        assert_eq!(account.pending.len(), 1);
        assert_eq!(account.pending[0].uid, "early");
        assert_eq!(
            account.short_of(&cpu(6)),
            Some(("requests.cpu", Quantity::units(6), Quantity::units(4)))
        );
    }

    #[test]
    fn a_promise_settles_when_it_is_taken_up_and_counts_until_then() {
        let first =
            Account::default().next(cpu(10), ResourceList::default(), &[claim("a", 1, 6, 0)]);
        assert_eq!(first.free("requests.cpu"), Quantity::units(4));
        let second = first.next(cpu(10), ResourceList::default(), &[claim("a", 1, 6, 6)]);
        assert!(second.pending.is_empty());
        assert_eq!(second.free("requests.cpu"), Quantity::units(4));
    }

    #[test]
    fn a_promise_to_an_older_generation_is_withdrawn() {
        let first =
            Account::default().next(cpu(10), ResourceList::default(), &[claim("a", 1, 6, 0)]);
        let newer = Claim {
            generation: 2,
            may_grow: false,
            ..claim("a", 1, 6, 0)
        };
        let second = first.next(cpu(10), ResourceList::default(), &[newer]);
        assert!(second.reservation("a", 1).is_none());
        assert!(second.pending.is_empty());
    }

    #[test]
    fn lowering_the_total_below_the_grants_displaces_nobody_and_admits_nobody() {
        let account = Account::default().next(
            cpu(5),
            ResourceList::default(),
            &[claim("a", 1, 6, 6), claim("b", 2, 1, 0)],
        );
        assert_eq!(account.granted, cpu(6));
        assert!(account.pending.is_empty());
    }

    proptest! {
        /// Grants take up, change and go in any order; the sum of what they may be charged stays within the total.
        #[test]
        fn never_more_than_the_total(steps in prop::collection::vec((0..4_usize, 0..9_i64, any::<bool>()), 1..60)) {
            let mut claims: Vec<_> = (0..4).map(|i| claim(&format!("g{i}"), i, 0, 0)).collect();
            let mut account = Account::default();
            for (i, wanted, take) in steps {
                if take {
                    let c = &mut claims[i];
                    if account.reservation(&c.uid, c.generation).is_some() {
                        c.admitted = c.admitted.max(&c.wanted);
                    }
                } else {
                    claims[i].wanted = cpu(wanted);
                    claims[i].generation += 1;
                }
                account = account.next(cpu(12), ResourceList::default(), &claims);
                let sum: ResourceList = claims.iter().map(|c| &c.admitted).sum();
                prop_assert!(sum.of("requests.cpu") <= Quantity::units(12));
                prop_assert!(account.charged("requests.cpu") <= Quantity::units(12));
            }
        }
    }
}
