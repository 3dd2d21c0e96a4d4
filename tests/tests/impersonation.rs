//! What the portal writes for people, on a real API server under the chart's roles: as that person and nobody else, objects
//! of Qipan and nothing else, and told in the hub's audit log with the request that brought it.

use anyhow::{Context as _, Result, ensure};
use crds::TenantQuota;
use harness::world::{SOON, grant, tenant};
use harness::{
    Event, HUB, NAMESPACE, Spec, Testbed, apply_yaml, eventually, hub_kubeconfig, install_hub,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use portal::cluster::{Cluster, connect};
use portal::identity::User;
use serde_json::{Value, json};

#[path = "impersonation/beyond.rs"]
mod beyond;

const PORTAL: &str = "system:serviceaccount:qipan-system:qipan-portal";

struct Hub {
    testbed: Testbed,
    /// The portal's own code with the portal's own account.
    cluster: Cluster,
}

/// A tenant's namespace, its authority, and somebody who may do everything everywhere.
async fn hub() -> Result<Hub> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let admin = testbed.client(HUB).await?;
    let binding = |kind: &str, namespace: Option<&str>, role: &str, subject: Value| {
        let metadata = match namespace {
            Some(namespace) => json!({ "name": "probe", "namespace": namespace }),
            None => json!({ "name": "probe" }),
        };
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [subject],
        })
    };
    let group =
        json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "zj-dsj" });
    let root =
        json!({ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "gd-root" });
    for object in [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "qp-shuiwu" } }),
        tenant("shuiwu"),
        binding("RoleBinding", Some("qp-shuiwu"), "qipan:authority", group),
        binding("ClusterRoleBinding", None, "cluster-admin", root),
    ] {
        apply_yaml(&admin, &object.to_string(), NAMESPACE).await?;
    }
    let kubeconfig = hub_kubeconfig(&testbed, "qipan-portal").await?;
    let cluster = Cluster::start(connect(Some(&kubeconfig)).await?);
    Ok(Hub { testbed, cluster })
}

fn person(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(ToString::to_string).collect(),
        post: None,
    }
}

/// The refusal of a call, which must be one of the portal's account and not of the person.
fn refused_the_portal<T: std::fmt::Debug>(what: &str, answer: kube::Result<T>) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) => {
            ensure!(status.code == 403, "{what}: {status:?}");
            ensure!(
                status.message.contains(PORTAL),
                "{what}: {}",
                status.message
            );
            Ok(())
        }
        other => anyhow::bail!("{what}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_write_is_that_persons_in_the_hub_and_in_its_audit_log() -> Result<()> {
    let hub = hub().await?;
    let mark = hub.testbed.audit(HUB)?.mark()?;
    let authority = person("cs-approver", &["zj-dsj"]);
    let wanted: TenantQuota = serde_json::from_value(grant("shuiwu", "neu", 2, &[("web", 2)]))?;
    let post = PostParams::default();
    let of = |user: &User, id: &str| -> Result<Api<TenantQuota>> {
        let client = hub.cluster.impersonated(user, id)?;
        Ok(Api::namespaced(client, "qp-shuiwu"))
    };
    // The first look at new roles and policies may be a moment early.
    let made = eventually("the authority's grant is made", SOON, async || {
        of(&authority, "r-1-made")?
            .create(&post, &wanted)
            .await
            .map_err(anyhow::Error::from)
    })
    .await?;
    let less = Patch::Merge(json!({ "spec": { "hard": { "cpu": 1 } } }));
    let merge = PatchParams::default();
    of(&authority, "r-2-lowered")?
        .patch("neu", &merge, &less)
        .await?;
    // Somebody without the right is refused as that person, by the same rules as with kubectl.
    let bureau = person("zj-rsj-owner", &["zhanjiang-rsj"]);
    let refusal = of(&bureau, "r-3-refused")?
        .patch("neu", &merge, &less)
        .await;
    let Err(kube::Error::Api(status)) = refusal else {
        anyhow::bail!("{refusal:?}");
    };
    ensure!(
        status.code == 403 && status.message.contains("\"zj-rsj-owner\""),
        "{status:?}"
    );
    eventually("the audit log tells all three", SOON, async || {
        let events = hub.testbed.audit(HUB)?.events_since(mark)?;
        let told = |id: &str| -> Result<&Event> {
            let event = events.iter().find(|event| event.audit_id == id);
            let event = event.with_context(|| format!("nothing of {id}"))?;
            ensure!(event.user.username == PORTAL, "{event:?}");
            Ok(event)
        };
        for (id, who, forbidden) in [
            ("r-1-made", "cs-approver", false),
            ("r-2-lowered", "cs-approver", false),
            ("r-3-refused", "zj-rsj-owner", true),
        ] {
            let event = told(id)?;
            ensure!(
                event.actor() == who && event.is_forbidden() == forbidden,
                "{event:?}"
            );
        }
        let uid = told("r-1-made")?.response_object.as_ref();
        let uid = uid.and_then(|object| object.pointer("/metadata/uid")?.as_str());
        ensure!(uid == made.metadata.uid.as_deref(), "{uid:?}");
        Ok(())
    })
    .await
}

/// Even for somebody who may do everything: what the portal does not hold, it cannot do in their name.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_objects_of_qipan_and_people_the_portal_reaches_nothing() -> Result<()> {
    let hub = hub().await?;
    let client = hub.cluster.impersonated(&person("gd-root", &[]), "r-4")?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let tenants: Api<crds::Tenant> = Api::all(client.clone());
    let mine: crds::Tenant = serde_json::from_value(tenant("renshe"))?;
    eventually("objects of Qipan can be written", SOON, async || {
        tenants.create(&dry, &mine).await
    })
    .await?;
    let all = ListParams::default();
    let pod = harness::world::pod("fremd", "1");
    let pods: Api<Pod> = Api::namespaced(client.clone(), "qp-shuiwu");
    refused_the_portal("a pod", pods.create(&dry, &pod).await)?;
    refused_the_portal("pods", pods.list(&all).await)?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    refused_the_portal("secrets", secrets.list(&all).await)?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({ "metadata": { "name": "fremd" } }))?;
    refused_the_portal("a namespace", namespaces.create(&dry, &namespace).await)?;
    // Reads come from the portal's own caches, and what status says is the operator's word.
    refused_the_portal("reading as a person", tenants.list(&all).await)?;
    let forged = Patch::Merge(json!({ "status": { "grants": 7 } }));
    let status = tenants
        .patch_status("shuiwu", &PatchParams::default(), &forged)
        .await;
    refused_the_portal("a status", status)?;
    ensure!(
        hub.cluster
            .impersonated(&person("system:kube-scheduler", &[]), "r-5")
            .is_err()
    );
    Ok(())
}
