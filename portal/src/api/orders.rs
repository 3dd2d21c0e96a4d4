//! Work orders: read, worked off step by step, and the report of a fault, which makes one.

use crds::work_order::{OrderState, StepState, WorkOrderSpec, WorkOrderStatus};
use kube::ResourceExt as _;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::call::{Call, Reply};
use super::objects::{OF_FIRST, has, is, item, unit};
use super::operation::{Answer, Body, GET, LIMIT, Link, OFFSET, Operation, POST, Param, Q};
use super::problem::Problem;
use super::schemas;
use crate::cluster::write::WriteError;
use crate::db::new_id;
use crate::error::AppError;
use crate::forms::Fields;
use crate::refusals::Told;
use crate::work_orders::{self, page, report};

const STATES: &[&str] = &["Open", "InProgress", "Done", "Failed"];

/// The operations.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "listWorkOrders",
        group: "work-orders",
        path: "/work-orders",
        query: &[
            Q,
            Param::one_of("state", STATES),
            Param::text("tenant"),
            LIMIT,
            OFFSET,
        ],
        answer: Answer::Page(order_schema),
        links: &[
            Link {
                to: "getWorkOrder",
                with: OF_FIRST,
            },
            Link {
                to: "takeStep",
                with: OF_FIRST,
            },
        ],
        run: |call| Box::pin(list(call)),
        ..GET
    },
    Operation {
        id: "getWorkOrder",
        group: "work-orders",
        path: "/work-orders/{tenant}/{name}",
        answer: Answer::One(order_schema),
        run: |call| Box::pin(one(call)),
        ..GET
    },
    Operation {
        id: "takeStep",
        group: "work-orders",
        path: "/work-orders/{tenant}/{name}/steps",
        body: Some(Body {
            schema: |g| g.subschema_for::<NewStep>(),
            example: r#"{"state": "Accepted", "comment": "On it."}"#,
        }),
        answer: Answer::Made(order_schema),
        run: |call| Box::pin(step(call)),
        ..POST
    },
    Operation {
        id: "reportFault",
        group: "work-orders",
        path: "/tenants/{tenant}/faults",
        body: Some(Body {
            schema: |g| g.subschema_for::<NewFault>(),
            example: r#"{"platform": "zj-node", "title": "The office system is slow", "description": "Since 9 o'clock, every page takes half a minute."}"#,
        }),
        answer: Answer::Made(order_schema),
        links: &[Link {
            to: "getWorkOrder",
            with: &[
                ("tenant", "$response.body#/tenant"),
                ("name", "$response.body#/name"),
            ],
        }],
        run: |call| Box::pin(fault(call)),
        ..POST
    },
];

/// A step that the caller takes.
#[derive(Debug, Deserialize, JsonSchema)]
struct NewStep {
    /// Accepted, `InProgress`, Done, or Failed with the reason in comment.
    state: StepState,
    /// What was done; on Done the way in, never a password.
    #[schemars(length(max = 4096))]
    comment: Option<String>,
    /// How many steps the caller has seen; where there are others by now, nothing is done.
    #[schemars(range(max = 64))]
    seen: Option<usize>,
}

/// A fault that the caller reports.
#[derive(Debug, Deserialize, JsonSchema)]
struct NewFault {
    /// The platform.
    #[schemars(length(min = 1, max = 63))]
    platform: String,
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 128))]
    title: String,
    /// What happened.
    #[schemars(length(min = 1, max = 4096))]
    description: String,
    /// The order's name: sent again, the same report makes no second one. Made up where it is absent.
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    name: Option<String>,
}

fn order_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<WorkOrderSpec, WorkOrderStatus>(g, true)
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let mut all = work_orders::visible(&call.visit).await?;
    all.retain(|order| {
        has(call.text("q"), &[&order.name_any(), &order.spec.title])
            && is(call.text("state"), &format!("{:?}", order.spec.state()))
            && is(call.text("tenant"), unit(order.as_ref()))
    });
    // What is open comes first, as on the page.
    all.sort_by_key(|order| {
        let ended = matches!(order.spec.state(), OrderState::Done | OrderState::Failed);
        (
            ended,
            order.spec.due.is_none(),
            order.spec.due,
            order.namespace(),
            order.name_any(),
        )
    });
    Ok(call.page(&all, |order| item(order.as_ref())))
}

async fn one(call: Call) -> Result<Reply, Problem> {
    let order = page::order(&call.visit, call.path("tenant"), call.path("name")).await?;
    Ok(Reply::One(item(order.as_ref())))
}

async fn step(call: Call) -> Result<Reply, Problem> {
    let said: NewStep = call.body()?;
    let visit = &call.visit;
    let order = page::order(visit, call.path("tenant"), call.path("name")).await?;
    let wording = visit.wording(&visit.visible().await?);
    let is_stale = said
        .seen
        .is_some_and(|seen| seen != order.spec.progress.len());
    let taken = if is_stale {
        Err(WriteError::Stale)
    } else {
        let comment = said.comment.filter(|comment| !comment.trim().is_empty());
        let step = (said.state, comment);
        page::take(&visit.state.cluster, call.author(false), &order, step).await
    };
    let order = taken.map_err(|error| Problem::of_write(&wording, &error))?;
    Ok(Reply::Made(item(&order)))
}

async fn fault(call: Call) -> Result<Reply, Problem> {
    let said: NewFault = call.body()?;
    let (visit, tenant) = (&call.visit, call.path("tenant"));
    let visible = visit.visible().await?;
    if !visible.tenant_names.contains(tenant) {
        return Err(AppError::NoPage.into());
    }
    let other = || {
        Ok(format!(
            "fault-{}",
            &new_id().map_err(AppError::internal)?[..10]
        ))
    };
    let name = call.name(said.name, 63, other)?;
    let fields = [
        ("tenant", tenant.to_owned()),
        ("platform", said.platform),
        ("title", said.title),
        ("description", said.description),
        ("id", name),
    ];
    let fields = Fields(fields.map(|(key, value)| (key.to_owned(), value)).into());
    if let Some((field, words)) = report::wrong(visit, &fields).first() {
        let told = Told {
            happened: (*words).to_owned(),
            ..Told::default()
        };
        return Err(Problem::of("invalid")
            .field(&format!("body.{field}"))
            .told(told));
    }
    let made = report::make(&visit.state.cluster, call.author(false), &fields).await;
    let order = made.map_err(|error| Problem::of_write(&visit.wording(&visible), &error))?;
    Ok(Reply::Made(item(&order)))
}
