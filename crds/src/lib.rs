//! Qipan's language: the kinds of `qipan.dev/v1alpha1` and the arithmetic on them.
//!
//! One file per kind. No client, no runtime, no clock: the operator, the portal and the tests all speak it.
//! Doc comments of fields are the user's manual: `kubectl explain` prints them.

pub mod account;
pub mod approval;
pub mod calendar;
pub mod change_window;
pub mod cloud_platform;
pub mod cloud_product;
pub mod condition;
pub mod governance_profile;
pub mod information_system;
pub mod keys;
pub mod money;
pub mod money_budget;
pub mod offices;
pub mod quantity;
pub mod reason;
pub mod resource_name;
pub mod resource_request;
pub mod service_offering;
pub mod site;
pub mod tenant;
pub mod tenant_quota;
pub mod way_in;
pub mod words;
pub mod work_order;

pub use account::{Account, Reservation};
pub use change_window::ChangeWindow;
pub use cloud_platform::CloudPlatform;
pub use cloud_product::CloudProduct;
pub use condition::{Condition, ConditionStatus, ConditionType, Conditions, Verdict};
pub use governance_profile::GovernanceProfile;
pub use information_system::InformationSystem;
pub use quantity::{Quantity, Ratio, ResourceList};
pub use reason::Reason;
pub use resource_request::ResourceRequest;
pub use service_offering::ServiceOffering;
pub use site::Site;
pub use tenant::Tenant;
pub use tenant_quota::TenantQuota;
pub use work_order::WorkOrder;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

/// The API group of every kind.
pub const GROUP: &str = "qipan.dev";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";

/// Plurals of the kinds that a controller of the operator works on. Its roles hold nothing of the others.
pub const MANAGED: [&str; 11] = [
    "changewindows",
    "cloudplatforms",
    "cloudproducts",
    "governanceprofiles",
    "informationsystems",
    "resourcerequests",
    "serviceofferings",
    "sites",
    "tenantquotas",
    "tenants",
    "workorders",
];

/// Every kind there is: the one list that generators and completeness tests walk.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut kinds = vec![
        ChangeWindow::crd(),
        CloudPlatform::crd(),
        CloudProduct::crd(),
        GovernanceProfile::crd(),
        InformationSystem::crd(),
        ResourceRequest::crd(),
        ServiceOffering::crd(),
        Site::crd(),
        Tenant::crd(),
        TenantQuota::crd(),
        WorkOrder::crd(),
    ];
    let schemas = kinds.iter_mut().flat_map(|kind| &mut kind.spec.versions);
    for schema in schemas.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
    {
        strip_formats(schema);
    }
    kinds
}

/// Takes out the formats that Rust's unsigned integers bring and that the API server warns of; bounds say the same.
fn strip_formats(schema: &mut JSONSchemaProps) {
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = None;
    }
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        strip_formats(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        strip_formats(item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        strip_formats(value);
    }
}
