//! Notifications on the real thing: a mail server, webhooks and a gateway on the loopback, a server that hangs; and from a
//! request on a real hub to the notice in the portal, told once by two replicas.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "notifications/hub.rs"]
mod hub;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::extract::{Query, Request, State};
use harness::{Authority, Letter, Mail, eventually, free_port};
use portal::db::outbox::{self, Channel, Message};
use portal::db::{Db, micros};
use portal::notify::Config;
use portal::notify::http::sign;
use portal::notify::send::Sender;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_secs(20);

/// A database with a sender at work on it.
struct Sending {
    db: Db,
    dir: TempDir,
}

impl Sending {
    async fn new() -> Result<Self> {
        let dir = TempDir::new()?;
        let url = format!("sqlite:{}", dir.path().join("portal.db").display());
        let db = Db::open(&url.parse()?).await?;
        Ok(Self { db, dir })
    }

    fn begin(&self, config: &str) -> Result<()> {
        let file = self.dir.path().join("notifications.yaml");
        std::fs::write(&file, config)?;
        let sender = Sender {
            db: self.db.clone(),
            config: Arc::new(Config::read(&file)?),
        };
        tokio::spawn(async move { sender.run().await });
        Ok(())
    }

    fn secret(&self, name: &str, content: &str) -> Result<String> {
        let path = self.dir.path().join(name);
        std::fs::write(&path, format!("{content}\n"))?;
        Ok(path.display().to_string())
    }

    async fn put(&self, cause: &str, channel: Channel, recipient: &str) -> Result<()> {
        let mut connection = self.db.acquire().await?;
        let words = ("待您办理：“𠮷的扩容”", "请登录查看。");
        let now = micros(jiff::Timestamp::now());
        outbox::put(&mut connection, (cause, channel, recipient), words, now).await?;
        Ok(())
    }

    async fn message(&self, cause: &str, channel: Channel) -> Result<Message> {
        let mut connection = self.db.acquire().await?;
        let message = outbox::of_cause(&mut connection, channel, cause).await?;
        anyhow::Context::context(message, "there is no such message")
    }

    async fn reaches(&self, cause: &str, channel: Channel, state: &str) -> Result<Message> {
        eventually(&format!("{cause} is {state}"), SOON, async || {
            let message = self.message(cause, channel).await?;
            ensure!(message.state == state, "{message:?}");
            Ok::<_, anyhow::Error>(message)
        })
        .await
    }

    /// Waits until it was tried and is to be tried again.
    async fn is_put_off(&self, cause: &str, channel: Channel) -> Result<Message> {
        eventually(&format!("{cause} is put off"), SOON, async || {
            let message = self.message(cause, channel).await?;
            ensure!(
                message.state == "waiting" && !message.problem.is_empty(),
                "{message:?}"
            );
            Ok::<_, anyhow::Error>(message)
        })
        .await
    }
}

