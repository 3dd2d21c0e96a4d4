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
        attempt: 0,
        created: Timestamp::from_second(second).unwrap(),
        wanted: cpu(wanted),
        admitted: cpu(admitted),
        may_grow: true,
        backing: ResourceList::default(),
    }
}

const PROVEN: Writer = Writer {
    fence: 7,
    proven: true,
};

/// An account of `total` that this writer keeps already.
fn kept() -> Account {
    Account {
        fence: 7,
        ..Account::default()
    }
}

fn next(account: &Account, total: i64, claims: &[Claim]) -> Account {
    let next = account.next(cpu(total), &[], claims, PROVEN);
    assert!(!next.prove);
    next.account
}

#[test]
fn of_two_claims_for_the_last_unit_the_older_is_promised() {
    let account = next(
        &kept(),
        10,
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
    let first = next(&kept(), 10, &[claim("a", 1, 6, 0)]);
    assert_eq!(first.free("requests.cpu"), Quantity::units(4));
    let second = next(&first, 10, &[claim("a", 1, 6, 6)]);
    assert!(second.pending.is_empty());
    assert_eq!(second.free("requests.cpu"), Quantity::units(4));
}

#[test]
fn a_promise_to_an_older_generation_or_an_attempt_that_was_given_up_is_withdrawn() {
    let first = next(&kept(), 10, &[claim("a", 1, 6, 0)]);
    let newer = Claim {
        generation: 2,
        may_grow: false,
        ..claim("a", 1, 6, 0)
    };
    assert!(next(&first, 10, &[newer]).pending.is_empty());
    let again = Claim {
        attempt: 1,
        ..claim("a", 1, 6, 0)
    };
    let second = next(&first, 10, std::slice::from_ref(&again));
    assert!(second.reservation(&claim("a", 1, 6, 0).taker()).is_none());
    assert!(second.reservation(&again.taker()).is_some());
}

#[test]
fn lowering_the_total_below_the_grants_displaces_nobody_and_admits_nobody() {
    let account = next(&kept(), 5, &[claim("a", 1, 6, 6), claim("b", 2, 1, 0)]);
    assert_eq!(account.granted, cpu(6));
    assert!(account.pending.is_empty());
}

#[test]
fn a_new_leader_first_takes_the_account_over_and_looks_and_an_overtaken_one_writes_no_more() {
    let before = next(&kept(), 10, &[claim("a", 1, 6, 6)]);
    // Its view of the grants is from before `a` was charged: with it, `b` would be promised what `a` has.
    let stale = [claim("a", 1, 6, 0), claim("b", 2, 6, 0)];
    let mut writer = Writer {
        fence: 9,
        proven: false,
    };
    let taken = before.next(cpu(10), &[], &stale, writer);
    assert!(taken.prove && taken.account.pending.is_empty());
    assert_eq!((taken.account.fence, &taken.account.granted), (9, &cpu(6)));
    let taken = taken.account;
    let still = taken.next(cpu(10), &[], &stale, writer);
    assert_eq!((still.account, still.prove), (taken.clone(), true));
    let overtaken = taken.next(cpu(10), &[], &stale, PROVEN);
    assert_eq!((overtaken.account, overtaken.prove), (taken.clone(), false));
    writer.proven = true;
    let fresh = [claim("a", 1, 6, 6), claim("b", 2, 6, 0)];
    let next = taken.next(cpu(10), &[], &fresh, writer);
    assert_eq!((next.account, next.prove), (taken, false));
}

fn holding(account: &Account, holders: &[Claim], claims: &[Claim]) -> Account {
    account.next(cpu(10), holders, claims, PROVEN).account
}

#[test]
fn a_request_holds_what_nobody_else_gets_and_gives_it_back_when_it_ends() {
    let wants = claim("r", 2, 6, 0);
    let promised = holding(&kept(), std::slice::from_ref(&wants), &[]);
    assert_eq!(promised.pending[0].uid, "r");
    let has = Claim {
        admitted: cpu(6),
        ..wants
    };
    let held = holding(
        &promised,
        std::slice::from_ref(&has),
        &[claim("g", 1, 5, 0)],
    );
    assert!(held.pending.is_empty());
    assert_eq!(
        (&held.held, held.free("requests.cpu")),
        (&cpu(6), Quantity::units(4))
    );
    let ended = holding(&held, &[], &[claim("g", 1, 5, 0)]);
    assert!(ended.held.is_empty());
    assert_eq!(ended.pending[0].uid, "g");
}

#[test]
fn what_is_held_becomes_the_charge_of_its_grant_and_nobody_comes_between() {
    let rival = claim("rival", 1, 5, 0);
    let backed = |admitted, backing| Claim {
        backing: cpu(backing),
        ..claim("g", 9, 6, admitted)
    };
    let held = holding(
        &kept(),
        &[claim("r", 2, 6, 6)],
        std::slice::from_ref(&rival),
    );
    // Enacted: the same six are held for the grant, then promised to it, then charged.
    let promised = holding(&held, &[], &[rival.clone(), backed(0, 6)]);
    assert_eq!(promised.pending.len(), 1);
    assert_eq!(
        (promised.pending[0].uid.as_str(), promised.held.is_empty()),
        ("g", true)
    );
    let charged = holding(&promised, &[], &[rival, backed(6, 0)]);
    assert_eq!(
        (charged.granted.clone(), charged.pending.len()),
        (cpu(6), 0)
    );
}

#[test]
fn a_new_leader_writes_nothing_where_nothing_is_to_change() {
    let before = next(&kept(), 10, &[claim("a", 1, 6, 6)]);
    let writer = Writer {
        fence: 9,
        proven: false,
    };
    let same = before.next(cpu(10), &[], &[claim("a", 1, 6, 6)], writer);
    assert_eq!((same.account, same.prove), (before, false));
}

proptest! {
    /// Grants take up, change and go in any order; the sum of what they may be charged stays within the total.
    #[test]
    fn never_more_than_the_total(steps in prop::collection::vec((0..4_usize, 0..9_i64, any::<bool>()), 1..60)) {
        let mut claims: Vec<_> = (0..4).map(|i| claim(&format!("g{i}"), i, 0, 0)).collect();
        let mut account = kept();
        for (i, wanted, take) in steps {
            if take {
                let c = &mut claims[i];
                if account.reservation(&c.taker()).is_some() {
                    c.admitted = c.admitted.max(&c.wanted);
                }
            } else {
                claims[i].wanted = cpu(wanted);
                claims[i].generation += 1;
            }
            account = next(&account, 12, &claims);
            let sum: ResourceList = claims.iter().map(|c| &c.admitted).sum();
            prop_assert!(sum.of("requests.cpu") <= Quantity::units(12));
            prop_assert!(account.charged("requests.cpu") <= Quantity::units(12));
        }
    }
}
