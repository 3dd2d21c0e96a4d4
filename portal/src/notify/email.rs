//! E-mail by SMTP. A letter's Message-ID is the message's id: one that was sent twice because nobody heard of its success
//! is one for the reader.

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Letter};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Connection, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::config::{Config, Email, Tls, secret};
use super::send::Problem;
use crate::db::outbox::Message;

/// Sends a message.
///
/// # Errors
/// It was not taken: for now, or for good.
pub async fn send(config: &Config, email: &Email, message: &Message) -> Result<(), Problem> {
    let letter = letter(email, message)?;
    let transport = transport(config, email)?;
    match transport.send(letter).await {
        Ok(_) => Ok(()),
        Err(error) => Err(problem(&error)),
    }
}

fn letter(email: &Email, message: &Message) -> Result<Letter, Problem> {
    let forever = |what: String| Problem::Permanent(what);
    let from: Mailbox = email
        .from
        .parse()
        .map_err(|error| Problem::Temporary(format!("the sender is none: {error}")))?;
    let to: Mailbox = message
        .recipient
        .parse()
        .map_err(|error| forever(format!("the address is none: {error}")))?;
    let domain = from.email.domain().to_owned();
    Letter::builder()
        .from(from)
        .to(to)
        // A line's end in a title would begin a header.
        .subject(message.subject.replace(['\r', '\n'], " "))
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .header(ContentType::TEXT_PLAIN)
        .body(message.body.clone())
        .map_err(|error| forever(format!("the letter cannot be written: {error}")))
}

fn transport(
    config: &Config,
    email: &Email,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Problem> {
    let later = Problem::Temporary;
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
        .port(email.port)
        .timeout(Some(config.deadline()));
    if email.tls != Tls::None {
        let mut parameters = TlsParameters::builder(email.host.clone());
        if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| later(format!("{} cannot be read: {error}", path.display())))?;
            let authority = Certificate::from_pem(&pem)
                .map_err(|error| later(format!("{}: {error}", path.display())))?;
            parameters = parameters.add_root_certificate(authority);
        }
        let parameters = parameters
            .build_rustls()
            .map_err(|error| later(error.to_string()))?;
        builder = builder.tls(match email.tls {
            Tls::Tls => Connection::Wrapper(parameters),
            Tls::StartTls | Tls::None => Connection::Required(parameters),
        });
    }
    if let (Some(user), Some(file)) = (&email.username, &email.password_file) {
        let password = secret(file).map_err(later)?;
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// A server that refuses the portal itself is to be mended, and then takes the letter; one that refuses the letter never
/// will.
fn problem(error: &lettre::transport::smtp::Error) -> Problem {
    let code = error.status().map(u16::from);
    let text = error.to_string();
    match code {
        Some(530 | 534 | 535 | 538) | None => Problem::Temporary(text),
        Some(_) if error.is_permanent() => Problem::Permanent(text),
        Some(_) => Problem::Temporary(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(recipient: &str, subject: &str) -> Message {
        Message {
            id: "m-1".into(),
            cause: String::new(),
            channel: "email".into(),
            recipient: recipient.into(),
            subject: subject.into(),
            body: "𠮷某某".into(),
            state: "waiting".into(),
            attempts: 1,
            due: 0,
            created: 0,
            changed: 0,
            problem: String::new(),
        }
    }

    #[test]
    fn no_title_begins_a_header() {
        let email = Email {
            host: "m".into(),
            port: 25,
            tls: Tls::None,
            from: "政务云网 <noreply@example.gov.cn>".into(),
            username: None,
            password_file: None,
        };
        let letter = letter(&email, &message("a@b.cn", "x\r\nBcc: eve@evil.test")).unwrap();
        let text = String::from_utf8(letter.formatted()).unwrap();
        assert!(!text.contains("\nBcc:"), "{text}");
        assert!(text.contains("Message-ID: <m-1@example.gov.cn>"), "{text}");
        let wrong = super::letter(&email, &message("a@b.cn\r\nBcc: eve@evil.test", "x"));
        assert!(matches!(wrong, Err(Problem::Permanent(_))));
    }
}
