//! Asks the hub who may, and the member for the tokens.

use crds::way_in::{Ask, Door, Given, HOURS};
use crds::{CloudPlatform, GovernanceProfile, Reason, TenantQuota, Verdict, keys};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, Config};

use super::kubeconfig::{self, Server};
use super::{Place, place};
use crate::cloud_platform::docking;
use crate::member::{self, Credential};
use crate::runtime::Error;
use crate::runtime::apply::{self, deadline};

/// Issues ways in.
#[derive(Clone)]
pub struct Issuer {
    hub: Client,
    hub_config: Config,
    namespace: String,
}

/// Why nothing was issued.
#[derive(Debug)]
pub enum Denied {
    /// The caller did not say who it is, or is not who it says.
    Unauthenticated,
    /// The caller may not let people in.
    Caller(String),
    /// There is no way in for this person and grant.
    Refused(Verdict),
    /// The hub gave no answer: nobody knows what is allowed.
    Hub(Error),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Hub(error)
    }
}

impl Issuer {
    /// Issues for members of this hub.
    #[must_use]
    pub fn new(hub: Client, hub_config: Config, namespace: &str) -> Self {
        Self {
            hub,
            hub_config,
            namespace: namespace.to_owned(),
        }
    }

    /// Whether the bearer of a token may let people in.
    ///
    /// # Errors
    /// It may not, or the hub gives no answer.
    pub async fn caller(&self, token: &str) -> Result<(), Denied> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                audiences: Some(vec![crds::way_in::AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        let status = apply::ask(&self.hub, "review a token", &review).await?;
        let status = status.status.unwrap_or_default();
        let audiences = status.audiences.unwrap_or_default();
        let ours = audiences.iter().any(|a| a == crds::way_in::AUDIENCE);
        let Some(user) = status
            .user
            .filter(|_| status.authenticated == Some(true) && ours)
        else {
            return Err(Denied::Unauthenticated);
        };
        let question = may(keys::VERB_LET_IN, None, None);
        if self.allowed(&user, question).await? {
            Ok(())
        } else {
            Err(Denied::Caller(user.username.unwrap_or_default()))
        }
    }

    /// A way in for a person.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn let_in(&self, ask: &Ask) -> Result<Given, Denied> {
        let person = UserInfo {
            username: Some(ask.user.clone()),
            groups: Some(ask.groups.clone()),
            ..UserInfo::default()
        };
        let question = may(keys::VERB_ENTER, Some(&ask.namespace), Some(&ask.grant));
        if !self.allowed(&person, question).await? {
            return Err(Denied::Refused(
                Verdict::no(Reason::WayInNotAllowed)
                    .with("user", &ask.user)
                    .with("grant", &ask.grant)
                    .with("namespace", &ask.namespace),
            ));
        }
        let quotas: Api<TenantQuota> = Api::namespaced(self.hub.clone(), &ask.namespace);
        let quota = deadline("read the grant", quotas.get_opt(&ask.grant)).await?;
        let quota = quota.ok_or_else(|| {
            Denied::Refused(Verdict::no(Reason::UnknownGrant).with("grant", &ask.grant))
        })?;
        let platforms: Api<CloudPlatform> = Api::all(self.hub.clone());
        let name = &quota.spec.platform;
        let platform = deadline("read the platform", platforms.get_opt(name)).await?;
        let platform = platform.ok_or_else(|| {
            Denied::Refused(Verdict::no(Reason::UnknownPlatform).with("platform", name))
        })?;
        let place = place(&quota, &platform, ask.leaf.as_deref()).map_err(Denied::Refused)?;
        let config = self.config(&platform, &place).await?;
        self.issue(&place, config).await
    }

