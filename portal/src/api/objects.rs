//! Platforms, sites, tenants, grants and information systems, as the caller may see them.

use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::{cloud_platform, information_system, site, tenant, tenant_quota};
use kube::{Resource, ResourceExt as _};
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::operation::{Answer, GET, LIMIT, Link, OFFSET, Operation, Param, Q};
use super::problem::Problem;
use super::schemas;
use crate::access::Visible;
use crate::error::AppError;
use crate::i18n::Lang;

const LEVELS: &[&str] = &["Province", "City", "County", "Town"];
const TIERS: &[&str] = &["Provincial", "Industry", "City"];

/// What a page of a list of a unit's things leads to.
pub const OF_FIRST: &[(&str, &str)] = &[
    ("tenant", "$response.body#/items/0/tenant"),
    ("name", "$response.body#/items/0/name"),
];
/// What a page of a list leads to, by name.
pub const NAME_OF_FIRST: &[(&str, &str)] = &[("name", "$response.body#/items/0/name")];

const TENANT_OF_FIRST: &[(&str, &str)] = &[("tenant", "$response.body#/items/0/name")];

/// The operations.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "listPlatforms",
        group: "platforms",
        path: "/platforms",
        query: &[Q, Param::one_of("tier", TIERS), LIMIT, OFFSET],
        answer: Answer::Page(platform_schema),
        links: &[Link {
            to: "getPlatform",
            with: NAME_OF_FIRST,
        }],
        run: |call| Box::pin(platforms(call)),
        ..GET
    },
    Operation {
        id: "getPlatform",
        group: "platforms",
        path: "/platforms/{name}",
        answer: Answer::One(platform_schema),
        run: |call| Box::pin(platform(call)),
        ..GET
    },
    Operation {
        id: "listSites",
        group: "platforms",
        path: "/sites",
        query: &[Q, LIMIT, OFFSET],
        answer: Answer::Page(|g| schemas::object::<site::SiteSpec, site::SiteStatus>(g, false)),
        run: |call| Box::pin(sites(call)),
        ..GET
    },
    Operation {
        id: "listTenants",
        group: "tenants",
        path: "/tenants",
        query: &[Q, Param::one_of("level", LEVELS), LIMIT, OFFSET],
        answer: Answer::Page(tenant_schema),
        links: &[
            Link {
                to: "getTenant",
                with: TENANT_OF_FIRST,
            },
            Link {
                to: "previewRequest",
                with: TENANT_OF_FIRST,
            },
            Link {
                to: "submitRequest",
                with: TENANT_OF_FIRST,
            },
            Link {
                to: "reportFault",
                with: TENANT_OF_FIRST,
            },
        ],
        run: |call| Box::pin(tenants(call)),
        ..GET
    },
    Operation {
        id: "getTenant",
        group: "tenants",
        path: "/tenants/{tenant}",
        answer: Answer::One(tenant_schema),
        run: |call| Box::pin(one_tenant(call)),
        ..GET
    },
    Operation {
        id: "listGrants",
        group: "tenants",
        path: "/grants",
        query: &[
            Q,
            Param::text("tenant"),
            Param::text("platform"),
            LIMIT,
            OFFSET,
        ],
        answer: Answer::Page(grant_schema),
        links: &[Link {
            to: "getGrant",
            with: OF_FIRST,
        }],
        run: |call| Box::pin(grants(call)),
        ..GET
    },
    Operation {
        id: "getGrant",
        group: "tenants",
        path: "/grants/{tenant}/{name}",
        answer: Answer::One(grant_schema),
        run: |call| Box::pin(grant(call)),
        ..GET
    },
    Operation {
        id: "listSystems",
        group: "tenants",
        path: "/systems",
        query: &[Q, Param::text("tenant"), LIMIT, OFFSET],
        answer: Answer::Page(system_schema),
        links: &[Link {
            to: "getSystem",
            with: OF_FIRST,
        }],
        run: |call| Box::pin(systems(call)),
        ..GET
    },
    Operation {
        id: "getSystem",
        group: "tenants",
        path: "/systems/{tenant}/{name}",
        answer: Answer::One(system_schema),
        run: |call| Box::pin(system(call)),
        ..GET
    },
];

fn platform_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<cloud_platform::CloudPlatformSpec, cloud_platform::CloudPlatformStatus>(
        g, false,
    )
}

fn grant_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<tenant_quota::TenantQuotaSpec, tenant_quota::TenantQuotaStatus>(g, true)
}

fn system_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<
        information_system::InformationSystemSpec,
        information_system::InformationSystemStatus,
    >(g, true)
}

fn tenant_schema(g: &mut SchemaGenerator) -> Schema {
    let (spec, status) = (
        g.subschema_for::<tenant::TenantSpec>(),
        g.subschema_for::<tenant::TenantStatus>(),
    );
    let whole = "Null where the caller may know of the unit but not read it whole.";
    schemas::record(&[
        ("name", schemas::name("Its name, as in Kubernetes.")),
        (
            "zh",
            schemas::text("Its Chinese name; the name itself where that may not be known."),
        ),
        (
            "en",
            schemas::text("Its English name; the Chinese one where it has none."),
        ),
        ("created", schemas::moment("When it was made.", true)),
        (
            "spec",
            json!({ "anyOf": [spec, { "type": "null" }], "description": whole }),
        ),
        (
            "status",
            json!({ "anyOf": [status, { "type": "null" }], "description": whole }),
        ),
    ])
}

