//! The two catalogs: services, which the authority keeps, and products, which the operations provider keeps.

use std::sync::Arc;

use crds::{CloudProduct, ServiceOffering, cloud_product, service_offering};
use kube::ResourceExt as _;
use schemars::{Schema, SchemaGenerator};

use super::call::{Call, Reply};
use super::objects::{NAME_OF_FIRST, has, is, item};
use super::operation::{Answer, GET, LIMIT, Link, OFFSET, Operation, Param, Q};
use super::problem::Problem;
use super::schemas;
use crate::cluster::Kind;
use crate::error::AppError;

const CLASSES: &[&str] = &["Cloud", "Network", "CommonCapability"];

/// The operations.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "listServices",
        group: "catalog",
        path: "/services",
        query: &[Q, Param::one_of("class", CLASSES), LIMIT, OFFSET],
        answer: Answer::Page(service_schema),
        links: &[Link {
            to: "getService",
            with: NAME_OF_FIRST,
        }],
        run: |call| Box::pin(services(call)),
        ..GET
    },
    Operation {
        id: "getService",
        group: "catalog",
        path: "/services/{name}",
        answer: Answer::One(service_schema),
        run: |call| Box::pin(service(call)),
        ..GET
    },
    Operation {
        id: "listProducts",
        group: "catalog",
        path: "/products",
        query: &[
            Q,
            Param::text("offering"),
            Param::text("platform"),
            LIMIT,
            OFFSET,
        ],
        answer: Answer::Page(product_schema),
        links: &[Link {
            to: "getProduct",
            with: NAME_OF_FIRST,
        }],
        run: |call| Box::pin(products(call)),
        ..GET
    },
    Operation {
        id: "getProduct",
        group: "catalog",
        path: "/products/{name}",
        answer: Answer::One(product_schema),
        run: |call| Box::pin(product(call)),
        ..GET
    },
];

fn service_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<service_offering::ServiceOfferingSpec, service_offering::ServiceOfferingStatus>(
        g, false,
    )
}

fn product_schema(g: &mut SchemaGenerator) -> Schema {
    schemas::object::<cloud_product::CloudProductSpec, cloud_product::CloudProductStatus>(g, false)
}

async fn offerings(call: &Call) -> Result<Vec<Arc<ServiceOffering>>, Problem> {
    let visible = call.visit.visible().await?;
    let may = visible.general.contains(&Kind::ServiceOffering);
    Ok(if may {
        call.visit.state.cluster.offerings()
    } else {
        Vec::new()
    })
}

async fn provided(call: &Call) -> Result<Vec<Arc<CloudProduct>>, Problem> {
    let visible = call.visit.visible().await?;
    let may = visible.general.contains(&Kind::CloudProduct);
    Ok(if may {
        call.visit.state.cluster.products()
    } else {
        Vec::new()
    })
}

async fn services(call: Call) -> Result<Reply, Problem> {
    let mut all = offerings(&call).await?;
    all.retain(|offering| {
        let name = &offering.spec.display_name;
        let en = name.en.as_deref().unwrap_or_default();
        has(call.text("q"), &[&offering.name_any(), &name.zh, en])
            && is(call.text("class"), &format!("{:?}", offering.spec.class))
    });
    Ok(call.page(&all, |offering| item(offering.as_ref())))
}

async fn service(call: Call) -> Result<Reply, Problem> {
    let mut all = offerings(&call).await?.into_iter();
    let found = all.find(|offering| offering.name_any() == call.path("name"));
    Ok(Reply::One(item(found.ok_or(AppError::NoPage)?.as_ref())))
}

async fn products(call: Call) -> Result<Reply, Problem> {
    let mut all = provided(&call).await?;
    all.retain(|product| {
        let name = &product.spec.display_name;
        let en = name.en.as_deref().unwrap_or_default();
        has(call.text("q"), &[&product.name_any(), &name.zh, en])
            && is(call.text("offering"), &product.spec.offering)
            && is(call.text("platform"), &product.spec.platform)
    });
    Ok(call.page(&all, |product| item(product.as_ref())))
}

async fn product(call: Call) -> Result<Reply, Problem> {
    let mut all = provided(&call).await?.into_iter();
    let found = all.find(|product| product.name_any() == call.path("name"));
    Ok(Reply::One(item(found.ok_or(AppError::NoPage)?.as_ref())))
}
