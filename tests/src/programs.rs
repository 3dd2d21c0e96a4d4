//! Our own programs under test: run as a user would run them, killed as a machine would kill them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{HUB, Testbed, eventually, get, hub_kubeconfig, install::NAMESPACE, tools};

/// How long a program has until it says that it is ready.
const READY: Duration = Duration::from_mins(1);

/// What a program is started with beside what the harness always says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub env: BTreeMap<String, String>,
    /// Its kubeconfig file; by default one with a token of its service account on the hub.
    pub kubeconfig: Option<PathBuf>,
    /// Its name among its replicas (the operator's `--identity`, and the name of its log).
    pub identity: Option<String>,
}

/// A program that ends with this value, or with the test's process.
#[derive(Debug)]
pub struct Program {
    command: Vec<String>,
    env: BTreeMap<String, String>,
    log: PathBuf,
    running: Option<(Child, Pid)>,
}

impl Program {
    /// Starts a program; its output is appended to `log`.
    pub fn start(
        command: Vec<String>,
        env: BTreeMap<String, String>,
        log: PathBuf,
    ) -> Result<Self> {
        let mut program = Self {
            command,
            env,
            log,
            running: None,
        };
        program.restart()?;
        Ok(program)
    }

    /// Starts it again with the same arguments; one that still runs is ended first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let mut guard = Command::new(tools::testbed()?);
        guard
            .args(["guard", "--log"])
            .arg(&self.log)
            .arg("--")
            .args(&self.command);
        let mut child = guard
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start a program")?;
        let stdout = child.stdout.take().context("its stdout is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} did not start", self.command[0]))?;
        self.running = Some((child, pid));
        Ok(())
    }

    /// Ends it as the machine's failure would (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        let (mut child, pid) = self.running.take().context("it does not run")?;
        kill_process(pid, Signal::KILL)?;
        child.wait()?;
        Ok(())
    }

    /// Freezes it (SIGSTOP): a leader that is gone without knowing it.
    pub fn pause(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::STOP)?)
    }

    /// Lets a frozen one go on.
    pub fn resume(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::CONT)?)
    }

    /// Ends it in order (SIGTERM, and SIGKILL after 3 s).
    pub fn stop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Result<Pid> {
        self.running
            .as_ref()
            .map(|(_, pid)| *pid)
            .context("it does not run")
    }

    /// Its memory in use, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid()?.as_raw_nonzero());
        let text = std::fs::read_to_string(path)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// Everything it has said so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Waits until `http://address/readyz` answers 200; a program that has ended is told at once, with its log's end.
    pub async fn wait_ready(&mut self, address: &str) -> Result<()> {
        let log = self.log.clone();
        let (child, _) = self.running.as_mut().context("it does not run")?;
        let ended = eventually("the program is ready", READY, async || {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            let (status, body) = get(address, "/readyz").await?;
            ensure!(status == 200, "/readyz says {status} {body}");
            Ok::<_, anyhow::Error>(None)
        })
        .await
        .with_context(|| end_of(&log))?;
        match ended {
            None => Ok(()),
            Some(status) => anyhow::bail!("it ended with {status}; {}", end_of(&log)),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(20)..].join("\n");
    format!("the end of {}:\n{end}", log.display())
}

/// A port of the loopback that nobody listens on, below the range that outgoing connections take theirs from.
pub fn free_port() -> Result<u16> {
    let seed = u16::try_from(std::process::id() % 2000)?;
    (0..5000u16)
        .map(|i| 10000 + (seed + i.wrapping_mul(7)) % 5000)
        .find(|port| claim(*port))
        .context("no free port between 10000 and 15000 on the loopback")
}

/// Takes a free port for the life of this process: no port is given out twice, to whichever test binary or testbed asks.
/// The claim is a socket of the abstract namespace, which the kernel drops with the process; `claimPort` of
/// tests/testbed/layout.go uses the same names.
fn claim(port: u16) -> bool {
    static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let name = format!("qipan-port-{port}");
    let claim =
        SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name));
    let (Ok(claim), Ok(mut claims)) = (claim, CLAIMS.lock()) else {
        return false;
    };
    let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
    if free {
        claims.push(claim);
    }
    free
}

