//! The control planes of a test: started, reached, disturbed and ended.

use std::os::unix::fs::symlink;
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use kube::{Client, config::Kubeconfig};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{AuditLog, clients, tools};

/// The name of the hub among the clusters.
pub const HUB: &str = "hub";

/// What a test needs to run on.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The member clusters, beside the hub.
    pub members: Vec<String>,
    /// Fake nodes by cluster, where other than six a member and none in the hub.
    pub nodes: BTreeMap<String, u32>,
    /// What one fake node offers: cpu, memory, pods.
    pub node: [String; 3],
    /// A token issuer that the hub's API server trusts.
    pub oidc: Option<Oidc>,
}

/// A token issuer (an API server takes only an https one).
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Its URL, as in the tokens.
    pub issuer: String,
    /// The PEM file of its certificate authority.
    pub ca: PathBuf,
    /// The audience that its tokens carry.
    pub client_id: String,
}

impl Default for Spec {
    fn default() -> Self {
        Self::with_members(&["province"])
    }
}

impl Spec {
    /// A hub and these members.
    #[must_use]
    pub fn with_members(members: &[&str]) -> Self {
        Self {
            members: members.iter().map(ToString::to_string).collect(),
            nodes: BTreeMap::new(),
            node: ["64", "256Gi", "500"].map(String::from),
            oidc: None,
        }
    }

    /// The arguments of `testbed up` that say this.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--cluster".to_owned(), HUB.to_owned()];
        for member in &self.members {
            arguments.extend(["--cluster".to_owned(), member.clone()]);
        }
        for (cluster, count) in &self.nodes {
            arguments.extend(["--nodes".to_owned(), format!("{cluster}={count}")]);
        }
        let [cpu, memory, pods] = &self.node;
        for (flag, value) in [
            ("--node-cpu", cpu),
            ("--node-memory", memory),
            ("--node-pods", pods),
        ] {
            arguments.extend([flag.to_owned(), value.clone()]);
        }
        if let Some(oidc) = &self.oidc {
            arguments.push(format!("--oidc-issuer={}", oidc.issuer));
            arguments.push(format!("--oidc-ca={}", oidc.ca.display()));
            arguments.push(format!("--oidc-client-id={}", oidc.client_id));
        }
        arguments
    }
}

/// Running control planes. Clients belong to the async runtime they were made in, so they are made on demand.
#[derive(Debug)]
pub struct Testbed {
    dir: PathBuf,
    clusters: BTreeMap<String, Cluster>,
    owner: Owner,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    kubeconfig: PathBuf,
    #[serde(default)]
    audit_log: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Report {
    dir: PathBuf,
    clusters: BTreeMap<String, Cluster>,
}

#[derive(Debug)]
enum Owner {
    /// We started it: it ends when its stdin does, so with this value or with this process.
    Us(Child),
    /// Somebody else's testbed (that of `make up`).
    Other,
    /// An existing cluster that is hub and member at once.
    External,
}

static SHARED: OnceCell<Testbed> = OnceCell::const_new();

impl Testbed {
    /// Starts control planes for one test (about 5 s for a hub and a member), or uses `QIPAN_HUB_KUBECONFIG`.
    pub async fn start(spec: Spec) -> Result<Self> {
        tokio::task::spawn_blocking(move || match env::var_os("QIPAN_HUB_KUBECONFIG") {
            Some(path) if !path.is_empty() => Self::external(&spec, Path::new(&path)),
            _ => Self::start_own(&spec),
        })
        .await?
    }

    /// The hub and the member `province` that all tests of one test binary share; nothing is installed in them.
    pub async fn shared() -> Result<&'static Self> {
        SHARED
            .get_or_try_init(|| Self::start(Spec::default()))
            .await
    }

