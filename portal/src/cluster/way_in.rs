//! Asks the operator for ways in (`crds::way_in`): over TLS, with a token of the portal's account that is good there alone.

use std::path::Path;
use std::time::Duration;

use crds::way_in::{Ask, Given, PATH, Refused};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use kube::client::Body;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::ClusterError;

/// The operator asks the hub and a member: longer than those wait.
const DEADLINE: Duration = Duration::from_secs(15);

/// The operator's endpoint for ways in.
#[derive(Clone)]
pub struct Doorkeeper {
    client: Client,
}

/// Why there is no way in.
#[derive(Debug)]
pub enum NoWayIn {
    /// The operator says why.
    Refused(Refused),
    /// It gives no answer that could be told; the cause is for the log.
    Silent(String),
}

impl Doorkeeper {
    /// The endpoint at an address.
    ///
    /// # Errors
    /// The address or the authority's certificate cannot be used.
    pub fn new(url: &str, authority: &Path, token: &Path) -> Result<Self, ClusterError> {
        let wrong = |what: &dyn std::fmt::Display| ClusterError::Config(what.to_string());
        if !url.starts_with("https://") {
            return Err(wrong(
                &"the operator is asked for credentials over https only",
            ));
        }
        let mut config = Config::new(url.parse().map_err(|e| wrong(&e))?);
        let authorities = CertificateDer::pem_file_iter(authority).map_err(|e| wrong(&e))?;
        let authorities: Result<Vec<_>, _> = authorities.collect();
        let authorities = authorities.map_err(|e| wrong(&e))?;
        config.root_cert = Some(authorities.iter().map(|der| der.to_vec()).collect());
        // Read again when the kubelet has replaced it.
        config.auth_info.token_file = Some(token.display().to_string());
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// A way in for a person.
    ///
    /// # Errors
    /// See [`NoWayIn`].
    pub async fn let_in(&self, ask: &Ask) -> Result<Given, NoWayIn> {
        let silent = |why: &dyn std::fmt::Display| NoWayIn::Silent(why.to_string());
        let body = serde_json::to_vec(ask).map_err(|e| silent(&e))?;
        let request = Request::post(PATH).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).map_err(|e| silent(&e))?;
        let asked = async {
            let answer = self.client.send(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect_bytes().await?;
            Ok::<_, kube::Error>((status, body))
        };
        let answer = tokio::time::timeout(DEADLINE, asked).await;
        let (status, body) = match answer {
            Err(_) => return Err(silent(&"no answer in time")),
            Ok(Err(error)) => return Err(silent(&error)),
            Ok(Ok(answer)) => answer,
        };
        if status == StatusCode::OK {
            // What cannot be read may hold a credential: it is not repeated.
            return serde_json::from_slice(&body)
                .map_err(|_| silent(&"an answer that cannot be read"));
        }
        serde_json::from_slice(&body)
            .map(NoWayIn::Refused)
            .map_or_else(|_| Err(silent(&status)), Err)
    }
}
