//! The ledger's promise, by example and by search.

use super::*;
use proptest::prelude::*;

const SETTLE: SignedDuration = SignedDuration::from_secs(60);

fn cpu(units: i64) -> ResourceList {
    [("requests.cpu", Quantity::units(units))].into()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(name: &str) -> LeafKey {
    ("zj-1".into(), format!("t-7-{name}"))
}

fn entry(ceiling: i64, target: i64, epoch: i64) -> LeafEntry {
    LeafEntry {
        cluster: "zj-1".into(),
        namespace: "t-7-web".into(),
        uid: Some("u".into()),
        ceiling: cpu(ceiling),
        target: cpu(target),
        epoch,
        since: None,
    }
}

fn present(epoch: i64, hard: i64, in_force: i64, used: i64, since: i64) -> LeafSeen {
    let quota = QuotaSeen {
        epoch,
        hard: cpu(hard),
        in_force: Some(cpu(in_force)),
        used: Some(cpu(used)),
        shown_since: (hard == in_force).then(|| at(since)),
    };
    LeafSeen::Present {
        uid: "u".into(),
        terminating: false,
        quota: Some(quota),
    }
}

fn one(
    entries: &[LeafEntry],
    desired: &[(&str, i64)],
    seen: &[(&str, LeafSeen)],
    admitted: i64,
    now: i64,
) -> Step {
    step(&Input {
        entries,
        desired: &desired.iter().map(|(n, v)| (key(n), cpu(*v))).collect(),
        seen: &seen.iter().map(|(n, s)| (key(n), s.clone())).collect(),
        admitted: &cpu(admitted),
        settle: SETTLE,
        now: at(now),
    })
}

fn facts(entry: &LeafEntry) -> (ResourceList, ResourceList, i64) {
    (entry.ceiling.clone(), entry.target.clone(), entry.epoch)
}

#[test]
fn a_new_leaf_is_promised_before_it_is_written() {
    let first = one(
        &[],
        &[("web", 4)],
        &[("web", LeafSeen::Absent(at(0)))],
        10,
        100,
    );
    assert_eq!(facts(&first.entries[0]), (cpu(4), cpu(4), 1));
}

#[test]
fn nothing_is_promised_beyond_what_is_admitted() {
    let absent = || LeafSeen::Absent(at(0));
    let first = one(
        &[],
        &[("a", 6), ("b", 6)],
        &[("a", absent()), ("b", absent())],
        10,
        100,
    );
    assert_eq!(first.ceilings(), cpu(6));
    assert_eq!(first.entries[1].target, cpu(0));
}

#[test]
fn an_unreachable_leaf_keeps_its_ceiling_and_does_not_grow() {
    let before = entry(4, 4, 1);
    let next = one(
        std::slice::from_ref(&before),
        &[("web", 8)],
        &[("web", LeafSeen::Unknown)],
        10,
        100,
    );
    assert_eq!(next.entries[0], before);
    let lowered = one(
        &[before],
        &[("web", 2)],
        &[("web", LeafSeen::Unknown)],
        10,
        100,
    );
    assert_eq!(facts(&lowered.entries[0]), (cpu(4), cpu(2), 2));
}

#[test]
fn a_lowering_frees_only_after_it_was_seen_in_force_for_the_settle_time() {
    let before = [entry(8, 2, 2)];
    let after = |seen, now| one(&before, &[("web", 2)], &[("web", seen)], 10, now);
    let early = after(present(2, 2, 2, 1, 100), 130);
    assert_eq!(
        (early.ceilings(), early.look_again),
        (cpu(8), Some(at(160)))
    );
    assert_eq!(
        after(present(2, 2, 2, 5, 100), 161).ceilings(),
        cpu(5),
        "what is in use is kept"
    );
    assert_eq!(
        after(present(1, 8, 8, 1, 0), 900).ceilings(),
        cpu(8),
        "an older epoch proves nothing"
    );
    let done = after(present(2, 2, 2, 1, 100), 160);
    assert_eq!((done.ceilings(), done.look_again), (cpu(2), None));
}

#[test]
fn a_missing_key_is_unknown_and_not_zero() {
    let mut seen = present(2, 2, 2, 1, 0);
    if let LeafSeen::Present {
        quota: Some(quota), ..
    } = &mut seen
    {
        quota.used = Some(ResourceList::default());
    }
    assert_eq!(
        one(&[entry(8, 2, 2)], &[("web", 2)], &[("web", seen)], 10, 900).ceilings(),
        cpu(8)
    );
}

#[test]
fn what_another_hand_raised_is_recorded_and_written_back_over_a_new_epoch() {
    let next = one(
        &[entry(4, 4, 3)],
        &[("web", 4)],
        &[("web", present(3, 90, 90, 0, 0))],
        10,
        100,
    );
    assert_eq!(facts(&next.entries[0]), (cpu(90), cpu(4), 4));
}

#[test]
fn a_lost_ledger_is_rebuilt_from_what_is_in_force_before_anything_rises() {
    let seen = [
        ("web", present(7, 6, 6, 6, 0)),
        ("db", LeafSeen::Absent(at(0))),
    ];
    let next = one(&[], &[("web", 4), ("db", 9)], &seen, 10, 100);
    let of = |name: &str| {
        next.entries
            .iter()
            .find(|e| e.namespace == format!("t-7-{name}"))
            .unwrap()
    };
    assert_eq!(of("web").ceiling, cpu(6));
    assert_eq!(of("web").target, cpu(4));
    assert!(of("web").epoch > 7);
    assert_eq!(of("db").target, cpu(0));
}

#[test]
fn the_ceiling_of_a_vanished_namespace_goes_only_after_the_settle_time() {
    let gone = || LeafSeen::Absent(at(100));
    let early = one(&[entry(4, 4, 1)], &[], &[("web", gone())], 10, 130);
    assert_eq!(
        (early.ceilings(), early.entries[0].target.clone()),
        (cpu(4), cpu(0))
    );
    let still = one(&early.entries, &[], &[("web", gone())], 10, 161);
    assert_eq!(
        still.ceilings(),
        cpu(4),
        "the target changed at 130: what was sent before may still arrive"
    );
    assert!(
        one(&early.entries, &[], &[("web", gone())], 10, 191)
            .entries
            .is_empty()
    );
}

/// A cluster that takes writes like the real one: a change only over the epoch that it tests, a creation only while there
/// is nothing, and only within the time that an API server works on it.
#[derive(Clone, Debug, Default)]
struct Cluster {
    leaf: Option<(i64, i64, i64, i64)>, // epoch, hard, in force, in force since
}

#[derive(Clone, Copy, Debug)]
struct Letter {
    leaf: usize,
    over: Option<i64>,
    epoch: i64,
    target: i64,
    sent: i64,
}

impl Cluster {
    fn limit(&self) -> i64 {
        self.leaf
            .map_or(0, |(_, hard, in_force, _)| hard.max(in_force))
    }
    fn seen(&self) -> LeafSeen {
        self.leaf
            .map_or(LeafSeen::Absent(at(0)), |(epoch, hard, in_force, since)| {
                present(epoch, hard, in_force, 0, since)
            })
    }
    fn take(&mut self, letter: Letter, now: i64) {
        match (self.leaf, letter.over) {
            (None, None) if now - letter.sent < 60 => {
                self.leaf = Some((letter.epoch, letter.target, 0, 0));
            }
            (Some((shown, _, in_force, _)), Some(over)) if shown == over => {
                self.leaf = Some((letter.epoch, letter.target, in_force, 0));
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Want(usize, i64),
    Plan,
    Deliver(usize),
    Lose(usize),
    Enforce(usize),
    Wait(i64),
    Cut(usize, bool),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => (0..3_usize, 0..9_i64).prop_map(|(i, v)| Move::Want(i, v)),
        4 => Just(Move::Plan),
        4 => (0..12_usize).prop_map(Move::Deliver),
        1 => (0..12_usize).prop_map(Move::Lose),
        3 => (0..3_usize).prop_map(Move::Enforce),
        3 => (1..90_i64).prop_map(Move::Wait),
        1 => (0..3_usize, any::<bool>()).prop_map(|(i, cut)| Move::Cut(i, cut)),
    ]
}

/// Three leaves of a grant of 10, and letters on the way to them.
struct World {
    wants: [i64; 3],
    clusters: [Cluster; 3],
    cut: [bool; 3],
    ledger: Vec<LeafEntry>,
    wire: Vec<Letter>,
    now: i64,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    fn play(&mut self, step: Move) {
        match step {
            Move::Want(i, v) => self.wants[i] = v,
            Move::Wait(seconds) => self.now += seconds,
            Move::Cut(i, on) => self.cut[i] = on,
            Move::Enforce(i) => {
                if let Some((epoch, hard, in_force, since)) = self.clusters[i].leaf {
                    let since = if hard == in_force && since > 0 {
                        since
                    } else {
                        self.now
                    };
                    self.clusters[i].leaf = Some((epoch, hard, hard, since));
                }
            }
            // A letter stays on the wire: it may be delivered again.
            Move::Deliver(w) => {
                if let Some(letter) = self.wire.get(w % self.wire.len().max(1)).copied() {
                    self.clusters[letter.leaf].take(letter, self.now);
                }
            }
            Move::Lose(w) if !self.wire.is_empty() => drop(self.wire.remove(w % self.wire.len())),
            Move::Lose(_) => {}
            Move::Plan => self.plan(),
        }
    }

    fn plan(&mut self) {
        let desired: Vec<_> = NAMES.iter().zip(self.wants).map(|(n, v)| (*n, v)).collect();
        let look = |i: usize| {
            if self.cut[i] {
                LeafSeen::Unknown
            } else {
                self.clusters[i].seen()
            }
        };
        let seen: Vec<_> = (0..3).map(|i| (NAMES[i], look(i))).collect();
        self.ledger = one(&self.ledger, &desired, &seen, 10, self.now).entries;
        for (leaf, entry) in self.ledger.iter().enumerate() {
            let over = self.clusters[leaf].leaf.map(|l| l.0);
            if !self.cut[leaf] && over.is_none_or(|over| over < entry.epoch) {
                let target =
                    i64::try_from(entry.target.of("requests.cpu").nanos() / 1_000_000_000).unwrap();
                self.wire.push(Letter {
                    leaf,
                    over,
                    epoch: entry.epoch,
                    target,
                    sent: self.now,
                });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Wants change, letters are delayed, lost, repeated and reordered, clusters are cut off: the limits that can be in force
    /// never sum to more than the grant, and never exceed what the ledger says.
    #[test]
    fn limits_in_force_never_exceed_the_grant(script in prop::collection::vec(moves(), 1..120)) {
        let mut world = World {
            wants: [0; 3], clusters: Default::default(), cut: [false; 3], ledger: Vec::new(), wire: Vec::new(), now: 1000,
        };
        for step in script {
            world.play(step);
            let sum: i64 = world.clusters.iter().map(Cluster::limit).sum();
            prop_assert!(sum <= 10, "{sum} in force of 10");
            let ceilings: ResourceList = world.ledger.iter().map(|e| &e.ceiling).sum();
            prop_assert!(ceilings.fits(&cpu(10)), "ceilings {ceilings}");
            for (entry, cluster) in world.ledger.iter().zip(&world.clusters) {
                prop_assert!(Quantity::units(cluster.limit()) <= entry.ceiling.of("requests.cpu"));
            }
        }
    }
}
