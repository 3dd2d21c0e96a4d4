//! The only place where flags and environment variables are read.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use crate::audit::chain::Algorithm;
use crate::db::DatabaseUrl;

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
    Serve(Box<Serve>),
    /// Prove, export or archive the ledger of acts.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Back up or restore the database.
    #[command(subcommand)]
    Db(DbCommand),
}

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove the chain, or name the first bad row.
    Verify(Verify),
    /// Write rows into a file. The export is a row itself.
    Export(Export),
    /// Move rows older than 180 days or more into a file. The chain says so, and goes on.
    Archive(Archive),
}

/// What can be done with the database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Write everything but sessions into a file, of one moment; the portal may go on running.
    Backup(Backup),
    /// Put a backup into an empty database, of either engine.
    Restore(Restore),
}

/// Where the hub is.
#[derive(Clone, Debug, clap::Args)]
pub struct Hub {
    /// Kubeconfig of the hub, where the head of the ledger is anchored.
    #[arg(long, env = "QIPAN_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of Qipan's own objects.
    #[arg(long, env = "QIPAN_NAMESPACE", default_value = "qipan-system")]
    pub namespace: String,
}

/// Flags of `audit verify`.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// Where the database is.
    #[command(flatten)]
    pub database: Database,
    /// Where the anchor is.
    #[command(flatten)]
    pub hub: Hub,
    /// File with heads that were kept elsewhere: lines of the portal's log, or `<seq> <hash>` each. May be repeated.
    #[arg(long)]
    pub heads: Vec<PathBuf>,
    /// Do not ask the hub: the chain alone cannot show that newest rows were cut off.
    #[arg(long)]
    pub without_anchor: bool,
    /// Archived segments to prove as well.
    #[arg(long = "segment")]
    pub segments: Vec<PathBuf>,
}

/// Flags of `audit export`.
#[derive(Clone, Debug, clap::Args)]
pub struct Export {
    /// Where the database is.
    #[command(flatten)]
    pub database: Database,
    /// From this day (Beijing time) or moment on.
    #[arg(long)]
    pub from: Option<String>,
    /// Before this day or moment.
    #[arg(long)]
    pub to: Option<String>,
    /// The file to make.
    #[arg(long)]
    pub out: PathBuf,
    /// As what.
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub format: ExportFormat,
    /// What the row of the export is hashed with.
    #[arg(long, env = "QIPAN_AUDIT_HASH", value_enum, default_value_t = Algorithm::Sha256)]
    pub audit_hash: Algorithm,
}

/// As what rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line: the chain can be computed from it.
    Jsonl,
    /// For a spreadsheet.
    Csv,
}

/// Flags of `audit archive`.
#[derive(Clone, Debug, clap::Args)]
pub struct Archive {
    /// Where the database is.
    #[command(flatten)]
    pub database: Database,
    /// Where the anchor is: the chain is proven before anything leaves it.
    #[command(flatten)]
    pub hub: Hub,
    /// Do not ask the hub.
    #[arg(long)]
    pub without_anchor: bool,
    /// Rows recorded before this day (Beijing time); at least 180 days ago.
    #[arg(long)]
    pub before: String,
    /// The folder for the file.
    #[arg(long)]
    pub to: PathBuf,
    /// What the row of the archiving is hashed with.
    #[arg(long, env = "QIPAN_AUDIT_HASH", value_enum, default_value_t = Algorithm::Sha256)]
    pub audit_hash: Algorithm,
}

/// Flags of `db backup`.
#[derive(Clone, Debug, clap::Args)]
pub struct Backup {
    /// Where the database is.
    #[command(flatten)]
    pub database: Database,
    /// The file to make.
    #[arg(long)]
    pub to: PathBuf,
}

/// Flags of `db restore`.
#[derive(Clone, Debug, clap::Args)]
pub struct Restore {
    /// Where the empty database is; its tables are made.
    #[command(flatten)]
    pub database: Database,
    /// The backup.
    #[arg(long)]
    pub from: PathBuf,
}

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
pub struct Database {
    /// `sqlite:<file>`, or `postgres://<user>:<password>@<host>/<database>` (then rather in a file: arguments are seen by
    /// everybody on the machine).
    #[arg(
        long,
        env = "QIPAN_DATABASE_URL",
        hide_env_values = true,
        conflicts_with = "database_url_file"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// File that holds the URL, for example of a mounted Secret.
    #[arg(long, env = "QIPAN_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
}

/// Where the database is if nobody says.
const DEFAULT_DATABASE: &str = "sqlite:qipan-portal.db";

