//! Ways in, on real control planes: who gets one, what it opens, and that it opens nothing else.

use anyhow::{Context as _, Result, ensure};
use crds::way_in::{AUDIENCE, Ask, Given, Refused};
use harness::world::{MEMBER, SOON, World, grant, pod};
use harness::{
    NAMESPACE, Operator, Options, Spec, WayIn, client_from_text, eventually, operator_token,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ListParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};

/// A unit with a grant in force.
struct House {
    world: World,
    /// A replica that stands by: whoever leads, any of them lets people in.
    _standby: Operator,
    /// Where the standby is asked.
    way_in: WayIn,
}

/// A unit with a grant of 2 CPU in two namespaces, in force.
async fn house() -> Result<House> {
    let world = World::start(Spec::default()).await?;
    let way_in = WayIn::prepare(world.testbed.dir())?;
    let options = Options {
        args: way_in.operator_args(),
        identity: Some("standby".into()),
        ..Options::default()
    };
    let standby = Operator::start(&world.testbed, options).await?;
    world.tenant("shuiwu").await?;
    let wanted = grant("shuiwu", "fangxun", 2, &[("web", 1), ("db", 1)]);
    world.grant(&wanted).await?;
    world.in_force("qp-shuiwu", "fangxun").await?;
    Ok(House {
        world,
        _standby: standby,
        way_in,
    })
}

impl House {
    /// Asks as an account of the hub, with a token for an audience; the status and the body.
    async fn ask(&self, account: &str, audience: &str, ask: &Ask) -> Result<(u16, String)> {
        let token = operator_token(&self.world.testbed, account, audience).await?;
        self.way_in.ask(Some(&token), ask).await
    }

    async fn portal_asks(&self, ask: &Ask) -> Result<(u16, String)> {
        self.ask("qipan-portal", AUDIENCE, ask).await
    }

    async fn refused(&self, ask: &Ask) -> Result<(u16, String)> {
        let (status, body) = self.portal_asks(ask).await?;
        let refused: Refused = serde_json::from_str(&body).with_context(|| body.clone())?;
        Ok((status, refused.reason))
    }
}

fn owner() -> Ask {
    Ask {
        user: "shuiwu-owner".into(),
        groups: vec!["system:authenticated".into()],
        namespace: "qp-shuiwu".into(),
        grant: "fangxun".into(),
        leaf: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_gets_in_works_within_the_quota_and_nowhere_else() -> Result<()> {
    let house = house().await?;
    let (status, body) = house.portal_asks(&owner()).await?;
    ensure!(status == 200, "{status} {body}");
    let given: Given = serde_json::from_str(&body)?;
    let contexts = Kubeconfig::from_yaml(&given.kubeconfig)?.contexts;
    let names: Vec<_> = contexts.iter().map(|c| c.name.as_str()).collect();
    ensure!(names == ["shuiwu-db", "shuiwu-web"], "{names:?}");
    let one = Ask {
        leaf: Some("shuiwu-web".into()),
        ..owner()
    };
    let (status, body) = house.portal_asks(&one).await?;
    ensure!(status == 200, "{status} {body}");
    let given: Given = serde_json::from_str(&body)?;
    let client = client_from_text(&given.kubeconfig).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "shuiwu-web");
    pods.create(&PostParams::default(), &pod("passt", "1"))
        .await?;
    let over = pods
        .create(&PostParams::default(), &pod("zuviel", "100m"))
        .await;
    refused_with("a pod too many", over, "exceeded quota")?;
    let elsewhere: Api<Pod> = Api::namespaced(client.clone(), "shuiwu-db");
    let list = elsewhere.list(&ListParams::default()).await;
    refused_with("another namespace", list, "cannot list")?;
    let open: Api<NetworkPolicy> = Api::namespaced(client.clone(), "shuiwu-web");
    let policy = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "auf" }, "spec": { "podSelector": {}, "ingress": [{}] },
    }))?;
    let made = open.create(&PostParams::default(), &policy).await;
    refused_with("a network policy", made, "cannot create")?;
    let spaces: Api<Namespace> = Api::all(client.clone());
    refused_with(
        "all namespaces",
        spaces.list(&ListParams::default()).await,
        "cannot list",
    )?;
    nobody_else_gets_hold_of_the_account(&house, &client).await?;
    credential_is_told(&house, &given).await
}