/// An object, as the API shows it: what Kubernetes keeps for itself is left out.
pub fn item<K: Resource + Serialize>(object: &K) -> Value {
    let value = serde_json::to_value(object).unwrap_or_default();
    let meta = object.meta();
    let created = meta.creation_timestamp.as_ref().map(|time| time.0);
    let mut item = json!({
        "name": object.name_any(),
        "uid": meta.uid,
        "revision": meta.resource_version,
        "created": created,
        "spec": value["spec"],
        "status": value.get("status"),
    });
    if let Some(tenant) = meta.namespace.as_deref().and_then(tenant_of_namespace) {
        item["tenant"] = tenant.into();
    }
    item
}

/// Whether any of some texts has what is looked for.
#[must_use]
pub fn has(q: &str, texts: &[&str]) -> bool {
    let q = q.to_lowercase();
    q.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&q))
}

/// Whether a filter takes a value: an absent one takes every value.
#[must_use]
pub fn is(wanted: &str, value: &str) -> bool {
    wanted.is_empty() || wanted == value
}

/// The unit of an object.
#[must_use]
pub fn unit<K: Resource>(object: &K) -> &str {
    let namespace = object.meta().namespace.as_deref();
    namespace.and_then(tenant_of_namespace).unwrap_or_default()
}

/// The one of a unit's objects that the path names.
pub fn of_path<K: Resource>(
    call: &Call,
    objects: Vec<std::sync::Arc<K>>,
) -> Result<std::sync::Arc<K>, Problem> {
    let namespace = tenant_namespace(call.path("tenant"));
    let mut objects = objects.into_iter();
    let found = objects.find(|object| {
        object.name_any() == call.path("name") && object.namespace().as_deref() == Some(&namespace)
    });
    found.ok_or(AppError::NoPage.into())
}

async fn platforms(call: Call) -> Result<Reply, Problem> {
    let mut all = call.visit.visible().await?.platforms;
    all.retain(|platform| {
        let (spec, q) = (&platform.spec, call.text("q"));
        let en = spec.display_name.en.as_deref().unwrap_or_default();
        has(q, &[&platform.name_any(), &spec.display_name.zh, en])
            && is(call.text("tier"), &format!("{:?}", spec.tier))
    });
    Ok(call.page(&all, |platform| item(platform.as_ref())))
}

async fn platform(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let platform = visible
        .platform(call.path("name"))
        .ok_or(AppError::NoPage)?;
    Ok(Reply::One(item(platform.as_ref())))
}

async fn sites(call: Call) -> Result<Reply, Problem> {
    let mut all = call.visit.visible().await?.sites;
    all.retain(|site| {
        let name = &site.spec.display_name;
        let en = name.en.as_deref().unwrap_or_default();
        has(call.text("q"), &[&site.name_any(), &name.zh, en])
    });
    Ok(call.page(&all, |site| item(site.as_ref())))
}

/// A unit: whole where every unit may be listed, else by its name.
fn shown(visible: &Visible, name: &str) -> Value {
    let whole = visible.tenant(name).filter(|_| visible.all_tenants);
    let whole = whole
        .map(|tenant| item(tenant.as_ref()))
        .unwrap_or_default();
    json!({
        "name": name,
        "zh": visible.names.tenant(Lang::Zh, name),
        "en": visible.names.tenant(Lang::En, name),
        "created": whole["created"],
        "spec": whole["spec"],
        "status": whole["status"],
    })
}

async fn tenants(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let level = call.text("level");
    let names: Vec<_> = visible
        .tenant_names
        .iter()
        .filter(|name| {
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| visible.names.tenant(lang, name));
            let known = visible
                .tenant(name)
                .map(|tenant| tenant.spec.level.as_str());
            has(call.text("q"), &[name, zh, en]) && is(level, known.unwrap_or_default())
        })
        .collect();
    Ok(call.page(&names, |name| shown(&visible, name)))
}

async fn one_tenant(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    let name = call.path("tenant");
    if !visible.tenant_names.contains(name) {
        return Err(AppError::NoPage.into());
    }
    Ok(Reply::One(shown(&visible, name)))
}

async fn grants(call: Call) -> Result<Reply, Problem> {
    let mut all = call.visit.visible().await?.quotas;
    all.retain(|quota| {
        has(call.text("q"), &[&quota.name_any()])
            && is(call.text("tenant"), unit(quota.as_ref()))
            && is(call.text("platform"), &quota.spec.platform)
    });
    Ok(call.page(&all, |quota| item(quota.as_ref())))
}

async fn grant(call: Call) -> Result<Reply, Problem> {
    let visible = call.visit.visible().await?;
    Ok(Reply::One(item(of_path(&call, visible.quotas)?.as_ref())))
}

async fn systems(call: Call) -> Result<Reply, Problem> {
    let mut all = crate::systems::visible(&call.visit).await?;
    all.retain(|system| {
        let name = &system.spec.display_name;
        let en = name.en.as_deref().unwrap_or_default();
        has(call.text("q"), &[&system.name_any(), &name.zh, en])
            && is(call.text("tenant"), unit(system.as_ref()))
    });
    Ok(call.page(&all, |system| item(system.as_ref())))
}

async fn system(call: Call) -> Result<Reply, Problem> {
    let all = crate::systems::visible(&call.visit).await?;
    Ok(Reply::One(item(of_path(&call, all)?.as_ref())))
}
