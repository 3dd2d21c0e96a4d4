//! Sign-in at a real Keycloak 26, with a hub whose API server trusts it: forms over HTTP without scripts, and a real browser.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::browser::{Answer, Browser, escape};
use harness::keycloak::{self, CLIENT, Keycloak, PASSWORD};
use harness::{HUB, Options, Portal, Spec, Testbed, client_from_text, free_port, install_hub};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::PostParams;
use kube::config::Kubeconfig;

#[path = "oidc/chromium.rs"]
mod chromium;
#[path = "oidc/provider.rs"]
mod provider;

const SOON: Duration = Duration::from_secs(30);

struct World {
    keycloak: Keycloak,
    testbed: Testbed,
    portal: Portal,
}

/// A hub that trusts a Keycloak, and a portal that signs in at it; nothing where Keycloak cannot be had.
async fn world() -> Result<Option<World>> {
    let parts = match tokio::task::spawn_blocking(keycloak::parts).await?? {
        Ok(parts) => parts,
        Err(why) => {
            println!("skipped: sign-in at an identity provider, because there is {why}");
            return Ok(None);
        }
    };
    let address = format!("127.0.0.1:{}", free_port()?);
    let public = format!("http://{address}");
    let keycloak = Keycloak::start(&parts, &public).await?;
    let spec = Spec {
        oidc: Some(keycloak.place.oidc()),
        ..Spec::with_members(&[])
    };
    let testbed = Testbed::start(spec).await?;
    install_hub(&testbed).await?;
    let mut args = keycloak.place.flags();
    args.push(format!("--public-url={public}"));
    let options = Options {
        args,
        ..Options::default()
    };
    let portal = Portal::start_at(&testbed, options, &address, false).await?;
    Ok(Some(World {
        keycloak,
        testbed,
        portal,
    }))
}

/// Goes to the provider as far as its form, and gives the form's address.
async fn as_far_as_the_form(
    at_portal: &mut Browser,
    at_provider: &mut Browser,
    start: &str,
) -> Result<String> {
    let away = at_portal.visit(start).await?;
    ensure!(away.status == 303, "{} {}", away.head, away.body);
    let form = at_provider.visit(&away.leads_to()?).await?;
    ensure!(form.status == 200, "{} {}", form.head, form.body);
    action(&form)
}

/// Where a form of Keycloak's is sent.
fn action(form: &Answer) -> Result<String> {
    let at = form
        .body
        .find("action=\"")
        .with_context(|| form.body.clone())?;
    let rest = &form.body[at + "action=\"".len()..];
    let url = rest
        .split('"')
        .next()
        .unwrap_or_default()
        .replace("&amp;", "&");
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    Ok(format!("/{}", path.context(url.clone())?.1))
}

/// Signs in at the provider and comes back to the portal with its answer, which is not yet taken there.
async fn answer_of_the_provider(
    at_provider: &mut Browser,
    form: &str,
    post: &str,
) -> Result<String> {
    let form_fields = [
        ("username", post),
        ("password", PASSWORD),
        ("credentialId", ""),
    ];
    let back = at_provider.post(form, &form_fields).await?;
    ensure!(back.status == 302, "{} {}", back.head, back.body);
    back.leads_to()
}

