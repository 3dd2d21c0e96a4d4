//! Messages over HTTP: the robots of DingTalk and WeCom, and a gateway for short messages.
//!
//! Addresses and headers here are secrets: no error says them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use super::config::{Config, Form, Robot, Sms, secret};
use super::send::Problem;
use crate::db::outbox::Message;

/// No answer is read further.
const ANSWER_BYTES: usize = 16 * 1024;
/// WeCom takes no longer text, in bytes.
const TEXT_BYTES: usize = 2000;
/// What the two say when it is only too much or too busy at the moment.
const LATER: [i64; 8] = [-1, 130_101, 130_102, 410_100, 45_009, 45_033, 6_000, 43];
const FORM: &str = "application/x-www-form-urlencoded";

/// A client for what is configured.
///
/// # Errors
/// The certificate authorities cannot be read.
pub fn client(config: &Config) -> Result<Client, Problem> {
    let later = |error: String| Problem::Temporary(error);
    let mut builder = Client::builder()
        .timeout(config.deadline())
        .redirect(Policy::none());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path)
            .map_err(|error| later(format!("{} cannot be read: {error}", path.display())))?;
        for authority in Certificate::from_pem_bundle(&pem).map_err(|e| later(e.to_string()))? {
            builder = builder.add_root_certificate(authority);
        }
    }
    builder.build().map_err(|e| later(e.to_string()))
}

/// Posts a message by a robot.
///
/// # Errors
/// It was not taken: for now, or for good.
pub async fn robot(
    client: &Client,
    robot: &Robot,
    message: &Message,
    millis: i64,
) -> Result<(), Problem> {
    let address = secret(&robot.url_file).map_err(Problem::Temporary)?;
    let mut address = url::Url::parse(&address).map_err(|_| {
        Problem::Temporary(format!("{} holds no address", robot.url_file.display()))
    })?;
    if let (Form::DingTalk, Some(file)) = (robot.form, &robot.secret_file) {
        let secret = secret(file).map_err(Problem::Temporary)?;
        address
            .query_pairs_mut()
            .append_pair("timestamp", &millis.to_string())
            .append_pair("sign", &sign(&secret, millis));
    }
    let text = shortened(&format!("{}\n{}", message.subject, message.body));
    let body = json!({ "msgtype": "text", "text": { "content": text } });
    let request = client
        .post(address)
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string());
    let answer = post(request).await?;
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|_| Problem::Temporary("the robot's answer is no JSON".to_owned()))?;
    match answer["errcode"].as_i64() {
        Some(0) => Ok(()),
        code => {
            let said = answer["errmsg"].as_str().unwrap_or_default();
            let what = format!("the robot says {} {said}", code.unwrap_or_default());
            Err(if code.is_none_or(|code| LATER.contains(&code)) {
                Problem::Temporary(what)
            } else {
                Problem::Permanent(what)
            })
        }
    }
}

/// The signature that DingTalk asks for: of the moment and the secret, by the secret.
#[must_use]
pub fn sign(secret: &str, millis: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{millis}\n{secret}").as_bytes()))
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// Sends a short message.
///
/// # Errors
/// It was not taken: for now, or for good.
pub async fn sms(client: &Client, sms: &Sms, message: &Message) -> Result<(), Problem> {
    let kind = sms.content_type.as_deref().unwrap_or("application/json");
    let body = filled(&sms.template, kind, &message.recipient, &message.subject);
    let mut request = client.post(&sms.url).header(CONTENT_TYPE, kind).body(body);
    if let (Some(name), Some(file)) = (&sms.header, &sms.header_file) {
        let value = secret(file).map_err(Problem::Temporary)?;
        let no = |_| Problem::Temporary(format!("sms.header: {} cannot be sent", file.display()));
        let mut value = HeaderValue::from_str(&value).map_err(no)?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Problem::Temporary(format!("sms.header: {name:?} is no header")))?;
        request = request.header(name, value);
    }
    let answer = post(request).await?;
    match &sms.accepted {
        Some(word) if !answer.contains(word) => Err(Problem::Permanent(
            "the gateway's answer does not say that it took the message".to_owned(),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The template with its two places filled in, so that no text breaks out of them.
fn filled(template: &str, kind: &str, recipient: &str, text: &str) -> String {
    let escaped = |value: &str| {
        if kind.starts_with(FORM) {
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
        } else {
            let quoted = Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    };
    // One pass: what was filled in is not looked at again.
    let mut parts = template.split("{text}");
    let with = |part: &str| part.replace("{recipient}", &escaped(recipient));
    let first = parts.next().map(with).unwrap_or_default();
    parts.fold(first, |all, part| all + &escaped(text) + &with(part))
}

async fn post(request: RequestBuilder) -> Result<String, Problem> {
    // The address would be in the error, and the secret in the address.
    let gone = |error: reqwest::Error| Problem::Temporary(told(&error.without_url()));
    let mut response = request.send().await.map_err(gone)?;
    let status = response.status();
    let mut answer = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(gone)? {
        answer.extend_from_slice(&piece);
        if answer.len() > ANSWER_BYTES {
            break;
        }
    }
    if status.is_success() {
        return Ok(String::from_utf8_lossy(&answer).into_owned());
    }
    let what = format!("the server answers {status}");
    let later = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED
        );
    Err(if later {
        Problem::Temporary(what)
    } else {
        Problem::Permanent(what)
    })
}

/// An error with what is behind it.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reckoned with Python's hmac, as DingTalk's documentation has it.
    #[test]
    fn the_signature_is_dingtalks() {
        assert_eq!(
            sign("SEC000", 1_700_000_000_000),
            "ltBBey5eZrWKh1cPzFIdz3v3xpkc4Tjx4lLsPSHqdtA="
        );
    }

    #[test]
    fn nothing_breaks_out_of_a_template() {
        let json = filled(
            r#"{"to":"{recipient}","say":"{text}"}"#,
            "application/json",
            "1{text}3",
            "a\",\"to\":\"eve\n{recipient}",
        );
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["say"], "a\",\"to\":\"eve\n{recipient}");
        let form = filled("m={recipient}&t={text}", FORM, "13800000000", "a&m=1 号");
        assert_eq!(form, "m=13800000000&t=a%26m%3D1+%E5%8F%B7");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = shortened(&"𠮷".repeat(1000));
        assert!(cut.len() <= TEXT_BYTES + 3 && cut.ends_with('…'));
    }
}