    async fn allowed(&self, user: &UserInfo, of: ResourceAttributes) -> Result<bool, Error> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                uid: user.uid.clone(),
                groups: user.groups.clone(),
                extra: user.extra.clone(),
                resource_attributes: Some(of),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = apply::ask(&self.hub, "ask who may", &review).await?;
        let status = answer.status;
        Ok(status.is_some_and(|s| s.allowed && s.denied != Some(true)))
    }

    /// How the member is reached, if the hub may dock it at this moment.
    async fn config(&self, platform: &CloudPlatform, place: &Place) -> Result<Config, Denied> {
        let profiles: Api<GovernanceProfile> = Api::all(self.hub.clone());
        let profile = deadline("read the profile", profiles.get_opt("default")).await?;
        let profile = profile.map(|p| p.spec);
        let today = crate::tenant_quota::today();
        docking::allowed(platform, &place.cluster, profile.as_ref(), today)
            .map_err(Denied::Refused)?;
        let connection = place.cluster.connection.clone().unwrap_or_default();
        if connection.hub {
            return Ok(self.hub_config.clone());
        }
        let refused = |why: String| Denied::Refused(unavailable(place, &why));
        let secret = connection.kubeconfig_secret.unwrap_or_default();
        let secrets: Api<Secret> = Api::namespaced(self.hub.clone(), &self.namespace);
        // By list, as the operator's role has it, and only of those that bear the label.
        let one = ListParams::default()
            .labels(&format!("{}=true", keys::KUBECONFIG))
            .fields(&format!("metadata.name={secret}"));
        let found = deadline("read the kubeconfig", secrets.list(&one)).await?;
        let data = found.items.into_iter().find_map(|s| s.data);
        let text = data.and_then(|mut data| data.remove("kubeconfig"));
        let text = text.and_then(|bytes| String::from_utf8(bytes.0).ok());
        let text = text.ok_or_else(|| refused("its kubeconfig is missing".into()))?;
        let credential = Credential::read(&text).await;
        let credential = credential.map_err(|why| refused(why.to_string()))?;
        Ok(credential.config)
    }

    async fn issue(&self, place: &Place, config: Config) -> Result<Given, Denied> {
        let refused = |why: &str| Denied::Refused(unavailable(place, why));
        let failed = |why: &Error| refused(&why.detail());
        let client = Client::try_from(config.clone()).map_err(|e| refused(&e.to_string()))?;
        let uid = member::uid(&client).await.map_err(|why| failed(&why))?;
        if uid != place.uid {
            return Err(refused("another cluster answers in its name"));
        }
        let (mut tokens, mut doors, mut until) = (Vec::new(), Vec::new(), Timestamp::MAX);
        for namespace in &place.namespaces {
            let issued = apply::way_in_token(&client, namespace, HOURS).await;
            let issued = issued.map_err(|why| failed(&why))?;
            let (token, end) = issued.ok_or_else(|| refused("its answer holds no token"))?;
            until = until.min(end);
            let claims = member::claims(&token).unwrap_or_default();
            let id = claims.get("jti").and_then(|id| id.as_str());
            doors.push(Door {
                namespace: namespace.clone(),
                credential: id.unwrap_or("unknown").to_owned(),
            });
            tokens.push((namespace.clone(), token));
        }
        let url = config.cluster_url.to_string();
        let given = place.cluster.endpoint.as_deref();
        let server = Server {
            name: &place.cluster.name,
            url: given.unwrap_or(url.trim_end_matches('/')),
            authorities: config.root_cert.as_deref().unwrap_or_default(),
            tls_name: config.tls_server_name.as_deref(),
        };
        Ok(Given {
            kubeconfig: kubeconfig::write(&server, &tokens),
            until,
            doors,
        })
    }
}

fn unavailable(place: &Place, why: &str) -> Verdict {
    Verdict::unknown(Reason::WayInUnavailable)
        .with("cluster", &place.cluster.name)
        .with("detail", why)
}

fn may(verb: &str, namespace: Option<&str>, name: Option<&str>) -> ResourceAttributes {
    ResourceAttributes {
        group: Some(crds::GROUP.to_owned()),
        resource: Some("tenantquotas".to_owned()),
        verb: Some(verb.to_owned()),
        namespace: namespace.map(ToOwned::to_owned),
        name: name.map(ToOwned::to_owned),
        ..ResourceAttributes::default()
    }
}
