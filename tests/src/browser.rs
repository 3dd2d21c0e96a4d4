//! A person at a browser without scripts: cookies, forms, and no redirect followed unseen. HTTP, or HTTPS with an authority
//! of a test's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A browser at one server.
#[derive(Clone)]
pub struct Browser {
    address: String,
    tls: Option<TlsConnector>,
    cookies: BTreeMap<String, String>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body, as it came.
    pub body: String,
}

impl Answer {
    /// A header of it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{}\n{}", self.head, self.body))
    }

    /// Where it leads, without the server: a path and a query.
    pub fn leads_to(&self) -> Result<String> {
        let to = self.header("location").with_context(|| self.head.clone())?;
        let after = to.split_once("://").map(|(_, rest)| rest);
        Ok(match after.and_then(|rest| rest.split_once('/')) {
            Some((_, path)) => format!("/{path}"),
            None => to.to_owned(),
        })
    }

    /// The token of the first form in it.
    #[must_use]
    pub fn form_token(&self) -> Option<String> {
        let rest = self.body.split("name=\"token\" value=\"").nth(1)?;
        Some(rest.split('"').next()?.to_owned())
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Some servers end TLS without saying so; what came is judged by what it says.
    let _length = stream.read_to_end(&mut answer).await;
    ensure!(!answer.is_empty(), "the server said nothing");
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A body that came in chunks. (Lossy decoding may have lengthened it, so chunks are found by their lines.)
fn joined(body: &str) -> String {
    let mut rest = body.as_bytes();
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let Ok(size) = size else { break };
        let from = end + 2;
        if size == 0 || rest.len() < from + size {
            break;
        }
        whole.extend_from_slice(&rest[from..from + size]);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    String::from_utf8_lossy(&whole).into_owned()
}

/// A value as a form or a query has it.
#[must_use]
pub fn escape(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl Browser {
    /// A browser at a server, as `http://host:port`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            address: url.trim_start_matches("http://").to_owned(),
            tls: None,
            cookies: BTreeMap::new(),
        }
    }

    /// A browser at a server, as `https://host:port`, that trusts one authority.
    pub fn with_tls(url: &str, authority: &str) -> Result<Self> {
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self {
            address: url.trim_start_matches("https://").to_owned(),
            tls: Some(TlsConnector::from(Arc::new(config))),
            cookies: BTreeMap::new(),
        })
    }

    /// The same browser at another server behind the same name: it has the same cookies.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self {
            cookies: self.cookies.clone(),
            ..Self::new(url)
        }
    }

    /// A cookie of it.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.get(name).cloned()
    }

    /// Puts a cookie into it, as somebody else might have.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Asks for a page; cookies that come with it are not kept.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.say("GET", path, "", "").await
    }

    /// Asks for a page and keeps its cookies.
    pub async fn visit(&mut self, path: &str) -> Result<Answer> {
        let answer = self.get(path).await?;
        self.keep(&answer);
        Ok(answer)
    }

    /// Sends a form and keeps the cookies of the answer.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Answer> {
        let fields = form
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = self.say("POST", path, kind, &body).await?;
        self.keep(&answer);
        Ok(answer)
    }

    /// Says anything: further header lines, each ended, and a body.
    pub async fn say(&self, verb: &str, path: &str, lines: &str, body: &str) -> Result<Answer> {
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("failed to connect to {}", self.address))?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let cookies = self.cookies.iter();
        let cookies = cookies.map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: {scheme}://{0}\r\nCookie: {cookies}\r\nUser-Agent: qipan-tests\r\n\
             Content-Length: {1}\r\nConnection: close\r\n{lines}\r\n{body}",
            self.address,
            body.len()
        );
        let answer = match &self.tls {
            None => exchange(stream, &request).await?,
            Some(tls) => {
                let host = self.address.split(':').next().unwrap_or_default();
                let name = ServerName::try_from(host.to_owned())?;
                exchange(tls.connect(name, stream).await?, &request).await?
            }
        };
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("no end of the headers")?;
        let status = head.split(' ').nth(1).context("no status line")?.parse()?;
        Ok(Answer {
            status,
            head: head.to_owned(),
            body: if head.to_lowercase().contains("transfer-encoding: chunked") {
                joined(body)
            } else {
                body.to_owned()
            },
        })
    }

    /// Takes a post of the demo.
    pub async fn sign_in_by_demo(&mut self, post: &str) -> Result<()> {
        let form = self.visit("/sign-in").await?;
        let token = form.form_token().context("no token in the form")?;
        let form = [("post", post), ("next", "/"), ("token", &token)];
        let answer = self.post("/sign-in", &form).await?;
        ensure!(answer.status == 303, "{} {}", answer.head, answer.body);
        Ok(())
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.head.lines() {
            let Some((key, value)) = line.split_once(": ") else {
                continue;
            };
            if !key.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                if value.is_empty() || line.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}
