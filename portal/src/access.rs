//! What a person may see: the caches, filtered by what the API server says of them.
//!
//! One list check per kind; where that says no, one per namespace; and for the few cluster-scoped objects that a
//! person's own namespaces lead to, one each. Answers are kept for 30 s. While the hub is silent the last answer holds
//! (with the page saying so), for ten minutes at most.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crds::governance_profile::Thresholds;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::{CloudPlatform, Site, Tenant, TenantQuota};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;

use crate::cluster::{Cluster, ClusterError, Kind, Question};
use crate::identity::User;

/// How long an answer is used without asking again (design §1.8).
const FRESH: Duration = Duration::from_secs(30);
/// How long the last answer is used while the hub gives none.
const AT_MOST: Duration = Duration::from_mins(10);
/// How many questions are open at once for one page.
const AT_ONCE: usize = 16;
/// How many answers are kept; beyond it the old ones go.
const KEPT: usize = 200_000;

type Key = (User, Question);

/// The answers, kept for a while.
#[derive(Debug, Default)]
pub struct Access {
    answers: Mutex<HashMap<Key, (bool, Instant)>>,
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
    /// Tenants whose grants may be seen, with or without their own entry.
    pub tenant_names: BTreeSet<String>,
    /// The grants.
    pub quotas: Vec<Arc<TenantQuota>>,
    /// Whether these are all there are.
    pub all_quotas: bool,
    /// From which figures on things need attention.
    pub thresholds: Thresholds,
}

impl Visible {
    /// A platform by name.
    #[must_use]
    pub fn platform(&self, name: &str) -> Option<&Arc<CloudPlatform>> {
        self.platforms.iter().find(|p| p.name_any() == name)
    }

    /// A tenant by name.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.iter().find(|t| t.name_any() == name)
    }

    /// A site by name.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|s| s.name_any() == name)
    }
}

impl Access {
    /// Whether a person may do something, by an answer at most 30 s old.
    ///
    /// # Errors
    /// The API server gives no answer, and there is none to go by.
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
            && (at.elapsed() < FRESH
                || (cluster.silent_since().is_some() && at.elapsed() < AT_MOST))
        {
            return Ok(allowed);
        }
        match cluster.review(user, &key.1).await {
            Ok(allowed) => {
                if let Ok(mut answers) = self.answers.lock() {
                    if answers.len() >= KEPT {
                        answers.retain(|_, (_, at)| at.elapsed() < FRESH);
                    }
                    answers.insert(key, (allowed, Instant::now()));
                }
                Ok(allowed)
            }
            Err(error) => match known {
                Some((allowed, at)) if at.elapsed() < AT_MOST => Ok(allowed),
                _ => Err(error),
            },
        }
    }

    async fn list(&self, cluster: &Cluster, user: &User, kind: Kind) -> Result<bool, ClusterError> {
        self.may(
            cluster,
            user,
            Question {
                verb: "list",
                kind,
                namespace: None,
                name: None,
            },
        )
        .await
    }

    /// Those of many that a person may see.
    async fn those(
        &self,
        cluster: &Cluster,
        user: &User,
        candidates: BTreeSet<String>,
        question: fn(&str) -> Question,
    ) -> Result<BTreeSet<String>, ClusterError> {
        futures::stream::iter(candidates)
            .map(|name| async move {
                let allowed = self.may(cluster, user, question(&name)).await?;
                Ok((name, allowed))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|(name, allowed)| async move { Ok(allowed.then_some(name)) })
            .try_collect()
            .await
    }

    /// Everything that a person may see now.
    ///
    /// # Errors
    /// The API server gives no answer, and there is none to go by.
    pub async fn visible(&self, cluster: &Cluster, user: &User) -> Result<Visible, ClusterError> {
        let (all_platforms, all_tenants, all_quotas, all_sites) = tokio::try_join!(
            self.list(cluster, user, Kind::CloudPlatform),
            self.list(cluster, user, Kind::Tenant),
            self.list(cluster, user, Kind::TenantQuota),
            self.list(cluster, user, Kind::Site),
        )?;
        let (mut platforms, mut tenants, mut quotas) =
            (cluster.platforms(), cluster.tenants(), cluster.quotas());
        let namespaces = namespaces(&tenants, &quotas);
        let open = if all_quotas {
            namespaces
        } else {
            self.those(cluster, user, namespaces, grants_in).await?
        };
        quotas.retain(|quota| {
            quota
                .namespace()
                .is_some_and(|namespace| open.contains(&namespace))
        });
        let mut tenant_names = tenants_of(&open);
        if all_tenants {
            tenant_names.extend(tenants.iter().map(|tenant| tenant.name_any()));
        } else {
            // Whoever may list every grant but no tenant is no tenant's person: no question each.
            let own = if all_quotas {
                BTreeSet::new()
            } else {
                tenant_names.clone()
            };
            let seen = self.those(cluster, user, own, one_tenant).await?;
            tenants.retain(|tenant| seen.contains(&tenant.name_any()));
        }
        if !all_platforms {
            let named = quotas
                .iter()
                .map(|quota| quota.spec.platform.clone())
                .collect();
            let seen = self.those(cluster, user, named, one_platform).await?;
            platforms.retain(|platform| seen.contains(&platform.name_any()));
        }
        let sites = if all_sites {
            cluster.sites()
        } else {
            Vec::new()
        };
        let profile = cluster.profile();
        let thresholds = profile
            .map(|profile| profile.spec.thresholds)
            .unwrap_or_default();
        Ok(Visible {
            platforms,
            all_platforms,
            sites,
            tenants,
            tenant_names,
            quotas,
            all_quotas,
            thresholds,
        })
    }
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
    of_tenants
        .chain(quotas.iter().filter_map(|quota| quota.namespace()))
        .collect()
}

