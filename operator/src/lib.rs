//! Qipan's operator: observe → plan → apply, per kind. See `runtime` for the loop and `controllers` for what reacts.

pub mod admin;
pub mod args;
pub mod change_window;
pub mod children;
pub mod cloud_platform;
pub mod cloud_product;
pub mod controllers;
pub mod governance_profile;
pub mod information_system;
pub mod manifests;
pub mod member;
pub mod resource_request;
pub mod run;
pub mod runtime;
pub mod service_offering;
pub mod site;
pub mod tenant;
pub mod tenant_quota;
pub mod way_in;
pub mod work_order;
