//! A store whose objects are put in order once a change, and not once a page.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt as _};

/// Objects in order, and the change after which they were.
type Ordered<K> = (u64, Arc<[Arc<K>]>);

/// A store of one kind.
pub(crate) struct Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    changes: AtomicU64,
    ordered: Mutex<Option<Ordered<K>>>,
}

impl<K> Clone for Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    K::DynamicType: Hash + Eq,
{
    /// What a store holds; whoever fills it says [`Self::changed`] after each change.
    pub(crate) fn of(store: Store<K>) -> Self {
        let shared = Shared {
            changes: AtomicU64::new(0),
            ordered: Mutex::new(None),
        };
        Self {
            store,
            shared: Arc::new(shared),
        }
    }

    /// Says that the store has changed.
    pub(crate) fn changed(&self) {
        self.shared.changes.fetch_add(1, Ordering::Release);
    }

    /// One object.
    pub(crate) fn get(&self, key: &ObjectRef<K>) -> Option<Arc<K>> {
        self.store.get(key)
    }

    /// Every object, by namespace and name.
    pub(crate) fn ordered(&self) -> Arc<[Arc<K>]> {
        // Read before the objects: what changes meanwhile is put in order again by the next reader.
        let changes = self.shared.changes.load(Ordering::Acquire);
        let mut ordered = self
            .shared
            .ordered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((after, objects)) = ordered.as_ref()
            && *after == changes
        {
            return Arc::clone(objects);
        }
        let mut objects = self.store.state();
        let key = |object: &Arc<K>| (object.meta().namespace.clone(), object.name_any());
        objects.sort_by_cached_key(key);
        let objects: Arc<[Arc<K>]> = objects.into();
        *ordered = Some((changes, Arc::clone(&objects)));
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::Site;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn site(name: &str) -> Site {
        let site = json!({
            "metadata": { "name": name },
            "spec": { "displayName": { "zh": name }, "division": "440800", "provider": "p", "purpose": "Production" },
        });
        serde_json::from_value(site).unwrap()
    }

    #[test]
    fn objects_are_in_order_after_every_change_and_put_in_order_once() {
        let (store, mut writer) = reflector::store();
        let kept = Kept::of(store);
        for name in ["b", "a"] {
            writer.apply_watcher_event(&Event::Apply(site(name)));
            kept.changed();
        }
        let names = |kept: &Kept<Site>| -> Vec<String> {
            kept.ordered().iter().map(|site| site.name_any()).collect()
        };
        assert_eq!(names(&kept), ["a", "b"]);
        assert!(Arc::ptr_eq(&kept.ordered(), &kept.ordered()));
        writer.apply_watcher_event(&Event::Delete(site("a")));
        kept.changed();
        assert_eq!(names(&kept), ["b"]);
    }
}
