//! What is asked for: the part of a request that never changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::ResourceList;
use crate::tenant_quota::{FundingSource, LeafSpec};
use crate::words::{Day, Zone};

/// What is asked for, why, for whom, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("x-kubernetes-validations" = [
        { "rule": "self.type in ['New', 'Exception'] || self.items.all(i, has(i.grant) || has(i.delivered))", "message": "spec.application.items[].grant: a Change, Renew or Release names the TenantQuota that it is about, and where that was delivered by hand the request and item of then, in delivered" },
        { "rule": "self.type in ['Change', 'Renew', 'Release'] || self.items.all(i, !has(i.delivered))", "message": "spec.application.items[].delivered: only what is changed, renewed or released was delivered before; say product, size and count" },
        { "rule": "self.type == 'Change' || self.items.all(i, !has(i.delivered) || !has(i.product))", "message": "spec.application.items[].delivered: renewed or released is all of what was delivered by hand; leave out product, size and count" },
        { "rule": "self.type != 'Renew' || has(self.until)", "message": "spec.application.until: a Renew says until when" },
        { "rule": "self.type in ['Renew', 'Release'] || self.items.all(i, has(i.size) || has(i.resources) && i.resources.size() > 0)", "message": "spec.application.items[]: say product, size and count, or resources" },
        { "rule": "!has(self.until) || !has(self.from) || self.from <= self.until", "message": "spec.application.until: not before from" },
    ])
)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// New, Change (of a grant), Renew (its lease), Release, or Exception (growth on a frozen platform: something new, or
    /// more of the grant that an item names).
    #[serde(rename = "type")]
    pub type_: ApplicationType,
    /// Production, Test (a tenancy of some days), or Emergency (应急开通: opened at once, reviewed afterwards).
    pub environment: Environment,
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 128))]
    pub title: String,
    /// The `InformationSystem` in the same namespace that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    pub system: Option<String>,
    /// The project behind it. Needed for production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// The user for whom a service account asks. Neither may approve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub on_behalf_of: Option<String>,
    /// Why it is needed, and how the amount was reckoned.
    #[schemars(length(min = 1, max = 4096))]
    pub justification: String,
    /// What is asked for, over any platforms and zones.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub items: Vec<Item>,
    /// Documents, by digest; their content is in the portal's store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub attachments: Vec<Attachment>,
    /// The first day that it is needed: what was approved before is opened that day (`BeginsLater`), its capacity kept until then.
    /// A renewal and an emergency do not wait. Absent: as soon as it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day that it is needed. Absent: no end, or for a test tenancy the profile's number of days. A Change without
    /// it keeps the end of the grant, but that of a test tenancy which goes into production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

/// What is done.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ApplicationType {
    /// 新增.
    New,
    /// 变更: the amounts are the grant's new ones; what is not named stays.
    Change,
    /// 续期.
    Renew,
    /// 释放.
    Release,
    /// 例外: growth on a frozen platform. The amounts are the grant's new ones where it names one that is there.
    Exception,
}

/// What it is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Environment {
    /// 生产.
    Production,
    /// 测试.
    Test,
    /// 应急开通.
    Emergency,
}

/// One line of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("x-kubernetes-validations" = [
        { "rule": "has(self.size) == has(self.count)", "message": "size and count go together" },
        { "rule": "!has(self.size) || has(self.product)", "message": "product: a size is one of a CloudProduct" },
        { "rule": "!has(self.delivered) || !has(self.grant) && has(self.product) == has(self.size) && !(has(self.resources) && self.resources.size() > 0) && !(has(self.namespaces) && self.namespaces.size() > 0)", "message": "delivered: it names what was delivered by hand; leave out grant, resources and namespaces, and say product, size and count only where they change" },
        { "rule": "!(has(self.size) && has(self.resources) && self.resources.size() > 0)", "message": "say size and count, or resources, and not both" },
    ])
)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Name, unique in the application.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The `ServiceOffering` as the department chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub offering: Option<String>,
    /// The `CloudProduct` that provides it. Absent where plain resources are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub product: Option<String>,
    /// The `CloudPlatform`.
    #[schemars(length(min = 1, max = 63))]
    pub platform: String,
    /// The zone.
    pub zone: Zone,
    /// The pool. Absent for what takes nothing from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub pool: Option<String>,
    /// The size of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub size: Option<String>,
    /// How many of the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub count: Option<u32>,
    /// Plain resources, where no size is named.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub resources: ResourceList,
    /// Answers to the offering's questions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub parameters: BTreeMap<String, String>,
    /// The `TenantQuota` that is changed, renewed or released, or enlarged by an Exception; of a new one its name,
    /// `<request>-<item>` where absent.
    /// Items that name one grant are one grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub grant: Option<String>,
    /// What was delivered by hand and is changed, renewed or released. A Change says product, size and count as they are to
    /// be, of the same product; once it is delivered, this item is what stands. A Renew or Release is of all of it. The
    /// `WorkOrder` is given out to whoever runs the platform; once that is done the stock that it gives back is free again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<DeliveredItem>,
    /// The namespaces and their shares. One namespace without a share gets all of the item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub namespaces: Vec<LeafSpec>,
}

/// An item that was delivered by hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DeliveredItem {
    /// The `ResourceRequest` of the same unit.
    #[schemars(length(min = 1, max = 63))]
    pub request: String,
    /// The item of that request.
    #[schemars(length(min = 1, max = 20))]
    pub item: String,
}

/// The project behind an application (003 §5.3, 004 §5, §25, §28).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("x-kubernetes-validations" = [
        { "rule": "has(self.exemption) || has(self.approvalNumber) && has(self.funding) && self.funding.size() > 0", "message": "project: an approval number and the funding, or a recorded exemption" },
        { "rule": "!has(self.funding) || self.funding.size() == 0 || self.funding.map(f, f.percent).sum() == 100", "message": "project.funding[].percent: the shares add up to 100" },
    ])
)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Name of the project.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Number of its approval (立项批复文号).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub approval_number: Option<String>,
    /// Who pays which share; the shares add up to 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub funding: Vec<FundingShare>,
    /// Reviews on record. Needed for production.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub reviews: Vec<Review>,
    /// MLPS level that the system is graded at, or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub mlps_level: Option<u8>,
    /// The responsible post (责任岗位), never a person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub responsible_post: Option<String>,
    /// Why it needs none of this: what it rests on and who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Exemption>,
}

/// A share of the funding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FundingShare {
    /// Where the money comes from.
    pub source: FundingSource,
    /// Its share in percent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
    /// A document or budget number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reference: Option<String>,
}

/// A review on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// What was reviewed.
    pub kind: ReviewKind,
    /// Document number.
    #[schemars(length(min = 1, max = 128))]
    pub number: String,
    /// Its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Day>,
}

/// What is reviewed before a system goes into production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReviewKind {
    /// 信创.
    XinChuang,
    /// 数据.
    Data,
    /// 电子文件归档.
    ElectronicFiles,
    /// 安全.
    Security,
}

/// A recorded exemption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exemption {
    /// What it rests on.
    #[schemars(length(min = 1, max = 512))]
    pub basis: String,
    /// The post that granted it.
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
}

/// A document, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// File name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Digest of its content.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// Its size in bytes.
    #[schemars(range(min = 1, max = 104_857_600))]
    pub size: i64,
    /// Its media type.
    #[schemars(length(min = 1, max = 128))]
    pub media_type: String,
}
