//! The operator holds what it uses, and uses what it holds: the audit logs of hub and member against its roles.
//!
//! One scenario, wide enough for every verb. Then each right is taken away in turn, and the request that needed it is
//! sent again: it must be refused. A role that grants too much, or too little, fails here with the right's name.

use harness::rights::{asked, findings, held_by};
use harness::world::{MEMBER, World};
use harness::{HUB, Spec};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::DeleteParams;

#[path = "roles/scenario.rs"]
mod scenario;
#[path = "roles/taken_away.rs"]
mod taken_away;

/// The account, and where it has roles.
const ACCOUNTS: [(&str, &str); 2] = [("qipan-operator", HUB), ("qipan-operator", MEMBER)];

#[tokio::test(flavor = "multi_thread")]
async fn every_right_is_used_none_is_missing_and_without_any_one_something_is_refused() {
    let mut world = World::start(Spec::default()).await.unwrap();
    // What everybody may anyway would hide what the accounts' own roles lack.
    let hub = world.testbed.client(HUB).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(hub);
    let at_once = DeleteParams::default();
    bindings.delete("qipan:catalog", &at_once).await.unwrap();
    scenario::play(&mut world).await.unwrap();
    // From here on nobody may stumble over a role that is a right short.
    world.operator.program.stop();
    for (account, cluster) in ACCOUNTS {
        let held = held_by(&world.testbed.client(cluster).await.unwrap(), account).await;
        let (held, asked) = (
            held.unwrap(),
            asked(&world.testbed, account, cluster).unwrap(),
        );
        let findings = findings(&held, &asked);
        assert!(
            findings.is_empty(),
            "{account} in {cluster}:\n{}",
            findings.join("\n")
        );
        let count = taken_away::each_in_turn(&world, (account, cluster), &held, &asked);
        println!("{account} in {cluster}: {} rights", count.await.unwrap());
    }
}
