//! What a person may see: the caches, filtered by what the API server says of them.
//!
//! One list check per kind; where that says no, one per namespace; and for the few platforms that a person's own
//! namespaces lead to, one each. An answer is used for 30 s and no longer: when the hub is silent beyond that, nobody knows
//! what a person may see, and the page says so.
//!
//! Names are a right of their own: `list` of `tenants/name` and `cloudplatforms/name`, which the chart's role
//! `qipan:directory` gives to everybody signed in. The API server serves no such part, so the right gives nothing but what
//! is read here. A unit's own entry is asked for in its own namespace, where its people are bound.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crds::approval::Stage;
use crds::condition::{ConditionType, Conditions};
use crds::governance_profile::Thresholds;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::offices::Office;
use crds::{CloudPlatform, Site, Tenant, TenantQuota};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;

use crate::approvals::duties;
use crate::audit::page::office;
use crate::cluster::{Cluster, ClusterError, Kind, Question};
use crate::health::Names;
use crate::identity::User;

/// How long an answer is used without asking again (design §1.8).
const FRESH: Duration = Duration::from_secs(30);
/// How many questions are open at once for one page.
const AT_ONCE: usize = 16;
/// How many answers are kept; beyond it the old ones go.
const KEPT: usize = 200_000;

/// The part of an object that is its name.
const NAME: Option<&str> = Some("name");
/// What is asked about everybody.
const GENERAL: [(Kind, Option<&str>); 11] = [
    (Kind::CloudPlatform, None),
    (Kind::CloudProduct, None),
    (Kind::InformationSystem, None),
    (Kind::ResourceRequest, None),
    (Kind::ServiceOffering, None),
    (Kind::Site, None),
    (Kind::Tenant, None),
    (Kind::TenantQuota, None),
    (Kind::WorkOrder, None),
    (Kind::CloudPlatform, NAME),
    (Kind::Tenant, NAME),
];

type Key = (User, Question);

/// The answers, kept for a while.
#[derive(Clone, Debug, Default)]
pub struct Access {
    answers: Arc<Mutex<HashMap<Key, (bool, Instant)>>>,
    rounds: Arc<Rounds>,
    here: BTreeSet<String>,
}

/// The namespaces of which a person may see a kind's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Default for Scope {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Scope {
    /// Whether a namespace is among them.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(these) => these.contains(namespace),
        }
    }

    /// Whether it is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Some(these) if these.is_empty())
    }
}

/// What a person has a part in, for their rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duties {
    /// Deciding: named somewhere, or holding a stage's verb.
    pub decides: bool,
    /// Reading the ledger.
    pub audits: bool,
}

/// What one person may see, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Visible {
    /// The platforms.
    pub platforms: Vec<Arc<CloudPlatform>>,
    /// Whether these are all there are.
    pub all_platforms: bool,
    /// The sites; none where they may not be listed.
    pub sites: Vec<Arc<Site>>,
    /// The tenants.
    pub tenants: Vec<Arc<Tenant>>,
    /// Whether these are all there are; then each may be read as it is, beyond its page.
    pub all_tenants: bool,
    /// Tenants whose grants may be seen, with or without their own entry.
    pub tenant_names: BTreeSet<String>,
    /// The grants.
    pub quotas: Vec<Arc<TenantQuota>>,
    /// Whether these are all there are.
    pub all_quotas: bool,
    /// The namespaces whose requests may be seen.
    pub requests: Scope,
    /// What they have a part in.
    pub duties: Duties,
    /// What the operator found about the offices of administrators: for those who audit.
    pub findings: Conditions,
    /// The kinds that may be listed everywhere.
    pub general: BTreeSet<Kind>,
    /// What things are called, also some of which no more than the name may be known.
    pub names: Names,
    /// From which figures on things need attention.
    pub thresholds: Thresholds,
    /// How many units nobody has asked about yet: more may be seen than is shown.
    pub unasked: usize,
}

impl Visible {
    /// A platform by name.
    #[must_use]
    pub fn platform(&self, name: &str) -> Option<&Arc<CloudPlatform>> {
        named(&self.platforms, name)
    }

    /// A tenant by name.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<&Arc<Tenant>> {
        named(&self.tenants, name)
    }

    /// A site by name.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<&Arc<Site>> {
        named(&self.sites, name)
    }

    /// The grants of a tenant. [`Self::quotas`] is in order of namespaces, as the cache is: a province has thousands.
    #[must_use]
    pub fn grants_of(&self, tenant: &str) -> &[Arc<TenantQuota>] {
        let namespace = tenant_namespace(tenant);
        let from = self
            .quotas
            .partition_point(|quota| namespace_of(quota) < namespace.as_str());
        let rest = &self.quotas[from..];
        &rest[..rest.partition_point(|quota| namespace_of(quota) == namespace)]
    }
}

