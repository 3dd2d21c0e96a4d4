//! The only place where flags and environment variables are read.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// The portal of Qipan.
#[derive(Debug, Parser)]
#[command(name = "qipan-portal", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the pages.
    Serve(Serve),
}

/// Flags of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    /// Kubeconfig of the hub. Absent: the in-cluster account, or what kubectl would use.
    #[arg(long, env = "QIPAN_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Address to serve pages on. Port 0 takes a free one and prints it.
    #[arg(long, env = "QIPAN_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address for /livez, /readyz and /metrics. Absent: the same as the pages'.
    #[arg(long, env = "QIPAN_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
    /// File that the address of the pages is written to once it is bound.
    #[arg(long, env = "QIPAN_ADDRESS_FILE")]
    pub address_file: Option<PathBuf>,
    /// Namespace of Qipan's own objects.
    #[arg(long, env = "QIPAN_NAMESPACE", default_value = "qipan-system")]
    pub namespace: String,
    /// Offer the demo sign-in, in which anybody may take any post. Never where others can reach the portal.
    #[arg(long, env = "QIPAN_DEMO")]
    pub demo: bool,
    /// The address under which browsers reach the portal, for example `https://portal.example.gov.cn`.
    #[arg(long, env = "QIPAN_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// How the log is written.
    #[arg(long, env = "QIPAN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
