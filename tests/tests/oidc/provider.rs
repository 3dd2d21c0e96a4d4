//! What the provider does by itself: it ends sessions, changes its keys, falls silent; and what others say in its name.

use anyhow::{Context as _, Result, ensure};
use harness::browser::Browser;
use harness::eventually;
use harness::keycloak::REALM;

use super::{SOON, World, sign_in};

/// An administrator ends the person's session at Keycloak; Keycloak tells the portal.
pub(super) async fn the_provider_ends_sessions(world: &World) -> Result<()> {
    let (browser, _, _) = sign_in(world, "gd-auditor", "/").await?;
    let (other, _, _) = sign_in(world, "cs-approver", "/").await?;
    ensure!(browser.get("/sessions").await?.status == 200);
    let admin = world.keycloak.place.browser()?;
    let bearer = format!(
        "Authorization: Bearer {}\r\n",
        world.keycloak.place.admin_token().await?
    );
    let path = format!("/admin/realms/{REALM}/users?username=gd-auditor&exact=true");
    let found = admin.say("GET", &path, &bearer, "").await?.json()?;
    let id = found[0]["id"].as_str().with_context(|| found.to_string())?;
    let path = format!("/admin/realms/{REALM}/users/{id}/logout");
    let ended = admin.say("POST", &path, &bearer, "").await?;
    ensure!(ended.status == 204, "{} {}", ended.head, ended.body);
    eventually("the session has ended here too", SOON, async || {
        let answer = browser.get("/sessions").await?;
        ensure!(answer.status == 303, "{}", answer.status);
        Ok(())
    })
    .await?;
    ensure!(other.get("/sessions").await?.status == 200, "nobody else's");
    Ok(())
}

pub(super) async fn forged_logout_tokens_are_refused(world: &World) -> Result<()> {
    let (browser, _, _) = sign_in(world, "cs-owner", "/").await?;
    // A real ID token of the same provider is no logout token; nor is one that nobody signed.
    let id_token = world.keycloak.place.id_token("cs-owner").await?;
    let claims = id_token.split('.').nth(1).context("claims")?;
    let none = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let altered = format!("{id_token}x");
    let mut provider = Browser::new(&world.portal.url());
    for (token, said) in [
        (&*id_token, "tells of no logout"),
        (&none, "signature"),
        (&altered, "signed"),
        ("", "no signed token"),
    ] {
        let answer = provider
            .post("/sign-in/back-channel", &[("logout_token", token)])
            .await?;
        ensure!(
            answer.status == 400,
            "{said}: {} {}",
            answer.head,
            answer.body
        );
        ensure!(
            answer.body.contains("invalid_request") && answer.body.contains(said),
            "{said}: {}",
            answer.body
        );
    }
    ensure!(browser.get("/sessions").await?.status == 200, "it goes on");
    Ok(())
}

/// Keycloak gets a new signing key of a higher priority; the portal learns it from the first token it signs.
pub(super) async fn keys_are_changed_under_way(world: &World) -> Result<()> {
    let admin = world.keycloak.place.browser()?;
    let bearer = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
        world.keycloak.place.admin_token().await?
    );
    let realm = admin
        .say("GET", &format!("/admin/realms/{REALM}"), &bearer, "")
        .await?
        .json()?;
    let key = serde_json::json!({
        "name": "next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
        "parentId": realm["id"], "config": { "priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"] },
    });
    let made = admin
        .say(
            "POST",
            &format!("/admin/realms/{REALM}/components"),
            &bearer,
            &key.to_string(),
        )
        .await?;
    ensure!(made.status == 201, "{} {}", made.head, made.body);
    // It asks again at most every 15 s, so that forged tokens do not make it ask all the time.
    eventually("people sign in under the new key", SOON, async || {
        let (_, _, answer) = sign_in(world, "cs-owner", "/").await?;
        ensure!(answer.status == 303, "{} {}", answer.head, answer.body);
        Ok(())
    })
    .await
}

pub(super) async fn a_silent_provider_is_said(world: &mut World) -> Result<()> {
    let (browser, _, _) = sign_in(world, "cs-owner", "/").await?;
    world.keycloak.program.kill()?;
    world.portal.program.restart()?;
    world
        .portal
        .program
        .wait_ready(&world.portal.address)
        .await?;
    let answer = Browser::new(&world.portal.url())
        .get("/sign-in/start?lang=en")
        .await?;
    ensure!(answer.status == 503, "{} {}", answer.head, answer.body);
    ensure!(
        answer
            .body
            .contains("The identity provider cannot be reached"),
        "{}",
        answer.body
    );
    ensure!(
        browser.get("/sessions").await?.status == 200,
        "who is signed in stays so, over a restart too"
    );
    Ok(())
}
