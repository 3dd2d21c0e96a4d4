//! Kubernetes clients as tests want them: no hidden retries, and a deadline on everything.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A client with the current context of a kubeconfig's text.
pub async fn client_from_text(kubeconfig: &str) -> Result<Client> {
    let parsed = Kubeconfig::from_yaml(kubeconfig).context("failed to read the kubeconfig")?;
    client(parsed, None).await
}

/// A client with the current context of a kubeconfig file.
pub async fn client_from_file(path: &Path) -> Result<Client> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    client_from_text(&text).await
}

pub(crate) async fn client(
    kubeconfig: Kubeconfig,
    impersonate: Option<(&str, &[&str])>,
) -> Result<Client> {
    // Two providers may be compiled in by other crates of the workspace; the first to install one wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // kube 5 sends 429, 503 and 504 again by itself, writes too: a test would count them twice.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_mins(1));
    config.write_timeout = Some(Duration::from_secs(30));
    if let Some((user, groups)) = impersonate {
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            (!groups.is_empty()).then(|| groups.iter().map(ToString::to_string).collect());
    }
    Ok(Client::try_from(config)?)
}