impl Access {
    /// The same answers, for somebody who looks at a path: the units that it may be about are asked about at once.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self {
            here: path.split('/').map(tenant_namespace).collect(),
            ..self.clone()
        }
    }

    /// Whether a person may do something, by an answer at most 30 s old.
    ///
    /// # Errors
    /// The API server gives no answer: what was answered before may have changed.
    pub async fn may(
        &self,
        cluster: &Cluster,
        user: &User,
        question: Question,
    ) -> Result<bool, ClusterError> {
        let key = (user.clone(), question);
        let known = self
            .answers
            .lock()
            .ok()
            .and_then(|answers| answers.get(&key).copied());
        if let Some((allowed, at)) = known
            && at.elapsed() < FRESH
        {
            return Ok(allowed);
        }
        // As old as the question: what is asked now is answered by what holds at this moment or later.
        let asked = Instant::now();
        let allowed = cluster.review(user, &key.1).await?;
        if let Ok(mut answers) = self.answers.lock() {
            if answers.len() >= KEPT {
                answers.retain(|_, (_, at)| at.elapsed() < FRESH);
            }
            answers.insert(key, (allowed, asked));
        }
        Ok(allowed)
    }

    /// Those of many that a person may see.
    async fn those(
        &self,
        cluster: &Cluster,
        user: &User,
        candidates: BTreeSet<String>,
        question: impl Fn(&str) -> Question,
    ) -> Result<BTreeSet<String>, ClusterError> {
        futures::stream::iter(candidates)
            .map(|name| (question(&name), name))
            .map(|(question, name)| async move {
                let allowed = self.may(cluster, user, question).await?;
                Ok((name, allowed))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|(name, allowed)| async move { Ok(allowed.then_some(name)) })
            .try_collect()
            .await
    }

    /// The namespaces of which a person may see the objects of a kind, among those that are asked about.
    ///
    /// # Errors
    /// The API server gives no answer.
    pub async fn scope(
        &self,
        cluster: &Cluster,
        user: &User,
        kind: Kind,
        candidates: BTreeSet<String>,
    ) -> Result<Scope, ClusterError> {
        if self.may(cluster, user, every(kind, None)).await? {
            return Ok(Scope::All);
        }
        let question = move |namespace: &str| within("list", kind, namespace);
        let these = self
            .in_namespaces(cluster, user, candidates, question)
            .await?;
        Ok(Scope::Some(these))
    }

    /// What a person may see of everybody's.
    async fn general(&self, cluster: &Cluster, user: &User) -> Result<General, ClusterError> {
        let asked = GENERAL.map(|(kind, part)| self.may(cluster, user, every(kind, part)));
        let answers = futures::future::try_join_all(asked).await?;
        let given = GENERAL.into_iter().zip(answers);
        Ok(General(
            given
                .filter_map(|(right, given)| given.then_some(right))
                .collect(),
        ))
    }

    /// What a person has a part in.
    async fn duties(
        &self,
        cluster: &Cluster,
        user: &User,
        (tenants, platforms): (&[Arc<Tenant>], &[Arc<CloudPlatform>]),
    ) -> Result<Duties, ClusterError> {
        let audits = self.may(cluster, user, office(Office::Audit)).await?;
        let mut duties = Duties {
            decides: duties::is_named(user, tenants, platforms, || cluster.requests()),
            audits,
        };
        if duties.decides {
            return Ok(duties);
        }
        let asked = Stage::ALL.map(|stage| self.may(cluster, user, duties::everywhere(stage)));
        let answers = futures::future::try_join_all(asked).await?;
        duties.decides = answers.contains(&true);
        Ok(duties)
    }

    /// Everything that a person may see now.
    ///
    /// # Errors
    /// The API server gives no answer, and there is none to go by.
    pub async fn visible(&self, cluster: &Cluster, user: &User) -> Result<Visible, ClusterError> {
        let general = self.general(cluster, user).await?;
        let (mut platforms, mut tenants, mut quotas) =
            (cluster.platforms(), cluster.tenants(), cluster.quotas());
        let (all_platforms, all_tenants, all_quotas) = (
            general.all(Kind::CloudPlatform),
            general.all(Kind::Tenant),
            general.all(Kind::TenantQuota),
        );
        let duties = self.duties(cluster, user, (&tenants, &platforms)).await?;
        let open = namespaces(&tenants, &quotas);
        let open = if all_quotas {
            open
        } else {
            self.in_namespaces(cluster, user, open, grants_in).await?
        };
        quotas.retain(|quota| open.contains(namespace_of(quota)));
        let mut tenant_names = tenants_of(&open);
        if all_tenants {
            tenant_names.extend(tenants.iter().map(|tenant| tenant.name_any()));
        } else {
            // Whoever may list every grant but no tenant is no tenant's person: no question each.
            let own = if all_quotas { BTreeSet::new() } else { open };
            let seen = self.those(cluster, user, own, entry_of).await?;
            tenants.retain(|tenant| seen.contains(&tenant_namespace(&tenant.name_any())));
        }
        if !all_platforms {
            let named = quotas.iter().map(|quota| quota.spec.platform.clone());
            let named = named.collect();
            let seen = self.those(cluster, user, named, one_platform).await?;
            platforms.retain(|platform| seen.contains(&platform.name_any()));
        }
        let mut asked = namespaces(&tenants, &quotas);
        asked.extend(cluster.namespaces_with_requests());
        let requests = self
            .scope(cluster, user, Kind::ResourceRequest, asked)
            .await?;
        let sites = general.all(Kind::Site).then(|| cluster.sites());
        let sites = sites.unwrap_or_default();
        Ok(Visible {
            requests,
            duties,
            findings: findings(cluster, duties),
            unasked: self.unasked(user),
            general: general.kinds(),
            names: general.names(cluster, &platforms, &tenants),
            platforms,
            all_platforms,
            sites,
            tenants,
            all_tenants,
            tenant_names,
            quotas,
            all_quotas,
            thresholds: cluster
                .profile()
                .map(|profile| profile.spec.thresholds)
                .unwrap_or_default(),
        })
    }
}

