//! What somebody has written of an application so far, as they wrote it: kept as a draft, nothing of it lost by being wrong.

use std::collections::{BTreeMap, BTreeSet};

use crds::Quantity;
use crds::resource_request::application::{
    Application, ApplicationType, Attachment, DeliveredItem, Environment, Exemption, FundingShare,
    Item, Project, Review, ReviewKind,
};
use crds::tenant_quota::{FundingSource, LeafSpec};
use crds::words::Day;
use crds::{CloudProduct, ResourceList, resource_name};
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};

use crate::figures::Unit;
use crate::ground::Ground;

/// Where money comes from, in the order of the form.
pub const SOURCES: [FundingSource; 5] = [
    FundingSource::OwnBudget,
    FundingSource::ProvincialPurchase,
    FundingSource::Project,
    FundingSource::Shared,
    FundingSource::SuperiorSystem,
];
/// What is reviewed, in the order of the form.
pub const REVIEWS: [ReviewKind; 4] = [
    ReviewKind::Security,
    ReviewKind::Data,
    ReviewKind::XinChuang,
    ReviewKind::ElectronicFiles,
];
/// How many funding shares the form asks for.
pub const SHARES: usize = 3;
/// What every change can state, in the order of the form.
const COMPARED: [&str; 3] = ["requests.cpu", "requests.memory", "requests.storage"];

/// The unit that an amount of a resource is stated in, and its suffix as Kubernetes writes it.
#[must_use]
pub fn unit_of(resource: &str) -> (&'static str, &'static str) {
    match Unit::of(resource, Quantity::ZERO) {
        Unit::Cores => ("cores", ""),
        Unit::Count => ("count", ""),
        Unit::Decimal | Unit::Binary => ("GB", "G"),
    }
}

/// The resources of which a change can state the amount: those that every platform is compared by, then what else the
/// unit's grants hold.
#[must_use]
pub fn stated(ground: &Ground) -> Vec<String> {
    let held = ground
        .grants
        .iter()
        .flat_map(|grant| grant.spec.hard.0.keys());
    let more: BTreeSet<_> = held
        .filter_map(|name| resource_name::canonical(name).ok())
        .filter(|name| !COMPARED.contains(&name.as_str()))
        .collect();
    COMPARED
        .map(str::to_owned)
        .into_iter()
        .chain(more)
        .collect()
}

/// An application as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// The unit that asks.
    pub tenant: String,
    /// What is done.
    pub type_: ApplicationType,
    /// What it is for.
    pub environment: Environment,
    /// Its title, reasons and days.
    #[serde(default)]
    pub basics: Basics,
    /// What is asked for.
    #[serde(default)]
    pub items: Vec<ItemForm>,
    /// The system that it is for.
    #[serde(default)]
    pub system: SystemForm,
    /// The project behind it.
    #[serde(default)]
    pub project: ProjectForm,
    /// Its documents, which are kept with the draft.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// Title, reasons, days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Basics {
    /// In a line.
    pub title: String,
    /// Why, and how the amount was reckoned.
    pub justification: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub until: String,
}

/// One line of the application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemForm {
    /// Its name.
    pub name: String,
    /// The service.
    pub offering: String,
    /// The product that provides it.
    pub product: String,
    /// The size.
    pub size: String,
    /// How many.
    pub count: String,
    /// Answers to the service's questions.
    pub parameters: BTreeMap<String, String>,
    /// The namespace that it is used in.
    pub namespace: String,
    /// The grant that is changed, renewed or released.
    pub grant: String,
    /// The new amounts of a change, by resource, in the units of the form.
    pub amounts: BTreeMap<String, String>,
}

/// The system that it is for: none, one that is registered, or one to be registered with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemForm {
    /// `none`, `new`, or `registered:<name>`; empty where the question was not answered.
    pub choice: String,
    /// A new one's identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The post that answers for it.
    pub owner: String,
    /// Who built it.
    pub category: String,
    /// Where it is hosted.
    pub hosting: String,
    /// Its MLPS level.
    pub mlps: String,
}

