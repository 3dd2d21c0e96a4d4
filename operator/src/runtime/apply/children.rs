//! Writes the children of a plan: created, changed over what was seen, pruned.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{self, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{
    DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::deadline;
use crate::children::{epoch_of, owner_in_labels};
use crate::member::{Connection, Seen};
use crate::runtime::clock::steady;
use crate::runtime::metrics::WRITES;
use crate::runtime::plan::{Child, ChildKey, ChildKind, Placed, Target};
use crate::runtime::{Context, Error};

/// Children of one object that are written at once.
const PARALLEL: usize = 8;

pub(super) async fn write_children(
    cx: &Context,
    owner: &str,
    heir_of: &[String],
    children: &[Placed],
    count: &AtomicUsize,
) -> Result<(), Error> {
    let mut targets: Vec<&Target> = children.iter().map(|c| &c.target).collect();
    targets.sort();
    targets.dedup();
    for target in targets {
        let connection = cx.members.connection(target)?;
        let here = || {
            children
                .iter()
                .filter(|c| c.target == *target)
                .map(|c| &c.child)
        };
        // Namespaces first, since the others live in them.
        for namespaces in [true, false] {
            let due = here().filter(|c| (c.kind() == ChildKind::Namespace) == namespaces);
            let due: Vec<_> = due
                .filter_map(|c| {
                    step(owner, heir_of, c, connection.cache.get(&c.key())).map(|s| (c, s))
                })
                .collect();
            stream::iter(due.into_iter().map(Ok))
                .try_for_each_concurrent(PARALLEL, async |(child, step)| {
                    write(&connection, owner, child, step).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                })
                .await?;
        }
        let wanted: Vec<ChildKey> = here().map(Child::key).collect();
        let surplus = connection.cache.owned(owner).into_iter();
        let surplus: Vec<_> = surplus
            .filter(|(key, _)| key.kind != ChildKind::Namespace && !wanted.contains(key))
            .collect();
        for (key, seen) in surplus.into_iter().rev() {
            prune(&connection, &key, &seen.uid).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// What must be done to a child.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is not there.
    Create,
    /// It differs; this is its UID and, for a quota, the epoch that it shows.
    Change { uid: String, epoch: i64 },
    /// A namespace of that name is another owner's.
    Taken(String),
}

fn step(owner: &str, heir_of: &[String], child: &Child, seen: Option<Seen>) -> Option<Step> {
    let Some(seen) = seen else {
        return Some(Step::Create);
    };
    if child.kind() == ChildKind::Namespace && seen.owner != owner && !heir_of.contains(&seen.owner)
    {
        return Some(Step::Taken(seen.owner));
    }
    if seen.digest == crate::children::digest(child) || seen.terminating {
        return None;
    }
    let epoch = seen.quota.map_or(0, |q| q.epoch);
    if let Child::ResourceQuota(quota) = child
        && epoch >= epoch_of(&quota.metadata)
    {
        // A leaf is written only over a smaller epoch; the ledger catches up in the next pass.
        return None;
    }
    Some(Step::Change {
        uid: seen.uid,
        epoch,
    })
}

async fn write(
    connection: &Connection,
    owner: &str,
    child: &Child,
    step: Step,
) -> Result<(), Error> {
    let _turn = connection.turn().await;
    match (child, step) {
        (_, Step::Taken(whose)) => Err(taken(connection, child.meta(), &whose)),
        (Child::Namespace(namespace), step) => {
            let stored = write_namespace(connection, owner, namespace, step).await?;
            connection.cache.put(&Child::Namespace(stored), steady());
            Ok(())
        }
        (Child::ResourceQuota(quota), Step::Change { uid, epoch }) => {
            let api = in_namespace::<ResourceQuota>(&connection.client, quota);
            let stored = lower_or_raise(&api, quota, &uid, epoch).await?;
            connection
                .cache
                .put(&Child::ResourceQuota(stored), steady());
            Ok(())
        }
        (Child::ResourceQuota(quota), _) => {
            // POST, never an apply: a server-side apply would create again what was deleted meanwhile.
            let api = in_namespace::<ResourceQuota>(&connection.client, quota);
            let stored = create(&api, quota, "resourcequotas").await?;
            connection
                .cache
                .put(&Child::ResourceQuota(stored), steady());
            Ok(())
        }
        (Child::LimitRange(o), step) => {
            common(connection, o, step, "limitranges", Child::LimitRange).await
        }
        (Child::NetworkPolicy(o), step) => {
            common(connection, o, step, "networkpolicies", Child::NetworkPolicy).await
        }
        (Child::Role(o), step) => common(connection, o, step, "roles", Child::Role).await,
        (Child::RoleBinding(o), step) => {
            common(connection, o, step, "rolebindings", Child::RoleBinding).await
        }
    }
}

fn taken(connection: &Connection, meta: &ObjectMeta, owner: &str) -> Error {
    Error::Taken {
        cluster: connection.name.clone(),
        namespace: meta.name.clone().unwrap_or_default(),
        owner: if owner.is_empty() {
            "nobody's that Qipan knows"
        } else {
            owner
        }
        .to_owned(),
    }
}

async fn write_namespace(
    connection: &Connection,
    owner: &str,
    namespace: &Namespace,
    step: Step,
) -> Result<Namespace, Error> {
    let api = Api::<Namespace>::all(connection.client.clone());
    match step {
        Step::Create => match create(&api, namespace, "namespaces").await {
            Err(why) if why.code() == Some(409) => {
                let there = deadline("read a namespace", api.get(&namespace.name_any())).await?;
                if owner_in_labels(&there.metadata) != owner {
                    return Err(taken(
                        connection,
                        &there.metadata,
                        &owner_in_labels(&there.metadata),
                    ));
                }
                Ok(there)
            }
            other => other,
        },
        Step::Change { uid, .. } => patch(&api, namespace, &uid, "namespaces").await,
        Step::Taken(whose) => Err(taken(connection, &namespace.metadata, &whose)),
    }
}

fn in_namespace<K>(client: &Client, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(
        client.clone(),
        object.meta().namespace.as_deref().unwrap_or_default(),
    )
}

async fn common<K>(
    connection: &Connection,
    object: &K,
    step: Step,
    plural: &str,
    child: fn(K) -> Child,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api = in_namespace::<K>(&connection.client, object);
    let stored = match step {
        Step::Change { uid, .. } => patch(&api, object, &uid, plural).await?,
        Step::Create | Step::Taken(_) => match create(&api, object, plural).await {
            Err(why) if why.code() == Some(409) => patch(&api, object, "", plural).await?,
            other => other?,
        },
    };
    connection.cache.put(&child(stored), steady());
    Ok(())
}

async fn create<K>(api: &Api<K>, object: &K, plural: &str) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    WRITES.with_label_values(&[plural, "create"]).inc();
    let params = PostParams {
        field_manager: Some(crds::keys::QIPAN.into()),
        ..PostParams::default()
    };
    let action = format!("create {plural}/{}", object.name_any());
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    deadline(&action, api.create(&params, object)).await
}

/// Server-side apply over the object of that UID; an empty UID means whichever is there.
async fn patch<K>(api: &Api<K>, object: &K, uid: &str, plural: &str) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    WRITES.with_label_values(&[plural, "patch"]).inc();
    let mut object = object.clone();
    if !uid.is_empty() {
        object.meta_mut().uid = Some(uid.to_owned());
    }
    let action = format!("apply {plural}/{}", object.name_any());
    let params = PatchParams::apply(crds::keys::QIPAN).force();
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    deadline(
        &action,
        api.patch(&object.name_any(), &params, &Patch::Apply(&object)),
    )
    .await
}

