//! What reacts: one line a kind, and who follows the connections.

use std::sync::Arc;
use std::time::Duration;

use crds::{CloudPlatform, GovernanceProfile, Site, Tenant, TenantQuota};
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::cloud_platform::{CloudPlatforms, docking};
use crate::governance_profile::GovernanceProfiles;
use crate::member::Members;
use crate::runtime::Context;
use crate::runtime::accounts::Accounts;
use crate::runtime::controller::{run, spawn};
use crate::runtime::events::Events;
use crate::runtime::hub::{Guarded, Hub, Queue, Queues};
use crate::site::Sites;
use crate::tenant::Tenants;
use crate::tenant_quota::TenantQuotas;

type Reader<K> = UnboundedReceiver<ObjectRef<Guarded<K>>>;

struct Readers {
    profiles: Reader<GovernanceProfile>,
    sites: Reader<Site>,
    platforms: Reader<CloudPlatform>,
    tenants: Reader<Tenant>,
    quotas: Reader<TenantQuota>,
    docking: UnboundedReceiver<()>,
    lost_or_found: UnboundedReceiver<String>,
}

fn queues() -> (Queues, Readers) {
    let (profiles, on_profiles) = Queue::new();
    let (sites, on_sites) = Queue::new();
    let (platforms, on_platforms) = Queue::new();
    let (tenants, on_tenants) = Queue::new();
    let (quotas, on_quotas) = Queue::new();
    let (docking, on_docking) = mpsc::unbounded_channel();
    let (lost_or_found, on_lost_or_found) = mpsc::unbounded_channel();
    (
        Queues {
            profiles,
            sites,
            platforms,
            tenants,
            quotas,
            docking,
            lost_or_found,
        },
        Readers {
            profiles: on_profiles,
            sites: on_sites,
            platforms: on_platforms,
            tenants: on_tenants,
            quotas: on_quotas,
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
    });
    spawn("docking", dock(Arc::clone(&cx), readers.docking));
    spawn(
        "lost-or-found",
        follow(Arc::clone(&cx), readers.lost_or_found),
    );
    spawn(
        "governanceprofile",
        run::<GovernanceProfiles>(Arc::clone(&cx), cx.hub.profiles.clone(), readers.profiles),
    );
    spawn(
        "site",
        run::<Sites>(Arc::clone(&cx), cx.hub.sites.clone(), readers.sites),
    );
    spawn(
        "cloudplatform",
        run::<CloudPlatforms>(Arc::clone(&cx), cx.hub.platforms.clone(), readers.platforms),
    );
    spawn(
        "tenant",
        run::<Tenants>(Arc::clone(&cx), cx.hub.tenants.clone(), readers.tenants),
    );
    spawn(
        "tenantquota",
        run::<TenantQuotas>(Arc::clone(&cx), cx.hub.quotas.clone(), readers.quotas),
    );
    Ok(cx)
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