async fn sign_in(world: &World, post: &str, next: &str) -> Result<(Browser, Browser, Answer)> {
    let (mut at_portal, mut at_provider) = (
        Browser::new(&world.portal.url()),
        world.keycloak.place.browser()?,
    );
    let start = format!("/sign-in/start?next={}", escape(next));
    let form = as_far_as_the_form(&mut at_portal, &mut at_provider, &start).await?;
    let back = answer_of_the_provider(&mut at_provider, &form, post).await?;
    let answer = at_portal.visit(&back).await?;
    Ok((at_portal, at_provider, answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_at_a_real_provider_and_nobody_else_does() -> Result<()> {
    let Some(mut world) = world().await? else {
        return Ok(());
    };
    a_person_arrives_with_groups_and_level(&world).await?;
    they_are_whom_the_api_server_sees(&world).await?;
    nobody_is_led_elsewhere(&world).await?;
    what_was_not_begun_here_is_refused(&world).await?;
    a_second_proof_is_asked_for_and_is_a_second_proof(&world).await?;
    who_signs_out_is_led_to_the_provider(&world).await?;
    provider::the_provider_ends_sessions(&world).await?;
    provider::forged_logout_tokens_are_refused(&world).await?;
    provider::keys_are_changed_under_way(&world).await?;
    chromium::people_sign_in_with_it(&world)?;
    nothing_secret_is_in_the_log(&world)?;
    provider::a_silent_provider_is_said(&mut world).await
}

async fn a_person_arrives_with_groups_and_level(world: &World) -> Result<()> {
    let page = Browser::new(&world.portal.url())
        .get("/sign-in?lang=en")
        .await?;
    ensure!(
        page.body.contains("Sign in at the identity provider"),
        "{}",
        page.body
    );
    ensure!(
        !page.body.contains("name=\"post\""),
        "no demo where none was asked for"
    );
    let (browser, _, answer) = sign_in(world, "cs-approver", "/sessions?lang=en").await?;
    ensure!(answer.status == 303, "{} {}", answer.head, answer.body);
    ensure!(
        answer.header("location") == Some("/sessions?lang=en"),
        "{}",
        answer.head
    );
    let page = browser.get("/sessions?lang=en").await?;
    for said in ["cs-approver", "zhanjiang-dsj", "City", "identity provider"] {
        ensure!(page.body.contains(said), "{said}: {}", page.body);
    }
    Ok(())
}

async fn they_are_whom_the_api_server_sees(world: &World) -> Result<()> {
    let token = world.keycloak.place.id_token("zj-rsj-owner").await?;
    let admin = Kubeconfig::read_from(world.testbed.admin_kubeconfig(HUB)?)?;
    let mut config = admin.clone();
    for user in &mut config.auth_infos {
        user.auth_info = Some(serde_json::from_value(
            serde_json::json!({ "token": token }),
        )?);
    }
    let client = client_from_text(&serde_yaml::to_string(&config)?).await?;
    let reviews: Api<SelfSubjectReview> = Api::all(client);
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let seen = review
        .status
        .and_then(|status| status.user_info)
        .context("a user")?;
    let (browser, _, _) = sign_in(world, "zj-rsj-owner", "/").await?;
    let page = browser.get("/sessions").await?;
    let name = seen.username.context("a name")?;
    ensure!(
        name == "zj-rsj-owner" && page.body.contains(&name),
        "{name}"
    );
    let groups = seen.groups.unwrap_or_default();
    ensure!(
        groups.iter().any(|group| group == "zhanjiang-rsj"),
        "{groups:?}"
    );
    for group in groups.iter().filter(|group| !group.starts_with("system:")) {
        ensure!(page.body.contains(group), "{group}");
    }
    Ok(())
}

async fn nobody_is_led_elsewhere(world: &World) -> Result<()> {
    for next in [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
    ] {
        let (_, _, answer) = sign_in(world, "cs-owner", next).await?;
        ensure!(
            answer.header("location") == Some("/"),
            "{next}: {}",
            answer.head
        );
    }
    Ok(())
}

/// Wrong state, wrong browser, a code twice, a code of somebody else's sign-in (which has another nonce and verifier).
async fn what_was_not_begun_here_is_refused(world: &World) -> Result<()> {
    let (mut at_portal, mut at_provider) = (
        Browser::new(&world.portal.url()),
        world.keycloak.place.browser()?,
    );
    let form = as_far_as_the_form(&mut at_portal, &mut at_provider, "/sign-in/start").await?;
    let back = answer_of_the_provider(&mut at_provider, &form, "cs-owner").await?;
    let stranger = Browser::new(&world.portal.url());
    refused(&stranger.get(&back).await?, "another browser")?;
    let state = back
        .split("state=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .context("a state")?;
    refused(
        &at_portal.get(&back.replace(state, "forged")).await?,
        "a forged state",
    )?;
    refused(&at_portal.get(&back).await?, "a sign-in that was taken")?;
    a_stolen_code_is_refused(world).await
}

fn refused(answer: &Answer, said: &str) -> Result<()> {
    let (head, body) = (&answer.head, &answer.body);
    ensure!(answer.status == 403, "{said}: {head} {body}");
    ensure!(!head.contains("qipan_session="), "{said}: {head}");
    Ok(())
}

/// Its verifier and its nonce are of the sign-in that it was stolen from.
async fn a_stolen_code_is_refused(world: &World) -> Result<()> {
    let (mut victim, mut victims_provider) = (
        Browser::new(&world.portal.url()),
        world.keycloak.place.browser()?,
    );
    let form = as_far_as_the_form(&mut victim, &mut victims_provider, "/sign-in/start").await?;
    let stolen = answer_of_the_provider(&mut victims_provider, &form, "cs-owner").await?;
    let code = stolen
        .split("code=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .context("a code")?;
    let mut thief = Browser::new(&world.portal.url());
    let away = thief.visit("/sign-in/start").await?.leads_to()?;
    let own = away
        .split("state=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .context("a state")?;
    let injected = format!("/sign-in/callback?state={own}&code={code}");
    refused(&thief.get(&injected).await?, "a stolen code")?;
    let denied = thief.visit("/sign-in/start").await?.leads_to()?;
    let own = denied
        .split("state=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .context("a state")?;
    let said =
        format!("/sign-in/callback?state={own}&error=access_denied&error_description=%3Cscript%3E");
    let answer = thief.get(&said).await?;
    refused(&answer, "a refusal")?;
    ensure!(
        !answer.body.contains("<script>alert") && !answer.body.contains("%3Cscript"),
        "{}",
        answer.body
    );
    Ok(())
}

async fn a_second_proof_is_asked_for_and_is_a_second_proof(world: &World) -> Result<()> {
    let (mut at_portal, mut at_provider, _) = sign_in(world, "cs-owner", "/").await?;
    let before = at_portal.cookie("qipan_session").context("a session")?;
    let start = "/sign-in/again?next=/sessions";
    // Keycloak knows the person and asks all the same.
    let form = as_far_as_the_form(&mut at_portal, &mut at_provider, start).await?;
    let fields = [
        ("password", PASSWORD),
        ("username", "cs-owner"),
        ("credentialId", ""),
    ];
    let back = at_provider.post(&form, &fields).await?.leads_to()?;
    let answer = at_portal.visit(&back).await?;
    ensure!(
        answer.status == 303 && answer.header("location") == Some("/sessions"),
        "{} {}",
        answer.head,
        answer.body
    );
    let after = at_portal.cookie("qipan_session").context("a session")?;
    ensure!(before != after, "the token is another");
    let mut old = at_portal.clone();
    old.plant("qipan_session", &before);
    ensure!(
        old.get("/sessions").await?.status == 303,
        "the old one is nobody's"
    );

    // Somebody else's proof changes nothing.
    let mut elsewhere = world.keycloak.place.browser()?;
    let form = as_far_as_the_form(&mut at_portal, &mut elsewhere, start).await?;
    let back = answer_of_the_provider(&mut elsewhere, &form, "gd-admin").await?;
    let answer = at_portal.get(&back).await?;
    ensure!(answer.status == 403, "{} {}", answer.head, answer.body);
    ensure!(at_portal.get("/sessions").await?.body.contains("cs-owner"));
    Ok(())
}

async fn who_signs_out_is_led_to_the_provider(world: &World) -> Result<()> {
    let (mut browser, mut at_provider, _) = sign_in(world, "gd-admin", "/").await?;
    let page = browser.get("/sessions").await?;
    let policy = page.header("content-security-policy").context("a policy")?;
    ensure!(
        policy.contains("form-action 'self' https://127.0.0.1:"),
        "{policy}"
    );
    let token = page.form_token().context("a form")?;
    let answer = browser.post("/sign-out", &[("token", &token)]).await?;
    let to = answer.header("location").context("a way")?.to_owned();
    ensure!(
        to.starts_with(&world.keycloak.place.issuer()) && to.contains("post_logout_redirect_uri"),
        "{to}"
    );
    ensure!(!to.contains("id_token_hint"), "no credential in an address");
    ensure!(
        browser.get("/sessions").await?.status == 303,
        "signed out here"
    );
    let asked = at_provider.visit(&answer.leads_to()?).await?;
    ensure!(
        asked.status == 200,
        "the provider asks the person: {}",
        asked.head
    );
    Ok(())
}

fn nothing_secret_is_in_the_log(world: &World) -> Result<()> {
    let log = world.portal.program.log()?;
    ensure!(
        log.contains("a sign-in was refused"),
        "refusals are told: {log}"
    );
    for secret in [keycloak::SECRET, "code=", "eyJ"] {
        ensure!(!log.contains(secret), "{secret} is in the log");
    }
    ensure!(!log.contains(&format!("client_secret={CLIENT}")));
    Ok(())
}

/// `make up OIDC=1` has everybody whom the demo has, with the same groups.
#[test]
fn the_realm_has_every_post_of_the_demo() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/keycloak/qipan-realm.json");
    let realm: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let users = realm["users"].as_array().context("no users")?;
    let mut known: Vec<_> = portal::identity::demo::POSTS
        .iter()
        .map(|post| (post.user, post.groups.to_vec()))
        .collect();
    let mut given: Vec<_> = users
        .iter()
        .map(|user| {
            let groups = user["groups"].as_array().into_iter().flatten();
            let groups = groups.filter_map(|group| group.as_str()?.strip_prefix('/'));
            (
                user["username"].as_str().unwrap_or_default(),
                groups.collect(),
            )
        })
        .collect();
    known.sort();
    given.sort();
    ensure!(known == given, "{known:?}\n{given:?}");
    let mut posts = keycloak::POSTS.to_vec();
    posts.sort_unstable();
    ensure!(posts == known.iter().map(|(user, _)| *user).collect::<Vec<_>>());
    Ok(())
}