/// Changes a leaf's quota over its UID and a smaller epoch only (design §4): once a leaf shows an epoch, no write of that or
/// an earlier one lands, whoever sent it and whenever it arrives.
async fn lower_or_raise(
    api: &Api<ResourceQuota>,
    quota: &ResourceQuota,
    uid: &str,
    epoch: i64,
) -> Result<ResourceQuota, Error> {
    WRITES.with_label_values(&["resourcequotas", "patch"]).inc();
    let path = format!(
        "/metadata/annotations/{}",
        crds::keys::EPOCH.replace('/', "~1")
    );
    let annotation = if epoch == 0 {
        // A quota without a readable epoch was made by another hand: the annotations are set as a whole.
        vec![
            json!({ "op": "add", "path": "/metadata/annotations", "value": { crds::keys::EPOCH: epoch_of(&quota.metadata).to_string() } }),
        ]
    } else {
        vec![
            json!({ "op": "test", "path": path, "value": epoch.to_string() }),
            json!({ "op": "replace", "path": path, "value": epoch_of(&quota.metadata).to_string() }),
        ]
    };
    let mut operations = vec![json!({ "op": "test", "path": "/metadata/uid", "value": uid })];
    operations.extend(annotation);
    operations
        .push(json!({ "op": "add", "path": "/metadata/labels", "value": quota.metadata.labels }));
    operations.push(json!({ "op": "add", "path": "/spec", "value": quota.spec }));
    let edits: Patch<serde_json::Value> =
        Patch::Json(serde_json::from_value(json!(operations)).unwrap_or_default());
    let params = PatchParams {
        field_manager: Some(crds::keys::QIPAN.into()),
        ..PatchParams::default()
    };
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    deadline(
        "change resourcequotas/qipan",
        api.patch(&quota.name_any(), &params, &edits),
    )
    .await
}

