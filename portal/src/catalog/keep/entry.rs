//! What an entry of a catalog is to the pages that keep it, and what they go by.

use std::sync::Arc;

use crds::resource_request::Phase;
use crds::{CloudProduct, ResourceRequest, ServiceOffering};
use kube::core::ClusterResourceScope;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::product;
use super::rights::Keeper;
use crate::access::Visible;
use crate::fields::{Group, Wrong};
use crate::forms::Fields;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::requests;

/// What a form of the catalogs goes by: what stands in them, and where the person may put something.
pub struct Catalogs {
    /// The services.
    pub offerings: Vec<Arc<ServiceOffering>>,
    /// The products.
    pub products: Vec<Arc<CloudProduct>>,
    /// The requests that are not over.
    pub requests: Vec<Arc<ResourceRequest>>,
    /// Places that the person provides: what is sent, and its words.
    pub places: Vec<(String, String)>,
}

impl Catalogs {
    pub(super) fn of(visit: &Visit, wording: &Wording, visible: &Visible, keeper: &Keeper) -> Self {
        let cluster = &visit.state.cluster;
        let mut requests = cluster.requests();
        requests.retain(|request| is_open(request));
        Self {
            offerings: cluster.offerings(),
            products: cluster.products(),
            requests,
            places: product::places(wording, visible, keeper),
        }
    }

    /// A service by its name.
    #[must_use]
    pub fn offering(&self, name: &str) -> Option<&ServiceOffering> {
        let found = self.offerings.iter().find(|o| o.name_any() == name);
        found.map(AsRef::as_ref)
    }
}

/// Whether a request has still to be delivered.
fn is_open(request: &ResourceRequest) -> bool {
    match requests::phase(request) {
        Phase::Draft
        | Phase::Submitted
        | Phase::Reviewing
        | Phase::Returned
        | Phase::Approved
        | Phase::Provisioning => true,
        Phase::Delivered | Phase::Accepted | Phase::Rejected | Phase::Withdrawn => false,
    }
}

/// An entry of a catalog that is kept by a form. All of it is pure.
pub trait Entry:
    Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
{
    /// What its keeper says.
    type Spec: Serialize + Sync + Send;

    /// Where its pages are.
    const PLACE: &'static str;
    /// The word for a new one, in the message files.
    const NEW: &'static str;
    /// Whether its form has lists of which there may be more.
    const ROWS: bool;
    /// Whether a new one is of a service, which its address names.
    const OF_SERVICE: bool;
    /// Its plural in the API.
    const PLURAL: &'static str;

    /// Those that stand in the catalog.
    fn all(catalogs: &Catalogs) -> &[Arc<Self>];

    /// Whether somebody keeps it: one that stands there, or a new one.
    fn kept_by(keeper: &Keeper, one: Option<&Self>) -> bool;

    /// What it is called.
    fn called(&self, lang: Lang) -> String;

    /// The service that it is, or provides.
    fn service(&self) -> String;

    /// An entry of a name.
    fn made(name: &str, spec: Self::Spec) -> Self;

    /// What its keeper said of it.
    fn spec(&self) -> &Self::Spec;

    /// The fields that say it.
    fn filled(&self) -> Fields;

    /// The form.
    fn groups(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Vec<Group>;

    /// What the fields say.
    ///
    /// # Errors
    /// What is wrong with them.
    fn read(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Result<Self::Spec, Vec<Wrong>>;

    /// Whom a change concerns, and what to know before making it.
    fn effects(&self, lang: Lang, before: Option<&Self>, catalogs: &Catalogs) -> Vec<String>;
}
