//! Flags and environment: the only place where they are read.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Qipan's operator: brings what tenants were granted into force across the clusters of 1+N+M.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers.
    Run(Box<Run>),
    /// Print the roles that this program needs, for the chart and the member manifest.
    Manifests {
        /// Which.
        #[arg(value_enum)]
        which: Manifest,
    },
}

/// Which manifest to print.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Manifest {
    /// `ClusterRole` and `Role` on the hub.
    HubRoles,
    /// `ClusterRole` in a member.
    MemberRoles,
}

/// How the controllers run.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Kubeconfig of the hub; the pod's own service account where it is absent.
    #[arg(long, env = "QIPAN_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of Qipan's own objects.
    #[arg(long, env = "QIPAN_NAMESPACE", default_value = crds::keys::SYSTEM_NAMESPACE)]
    pub namespace: String,
    /// Address of /livez, /readyz and /metrics. Port 0 takes a free one and prints it.
    #[arg(long, env = "QIPAN_LISTEN", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// Where ways in are given.
    #[command(flatten)]
    pub way_in: WayIn,
    /// Name of this replica in the Lease; the pod's name.
    #[arg(long, env = "QIPAN_IDENTITY")]
    pub identity: Option<String>,
    /// Log filter, as in `RUST_LOG`.
    #[arg(
        long,
        env = "QIPAN_LOG",
        default_value = "info,kube_client=warn,tower=warn"
    )]
    pub log: String,
    /// Log as text for people or as JSON for machines.
    #[arg(long, env = "QIPAN_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
}

/// Where the portal asks for ways in (kubeconfigs of a few hours).
#[derive(Debug, clap::Args)]
pub struct WayIn {
    /// Address of that HTTPS endpoint. Absent: none are given.
    #[arg(id = "way_in_listen", long = "way-in-listen", env = "QIPAN_WAY_IN_LISTEN", requires_all = ["way_in_certificate", "way_in_key"])]
    pub listen: Option<SocketAddr>,
    /// Its certificate chain, PEM. Read again every 5 minutes.
    #[arg(
        id = "way_in_certificate",
        long = "way-in-certificate",
        env = "QIPAN_WAY_IN_CERTIFICATE"
    )]
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(id = "way_in_key", long = "way-in-key", env = "QIPAN_WAY_IN_KEY")]
    pub key: Option<PathBuf>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
