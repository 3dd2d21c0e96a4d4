//! Requests: read, previewed, submitted, decided, answered, confirmed. Every write is one that a page makes, by its function.

mod effect;
mod write;

use crds::keys::tenant_namespace;
use crds::resource_request::{ResourceRequestSpec, ResourceRequestStatus};
use kube::ResourceExt as _;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::objects::{OF_FIRST, item};
use super::operation::{Answer, Body, GET, LIMIT, Link, OFFSET, Operation, POST, Param, Q, Says};
use super::problem::Problem;
use super::schemas;
use crate::approvals;
use crate::attachments;
use crate::requests::{self, page, standing};
use write::{
    NewAcceptance, NewAnswer, NewDecision, NewDelegation, NewOpinion, NewRating, NewRequest,
    NewUrging, NewWithdrawal,
};

const PHASES: &[&str] = &[
    "Submitted",
    "Reviewing",
    "Returned",
    "Approved",
    "Provisioning",
    "Delivered",
    "Accepted",
    "Rejected",
    "Withdrawn",
];
const TYPES: &[&str] = &["New", "Change", "Renew", "Release", "Exception"];
const SORTS: &[&str] = &["submitted", "-submitted", "title", "tenant", "phase", "due"];
const OF_ANSWER: &[(&str, &str)] = &[
    ("tenant", "$response.body#/tenant"),
    ("name", "$response.body#/name"),
];
const APPLICATION: &str = r#"{
  "classified": false,
  "application": {
    "type": "New",
    "environment": "Test",
    "title": "Trial of the office system",
    "justification": "Two nodes for a trial of thirty days.",
    "items": [{
      "name": "nodes",
      "platform": "zj-node",
      "zone": "Extranet",
      "pool": "extranet",
      "resources": { "requests.cpu": "4", "requests.memory": "8Gi" },
      "namespaces": [{ "name": "zj-rsj-trial" }]
    }]
  }
}"#;

/// The largest body with files, in bytes: five of ten megabytes, in base64.
const WITH_FILES: usize = 70_000_000;

/// What can be done about a request, by the list that it is an entry of.
macro_rules! act {
    ($id:literal, $list:literal, $body:ty, $example:literal, $run:path) => {
        Operation {
            id: $id,
            group: "requests",
            path: concat!("/requests/{tenant}/{name}/", $list),
            body: Some(Body {
                schema: |g| g.subschema_for::<$body>(),
                example: $example,
            }),
            answer: Answer::Made(schema),
            links: &[Link {
                to: "getRequest",
                with: OF_ANSWER,
            }],
            run: |call| Box::pin($run(call)),
            ..POST
        }
    };
}

