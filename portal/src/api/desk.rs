//! What is the caller's own (who they are, what they were told), what everybody reads (announcements, search, costs), and the
//! ledger of acts for those who may see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::operation::{Answer, GET, LIMIT, Link, OFFSET, Operation, POST, Param, Q, Says};
use super::problem::Problem;
use super::schemas;
use crate::approvals;
use crate::audit::chain::Row;
use crate::audit::page::{Filter, rows};
use crate::bulletins;
use crate::costs::{self, reckon};
use crate::db::notices::{self, Notice};
use crate::db::{Db, DbError, micros};
use crate::error::AppError;
use crate::notify::herald::sentence;
use crate::notify::page::{recipients, unread};
use crate::search;

/// Ids and moments that a page of newer rows ended with.
const CURSOR: i64 = 9_000_000_000_000_000;

/// The operations.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "getMe",
        group: "own",
        path: "/me",
        answer: Answer::One(me_schema),
        run: |call| Box::pin(me(call)),
        ..GET
    },
    Operation {
        id: "listNotices",
        group: "own",
        path: "/notices",
        query: &[
            LIMIT,
            Param {
                name: "before",
                says: Says::Number(1, CURSOR),
            },
        ],
        answer: Answer::One(notices_schema),
        links: &[Link {
            to: "readNotice",
            with: &[("id", "$response.body#/items/0/id")],
        }],
        run: |call| Box::pin(list_notices(call)),
        ..GET
    },
    Operation {
        id: "readNotice",
        group: "own",
        path: "/notices/{id}/read",
        answer: Answer::One(notice_schema),
        run: |call| Box::pin(read_notice(call)),
        ..POST
    },
    Operation {
        id: "listAnnouncements",
        group: "everybody",
        path: "/announcements",
        query: &[LIMIT, OFFSET],
        answer: Answer::Page(announcement_schema),
        run: |call| Box::pin(announcements(call)),
        ..GET
    },
    Operation {
        id: "search",
        group: "everybody",
        path: "/search",
        query: &[Q, LIMIT, OFFSET],
        answer: Answer::Page(hit_schema),
        run: |call| Box::pin(find(call)),
        ..GET
    },
    Operation {
        id: "getCosts",
        group: "everybody",
        path: "/costs",
        query: &[Param {
            name: "month",
            says: Says::Month,
        }],
        answer: Answer::One(costs_schema),
        run: |call| Box::pin(cost(call)),
        ..GET
    },
    Operation {
        id: "listActs",
        group: "audit",
        path: "/audit",
        query: &[
            Param::text("actor"),
            Param::text("verb"),
            Param::text("via"),
            Param::one_of("outcome", &["ok", "refused"]),
            Param::text("kind"),
            Param::text("namespace"),
            Param::text("name"),
            Param {
                name: "from",
                says: Says::Day,
            },
            Param {
                name: "to",
                says: Says::Day,
            },
            Param {
                name: "below",
                says: Says::Number(1, CURSOR),
            },
            LIMIT,
        ],
        answer: Answer::One(acts_schema),
        run: |call| Box::pin(acts(call)),
        ..GET
    },
];

fn db(call: &Call) -> Result<&Db, Problem> {
    let records = call.visit.state.records.as_ref();
    Ok(&records.ok_or(AppError::NoDatabase)?.db)
}

fn failed(error: impl std::borrow::Borrow<DbError>) -> Problem {
    AppError::database(error.borrow()).into()
}

fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

fn me_schema(_: &mut SchemaGenerator) -> Schema {
    schemas::record(&[
        (
            "name",
            schemas::text("The user name, as the hub's API server sees it."),
        ),
        (
            "groups",
            json!({ "type": "array", "items": { "type": "string" }, "description": "The groups of the last sign-in." }),
        ),
        (
            "scope",
            json!({ "type": "string", "enum": ["read", "write"], "description": "What the token may." }),
        ),
        (
            "unread",
            json!({ "type": ["integer", "null"], "minimum": 0, "description": "Notices that were not read; null where that cannot be said at once." }),
        ),
        (
            "waiting",
            schemas::figure("Requests that wait for a decision or opinion of the caller."),
        ),
    ])
}

async fn me(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let user = &call.visit.session.user;
    Ok(Reply::One(json!({
        "name": user.name,
        "groups": user.groups,
        "scope": call.scope.word(),
        "unread": unread(db(&call)?, user).await,
        "waiting": approvals::count(&call.visit, &visible).await?,
    })))
}

