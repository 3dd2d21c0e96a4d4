//! The API on the real thing: tokens that are made, used and revoked; writes as the person; and the whole of it fuzzed by its
//! own description, as three people, on both databases.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use harness::browser::{Answer, Browser};
use harness::sample::Province;
use harness::{HUB, Options, Portal, Postgres, eventually, tools};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const SOON: std::time::Duration = std::time::Duration::from_secs(30);
/// Who fuzzes: a department, an authority, the operations provider.
const ROLES: [&str; 3] = ["owner", "approver", "operations"];
/// Cases of an operation in a phase: the sum of all runs stays within minutes.
const CASES: &str = "4";

/// A program that calls with a token.
struct Program {
    at: Browser,
    token: String,
}

impl Program {
    async fn call(&self, verb: &str, path: &str, body: &str) -> Result<Answer> {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        let lines = format!(
            "Authorization: Bearer {}\r\nAccept-Language: en\r\n{kind}",
            self.token
        );
        self.at
            .say(verb, &format!("/api/v1{path}"), &lines, body)
            .await
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.call("GET", path, "").await
    }
}

/// Makes a token as a person does, at the page, and gives it with the person's browser.
async fn make(url: &str, post: &str, scope: &str) -> Result<(Program, Browser)> {
    let mut browser = Browser::new(url);
    browser.sign_in_by_demo(post).await?;
    let page = browser.get("/tokens").await?;
    let form_token = page.form_token().with_context(|| page.body.clone())?;
    let form = [
        ("title", "月报对接"),
        ("scope", scope),
        ("days", "7"),
        ("token", &form_token),
    ];
    let made = browser.post("/tokens", &form).await?;
    ensure!(made.status == 200, "{}\n{}", made.head, made.body);
    let shown = made.body.split("<code class=\"command\">").nth(1);
    let token = shown
        .and_then(|rest| rest.split('<').next())
        .context("no token is shown")?;
    let again = browser.get("/tokens").await?.body;
    ensure!(!again.contains(token), "it is shown once");
    let program = Program {
        at: Browser::new(url),
        token: token.to_owned(),
    };
    Ok((program, browser))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_holds_under_every_check_as_three_people_on_both_databases() -> Result<()> {
    let province = Province::start().await?;
    let database = Postgres::start(&[]).await?;
    let mut options = Options {
        identity: Some("portal-postgres".to_owned()),
        ..Options::default()
    };
    options.args = vec!["--database-url".to_owned(), database.url("postgres")];
    let other = Portal::start(&province.testbed, options).await?;

    a_revoked_token_ends_at_once(&other.url()).await?;
    a_write_is_the_persons_with_the_id_of_its_request(&province).await?;
    what_is_not_theirs_is_not_there(&province.portal.url()).await?;
    an_application_is_previewed_submitted_and_withdrawn(&province.portal.url()).await?;
    let both = [province.portal.url(), other.url()].into_iter().enumerate();
    let mut fuzzing = JoinSet::new();
    for (turn, url) in both {
        let mut people = Vec::new();
        // Never the same person on both at a time: they would make and delete one another's objects.
        for nth in 0..ROLES.len() {
            let role = ROLES[(nth + turn) % ROLES.len()];
            let (program, _) = make(&url, role, "write").await?;
            people.push((role, program.token));
        }
        fuzzing.spawn_blocking(move || {
            let mut people = people.iter();
            people.try_for_each(|(role, token)| fuzzed(&url, role, token))
        });
    }
    while let Some(end) = fuzzing.join_next().await {
        end??;
    }
    Ok(())
}

async fn a_revoked_token_ends_at_once(url: &str) -> Result<()> {
    let (program, mut browser) = make(url, "owner", "read").await?;
    let me = program.get("/me").await?;
    ensure!(me.json()?["name"] == "zj-rsj-owner", "{}", me.body);
    ensure!(
        program
            .call("POST", "/tenants/zj-rsj/faults", "{}")
            .await?
            .status
            == 403,
        "it only reads"
    );
    let page = browser.get("/tokens").await?.body;
    let id = page
        .split("name=\"id\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let form_token = page
        .split("name=\"token\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let form = [
        ("id", id.context("a button")?),
        ("token", form_token.context("a form")?),
    ];
    // The first form is the one that signs out: every form of a session carries the same token.
    ensure!(browser.post("/tokens/revoke", &form).await?.status == 303);
    let refused = program.get("/me").await?;
    ensure!(
        refused.status == 401 && refused.json()?["reason"] == "TokenRevoked",
        "{}",
        refused.body
    );
    Ok(())
}

async fn a_write_is_the_persons_with_the_id_of_its_request(province: &Province) -> Result<()> {
    let (program, _) = make(&province.portal.url(), "owner", "write").await?;
    let audit = province.testbed.audit(HUB)?;
    let mark = audit.mark()?;
    let fault = json!({ "platform": "zj-node", "title": "Slow", "description": "Since nine o'clock.", "name": "fault-by-api" });
    let made = program
        .call("POST", "/tenants/zj-rsj/faults", &fault.to_string())
        .await?;
    ensure!(made.status == 201, "{}", made.body);
    let id = made.header("x-request-id").context("an id")?.to_owned();
    let told = eventually("the hub's audit log tells of it", SOON, async || {
        let events = audit.writes_by("zj-rsj-owner", mark)?;
        events
            .into_iter()
            .find(|event| event.audit_id == id)
            .context("not yet")
    })
    .await?;
    ensure!(
        told.object_ref
            .is_some_and(|o| o.resource == "workorders" && o.name == "fault-by-api")
    );
    let again = program
        .call("POST", "/tenants/zj-rsj/faults", &fault.to_string())
        .await?;
    ensure!(
        again.status == 409 && again.json()?["reason"] == "AlreadyExists",
        "{}",
        again.body
    );
    let mine = eventually("it is read back", SOON, async || {
        let order = program.get("/work-orders/zj-rsj/fault-by-api").await?;
        ensure!(order.status == 200, "{}", order.body);
        order.json()
    })
    .await?;
    ensure!(mine["spec"]["title"] == "Slow", "{mine}");
    Ok(())
}

async fn what_is_not_theirs_is_not_there(url: &str) -> Result<()> {
    let (program, _) = make(url, "owner", "write").await?;
    let grants = program.get("/grants?limit=500").await?.json()?;
    let tenants = grants["items"]
        .as_array()
        .context("a list")?
        .iter()
        .map(|grant| &grant["tenant"]);
    ensure!(
        tenants.clone().count() > 0 && tenants.clone().all(|t| t == "zj-rsj"),
        "{grants}"
    );
    for path in [
        "/grants/zj-scjg/legacy",
        "/tenants/zj-scjg",
        "/requests/zj-scjg/x",
        "/audit",
    ] {
        ensure!(program.get(path).await?.status == 404, "{path}");
    }
    let split = "/tenants?q=%0d%0aset-cookie:%20x=1";
    let refused = program.get(split).await?;
    ensure!(
        refused.status == 400 && refused.header("set-cookie").is_none(),
        "{}",
        refused.head
    );
    let large = format!("{{\"comment\": \"{}\"}}", "x".repeat(100_000));
    let refused = program
        .call("POST", "/requests/zj-rsj/x/urgings", &large)
        .await?;
    ensure!(refused.status == 413, "{}", refused.head);
    Ok(())
}

async fn an_application_is_previewed_submitted_and_withdrawn(url: &str) -> Result<()> {
    let (program, _) = make(url, "owner", "write").await?;
    let grants = program
        .get("/grants?tenant=zj-rsj&q=extranet")
        .await?
        .json()?;
    let grant = grants["items"][0]["spec"].clone();
    let mut asked = json!({
        "classified": false,
        "name": "by-api",
        "application": {
            "type": "New", "environment": "Test", "title": "By the API", "justification": "A trial.",
            "items": [{
                "name": "nodes", "platform": grant["platform"], "zone": grant["zone"], "pool": grant["pool"],
                "resources": { "requests.cpu": "2", "requests.memory": "4Gi" },
                "namespaces": [{ "name": "zj-rsj-by-api" }],
            }],
        },
    });
    let say = async |path: &str, body: &Value| program.call("POST", path, &body.to_string()).await;
    let preview = say("/tenants/zj-rsj/requests/preview", &asked).await?;
    let effect = preview.json()?;
    ensure!(
        effect["problems"] == json!([]) && effect["refusal"].is_null(),
        "{effect}"
    );
    ensure!(
        effect["grants"][0]["after"]["requests.cpu"] == "2",
        "{effect}"
    );
    let made = say("/tenants/zj-rsj/requests", &asked).await?;
    ensure!(made.status == 201, "{}", made.body);
    let again = say("/tenants/zj-rsj/requests", &asked).await?;
    ensure!(again.status == 409, "{}", again.body);
    asked["classified"] = true.into();
    let refused = say("/tenants/zj-rsj/requests", &asked).await?;
    ensure!(
        refused.json()?["field"] == "body.classified",
        "{}",
        refused.body
    );
    let withdrawn = eventually("it is withdrawn", SOON, async || {
        let done = say(
            "/requests/zj-rsj/by-api/withdrawal",
            &json!({ "comment": "Tried." }),
        )
        .await?;
        ensure!(done.status == 201, "{}", done.body);
        done.json()
    })
    .await?;
    ensure!(
        withdrawn["spec"]["withdrawal"][0]["by"] == "zj-rsj-owner",
        "{withdrawn}"
    );
    Ok(())
}

/// Fuzzes the API by its description, and fails by what was found.
fn fuzzed(url: &str, role: &str, token: &str) -> Result<()> {
    let config = tools::repository().join("tests/tests/api/schemathesis.toml");
    let mut fuzz = Command::new(tools::schemathesis()?);
    fuzz.arg("--config-file").arg(config);
    fuzz.args(["run", &format!("{url}/api/v1/openapi.json")]);
    fuzz.args(["--header", &format!("Authorization: Bearer {token}")]);
    fuzz.args([
        "--checks",
        "all",
        "--phases",
        "examples,coverage,fuzzing,stateful",
    ]);
    fuzz.args(["--max-examples", CASES, "--no-color", "--warnings", "off"]);
    let output = fuzz
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .context("failed to start schemathesis")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "as {role} at {url}: {said}{complaints}"
    );
    println!(
        "as {role}: {}",
        said.lines()
            .rev()
            .find(|line| line.contains("passed"))
            .unwrap_or_default()
    );
    Ok(())
}
