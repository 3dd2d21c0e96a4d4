//! The two catalogs, kept by their pages on a real API server: the authority says what is offered, the operations provider what
//! provides it; each looks at a change before it is written, and neither touches the other's.

use anyhow::{Context as _, Result, ensure};
use crds::{CloudProduct, ServiceOffering};
use harness::browser::{Answer, Browser};
use harness::world::{PLATFORM, POOL};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::shows;
use crate::stage::{World, world};
use pages::{carried, done, everywhere, submit};

use crate::pages;

const NEW_SERVICE: &str = "/catalog/services/new";
const NEW_PRODUCT: &str = "/catalog/products/new";

/// A page's form, with what its fields say there: what a browser would send if nothing was typed.
async fn filled(browser: &Browser, path: &str) -> Result<Vec<(String, String)>> {
    let page = browser.get(path).await?;
    let action = path.split('?').next().unwrap_or_default();
    let mut all = carried(&page, action)?;
    for part in page.body.split("<input id=\"").skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        let value = |name: &str| {
            let rest = tag.split_once(&format!(" {name}=\""))?.1;
            Some(rest.split('"').next()?.to_owned())
        };
        let (Some(name), Some(text)) = (value("name"), value("value")) else {
            continue;
        };
        all.push((name, text));
    }
    for part in page.body.split("<input type=\"").skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        let value = |name: &str| {
            let rest = tag.split_once(&format!(" {name}=\""))?.1;
            Some(rest.split('"').next()?.to_owned())
        };
        if tag.ends_with(" checked") {
            all.extend(value("name").zip(value("value")));
        }
    }
    for part in page.body.split("<select id=\"").skip(1) {
        let name = part.split('"').next().unwrap_or_default().to_owned();
        let list = part.split("</select>").next().unwrap_or_default();
        let chosen = list.split("<option value=\"").skip(1);
        let chosen = chosen
            .filter(|o| {
                o.split('>')
                    .next()
                    .is_some_and(|tag| tag.ends_with(" selected"))
            })
            .find_map(|o| o.split('"').next());
        all.push((name, chosen.unwrap_or_default().to_owned()));
    }
    Ok(all)
}

