//! Listening, serving, and ending in order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use jiff::SignedDuration;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::Serve;
use crate::attachments::keeper;
use crate::background;
use crate::cluster::way_in::Doorkeeper;
use crate::cluster::{self, Cluster, Kind, Sync};
use crate::history;
use crate::identity::oidc::Oidc;
use crate::leader;
use crate::notify;
use crate::notify::herald::Herald;
use crate::notify::send::Sender;
use crate::paper::Fonts;
use crate::records::Records;
use crate::router;
use crate::state::AppState;

/// A client has so long to say the headers of its next request, the wait for it included.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// Open pages have this long to finish once the program is asked to end.
const LAST_PAGES: Duration = Duration::from_secs(10);

/// Serves until a signal comes.
///
/// # Errors
/// There is no way to sign in, the hub's configuration cannot be read, or an address cannot be taken.
pub async fn run(serve: Serve) -> anyhow::Result<()> {
    let oidc = ways_in(&serve)?;
    let client = cluster::connect(serve.kubeconfig.as_deref())
        .await
        .context("the hub cannot be configured")?;
    let (end, ending) = watch::channel(false);
    let records = Records::open(&serve, client.clone(), ending.clone()).await?;
    let config = match &serve.notifications {
        Some(path) => notify::Config::read(path)?,
        None => notify::Config::default(),
    };
    let cluster = Cluster::start(client.clone());
    lead(&serve, client, (&records, &cluster), config, &ending);
    background::spawn(
        "history",
        history::keep(records.db.clone(), cluster.clone(), ending.clone()),
    );
    let state = state(&serve, cluster.clone(), records.clone(), ending.clone());
    let mut state = state.with_doorkeeper(doorkeeper(&serve)?);
    if let Some(oidc) = oidc {
        state = state.with_oidc(oidc);
    }
    let admin = router::admin(state.clone());
    let mut app = router::pages(state);
    if let Some(address) = serve.admin_listen {
        let (listener, _) = bind(address).await?;
        let served = serve_until(listener, admin, ending.clone());
        background::spawn("admin", async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "serving /metrics and health failed");
            }
        });
    } else {
        app = admin.merge(app);
    }
    let (listener, address) = bind(serve.listen).await?;
    println!("listening on http://{address}");
    if let Some(file) = &serve.address_file {
        std::fs::write(file, format!("http://{address}\n"))
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    if serve.demo {
        tracing::warn!("the demo sign-in is on: anybody who reaches {address} may take any post");
    }
    let mut pages = pin!(serve_until(listener, app, ending));
    tokio::select! {
        served = &mut pages => return served.context("serving failed"),
        () = asked_to_end() => tracing::info!("ending"),
    }
    end.send_replace(true);
    let served = tokio::time::timeout(LAST_PAGES, pages).await;
    records.end().await;
    if let Ok(served) = served {
        return served.context("serving failed");
    }
    tracing::warn!("pages were still open at the end");
    Ok(())
}

/// The identity provider, where there is one; else the demo sign-in must be on.
fn ways_in(serve: &Serve) -> anyhow::Result<Option<Oidc>> {
    let oidc = Oidc::of(&serve.oidc, serve.public_url.as_deref())?;
    ensure!(
        serve.demo || oidc.is_some(),
        "nobody could sign in: name an identity provider (--oidc-issuer), or start with --demo where only you can reach \
         the portal"
    );
    if let Some(oidc) = &oidc {
        tracing::info!(
            issuer = oidc.issuer(),
            "people sign in at the identity provider"
        );
    }
    Ok(oidc)
}

/// What every handler can reach.
fn state(
    serve: &Serve,
    cluster: Cluster,
    records: Records,
    ending: watch::Receiver<bool>,
) -> AppState {
    let url = serve.public_url.as_deref();
    let idle = SignedDuration::from_mins(serve.session_idle_minutes.into());
    let life = SignedDuration::from_hours(serve.session_hours.into());
    AppState::new(cluster, serve.demo, url, ending)
        .with_records(records)
        .with_session_ends(idle, life)
        .with_fonts(Fonts::of(serve.pdf_fonts.clone()))
}

/// Begins what one replica alone does.
fn lead(
    serve: &Serve,
    client: Client,
    (records, cluster): (&Records, &Cluster),
    config: notify::Config,
    ending: &watch::Receiver<bool>,
) {
    let recorder = records.recorder(serve, client.clone());
    let config = Arc::new(config);
    let sender = Sender {
        db: records.db.clone(),
        config: Arc::clone(&config),
    };
    let base = serve.public_url.as_deref();
    let herald = Herald {
        db: records.db.clone(),
        cluster: cluster.clone(),
        config,
        base: base.map(|url| url.trim_end_matches('/').into()),
    };
    let (db, cluster) = (records.db.clone(), cluster.clone());
    let work = move || {
        let (recorder, herald, sender) = (recorder.clone(), herald.clone(), sender.clone());
        let files = keeper::keep(db.clone(), cluster.clone());
        async move {
            tokio::join!(recorder.record(), herald.run(), sender.run(), files);
        }
    };
    let whose = (client, serve.namespace.clone());
    let engine = records.db.engine();
    background::spawn("leader", leader::work(engine, whose, ending.clone(), work));
}

/// Where ways in come from, if the flags say so.
fn doorkeeper(serve: &Serve) -> anyhow::Result<Option<Doorkeeper>> {
    let flags = (
        &serve.operator_url,
        &serve.operator_ca,
        &serve.operator_token_file,
    );
    let (Some(url), Some(authority), Some(token)) = flags else {
        return Ok(None);
    };
    let doorkeeper = Doorkeeper::new(url, authority, token);
    let doorkeeper =
        doorkeeper.context("--operator-url, --operator-ca or --operator-token-file")?;
    Ok(Some(doorkeeper))
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the program is asked to end, and then what is open, for a while.
///
/// axum's own `serve` waits for the headers of a request without end: a client that says a byte a minute would keep its
/// connection, and a thousand of them all. HTTP/1 only: the guess of the version waits without end, too. (Ingresses speak
/// HTTP/2 to browsers and HTTP/1 to us.)
async fn serve_until(
    listener: TcpListener,
    app: Router,
    mut ending: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener.into_std()?)?
        .handle(handle.clone())
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN);
    let mut pages = pin!(server.serve(app.into_make_service()));
    tokio::select! {
        ended = &mut pages => return ended,
        _sender_gone_means_the_same = ending.wait_for(|ending| *ending) => {}
    }
    handle.graceful_shutdown(Some(LAST_PAGES));
    pages.await
}

async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::error!(%error, "SIGTERM is not heard");
            let _ = interrupt.await;
        }
    }
}

/// The process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Every cache was filled once, or the hub said why not: pages can be shown. A silent hub does not make it unready.
pub async fn readyz(State(state): State<AppState>) -> (StatusCode, String) {
    let waiting: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| state.cluster.sync(**kind) == Sync::Starting)
        .map(|kind| kind.plural())
        .collect();
    if waiting.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {}\n", waiting.join(", ")),
        )
    }
}