impl Database {
    /// The URL that was given, or the default: a file in the working directory.
    ///
    /// # Errors
    /// The file cannot be read, or holds no usable URL.
    pub fn url(&self) -> anyhow::Result<DatabaseUrl> {
        match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| {
                    format!("failed to read the database's URL from {}", file.display())
                })?;
                text.parse()
                    .with_context(|| format!("in {}", file.display()))
            }
            (None, None) => Ok(DEFAULT_DATABASE.parse()?),
        }
    }
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
    /// Where the database is.
    #[command(flatten)]
    pub database: Database,
    /// What new rows of the ledger are hashed with; rows that are there keep their own.
    #[arg(long, env = "QIPAN_AUDIT_HASH", value_enum, default_value_t = Algorithm::Sha256)]
    pub audit_hash: Algorithm,
    /// The hub's audit log, where the portal can read it: the ledger takes from it who changed what. Its policy must log
    /// writes of qipan.dev at the level `RequestResponse`.
    #[arg(long, env = "QIPAN_HUB_AUDIT_LOG")]
    pub hub_audit_log: Option<PathBuf>,
    /// Address of the operator's endpoint for ways in, for example `https://qipan-operator.qipan-system.svc:8443`. Absent:
    /// the portal hands out none.
    #[arg(long, env = "QIPAN_OPERATOR_URL", requires_all = ["operator_ca", "operator_token_file"])]
    pub operator_url: Option<String>,
    /// Certificate of who vouches for the operator, PEM.
    #[arg(long, env = "QIPAN_OPERATOR_CA")]
    pub operator_ca: Option<PathBuf>,
    /// File with a token of the portal's account for the audience qipan-operator. Read again as it is replaced.
    #[arg(long, env = "QIPAN_OPERATOR_TOKEN_FILE")]
    pub operator_token_file: Option<PathBuf>,
    /// File that says how people are notified outside the portal: mail server, SMS gateway, robots of DingTalk and WeCom,
    /// addresses. Absent: within the portal only.
    #[arg(long, env = "QIPAN_NOTIFICATIONS")]
    pub notifications: Option<PathBuf>,
    /// Font file (OpenType, also a collection) that forms are printed with; may be repeated, the first that has a character
    /// sets it. Absent: the machine's Noto Sans CJK.
    #[arg(long = "pdf-font", env = "QIPAN_PDF_FONT")]
    pub pdf_fonts: Vec<PathBuf>,
    /// Offer the demo sign-in, in which anybody may take any post. Never where others can reach the portal.
    #[arg(long, env = "QIPAN_DEMO")]
    pub demo: bool,
    /// A session ends after so many minutes without use.
    #[arg(long, env = "QIPAN_SESSION_IDLE_MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..=720))]
    pub session_idle_minutes: u16,
    /// A session ends after so many hours in any case.
    #[arg(long, env = "QIPAN_SESSION_HOURS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=24))]
    pub session_hours: u16,
    /// The address under which browsers reach the portal, for example `https://portal.example.gov.cn`.
    #[arg(long, env = "QIPAN_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// The identity provider.
    #[command(flatten)]
    pub oidc: Oidc,
    /// How the log is written.
    #[arg(long, env = "QIPAN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// The identity provider (OpenID Connect). The claims and prefixes are those of the hub's `AuthenticationConfiguration`:
/// else the portal and the API server would see different people.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Oidc {
    /// The issuer, an https URL exactly as its tokens name it. Absent: nobody signs in at an identity provider.
    #[arg(long, env = "QIPAN_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,
    /// The portal's client id there.
    #[arg(long, env = "QIPAN_OIDC_CLIENT_ID", default_value = "qipan")]
    pub oidc_client_id: String,
    /// File that holds the client's secret. Absent: a public client, by PKCE alone.
    #[arg(long, env = "QIPAN_OIDC_CLIENT_SECRET_FILE")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// PEM file of the authorities that the provider's certificate is of. Absent: the system's.
    #[arg(long, env = "QIPAN_OIDC_CA_FILE")]
    pub oidc_ca_file: Option<PathBuf>,
    /// What is asked for beside `openid`.
    #[arg(
        long,
        env = "QIPAN_OIDC_SCOPES",
        value_delimiter = ',',
        default_value = "profile"
    )]
    pub oidc_scopes: Vec<String>,
    /// Other audiences that ID tokens may name beside the portal, for example the hub's. May be repeated.
    #[arg(
        long = "oidc-trusted-audience",
        env = "QIPAN_OIDC_TRUSTED_AUDIENCES",
        value_delimiter = ','
    )]
    pub oidc_trusted_audiences: Vec<String>,
    /// The claim that is the username.
    #[arg(
        long,
        env = "QIPAN_OIDC_USERNAME_CLAIM",
        default_value = "preferred_username"
    )]
    pub oidc_username_claim: String,
    /// What the API server puts before the username.
    #[arg(long, env = "QIPAN_OIDC_USERNAME_PREFIX", default_value = "")]
    pub oidc_username_prefix: String,
    /// The claim that lists the groups.
    #[arg(long, env = "QIPAN_OIDC_GROUPS_CLAIM", default_value = "groups")]
    pub oidc_groups_claim: String,
    /// What the API server puts before each group.
    #[arg(long, env = "QIPAN_OIDC_GROUPS_PREFIX", default_value = "")]
    pub oidc_groups_prefix: String,
    /// The claim that names the administrative level, which pages show.
    #[arg(long, env = "QIPAN_OIDC_LEVEL_CLAIM", default_value = "level")]
    pub oidc_level_claim: String,
    /// The authentication context (`acr`) that a risky act asks for. Absent: any new proof of identity will do.
    #[arg(long, env = "QIPAN_OIDC_STEP_UP_ACR")]
    pub oidc_step_up_acr: Option<String>,
    /// How far the provider's clock may differ.
    #[arg(long, env = "QIPAN_OIDC_SKEW_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=300))]
    pub oidc_skew_seconds: u16,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
