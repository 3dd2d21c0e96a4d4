//! HTTPS to the identity provider: TLS with the system's authorities or those of a file, a deadline, a limit, no redirects.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

/// Nobody waits longer for another server.
const DEADLINE: Duration = Duration::from_secs(8);
/// More than this is no answer that we asked for.
const LARGEST: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The connection, TLS, or the deadline.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// What came.
    #[error("the answer is larger than {LARGEST} bytes")]
    Large,
}

/// A client. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client,
}

impl Outgoing {
    /// A client that trusts the system's authorities, or only those of a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        // A redirect could lead anywhere inside.
        let mut builder = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .timeout(DEADLINE);
        if let Some(path) = ca {
            let wrong = || format!("the certificate authorities in {}", path.display());
            let pem = std::fs::read(path).with_context(wrong)?;
            let authorities = Certificate::from_pem_bundle(&pem).with_context(wrong)?;
            anyhow::ensure!(
                !authorities.is_empty(),
                "there is no certificate in {}",
                path.display()
            );
            builder = builder.tls_built_in_root_certs(false);
            for authority in authorities {
                builder = builder.add_root_certificate(authority);
            }
        }
        Ok(Self {
            client: builder.build().context("TLS")?,
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// There is none in time, or none that can be used.
    pub async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, OutgoingError> {
        let failed = |error: reqwest::Error| OutgoingError::Connection(told(&error.without_url()));
        let request = request.try_into().map_err(failed)?;
        let mut answer = self.client.execute(request).await.map_err(failed)?;
        let mut whole = Response::new(Vec::new());
        *whole.status_mut() = answer.status();
        whole.headers_mut().clone_from(answer.headers());
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if whole.body().len() + part.len() > LARGEST {
                return Err(OutgoingError::Large);
            }
            whole.body_mut().extend_from_slice(&part);
        }
        Ok(whole)
    }
}

/// An error with what lies under it: "error sending request" alone helps nobody.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut under = error.source();
    while let Some(cause) = under {
        text = format!("{text}: {cause}");
        under = cause.source();
    }
    text
}
