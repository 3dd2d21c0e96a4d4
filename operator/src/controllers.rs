//! What reacts: one line a kind, and who follows the connections.

use std::sync::Arc;
use std::time::Duration;

use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, GovernanceProfile, InformationSystem,
    ResourceRequest, ServiceOffering, Site, Tenant, TenantQuota, WorkOrder,
};
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::change_window::ChangeWindows;
use crate::cloud_platform::{CloudPlatforms, docking};
use crate::cloud_product::CloudProducts;
use crate::governance_profile::GovernanceProfiles;
use crate::information_system::InformationSystems;
use crate::member::Members;
use crate::resource_request::ResourceRequests;
use crate::runtime::Context;
use crate::runtime::accounts::Accounts;
use crate::runtime::controller::{run, spawn};
use crate::runtime::events::Events;
use crate::runtime::hub::{Guarded, Hub, Queue, Queues};
use crate::runtime::inquiry::Rights;
use crate::service_offering::ServiceOfferings;
use crate::site::Sites;
use crate::tenant::Tenants;
use crate::tenant_quota::TenantQuotas;
use crate::work_order::WorkOrders;

type Reader<K> = UnboundedReceiver<ObjectRef<Guarded<K>>>;

struct Readers {
    profiles: Reader<GovernanceProfile>,
    sites: Reader<Site>,
    platforms: Reader<CloudPlatform>,
    tenants: Reader<Tenant>,
    quotas: Reader<TenantQuota>,
    offerings: Reader<ServiceOffering>,
    products: Reader<CloudProduct>,
    systems: Reader<InformationSystem>,
    requests: Reader<ResourceRequest>,
    orders: Reader<WorkOrder>,
    windows: Reader<ChangeWindow>,
    docking: UnboundedReceiver<()>,
    lost_or_found: UnboundedReceiver<String>,
}

fn queues() -> (Queues, Readers) {
    let (profiles, on_profiles) = Queue::new();
    let (sites, on_sites) = Queue::new();
    let (platforms, on_platforms) = Queue::new();
    let (tenants, on_tenants) = Queue::new();
    let (quotas, on_quotas) = Queue::new();
    let (offerings, on_offerings) = Queue::new();
    let (products, on_products) = Queue::new();
    let (systems, on_systems) = Queue::new();
    let (requests, on_requests) = Queue::new();
    let (orders, on_orders) = Queue::new();
    let (windows, on_windows) = Queue::new();
    let (docking, on_docking) = mpsc::unbounded_channel();
    let (lost_or_found, on_lost_or_found) = mpsc::unbounded_channel();
    (
        Queues {
            profiles,
            sites,
            platforms,
            tenants,
            quotas,
            offerings,
            products,
            systems,
            requests,
            orders,
            windows,
            docking,
            lost_or_found,
        },
        Readers {
            profiles: on_profiles,
            sites: on_sites,
            platforms: on_platforms,
            tenants: on_tenants,
            quotas: on_quotas,
            offerings: on_offerings,
            products: on_products,
            systems: on_systems,
            requests: on_requests,
            orders: on_orders,
            windows: on_windows,
            docking: on_docking,
            lost_or_found: on_lost_or_found,
        },
    )
}

/// Starts every controller, under the fence of this leadership. Returns once the hub was listed and they run.
///
/// # Errors
/// When the hub cannot be listed.
pub async fn start(
    client: Client,
    namespace: &str,
    identity: &str,
    fence: i64,
) -> anyhow::Result<Arc<Context>> {
    let (queues, readers) = queues();
    let hub = Hub::start(client.clone(), namespace, queues.clone()).await?;
    let members = Members::new(client.clone(), hub.uid.clone(), queues);
    members.open_hub().await;
    let cx = Arc::new(Context {
        hub,
        members,
        events: Events::start(client, identity),
        accounts: Accounts::of(fence),
        rights: Rights::default(),
    });
    every_kind(&cx, readers);
    Ok(cx)
}

fn every_kind(cx: &Arc<Context>, on: Readers) {
    let (hub, cx) = (&cx.hub, || Arc::clone(cx));
    spawn("docking", dock(cx(), on.docking));
    spawn("lost-or-found", follow(cx(), on.lost_or_found));
    let (store, queue) = (hub.profiles.clone(), on.profiles);
    spawn(
        "governanceprofile",
        run::<GovernanceProfiles>(cx(), store, queue),
    );
    spawn("site", run::<Sites>(cx(), hub.sites.clone(), on.sites));
    let (store, queue) = (hub.platforms.clone(), on.platforms);
    spawn("cloudplatform", run::<CloudPlatforms>(cx(), store, queue));
    spawn(
        "tenant",
        run::<Tenants>(cx(), hub.tenants.clone(), on.tenants),
    );
    spawn(
        "tenantquota",
        run::<TenantQuotas>(cx(), hub.quotas.clone(), on.quotas),
    );
    let (store, queue) = (hub.offerings.clone(), on.offerings);
    spawn(
        "serviceoffering",
        run::<ServiceOfferings>(cx(), store, queue),
    );
    spawn(
        "cloudproduct",
        run::<CloudProducts>(cx(), hub.products.clone(), on.products),
    );
    let (store, queue) = (hub.systems.clone(), on.systems);
    spawn(
        "informationsystem",
        run::<InformationSystems>(cx(), store, queue),
    );
    let (store, queue) = (hub.requests.clone(), on.requests);
    spawn(
        "resourcerequest",
        run::<ResourceRequests>(cx(), store, queue),
    );
    spawn(
        "workorder",
        run::<WorkOrders>(cx(), hub.orders.clone(), on.orders),
    );
    spawn(
        "changewindow",
        run::<ChangeWindows>(cx(), hub.windows.clone(), on.windows),
    );
}

/// Keeps the connections as the platforms, their Secrets and the day say.
async fn dock(cx: Arc<Context>, mut changes: UnboundedReceiver<()>) {
    loop {
        cx.members.configure(docking::desired(&cx));
        // Approvals end at midnight without anything else changing.
        let news = tokio::time::timeout(Duration::from_mins(10), changes.recv()).await;
        if matches!(news, Ok(None)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        while changes.try_recv().is_ok() {}
    }
}

/// A cluster that was lost or found is news for every grant on its platform.
async fn follow(cx: Arc<Context>, mut platforms: UnboundedReceiver<String>) {
    while let Some(platform) = platforms.recv().await {
        cx.hub.grants_of(&platform);
    }
}
