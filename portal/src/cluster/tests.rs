//! A hub in memory for the portal's unit tests, and the tests of the hub.

use super::caches::Kept;
use super::*;
use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A hub that holds the given objects and lets `may` decide.
pub(crate) fn hub(objects: &[Value], may: fn(&Value) -> bool) -> Cluster {
    let service = tower::service_fn(
        move |request: http::Request<kube::client::Body>| async move {
            let body = request
                .into_body()
                .collect_bytes()
                .await
                .unwrap_or_default();
            let mut review: Value = serde_json::from_slice(&body).unwrap_or_default();
            review["status"] = json!({ "allowed": may(&review["spec"]) });
            let response =
                http::Response::new(kube::client::Body::from(review.to_string().into_bytes()));
            Ok::<_, std::io::Error>(response)
        },
    );
    let freshness = Arc::new(Freshness {
        syncs: Mutex::new(Kind::ALL.iter().map(|kind| (*kind, Sync::Synced)).collect()),
        last_contact: AtomicI64::new(background::now().as_second()),
        lost: AtomicBool::new(false),
        changes: watch::Sender::new(0),
    });
    Cluster {
        client: Client::new(service, "default"),
        freshness,
        caches: Caches {
            windows: filled(objects, "ChangeWindow"),
            platforms: filled(objects, "CloudPlatform"),
            products: filled(objects, "CloudProduct"),
            profiles: filled(objects, "GovernanceProfile"),
            systems: filled(objects, "InformationSystem"),
            requests: filled(objects, "ResourceRequest"),
            offerings: filled(objects, "ServiceOffering"),
            sites: filled(objects, "Site"),
            tenants: filled(objects, "Tenant"),
            quotas: filled(objects, "TenantQuota"),
            orders: filled(objects, "WorkOrder"),
        },
    }
}

impl Cluster {
    pub(crate) fn lose(&self, seconds: i64) {
        let since = background::now().as_second() - seconds;
        self.freshness.last_contact.store(since, Ordering::Relaxed);
        self.freshness.lost.store(true, Ordering::Relaxed);
    }

    /// Answers nothing from now on.
    pub(crate) fn silence(&mut self) {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async move {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("silent"))
        });
        self.client = Client::new(service, "default");
        self.lose(20);
    }

    pub(crate) fn forget(&self, kind: Kind) {
        self.freshness.note(kind, Sync::Missing);
    }
}

fn filled<K>(objects: &[Value], kind: &str) -> Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    let (store, mut writer): (Store<K>, Writer<K>) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Init);
    for object in objects.iter().filter(|o| o["kind"] == kind) {
        let object = serde_json::from_value(object.clone()).unwrap();
        writer.apply_watcher_event(&watcher::Event::InitApply(object));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    Kept::of(store)
}

#[tokio::test]
async fn an_impersonated_call_names_the_person_the_groups_and_the_request() {
    let service = tower::service_fn(|request: http::Request<kube::client::Body>| async move {
        let headers = request.headers();
        assert_eq!(headers["impersonate-user"], "oidc:cs-approver");
        let groups: Vec<_> = headers.get_all("impersonate-group").iter().collect();
        assert_eq!(groups, ["oidc:approvers", "system:authenticated"]);
        assert_eq!(headers["audit-id"], "r-17");
        Ok::<_, std::io::Error>(http::Response::new(kube::client::Body::from(
            b"{\"major\":\"1\"}".to_vec(),
        )))
    });
    let mut hub = hub(&[], |_| true);
    hub.client = Client::new(service, "default");
    let user = User {
        name: "oidc:cs-approver".into(),
        groups: vec!["oidc:approvers".into()],
        post: None,
    };
    let client = hub.impersonated(&user, "r-17").unwrap();
    let _version = client.apiserver_version().await;
    let nobody = User {
        name: String::new(),
        ..user.clone()
    };
    assert!(hub.impersonated(&nobody, "r-17").is_err());
    assert!(hub.impersonated(&user, "a\nb").is_err());
}

#[tokio::test]
async fn what_follows_a_write_waits_until_the_caches_have_it() {
    use futures::FutureExt as _;
    let hub = hub(&[], |_| true);
    let there = AtomicBool::new(false);
    let mut waiting = std::pin::pin!(hub.has(|_| there.load(Ordering::Relaxed)));
    assert!(waiting.as_mut().now_or_never().is_none());
    hub.freshness.changed();
    assert!(waiting.as_mut().now_or_never().is_none(), "another object");
    there.store(true, Ordering::Relaxed);
    hub.freshness.changed();
    assert!(waiting.now_or_never().is_some());
    assert!(hub.has(|_| true).now_or_never().is_some(), "it was there");
}