fn mail(port: u16, tls: &str, more: &str) -> String {
    format!(
        "email: {{ host: localhost, port: {port}, tls: {tls}, from: '政务云网 <noreply@example.gov.cn>'{more} }}\ndeadlineSeconds: 3\nretrySeconds: 1\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_arrive_and_a_refusal_is_for_good_or_for_now() -> Result<()> {
    let sending = Sending::new().await?;
    let mail_server = Mail::start(sending.dir.path(), None).await?;
    for (cause, to) in [
        ("a", "approver@example.gov.cn"),
        ("b", "nobody@example.gov.cn"),
        ("c", "later@example.gov.cn"),
        ("d", ""),
        ("e", "no address"),
    ] {
        sending.put(cause, Channel::Email, to).await?;
    }
    sending.begin(&mail(mail_server.port, "None", ""))?;
    let sent = sending.reaches("a", Channel::Email, "sent").await?;
    assert_eq!(sent.attempts, 1);
    let refused = sending.reaches("b", Channel::Email, "failed").await?;
    assert!(
        refused.attempts == 1 && refused.problem.contains("no such mailbox"),
        "{refused:?}"
    );
    let later = sending.is_put_off("c", Channel::Email).await?;
    assert!(later.problem.contains("try again later"), "{later:?}");
    eventually("it is tried again", SOON, async || {
        let again = sending.message("c", Channel::Email).await?;
        ensure!(again.attempts > 2, "{again:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    assert_eq!(
        sending.message("d", Channel::Email).await?.state,
        "unaddressed"
    );
    sending.reaches("e", Channel::Email, "failed").await?;
    let letters = mail_server.letters()?;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let Letter { to, data, .. } = &letters[0];
    assert_eq!(to, &["approver@example.gov.cn"]);
    assert!(
        data.contains(&format!("Message-ID: <{}@example.gov.cn>", sent.id)),
        "{data}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn under_starttls_with_a_password_that_is_mended_without_a_restart() -> Result<()> {
    let sending = Sending::new().await?;
    let authority = Authority::new("mail")?;
    let server = authority.server()?;
    let certificate = sending.secret("mail.crt", &server.certificate)?;
    let key = sending.secret("mail.key", &server.key)?;
    let trusted = sending.secret("ca.crt", authority.pem())?;
    let password = sending.secret("password", "falsch")?;
    let tls = (Path::new(&certificate), Path::new(&key));
    let mail_server = Mail::start(sending.dir.path(), Some(tls)).await?;
    sending.put("a", Channel::Email, "a@example.gov.cn").await?;
    let config = mail(
        mail_server.port,
        "StartTls",
        &format!(", username: portal, passwordFile: '{password}'"),
    );
    sending.begin(&format!("{config}caFile: '{trusted}'\n"))?;
    let put_off = sending.is_put_off("a", Channel::Email).await?;
    assert!(
        put_off.problem.contains("535") || put_off.problem.contains("uthentication"),
        "{put_off:?}"
    );
    assert!(!put_off.problem.contains("falsch"));
    sending.secret("password", "geheim")?;
    sending.reaches("a", Channel::Email, "sent").await?;
    assert!(mail_server.letters()?[0].tls);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_not_who_it_says_gets_no_letter() -> Result<()> {
    let sending = Sending::new().await?;
    let server = Authority::new("other")?.server()?;
    let certificate = sending.secret("mail.crt", &server.certificate)?;
    let key = sending.secret("mail.key", &server.key)?;
    let tls = (Path::new(&certificate), Path::new(&key));
    let mail_server = Mail::start(sending.dir.path(), Some(tls)).await?;
    sending.put("a", Channel::Email, "a@example.gov.cn").await?;
    sending.begin(&mail(mail_server.port, "StartTls", ""))?;
    let put_off = sending.is_put_off("a", Channel::Email).await?;
    assert!(put_off.problem.contains("certificate"), "{put_off:?}");
    assert!(mail_server.letters()?.is_empty());
    Ok(())
}

/// What came to a web server on the loopback.
type Heard = Arc<Mutex<Vec<Value>>>;

/// A server that checks what DingTalk checks, takes what WeCom takes, and is a gateway for short messages.
async fn web() -> Result<(String, Heard)> {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let app = axum::Router::new()
        .route("/robot/send", axum::routing::post(dingtalk))
        .route("/cgi-bin/webhook/send", axum::routing::post(wecom))
        .route("/sms", axum::routing::post(gateway))
        .with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((base, heard))
}

type Pairs = Query<std::collections::BTreeMap<String, String>>;

async fn dingtalk(State(heard): State<Heard>, Query(query): Pairs, body: String) -> String {
    let millis: i64 = query["timestamp"].parse().unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let fresh = (now - millis).abs() < 3_600_000;
    if query["access_token"] != "t0ken" || !fresh || query["sign"] != sign("SEC1", millis) {
        return json!({ "errcode": 310_000, "errmsg": "sign not match" }).to_string();
    }
    heard
        .lock()
        .unwrap()
        .push(serde_json::from_str(&body).unwrap());
    json!({ "errcode": 0, "errmsg": "ok" }).to_string()
}

async fn wecom(State(heard): State<Heard>, Query(query): Pairs, body: String) -> String {
    let code = if query["key"] == "busy" { 45_009 } else { 0 };
    heard
        .lock()
        .unwrap()
        .push(serde_json::from_str(&body).unwrap());
    json!({ "errcode": code, "errmsg": "" }).to_string()
}

async fn gateway(State(heard): State<Heard>, request: Request) -> String {
    let header = request.headers()["x-key"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 10_000)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    heard
        .lock()
        .unwrap()
        .push(json!({ "key": header, "body": body }));
    "{\"code\":0}".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_and_the_gateway_take_what_they_know_and_secrets_stay_secret() -> Result<()> {
    let sending = Sending::new().await?;
    let (base, heard) = web().await?;
    let ding = sending.secret("ding", &format!("{base}/robot/send?access_token=t0ken"))?;
    let secret = sending.secret("secret", "SEC1")?;
    let wrong = sending.secret("wrong", "SEC2")?;
    let gone = sending.secret("gone", "http://127.0.0.1:9/robot/send?access_token=t0ken")?;
    let com = sending.secret("com", &format!("{base}/cgi-bin/webhook/send?key=k"))?;
    let busy = sending.secret("busy", &format!("{base}/cgi-bin/webhook/send?key=busy"))?;
    let key = sending.secret("key", "s3cret")?;
    let config = format!(
        "robots:
- {{ name: ding, form: DingTalk, urlFile: '{ding}', secretFile: '{secret}' }}
- {{ name: forged, form: DingTalk, urlFile: '{ding}', secretFile: '{wrong}' }}
- {{ name: gone, form: DingTalk, urlFile: '{gone}' }}
- {{ name: com, form: WeCom, urlFile: '{com}' }}
- {{ name: busy, form: WeCom, urlFile: '{busy}' }}
sms: {{ url: '{base}/sms', template: '{{\"to\":\"{{recipient}}\",\"text\":\"{{text}}\"}}', header: x-key, headerFile: '{key}', accepted: '\"code\":0' }}
retrySeconds: 60\n"
    );
    for (cause, channel, to) in [
        ("1", Channel::DingTalk, "ding"),
        ("2", Channel::DingTalk, "forged"),
        ("3", Channel::DingTalk, "gone"),
        ("4", Channel::WeCom, "com"),
        ("5", Channel::WeCom, "busy"),
        ("6", Channel::Sms, "13800000000"),
    ] {
        sending.put(cause, channel, to).await?;
    }
    sending.begin(&config)?;
    sending.reaches("1", Channel::DingTalk, "sent").await?;
    let forged = sending.reaches("2", Channel::DingTalk, "failed").await?;
    assert!(forged.problem.contains("sign not match"), "{forged:?}");
    let gone = sending.is_put_off("3", Channel::DingTalk).await?;
    assert!(!gone.problem.contains("t0ken"), "{gone:?}");
    sending.reaches("4", Channel::WeCom, "sent").await?;
    let busy = sending.is_put_off("5", Channel::WeCom).await?;
    assert!(
        busy.due > micros(jiff::Timestamp::now()) + 30_000_000,
        "{busy:?}"
    );
    sending.reaches("6", Channel::Sms, "sent").await?;
    let heard = heard.lock().unwrap().clone();
    let text = heard.iter().find_map(|one| one["text"]["content"].as_str());
    assert!(
        text.unwrap().starts_with("待您办理：“𠮷的扩容”\n"),
        "{heard:?}"
    );
    let short = heard.iter().find(|one| one["key"] == "s3cret").unwrap();
    assert_eq!(short["body"]["to"], "13800000000");
    assert_eq!(short["body"]["text"], "待您办理：“𠮷的扩容”");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_holds_up_nobody_else() -> Result<()> {
    let sending = Sending::new().await?;
    let port = free_port()?;
    let hanging = TcpListener::bind(("127.0.0.1", port)).await?;
    // It takes connections, and says nothing.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = hanging.accept().await {
            held.push(stream);
        }
    });
    let (base, heard) = web().await?;
    let com = sending.secret("com", &format!("{base}/cgi-bin/webhook/send?key=k"))?;
    for nth in 0..40 {
        let to = format!("a{nth}@example.gov.cn");
        sending.put(&format!("m{nth}"), Channel::Email, &to).await?;
    }
    sending.put("w", Channel::WeCom, "com").await?;
    let config = mail(port, "None", "");
    let began = std::time::Instant::now();
    sending.begin(&format!(
        "{config}robots: [{{ name: com, form: WeCom, urlFile: '{com}' }}]\n"
    ))?;
    sending.reaches("w", Channel::WeCom, "sent").await?;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(heard.lock().unwrap().len(), 1);
    let put_off = sending.is_put_off("m0", Channel::Email).await?;
    assert!(
        put_off.problem.contains("no answer within 3 s") || put_off.problem.contains("time"),
        "{put_off:?}"
    );
    Ok(())
}