/// Sends a form as it stands, with other values for some fields.
async fn send(
    browser: &mut Browser,
    path: &str,
    stage: &str,
    others: &[(&str, &str)],
) -> Result<Answer> {
    let form = filled(browser, path).await?;
    let kept = form
        .iter()
        .filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
    let mut all: Vec<_> = kept.map(|(n, v)| (n.as_str(), v.as_str())).collect();
    all.extend(others);
    all.push(("stage", stage));
    let action = path.split('?').next().unwrap_or_default();
    browser.post(action, &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_party_keeps_its_catalog_by_its_pages_and_not_the_others() -> Result<()> {
    let world = world().await?;
    everywhere(&world, "qipan:authority", "zhanjiang-dsj").await?;
    everywhere(&world, "qipan:operations-provider", "zhanjiang-yunying").await?;
    let mut authority = world.at("approver").await?;
    let mut operations = world.at("operations").await?;
    offered(&world, &mut authority).await?;
    provided(&world, &mut operations).await?;
    kept_meanwhile(&world, &mut operations).await?;
    // Neither has the other's pages, and a department has none.
    let owner = world.at("owner").await?;
    let service = "/catalog/services/compute/keep";
    let product = "/catalog/products/general/keep";
    for (browser, path) in [
        (&authority, product),
        (&authority, "/catalog/products/new?offering=compute"),
        (&operations, service),
        (&operations, NEW_SERVICE),
        (&owner, service),
        (&owner, product),
    ] {
        ensure!(browser.get(path).await?.status == 404, "{path}");
    }
    let catalog = owner.get("/catalog").await?;
    ensure!(!catalog.body.contains("/keep\""), "{}", catalog.body);
    withdrawn(&world, &mut authority, &owner).await
}

/// The authority offers a new service: wrong at first, then looked at, then written.
async fn offered(world: &World, authority: &mut Browser) -> Result<()> {
    let api: Api<ServiceOffering> = Api::all(world.hub.clone());
    shows(authority, "/catalog", NEW_SERVICE).await?;
    let mut fields = vec![
        ("id", "speech"),
        ("name-zh", "语音识别"),
        ("class", "CommonCapability"),
        ("category", "Capability"),
        ("unit-zh", "路"),
        ("zone", "Extranet"),
        ("asked-0", "language"),
        ("asked-0-zh", "语种"),
        ("asked-0-kind", "Choice"),
        ("stage", "check"),
    ];
    let at = (NEW_SERVICE, NEW_SERVICE);
    let wrong = submit(authority, at, &fields).await?;
    ensure!(wrong.status == 422, "{}", wrong.head);
    for part in ["href=\"#asked-0-choices\"", "value=\"语音识别\""] {
        ensure!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }
    fields.push(("asked-0-choices", "普通话\n粤语"));
    let told = manifest(&submit(authority, at, &fields).await?)?;
    ensure!(
        api.get_opt("speech").await?.is_none(),
        "looking writes nothing"
    );
    fields.retain(|(name, _)| *name != "stage");
    fields.push(("stage", "write"));
    done(authority, at, &fields).await?;
    let made = api.get("speech").await?;
    ensure!(made.spec.parameters[0].choices == ["普通话", "粤语"]);
    ensure!(told.spec == made.spec, "{told:?}");
    Ok(())
}

/// What a page shows for kubectl to apply.
fn manifest(page: &Answer) -> Result<ServiceOffering> {
    ensure!(
        page.body.contains("kubectl apply -f speech.yaml"),
        "{}",
        page.body
    );
    let shown = page.body.split("<pre").nth(1);
    let shown = shown.and_then(|part| part.split_once('>')?.1.split("</pre>").next());
    let shown = shown.context("no manifest")?;
    let plain = shown.replace("&#34;", "\"").replace("&#39;", "'");
    Ok(serde_yaml::from_str(&plain)?)
}

/// The operations provider provides it: what the kind's own rules refuse is said before anything is written.
async fn provided(world: &World, operations: &mut Browser) -> Result<()> {
    let api: Api<CloudProduct> = Api::all(world.hub.clone());
    let path = format!("{NEW_PRODUCT}?offering=speech");
    shows(operations, "/catalog", &path).await?;
    let shelf = format!("{PLATFORM}/Extranet/");
    let fields = [
        ("id", "speech-zj"),
        ("name-zh", "语音识别（本节点）"),
        ("shelf", shelf.as_str()),
        ("fulfilment", "Automatic"),
        ("given-unit", "yes"),
        ("price-unit", "1280.5"),
    ];
    let refused = send(operations, &path, "check", &fields).await?;
    ensure!(refused.status == 422, "{} {}", refused.head, refused.body);
    ensure!(
        refused.body.contains("class=\"banner bad alert\"")
            && refused.body.contains("value=\"1280.5\""),
        "{}",
        refused.body
    );
    let fields = fields.map(|(id, value)| match id {
        "fulfilment" => (id, "WorkOrder"),
        _ => (id, value),
    });
    let written = send(operations, &path, "write", &fields).await?;
    ensure!(written.status == 303, "{} {}", written.head, written.body);
    let made = api.get("speech-zj").await?.spec;
    let price = made.sizes[0].price.as_ref().map(|p| p.monthly.to_string());
    ensure!((made.offering.as_str(), price.as_deref()) == ("speech", Some("1280.50")));
    // A second click finds that it is there, and says so.
    let again = send(operations, &path, "write", &fields).await?;
    ensure!(again.status == 409, "{}", again.head);
    Ok(())
}

/// A price is changed; who looked at the entry before that is told so, with what they typed.
async fn kept_meanwhile(world: &World, operations: &mut Browser) -> Result<()> {
    let api: Api<CloudProduct> = Api::all(world.hub.clone());
    let path = "/catalog/products/general/keep";
    let stale = filled(operations, path).await?;
    let looked = send(operations, path, "check", &[("price-4C16G", "400")]).await?;
    ensure!(
        looked.body.contains("320.50") && looked.body.contains("400") && looked.status == 200,
        "{}",
        looked.body
    );
    let lines = looked.body.split("<dl class=\"answers\">").nth(1);
    let lines = lines.and_then(|part| part.split("</dl>").next());
    ensure!(
        lines.is_some_and(|lines| lines.matches("<dt>").count() == 1),
        "one line changed: {}",
        looked.body
    );
    let written = send(
        operations,
        path,
        "write",
        &[("price-4C16G", "400"), ("stock", "7")],
    )
    .await?;
    ensure!(written.status == 303, "{} {}", written.head, written.body);
    let spec = api.get("general").await?.spec;
    let price = spec.sizes[0].price.as_ref().map(|p| p.monthly.to_string());
    ensure!((price.as_deref(), spec.stock) == (Some("400.00"), Some(7)));
    ensure!(spec.pool.as_deref() == Some(POOL) && !spec.sizes[0].resources.is_empty());
    shows(operations, path, "value=\"400.00\"").await?;
    let mut typed: Vec<_> = stale
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    typed.retain(|(name, _)| *name != "stock");
    typed.extend([("stock", "9"), ("stage", "write")]);
    let told = operations.post(path, &typed).await?;
    ensure!(
        told.status == 409 && told.body.contains("value=\"9\""),
        "{} {}",
        told.head,
        told.body
    );
    ensure!(
        api.get("general").await?.spec.stock == Some(7),
        "nothing was written over"
    );
    // kubectl is as quick: a page that was made before its write is as old.
    let earlier = filled(operations, path).await?;
    let fewer = Patch::Merge(json!({ "spec": { "stock": 3 } }));
    api.patch("general", &PatchParams::default(), &fewer)
        .await?;
    let mut typed: Vec<_> = earlier
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    typed.push(("stage", "write"));
    ensure!(operations.post(path, &typed).await?.status == 409);
    Ok(())
}

/// What is withdrawn is asked for no more, and can be offered again.
async fn withdrawn(world: &World, authority: &mut Browser, owner: &Browser) -> Result<()> {
    let api: Api<ServiceOffering> = Api::all(world.hub.clone());
    let path = "/catalog/services/compute/keep";
    let ask = "/requests/new?offering=compute";
    shows(owner, "/catalog", ask).await?;
    let written = send(authority, path, "write", &[("withdrawn", "yes")]).await?;
    ensure!(written.status == 303, "{} {}", written.head, written.body);
    ensure!(api.get("compute").await?.spec.withdrawn);
    crate::eventually("nobody is asked for it", crate::SOON, async || {
        let page = owner.get("/catalog").await?;
        ensure!(!page.body.contains(ask), "{}", page.body);
        Ok(())
    })
    .await?;
    shows(authority, path, "id=\"withdrawn-1\" value=\"yes\" checked").await?;
    // A box that is not ticked sends nothing.
    let mut form = filled(authority, path).await?;
    form.retain(|(name, _)| name != "withdrawn");
    let mut typed: Vec<_> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    typed.push(("stage", "write"));
    ensure!(authority.post(path, &typed).await?.status == 303);
    ensure!(!api.get("compute").await?.spec.withdrawn);
    shows(owner, "/catalog", ask).await?;
    Ok(())
}
