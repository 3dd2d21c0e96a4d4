//! Sign-in at an identity provider: OpenID Connect, authorization code with PKCE. Written with the crate `openidconnect`;
//! what it leaves to us (claims of one's own, logout tokens) is in `claims.rs` and `logout.rs`, the pages in `pages.rs`.

pub mod claims;
pub mod logout;
pub mod pages;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AsyncHttpClient, AuthenticationContextClass, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::RwLock;
use url::Url;

use crate::args;
use crate::outgoing::{Outgoing, OutgoingError};
use claims::{Mapping, Said, Unusable};
use logout::{Expected, Forged, Logout};

/// What a token may be signed with: algorithms with two keys. (RFC 8725 §3.1.)
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// What the provider says of itself is asked again after this time,
const FRESH: Duration = Duration::from_hours(1);
/// and after a token with an unknown key, at most this often: forged ones must not make us ask all the time.
const AGAIN: Duration = Duration::from_secs(15);

/// The path that the provider sends browsers back to.
pub const CALLBACK: &str = "/sign-in/callback";

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

type Sending<'c> = Pin<Box<dyn Future<Output = Result<HttpResponse, OutgoingError>> + Send + 'c>>;

impl<'c> AsyncHttpClient<'c> for Outgoing {
    type Error = OutgoingError;
    type Future = Sending<'c>;

    fn call(&'c self, request: HttpRequest) -> Sending<'c> {
        Box::pin(self.send(request))
    }
}

/// What the provider says of itself, and when it was asked.
#[derive(Clone, Debug)]
struct Known {
    metadata: Arc<ProviderMetadataWithLogout>,
    at: Instant,
}

/// The identity provider.
#[derive(Debug)]
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    secret: Option<ClientSecret>,
    /// The portal's own address.
    public: String,
    scopes: Vec<String>,
    audiences: Vec<String>,
    mapping: Mapping,
    acr: Option<String>,
    skew: SignedDuration,
    http: Outgoing,
    known: RwLock<Option<Known>>,
}

/// A sign-in that was begun, as it is kept until the browser comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Where the person wanted to go.
    pub next: String,
    /// The digest of the session whose person proves again who they are; empty for a new sign-in.
    pub again: String,
    /// When, in seconds.
    began: i64,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The provider gives no answer.
    #[error("the identity provider gives no answer: {0}")]
    Silent(String),
    /// The answer is to another question: forged, used before, or of another browser.
    #[error("the answer does not belong to a sign-in that was begun here")]
    Answer,
    /// The provider refuses.
    #[error("the identity provider refuses: {0}")]
    Provider(String),
    /// Its token is not what it must be.
    #[error("the token is refused: {0}")]
    Token(String),
    /// No person can be made of it.
    #[error(transparent)]
    Person(#[from] Unusable),
    /// The person was to prove again who they are, and the provider did not ask them.
    #[error("the provider did not ask again: {0}")]
    NotAgain(&'static str),
}

/// Who answered a sign-in.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The person.
    pub said: Said,
    /// When they proved who they are.
    pub authenticated: Timestamp,
}

