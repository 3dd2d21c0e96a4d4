//! What a request does, in figures: by the same pure code that pages show and the operator enacts.

use crds::resource_request::Application;
use crds::resource_request::preview::{PoolEffect, Preview, Problem as Against};
use kube::ResourceExt as _;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::call::{Call, Reply};
use super::super::problem::Problem;
use super::super::schemas;
use crate::approvals::decide;
use crate::ground::Ground;
use crate::health::Wording;
use crate::requests::page;

/// What a request does.
pub(super) fn of(
    wording: &Wording,
    ground: &Ground,
    application: &Application,
    preview: &Preview,
) -> Value {
    let chain = ground.chain(application);
    let mut problems: Vec<_> = preview
        .problems
        .iter()
        .map(|one| against(wording, one))
        .collect();
    if let Err(verdict) = &chain {
        let verdict = verdict.clone();
        problems.push(against(
            wording,
            &Against {
                item: None,
                verdict,
            },
        ));
    }
    json!({
        "grants": preview.changes.iter().map(|change| json!({
            "name": change.grant, "platform": change.platform, "zone": change.zone, "pool": change.pool,
            "exists": change.exists, "before": change.before, "after": change.after, "until": change.until,
        })).collect::<Vec<_>>(),
        "orders": preview.orders.iter()
            .map(|order| json!({ "item": order.item, "resources": order.resources }))
            .collect::<Vec<_>>(),
        "pools": preview.pools.iter().map(pool).collect::<Vec<_>>(),
        "costs": preview.costs.iter()
            .map(|(item, monthly)| json!({ "item": item, "monthly": monthly }))
            .collect::<Vec<_>>(),
        "monthly": preview.monthly(),
        "chain": chain.unwrap_or_default().iter()
            .map(|stage| json!({ "stage": stage.stage, "of": stage.of, "workingDays": stage.working_days }))
            .collect::<Vec<_>>(),
        "problems": problems,
    })
}

fn pool(pool: &PoolEffect) -> Value {
    let free = pool.account.as_ref().map(|_| &pool.free);
    json!({
        "platform": pool.platform, "zone": pool.zone, "pool": pool.pool,
        "free": free, "asked": pool.asked, "freed": pool.freed,
    })
}

/// Something that stands against it, worded.
fn against(wording: &Wording, problem: &Against) -> Value {
    let verdict = &problem.verdict;
    let (detail, way_out) =
        wording.reason(verdict.reason.as_str(), &verdict.params, &verdict.message());
    json!({
        "item": problem.item, "reason": verdict.reason.as_str(), "params": verdict.params,
        "detail": detail, "wayOut": way_out,
    })
}

fn word() -> Value {
    json!({ "type": "string" })
}

fn maybe_word() -> Value {
    json!({ "type": ["string", "null"] })
}

fn amounts() -> Value {
    json!({ "type": "object", "additionalProperties": word(), "description": "Kubernetes quantities by resource name." })
}

fn money() -> Value {
    json!({ "type": ["string", "null"], "pattern": r"^[0-9]+(\.[0-9]{1,2})?$", "description": "Yuan a month; null where the price is unknown." })
}

fn list(about: &str, fields: &[(&str, Value)]) -> Value {
    json!({ "type": "array", "description": about, "items": schemas::record(fields) })
}

fn place() -> [(&'static str, Value); 3] {
    ["platform", "zone", "pool"].map(|name| (name, word()))
}

fn grants() -> Value {
    let mut fields = place().to_vec();
    fields.extend([
        ("name", word()),
        ("exists", json!({ "type": "boolean" })),
        ("before", amounts()),
        ("after", amounts()),
        (
            "until",
            json!({ "type": ["string", "null"], "format": "date" }),
        ),
    ]);
    list("Grants that are made or changed.", &fields)
}

fn pools() -> Value {
    let free = json!({ "anyOf": [amounts(), { "type": "null" }], "description": "Null where it is unknown." });
    let mut fields = place().to_vec();
    fields.extend([("free", free), ("asked", amounts()), ("freed", amounts())]);
    list("The pools that it is taken from.", &fields)
}

fn problems() -> Value {
    let params = json!({ "type": "object", "additionalProperties": word() });
    let fields = [
        ("item", maybe_word()),
        ("reason", word()),
        ("params", params),
        ("detail", word()),
        ("wayOut", word()),
    ];
    list(
        "What stands against it; nothing may for it to be approved.",
        &fields,
    )
}

/// The fields of an effect, with their schemas.
fn fields() -> Vec<(&'static str, Value)> {
    let orders = [("item", word()), ("resources", amounts())];
    let costs = [("item", word()), ("monthly", money())];
    let days = json!({ "type": "integer" });
    let stages = [
        ("stage", word()),
        ("of", maybe_word()),
        ("workingDays", days),
    ];
    vec![
        ("grants", grants()),
        ("orders", list("Work for the operations provider.", &orders)),
        ("pools", pools()),
        ("costs", list("What each item costs.", &costs)),
        ("monthly", money()),
        ("chain", list("Who decides, in this order.", &stages)),
        ("problems", problems()),
    ]
}

/// The effect of a request that is there.
pub(super) fn of_request_schema(_: &mut SchemaGenerator) -> Schema {
    let mut fields = fields();
    fields.push((
        "seen",
        schemas::text(
            "How many decisions, delegations and opinions there are: a decision may name it.",
        ),
    ));
    fields.push((
        "shown",
        schemas::text("What a decision is about, as a digest: an approval may name it."),
    ));
    schemas::record(&fields)
}

/// The effect of an application that is not submitted.
pub(super) fn preview_schema(_: &mut SchemaGenerator) -> Schema {
    let mut fields = fields();
    let refusal = json!({ "type": ["object", "null"], "description": "What the hub's rules say against it; null where they take it." });
    fields.push(("refusal", refusal));
    schemas::record(&fields)
}

pub(super) async fn of_request(call: Call) -> Result<Reply, Problem> {
    let visit = &call.visit;
    let visible = visit.visible().await?;
    let request = page::find(visit, &visible, call.path("tenant"), call.path("name"))?;
    let ground = decide::ground_of(visit, &request).ok_or(crate::error::AppError::NoPage)?;
    let holds = request
        .status
        .as_ref()
        .map(|status| status.holds.as_slice());
    let application = &request.spec.application;
    let preview = ground.preview(application, &request.name_any(), holds.unwrap_or_default());
    let mut effect = of(&visit.wording(&visible), &ground, application, &preview);
    let digest = decide::shown(Some(&ground), &request);
    let more = [("seen", decide::seen(&request)), ("shown", digest)];
    let more: Map<_, _> = more
        .map(|(k, v)| (k.to_owned(), Value::from(v)))
        .into_iter()
        .collect();
    if let Some(effect) = effect.as_object_mut() {
        effect.extend(more);
    }
    Ok(Reply::One(effect))
}
