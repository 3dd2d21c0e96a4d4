//! Reads a member's kubeconfig: only what needs no program, no file and no blind trust.

use crds::condition::whole_second;
use crds::{Reason, Verdict};
use jiff::Timestamp;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::time::Duration;
use x509_parser::pem::Pem;

/// What would run a program or read a file of the operator's.
const NOT_ALLOWED: [(&str, &str, &str); 6] = [
    ("users", "user", "exec"),
    ("users", "user", "auth-provider"),
    ("users", "user", "tokenFile"),
    ("users", "user", "client-certificate"),
    ("users", "user", "client-key"),
    ("clusters", "cluster", "certificate-authority"),
];

/// Why a kubeconfig is not used. None of the texts carries any of its content but names of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is not a kubeconfig.
    #[error("it is not a kubeconfig: {0}")]
    Syntax(String),
    /// This field wants something that the operator does not do for others.
    #[error("{0} would run a program or read a file of the operator's")]
    NotAllowed(String),
    /// With this field the credential would go to whoever answers.
    #[error("{0} would send the credential to a server that nobody vouches for")]
    Insecure(String),
}

impl KubeconfigError {
    /// What is said of the Secret that holds it.
    #[must_use]
    pub fn verdict(&self, secret: &str) -> Verdict {
        let said = |reason, param, value: &str| {
            Verdict::no(reason)
                .with("secret", secret)
                .with(param, value)
        };
        match self {
            Self::Syntax(why) => said(Reason::KubeconfigMalformed, "detail", why),
            Self::NotAllowed(field) => said(Reason::KubeconfigNotAllowed, "field", field),
            Self::Insecure(field) => said(Reason::KubeconfigInsecure, "field", field),
        }
    }
}

/// A usable kubeconfig and the end of its credential.
#[derive(Clone)]
pub struct Credential {
    /// The client's configuration.
    pub config: Config,
    /// When the credential ends, where it says so itself.
    pub until: Option<Timestamp>,
}

impl Credential {
    /// Reads a kubeconfig.
    ///
    /// # Errors
    /// See [`KubeconfigError`].
    pub async fn read(text: &str) -> Result<Self, KubeconfigError> {
        let syntax =
            |why: &dyn std::fmt::Display| KubeconfigError::Syntax(first_line(&why.to_string()));
        let raw: Value = serde_yaml::from_str(text).map_err(|e| syntax(&e))?;
        allowed(&raw)?;
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(|e| syntax(&e))?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|e| syntax(&e))?;
        client_settings(&mut config);
        let until = raw
            .pointer("/users")
            .and_then(|u| u.as_array())
            .into_iter()
            .flatten()
            .filter_map(end)
            .min();
        Ok(Self { config, until })
    }
}

/// Refuses what runs programs, reads files, or trusts whoever answers.
fn allowed(raw: &Value) -> Result<(), KubeconfigError> {
    let entries = |list: &str, entry: &str| -> Vec<Value> {
        let all = raw
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        all.map(|one| one.get(entry).cloned().unwrap_or_default())
            .collect()
    };
    for (list, entry, field) in NOT_ALLOWED {
        for (i, one) in entries(list, entry).iter().enumerate() {
            if one.get(field).is_some_and(|value| !value.is_null()) {
                return Err(KubeconfigError::NotAllowed(format!(
                    "{list}[{i}].{entry}.{field}"
                )));
            }
        }
    }
    for (i, cluster) in entries("clusters", "cluster").iter().enumerate() {
        let insecure = |field: &str| {
            Err(KubeconfigError::Insecure(format!(
                "clusters[{i}].cluster.{field}"
            )))
        };
        // Whatever it is that is not plainly false: some readers of YAML take "yes" for true.
        let skip = cluster.get("insecure-skip-tls-verify");
        if skip.is_some_and(|skip| !skip.is_null() && *skip != Value::Bool(false)) {
            return insecure("insecure-skip-tls-verify");
        }
        let server = cluster.get("server").and_then(Value::as_str);
        let scheme = server.map(|server| server.trim().get(..8).unwrap_or_default());
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https://")) {
            return insecure("server");
        }
    }
    Ok(())
}