/// What the operator found about the offices of administrators, for those who audit.
fn findings(cluster: &Cluster, duties: Duties) -> Conditions {
    let profile = cluster.profile().filter(|_| duties.audits);
    let status = profile.as_ref().and_then(|profile| profile.status.as_ref());
    let apart = status.and_then(|status| status.conditions.get(ConditionType::OfficesApart));
    Conditions(apart.cloned().into_iter().collect())
}

/// What somebody may see of everybody's.
struct General(Vec<(Kind, Option<&'static str>)>);

impl General {
    fn all(&self, kind: Kind) -> bool {
        self.0.contains(&(kind, None))
    }

    fn kinds(&self) -> BTreeSet<Kind> {
        let whole = self.0.iter().filter(|(_, part)| part.is_none());
        whole.map(|(kind, _)| *kind).collect()
    }

    /// The names of everything, else of what may be seen.
    fn names(
        &self,
        cluster: &Cluster,
        platforms: &[Arc<CloudPlatform>],
        tenants: &[Arc<Tenant>],
    ) -> Names {
        let platforms = if self.0.contains(&(Kind::CloudPlatform, NAME)) {
            cluster.platforms()
        } else {
            platforms.to_vec()
        };
        let tenants = if self.0.contains(&(Kind::Tenant, NAME)) {
            cluster.tenants()
        } else {
            tenants.to_vec()
        };
        Names::of(platforms, tenants)
    }
}

fn namespace_of(quota: &TenantQuota) -> &str {
    quota.metadata.namespace.as_deref().unwrap_or_default()
}

fn named<'a, K: kube::Resource>(objects: &'a [Arc<K>], name: &str) -> Option<&'a Arc<K>> {
    let mut objects = objects.iter();
    objects.find(|object| object.meta().name.as_deref() == Some(name))
}

fn tenants_of(namespaces: &BTreeSet<String>) -> BTreeSet<String> {
    namespaces
        .iter()
        .filter_map(|ns| tenant_of_namespace(ns))
        .map(str::to_owned)
        .collect()
}

fn namespaces(tenants: &[Arc<Tenant>], quotas: &[Arc<TenantQuota>]) -> BTreeSet<String> {
    let of_tenants = tenants
        .iter()
        .map(|tenant| tenant_namespace(&tenant.name_any()));
    // In order of namespaces: each is met once.
    let runs = quotas.chunk_by(|a, b| a.metadata.namespace == b.metadata.namespace);
    let of_quotas = runs.filter_map(|run| run.first()?.namespace());
    of_tenants.chain(of_quotas).collect()
}

fn every(kind: Kind, part: Option<&'static str>) -> Question {
    Question {
        part,
        ..everywhere("list", kind)
    }
}

fn grants_in(namespace: &str) -> Question {
    within("list", Kind::TenantQuota, namespace)
}

/// Whether somebody may do something with all of a kind.
#[must_use]
pub const fn everywhere(verb: &'static str, kind: Kind) -> Question {
    Question {
        verb,
        kind,
        part: None,
        namespace: None,
        name: None,
    }
}

/// Whether somebody may do something with one object that is in no namespace.
#[must_use]
pub fn with_one(verb: &'static str, kind: Kind, name: &str) -> Question {
    Question {
        name: Some(name.to_owned()),
        ..everywhere(verb, kind)
    }
}

/// Whether somebody runs a platform: it is their operations provider's.
#[must_use]
pub fn operate(platform: &str) -> Question {
    with_one("operate", Kind::CloudPlatform, platform)
}

/// Whether somebody may do something with a kind in a namespace.
#[must_use]
pub fn within(verb: &'static str, kind: Kind, namespace: &str) -> Question {
    Question {
        namespace: Some(namespace.to_owned()),
        ..everywhere(verb, kind)
    }
}

/// A unit's entry, asked for where its people have their rights.
fn entry_of(namespace: &str) -> Question {
    Question {
        name: tenant_of_namespace(namespace).map(str::to_owned),
        ..within("get", Kind::Tenant, namespace)
    }
}

fn one_platform(name: &str) -> Question {
    with_one("get", Kind::CloudPlatform, name)
}

mod far;

use far::Rounds;

#[cfg(test)]
mod tests;
