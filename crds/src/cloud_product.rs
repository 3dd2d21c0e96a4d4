//! `CloudProduct`: an entry of the product catalog, kept by the operations provider.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::money::Money;
use crate::quantity::ResourceList;
use crate::words::{Day, DisplayName, Zone};

/// What provides an offering on a platform.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "CloudProduct",
    plural = "cloudproducts",
    shortname = "qprod",
    category = "qipan",
    status = "CloudProductStatus",
    derive = "PartialEq",
    doc = "An entry of the product catalog (产品目录), kept by the operations provider: what provides a ServiceOffering in one zone of one platform, what each size is made of, what it costs, how many there are, and whether Qipan delivers it by itself or by a work order.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
    validation = Rule::new("self.spec.fulfilment != 'Automatic' || has(self.spec.pool)").message("spec.pool: what is delivered automatically names the pool that it comes from; without one, fulfilment is WorkOrder"),
    validation = Rule::new("self.spec.fulfilment != 'Automatic' || self.spec.sizes.all(s, has(s.resources) && s.resources.size() > 0)").message("spec.sizes[].resources: what is delivered automatically says what each size is made of"),
    validation = Rule::new("self.spec.fulfilment != 'WorkOrder' || !has(self.spec.pool) || self.spec.sizes.all(s, !has(s.resources) || s.resources.size() == 0)").message("spec.pool: what is delivered by hand is charged to no pool: leave out the pool or the sizes' resources and bound it by spec.stock, or have Qipan deliver it (fulfilment: Automatic)"),
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"Offering","type":"string","jsonPath":".spec.offering"}"#,
    printcolumn = r#"{"name":"Platform","type":"string","jsonPath":".spec.platform"}"#,
    printcolumn = r#"{"name":"Zone","type":"string","jsonPath":".spec.zone"}"#,
    printcolumn = r#"{"name":"Fulfilment","type":"string","jsonPath":".spec.fulfilment"}"#,
    printcolumn = r#"{"name":"Stock","type":"integer","jsonPath":".spec.stock"}"#,
    printcolumn = r#"{"name":"Withdrawn","type":"boolean","jsonPath":".spec.withdrawn"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CloudProductSpec {
    /// Name as the provider calls it.
    pub display_name: DisplayName,
    /// The `ServiceOffering` that it provides.
    #[schemars(length(min = 1, max = 63))]
    pub offering: String,
    /// The `CloudPlatform` that it is on.
    #[schemars(length(min = 1, max = 63))]
    pub platform: String,
    /// The zone.
    pub zone: Zone,
    /// The pool that it is taken from. Absent: it takes nothing from a pool (a domain, a channel). What is delivered by hand
    /// is charged to no pool: a ledger counts what is in force in clusters, and nobody sees that of a machine that was set
    /// up by hand. So a `WorkOrder` product names a pool only to say where the work is done, its sizes state no resources
    /// then, and its bound is stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub pool: Option<String>,
    /// The sizes: what one of each is made of, and its price.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sizes: Vec<ProductSize>,
    /// How many there are to give, over all sizes. Absent: only the pool bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub stock: Option<u32>,
    /// Automatic: Qipan writes the grant. `WorkOrder`: the operations provider does it by hand. Neither grows a frozen
    /// platform without an approved exception.
    pub fulfilment: Fulfilment,
    /// Whether it is no longer given out. What was delivered stays.
    #[serde(default)]
    pub withdrawn: bool,
}

/// One size of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductSize {
    /// The size of the offering, by name; `unit` where the offering has none.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What one of it takes from the pool: requests.cpu 2, requests.memory 4Gi. Of what is delivered by hand: what it is made
    /// of, as the order says it.
    #[serde(default)]
    pub resources: ResourceList,
    /// What one costs a month. Absent: 未定价, which is not free of charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// A price a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// Yuan a month.
    pub monthly: Money,
    /// Where it is laid down: the contract, the price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub basis: Option<String>,
    /// Its first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Day>,
}

/// How a product is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fulfilment {
    /// Qipan writes the grant.
    Automatic,
    /// The operations provider does it by hand.
    WorkOrder,
}

/// What the operator says of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudProductStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many were given out or are held by open requests, where there is a stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u32>,
    /// Ready: its offering, platform and pool are there.
    #[serde(default)]
    pub conditions: Conditions,
}
