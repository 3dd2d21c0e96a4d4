//! Reads a member's kubeconfig: only what needs no program, no file and no blind trust.

use crds::condition::whole_second;
use jiff::Timestamp;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::time::Duration;
use x509_parser::pem::Pem;

/// Why a kubeconfig is not used. None of the texts carries any of its content but names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is not a kubeconfig.
    #[error("it is not a kubeconfig: {0}")]
    Syntax(String),
    /// It wants something that the operator does not do for others.
    #[error("{0} is not allowed here: put the certificate or the token into the file itself")]
    NotAllowed(&'static str),
    /// It trusts any server.
    #[error(
        "insecure-skip-tls-verify is not allowed: put the certificate authority into certificate-authority-data"
    )]
    Insecure,
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
        let raw: serde_json::Value = serde_yaml::from_str(text).map_err(|e| syntax(&e))?;
        for user in raw
            .pointer("/users")
            .and_then(|u| u.as_array())
            .into_iter()
            .flatten()
        {
            for (path, name) in [
                ("/user/exec", "exec"),
                ("/user/auth-provider", "auth-provider"),
                ("/user/tokenFile", "tokenFile"),
                ("/user/client-certificate", "client-certificate"),
                ("/user/client-key", "client-key"),
            ] {
                if user.pointer(path).is_some_and(|v| !v.is_null()) {
                    return Err(KubeconfigError::NotAllowed(name));
                }
            }
        }
        for cluster in raw
            .pointer("/clusters")
            .and_then(|c| c.as_array())
            .into_iter()
            .flatten()
        {
            if cluster
                .pointer("/cluster/insecure-skip-tls-verify")
                .and_then(serde_json::Value::as_bool)
                == Some(true)
            {
                return Err(KubeconfigError::Insecure);
            }
            if cluster
                .pointer("/cluster/certificate-authority")
                .is_some_and(|v| !v.is_null())
            {
                return Err(KubeconfigError::NotAllowed("certificate-authority"));
            }
        }
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
    use base64::Engine as _;
    let claims = token.split('.').nth(1)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
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
    async fn what_runs_programs_reads_files_or_trusts_anyone_is_refused() {
        assert_eq!(
            read("", "exec: {command: sh}").await.err(),
            Some(KubeconfigError::NotAllowed("exec"))
        );
        assert_eq!(
            read("", "tokenFile: /etc/shadow").await.err(),
            Some(KubeconfigError::NotAllowed("tokenFile"))
        );
        assert_eq!(
            read("insecure-skip-tls-verify: true", "token: t")
                .await
                .err(),
            Some(KubeconfigError::Insecure)
        );
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
