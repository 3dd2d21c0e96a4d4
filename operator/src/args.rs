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
    Run(Run),
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

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