    /// The testbed that already runs in a directory.
    pub fn attach(dir: &Path) -> Result<Self> {
        let status = tools::run(
            Command::new(tools::testbed()?)
                .args(["status", "--dir"])
                .arg(dir),
        )?;
        Self::from_report(&status, Owner::Other)
    }

    fn start_own(spec: &Spec) -> Result<Self> {
        let keep = env::var_os("QIPAN_KEEP").is_some_and(|v| !v.is_empty());
        // The supervisor removes it: it outlives the test by the moment that takes.
        let dir = tempfile::Builder::new()
            .prefix("qipan-testbed-")
            .tempdir()?
            .keep();
        let mut command = Command::new(tools::testbed()?);
        command
            .args(["up", "--watch-stdin", "--dir"])
            .arg(&dir)
            .args(spec.arguments());
        if keep {
            eprintln!("QIPAN_KEEP: logs and data stay in {}", dir.display());
        } else {
            command.arg("--ephemeral");
        }
        let log = std::fs::File::create(dir.join("supervisor.log"))?;
        // A group of its own: Ctrl-C reaches the test, and the test's end reaches the testbed in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("failed to start the testbed")?;
        let stdout = child.stdout.take().context("its stdout is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            let said = std::fs::read_to_string(dir.join("supervisor.log")).unwrap_or_default();
            bail!(
                "the testbed did not start (its files are in {}):\n{said}",
                dir.display()
            );
        }
        Self::from_report(&line, Owner::Us(child))
    }

    fn from_report(report: &str, owner: Owner) -> Result<Self> {
        let report: Report =
            serde_json::from_str(report).context("failed to read the testbed's report")?;
        Ok(Self {
            dir: report.dir,
            clusters: report.clusters,
            owner,
        })
    }

    fn external(spec: &Spec, kubeconfig: &Path) -> Result<Self> {
        let dir = external_dir()?;
        std::fs::create_dir(dir.join("logs"))?;
        let cluster = Cluster {
            kubeconfig: kubeconfig.canonicalize()?,
            audit_log: None,
        };
        let names = spec.members.iter().map(String::as_str).chain([HUB]);
        let clusters = names
            .map(|name| (name.to_owned(), cluster.clone()))
            .collect();
        Ok(Self {
            dir,
            clusters,
            owner: Owner::External,
        })
    }

    /// Whether the clusters are somebody's own: they cannot be stopped and have no audit log for us.
    #[must_use]
    pub fn is_external(&self) -> bool {
        matches!(self.owner, Owner::External)
    }