/// The operator, under its own role on the hub.
#[derive(Debug)]
pub struct Operator {
    /// The process.
    pub program: Program,
    /// Where it serves `/livez`, `/readyz` and `/metrics`.
    pub address: String,
}

impl Operator {
    /// Starts `qipan-operator run` and waits until it is ready.
    pub async fn start(testbed: &Testbed, options: Options) -> Result<Self> {
        let mut operator = Self::start_unready(testbed, options).await?;
        operator.program.wait_ready(&operator.address).await?;
        Ok(operator)
    }

    /// Starts it and does not wait: a second replica that is not the leader, or one that cannot become ready.
    pub async fn start_unready(testbed: &Testbed, options: Options) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let program = start(("qipan-operator", "run"), testbed, options, &address).await?;
        Ok(Self { program, address })
    }

    /// The text of its `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        Ok(get(&self.address, "/metrics").await?.1)
    }
}

/// The portal, under its own role on the hub, with the demo sign-in.
#[derive(Debug)]
pub struct Portal {
    /// The process.
    pub program: Program,
    /// Where it serves, as host and port.
    pub address: String,
}

impl Portal {
    /// Starts `qipan-portal serve --demo` and waits until it is ready.
    pub async fn start(testbed: &Testbed, options: Options) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        Self::start_at(testbed, options, &address, true).await
    }

    /// Starts it at an address, with or without the demo sign-in, and waits until it is ready.
    pub async fn start_at(
        testbed: &Testbed,
        mut options: Options,
        address: &str,
        demo: bool,
    ) -> Result<Self> {
        if demo {
            options.args.insert(0, "--demo".to_owned());
        }
        let given = options.args.clone();
        let said = |name: &str| given.iter().any(|arg| arg == name);
        if !said("--database-url") && !said("--database-url-file") {
            let database = format!("sqlite:{}", testbed.dir().join("portal.db").display());
            options.args.extend(["--database-url".to_owned(), database]);
        }
        if !said("--hub-audit-log")
            && let Ok(log) = testbed.audit(HUB)
        {
            let log = log.path().display().to_string();
            options.args.extend(["--hub-audit-log".to_owned(), log]);
        }
        let mut program = start(("qipan-portal", "serve"), testbed, options, address).await?;
        program.wait_ready(address).await?;
        Ok(Self {
            program,
            address: address.to_owned(),
        })
    }

    /// Its address as a URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn start(
    (name, verb): (&str, &str),
    testbed: &Testbed,
    options: Options,
    address: &str,
) -> Result<Program> {
    let Options {
        args,
        env,
        kubeconfig,
        identity,
    } = options;
    let kubeconfig = match kubeconfig {
        Some(path) => path,
        None => hub_kubeconfig(testbed, name).await?,
    };
    let package = name.to_owned();
    let binary = tokio::task::spawn_blocking(move || tools::binary(&package)).await??;
    let mut command = vec![binary.display().to_string(), verb.to_owned()];
    command.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    command.extend(["--listen".to_owned(), address.to_owned()]);
    if name == "qipan-operator" {
        command.extend(["--namespace".to_owned(), NAMESPACE.to_owned()]);
        if let Some(identity) = &identity {
            command.extend(["--identity".to_owned(), identity.clone()]);
        }
    }
    command.extend(args);
    let log = testbed
        .logs()
        .join(format!("{}.log", identity.as_deref().unwrap_or(name)));
    Program::start(command, env, log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_to_one_alone() {
        let port = free_port().unwrap();
        assert!(
            !claim(port),
            "nobody listens on {port} yet, and it is given all the same"
        );
        let name = SocketAddr::from_abstract_name(format!("qipan-port-{port}")).unwrap();
        let other = UnixListener::bind_addr(&name).unwrap_err();
        assert_eq!(
            other.kind(),
            std::io::ErrorKind::AddrInUse,
            "another process sees the claim"
        );
    }
}
