//! Which members there should be, and what is known of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crds::cloud_platform::ClusterState;
use crds::condition::whole_second;
use crds::{Reason, Verdict};
use jiff::Timestamp;
use kube::Client;
use tokio::task::JoinHandle;

use super::probe::{self, Facts};
use super::{Connection, Credential, KubeconfigError};
use crate::runtime::clock::wall;
use crate::runtime::hub::Queues;
use crate::runtime::metrics::{MEMBER_CONTACT, MEMBER_UP};
use crate::runtime::{ChildKind, Error, Target};

/// How often a member is asked whether it is there.
const PROBE: Duration = Duration::from_secs(10);
/// How many probes apart version, nodes and policies are read again.
const FACTS_EVERY: u32 = 3;
/// The longest wait before a lost member is tried again.
const LONGEST: Duration = Duration::from_secs(15);

/// A cluster of a platform, by both names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey {
    /// The `CloudPlatform`.
    pub platform: String,
    /// The name in its `spec.clusters`.
    pub cluster: String,
}

impl std::fmt::Display for MemberKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.platform, self.cluster)
    }
}

/// Where a member's connection comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The hub itself.
    Hub,
    /// A kubeconfig, with the name of its Secret.
    Kubeconfig {
        /// The Secret.
        secret: String,
        /// Its content.
        text: String,
    },
    /// None that may be used; this is why.
    Refused(Verdict),
}

impl std::fmt::Debug for Source {
    /// Without the kubeconfig: it holds a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub => f.write_str("Hub"),
            Self::Kubeconfig { secret, .. } => write!(f, "Kubeconfig({secret})"),
            Self::Refused(verdict) => write!(f, "Refused({:?})", verdict.reason),
        }
    }
}

/// How a member should be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// From where.
    pub source: Source,
    /// The `kube-system` UID that it was known by, if it was.
    pub known: Option<String>,
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    /// Whether it answers as itself.
    pub state: ClusterState,
    /// Why.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// Its last answer before it was lost, or the first since it is back.
    pub contact: Option<Timestamp>,
    /// Its `kube-system` UID.
    pub uid: Option<String>,
    /// When the credential ends.
    pub credential_until: Option<Timestamp>,
    /// The address of its API server, as its kubeconfig says.
    pub endpoint: Option<String>,
    /// What was read of it.
    pub facts: Facts,
}

struct Entry {
    desired: Desired,
    view: MemberView,
    connection: Option<Arc<Connection>>,
    task: JoinHandle<()>,
}

/// Every member.
pub struct Members {
    entries: Mutex<HashMap<MemberKey, Entry>>,
    hub: Client,
    hub_uid: String,
    hub_connection: RwLock<Option<Arc<Connection>>>,
    queues: Queues,
}

