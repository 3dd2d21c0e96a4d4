//! The file that a person works with: one context a namespace, the first one chosen. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How the cluster is reached.
pub(super) struct Server<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// `https://…`
    pub(super) url: &'a str,
    /// Its authority, as DER; none where public ones vouch for it.
    pub(super) authorities: &'a [Vec<u8>],
    /// The name that its certificate bears, where it is not the address's.
    pub(super) tls_name: Option<&'a str>,
}

/// A kubeconfig with a token for each namespace.
pub(super) fn write(server: &Server<'_>, tokens: &[(String, String)]) -> String {
    let mut cluster = json!({ "server": server.url });
    if !server.authorities.is_empty() {
        let pem = server.authorities.iter().map(|der| pem(der));
        let pem: String = pem.collect();
        cluster["certificate-authority-data"] = json!(STANDARD.encode(pem));
    }
    if let Some(name) = server.tls_name {
        cluster["tls-server-name"] = json!(name);
    }
    let each = |entry: fn(&str, &str, &str) -> Value| -> Vec<Value> {
        let entries = tokens.iter();
        entries
            .map(|(namespace, token)| entry(server.name, namespace, token))
            .collect()
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": tokens.first().map(|(namespace, _)| namespace),
        "clusters": [{ "name": server.name, "cluster": cluster }],
        "contexts": each(|cluster, namespace, _| json!({
            "name": namespace,
            "context": { "cluster": cluster, "namespace": namespace, "user": namespace },
        })),
        "users": each(|_, namespace, token| json!({ "name": namespace, "user": { "token": token } })),
    });
    serde_yaml::to_string(&config).unwrap_or_default()
}

/// RFC 7468: 64 characters a line.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::config::Kubeconfig;

    #[test]
    fn kubectl_reads_it_and_begins_in_the_first_namespace() {
        let authorities = [vec![7; 100]];
        let server = Server {
            name: "zj-1",
            url: "https://zj-1.example:6443",
            authorities: &authorities,
            tls_name: Some("kubernetes"),
        };
        let tokens = [("shuiwu-web", "t-1"), ("shuiwu-db", "t-2")];
        let text = write(&server, &tokens.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let read = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("shuiwu-web"));
        assert_eq!(read.contexts.len(), 2);
        let context = read.contexts[1].context.clone().unwrap();
        assert_eq!(
            (context.cluster.as_str(), context.namespace.as_deref()),
            ("zj-1", Some("shuiwu-db"))
        );
        let cluster = read.clusters[0].cluster.clone().unwrap();
        assert_eq!(cluster.tls_server_name.as_deref(), Some("kubernetes"));
        let data = cluster.certificate_authority_data.unwrap();
        let pem = String::from_utf8(STANDARD.decode(data).unwrap()).unwrap();
        assert!(
            pem.starts_with("-----BEGIN CERTIFICATE-----\nBwcH"),
            "{pem}"
        );
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    }
}
