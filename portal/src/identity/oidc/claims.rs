//! What an identity provider says of a person, and the username that the API server makes of it. No network, no clock.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::identity::User;

/// More groups than this are no person's, and no request could carry them.
const MOST_GROUPS: usize = 500;
/// Kubernetes itself has no limit; a name longer than this is a mistake.
const LONGEST_NAME: usize = 250;

/// How claims are read: as the hub's `AuthenticationConfiguration` says it, or the two see different people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The claim that is the username.
    pub username: String,
    /// What the API server puts before it.
    pub username_prefix: String,
    /// The claim that lists the groups.
    pub groups: String,
    /// What the API server puts before each.
    pub groups_prefix: String,
    /// The claim that names the administrative level.
    pub level: String,
}

/// Why nobody can be made of a token that is the provider's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No username.
    #[error("the token has no usable claim {0} for the username")]
    NoName(String),
    /// The name is the control plane's own.
    #[error("the username {0} begins with `system:`, which is no person's")]
    System(String),
    /// A username from an address that nobody has verified.
    #[error("the e-mail address is not verified, and the username is made of it")]
    Unverified,
    /// Too many groups.
    #[error("the token names {0} groups, more than {MOST_GROUPS}")]
    Groups(usize),
    /// A time that is not near now.
    #[error("the token was issued at another time than now: the clocks differ")]
    Clock,
}

/// A person as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The person, as the API server sees them.
    pub user: User,
    /// Their level; empty where the provider names none.
    pub level: String,
    /// The provider's own name for them.
    pub subject: String,
    /// The provider's session.
    pub session: String,
    /// When they last proved who they are; absent where it is not said.
    pub authenticated: Option<Timestamp>,
    /// How strongly.
    pub acr: String,
}

/// Reads the claims of a token whose signature, issuer and audience were checked.
///
/// # Errors
/// No person can be made of them.
pub fn read(
    claims: &Value,
    mapping: &Mapping,
    now: Timestamp,
    skew: SignedDuration,
) -> Result<Said, Unusable> {
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let moment = |name: &str| Timestamp::from_second(claims[name].as_i64()?).ok();
    if moment("iat").is_none_or(|issued| issued > now + skew) {
        return Err(Unusable::Clock);
    }
    let said = text(&mapping.username);
    // The API server takes an address only where it is verified or nothing is said of it.
    let doubtful = claims
        .get("email_verified")
        .is_some_and(|verified| verified != true);
    if mapping.username == "email" && doubtful {
        return Err(Unusable::Unverified);
    }
    let name = format!("{}{said}", mapping.username_prefix);
    if said.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(Unusable::NoName(mapping.username.clone()));
    }
    if name.starts_with("system:") {
        return Err(Unusable::System(name));
    }
    let groups: Vec<_> = match &claims[&mapping.groups] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if groups.len() > MOST_GROUPS {
        return Err(Unusable::Groups(groups.len()));
    }
    let usable = |group: &&str| !group.is_empty() && !group.contains(char::is_control);
    let groups = groups.into_iter().filter(usable);
    let groups = groups.map(|group| format!("{}{group}", mapping.groups_prefix));
    Ok(Said {
        user: User {
            name,
            groups: groups
                .filter(|group| !group.starts_with("system:"))
                .collect(),
            post: None,
        },
        level: text(&mapping.level).chars().take(40).collect(),
        subject: text("sub").to_owned(),
        session: text("sid").to_owned(),
        authenticated: moment("auth_time"),
        acr: text("acr").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapping() -> Mapping {
        Mapping {
            username: "preferred_username".into(),
            username_prefix: "oidc:".into(),
            groups: "groups".into(),
            groups_prefix: "dept:".into(),
            level: "level".into(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn said(claims: &Value) -> Result<Said, Unusable> {
        read(claims, &mapping(), now(), SignedDuration::from_secs(60))
    }

    fn claims() -> Value {
        json!({
            "iat": 1_700_000_000, "auth_time": 1_699_999_000, "sub": "s-1", "sid": "sid-1", "acr": "2",
            "preferred_username": "cs-approver", "groups": ["zhanjiang-dsj", ""], "level": "City",
        })
    }

    #[test]
    fn a_person_is_named_as_the_api_server_names_them() {
        let said = said(&claims()).unwrap();
        assert_eq!(said.user.name, "oidc:cs-approver");
        assert_eq!(said.user.groups, ["dept:zhanjiang-dsj"]);
        let rest = (&*said.level, &*said.subject, &*said.session, &*said.acr);
        assert_eq!(rest, ("City", "s-1", "sid-1", "2"));
        assert_eq!(said.authenticated.unwrap().as_second(), 1_699_999_000);
    }

    #[test]
    fn one_group_may_be_said_as_a_word_and_none_at_all() {
        let mut one = claims();
        one["groups"] = json!("省数据局");
        assert_eq!(said(&one).unwrap().user.groups, ["dept:省数据局"]);
        one["groups"] = json!(null);
        assert!(said(&one).unwrap().user.groups.is_empty());
    }

    #[test]
    fn nobody_is_made_of_a_name_that_is_missing_or_the_control_planes() {
        for (value, refused) in [
            (json!(null), Unusable::NoName("preferred_username".into())),
            (json!(""), Unusable::NoName("preferred_username".into())),
            (json!(17), Unusable::NoName("preferred_username".into())),
            (
                json!("a\r\nb"),
                Unusable::NoName("preferred_username".into()),
            ),
            (
                json!("x".repeat(300)),
                Unusable::NoName("preferred_username".into()),
            ),
        ] {
            let mut wrong = claims();
            wrong["preferred_username"] = value;
            assert_eq!(said(&wrong), Err(refused));
        }
        let mut plain = mapping();
        (plain.username_prefix, plain.groups_prefix) = (String::new(), String::new());
        let mut wrong = claims();
        wrong["preferred_username"] = json!("system:admin");
        let refused = read(&wrong, &plain, now(), SignedDuration::ZERO);
        assert_eq!(refused, Err(Unusable::System("system:admin".into())));
        wrong["preferred_username"] = json!("eve");
        wrong["groups"] = json!(["system:masters", "city"]);
        let eve = read(&wrong, &plain, now(), SignedDuration::ZERO).unwrap();
        assert_eq!(eve.user.groups, ["city"]);
    }

    #[test]
    fn an_address_is_a_name_only_where_it_is_verified() {
        let by_address = Mapping {
            username: "email".into(),
            ..mapping()
        };
        let mut claims = claims();
        claims["email"] = json!("a@example.gov.cn");
        let read = |claims: &Value| read(claims, &by_address, now(), SignedDuration::ZERO);
        assert!(read(&claims).is_ok());
        for doubtful in [json!(false), json!("true")] {
            claims["email_verified"] = doubtful;
            assert_eq!(read(&claims), Err(Unusable::Unverified));
        }
    }

    #[test]
    fn a_token_of_tomorrow_is_refused_and_a_minute_is_forgiven() {
        let mut late = claims();
        late["iat"] = json!(1_700_000_059);
        assert!(said(&late).is_ok());
        late["iat"] = json!(1_700_000_061);
        assert_eq!(said(&late), Err(Unusable::Clock));
        late["iat"] = json!(null);
        assert_eq!(said(&late), Err(Unusable::Clock));
    }
}
