//! What a request is judged against, gathered from the caches: for the preview before it is submitted and before it is decided,
//! by the same pure code that enacts it (`crds::resource_request::preview`).
//!
//! Unfiltered, since the rules are: a refusal names the figures of the pool that it falls short of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::approval::ApprovalRules;
use crds::calendar::{Calendar, day_of};
use crds::condition::Verdict;
use crds::keys::tenant_namespace;
use crds::money_budget::MoneyRules;
use crds::resource_request::chain::{self, StageStatus};
use crds::resource_request::preview::{self, Around, Preview, Standing, decided};
use crds::resource_request::{Application, DeliveredItem, HoldStatus, Item};
use crds::words::Day;
use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, InformationSystem, ResourceRequest, ServiceOffering,
    Tenant, TenantQuota,
};
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::cluster::Cluster;
use crate::costs::reckon::{self, Line};

/// How many units may stand above one another.
const DEEP: usize = 16;

/// What a unit's requests are judged against, at one moment.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The unit.
    pub tenant: Tenant,
    /// The units above it, nearest first.
    pub above: Vec<Tenant>,
    /// Every platform.
    pub platforms: Vec<CloudPlatform>,
    /// The service catalog.
    pub offerings: Vec<ServiceOffering>,
    /// The product catalog.
    pub products: Vec<CloudProduct>,
    /// The unit's grants.
    pub grants: Vec<TenantQuota>,
    /// The unit's information systems.
    pub systems: Vec<InformationSystem>,
    /// How many of each product others have taken.
    pub taken: BTreeMap<String, u32>,
    /// What was delivered to the unit by hand, and may be renewed or released.
    pub standing: Standing,
    /// How requests are decided.
    pub rules: ApprovalRules,
    /// The working calendar.
    pub calendar: Calendar,
    /// What the unit has in force and pays for.
    pub lines: Vec<Line>,
    /// From where on its budget of money needs attention.
    pub money: MoneyRules,
    /// The change windows that have not ended.
    pub windows: Vec<ChangeWindow>,
    /// The day in China.
    pub today: Day,
}

fn owned<K: Clone>(objects: Vec<std::sync::Arc<K>>) -> Vec<K> {
    objects
        .into_iter()
        .map(std::sync::Arc::unwrap_or_clone)
        .collect()
}

/// What a unit has in force and pays for.
fn lines(cluster: &Cluster, namespace: &str) -> Vec<Line> {
    let mut requests = cluster.requests();
    requests.retain(|request| request.namespace().as_deref() == Some(namespace));
    let products = cluster.products();
    let products = products.iter().map(|p| (p.name_any(), p.as_ref()));
    reckon::lines(requests.iter().map(AsRef::as_ref), &products.collect())
}

/// What was delivered to a unit by hand; `me` is the request that it is for.
fn standing(
    requests: &[Arc<ResourceRequest>],
    namespace: &str,
    me: Option<&ResourceRequest>,
) -> Standing {
    let own = requests.iter().map(AsRef::as_ref);
    let own = own.filter(|r: &&ResourceRequest| r.namespace().as_deref() == Some(namespace));
    preview::standing(own, me.and_then(|r| r.metadata.name.as_deref()))
}

impl Ground {
    /// The ground of a unit; `None` where there is no such unit. `me` is the request that it is for, once it was submitted.
    #[must_use]
    pub fn of(
        cluster: &Cluster,
        tenant: &str,
        me: Option<&ResourceRequest>,
        now: Timestamp,
    ) -> Option<Self> {
        let tenants = cluster.tenants();
        let find = |name: &str| {
            tenants
                .iter()
                .find(|t| t.name_any() == name)
                .map(|t| t.as_ref().clone())
        };
        let tenant = find(tenant)?;
        let mut above: Vec<Tenant> = Vec::new();
        while let Some(parent) = above
            .last()
            .unwrap_or(&tenant)
            .spec
            .parent
            .as_deref()
            .and_then(find)
            && above.len() < DEEP
        {
            above.push(parent);
        }
        let namespace = tenant_namespace(&tenant.name_any());
        let mut grants = cluster.quotas();
        grants.retain(|quota| quota.namespace().as_deref() == Some(&namespace));
        let mut systems = cluster.systems();
        systems.retain(|system| system.namespace().as_deref() == Some(&namespace));
        let requests = cluster.requests();
        let profile = cluster.profile();
        Some(Self {
            taken: preview::taken(requests.iter().map(AsRef::as_ref), me),
            standing: standing(&requests, &namespace, me),
            platforms: owned(cluster.platforms()),
            offerings: owned(cluster.offerings()),
            products: decided::as_decided(
                owned(cluster.products()),
                me.and_then(|r| r.status.as_ref())
                    .map_or(&[], |s| s.sizes.as_slice()),
            ),
            grants: owned(grants),
            systems: owned(systems),
            rules: profile
                .as_ref()
                .map(|p| p.spec.approvals.clone())
                .unwrap_or_default(),
            calendar: profile.map(|p| p.spec.calendar.clone()).unwrap_or_default(),
            windows: owned(cluster.windows())
                .into_iter()
                .filter(|w| w.spec.to > now)
                .collect(),
            lines: lines(cluster, &namespace),
            money: cluster
                .profile()
                .map(|p| p.spec.money.clone())
                .unwrap_or_default(),
            today: day_of(now),
            tenant,
            above,
        })
    }

    /// What an application will change. `request` is its name; `holds` is what is held for it already.
    #[must_use]
    pub fn preview(
        &self,
        application: &Application,
        request: &str,
        holds: &[HoldStatus],
    ) -> Preview {
        let around = Around {
            request,
            tenant: &self.tenant,
            above: &self.above,
            platforms: &self.platforms,
            offerings: &self.offerings,
            products: &self.products,
            grants: &self.grants,
            systems: &self.systems,
            holds,
            taken: &self.taken,
            standing: &self.standing,
            rules: &self.rules,
            windows: &self.windows,
            today: self.today,
        };
        preview::preview(application, around)
    }

    /// Who will decide, in which order.
    ///
    /// # Errors
    /// The verdict where nobody may decide at a stage.
    pub fn chain(&self, application: &Application) -> Result<Vec<StageStatus>, Verdict> {
        let ground = chain::Ground {
            tenant: &self.tenant,
            above: &self.above,
            platforms: &self.platforms,
            rules: &self.rules,
        };
        chain::chain(application, ground)
    }

    /// What was delivered to the unit by hand, by `<request>/<item>`.
    #[must_use]
    pub fn delivered(&self, named: &str) -> Option<(&DeliveredItem, &Item)> {
        let (request, item) = named.split_once('/')?;
        let mut standing = self.standing.iter();
        standing.find(|(key, _)| key.request == request && key.item == item)
    }

    /// A platform by name.
    #[must_use]
    pub fn platform(&self, name: &str) -> Option<&CloudPlatform> {
        self.platforms
            .iter()
            .find(|p| p.metadata.name.as_deref() == Some(name))
    }

    /// A service by name.
    #[must_use]
    pub fn offering(&self, name: &str) -> Option<&ServiceOffering> {
        self.offerings
            .iter()
            .find(|o| o.metadata.name.as_deref() == Some(name))
    }

    /// A product by name.
    #[must_use]
    pub fn product(&self, name: &str) -> Option<&CloudProduct> {
        self.products
            .iter()
            .find(|p| p.metadata.name.as_deref() == Some(name))
    }
}