/// The operations.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "listRequests",
        group: "requests",
        path: "/requests",
        query: &[
            Q,
            Param::one_of("phase", PHASES),
            Param::one_of("type", TYPES),
            Param::text("tenant"),
            Param {
                name: "mine",
                says: Says::Flag,
            },
            Param::one_of("sort", SORTS),
            LIMIT,
            OFFSET,
        ],
        answer: Answer::Page(schema),
        links: &[
            Link {
                to: "getRequest",
                with: OF_FIRST,
            },
            Link {
                to: "getEffect",
                with: OF_FIRST,
            },
            Link {
                to: "urge",
                with: OF_FIRST,
            },
            Link {
                to: "withdraw",
                with: OF_FIRST,
            },
        ],
        run: |call| Box::pin(list(call)),
        ..GET
    },
    Operation {
        id: "listApprovals",
        group: "requests",
        path: "/approvals",
        query: &[LIMIT, OFFSET],
        answer: Answer::Page(waiting_schema),
        links: &[
            Link {
                to: "getEffect",
                with: OF_FIRST,
            },
            Link {
                to: "decide",
                with: OF_FIRST,
            },
            Link {
                to: "advise",
                with: OF_FIRST,
            },
        ],
        run: |call| Box::pin(waiting(call)),
        ..GET
    },
    Operation {
        id: "getRequest",
        group: "requests",
        path: "/requests/{tenant}/{name}",
        answer: Answer::One(schema),
        run: |call| Box::pin(one(call)),
        ..GET
    },
    Operation {
        id: "getFile",
        group: "requests",
        path: "/requests/{tenant}/{name}/files/{sha256}",
        answer: Answer::File,
        run: |call| Box::pin(file(call)),
        ..GET
    },
    Operation {
        id: "getEffect",
        group: "requests",
        path: "/requests/{tenant}/{name}/effect",
        answer: Answer::One(effect::of_request_schema),
        run: |call| Box::pin(effect::of_request(call)),
        ..GET
    },
    Operation {
        id: "previewRequest",
        group: "requests",
        path: "/tenants/{tenant}/requests/preview",
        body: Some(Body {
            schema: |g| g.subschema_for::<NewRequest>(),
            example: APPLICATION,
        }),
        most: Some(WITH_FILES),
        answer: Answer::One(effect::preview_schema),
        run: |call| Box::pin(write::preview(call)),
        ..POST
    },
    Operation {
        id: "submitRequest",
        group: "requests",
        path: "/tenants/{tenant}/requests",
        body: Some(Body {
            schema: |g| g.subschema_for::<NewRequest>(),
            example: APPLICATION,
        }),
        most: Some(WITH_FILES),
        answer: Answer::Made(schema),
        links: &[
            Link {
                to: "getRequest",
                with: OF_ANSWER,
            },
            Link {
                to: "getEffect",
                with: OF_ANSWER,
            },
            Link {
                to: "decide",
                with: OF_ANSWER,
            },
            Link {
                to: "urge",
                with: OF_ANSWER,
            },
            Link {
                to: "withdraw",
                with: OF_ANSWER,
            },
        ],
        run: |call| Box::pin(write::submit(call)),
        ..POST
    },
    act!(
        "decide",
        "decisions",
        NewDecision,
        r#"{"outcome": "Return", "comment": "Say how the amount was reckoned."}"#,
        write::decide
    ),
    act!(
        "delegate",
        "delegations",
        NewDelegation,
        r#"{"to": "zj-deputy", "reason": "On leave until Friday."}"#,
        write::delegate
    ),
    act!(
        "advise",
        "opinions",
        NewOpinion,
        r#"{"stage": "Technical", "view": "Favourable", "comment": "The pool has room."}"#,
        write::advise
    ),
    Operation {
        most: Some(WITH_FILES),
        ..act!(
            "answer",
            "answers",
            NewAnswer,
            r#"{"comment": "Reckoned by the peak of the last three months.", "attachments": [{"name": "peak.pdf", "content": "JVBERi0xLjcK"}]}"#,
            write::answer
        )
    },
    act!(
        "accept",
        "acceptance",
        NewAcceptance,
        r#"{"accepted": true}"#,
        write::accept
    ),
    act!("rate", "rating", NewRating, r#"{"stars": 5}"#, write::rate),
    act!(
        "urge",
        "urgings",
        NewUrging,
        r#"{"comment": "Needed by Monday."}"#,
        write::urge
    ),
    act!(
        "withdraw",
        "withdrawal",
        NewWithdrawal,
        r#"{"comment": "Not needed any more."}"#,
        write::withdraw
    ),
];

fn schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<ResourceRequestSpec, ResourceRequestStatus>(g, true)
}

fn waiting_schema(g: &mut SchemaGenerator) -> Schema {
    let mut schema = schema(g).to_value();
    for (name, field) in [
        (
            "decides",
            json!({ "type": "boolean", "description": "Whether it is the caller's turn to decide." }),
        ),
        (
            "advises",
            json!({ "type": "array", "items": { "type": "string" }, "description": "The stages at which the caller may give an opinion." }),
        ),
    ] {
        schema["properties"][name] = field;
        if let Some(required) = schema["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    Schema::try_from(schema).unwrap_or_default()
}

async fn list(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let all = requests::listed(&call.visit, &visible);
    Ok(call.page(&all, |request| item(request.as_ref())))
}

async fn waiting(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let mut all = approvals::waiting(&call.visit, &visible).await?;
    all.sort_by_cached_key(|(request, _)| {
        let due = standing::due(request);
        (due.is_none(), due, request.namespace(), request.name_any())
    });
    Ok(call.page(&all, |(request, roles)| {
        let mut item = item(request.as_ref());
        item["decides"] = roles.decides.into();
        let advises = roles
            .advises
            .iter()
            .map(|stage| Value::from(stage.as_str()));
        item["advises"] = advises.collect();
        item
    }))
}

async fn one(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let request = page::find(
        &call.visit,
        &visible,
        call.path("tenant"),
        call.path("name"),
    )?;
    Ok(Reply::One(item(request.as_ref())))
}

async fn file(call: Call) -> Result<Reply, Problem> {
    let (tenant, name, sha256) = (call.path("tenant"), call.path("name"), call.path("sha256"));
    let given = attachments::of_request(&call.visit, tenant, name, sha256).await?;
    Ok(Reply::File(given))
}

/// Whether the caller may see the requests of the unit in the path.
async fn ground(call: &Call) -> Result<crate::ground::Ground, Problem> {
    let visible = call.visit.visible().await?;
    let tenant = call.path("tenant");
    let ground = visible.requests.has(&tenant_namespace(tenant)).then(|| {
        crate::ground::Ground::of(&call.visit.state.cluster, tenant, None, call.visit.now)
    });
    Ok(ground.flatten().ok_or(crate::error::AppError::NoPage)?)
}