fn notice_schema(_: &mut SchemaGenerator) -> Schema {
    schemas::record(&[
        ("id", schemas::name("Its id.")),
        ("topic", schemas::text("What happened, as a word.")),
        (
            "words",
            schemas::text("What happened, in the caller's language."),
        ),
        (
            "href",
            schemas::text("The page of the portal that it leads to."),
        ),
        ("created", schemas::moment("When.", true)),
        (
            "read",
            json!({ "type": "boolean", "description": "Whether the caller has read it." }),
        ),
    ])
}

fn notices_schema(g: &mut SchemaGenerator) -> Schema {
    let next = json!({ "type": ["integer", "null"], "description": "What `before` says to get the next page; null on the last." });
    let items = json!({ "type": "array", "items": notice_schema(g) });
    schemas::record(&[("items", items), ("next", next)])
}

fn notice(call: &Call, names: &crate::health::Names, notice: &Notice) -> Value {
    let figures = serde_json::from_str(&notice.figures).unwrap_or_default();
    json!({
        "id": notice.id,
        "topic": notice.topic,
        "words": sentence(call.visit.reader.lang, names, &notice.topic, &figures),
        "href": notice.href,
        "created": moment(notice.created),
        "read": notice.read,
    })
}

async fn list_notices(call: Call) -> Result<Reply, Problem> {
    let (visible, user) = (call.visit.visible().await?, &call.visit.session.user);
    let (limit, _) = call.window();
    let most = i64::try_from(limit).unwrap_or(0) + 1;
    let before = call.number("before").unwrap_or(i64::MAX);
    let read = async {
        let mut connection = db(&call)
            .map_err(|_| DbError::Other(String::new()))?
            .acquire()
            .await?;
        notices::of(
            &mut connection,
            &user.name,
            &recipients(user),
            (before, most),
        )
        .await
    };
    let all: Vec<Notice> = read.await.map_err(failed)?;
    let last = all.get(limit.wrapping_sub(1)).filter(|_| all.len() > limit);
    Ok(Reply::One(json!({
        "items": all.iter().take(limit).map(|one| notice(&call, &visible.names, one)).collect::<Vec<_>>(),
        "next": last.map(|last| last.created),
    })))
}

async fn read_notice(call: Call) -> Result<Reply, Problem> {
    let (visible, user) = (call.visit.visible().await?, &call.visit.session.user);
    let mut connection = db(&call)?.acquire().await.map_err(failed)?;
    let found = notices::find(&mut connection, &recipients(user), call.path("id")).await;
    let found = found.map_err(failed)?.ok_or(AppError::NoPage)?;
    let read = notices::read(
        &mut connection,
        &user.name,
        &found.id,
        micros(call.visit.now),
    )
    .await;
    read.map_err(failed)?;
    let found = Notice {
        read: true,
        ..found
    };
    Ok(Reply::One(notice(&call, &visible.names, &found)))
}

fn announcement_schema(_: &mut SchemaGenerator) -> Schema {
    schemas::record(&[
        ("id", schemas::name("Its id.")),
        ("title", schemas::text("Its title.")),
        ("text", schemas::text("Its text.")),
        ("author", schemas::text("Who announced it.")),
        (
            "public",
            json!({ "type": "boolean", "description": "Whether it is shown to who is not signed in." }),
        ),
        ("starts", schemas::moment("From when it is shown.", true)),
        ("ends", schemas::moment("Until when it is shown.", true)),
    ])
}

async fn announcements(call: Call) -> Result<Reply, Problem> {
    let all = bulletins::seen(&call.visit).await?;
    Ok(call.page(&all, |one| {
        json!({
            "id": one.id, "title": one.title, "text": one.body, "author": one.author,
            "public": one.public, "starts": moment(one.starts), "ends": moment(one.ends),
        })
    }))
}

fn hit_schema(_: &mut SchemaGenerator) -> Schema {
    schemas::record(&[
        (
            "kind",
            schemas::text("What it is, in the caller's language."),
        ),
        ("id", schemas::text("Its name, as in Kubernetes.")),
        (
            "zh",
            schemas::text("Its Chinese name or title; may be empty."),
        ),
        ("en", schemas::text("Its English name; may be empty.")),
        ("about", schemas::text("Whose it is, or where.")),
        ("href", schemas::text("Its page of the portal.")),
    ])
}

async fn find(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let found = search::found(&call.visit, &visible, call.text("q")).await?;
    Ok(call.page(&found, |one| {
        json!({
            "kind": one.kind, "id": one.id, "zh": one.zh, "en": one.en,
            "about": one.about, "href": one.href,
        })
    }))
}

