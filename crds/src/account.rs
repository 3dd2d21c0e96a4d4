//! The admission account of a pool or of a budget: what it has, what it has given, whom it is promised to.
//!
//! One level above the leaves (design §4): a claim is reserved here by compare-and-swap, the grant then writes its own
//! `admitted`, and the reservation is settled when that is seen. Every crash between the three leaves a state that reads
//! as "charged", never as "free".
//!
//! Compare-and-swap orders the writes of an account, but not what their writers know of the grants. So each account names
//! its writer by a fence: a process first writes its fence and nothing else, then makes sure that its view of the grants is
//! at least as new as that write, and only then counts and promises. A process whose fence is smaller than the stored one
//! was overtaken and writes no more, however long it slept and whichever of its watches lags.
//!
//! An open request holds capacity by the same steps: what it wants is promised, it notes that it has it, and from then on it
//! counts as held. When it is enacted, what it holds backs the grants that name it: a grant's promise is made out of it, in
//! one write, so that nobody else can come between.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Quantity, ResourceList};

/// What the name of a request begins with among reservations; the rest is `<namespace>/<name>`.
pub const REQUEST: &str = "resourcerequest/";

/// How many reservations may be open at once in one account.
pub const MAX_PENDING: usize = 512;

/// A promise to one grant that it has not yet taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    /// UID of the `TenantQuota`, or of the `ResourceRequest` that is to hold it.
    pub uid: String,
    /// Namespace and name of the `TenantQuota`, for the reader; `resourcerequest/<namespace>/<name>` of a request.
    pub grant: String,
    /// The generation of its spec that was judged. A grant takes up a reservation of its own generation only, so that a
    /// promise read late is never taken up after it was withdrawn.
    pub generation: i64,
    /// The grant's attempt (`status.attempt`) that it was made for: a grant that gives a promise back counts on, and the
    /// promise of an earlier attempt is never taken up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: i64,
    /// What is promised above what the grant is charged already.
    pub amount: ResourceList,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
pub(crate) const fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// What a promise is made to: a grant, at a generation of its spec, in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taker<'a> {
    /// UID of the `TenantQuota`.
    pub uid: &'a str,
    /// Generation of its spec.
    pub generation: i64,
    /// Its `status.attempt`.
    pub attempt: i64,
}

impl<'a> From<&'a crate::TenantQuota> for Taker<'a> {
    fn from(quota: &'a crate::TenantQuota) -> Self {
        Self {
            uid: quota.metadata.uid.as_deref().unwrap_or_default(),
            generation: quota.metadata.generation.unwrap_or(0),
            attempt: quota.status.as_ref().map_or(0, |s| s.attempt),
        }
    }
}

/// Who writes an account, and whether its view of the grants is known to be new enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Resource version of the Lease by which this process leads: later leaders have larger ones.
    pub fence: i64,
    /// Whether the grants were seen as they stood after this process had put its fence into the account, every one of them.
    pub proven: bool,
}

/// The next state of an account, and whether its writer must look at the grants anew before it can say more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The state.
    pub account: Account,
    /// Whether something is to change that this writer may not yet decide.
    pub prove: bool,
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
    /// The writer: resource version of the Lease by which the operator led that wrote this last. Smaller ones write no more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fence: i64,
}

/// What an account lacks for an increase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The resource.
    pub resource: String,
    /// What is asked for.
    pub asked: Quantity,
    /// What is free, never below zero.
    pub free: Quantity,
}

/// One grant, or one open request that holds, as an account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// UID of the `TenantQuota`.
    pub uid: String,
    /// `namespace/name`.
    pub grant: String,
    /// Generation of its spec.
    pub generation: i64,
    /// Its `status.attempt`.
    pub attempt: i64,
    /// When it was created, for the order of claims.
    pub created: jiff::Timestamp,
    /// What its spec asks for; zero while it is being deleted or refused for other reasons.
    pub wanted: ResourceList,
    /// What it is charged (`status.admitted`); of a request, what it holds.
    pub admitted: ResourceList,
    /// Whether it may be charged more at all (valid, tenant ready, platform open, reserved at the accounts before this, room
    /// in the accounts after it).
    pub may_grow: bool,
    /// What a request holds for it here, and it takes over when it is promised.
    pub backing: ResourceList,
}

impl Claim {
    /// What the grant asks for above what it is charged.
    #[must_use]
    pub fn increase(&self) -> ResourceList {
        self.wanted.excess_over(&self.admitted)
    }