fn grants_in(namespace: &str) -> Question {
    Question {
        verb: "list",
        kind: Kind::TenantQuota,
        namespace: Some(namespace.to_owned()),
        name: None,
    }
}

fn one_tenant(name: &str) -> Question {
    Question {
        verb: "get",
        kind: Kind::Tenant,
        namespace: None,
        name: Some(name.to_owned()),
    }
}

fn one_platform(name: &str) -> Question {
    Question {
        verb: "get",
        kind: Kind::CloudPlatform,
        namespace: None,
        name: Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::hub;
    use crate::overview::tests::province;
    use serde_json::Value;

    fn user(name: &str) -> User {
        User {
            name: name.to_owned(),
            groups: vec!["oidc:city".into()],
            post: None,
        }
    }

    fn only_renshe(spec: &Value) -> bool {
        let ask = &spec["resourceAttributes"];
        spec["user"] == "oidc:all" || ask["namespace"] == "qp-renshe" || ask["name"] == "zj-node"
    }

    #[tokio::test]
    async fn a_department_sees_its_own_grants_and_what_they_lead_to() {
        let cluster = hub(&province(), only_renshe);
        let access = Access::default();
        let seen = access
            .visible(&cluster, &user("oidc:renshe"))
            .await
            .unwrap();
        assert_eq!(seen.tenant_names, BTreeSet::from(["renshe".to_owned()]));
        assert!(
            seen.tenants.is_empty(),
            "its own entry is cluster-scoped and was not allowed"
        );
        assert_eq!(
            seen.platforms
                .iter()
                .map(|p| p.name_any())
                .collect::<Vec<_>>(),
            ["zj-node"]
        );
        assert!(
            seen.quotas
                .iter()
                .all(|q| q.namespace().as_deref() == Some("qp-renshe"))
        );
        let all = access.visible(&cluster, &user("oidc:all")).await.unwrap();
        assert!(all.quotas.len() > seen.quotas.len() && all.all_platforms && all.all_quotas);
    }

    #[tokio::test]
    async fn an_answer_is_kept_and_belongs_to_the_person_who_was_asked_about() {
        let cluster = hub(&province(), only_renshe);
        let access = Access::default();
        access.visible(&cluster, &user("oidc:all")).await.unwrap();
        let seen = access
            .visible(&cluster, &user("oidc:nobody"))
            .await
            .unwrap();
        assert!(seen.tenants.is_empty() && !seen.all_platforms);
        assert!(access.answers.lock().unwrap().len() < 40);
    }
}