impl Oidc {
    /// The provider that the flags name; none where they name none. Nothing is asked of it yet: a portal starts without it.
    ///
    /// # Errors
    /// A flag is wrong, or a file cannot be read.
    pub fn of(flags: &args::Oidc, public_url: Option<&str>) -> anyhow::Result<Option<Self>> {
        let Some(issuer) = &flags.oidc_issuer else {
            return Ok(None);
        };
        ensure!(
            issuer.starts_with("https://"),
            "--oidc-issuer={issuer}: an issuer is an https URL (an API server takes no other)"
        );
        let public = public_url.context(
            "--oidc-issuer needs --public-url: the identity provider sends browsers back there",
        )?;
        check_public(public)?;
        let secret = match &flags.oidc_client_secret_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the client secret in {}", path.display()))?;
                let text = text.trim();
                ensure!(
                    !text.is_empty(),
                    "the client secret in {} is empty",
                    path.display()
                );
                Some(ClientSecret::new(text.to_owned()))
            }
            None => None,
        };
        Ok(Some(Self {
            issuer: IssuerUrl::new(issuer.clone()).context("--oidc-issuer")?,
            client_id: ClientId::new(flags.oidc_client_id.clone()),
            secret,
            public: public.trim_end_matches('/').to_owned(),
            scopes: flags.oidc_scopes.clone(),
            audiences: flags.oidc_trusted_audiences.clone(),
            mapping: Mapping {
                username: flags.oidc_username_claim.clone(),
                username_prefix: flags.oidc_username_prefix.clone(),
                groups: flags.oidc_groups_claim.clone(),
                groups_prefix: flags.oidc_groups_prefix.clone(),
                level: flags.oidc_level_claim.clone(),
            },
            acr: flags.oidc_step_up_acr.clone(),
            skew: SignedDuration::from_secs(flags.oidc_skew_seconds.into()),
            http: Outgoing::new(flags.oidc_ca_file.as_deref()).context("--oidc-ca-file")?,
            known: RwLock::default(),
        }))
    }

    /// The provider's address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The provider's origin, which forms may lead to (a sign-out does).
    #[must_use]
    pub fn origin(&self) -> String {
        self.issuer.url().origin().ascii_serialization()
    }

    /// What the provider says of itself; asked again where that is old, or older than `younger`.
    async fn known(&self, younger: Duration) -> Result<Arc<ProviderMetadataWithLogout>, Refused> {
        let kept = self.known.read().await.clone();
        if let Some(known) = &kept
            && known.at.elapsed() < younger
        {
            return Ok(Arc::clone(&known.metadata));
        }
        let mut known = self.known.write().await;
        if let Some(known) = &*known
            && known.at.elapsed() < younger
        {
            return Ok(Arc::clone(&known.metadata));
        }
        let issuer = self.issuer.clone();
        let asked = ProviderMetadataWithLogout::discover_async(issuer, &self.http).await;
        match asked {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Some(Known {
                    metadata: Arc::clone(&metadata),
                    at: Instant::now(),
                });
                Ok(metadata)
            }
            Err(error) => {
                let why = told(&error);
                tracing::warn!(
                    issuer = self.issuer(),
                    error = why,
                    "the identity provider gives no answer"
                );
                // Its keys hold until it says otherwise.
                kept.map(|known| known.metadata).ok_or(Refused::Silent(why))
            }
        }
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> Result<Client, Refused> {
        let back = RedirectUrl::new(format!("{}{CALLBACK}", self.public));
        let back = back.map_err(|error| Refused::Token(error.to_string()))?;
        let (id, secret) = (self.client_id.clone(), self.secret.clone());
        Ok(CoreClient::from_provider_metadata(metadata.clone(), id, secret).set_redirect_uri(back))
    }

    /// Begins a sign-in: where the browser is to go, and what must be kept until it is back. `again` is the digest of the
    /// session whose person is to prove again who they are.
    ///
    /// # Errors
    /// The provider gives no answer.
    pub async fn begin(
        &self,
        next: &str,
        again: &str,
        now: Timestamp,
    ) -> Result<(Url, Begun), Refused> {
        let client = self.client(&*self.known(FRESH).await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        for scope in &self.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if !again.is_empty() {
            request = request
                .set_max_age(Duration::ZERO)
                .add_prompt(CoreAuthPrompt::Login);
            if let Some(acr) = &self.acr {
                let acr = AuthenticationContextClass::new(acr.clone());
                request = request.add_auth_context_value(acr);
            }
        }
        let (url, state, nonce) = request.url();
        let begun = Begun {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            next: next.to_owned(),
            again: again.to_owned(),
            began: now.as_second(),
        };
        Ok((url, begun))
    }

    /// Ends a sign-in: the code becomes a token, the token a person.
    ///
    /// # Errors
    /// Anything about it is not as it must be.
    pub async fn complete(
        &self,
        begun: &Begun,
        (state, code): (&str, &str),
        now: Timestamp,
    ) -> Result<Answered, Refused> {
        if !super::sessions::same_secret(&begun.state, state) || code.is_empty() {
            return Err(Refused::Answer);
        }
        let metadata = self.known(FRESH).await?;
        let client = self.client(&metadata)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| Refused::Token(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| match &error {
                RequestTokenError::Request(cause) => Refused::Silent(cause.to_string()),
                // Its words may quote what was sent; its code does not.
                RequestTokenError::ServerResponse(answer) => {
                    Refused::Provider(answer.error().to_string())
                }
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    Refused::Token("the answer cannot be read".to_owned())
                }
            })?;
        let token = tokens
            .id_token()
            .ok_or_else(|| Refused::Token("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(begun.nonce.clone());
        let check = |client: &Client| {
            let verifier = client
                .id_token_verifier()
                .set_allowed_algs(ALGORITHMS)
                .set_other_audience_verifier_fn(|aud| {
                    self.audiences.iter().any(|known| known == aud.as_str())
                });
            token.claims(&verifier, &nonce).map(drop)
        };
        let mut checked = check(&client);
        if let Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        )) = checked
        {
            checked = check(&self.client(&*self.known(AGAIN).await?)?);
        }
        checked.map_err(|error| Refused::Token(error.to_string()))?;
        let said = claims::read(&payload(&token.to_string())?, &self.mapping, now, self.skew)?;
        let authenticated = self.authenticated(begun, &said, now)?;
        Ok(Answered {
            said,
            authenticated,
        })
    }

    /// When the person proved who they are; for a second proof, whether it is one.
    fn authenticated(
        &self,
        begun: &Begun,
        said: &Said,
        now: Timestamp,
    ) -> Result<Timestamp, Refused> {
        let authenticated = said.authenticated.unwrap_or(now).min(now);
        if begun.again.is_empty() {
            return Ok(authenticated);
        }
        let asked = Timestamp::from_second(begun.began).unwrap_or(now);
        if said.authenticated.is_none_or(|at| at + self.skew < asked) {
            return Err(Refused::NotAgain(
                "the time of the proof is older than the question",
            ));
        }
        if self.acr.as_ref().is_some_and(|wanted| *wanted != said.acr) {
            return Err(Refused::NotAgain(
                "the proof is weaker than what was asked for",
            ));
        }
        Ok(authenticated)
    }

    /// Where a browser goes to sign out at the provider too; nothing where the provider has no such place or is silent.
    pub async fn sign_out(&self) -> Option<Url> {
        let metadata = self.known(FRESH).await.ok()?;
        let place = metadata
            .additional_metadata()
            .end_session_endpoint
            .clone()?;
        // Without the ID token as a hint: it would be a credential in an address. The provider asks the person instead.
        let back = PostLogoutRedirectUrl::new(format!("{}/sign-in", self.public)).ok()?;
        let request = LogoutRequest::from(place)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(back);
        Some(request.http_get_url())
    }

    /// Reads a logout token of the provider.
    ///
    /// # Errors
    /// It is none, or the provider's keys cannot be had.
    pub async fn logout(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<Logout, Forged>, Refused> {
        let read = |metadata: &ProviderMetadataWithLogout| {
            let expected = Expected {
                issuer: self.issuer.as_str(),
                client_id: self.client_id.as_str(),
                keys: metadata.jwks(),
                skew: self.skew,
            };
            logout::read(token, expected, now)
        };
        let first = read(&*self.known(FRESH).await?);
        if first == Err(Forged::UnknownKey) {
            return Ok(read(&*self.known(AGAIN).await?));
        }
        Ok(first)
    }
}

/// Browsers come by https, or to this machine itself.
fn check_public(public: &str) -> anyhow::Result<()> {
    let url = Url::parse(public).with_context(|| format!("--public-url={public}"))?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    ensure!(
        url.scheme() == "https" || local,
        "--public-url={public}: sign-in at an identity provider needs https, or the loopback"
    );
    Ok(())
}

/// The claims of a token that was checked, all of them.
fn payload(token: &str) -> Result<Value, Refused> {
    let unreadable = || Refused::Token("its claims cannot be read".to_owned());
    let part = token.split('.').nth(1).ok_or_else(unreadable)?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| unreadable())?;
    serde_json::from_slice(&bytes).map_err(|_| unreadable())
}

/// An error with what lies under it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut under = error.source();
    while let Some(cause) = under {
        text = format!("{text}: {cause}");
        under = cause.source();
    }
    text
}
