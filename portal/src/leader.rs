//! What one replica alone does: it records, and tells people. Which one is said by the Lease (`cluster/lease.rs`).

use std::future::Future;

use kube::Client;
use tokio::sync::watch;

use crate::background;
use crate::cluster::lease::Elector;
use crate::db::Engine;

/// Works while this replica leads, until the program ends. An embedded database has one replica.
pub async fn work<F: Future<Output = ()>>(
    engine: Engine,
    (client, namespace): (Client, String),
    mut ending: watch::Receiver<bool>,
    work: impl Fn() -> F,
) {
    if engine == Engine::Sqlite {
        tokio::select! {
            () = work() => {}
            () = ended(&mut ending) => {}
        }
        return;
    }
    let identity = crate::db::new_id().unwrap_or_default();
    let mut elector = Elector::new(client, &namespace, identity);
    loop {
        tokio::select! {
            () = elector.acquire(background::now) => tracing::info!("this replica records and tells"),
            () = ended(&mut ending) => return,
        }
        tokio::select! {
            () = work() => {}
            () = elector.hold(background::now) => tracing::warn!("another replica records and tells"),
            () = ended(&mut ending) => {
                elector.release(background::now()).await;
                return;
            }
        }
    }
}

async fn ended(ending: &mut watch::Receiver<bool>) {
    let _sender_gone_means_the_same = ending.wait_for(|ending| *ending).await;
}