/// The project behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectForm {
    /// Its name.
    pub name: String,
    /// `approved` or `exempt`; empty where the question was not answered.
    pub basis: String,
    /// Number of its approval.
    pub approval: String,
    /// Funding shares: source, percent, reference.
    pub shares: Vec<(String, String, String)>,
    /// Reviews in the order of the form: number, day.
    pub reviews: Vec<(String, String)>,
    /// MLPS level.
    pub mlps: String,
    /// The responsible post.
    pub post: String,
    /// What an exemption rests on.
    pub exemption: String,
    /// Who granted it.
    pub exempted_by: String,
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A day as a browser writes it.
#[must_use]
pub fn day(text: &str) -> Option<Day> {
    text.parse().ok().map(Day)
}

impl SystemForm {
    /// The system by its identifier, once one was chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<String> {
        match self.choice.as_str() {
            "new" => some(&self.id),
            other => other.strip_prefix("registered:").and_then(some),
        }
    }
}

impl Form {
    /// A new one.
    #[must_use]
    pub fn begin(tenant: &str, type_: ApplicationType, environment: Environment) -> Self {
        Self {
            tenant: tenant.to_owned(),
            type_,
            environment,
            basics: Basics::default(),
            items: Vec::new(),
            system: SystemForm::default(),
            project: ProjectForm::default(),
            attachments: Vec::new(),
        }
    }

    /// What its owner calls it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.basics.title
    }

    /// Whether its lines may be services of the catalog; those of others are grants of the unit.
    #[must_use]
    pub const fn by_catalog(&self) -> bool {
        matches!(
            self.type_,
            ApplicationType::New | ApplicationType::Exception
        )
    }

    /// Whether its lines may be grants of the unit.
    #[must_use]
    pub const fn takes_grants(&self) -> bool {
        !matches!(self.type_, ApplicationType::New)
    }

    /// Whether a line is about a service of the catalog; else it is about a grant.
    #[must_use]
    pub const fn is_service(&self, item: &ItemForm) -> bool {
        self.by_catalog() && item.grant.is_empty()
    }

    /// Whether a line about a grant says how much it is to be.
    #[must_use]
    pub const fn states_amounts(&self) -> bool {
        matches!(
            self.type_,
            ApplicationType::Change | ApplicationType::Exception
        )
    }

    /// Whether a line may be about what was delivered by hand.
    #[must_use]
    pub const fn takes_deliveries(&self) -> bool {
        matches!(
            self.type_,
            ApplicationType::Change | ApplicationType::Renew | ApplicationType::Release
        )
    }

    /// Whether a line about what was delivered by hand says how much it is to be.
    #[must_use]
    pub const fn states_count(&self) -> bool {
        matches!(self.type_, ApplicationType::Change)
    }

    /// Whether the project behind it must be named.
    #[must_use]
    pub fn needs_project(&self) -> bool {
        self.environment == Environment::Production
            && !matches!(
                self.type_,
                ApplicationType::Renew | ApplicationType::Release
            )
    }

    /// Whether it says for which system it is.
    #[must_use]
    pub const fn asks_system(&self) -> bool {
        self.by_catalog()
    }

    /// A name for one more line.
    #[must_use]
    pub fn free_name(&self, base: &str) -> String {
        let base: String = base
            .chars()
            .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .take(16)
            .collect();
        let base = base.trim_matches('-');
        let base = if base.is_empty() { "item" } else { base };
        let taken = |name: &str| self.items.iter().any(|item| item.name == name);
        if !taken(base) {
            return base.to_owned();
        }
        let numbered = (2..100).map(|n| format!("{base}-{n}"));
        numbered
            .into_iter()
            .find(|name| !taken(name))
            .unwrap_or_default()
    }

    /// The application, as far as it is written: what cannot be read is left out, and [`super::check`] says so.
    #[must_use]
    pub fn application(&self, ground: &Ground) -> Application {
        Application {
            type_: self.type_,
            environment: self.environment,
            title: self.basics.title.clone(),
            system: self.system.chosen().filter(|_| self.asks_system()),
            project: self.project(),
            on_behalf_of: None,
            justification: self.basics.justification.clone(),
            items: self
                .items
                .iter()
                .filter_map(|item| self.item(item, ground))
                .collect(),
            attachments: self.attachments.clone(),
            from: day(&self.basics.from),
            until: day(&self.basics.until),
        }
    }

    fn project(&self) -> Option<Project> {
        let form = &self.project;
        if form.name.is_empty() || form.basis.is_empty() {
            return None;
        }
        let approved = form.basis == "approved";
        let shares = form
            .shares
            .iter()
            .filter_map(|(source, percent, reference)| {
                Some(FundingShare {
                    source: SOURCES.into_iter().find(|s| format!("{s:?}") == *source)?,
                    percent: percent.parse().ok()?,
                    reference: some(reference),
                })
            });
        let reviews = form
            .reviews
            .iter()
            .zip(REVIEWS)
            .filter_map(|((number, date), kind)| {
                let number = some(number)?;
                Some(Review {
                    kind,
                    number,
                    date: day(date),
                })
            });
        let exemption = Exemption {
            basis: form.exemption.clone(),
            by: form.exempted_by.clone(),
        };
        Some(Project {
            name: form.name.clone(),
            approval_number: some(&form.approval).filter(|_| approved),
            funding: if approved {
                shares.collect()
            } else {
                Vec::new()
            },
            reviews: reviews.collect(),
            mlps_level: form.mlps.parse().ok(),
            responsible_post: some(&form.post),
            exemption: (!approved).then_some(exemption),
        })
    }

    fn item(&self, form: &ItemForm, ground: &Ground) -> Option<Item> {
        if self.is_service(form) {
            let product = ground.product(&form.product)?;
            return Some(of_product(form, product));
        }
        if let Some((named, there)) = ground.delivered(&form.grant) {
            let all = of_delivery(form, named, there);
            return Some(if self.states_count() {
                changed(form, there, all)
            } else {
                all
            });
        }
        let grant = ground.grants.iter().find(|g| g.name_any() == form.grant)?;
        let resources = if self.states_amounts() {
            amounts(form)
        } else {
            ResourceList::default()
        };
        Some(Item {
            name: form.name.clone(),
            offering: None,
            product: None,
            platform: grant.spec.platform.clone(),
            zone: grant.spec.zone,
            pool: Some(grant.spec.pool.clone()),
            size: None,
            count: None,
            resources,
            parameters: BTreeMap::new(),
            grant: Some(form.grant.clone()),
            delivered: None,
            namespaces: Vec::new(),
        })
    }
}