async fn prune(connection: &Connection, key: &ChildKey, uid: &str) -> Result<(), Error> {
    let _turn = connection.turn().await;
    let (group, plural) = key.kind.resource();
    WRITES.with_label_values(&[plural, "delete"]).inc();
    let version = "v1";
    let resource = kube::api::ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: if group.is_empty() {
            version.into()
        } else {
            format!("{group}/{version}")
        },
        kind: String::new(),
        plural: plural.into(),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(connection.client.clone(), &key.namespace, &resource);
    delete(&api, &key.name, uid, plural).await?;
    connection.cache.drop_key(key, steady());
    Ok(())
}

pub(super) async fn remove_namespace(
    connection: &Connection,
    namespace: &str,
    uid: &str,
) -> Result<(), Error> {
    let _turn = connection.turn().await;
    WRITES.with_label_values(&["namespaces", "delete"]).inc();
    delete(
        &Api::<Namespace>::all(connection.client.clone()),
        namespace,
        uid,
        "namespaces",
    )
    .await
}

async fn delete<K: Clone + DeserializeOwned + std::fmt::Debug>(
    api: &Api<K>,
    name: &str,
    uid: &str,
    plural: &str,
) -> Result<(), Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    #[expect(clippy::disallowed_methods, reason = "the one file that writes")]
    let deleted = deadline(
        &format!("delete {plural}/{name}"),
        api.delete(name, &params),
    )
    .await;
    match deleted {
        Err(why) if why.code() == Some(404) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::keys;

    fn quota(epoch: i64, cpu: &str) -> Child {
        let mut quota = ResourceQuota::default();
        quota.metadata.name = Some("qipan".into());
        quota.metadata.namespace = Some("t-7-web".into());
        quota.metadata.annotations = Some([(keys::EPOCH.to_owned(), epoch.to_string())].into());
        quota.spec.get_or_insert_default().hard = Some(
            [(
                "requests.cpu".to_owned(),
                k8s_openapi::apimachinery::pkg::api::resource::Quantity(cpu.into()),
            )]
            .into(),
        );
        Child::ResourceQuota(quota)
    }

    fn seen(child: &Child) -> Seen {
        Seen::of(child, jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_there_as_wanted_is_not_written() {
        assert_eq!(
            step("o", &[], &quota(3, "4"), Some(seen(&quota(3, "4")))),
            None
        );
    }

    #[test]
    fn a_leaf_is_written_only_over_a_smaller_epoch() {
        assert!(matches!(
            step("o", &[], &quota(4, "5"), Some(seen(&quota(3, "4")))),
            Some(Step::Change { epoch: 3, .. })
        ));
        assert_eq!(
            step("o", &[], &quota(3, "5"), Some(seen(&quota(3, "4")))),
            None
        );
        assert_eq!(
            step("o", &[], &quota(2, "5"), Some(seen(&quota(3, "4")))),
            None
        );
    }

    #[test]
    fn the_namespace_of_another_owner_is_left_alone() {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("t-7-web".into());
        namespace.metadata.labels =
            Some([(keys::GRANT_UID.to_owned(), "theirs".to_owned())].into());
        let theirs = Child::Namespace(namespace);
        assert_eq!(
            step("ours", &[], &theirs, Some(seen(&theirs))),
            Some(Step::Taken("theirs".into()))
        );
    }
}
