//! Many units: those that name a person, and the one that a page is about, are asked about before it is drawn, all others in
//! the background.
//!
//! Rights in a namespace nearly always come from the units' own entries (their people, those of the units above) and from
//! requests that ask somebody to decide; an administrator may bind anything else by hand. A province has a thousand units: to
//! ask about each before the first page takes a second, and a thousand people at once a million reviews. So what nothing
//! names is asked slowly, again every ten minutes, and until the first time is through pages say how many are left.
//! What the background found is no answer, only worth asking: what is shown has been asked for in the last 30 s.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crds::Tenant;
use crds::keys::tenant_namespace;
use crds::words::Subject;
use kube::ResourceExt as _;
use tokio::sync::Semaphore;

use super::{Access, Question};
use crate::background::spawn;
use crate::cluster::{Cluster, ClusterError};
use crate::identity::User;
use crate::requests::standing;

/// So many namespaces are simply asked about.
const FEW: usize = 64;
/// How long a round of the background counts.
const ROUND: Duration = Duration::from_mins(10);
/// Questions of the background that are open at once, for everybody together.
const SLOWLY: usize = 4;
/// Deeper chains of units are cycles or mistakes (the operator's bound).
const DEEPEST: usize = 16;
/// Beyond so many people those whose round is old are forgotten.
const PEOPLE: usize = 10_000;

/// When the hub gives no answer, it is asked again after this time.
const AGAIN: Duration = Duration::from_secs(5);

/// One person's round over the namespaces for one question.
#[derive(Debug, Default)]
struct Round {
    /// When it ended, or nothing while it goes on.
    ended: Option<Instant>,
    /// How many were never asked about: of the first round only.
    left: usize,
    /// Where the answer was yes.
    open: BTreeSet<String>,
}

/// The rounds of everybody.
#[derive(Debug)]
pub(super) struct Rounds {
    of: Mutex<HashMap<User, HashMap<Question, Round>>>,
    turn: Semaphore,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            of: Mutex::default(),
            turn: Semaphore::new(SLOWLY),
        }
    }
}

impl Access {
    /// The namespaces among the candidates in which a person may do something.
    pub(super) async fn in_namespaces(
        &self,
        cluster: &Cluster,
        user: &User,
        candidates: BTreeSet<String>,
        question: impl Fn(&str) -> Question + Clone + Send + 'static,
    ) -> Result<BTreeSet<String>, ClusterError> {
        let asked = if candidates.len() <= FEW {
            candidates
        } else {
            let named = named_in(cluster, user);
            let (mut near, far): (BTreeSet<_>, BTreeSet<_>) = candidates
                .into_iter()
                .partition(|ns| named.contains(ns) || self.here.contains(ns));
            near.extend(self.far(cluster, user, far, question.clone()));
            near
        };
        self.those(cluster, user, asked, question).await
    }

    /// In how many units nobody has asked yet what a person may see.
    #[must_use]
    pub fn unasked(&self, user: &User) -> usize {
        let Ok(rounds) = self.rounds.of.lock() else {
            return 0;
        };
        let own = rounds.get(user).into_iter().flat_map(HashMap::values);
        own.map(|round| round.left).max().unwrap_or_default()
    }

    /// What the last round over these namespaces found. Begins a round when it is time.
    fn far(
        &self,
        cluster: &Cluster,
        user: &User,
        namespaces: BTreeSet<String>,
        question: impl Fn(&str) -> Question + Clone + Send + 'static,
    ) -> Vec<String> {
        let key = (user.clone(), question(""));
        let Ok(mut rounds) = self.rounds.of.lock() else {
            return Vec::new();
        };
        if rounds.len() > PEOPLE {
            let recent = |round: &Round| round.ended.is_none_or(|at| at.elapsed() < ROUND);
            rounds.retain(|_, own| own.values().any(recent));
        }
        let rounds = rounds.entry(key.0.clone()).or_default();
        let known = rounds.get(&key.1);
        let due = known.is_none_or(|round| round.ended.is_some_and(|at| at.elapsed() > ROUND));
        if due {
            let first = known.is_none();
            let round = rounds.entry(key.1.clone()).or_default();
            round.ended = None;
            round.left = if first { namespaces.len() } else { 0 };
            let all = namespaces.clone();
            spawn(
                "rights",
                self.clone()
                    .go_round(cluster.clone(), key.clone(), all, question),
            );
        }
        let round = rounds.entry(key.1).or_default();
        let open = namespaces.into_iter().filter(|ns| round.open.contains(ns));
        open.collect()
    }

    async fn go_round(
        self,
        cluster: Cluster,
        key: (User, Question),
        namespaces: BTreeSet<String>,
        question: impl Fn(&str) -> Question + Clone + Send + 'static,
    ) {
        let mut open = BTreeSet::new();
        for namespace in namespaces {
            let allowed = self
                .asked_slowly(&cluster, &key.0, question(&namespace))
                .await;
            let known = self.rounds.change(&key, |round| {
                round.left = round.left.saturating_sub(1);
                if allowed {
                    round.open.insert(namespace.clone());
                    open.insert(namespace);
                }
            });
            if !known {
                // Nobody has asked for this person for long.
                return;
            }
        }
        self.rounds.change(&key, |round| {
            *round = Round {
                ended: Some(Instant::now()),
                left: 0,
                open,
            };
        });
    }

    /// The answer, when it is this question's turn and the hub gives one. While it is silent, pages say so.
    async fn asked_slowly(&self, cluster: &Cluster, user: &User, question: Question) -> bool {
        loop {
            if let Ok(_turn) = self.rounds.turn.acquire().await
                && let Ok(allowed) = cluster.review(user, &question).await
            {
                return allowed;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Rounds {
    /// Changes a round; says whether there is one.
    fn change(&self, (user, question): &(User, Question), change: impl FnOnce(&mut Round)) -> bool {
        let mut rounds = self.of.lock().ok();
        let own = rounds.as_mut().and_then(|rounds| rounds.get_mut(user));
        let round = own.and_then(|own| own.get_mut(question));
        round.map(change).is_some()
    }
}

/// The namespaces of the units that name a person, of all below them, and of the requests that may ask them to decide.
fn named_in(cluster: &Cluster, user: &User) -> BTreeSet<String> {
    let tenants = cluster.tenants();
    let by_name: HashMap<&str, &Arc<Tenant>> = tenants
        .iter()
        .filter_map(|tenant| Some((tenant.metadata.name.as_deref()?, tenant)))
        .collect();
    let named = |tenant: &Tenant| {
        let is = |subject: &Subject| standing::is_named(subject, user);
        let spec = &tenant.spec;
        spec.owners.iter().any(is)
            || spec
                .approvers
                .iter()
                .flat_map(|stage| &stage.subjects)
                .any(is)
            || spec
                .authority_groups
                .iter()
                .any(|group| user.groups.contains(group))
    };
    let of_units = tenants.iter().filter(|tenant| {
        let parent = |unit: &&Arc<Tenant>| by_name.get(unit.spec.parent.as_deref()?).copied();
        let mut chain = std::iter::successors(Some(*tenant), parent).take(DEEPEST);
        chain.any(|unit| named(unit))
    });
    let of_units = of_units.map(|tenant| tenant_namespace(&tenant.name_any()));
    let requests = cluster.requests();
    let asked = requests.iter().filter(|request| {
        let mut chain = request.status.iter().flat_map(|status| &status.chain);
        chain.any(|stage| standing::may_be_asked(request, stage, user))
    });
    let of_requests = asked.filter_map(|request| request.namespace());
    of_units.chain(of_requests).collect()
}
