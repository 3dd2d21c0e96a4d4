//! A return that is answered with files, on the real thing: what is kept, who gets it, and what is not kept.

use anyhow::{Context as _, Result, ensure};
use crds::ResourceRequest;
use harness::browser::{Answer, Browser};
use harness::eventually;
use portal::db::Db;

use crate::decision;
use crate::hidden;
use crate::send;
use crate::shows;
use crate::stage::{SOON, World, world};

const PAGE: &str = "/requests/renshe/fuenf";
pub(crate) const PDF: &str = "%PDF-1.7 what was asked for";

/// Sends a form with a file.
async fn send_file(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
    (name, content): (&str, &str),
) -> Result<Answer> {
    let begin = "--limit\r\nContent-Disposition: form-data; name=";
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{begin}\"{name}\"\r\n\r\n{value}\r\n"));
    let file = format!("{begin}\"files\"; filename=\"{name}\"\r\n\r\n{content}\r\n--limit--\r\n");
    let body: String = fields.chain([file]).collect();
    let kind = "Content-Type: multipart/form-data; boundary=limit\r\n";
    browser.say("POST", path, kind, &body).await
}

/// Sends an answer with a file.
async fn answer(
    browser: &Browser,
    (token, seen): (&str, &str),
    comment: &str,
    file: (&str, &str),
) -> Result<Answer> {
    let fields = [
        ("token", token),
        ("seen", seen),
        ("answer-comment", comment),
    ];
    send_file(browser, &format!("{PAGE}/answer"), &fields, file).await
}

/// Uploads a file from a page of the wizard.
pub(crate) async fn upload(browser: &Browser, path: &str, file: (&str, &str)) -> Result<Answer> {
    let page = browser.get(path).await?;
    let carried = ["token", "revision"].map(|name| (name, hidden(&page, name)));
    let fields = carried
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    send_file(browser, path, &fields, file).await
}

/// What was uploaded in the wizard is named by the request, kept for it, and given to who decides.
pub(crate) async fn given_with_the_application(
    world: &World,
    stored: &ResourceRequest,
    page: &str,
) -> Result<()> {
    let file = &stored.spec.application.attachments[0];
    ensure!(file.name == "批复.pdf" && file.size == 27, "{file:?}");
    let url = format!("sqlite:{}", world.testbed.dir().join("portal.db").display());
    let db = Db::connect(&url.parse()?).await?;
    let place: String = sqlx::query_scalar("SELECT request FROM attachments")
        .fetch_one(db.pool())
        .await?;
    ensure!(Some(&place) == stored.metadata.uid.as_ref(), "{place}");
    let page = page.split('?').next().unwrap_or_default();
    let href = format!("{page}/files/{}", file.digest.trim_start_matches("sha256:"));
    let got = shows(&world.at("approver").await?, &href, PDF).await?;
    ensure!(got.status == 200, "{} {}", got.head, got.body);
    Ok(())
}

/// The token and the count of the form on a page.
fn carried(page: &Answer) -> Result<(String, String)> {
    let form = page
        .body
        .split("/fuenf/answer\"")
        .nth(1)
        .context("no form")?;
    let value = |name: &str| {
        let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
        after
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    };
    Ok((value("token"), value("seen")))
}

async fn kept(db: &Db) -> Result<i64> {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM attachments");
    Ok(count.fetch_one(db.pool()).await?)
}

