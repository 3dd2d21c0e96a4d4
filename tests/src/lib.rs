//! The harness: real control planes on the loopback, our manifests in them, our binaries against them.
//!
//! A test says what it needs and gets clients; what it started is gone when its process is, however that ended.
//! Nothing here stands in for Kubernetes. With `QIPAN_HUB_KUBECONFIG` set, that cluster is the hub and its own member.

mod apply;
mod audit;
pub mod browser;
mod certificates;
mod clients;
pub mod course;
pub mod debian;
mod eventually;
pub mod faketime;
mod http;
mod install;
pub mod keycloak;
mod leaf;
mod mail;
mod postgres;
mod programs;
pub mod rights;
pub mod sample;
mod testbed;
pub mod tools;
mod way_in;
pub mod world;

pub use apply::{FIELD_MANAGER, apply_files, apply_yaml, yaml_files};
pub use audit::{AuditLog, Event, ObjectRef};
pub use certificates::{Authority, Identity};
pub use clients::{client_from_file, client_from_text};
pub use eventually::eventually;
pub use http::get;
pub use install::{
    NAMESPACE, hub_kubeconfig, install_hub, install_member, member_kubeconfig,
    register_member_secret,
};
pub use leaf::Leaf;
pub use mail::{Letter, Mail};
pub use postgres::Postgres;
pub use programs::{Operator, Options, Portal, Program, free_port};
pub use testbed::{HUB, Oidc, Spec, Testbed};
pub use way_in::{WayIn, operator_token};