    /// Where everything of this testbed lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where logs go, those of our own programs too.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The names of the members.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.clusters
            .keys()
            .map(String::as_str)
            .filter(|name| *name != HUB)
    }

    /// The administrator's kubeconfig file of a cluster.
    pub fn admin_kubeconfig(&self, cluster: &str) -> Result<&Path> {
        Ok(&self.cluster(cluster)?.kubeconfig)
    }

    /// A command line for the testbed's own kubectl as a cluster's administrator.
    pub fn kubectl(&self, cluster: &str) -> Result<String> {
        let program = self.dir().join("kubectl");
        if !program.exists() {
            symlink(tools::testbed()?, &program)?;
        }
        let kubeconfig = self.admin_kubeconfig(cluster)?;
        Ok(format!(
            "{} --kubeconfig {}",
            program.display(),
            kubeconfig.display()
        ))
    }

    /// A client as a cluster's administrator.
    pub async fn client(&self, cluster: &str) -> Result<Client> {
        clients::client_from_file(self.admin_kubeconfig(cluster)?).await
    }

    /// A client as any user, with a certificate of its own (in an external cluster: impersonated).
    pub async fn client_as(&self, cluster: &str, user: &str, groups: &[&str]) -> Result<Client> {
        if self.is_external() {
            let kubeconfig = Kubeconfig::read_from(self.admin_kubeconfig(cluster)?)?;
            return clients::client(kubeconfig, Some((user, groups))).await;
        }
        let text = self
            .kubeconfig_for(cluster, user, groups, Duration::from_hours(1))
            .await?;
        clients::client_from_text(&text).await
    }

    /// A kubeconfig with a client certificate for any user; one of no duration has expired already.
    pub async fn kubeconfig_for(
        &self,
        cluster: &str,
        user: &str,
        groups: &[&str],
        ttl: Duration,
    ) -> Result<String> {
        ensure!(
            !self.is_external(),
            "certificates cannot be issued for an existing cluster"
        );
        let out = tempfile::NamedTempFile::new_in(&self.dir)?;
        let mut command = self.command("kubeconfig")?;
        command
            .args(["--cluster", cluster, "--user", user, "-o"])
            .arg(out.path());
        let ttl = if ttl.is_zero() {
            "-1m".to_owned()
        } else {
            format!("{}s", ttl.as_secs())
        };
        command.arg(format!("--ttl={ttl}"));
        for group in groups {
            command.args(["--group", group]);
        }
        blocking(command).await?;
        Ok(std::fs::read_to_string(out.path())?)
    }

    /// Takes a cluster's API server away, as a crash would; its data stays.
    pub async fn stop_cluster(&self, cluster: &str) -> Result<()> {
        self.tell("stop-cluster", cluster).await
    }

    /// Brings a stopped cluster back at the same address and waits until it is ready.
    pub async fn start_cluster(&self, cluster: &str) -> Result<()> {
        self.tell("start-cluster", cluster).await
    }

    /// Freezes a cluster's API server: connections stay open and nothing answers.
    pub async fn pause_cluster(&self, cluster: &str) -> Result<()> {
        self.tell("pause-cluster", cluster).await
    }

    /// Lets a paused API server go on.
    pub async fn resume_cluster(&self, cluster: &str) -> Result<()> {
        self.tell("resume-cluster", cluster).await
    }

    /// Empties a cluster: the same address and authorities, another `kube-system` UID.
    pub async fn wipe_cluster(&self, cluster: &str) -> Result<()> {
        self.tell("wipe-cluster", cluster).await
    }

    /// The audit log of a cluster; an external one has none.
    pub fn audit(&self, cluster: &str) -> Result<AuditLog> {
        let path = self.cluster(cluster)?.audit_log.clone();
        Ok(AuditLog::new(
            path.context("an existing cluster gives us no audit log")?,
        ))
    }

    async fn tell(&self, verb: &str, cluster: &str) -> Result<()> {
        ensure!(
            !self.is_external(),
            "an existing cluster is not ours to {verb}"
        );
        let mut command = self.command(verb)?;
        command.args(["--cluster", cluster]);
        blocking(command).await.map(drop)
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(tools::testbed()?);
        command.args([verb, "--dir"]).arg(&self.dir);
        Ok(command)
    }

    fn cluster(&self, name: &str) -> Result<&Cluster> {
        self.clusters
            .get(name)
            .with_context(|| format!("no cluster {name:?} in this testbed"))
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        match &mut self.owner {
            Owner::Us(child) => {
                // The end of its stdin is its word to stop; it is gone, with its directory, within a second.
                drop(child.stdin.take());
                let _ = child.wait();
            }
            Owner::External => {
                let _ = std::fs::remove_dir_all(&self.dir);
            }
            Owner::Other => {}
        }
    }
}

/// A directory for an external cluster, named after this process. A testbed that all tests share is never dropped, so
/// what ended processes left is removed here.
fn external_dir() -> Result<PathBuf> {
    for entry in std::fs::read_dir(env::temp_dir())?.flatten() {
        let name = entry.file_name();
        let rest = name
            .to_str()
            .and_then(|name| name.strip_prefix("qipan-external-"));
        let owner = rest.and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("qipan-external-{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir()?.keep())
}

async fn blocking(mut command: Command) -> Result<String> {
    tokio::task::spawn_blocking(move || tools::run(&mut command)).await?
}