/// It runs no pods and has no token without an end.
async fn nobody_else_gets_hold_of_the_account(house: &House, person: &Client) -> Result<()> {
    let mut under_it = pod("darunter", "1");
    if let Some(spec) = under_it.spec.as_mut() {
        spec.service_account_name = Some("qipan-way-in".into());
    }
    let admin = house.world.member().await?;
    let secret: Secret = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "ewig", "annotations": { "kubernetes.io/service-account.name": "qipan-way-in" } },
        "type": "kubernetes.io/service-account-token",
    }))?;
    let (pods, secrets): (Api<Pod>, Api<Secret>) = (
        Api::namespaced(admin.clone(), "shuiwu-web"),
        Api::namespaced(admin.clone(), "shuiwu-web"),
    );
    let post = PostParams::default();
    refused_with(
        "a pod under it",
        pods.create(&post, &under_it).await,
        "which is for people",
    )?;
    refused_with(
        "a token for ever",
        secrets.create(&post, &secret).await,
        "never ends",
    )?;
    let accounts: Api<ServiceAccount> = Api::namespaced(person.clone(), "shuiwu-web");
    let again = accounts
        .create_token_request(
            "qipan-way-in",
            &post,
            &serde_json::from_value(serde_json::json!({}))?,
        )
        .await;
    refused_with("a token by a token", again, "way-in-account")
}

/// The member's audit log names the credential that the ledger names.
async fn credential_is_told(house: &House, given: &Given) -> Result<()> {
    let id = format!("JTI={}", given.doors[0].credential);
    let log = house.world.testbed.audit(MEMBER)?;
    eventually(
        "the member tells which credential it was",
        SOON,
        async || {
            let events = log.events_since(0)?;
            let ours = events.iter().find(|event| {
                let ids = event
                    .user
                    .extra
                    .get("authentication.kubernetes.io/credential-id");
                ids.is_some_and(|ids| ids.contains(&id))
            });
            let event = ours.with_context(|| format!("nothing with {id}"))?;
            let name = "system:serviceaccount:shuiwu-web:qipan-way-in";
            ensure!(event.user.username == name, "{event:?}");
            Ok(())
        },
    )
    .await
}

fn refused_with<T: std::fmt::Debug>(
    what: &str,
    answer: kube::Result<T>,
    words: &str,
) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) => {
            ensure!(status.code == 403, "{what}: {status:?}");
            ensure!(status.message.contains(words), "{what}: {}", status.message);
            Ok(())
        }
        other => anyhow::bail!("{what}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_in_and_each_is_told_why() -> Result<()> {
    let house = house().await?;
    let stranger = Ask {
        user: "gongan-owner".into(),
        ..owner()
    };
    let expected = (403, "WayInNotAllowed".to_owned());
    ensure!(house.refused(&stranger).await? == expected);
    let unknown = Ask {
        grant: "nirgends".into(),
        ..owner()
    };
    ensure!(house.refused(&unknown).await? == (404, "UnknownGrant".to_owned()));
    let leaf = Ask {
        leaf: Some("gongan-web".into()),
        ..owner()
    };
    ensure!(house.refused(&leaf).await? == (409, "WayInUnknownNamespace".to_owned()));
    // Who asks must be one who lets people in, with a token that is meant for this.
    let (status, body) = house.ask("qipan-operator", AUDIENCE, &owner()).await?;
    ensure!((status, body.as_str()) == (403, ""), "{status} {body}");
    let (status, body) = house.ask("qipan-portal", "somebody-else", &owner()).await?;
    ensure!((status, body.as_str()) == (401, ""), "{status} {body}");
    for token in [None, Some("keins")] {
        let (status, body) = house.way_in.ask(token, &owner()).await?;
        ensure!((status, body.as_str()) == (401, ""), "{status} {body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_silent_gives_no_way_in_and_says_so() -> Result<()> {
    let house = house().await?;
    house.world.testbed.stop_cluster(MEMBER).await?;
    let (status, body) = house.portal_asks(&owner()).await?;
    let refused: Refused = serde_json::from_str(&body).with_context(|| body.clone())?;
    ensure!(
        status == 503 && refused.reason == "WayInUnavailable",
        "{body}"
    );
    ensure!(refused.words("zh").contains("业务照常运行"), "{body}");
    ensure!(
        !body.contains("token") && !body.contains(NAMESPACE),
        "{body}"
    );
    Ok(())
}
