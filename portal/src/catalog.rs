//! The service catalog as a department reads it: services by class, what is promised, who provides each where, at what price;
//! and for who keeps a part of it, the ways to do so (`keep.rs`).

pub mod keep;

use askama::Template;
use axum::response::Response;
use crds::cloud_product::Fulfilment;
use crds::service_offering::{ServiceClass, ServiceLevel};
use crds::{CloudProduct, ServiceOffering};
use kube::ResourceExt as _;

use self::keep::rights::Keeper;
use crate::access::Visible;
use crate::cluster::Kind;
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::page::Page;
use crate::requests::words;

/// The classes in their order.
const CLASSES: [ServiceClass; 3] = [
    ServiceClass::Cloud,
    ServiceClass::Network,
    ServiceClass::CommonCapability,
];

/// A class with its services.
struct Class {
    code: String,
    word: &'static str,
    about: &'static str,
    services: Vec<Service>,
}

/// A service.
struct Service {
    id: String,
    name: String,
    category: &'static str,
    description: String,
    zones: String,
    promises: Vec<String>,
    contact: Option<String>,
    providers: Vec<Provider>,
    withdrawn: bool,
    start: String,
    /// Where it is changed, and where a product of it is made: for who keeps the one or the other.
    keep: Option<String>,
    provide: Option<String>,
}

/// Who provides it where.
struct Provider {
    /// Its name, where it may be known.
    id: Option<String>,
    platform: String,
    zone: &'static str,
    fulfilment: &'static str,
    stock: Option<String>,
    prices: Vec<(String, String)>,
    withdrawn: bool,
    /// Where it is changed, for who keeps it.
    keep: Option<String>,
}

#[derive(Template)]
#[template(path = "catalog.html", blocks = ["banners", "list"])]
struct Catalog {
    p: Page,
    classes: Vec<Class>,
    q: String,
    offers: bool,
}

live!(Catalog: "banners" => as_banners, "list" => as_list);

/// The catalog.
///
/// # Errors
/// The person may not see it, or the hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit).await?)
}

pub(crate) async fn draw(visit: &Visit) -> Result<impl live::Live + use<>, AppError> {
    let visible = visit.visible().await?;
    let lang = visit.reader.lang;
    let q = visit.reader.parameter("q");
    let keeper = keep::rights::keeper(visit, &visible).await?;
    let services = services(visit, &visible, &keeper)?;
    let open = services.iter().filter(|(o, _)| !o.spec.withdrawn).count();
    let title = match open {
        0 => lang.t("catalog.title.none").to_owned(),
        n => {
            let platforms: std::collections::BTreeSet<_> = services
                .iter()
                .flat_map(|(_, products)| products)
                .map(|p| &p.spec.platform)
                .collect();
            let platforms = lang.count("count.platforms", platforms.len());
            lang.say(
                "catalog.title",
                &[
                    ("count", &lang.count("count.services", n)),
                    ("platforms", &platforms),
                ],
            )
        }
    };
    let classes = CLASSES.map(|class| Class {
        code: format!("{class:?}"),
        word: lang.find(&format!("service-class.{class:?}")).unwrap_or(""),
        about: lang
            .find(&format!("service-class-about.{class:?}"))
            .unwrap_or(""),
        services: services
            .iter()
            .filter(|(offering, _)| offering.spec.class == class && found(lang, offering, &q))
            .map(|(offering, products)| service(visit, &visible, &keeper, offering, products))
            .collect(),
    });
    let classes = classes
        .into_iter()
        .filter(|class| !class.services.is_empty());
    Ok(Catalog {
        p: visit
            .page(&visible, title)
            .under(&[(lang.t("nav.overview"), "/")], lang.t("nav.catalog")),
        classes: classes.collect(),
        q,
        offers: keeper.offers,
    })
}

type Provided = (
    std::sync::Arc<ServiceOffering>,
    Vec<std::sync::Arc<CloudProduct>>,
);

/// Every service with the products that provide it, as far as the person may see them; of what they keep also what is
/// withdrawn, so that it can be given out again.
fn services(visit: &Visit, visible: &Visible, keeper: &Keeper) -> Result<Vec<Provided>, AppError> {
    if !visible.general.contains(&Kind::ServiceOffering) {
        return Err(AppError::NoPage);
    }
    let cluster = &visit.state.cluster;
    let products = if visible.general.contains(&Kind::CloudProduct) {
        cluster.products()
    } else {
        Vec::new()
    };
    let of = |offering: &ServiceOffering| {
        let name = offering.name_any();
        let provides = |p: &&std::sync::Arc<CloudProduct>| {
            let shown = !p.spec.withdrawn || keeper.platforms.contains(&p.spec.platform);
            p.spec.offering == name && shown
        };
        products.iter().filter(provides).cloned().collect()
    };
    let mut offerings = cluster.offerings();
    offerings.sort_by_key(|o| {
        (
            o.spec.withdrawn,
            o.spec.class,
            o.spec.category,
            o.name_any(),
        )
    });
    Ok(offerings
        .into_iter()
        .map(|offering| {
            let products = of(&offering);
            (offering, products)
        })
        .collect())
}

