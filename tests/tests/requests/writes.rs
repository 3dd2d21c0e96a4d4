//! A person's writes, without pages: over what was seen, or not at all.

use anyhow::{Result, ensure};
use crds::resource_request::Urging;
use harness::hub_kubeconfig;
use kube::ResourceExt as _;
use portal::cluster::write::{Author, WriteError};
use portal::cluster::{Cluster, connect};
use portal::identity::User;

use crate::stage::world;

fn owner() -> User {
    User {
        name: "zj-rsj-owner".to_owned(),
        groups: vec!["zhanjiang-rsj".to_owned()],
        post: None,
    }
}

/// And tried without being stored.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_lands_on_the_list_that_was_seen_or_not_at_all() -> Result<()> {
    let world = world().await?;
    world.submitted("vier").await?;
    let kubeconfig = hub_kubeconfig(&world.testbed, "qipan-portal").await?;
    let cluster = Cluster::start(connect(Some(&kubeconfig)).await?);
    let user = owner();
    let author = |dry| Author {
        user: &user,
        request_id: "r-vier",
        dry,
    };
    let urging = |said: &str| Urging {
        by: user.name.clone(),
        comment: Some(said.to_owned()),
    };
    let seen = world.requests().get("vier").await?;
    let tried = cluster
        .append(author(true), &seen, "urgings", &urging("a"))
        .await?;
    ensure!(tried.spec.urgings.len() == 1, "a dry run answers as if");
    ensure!(
        world.requests().get("vier").await?.spec.urgings.is_empty(),
        "and stores nothing"
    );
    let first = cluster
        .append(author(false), &seen, "urgings", &urging("a"))
        .await?;
    let stale = cluster
        .append(author(false), &seen, "urgings", &urging("a"))
        .await;
    ensure!(matches!(stale, Err(WriteError::Stale)), "{stale:?}");
    let second = cluster
        .append(author(false), &first, "urgings", &urging("b"))
        .await?;
    let stale = cluster
        .append(author(false), &first, "urgings", &urging("c"))
        .await;
    ensure!(matches!(stale, Err(WriteError::Stale)), "{stale:?}");
    ensure!(second.spec.urgings.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_forged_or_there_already_is_told_apart() -> Result<()> {
    let world = world().await?;
    world.submitted("vier").await?;
    let kubeconfig = hub_kubeconfig(&world.testbed, "qipan-portal").await?;
    let cluster = Cluster::start(connect(Some(&kubeconfig)).await?);
    let user = owner();
    let author = |dry| Author {
        user: &user,
        request_id: "r-vier",
        dry,
    };
    let urging = |said: &str| Urging {
        by: user.name.clone(),
        comment: Some(said.to_owned()),
    };
    let second = world.requests().get("vier").await?;
    // Another object of the same name is another object.
    let mut other = second.clone();
    other.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let gone = cluster
        .append(author(false), &other, "urgings", &urging("d"))
        .await;
    ensure!(matches!(gone, Err(WriteError::Stale)), "{gone:?}");
    let mut nobody = second.clone();
    nobody.metadata.name = Some("fuenf".to_owned());
    let gone = cluster
        .append(author(false), &nobody, "urgings", &urging("d"))
        .await;
    ensure!(matches!(gone, Err(WriteError::Gone)), "{gone:?}");
    let forged = cluster
        .append(
            author(false),
            &second,
            "urgings",
            &Urging {
                by: "cs-approver".to_owned(),
                comment: None,
            },
        )
        .await;
    let Err(WriteError::Refused(refusal)) = forged else {
        anyhow::bail!("{forged:?}")
    };
    ensure!(
        refusal.policy.is_some() && refusal.sentence.contains("request-record"),
        "{refusal:?}"
    );
    let mut twice = second.clone();
    twice.metadata.resource_version = None;
    twice.spec.urgings.clear();
    twice.spec.applicant = Some(user.name.clone());
    let exists = cluster.create(author(false), &twice).await;
    ensure!(
        matches!(exists, Err(WriteError::Exists)),
        "{exists:?} {}",
        twice.name_any()
    );
    Ok(())
}
