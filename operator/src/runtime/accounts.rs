//! By what right accounts are written: this leadership's fence, and for which accounts the view of the grants is proven to be
//! new enough (see `crds::account`).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::account::{Claim, Writer};
use crds::resource_request::HoldStatus;
use crds::{ResourceList, ResourceRequest, TenantQuota};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply::deadline;
use super::hub::Guarded;
use super::{Context, Error};

/// A grant by name.
type Grant = ObjectRef<Guarded<TenantQuota>>;

/// A grant that cannot be read as one, but is charged all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its platform.
    pub platform: String,
    /// Its pool.
    pub pool: String,
    /// What it is charged.
    pub admitted: ResourceList,
}

impl Unreadable {
    /// What can be made out of a grant of a broken shape.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |path| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let admitted = object
            .pointer("/status/admitted")
            .cloned()
            .unwrap_or_default();
        Self {
            platform: text("/spec/platform").to_owned(),
            pool: text("/spec/pool").to_owned(),
            admitted: serde_json::from_value(admitted).unwrap_or_default(),
        }
    }
}

impl Unreadable {
    /// What it is charged, as a claim that asks for no more.
    #[must_use]
    pub fn claim(&self, grant: &Grant, admitted: &ResourceList) -> Claim {
        Claim {
            uid: String::new(),
            grant: format!(
                "{}/{}",
                grant.namespace.as_deref().unwrap_or_default(),
                grant.name
            ),
            generation: 0,
            attempt: 0,
            created: Timestamp::MAX,
            wanted: admitted.clone(),
            admitted: admitted.clone(),
            may_grow: false,
            backing: ResourceList::default(),
        }
    }
}

impl Context {
    /// The grants of a broken shape, and whether each of them was looked at: one that was not may be charged anything.
    #[must_use]
    pub fn unreadable(&self) -> (Vec<(Grant, Unreadable)>, bool) {
        let mut complete = true;
        let broken = self.hub.quotas.state().into_iter().filter(|q| q.0.is_err());
        let found = broken.filter_map(|quota| {
            let uid = quota.meta().uid.clone().unwrap_or_default();
            let known = self.accounts.unreadable(&uid);
            complete &= known.is_some();
            Some((ObjectRef::from_obj(quota.as_ref()), known?))
        });
        (found.collect(), complete)
    }
}

/// What this leadership knows of its right to write accounts.
pub struct Accounts {
    fence: i64,
    /// UIDs of the objects whose accounts this process has taken over and then seen every grant.
    proven: Mutex<HashSet<String>>,
    /// Grants of a broken shape, by UID.
    unreadable: Mutex<BTreeMap<String, Unreadable>>,
    /// What requests of a broken shape hold, by UID.
    held: Mutex<BTreeMap<String, Vec<HoldStatus>>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Accounts {
    /// Under this fence; nothing is proven yet.
    #[must_use]
    pub fn of(fence: i64) -> Self {
        Self {
            fence,
            proven: Mutex::default(),
            unreadable: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// The writer of the account of an object.
    #[must_use]
    pub fn writer(&self, uid: Option<&str>) -> Writer {
        let proven = uid.is_some_and(|uid| lock(&self.proven).contains(uid));
        Writer {
            fence: self.fence,
            proven,
        }
    }

    /// Notes what a grant of a broken shape is charged. Returns whether that is news.
    pub fn note(&self, uid: &str, found: Unreadable) -> bool {
        lock(&self.unreadable).insert(uid.to_owned(), found.clone()) != Some(found)
    }

    /// Notes what a request of a broken shape holds. Returns whether that is news.
    pub fn note_held(&self, uid: &str, held: Vec<HoldStatus>) -> bool {
        lock(&self.held).insert(uid.to_owned(), held.clone()) != Some(held)
    }

    /// What a request of a broken shape holds; `None` where it was not looked at yet.
    #[must_use]
    pub fn held_by_unreadable(&self, uid: &str) -> Option<Vec<HoldStatus>> {
        lock(&self.held).get(uid).cloned()
    }

    /// What a grant of a broken shape is charged; `None` where it was not looked at yet.
    fn unreadable(&self, uid: &str) -> Option<Unreadable> {
        lock(&self.unreadable).get(uid).cloned()
    }
}

/// How often, and how long apart, the watch is waited for: it lags by milliseconds where all is well.
const TRIES: u32 = 10;
const APART: Duration = Duration::from_millis(50);

/// Makes sure that every grant and every request is known at least as it stands now; from then on the account of this object
/// may be counted.
///
/// # Errors
/// [`Error::Stale`] while the watch has not brought all of it: the pass comes again.
pub async fn prove(cx: &Context, uid: &str) -> Result<(), Error> {
    for _ in 0..TRIES {
        let grants: Api<TenantQuota> = Api::all(cx.hub.client.clone());
        let requests: Api<ResourceRequest> = Api::all(cx.hub.client.clone());
        if all_known("list the grants", &grants, &cx.hub.quotas).await?
            && all_known("list the requests", &requests, &cx.hub.requests).await?
        {
            lock(&cx.accounts.proven).insert(uid.to_owned());
            return Ok(());
        }
        tokio::time::sleep(APART).await;
    }
    Err(Error::Stale)
}

/// Whether every object that is listed now is known at least so.
async fn all_known<K>(action: &str, api: &Api<K>, store: &Store<Guarded<K>>) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + 'static,
{
    let mut page = ListParams::default().limit(1000);
    loop {
        // No resource version is asked for: the answer is as new as the storage.
        let list = deadline(action, api.list_metadata(&page)).await?;
        if !list.items.iter().all(|there| known(store, there)) {
            return Ok(false);
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(true),
        }
    }
}

/// Whether an object is in the cache as it was listed, or newer.
fn known<K>(store: &Store<Guarded<K>>, there: &PartialObjectMeta<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let version = |text: Option<String>| text.and_then(|v| v.parse::<u64>().ok());
    let name = ObjectRef::new(&there.name_any()).within(&there.namespace().unwrap_or_default());
    let Some(cached) = store.get(&name) else {
        return false;
    };
    match (
        version(cached.resource_version()),
        version(there.resource_version()),
    ) {
        (Some(cached), Some(there)) => cached >= there,
        _ => false,
    }
}
