//! Marks that nobody sees, in what came by kubectl: every page that shows the title shows them.

use anyhow::{Result, ensure};
use harness::{NAMESPACE, apply_yaml};
use serde_json::json;

use crate::shows;
use crate::stage::{HOME, world};

/// Reads `扩容exe.pdf` where the mark that turns the direction is obeyed.
const TITLE: &str = "扩容\u{202e}fdp.exe\u{200b}";
const SHOWN: &str = "扩容[U+202E]fdp.exe[U+200B]";

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_came_by_kubectl_cannot_turn_the_direction_of_writing_on_any_page()
-> Result<()> {
    let world = world().await?;
    let request = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": "verdreht", "namespace": HOME },
        "spec": { "classified": false, "application": {
            "type": "New", "environment": "Test", "title": TITLE, "justification": TITLE,
            "items": [{ "name": "compute", "offering": "compute", "product": "general", "platform": harness::world::PLATFORM,
                "zone": "Extranet", "pool": harness::world::POOL, "size": "4C16G", "count": 2, "namespaces": [{ "name": "verdreht" }] }],
        } },
    });
    apply_yaml(&world.hub, &request.to_string(), NAMESPACE).await?;
    world.judged("verdreht", "Reviewing", 0).await?;
    let (owner, approver) = (world.at("owner").await?, world.at("approver").await?);
    for (browser, path) in [
        (&owner, "/requests"),
        (&owner, "/requests/renshe/verdreht"),
        (&owner, "/search?q=扩容"),
        (&owner, "/"),
        (&owner, "/mine"),
        (&approver, "/approvals"),
        (&approver, "/approvals/renshe/verdreht"),
    ] {
        let path = path.replace("扩容", &harness::browser::escape("扩容"));
        let page = match path.as_str() {
            "/" | "/mine" => browser.get(&path).await?,
            _ => shows(browser, &path, SHOWN).await?,
        };
        let hidden: Vec<_> = page
            .body
            .chars()
            .filter(|c| "\u{202e}\u{200b}".contains(*c))
            .collect();
        ensure!(hidden.is_empty(), "{path} has {hidden:?}: {}", page.body);
    }
    // What is taken away as a file is what is stored, to the letter.
    let yaml = owner.get("/requests/renshe/verdreht/yaml").await?;
    let stored: crds::ResourceRequest = serde_yaml::from_str(&yaml.body)?;
    ensure!(stored.spec.application.title == TITLE, "{}", yaml.body);
    Ok(())
}