fn sum_fields() -> Vec<(&'static str, Value)> {
    let yuan = json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,2})?$", "description": "Yuan, of what has a price." });
    vec![
        ("sum", yuan),
        (
            "unpriced",
            schemas::figure("How many lines have no price: they are in no sum."),
        ),
        ("lines", schemas::figure("How many lines there are.")),
    ]
}

fn costs_schema(_: &mut SchemaGenerator) -> Schema {
    let list = |about: &str| {
        let mut fields = vec![(
            "name",
            json!({ "type": ["string", "null"], "description": "Null where nothing was said." }),
        )];
        fields.extend(sum_fields());
        json!({ "type": "array", "description": about, "items": schemas::record(&fields) })
    };
    let mut fields = vec![("month", schemas::text("The month, 2026-11."))];
    fields.extend(sum_fields());
    fields.extend([
        ("tenants", list("By unit.")),
        ("services", list("By service; null for plain resources.")),
        ("platforms", list("By platform.")),
        (
            "funding",
            list("By source of funding; null where none was named."),
        ),
    ]);
    schemas::record(&fields)
}

async fn cost(call: Call) -> Result<Reply, Problem> {
    let (_, reckoned) = costs::reckoned(&call.visit).await?;
    let when = (reckoned.month, reckoned.today);
    let named = |name: Option<String>, sum: reckon::Sum| {
        json!({
            "name": name.filter(|name| !name.is_empty()),
            "sum": sum.priced, "unpriced": sum.unpriced, "lines": sum.lines,
        })
    };
    let by = |key: fn(&reckon::Line) -> String| {
        let sums: BTreeMap<_, _> = reckon::sums(&reckoned.lines, when, key)
            .into_iter()
            .collect();
        let rows = sums.into_iter().map(|(name, sum)| named(Some(name), sum));
        rows.collect::<Vec<_>>()
    };
    let all = reckon::sums(&reckoned.lines, when, |_| ());
    let all = all.first().map(|((), sum)| *sum).unwrap_or_default();
    let funding = reckon::by_funding(&reckoned.lines, when).into_iter();
    let funding = funding.map(|(source, sum)| named(source.map(|s| format!("{s:?}")), sum));
    Ok(Reply::One(json!({
        "month": reckoned.month.to_string(),
        "sum": all.priced, "unpriced": all.unpriced, "lines": all.lines,
        "tenants": by(|line| line.tenant.clone()),
        "services": by(|line| line.offering.clone()),
        "platforms": by(|line| line.platform.clone()),
        "funding": funding.collect::<Vec<_>>(),
    })))
}

fn acts_schema(_: &mut SchemaGenerator) -> Schema {
    let text = schemas::text;
    let row = schemas::record(&[
        ("seq", schemas::figure("Its place in the chain.")),
        ("at", schemas::moment("When it was recorded.", true)),
        ("happened", schemas::moment("When it happened.", true)),
        ("actor", text("Who.")),
        ("groups", text("Their groups then.")),
        ("via", text("By which way.")),
        ("verb", text("What was done.")),
        ("kind", text("The kind of the object.")),
        ("namespace", text("Its namespace.")),
        ("name", text("Its name.")),
        ("before", text("What was before, as JSON.")),
        ("after", text("What was after, as JSON.")),
        (
            "requestId",
            text("The request that did it, as in the hub's audit log."),
        ),
        ("outcome", text("How it ended.")),
        (
            "hash",
            text("The hash of the row, by which the next is bound to it."),
        ),
    ]);
    let next = json!({ "type": ["integer", "null"], "description": "What `below` says to get the next page; null on the last." });
    schemas::record(&[
        ("items", json!({ "type": "array", "items": row })),
        ("next", next),
    ])
}

fn act(row: &Row) -> Value {
    json!({
        "seq": row.seq, "at": moment(row.at), "happened": moment(row.happened), "actor": row.actor,
        "groups": row.groups, "via": row.via, "verb": row.verb, "kind": row.kind,
        "namespace": row.namespace, "name": row.name, "before": row.before, "after": row.after,
        "requestId": row.request_id, "outcome": row.outcome, "hash": row.hash,
    })
}

async fn acts(call: Call) -> Result<Reply, Problem> {
    let (limit, _) = call.window();
    let most = i64::try_from(limit).unwrap_or(0) + 1;
    let all = rows(&call.visit, &Filter::of(&call.visit).narrow(most)).await?;
    let last = all.get(limit.wrapping_sub(1)).filter(|_| all.len() > limit);
    Ok(Reply::One(json!({
        "items": all.iter().take(limit).map(act).collect::<Vec<_>>(),
        "next": last.map(|last| last.seq),
    })))
}
