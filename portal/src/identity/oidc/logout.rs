//! Back-channel logout: what a logout token must be (OpenID Connect Back-Channel Logout 1.0, §2.6). No network, no clock.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyUse};
use serde_json::Value;

/// The event that a logout token tells.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A token older than this tells nothing new.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);

/// What a logout token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// The token's own id.
    pub id: String,
    /// The provider's session; may be empty, then every session of the subject ends.
    pub session: String,
    /// The person, in the provider's words; may be empty where there is a session.
    pub subject: String,
    /// When the id may be forgotten.
    pub until: Timestamp,
}

/// Why a logout token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// It is no signed JWT.
    #[error("it is no signed token")]
    Shape,
    /// No key of the provider's has signed it, or not with an algorithm of two keys.
    #[error("its signature is none of the provider's")]
    Signature,
    /// No key of the provider's has its id: they may have changed.
    #[error("it is signed with a key that the provider does not name")]
    UnknownKey,
    /// Another provider's.
    #[error("its issuer is another")]
    Issuer,
    /// Somebody else's.
    #[error("its audience is another")]
    Audience,
    /// It does not tell of a logout.
    #[error("it tells of no logout")]
    Event,
    /// It could be an ID token.
    #[error("it has a nonce, which no logout token has")]
    Nonce,
    /// It names nobody.
    #[error("it names neither a session nor a person")]
    Nobody,
    /// It has no id.
    #[error("it has no id of its own")]
    NoId,
    /// It is of another time.
    #[error("it is of another time than now")]
    Time,
}

/// Who is expected to speak, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// The portal's client id.
    pub client_id: &'a str,
    /// The provider's keys.
    pub keys: &'a CoreJsonWebKeySet,
    /// How far clocks may differ.
    pub skew: SignedDuration,
}