/// kube 5 resends writes by itself and waits for answers without end; here a pass decides anew, and waits by a deadline.
pub fn client_settings(config: &mut Config) {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(Duration::from_secs(15));
    // Longer than a watch lasts, so that only a dead connection meets it.
    config.read_timeout = Some(Duration::from_secs(
        u64::from(crate::runtime::hub::WATCH_SECONDS) + 15,
    ));
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

fn end(user: &serde_json::Value) -> Option<Timestamp> {
    let text = |path: &str| user.pointer(path).and_then(|v| v.as_str());
    let certificate =
        text("/user/client-certificate-data").and_then(|data| certificate_end(&decode(data)?));
    let token = text("/user/token").and_then(token_end);
    [certificate, token]
        .into_iter()
        .flatten()
        .min()
        .map(whole_second)
}

fn decode(data: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(data.trim())
        .ok()
}

fn certificate_end(pem: &[u8]) -> Option<Timestamp> {
    let pem = Pem::iter_from_buffer(pem).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn token_end(token: &str) -> Option<Timestamp> {
    Timestamp::from_second(claims(token)?.get("exp")?.as_i64()?).ok()
}

/// What a token (RFC 7519) says of itself. Its signature is the member's to judge.
#[must_use]
pub fn claims(token: &str) -> Option<Value> {
    use base64::Engine as _;
    let claims = token.split('.').nth(1)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1', {cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    async fn read(cluster: &str, user: &str) -> Result<Credential, KubeconfigError> {
        Credential::read(&kubeconfig(cluster, user)).await
    }

    #[tokio::test]
    async fn what_runs_programs_reads_files_or_trusts_anyone_is_refused_by_field() {
        let field = |list: &str, entry: &str, field: &str| format!("{list}[0].{entry}.{field}");
        for (list, entry, name) in NOT_ALLOWED {
            let (in_cluster, in_user) = match list {
                "clusters" => (format!("{name}: /etc/shadow"), String::new()),
                _ => (String::new(), format!("{name}: {{command: sh}}")),
            };
            let why = read(&in_cluster, &in_user).await.err();
            let expected = KubeconfigError::NotAllowed(field(list, entry, name));
            assert_eq!(why, Some(expected));
        }
        for skip in ["true", "yes", "'true'"] {
            let why = read(&format!("insecure-skip-tls-verify: {skip}"), "token: t").await;
            let name = field("clusters", "cluster", "insecure-skip-tls-verify");
            assert_eq!(why.err(), Some(KubeconfigError::Insecure(name)), "{skip}");
        }
        let right = read("insecure-skip-tls-verify: false", "token: t").await;
        assert!(right.is_ok());
    }

    #[tokio::test]
    async fn a_server_that_is_not_https_is_refused_and_its_address_not_repeated() {
        let good = kubeconfig("", "token: t");
        for server in [
            "http://zj-1",
            "HTTP://zj-1",
            "zj-1:6443",
            "ftp://geheim@zj-1",
            "''",
        ] {
            let text = good.replace("'https://127.0.0.1:1'", server);
            let why = Credential::read(&text).await.err().unwrap();
            let name = "clusters[0].cluster.server".to_owned();
            assert_eq!(why, KubeconfigError::Insecure(name), "{server}");
            assert!(!why.to_string().contains("zj-1"), "{why}");
        }
        let upper = good.replace("https://", "HTTPS://");
        assert!(Credential::read(&upper).await.is_ok());
    }

    #[tokio::test]
    async fn the_end_of_a_token_is_read_and_no_error_repeats_it() {
        // {"exp":1700000000}
        let good = read("", "token: e30.eyJleHAiOjE3MDAwMDAwMDB9.x")
            .await
            .unwrap();
        assert_eq!(good.until.unwrap().as_second(), 1_700_000_000);
        let why = Credential::read("users: [{user: {token: geheim")
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(!why.contains("geheim"), "{why}");
        assert!(Credential::read("kind: Config").await.is_err());
    }
}
