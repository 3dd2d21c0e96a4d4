//! The operator's endpoint for ways in, as a test or `make up` sets it up: a certificate for it, and a token by which the
//! portal is known there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crds::way_in::Ask;
use http::Request;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::client::Body;
use kube::{Api, Client, Config};

use crate::{Authority, HUB, NAMESPACE, Testbed, free_port, tools};

/// Where the endpoint is, and who vouches for it.
#[derive(Clone, Debug)]
pub struct WayIn {
    /// Host and port.
    pub address: String,
    dir: PathBuf,
}

impl WayIn {
    /// Writes a certificate into a directory, for an endpoint on a free port of the loopback.
    pub fn prepare(dir: &Path) -> Result<Self> {
        let dir = dir.join("way-in");
        std::fs::create_dir_all(&dir)?;
        let authority = Authority::new("qipan way in")?;
        let identity = authority.server()?;
        tools::write_private(&dir.join("ca.crt"), authority.pem().as_bytes())?;
        tools::write_private(&dir.join("tls.crt"), identity.certificate.as_bytes())?;
        tools::write_private(&dir.join("tls.key"), identity.key.as_bytes())?;
        let address = format!("127.0.0.1:{}", free_port()?);
        Ok(Self { address, dir })
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// The certificate of who vouches for it, as PEM.
    pub fn authority(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.dir.join("ca.crt"))?)
    }

    /// Asks for a way in with a token, or without one; the status and the body.
    pub async fn ask(&self, token: Option<&str>, ask: &Ask) -> Result<(u16, String)> {
        let pem = self.authority()?;
        let body = pem.lines().filter(|line| !line.starts_with("-----"));
        let der = STANDARD.decode(body.collect::<String>())?;
        let mut config = Config::new(format!("https://{}", self.address).parse()?);
        config.root_cert = Some(vec![der]);
        config.default_retry = false;
        let client = Client::try_from(config)?;
        let mut request =
            Request::post(crds::way_in::PATH).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = Body::from(serde_json::to_vec(ask)?);
        let answer = client.send(request.body(body)?).await?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What the operator is started with.
    #[must_use]
    pub fn operator_args(&self) -> Vec<String> {
        vec![
            format!("--way-in-listen={}", self.address),
            format!("--way-in-certificate={}", self.file("tls.crt")),
            format!("--way-in-key={}", self.file("tls.key")),
        ]
    }

    /// What the portal is started with; a token of its account, for the operator alone, is written for it.
    pub async fn portal_args(&self, testbed: &Testbed) -> Result<Vec<String>> {
        let token = operator_token(testbed, "qipan-portal", crds::way_in::AUDIENCE).await?;
        tools::write_private(&self.dir.join("token"), token.as_bytes())?;
        Ok(vec![
            format!("--operator-url=https://{}", self.address),
            format!("--operator-ca={}", self.file("ca.crt")),
            format!("--operator-token-file={}", self.file("token")),
        ])
    }
}

/// A token of one of the hub's service accounts for an audience.
pub async fn operator_token(testbed: &Testbed, account: &str, audience: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(testbed.client(HUB).await?, NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(vec![audience.to_owned()]),
            // A year, as the kubeconfigs of `make up`.
            expiration_seconds: Some(365 * 24 * 3600),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    answer.status.and_then(|s| s.token).context("a token")
}