/// Reads a logout token, if it is one.
///
/// # Errors
/// It is not, and why.
pub fn read(token: &str, expected: Expected<'_>, now: Timestamp) -> Result<Logout, Forged> {
    let claims = signed(token, expected.keys)?;
    if claims["iss"] != expected.issuer {
        return Err(Forged::Issuer);
    }
    let is_ours = match &claims["aud"] {
        Value::String(one) => one == expected.client_id,
        Value::Array(many) => many.iter().any(|aud| aud == expected.client_id),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    if !is_ours {
        return Err(Forged::Audience);
    }
    if !claims["events"][EVENT].is_object() {
        return Err(Forged::Event);
    }
    if claims.get("nonce").is_some() {
        return Err(Forged::Nonce);
    }
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let (session, subject, id) = (text("sid"), text("sub"), text("jti"));
    if session.is_empty() && subject.is_empty() {
        return Err(Forged::Nobody);
    }
    if id.is_empty() || id.len() > 250 {
        return Err(Forged::NoId);
    }
    let moment = |name: &str| Timestamp::from_second(claims[name].as_i64()?).ok();
    let (issued, skew) = (moment("iat").ok_or(Forged::Time)?, expected.skew);
    let expired = moment("exp").is_some_and(|end| end + skew < now);
    if expired || issued > now + skew || issued + OLDEST + skew < now {
        return Err(Forged::Time);
    }
    Ok(Logout {
        id,
        session,
        subject,
        until: issued + OLDEST + skew + skew,
    })
}

/// The claims of a token that one of the keys has signed.
fn signed(token: &str, keys: &CoreJsonWebKeySet) -> Result<Value, Forged> {
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(seal), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Forged::Shape);
    };
    let decode = |part: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| Forged::Shape)
    };
    let json = |part: &str| -> Result<Value, Forged> {
        serde_json::from_slice(&decode(part)?).map_err(|_| Forged::Shape)
    };
    let header = json(head)?;
    if header.get("crit").is_some() || !header["alg"].is_string() {
        return Err(Forged::Shape);
    }
    // Algorithms with two keys only: `none` and shared secrets are not among them.
    let algorithm: CoreJwsSigningAlgorithm =
        serde_json::from_value(header["alg"].clone()).map_err(|_| Forged::Signature)?;
    if !super::ALGORITHMS.contains(&algorithm) {
        return Err(Forged::Signature);
    }
    let (message, seal) = (&token[..head.len() + 1 + body.len()], decode(seal)?);
    let may_sign = |key: &&CoreJsonWebKey| {
        let named = key.key_id().map(|id| id.as_str());
        key.key_use().is_none_or(JsonWebKeyUse::allows_signature)
            && header["kid"].as_str().is_none_or(|kid| named == Some(kid))
    };
    let mut known = keys.keys().iter().filter(may_sign).peekable();
    if known.peek().is_none() {
        return Err(Forged::UnknownKey);
    }
    let good = |key: &CoreJsonWebKey| {
        key.verify_signature(&algorithm, message.as_bytes(), &seal)
            .is_ok()
    };
    if !known.any(good) {
        return Err(Forged::Signature);
    }
    json(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openidconnect::core::CoreEdDsaPrivateSigningKey;
    use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
    use serde_json::json;

    struct Provider {
        key: CoreEdDsaPrivateSigningKey,
        keys: CoreJsonWebKeySet,
    }

    fn provider(kid: &str) -> Provider {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let id = Some(JsonWebKeyId::new(kid.to_owned()));
        let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pair.serialize_pem(), id).unwrap();
        let keys = CoreJsonWebKeySet::new(vec![key.as_verification_key()]);
        Provider { key, keys }
    }

    impl Provider {
        fn says(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let message = format!("{}.{}", part(header), part(claims));
            let seal = self
                .key
                .sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes());
            format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(seal.unwrap()))
        }
    }

    fn header() -> Value {
        json!({ "alg": "EdDSA", "kid": "one", "typ": "logout+jwt" })
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.test", "aud": ["qipan"], "iat": 1_700_000_000, "exp": 1_700_000_120,
            "jti": "j-1", "sid": "sid-1", "sub": "s-1", "events": { EVENT: {} },
        })
    }

    fn judged(provider: &Provider, token: &str) -> Result<Logout, Forged> {
        let expected = Expected {
            issuer: "https://id.test",
            client_id: "qipan",
            keys: &provider.keys,
            skew: SignedDuration::from_secs(60),
        };
        read(
            token,
            expected,
            Timestamp::from_second(1_700_000_010).unwrap(),
        )
    }

    #[test]
    fn a_logout_token_names_a_session_and_a_person() {
        let provider = provider("one");
        let logout = judged(&provider, &provider.says(&header(), &claims())).unwrap();
        let named = (&*logout.id, &*logout.session, &*logout.subject);
        assert_eq!(named, ("j-1", "sid-1", "s-1"));
    }

    #[test]
    fn what_is_not_all_that_a_logout_token_must_be_is_refused() {
        let provider = provider("one");
        for (claim, value, refused) in [
            ("iss", json!("https://evil.test"), Forged::Issuer),
            ("aud", json!("another"), Forged::Audience),
            ("aud", json!(null), Forged::Audience),
            ("events", json!({}), Forged::Event),
            ("events", json!({ EVENT: "yes" }), Forged::Event),
            ("nonce", json!("n-1"), Forged::Nonce),
            ("jti", json!(""), Forged::NoId),
            ("iat", json!(1_700_000_071), Forged::Time),
            ("iat", json!(1_699_999_000), Forged::Time),
            ("iat", json!(null), Forged::Time),
            ("exp", json!(1_699_999_949), Forged::Time),
        ] {
            let mut wrong = claims();
            wrong[claim] = value;
            let token = provider.says(&header(), &wrong);
            assert_eq!(judged(&provider, &token), Err(refused), "{claim}");
        }
        let mut nobody = claims();
        (nobody["sid"], nobody["sub"]) = (json!(null), json!(null));
        let token = provider.says(&header(), &nobody);
        assert_eq!(judged(&provider, &token), Err(Forged::Nobody));
    }

    #[test]
    fn only_the_providers_keys_sign_and_only_with_an_algorithm_of_two_keys() {
        let (known, stranger) = (provider("one"), provider("one"));
        let forged = stranger.says(&header(), &claims());
        assert_eq!(judged(&known, &forged), Err(Forged::Signature));
        let other = provider("two").says(&json!({ "alg": "EdDSA", "kid": "two" }), &claims());
        assert_eq!(judged(&known, &other), Err(Forged::UnknownKey));
        for algorithm in ["none", "HS256", "RS256"] {
            let head = json!({ "alg": algorithm, "kid": "one" });
            let token = known.says(&head, &claims());
            assert_eq!(
                judged(&known, &token),
                Err(Forged::Signature),
                "{algorithm}"
            );
        }
        let good = known.says(&header(), &claims());
        let altered = good.replacen('.', "x.", 1);
        assert!(judged(&known, &altered).is_err());
        for shape in ["", "a.b", "a.b.c.d", "....", &good[..good.len() / 2]] {
            assert_eq!(judged(&known, shape), Err(Forged::Shape), "{shape}");
        }
        let critical = known.says(&json!({ "alg": "EdDSA", "crit": ["x"] }), &claims());
        assert_eq!(judged(&known, &critical), Err(Forged::Shape));
    }
}