/// A request that was returned, as its applicant sees it.
async fn returned(world: &World, owner: &Browser) -> Result<Answer> {
    world.submitted("fuenf").await?;
    let mut approver = world.at("approver").await?;
    let path = "/approvals/renshe/fuenf";
    let page = shows(&approver, path, "您的决定").await?;
    let sent = send(&mut approver, path, &decision(&page, "Return", "请附批复")).await?;
    ensure!(sent.status == 303, "{} {}", sent.head, sent.body);
    world.judged("fuenf", "Returned", 0).await?;
    shows(owner, PAGE, "act-answer").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_is_answered_with_a_file_that_those_who_decide_get() -> Result<()> {
    let world = world().await?;
    let owner = world.at("owner").await?;
    let form = carried(&returned(&world, &owner).await?)?;
    let form = (form.0.as_str(), form.1.as_str());
    let url = format!("sqlite:{}", world.testbed.dir().join("portal.db").display());
    let db = Db::connect(&url.parse()?).await?;
    // The API server's own rule refuses it before anything is kept.
    let long = answer(&owner, form, &"长".repeat(5000), ("批复.pdf", PDF)).await?;
    ensure!(
        long.status == 422 && long.body.contains("长长长"),
        "{} {}",
        long.head,
        long.body
    );
    let wrong = answer(&owner, form, "见附件", ("批复.pdf", "MZ")).await?;
    ensure!(
        wrong.status == 422 && wrong.body.contains("不是可接收的格式"),
        "{} {}",
        wrong.head,
        wrong.body
    );
    ensure!(kept(&db).await? == 0 && world.requests().get("fuenf").await?.spec.answers.is_empty());
    let sent = answer(&owner, form, "见附件", ("批复.pdf", PDF)).await?;
    ensure!(
        sent.status == 303 && sent.leads_to()?.ends_with("?done=answer"),
        "{} {}",
        sent.head,
        sent.body
    );
    let stored = world.requests().get("fuenf").await?.spec.answers;
    let file = &stored[0].attachments[0];
    ensure!(
        (file.name.as_str(), file.media_type.as_str(), file.size)
            == ("批复.pdf", "application/pdf", 27)
            && file.digest.starts_with("sha256:"),
        "{stored:?}"
    );
    // The second click: refused, nothing more is kept, what was written stands.
    let again = eventually("the portal has seen it", SOON, async || {
        let again = answer(&owner, form, "再见附件", ("批复.pdf", PDF)).await?;
        ensure!(again.status == 409, "{} {}", again.head, again.body);
        Ok(again)
    })
    .await?;
    ensure!(again.body.contains("再见附件"), "{}", again.body);
    ensure!(kept(&db).await? == 1);
    world.judged("fuenf", "Reviewing", 0).await?;
    given_to_who_may_see_it(&world, &file.digest).await
}

/// Who decides gets the file from the page of the decision; who may not see the request does not.
async fn given_to_who_may_see_it(world: &World, digest: &str) -> Result<()> {
    let approver = world.at("approver").await?;
    let page = shows(&approver, "/approvals/renshe/fuenf", "批复.pdf").await?;
    let href = format!("{PAGE}/files/{}", digest.trim_start_matches("sha256:"));
    ensure!(page.body.contains(&href), "{}", page.body);
    let got = approver.get(&href).await?;
    ensure!(
        got.status == 200 && got.body == PDF,
        "{} {}",
        got.head,
        got.body
    );
    let stranger = world.at("county").await?.get(&href).await?;
    ensure!(
        stranger.status == 404,
        "{} {}",
        stranger.head,
        stranger.body
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_for_who_may_not_answer_and_nothing_sent_that_cannot_be_kept() -> Result<()>
{
    let world = world().await?;
    let owner = world.at("owner").await?;
    let page = returned(&world, &owner).await?;
    let url = format!("sqlite:{}", world.testbed.dir().join("portal.db").display());
    let db = Db::connect(&url.parse()?).await?;
    let approver = world.at("approver").await?;
    let (token, seen) = carried(&page)?;
    let forged = answer(&approver, (&token, &seen), "见附件", ("批复.pdf", PDF)).await?;
    ensure!(
        forged.status == 400,
        "another session's form: {} {}",
        forged.head,
        forged.body
    );
    ensure!(kept(&db).await? == 0);
    sqlx::query("DROP TABLE attachments")
        .execute(db.pool())
        .await?;
    let lost = answer(&owner, (&token, &seen), "见附件", ("批复.pdf", PDF)).await?;
    ensure!(
        lost.status == 503 && lost.body.contains("附件无法保存"),
        "{} {}",
        lost.head,
        lost.body
    );
    ensure!(lost.body.contains(">\n见附件</textarea>"), "{}", lost.body);
    ensure!(
        world.requests().get("fuenf").await?.spec.answers.is_empty(),
        "nothing is named that is not kept"
    );
    Ok(())
}
