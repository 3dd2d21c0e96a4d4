//! By what right accounts are written: this leadership's fence, and for which accounts the view of the grants is proven to be
//! new enough (see `crds::account`).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::account::{Claim, Writer};
use crds::{ResourceList, TenantQuota};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource as _, ResourceExt as _};
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

    /// What a grant of a broken shape is charged; `None` where it was not looked at yet.
    fn unreadable(&self, uid: &str) -> Option<Unreadable> {
        lock(&self.unreadable).get(uid).cloned()
    }
}

/// How often, and how long apart, the watch is waited for: it lags by milliseconds where all is well.
const TRIES: u32 = 10;
const APART: Duration = Duration::from_millis(50);

/// Makes sure that every grant is known at least as it stands now; from then on the account of this object may be counted.
///
/// # Errors
/// [`Error::Stale`] while the watch has not brought all of it: the pass comes again.
pub async fn prove(cx: &Context, uid: &str) -> Result<(), Error> {
    for _ in 0..TRIES {
        if all_known(cx).await? {
            lock(&cx.accounts.proven).insert(uid.to_owned());
            return Ok(());
        }
        tokio::time::sleep(APART).await;
    }
    Err(Error::Stale)
}

/// Whether every grant that is listed now is known at least so.
async fn all_known(cx: &Context) -> Result<bool, Error> {
    let api: Api<TenantQuota> = Api::all(cx.hub.client.clone());
    let mut page = ListParams::default().limit(1000);
    loop {
        // No resource version is asked for: the answer is as new as the storage.
        let list = deadline("list the grants", api.list_metadata(&page)).await?;
        if !list.items.iter().all(|there| known(cx, there)) {
            return Ok(false);
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(true),
        }
    }
}

/// Whether a grant is in the cache as it was listed, or newer.
fn known(cx: &Context, there: &PartialObjectMeta<TenantQuota>) -> bool {
    let version = |text: Option<String>| text.and_then(|v| v.parse::<u64>().ok());
    let name = ObjectRef::new(&there.name_any()).within(&there.namespace().unwrap_or_default());
    let Some(cached) = cx.hub.quotas.get(&name) else {
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