/// What was delivered by hand, all of it.
fn of_delivery(form: &ItemForm, named: &DeliveredItem, there: &Item) -> Item {
    Item {
        name: form.name.clone(),
        offering: None,
        product: None,
        platform: there.platform.clone(),
        zone: there.zone,
        pool: None,
        size: None,
        count: None,
        resources: ResourceList::default(),
        parameters: BTreeMap::new(),
        grant: None,
        delivered: Some(named.clone()),
        namespaces: Vec::new(),
    }
}

/// What was delivered by hand, as it is to be.
fn changed(form: &ItemForm, there: &Item, all: Item) -> Item {
    Item {
        offering: there.offering.clone(),
        product: there.product.clone(),
        pool: there.pool.clone(),
        size: some(&form.size).or_else(|| there.size.clone()),
        count: Some(form.count.parse().unwrap_or(1)),
        parameters: there.parameters.clone(),
        ..all
    }
}

fn of_product(form: &ItemForm, product: &CloudProduct) -> Item {
    let leaf = |name: String| LeafSpec {
        name,
        hard: ResourceList::default(),
        system: None,
        mlps_level: None,
        pod_security: crds::tenant_quota::PodSecurity::default(),
    };
    let answered = form
        .parameters
        .iter()
        .filter(|(_, answer)| !answer.is_empty());
    Item {
        name: form.name.clone(),
        offering: some(&form.offering),
        product: some(&form.product),
        platform: product.spec.platform.clone(),
        zone: product.spec.zone,
        pool: product.spec.pool.clone(),
        size: some(&form.size),
        count: Some(form.count.parse().unwrap_or(1)),
        resources: ResourceList::default(),
        parameters: answered.map(|(k, v)| (k.clone(), v.clone())).collect(),
        grant: None,
        delivered: None,
        namespaces: some(&form.namespace).map(leaf).into_iter().collect(),
    }
}

/// The amounts that a change states.
#[must_use]
pub fn amounts(form: &ItemForm) -> ResourceList {
    let stated = form.amounts.iter().filter_map(|(name, text)| {
        let (_, suffix) = unit_of(name);
        let quantity: Quantity = format!("{text}{suffix}").parse().ok()?;
        Some((name.clone(), quantity))
    });
    ResourceList(stated.collect())
}
