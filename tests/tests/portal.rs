//! The portal on the real thing: the chart's roles, a real API server's answers about rights, live pages, a hub that goes.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::world::{self, PLATFORM};
use harness::{
    HUB, NAMESPACE, Options, Portal, Spec, Testbed, apply_yaml, eventually, install_hub,
};
use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

#[path = "portal/listeners.rs"]
mod listeners;
#[path = "portal/slow.rs"]
mod slow;

struct World {
    testbed: Testbed,
    portal: Portal,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

async fn world() -> &'static World {
    WORLD.get_or_init(async || start().await.unwrap()).await
}

/// A hub with the chart's roles and a few objects, and the portal under its own account. No operator: what is seen is
/// what was applied.
async fn start() -> Result<World> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let hub = testbed.client(HUB).await?;
    apply_yaml(&hub, &world::profile(), NAMESPACE).await?;
    apply_yaml(
        &hub,
        &world::platform(PLATFORM, "province", 1000),
        NAMESPACE,
    )
    .await?;
    for tenant in ["renshe", "gongan"] {
        apply(&hub, &world::tenant(tenant)).await?;
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("qp-{tenant}") } });
        apply(&hub, &namespace).await?;
        apply(
            &hub,
            &world::grant(tenant, &format!("{tenant}-pei"), 4, &[("web", 4)]),
        )
        .await?;
    }
    // The posts of the demo sign-in: the province's authority sees all, the bureau its own namespace.
    apply(
        &hub,
        &binding("ClusterRoleBinding", None, "qipan:viewer", "gd-zsj"),
    )
    .await?;
    apply(
        &hub,
        &binding(
            "RoleBinding",
            Some("qp-renshe"),
            "qipan:owner",
            "zhanjiang-rsj",
        ),
    )
    .await?;
    let portal = Portal::start(&testbed, Options::default()).await?;
    Ok(World { testbed, portal })
}

async fn apply(hub: &Client, object: &Value) -> Result<()> {
    apply_yaml(hub, &object.to_string(), NAMESPACE)
        .await
        .map(drop)
}

fn binding(kind: &str, namespace: Option<&str>, role: &str, group: &str) -> Value {
    let api = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{api}/v1"), "kind": kind,
        "metadata": { "name": format!("test-{group}"), "namespace": namespace },
        "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
    })
}

/// One person at a browser without scripts.
struct Person {
    address: String,
    cookie: String,
}

impl Person {
    async fn sign_in(address: &str, post: &str) -> Result<Self> {
        let mut person = Self {
            address: address.to_owned(),
            cookie: String::new(),
        };
        let form = person.get("/sign-in").await?;
        person.cookie = cookie(&form)?;
        let token = form
            .split("name=\"token\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let body = format!(
            "post={post}&next=/&token={}",
            token.context("no token in the form")?
        );
        let head = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
        let answer = person.say("POST", "/sign-in", &head, &body).await?;
        ensure!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        person.cookie = cookie(&answer)?;
        Ok(person)
    }

    async fn get(&self, path: &str) -> Result<String> {
        self.say("GET", path, "", "").await
    }