    fn taker(&self) -> Taker<'_> {
        Taker {
            uid: &self.uid,
            generation: self.generation,
            attempt: self.attempt,
        }
    }
}

impl Reservation {
    fn is_for(&self, taker: &Taker<'_>) -> bool {
        self.uid == taker.uid
            && self.generation == taker.generation
            && self.attempt == taker.attempt
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

    /// What open requests hold, or are promised to hold.
    #[must_use]
    pub fn held_for_requests(&self, name: &str) -> Quantity {
        let promised = self.pending.iter().filter(|r| r.grant.starts_with(REQUEST));
        promised.fold(self.held.of(name), |sum, r| sum.plus(r.amount.of(name)))
    }

    /// What is granted, or promised to grants.
    #[must_use]
    pub fn granted_to_grants(&self, name: &str) -> Quantity {
        let all = self.charged(name).plus(self.held.of(name));
        all.minus(self.held_for_requests(name))
    }

    /// The reservation that a grant may take up.
    #[must_use]
    pub fn reservation(&self, taker: &Taker<'_>) -> Option<&Reservation> {
        self.pending.iter().find(|r| r.is_for(taker))
    }

    /// What keeps a grant from an increase here: nothing where it is promised already, or where there is room. Names that the
    /// account does not count are free.
    #[must_use]
    pub fn refuses(&self, taker: &Taker<'_>, increase: &ResourceList) -> Option<Shortage> {
        if self.reservation(taker).is_some() {
            return None;
        }
        let counted = increase.in_names_of(&self.total);
        let (resource, asked, free) = self.short_of(&counted)?;
        Some(Shortage {
            resource: resource.to_owned(),
            asked,
            free,
        })
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

    /// The next state of the account: settles what was taken up, drops promises to generations and attempts that are gone,
    /// and promises what fits in the order (creation, name), to grants and to requests that are to hold. Accepted grants are
    /// never displaced. A writer that is new to the account changes nothing but the fence.
    #[must_use]
    pub fn next(
        &self,
        total: ResourceList,
        holders: &[Claim],
        claims: &[Claim],
        writer: Writer,
    ) -> Next {
        let wanted = self.settled(total, holders, claims);
        let as_it_is = |prove| Next {
            account: self.clone(),
            prove,
        };
        if wanted == *self || self.fence > writer.fence {
            return as_it_is(false);
        }
        if self.fence < writer.fence {
            return Next {
                account: Self {
                    fence: writer.fence,
                    total: wanted.total,
                    ..self.clone()
                },
                prove: true,
            };
        }
        if !writer.proven {
            return as_it_is(true);
        }
        Next {
            account: wanted,
            prove: false,
        }
    }

    fn settled(&self, total: ResourceList, holders: &[Claim], claims: &[Claim]) -> Self {
        let all = || claims.iter().chain(holders);
        let held: ResourceList = holders.iter().map(|h| &h.admitted).sum();
        let mut next = Self {
            total,
            granted: claims.iter().map(|c| &c.admitted).sum(),
            pending: Vec::new(),
            held: claims.iter().fold(held, |held, c| held.plus(&c.backing)),
            fence: self.fence,
        };
        for old in &self.pending {
            let Some(claim) = all().find(|c| old.is_for(&c.taker())) else {
                continue;
            };
            let left = claim.increase();
            if !left.is_empty() {
                next.promise(claim, left);
            }
        }
        let mut waiting: Vec<_> = all()
            .filter(|c| {
                c.may_grow
                    && !c.increase().is_empty()
                    && !next.pending.iter().any(|r| r.uid == c.uid)
            })
            .collect();
        waiting.sort_by(|a, b| (a.created, &a.grant).cmp(&(b.created, &b.grant)));
        for claim in waiting {
            let increase = claim.increase();
            let beyond = increase.excess_over(&claim.backing);
            if next.pending.len() < MAX_PENDING && next.short_of(&beyond).is_none() {
                next.promise(claim, increase);
            }
        }
        next.held.0.retain(|_, amount| *amount > Quantity::ZERO);
        next
    }

    /// Promises an amount; what was held for it is held no longer.
    fn promise(&mut self, claim: &Claim, amount: ResourceList) {
        self.held = self.held.above(&claim.backing);
        self.pending.push(Reservation {
            uid: claim.uid.clone(),
            grant: claim.grant.clone(),
            generation: claim.generation,
            attempt: claim.attempt,
            amount,
        });
    }
}

#[cfg(test)]
mod tests;
