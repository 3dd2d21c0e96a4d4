//! An API server with bad days: a proxy before the real one that fails, refuses, forgets and delays writes.
//!
//! It speaks TLS as the real one does, with an authority of its own: the operator takes nothing else. Whoever comes through it brings its own token, so roles and admission are the real ones.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use harness::{Authority, Identity, Testbed, client_from_text};
use kube::Client;
use kube::config::{AuthInfo, Kubeconfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A running proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    address: String,
    /// Its authority, as a kubeconfig has it.
    authority: String,
    days: Arc<BadDays>,
}

/// Connections that have shaken hands.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    fn acceptor(identity: &Identity) -> Result<TlsAcceptor> {
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key)?;
        Ok(Arc::new(config).into())
    }
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, from)) = self.listener.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// What has gone wrong, and whether more will.
pub(crate) struct BadDays {
    behind: Client,
    healed: AtomicBool,
    writes: AtomicUsize,
    /// Objects that have had their conflict.
    conflicted: Mutex<HashSet<String>>,
    failed: AtomicUsize,
    lost: AtomicUsize,
    throttled: AtomicUsize,
    delayed: AtomicUsize,
}

/// What befalls a write.
enum Fault {
    /// 500, and it was not done.
    Failed,
    /// 500, and it was done all the same.
    Lost,
    /// 409, once for each object.
    Conflict,
    /// 429 with Retry-After.
    Throttled,
    /// It takes 3 s.
    Delayed,
}

impl Proxy {
    /// Stands before the API server of a cluster.
    pub(crate) async fn start(testbed: &Testbed, cluster: &str) -> Result<Self> {
        let mut nobody = Kubeconfig::read_from(testbed.admin_kubeconfig(cluster)?)?;
        for user in &mut nobody.auth_infos {
            user.auth_info = Some(AuthInfo::default());
        }
        let days = Arc::new(BadDays {
            behind: client_from_text(&serde_yaml::to_string(&nobody)?).await?,
            healed: AtomicBool::default(),
            writes: AtomicUsize::default(),
            conflicted: Mutex::default(),
            failed: AtomicUsize::default(),
            lost: AtomicUsize::default(),
            throttled: AtomicUsize::default(),
            delayed: AtomicUsize::default(),
        });
        let authority = Authority::new("bad-days")?;
        let listener = Tls {
            listener: TcpListener::bind("127.0.0.1:0").await?,
            acceptor: Tls::acceptor(&authority.server()?)?,
        };
        let address = listener.listener.local_addr()?.to_string();
        let router = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&days));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let authority = base64::engine::general_purpose::STANDARD.encode(authority.pem());
        Ok(Self {
            address,
            authority,
            days,
        })
    }

    /// A kubeconfig whose way leads through here.
    pub(crate) fn before(&self, kubeconfig: &str) -> Result<String> {
        let mut kubeconfig: Value = serde_yaml::from_str(kubeconfig)?;
        let cluster = kubeconfig
            .pointer_mut("/clusters/0/cluster")
            .context("no cluster")?;
        let server = format!("https://{}", self.address);
        *cluster = json!({ "server": server, "certificate-authority-data": self.authority });
        Ok(kubeconfig.to_string())
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        self.days.healed.store(true, Ordering::Relaxed);
    }

    /// How often each fault was met: failed, lost, conflict, throttled, delayed.
    pub(crate) fn faults(&self) -> [usize; 5] {
        let days = &self.days;
        let conflicts = days
            .conflicted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        [
            count(&days.failed),
            count(&days.lost),
            conflicts,
            count(&days.throttled),
            count(&days.delayed),
        ]
    }
}

impl BadDays {
    /// Leases are spared: who leads is another test's question. Events are nobody's truth.
    fn fault(&self, method: &Method, path: &str) -> Option<Fault> {
        let spared = path.contains("/leases") || path.contains("/events");
        let reads = *method == Method::GET;
        if reads || spared || self.healed.load(Ordering::Relaxed) {
            return None;
        }
        let changes = *method == Method::PUT || *method == Method::PATCH;
        let mut conflicted = self
            .conflicted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if changes && conflicted.insert(path.to_owned()) {
            return Some(Fault::Conflict);
        }
        let (fault, counter) = match self.writes.fetch_add(1, Ordering::Relaxed) {
            n if n % 6 == 2 => (Fault::Failed, &self.failed),
            n if n % 6 == 5 => (Fault::Lost, &self.lost),
            n if n % 7 == 3 => (Fault::Throttled, &self.throttled),
            n if n % 19 == 4 => (Fault::Delayed, &self.delayed),
            _ => return None,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }
}

async fn forward(State(days): State<Arc<BadDays>>, request: Request) -> Response {
    let fault = days.fault(request.method(), request.uri().path());
    match fault {
        Some(Fault::Failed) => said(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::Conflict) => said(StatusCode::CONFLICT, "Conflict"),
        Some(Fault::Throttled) => {
            let mut answer = said(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
            let soon = header::HeaderValue::from_static("1");
            answer.headers_mut().insert(header::RETRY_AFTER, soon);
            answer
        }
        Some(Fault::Lost) => {
            let _done = pass_on(&days, request).await;
            said(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
        Some(Fault::Delayed) => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            pass_on(&days, request).await
        }
        None => pass_on(&days, request).await,
    }
}

async fn pass_on(days: &BadDays, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    hop_by_hop(&mut head.headers);
    let Ok(body) = to_bytes(body, 16 << 20).await else {
        return said(StatusCode::BAD_REQUEST, "BadRequest");
    };
    let request = Request::from_parts(head, kube::client::Body::from(body.to_vec()));
    match days.behind.send(request).await {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            hop_by_hop(&mut head.headers);
            Response::from_parts(head, Body::new(body))
        }
        Err(why) => said(StatusCode::BAD_GATEWAY, &why.to_string()),
    }
}

/// Removes what is about one connection and not about the request.
fn hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
}

fn said(code: StatusCode, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": format!("a bad day: {reason}"), "metadata": {},
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (code, json, status.to_string()).into_response()
}