    async fn say(&self, verb: &str, path: &str, head: &str, body: &str) -> Result<String> {
        let mut stream = self.open(verb, path, head, body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn open(&self, verb: &str, path: &str, head: &str, body: &str) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\nConnection: close\r\n{head}\r\n{body}",
            self.address, self.cookie
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// Opens a live page and waits until it listens.
    async fn listen(&self, page: &str) -> Result<TcpStream> {
        let mut stream = self
            .open("GET", &format!("/events?of={page}"), "", "")
            .await?;
        let head = hear(&mut stream, "\r\n\r\n", Duration::from_secs(5)).await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        Ok(stream)
    }
}

fn cookie(answer: &str) -> Result<String> {
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    Ok(line
        .and_then(|line| line.split(';').next())
        .context("no cookie was set")?
        .to_owned())
}

/// Reads until something is heard.
async fn hear(stream: &mut TcpStream, what: &str, within: Duration) -> Result<String> {
    let mut heard = String::new();
    let listening = async {
        let mut piece = [0_u8; 4096];
        while !heard.contains(what) {
            let n = stream.read(&mut piece).await?;
            ensure!(n > 0, "the stream ended after {heard:?}");
            heard.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(within, listening).await;
    outcome.with_context(|| format!("{what:?} was not heard within {within:?}"))??;
    Ok(heard)
}

async fn rename(hub: &Client, zh: &str) -> Result<()> {
    let mut platform: Value = serde_json::from_str(&world::platform(PLATFORM, "province", 1000))?;
    platform["spec"]["displayName"]["zh"] = zh.into();
    apply(hub, &platform).await
}

#[tokio::test]
async fn two_people_see_what_rbac_lets_them_see() {
    let world = world().await;
    let authority = Person::sign_in(&world.portal.address, "administrator")
        .await
        .unwrap();
    let bureau = Person::sign_in(&world.portal.address, "owner")
        .await
        .unwrap();
    let all = authority.get("/tenants").await.unwrap();
    assert!(
        all.contains("/tenants/renshe") && all.contains("/tenants/gongan"),
        "{all}"
    );
    let own = bureau.get("/tenants").await.unwrap();
    assert!(
        own.contains("/tenants/renshe") && !own.contains("gongan"),
        "{own}"
    );
    assert!(
        bureau
            .get("/tenants/renshe")
            .await
            .unwrap()
            .contains("renshe-pei")
    );
    for path in [
        "/tenants/gongan",
        "/tenants/gongan/grants.csv",
        &format!("/platforms/{PLATFORM}"),
    ] {
        assert!(
            bureau.get(path).await.unwrap().starts_with("HTTP/1.1 404"),
            "{path}"
        );
        assert!(
            authority
                .get(path)
                .await
                .unwrap()
                .starts_with("HTTP/1.1 200"),
            "{path}"
        );
    }
    let stranger = Person::sign_in(&world.portal.address, "auditor")
        .await
        .unwrap();
    assert!(
        !stranger
            .get("/tenants")
            .await
            .unwrap()
            .contains("/tenants/renshe")
    );
}

#[tokio::test]
async fn a_bureau_knows_what_things_are_called_and_its_own_entry() {
    let world = world().await;
    let sign_in = |post| Person::sign_in(&world.portal.address, post);
    let (authority, bureau) = tokio::try_join!(sign_in("administrator"), sign_in("owner")).unwrap();
    let own = bureau.get("/tenants/renshe").await.unwrap();
    let called = own.contains("中心云") || own.contains("改名云");
    assert!(called, "the platform by its name: {own}");
    assert!(
        own.contains("水务局") && own.contains("renshe-owner"),
        "its own entry: {own}"
    );
    assert!(
        !own.contains("kubectl get tenants.qipan.dev renshe"),
        "kubectl would refuse it: {own}"
    );
    let yaml = "/tenants/renshe/yaml";
    assert!(bureau.get(yaml).await.unwrap().starts_with("HTTP/1.1 404"));
    assert!(
        authority
            .get(yaml)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn a_change_reaches_an_open_page_within_two_seconds_and_only_who_may_see_it() {
    let world = world().await;
    let hub = world.testbed.client(HUB).await.unwrap();
    let authority = Person::sign_in(&world.portal.address, "administrator")
        .await
        .unwrap();
    let bureau = Person::sign_in(&world.portal.address, "owner")
        .await
        .unwrap();
    let mut open = authority.listen("/").await.unwrap();
    let mut elsewhere = bureau.listen("/").await.unwrap();
    rename(&hub, "改名云").await.unwrap();
    let began = Instant::now();
    hear(&mut open, "event: board", Duration::from_secs(2))
        .await
        .unwrap();
    println!("a change was told after {} ms", began.elapsed().as_millis());
    assert!(
        authority
            .get("/?part=board")
            .await
            .unwrap()
            .contains("改名云")
    );
    let heard = hear(&mut elsewhere, "event:", Duration::from_secs(2)).await;
    assert!(
        heard.is_err(),
        "who may not see the platform is told nothing: {heard:?}"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_hub_that_goes_leaves_pages_with_their_age_and_its_return_is_seen() {
    let mut world = start().await.unwrap();
    if std::env::var_os("QIPAN_HUB_KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        eprintln!("left out: somebody else's cluster is not stopped");
        return;
    }
    let authority = Person::sign_in(&world.portal.address, "administrator")
        .await
        .unwrap();
    assert!(
        !authority
            .get("/?lang=en")
            .await
            .unwrap()
            .contains("The hub does not answer")
    );
    world.testbed.stop_cluster(HUB).await.unwrap();
    let long = Duration::from_secs(40);
    eventually("the page says how old it is", long, async || {
        let page = authority.get("/?lang=en").await?;
        ensure!(
            page.starts_with("HTTP/1.1 200") && page.contains("/platforms/zhongxin"),
            "{page}"
        );
        ensure!(page.contains("The hub does not answer"), "no age is told");
        Ok(())
    })
    .await
    .unwrap();
    eventually("rights that cannot be checked are said", long, async || {
        let page = authority.get("/?lang=en").await?;
        ensure!(page.starts_with("HTTP/1.1 503"), "{page}");
        ensure!(
            page.contains("The hub last answered"),
            "no age is told: {page}"
        );
        ensure!(
            !page.contains("/platforms/zhongxin"),
            "what may be forbidden is shown"
        );
        Ok(())
    })
    .await
    .unwrap();
    let (status, _) = harness::get(&world.portal.address, "/readyz")
        .await
        .unwrap();
    assert_eq!(status, 200, "a portal that can show its cache is ready");
    world.testbed.start_cluster(HUB).await.unwrap();
    eventually("the hub's return is seen", long, async || {
        let page = authority.get("/?lang=en").await?;
        ensure!(
            page.contains("/platforms/zhongxin") && !page.contains("The hub does not answer"),
            "it is still told as gone"
        );
        Ok(())
    })
    .await
    .unwrap();
    let hub = world.testbed.client(HUB).await.unwrap();
    rename(&hub, "归来云").await.unwrap();
    eventually("changes arrive again", long, async || {
        ensure!(
            authority.get("/").await?.contains("归来云"),
            "the cache is old"
        );
        Ok(())
    })
    .await
    .unwrap();
    // Asked to end, it ends its live pages in order.
    let mut open = authority.listen("/").await.unwrap();
    let began = Instant::now();
    world.portal.program.stop();
    let mut rest = String::new();
    open.read_to_string(&mut rest).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(world.portal.program.log().unwrap().contains("ending"));
}
