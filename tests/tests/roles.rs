//! The operator holds what it uses, and uses what it holds: the audit logs of hub and member against its roles.
//!
//! One scenario, wide enough for every verb. Then each right is taken away in turn, and the request that needed it is
//! sent again: it must be refused. A role that grants too much, or too little, fails here with the right's name.

use anyhow::Result;
use harness::rights::{Held, held_by};
use harness::world::{MEMBER, World};
use harness::{Event, HUB, Spec};
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
        let (held, asked) = (held.unwrap(), asked(&world, account, cluster).unwrap());
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

/// What an account asked of a cluster under its own name. What every account may ask (who am I, which kinds are there)
/// is none of its roles.
fn asked(world: &World, account: &str, cluster: &str) -> Result<Vec<Event>> {
    let user = format!("system:serviceaccount:{}:{account}", harness::NAMESPACE);
    let mut events = world.testbed.audit(cluster)?.events_since(0)?;
    events.retain(|e| e.user.username == user && e.object_ref.is_some());
    Ok(events)
}

/// What is granted and not used, and what was refused or is not granted.
fn findings(held: &[Held], asked: &[Event]) -> Vec<String> {
    let mut findings = Vec::new();
    for event in asked {
        let what = || format!("{} {}", event.verb, event.request_uri);
        if event.is_forbidden() {
            findings.push(format!("refused: {}", what()));
        } else if !held.iter().any(|role| role.covers(event)) {
            findings.push(format!("in no role: {}", what()));
        }
    }
    for role in held {
        let unused = role.unused(asked).into_iter();
        findings.extend(unused.map(|right| format!("never used: {right} ({})", role.name)));
    }
    findings
}
