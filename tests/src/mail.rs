//! A real mail server on the loopback (aiosmtpd): it keeps what it takes, refuses `nobody@` and puts off `later@`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::{Program, eventually, free_port, tools};

/// What a mail server took.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Headers and text as they came.
    pub data: String,
    /// Whether it came under TLS.
    pub tls: bool,
}

/// A mail server. It ends with this value.
#[derive(Debug)]
pub struct Mail {
    /// Where it listens.
    pub port: u16,
    kept: PathBuf,
    _program: Program,
}

impl Mail {
    /// Starts one that keeps letters in a directory; with a certificate and its key it takes nothing without TLS and the
    /// password `geheim` of `portal`.
    pub async fn start(dir: &Path, tls: Option<(&Path, &Path)>) -> Result<Self> {
        let python = tokio::task::spawn_blocking(tools::mail_python).await??;
        let (port, kept) = (free_port()?, dir.join("letters"));
        let mut command = vec![python.display().to_string()];
        let script = tools::repository().join("tests/mail/sink.py");
        command.extend([script, kept.clone()].map(|path| path.display().to_string()));
        command.insert(2, port.to_string());
        if let Some((certificate, key)) = tls {
            command.extend([certificate, key].map(|path| path.display().to_string()));
        }
        let program = Program::start(command, BTreeMap::new(), dir.join("mail.log"))?;
        eventually(
            "the mail server listens",
            Duration::from_secs(10),
            async || TcpStream::connect(("127.0.0.1", port)).await.map(drop),
        )
        .await?;
        Ok(Self {
            port,
            kept,
            _program: program,
        })
    }

    /// What it took so far.
    pub fn letters(&self) -> Result<Vec<Letter>> {
        let text = std::fs::read_to_string(&self.kept).unwrap_or_default();
        text.lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }
}