fn found(lang: Lang, offering: &ServiceOffering, q: &str) -> bool {
    let spec = &offering.spec;
    let said = |code: &str| {
        let about = spec
            .description
            .as_ref()
            .map_or("", |text| text.in_language(code));
        format!("{} {about}", spec.display_name.in_language(code))
    };
    let text = format!(
        "{} {} {}",
        offering.name_any(),
        said(lang.code()),
        said(lang.other().code())
    );
    text.to_lowercase().contains(&q.to_lowercase())
}

fn service(
    visit: &Visit,
    visible: &Visible,
    keeper: &Keeper,
    offering: &ServiceOffering,
    products: &[std::sync::Arc<CloudProduct>],
) -> Service {
    let (lang, spec, id) = (visit.reader.lang, &offering.spec, offering.name_any());
    let category = spec.category;
    let zones: Vec<_> = spec
        .zones
        .iter()
        .map(|zone| words::zone(lang, *zone).to_owned())
        .collect();
    Service {
        name: spec.display_name.in_language(lang.code()).to_owned(),
        category: lang.find(&format!("category.{category:?}")).unwrap_or(""),
        description: spec
            .description
            .as_ref()
            .map_or("", |text| text.in_language(lang.code()))
            .to_owned(),
        zones: lang.join(&zones),
        promises: spec
            .sla
            .as_ref()
            .map(|sla| promises(lang, sla))
            .unwrap_or_default(),
        contact: spec.contact.clone(),
        providers: products
            .iter()
            .map(|product| provider(lang, visible, keeper, offering, product))
            .collect(),
        withdrawn: spec.withdrawn,
        start: format!("/requests/new?offering={id}"),
        keep: keeper
            .offers
            .then(|| format!("/catalog/services/{id}/keep")),
        provide: (!keeper.platforms.is_empty())
            .then(|| format!("/catalog/products/new?offering={id}")),
        id,
    }
}

fn promises(lang: Lang, sla: &ServiceLevel) -> Vec<String> {
    let availability = sla.availability_percent.as_deref();
    let days = sla.delivery_working_days.map(|n| n.to_string());
    let told = [
        availability.map(|n| lang.say("sla.availability", &[("percent", n)])),
        days.map(|n| lang.say("sla.delivery", &[("n", &n)])),
        sla.support_hours
            .as_deref()
            .map(|hours| lang.say("sla.support", &[("hours", hours)])),
    ];
    told.into_iter().flatten().collect()
}

fn provider(
    lang: Lang,
    visible: &Visible,
    keeper: &Keeper,
    offering: &ServiceOffering,
    product: &CloudProduct,
) -> Provider {
    let spec = &product.spec;
    let size = |name: &str| {
        let known = offering.spec.sizes.iter().find(|s| s.name == name);
        let unit = offering.spec.unit.in_language(lang.code());
        known
            .map_or(unit, |s| s.display_name.in_language(lang.code()))
            .to_owned()
    };
    let prices = spec.sizes.iter().map(|s| {
        (
            size(&s.name),
            words::monthly(lang, s.price.as_ref().map(|p| p.monthly)),
        )
    });
    let id = visible
        .general
        .contains(&Kind::CloudProduct)
        .then(|| product.name_any());
    Provider {
        id,
        platform: visible.names.platform(lang, &spec.platform).to_owned(),
        zone: words::zone(lang, spec.zone),
        fulfilment: match spec.fulfilment {
            Fulfilment::Automatic => lang.find("fulfilment.Automatic").unwrap_or(""),
            Fulfilment::WorkOrder => lang.find("fulfilment.WorkOrder").unwrap_or(""),
        },
        stock: spec
            .stock
            .map(|n| lang.say("catalog.stock", &[("n", &n.to_string())])),
        prices: prices.collect(),
        withdrawn: spec.withdrawn,
        keep: keeper
            .platforms
            .contains(&spec.platform)
            .then(|| format!("/catalog/products/{}/keep", product.name_any())),
    }
}

/// The catalog as a file: a row for each size of each product.
///
/// # Errors
/// The person may not see it, or the hub gives no answer.
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let lang = visit.reader.lang;
    let head = [
        "table.service",
        "table.class",
        "table.platform",
        "table.zone",
        "table.fulfilment",
        "table.size",
        "table.price",
        "table.state",
    ];
    let mut rows = Vec::new();
    let reader = Keeper::default();
    for (offering, products) in services(&visit, &visible, &reader)? {
        let service = service(&visit, &visible, &reader, &offering, &products);
        let class = offering.spec.class;
        let class = lang
            .find(&format!("service-class.{class:?}"))
            .unwrap_or("")
            .to_owned();
        let state = lang
            .t(if service.withdrawn {
                "catalog.withdrawn"
            } else {
                "catalog.offered"
            })
            .to_owned();
        for provider in &service.providers {
            for (size, price) in &provider.prices {
                rows.push(vec![
                    service.name.clone(),
                    class.clone(),
                    provider.platform.clone(),
                    provider.zone.to_owned(),
                    provider.fulfilment.to_owned(),
                    size.clone(),
                    price.clone(),
                    state.clone(),
                ]);
            }
        }
        if service.providers.is_empty() {
            let mut row = vec![service.name, class];
            row.extend(std::iter::repeat_n(String::new(), 5));
            row.push(state);
            rows.push(row);
        }
    }
    let table = Table {
        file: "catalog",
        head: &head.map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}