impl Members {
    /// No member yet.
    #[must_use]
    pub fn new(hub: Client, hub_uid: String, queues: Queues) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            hub,
            hub_uid,
            hub_connection: RwLock::default(),
            queues,
        })
    }

    /// Opens the hub's own connection and waits until its children were listed.
    pub async fn open_hub(&self) {
        let connection = Arc::new(Connection::open(
            "hub",
            self.hub.clone(),
            &self.queues,
            &ChildKind::HUB,
        ));
        connection.listed().await;
        *self
            .hub_connection
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<MemberKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a target.
    ///
    /// # Errors
    /// [`Error::NotConnected`] while the member does not answer as itself.
    pub fn connection(&self, target: &Target) -> Result<Arc<Connection>, Error> {
        self.get(target).ok_or_else(|| Error::NotConnected {
            cluster: target.to_string(),
        })
    }

    /// The connection to a target, if there is one.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<Arc<Connection>> {
        match target {
            Target::Hub => self
                .hub_connection
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            Target::Member { platform, cluster } => {
                let key = MemberKey {
                    platform: platform.clone(),
                    cluster: cluster.clone(),
                };
                self.entries().get(&key)?.connection.clone()
            }
        }
    }

    /// What is known of a platform's clusters, by name.
    #[must_use]
    pub fn of_platform(&self, platform: &str) -> BTreeMap<String, MemberView> {
        let entries = self.entries();
        let here = entries.iter().filter(|(key, _)| key.platform == platform);
        here.map(|(key, entry)| (key.cluster.clone(), entry.view.clone()))
            .collect()
    }

    /// Makes the members what they should be: changed ones are connected anew, surplus ones dropped.
    pub fn configure(self: &Arc<Self>, desired: HashMap<MemberKey, Desired>) {
        let mut entries = self.entries();
        entries.retain(|key, entry| {
            let kept = desired.contains_key(key);
            if !kept {
                entry.task.abort();
                let _ = MEMBER_UP.remove_label_values(&[&key.platform, &key.cluster]);
                let _ = MEMBER_CONTACT.remove_label_values(&[&key.platform, &key.cluster]);
            }
            kept
        });
        for (key, desired) in desired {
            if let Some(entry) = entries.get_mut(&key) {
                // A UID that became known by this very connection is no change.
                if entry.desired.source == desired.source {
                    entry.desired.known = desired.known;
                    continue;
                }
                entry.task.abort();
            }
            let view = MemberView {
                state: ClusterState::Unknown,
                verdict: Verdict::unknown(Reason::Progressing).with("what", "connecting"),
                since: whole_second(wall()),
                contact: None,
                uid: None,
                credential_until: None,
                endpoint: None,
                facts: Facts::default(),
            };
            let (members, member) = (Arc::clone(self), key.clone());
            #[expect(
                clippy::disallowed_methods,
                reason = "a member's task ends with its entry"
            )]
            let task = tokio::spawn(async move { members.keep(&member).await });
            entries.insert(
                key,
                Entry {
                    desired,
                    view,
                    connection: None,
                    task,
                },
            );
        }
    }

    /// Keeps one member connected until its entry goes.
    async fn keep(self: Arc<Self>, key: &MemberKey) {
        let mut wait = Duration::from_secs(1);
        loop {
            let Some(desired) = self.entries().get(key).map(|e| e.desired.clone()) else {
                return;
            };
            match self.connect(key, &desired).await {
                Ok(connection) => {
                    wait = Duration::from_secs(1);
                    self.watch_over(key, &connection).await;
                }
                Err((state, verdict)) => self.set(key, state, verdict, None),
            }
            tokio::time::sleep(wait.mul_f64(1.0 + rand::random::<f64>() / 4.0)).await;
            wait = (wait * 2).min(LONGEST);
        }
    }

    async fn connect(
        &self,
        key: &MemberKey,
        desired: &Desired,
    ) -> Result<Arc<Connection>, (ClusterState, Verdict)> {
        let cluster = key.to_string();
        let refuse = |verdict: Verdict| (ClusterState::Refused, verdict.with("cluster", &cluster));
        let (client, secret) = match &desired.source {
            Source::Refused(verdict) => return Err((ClusterState::Refused, verdict.clone())),
            Source::Hub => (self.hub.clone(), String::new()),
            Source::Kubeconfig { secret, text } => {
                let unusable = |why: &KubeconfigError| refuse(why.verdict(secret));
                let credential = Credential::read(text).await.map_err(|why| unusable(&why))?;
                let url = &credential.config.cluster_url;
                let host = url.host().unwrap_or_default();
                let port = url
                    .port_u16()
                    .map_or_else(String::new, |port| format!(":{port}"));
                // Without what else may stand in an address: a user's name is nobody's to know.
                let endpoint = format!("https://{host}{port}{}", url.path().trim_end_matches('/'));
                self.note_credential(key, credential.until, endpoint);
                if let Some(until) = credential.until.filter(|until| *until <= wall()) {
                    return Err(refuse(
                        Verdict::no(Reason::CredentialExpired)
                            .with("secret", secret)
                            .with("until", until),
                    ));
                }
                (
                    Client::try_from(credential.config)
                        .map_err(|why| unusable(&KubeconfigError::Syntax(why.to_string())))?,
                    secret.clone(),
                )
            }
        };
        let uid = probe::uid(&client)
            .await
            .map_err(|why| probe::refusal(&why, &cluster, &secret))?;
        self.identify(key, desired, &uid, &secret)?;
        let facts = probe::facts(&client).await;
        let connection = Arc::new(Connection::open(
            &cluster,
            client,
            &self.queues,
            &ChildKind::MEMBER,
        ));
        if tokio::time::timeout(Duration::from_secs(30), connection.listed())
            .await
            .is_err()
        {
            let detail = "its objects could not be listed within 30 s";
            let verdict = Verdict::unknown(Reason::Unreachable)
                .with("secret", &secret)
                .with("detail", detail);
            return Err((ClusterState::Unreachable, verdict.with("cluster", &cluster)));
        }
        self.found(key, uid, facts, Arc::clone(&connection));
        Ok(connection)
    }

    /// Whether the cluster that answers is the one that this entry means.
    fn identify(
        &self,
        key: &MemberKey,
        desired: &Desired,
        uid: &str,
        secret: &str,
    ) -> Result<(), (ClusterState, Verdict)> {
        let refuse = |reason: Reason| {
            Verdict::no(reason)
                .with("cluster", key)
                .with("secret", secret)
        };
        let verdict = if uid == self.hub_uid && desired.source != Source::Hub {
            refuse(Reason::IsTheHub)
        } else if let Some(known) = desired.known.as_ref().filter(|known| *known != uid) {
            refuse(Reason::DifferentCluster)
                .with("known", known)
                .with("found", uid)
        } else if let Some(other) = self.other_with(key, uid, desired.known.is_some()) {
            refuse(Reason::ClusterDockedTwice).with("other", other)
        } else {
            return Ok(());
        };
        Err((ClusterState::Refused, verdict))
    }

    /// Another entry that has the cluster of this UID with more right: it was known by it before, or it has it now.
    fn other_with(&self, key: &MemberKey, uid: &str, known_here: bool) -> Option<String> {
        let entries = self.entries();
        let others = entries.iter().filter(|(other, _)| *other != key);
        let mut with_uid = others.filter(|(_, e)| {
            let knew = e.desired.known.as_deref() == Some(uid);
            let has = e.view.state == ClusterState::Connected && e.view.uid.as_deref() == Some(uid);
            if known_here { knew && has } else { knew || has }
        });
        with_uid.next().map(|(other, _)| other.to_string())
    }

    /// Probes a connected member until it is lost.
    async fn watch_over(&self, key: &MemberKey, connection: &Connection) {
        let mut round = 0_u32;
        loop {
            tokio::time::sleep(PROBE).await;
            let mut answer = probe::uid(&connection.client).await;
            if answer.is_err() {
                answer = probe::uid(&connection.client).await;
            }
            let Some((desired, known)) = self
                .entries()
                .get(key)
                .map(|e| (e.desired.clone(), e.view.uid.clone()))
            else {
                return;
            };
            let secret = match &desired.source {
                Source::Kubeconfig { secret, .. } => secret.clone(),
                Source::Hub | Source::Refused(_) => String::new(),
            };
            match answer {
                Ok(uid) if Some(&uid) == known.as_ref() => {
                    MEMBER_CONTACT
                        .with_label_values(&[&key.platform, &key.cluster])
                        .set(wall().as_second());
                    round += 1;
                    if round.is_multiple_of(FACTS_EVERY) {
                        self.refresh(key, probe::facts(&connection.client).await);
                    }
                }
                Ok(_) => {
                    return self.set(
                        key,
                        ClusterState::Unknown,
                        Verdict::unknown(Reason::Progressing)
                            .with("what", "another cluster answers"),
                        Some(wall()),
                    );
                }
                Err(why) => {
                    let (state, verdict) = probe::refusal(&why, &key.to_string(), &secret);
                    let contact = MEMBER_CONTACT
                        .with_label_values(&[&key.platform, &key.cluster])
                        .get();
                    return self.set(key, state, verdict, Timestamp::from_second(contact).ok());
                }
            }
        }
    }

    fn note_credential(&self, key: &MemberKey, until: Option<Timestamp>, endpoint: String) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.view.credential_until = until;
            entry.view.endpoint = Some(endpoint);
        }
    }

    fn found(&self, key: &MemberKey, uid: String, facts: Facts, connection: Arc<Connection>) {
        let now = whole_second(wall());
        if let Some(entry) = self.entries().get_mut(key) {
            entry.connection = Some(connection);
            let view = &mut entry.view;
            view.state = ClusterState::Connected;
            view.verdict = Verdict::yes(Reason::Connected)
                .with("connected", 1)
                .with("clusters", 1);
            view.since = now;
            view.contact = Some(now);
            view.uid = Some(uid);
            view.facts = facts;
        }
        MEMBER_UP
            .with_label_values(&[&key.platform, &key.cluster])
            .set(1);
        MEMBER_CONTACT
            .with_label_values(&[&key.platform, &key.cluster])
            .set(now.as_second());
        tracing::info!(member = %key, "connected");
        self.wake(key);
    }

    fn refresh(&self, key: &MemberKey, facts: Facts) {
        let changed = self.entries().get_mut(key).is_some_and(|entry| {
            let changed = entry.view.facts != facts;
            entry.view.facts = facts;
            changed
        });
        if changed {
            self.queues.platforms.push(&key.platform);
        }
    }

    fn set(
        &self,
        key: &MemberKey,
        state: ClusterState,
        verdict: Verdict,
        contact: Option<Timestamp>,
    ) {
        let changed = self.entries().get_mut(key).is_some_and(|entry| {
            let lost = entry.connection.take().is_some();
            let view = &mut entry.view;
            let changed = view.state != state || view.verdict.reason != verdict.reason || lost;
            if changed {
                view.since = whole_second(wall());
                // The words of a transport error may differ from try to try; the first of a kind is kept.
                view.verdict = verdict;
            }
            view.state = state;
            view.contact = contact.map(whole_second).or(view.contact);
            changed
        });
        MEMBER_UP
            .with_label_values(&[&key.platform, &key.cluster])
            .set(0);
        if changed {
            tracing::warn!(member = %key, state = ?state, "not connected");
            self.wake(key);
        }
    }

    /// Everything about the platform is to be judged again, its grants included.
    fn wake(&self, key: &MemberKey) {
        self.queues.platforms.push(&key.platform);
        let _ = self.queues.lost_or_found.send(key.platform.clone());
    }
}
