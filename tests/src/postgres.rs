//! A PostgreSQL server of a test's own: Debian's, in a temporary directory, on a free port of the loopback.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{Program, eventually, free_port, tools};

/// A running server; gone when this value is, or the test's process.
#[derive(Debug)]
pub struct Postgres {
    /// The process: a test may kill, pause and restart it.
    pub program: Program,
    port: u16,
    /// Dropped last.
    dir: TempDir,
}

impl Postgres {
    /// Starts a server that keeps its promises about the disk only where a test asks for it.
    pub async fn start(settings: &[&str]) -> Result<Self> {
        let bin = binaries()?;
        let dir = tempfile::Builder::new().prefix("qipan-pg").tempdir()?;
        let account = account()?;
        if let Some((user, group)) = account {
            chown(dir.path(), Some(user), Some(group))?;
        }
        let data = dir.path().join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.arg("-D").arg(&data);
        initdb.args([
            "-U",
            "qipan",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        if let Some((user, group)) = account {
            initdb.uid(user).gid(group);
        }
        initdb.current_dir(dir.path());
        tools::run(&mut initdb).context("initdb (apt-get install postgresql)")?;
        let port = free_port()?;
        let mut command = Vec::new();
        if let Some((user, group)) = account {
            // PostgreSQL refuses to run as root.
            command.push("/usr/bin/setpriv".to_owned());
            command.push(format!("--reuid={user}"));
            command.push(format!("--regid={group}"));
            command.push("--clear-groups".to_owned());
        }
        command.push(bin.join("postgres").display().to_string());
        command.extend(["-D".to_owned(), data.display().to_string()]);
        command.extend(["-p".to_owned(), port.to_string()]);
        let socket = format!("unix_socket_directories={}", dir.path().display());
        for setting in ["listen_addresses=127.0.0.1", &socket]
            .iter()
            .chain(settings)
        {
            command.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let log = dir.path().join("postgres.log");
        let program = Program::start(command, std::collections::BTreeMap::new(), log)?;
        let postgres = Self { program, port, dir };
        postgres.wait().await?;
        Ok(postgres)
    }

    /// The URL of a database on it, which need not exist yet.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://qipan@127.0.0.1:{}/{database}", self.port)
    }

    /// Its directory, which its account may read.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until it answers.
    pub async fn wait(&self) -> Result<()> {
        let log = self.dir.path().join("postgres.log");
        eventually("PostgreSQL answers", Duration::from_secs(30), async || {
            TcpStream::connect(("127.0.0.1", self.port)).await?;
            let said = fs::read_to_string(&log)?;
            let end = said
                .rsplit_once("starting PostgreSQL")
                .map_or("", |(_, end)| end);
            ensure!(
                end.contains("ready to accept connections"),
                "it says {said}"
            );
            Ok::<_, anyhow::Error>(())
        })
        .await
    }

    /// Runs SQL with psql, as a database administrator would.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(binaries()?.join("psql"));
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"]);
        psql.arg(self.url(database)).args(["-c", sql]);
        tools::run(&mut psql)
    }
}

/// The account that the server runs under, where this process is root.
fn account() -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line
        .context("no account postgres (apt-get install postgresql)")?
        .split(':')
        .skip(2);
    let mut number = || {
        fields
            .next()
            .context("an account has a number")?
            .parse()
            .context("which is one")
    };
    Ok(Some((number()?, number()?)))
}

/// Where Debian keeps the programs of the newest version.
fn binaries() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .context("no PostgreSQL (apt-get install postgresql)")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .context("no PostgreSQL server (apt-get install postgresql)")
}
