//! From flags to running controllers, and back down again.

use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Ready};
use crate::args::{LogFormat, Run};
use crate::runtime::controller::spawn;
use crate::runtime::lease::Elector;
use crate::runtime::metrics::LEADER;
use crate::way_in::{self, Issuer};

/// Runs until a signal comes or the Lease is lost.
///
/// # Errors
/// When the hub cannot be reached at the start, the address is taken, or the Lease was lost.
pub async fn run(args: Box<Run>) -> anyhow::Result<()> {
    let Run {
        kubeconfig,
        namespace,
        listen,
        way_in,
        identity,
        log,
        log_format,
    } = *args;
    telemetry(&log, log_format);
    // Only one provider is compiled in; a second call would find it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = match &kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster().context("no --kubeconfig, and not in a pod")?,
    };
    crate::member::client_settings(&mut config);
    let client = Client::try_from(config.clone())?;
    let identity =
        identity.unwrap_or_else(|| format!("qipan-operator-{:08x}", rand::random::<u32>()));
    let ready = Ready::default();
    serve(listen, ready.clone()).await?;
    let issuer = Issuer::new(client.clone(), config, &namespace);
    way_in::serve(way_in, issuer).await?;
    let mut elector = Elector::new(
        client.clone(),
        &namespace,
        crds::keys::OPERATOR_LEASE,
        &identity,
    );
    let mut stop = std::pin::pin!(signalled());
    // A standby replica is ready: it serves nobody but takes over.
    ready.set();
    let fence = tokio::select! {
        fence = elector.acquire() => fence,
        () = &mut stop => return Ok(()),
    };
    LEADER.set(1);
    tracing::info!(identity, fence, "leading");
    let cx = tokio::select! {
        started = crate::controllers::start(client.clone(), &namespace, &identity, fence) => Some(started?),
        () = &mut stop => None,
    };
    let Some(_cx) = cx else { return Ok(()) };
    tokio::select! {
        () = elector.hold() => {
            LEADER.set(0);
            anyhow::bail!("the lease was lost; another replica leads")
        }
        () = &mut stop => {}
    }
    tracing::info!("stopping: the lease is given up");
    // Passes under way end with the process; each is safe to cut at any point (design §4).
    let _ = tokio::time::timeout(Duration::from_secs(3), elector.release()).await;
    Ok(())
}

async fn signalled() {
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
}

async fn serve(listen: std::net::SocketAddr, ready: Ready) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    spawn("admin", async move {
        if let Err(why) = axum::serve(listener, admin::router(ready)).await {
            tracing::error!(error = %why, "the admin server ended");
        }
    });
    Ok(())
}

fn telemetry(filter: &str, format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
