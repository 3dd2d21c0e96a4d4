//! A real Keycloak: from Maven Central, kept in the cache, with a certificate of an authority of its own and the realm of
//! `tests/keycloak/qipan-realm.json`. A test's is gone when its value is, or the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::{Authority, Oidc, Program, debian, eventually, free_port, tools};

/// What is taken from Maven Central.
const VERSION: &str = "26.4.7";
/// The realm, and the portal's client in it.
pub const REALM: &str = "qipan";
/// The portal's client.
pub const CLIENT: &str = "qipan";
/// The client's secret in the realm's file: of a test's own provider, it opens nothing else.
pub const SECRET: &str = "only-for-tests-on-the-loopback";
/// The password of every post in the realm's file.
pub const PASSWORD: &str = "only-for-tests-on-the-loopback";
/// The posts in the realm's file, those of the demo sign-in.
pub const POSTS: [&str; 10] = [
    "gd-admin",
    "cs-approver",
    "cs-owner",
    "zj-rsj-owner",
    "zj-rsj-head",
    "lj-nyj-owner",
    "lj-nyj-head",
    "lj-approver",
    "zj-ops",
    "gd-auditor",
];
/// On two cores, with others at work.
const READY: Duration = Duration::from_mins(4);

/// Where Java and Keycloak are.
#[derive(Clone, Debug)]
pub struct Parts {
    home: PathBuf,
}

/// Where a Keycloak lies and listens: kept by `make up`, of one test's own otherwise.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
    port: u16,
}

/// A running Keycloak of a test's own.
#[derive(Debug)]
pub struct Keycloak {
    /// The process: a test may kill and restart it.
    pub program: Program,
    /// Where it is.
    pub place: Place,
    /// Dropped last.
    _dir: TempDir,
}

/// Keycloak in the cache, brought there where it is missing; else why it cannot be had, for a line `skipped:`.
pub fn parts() -> Result<Result<Parts, String>> {
    if let Err(why) = debian::want("java", &["openjdk-17-jre-headless"])? {
        return Ok(Err(why));
    }
    let home = tools::cache()?.join("keycloak").join(VERSION);
    if home.join("bin/kc.sh").exists() {
        return Ok(Ok(Parts { home }));
    }
    if let Err(why) = debian::want("mvn", &["maven"])? {
        return Ok(Err(why));
    }
    let parent = home.parent().context("a cache has a parent")?;
    fs::create_dir_all(parent)?;
    let lock = fs::File::create(parent.join("lock"))?;
    lock.lock()?;
    if !home.join("bin/kc.sh").exists() {
        eprintln!(
            "bringing Keycloak {VERSION} into {} (160 MB, once)",
            parent.display()
        );
        if let Err(error) = bring(parent, &home) {
            let why = format!("no Keycloak from Maven Central: {error:#}");
            ensure!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{why} (CI=true: nothing is left out)"
            );
            return Ok(Err(why));
        }
    }
    Ok(Ok(Parts { home }))
}

fn bring(parent: &Path, home: &Path) -> Result<()> {
    let into = TempDir::new_in(parent)?;
    let artifact = format!("org.keycloak:keycloak-quarkus-dist:{VERSION}:zip");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy"]);
    maven.arg(format!("-Dartifact={artifact}"));
    maven.arg(format!("-DoutputDirectory={}", into.path().display()));
    tools::run(&mut maven)?;
    let zip = into
        .path()
        .join(format!("keycloak-quarkus-dist-{VERSION}.zip"));
    // A JDK brings jar, a machine with Keycloak's needs may have no unzip.
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]);
    tools::run(unpack.arg(&zip).arg(into.path()))?;
    let unpacked = into.path().join(format!("keycloak-{VERSION}"));
    let start = unpacked.join("bin/kc.sh");
    ensure!(start.exists(), "there is no {}", start.display());
    let mut build = Command::new("bash");
    build.arg(&start).args(["build", "--db=dev-file"]);
    tools::run(&mut build)?;
    fs::rename(&unpacked, home)?;
    Ok(())
}

impl Keycloak {
    /// Starts it with the realm, for a portal at `http://127.0.0.1:<port>`.
    pub async fn start(parts: &Parts, portal: &str) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("qipan-keycloak-")
            .tempdir()?;
        let place = Place::new(dir.path(), free_port()?)?;
        let command = place.command(parts, portal)?;
        let program = Program::start(command, environment(), place.log())?;
        place.wait().await?;
        Ok(Self {
            program,
            place,
            _dir: dir,
        })
    }
}

/// What it is started with.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    [
        ("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx400m"),
        // It is not run for long: what the second compiler would win it does not earn.
        ("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1"),
        ("KC_BOOTSTRAP_ADMIN_USERNAME", "admin"),
        ("KC_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl Place {
    /// A place in a directory, with a certificate of an authority of its own; one that is there already is kept.
    pub fn new(dir: &Path, port: u16) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let place = Self {
            dir: dir.to_owned(),
            port,
        };
        if !place.ca_file().exists() {
            let authority = Authority::new("qipan-identity-provider")?;
            let identity = authority.server()?;
            fs::write(place.file("tls.crt"), &identity.certificate)?;
            tools::write_private(&place.file("tls.key"), identity.key.as_bytes())?;
            let secret = format!("{SECRET}\n");
            tools::write_private(&place.secret_file(), secret.as_bytes())?;
            fs::write(place.ca_file(), authority.pem())?;
        }
        Ok(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where it says what it does.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.file("keycloak.log")
    }

    /// What starts it, for a portal at an address. Its programs are copied first: it writes its database beside them.
    pub fn command(&self, parts: &Parts, portal: &str) -> Result<Vec<String>> {
        let home = self.file("home");
        if !home.exists() {
            let mut copy = Command::new("cp");
            tools::run(copy.arg("-a").arg(&parts.home).arg(&home))?;
        }
        fs::create_dir_all(home.join("data/import"))?;
        fs::write(home.join("data/import/qipan-realm.json"), realm(portal)?)?;
        Ok(vec![
            "/bin/bash".to_owned(),
            home.join("bin/kc.sh").display().to_string(),
            "start".to_owned(),
            "--optimized".to_owned(),
            "--import-realm".to_owned(),
            format!("--hostname=https://127.0.0.1:{}", self.port),
            "--http-host=127.0.0.1".to_owned(),
            format!("--https-port={}", self.port),
            format!(
                "--https-certificate-file={}",
                self.file("tls.crt").display()
            ),
            format!(
                "--https-certificate-key-file={}",
                self.file("tls.key").display()
            ),
            "--cache=local".to_owned(),
        ])
    }

    /// The issuer, as its tokens name it.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}/realms/{REALM}", self.port)
    }

    /// The file with the authority of its certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca.crt")
    }

    /// The file with the client's secret, as a mounted Secret would be.
    #[must_use]
    pub fn secret_file(&self) -> PathBuf {
        self.file("client-secret")
    }

    /// What an API server is told of it.
    #[must_use]
    pub fn oidc(&self) -> Oidc {
        Oidc {
            issuer: self.issuer(),
            ca: self.ca_file(),
            client_id: CLIENT.to_owned(),
        }
    }

    /// The flags by which a portal knows it.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        vec![
            format!("--oidc-issuer={}", self.issuer()),
            format!("--oidc-client-id={CLIENT}"),
            format!("--oidc-client-secret-file={}", self.secret_file().display()),
            format!("--oidc-ca-file={}", self.ca_file().display()),
        ]
    }

    /// A browser at it.
    pub fn browser(&self) -> Result<Browser> {
        let authority = fs::read_to_string(self.ca_file())?;
        Browser::with_tls(&format!("https://127.0.0.1:{}", self.port), &authority)
    }

    /// Waits until the realm answers.
    pub async fn wait(&self) -> Result<()> {
        let browser = self.browser()?;
        let path = format!("/realms/{REALM}/.well-known/openid-configuration");
        let ready = eventually("Keycloak is ready", READY, async || {
            let answer = browser.get(&path).await?;
            ensure!(answer.status == 200, "it says {}", answer.status);
            Ok::<_, anyhow::Error>(())
        });
        ready.await.with_context(|| {
            let said = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = said.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        })
    }

    /// An access token of its administrator.
    pub async fn admin_token(&self) -> Result<String> {
        let mut browser = self.browser()?;
        let form = [
            ("client_id", "admin-cli"),
            ("grant_type", "password"),
            ("username", "admin"),
            ("password", PASSWORD),
        ];
        let answer = browser.post("/realms/master/protocol/openid-connect/token", &form);
        let answer: serde_json::Value = answer.await?.json()?;
        let token = answer["access_token"].as_str();
        Ok(token.with_context(|| answer.to_string())?.to_owned())
    }

    /// An ID token of a post, as kubectl's login plug-in would get one (by password, which the realm allows for tests).
    pub async fn id_token(&self, post: &str) -> Result<String> {
        let mut browser = self.browser()?;
        let form = [
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("grant_type", "password"),
            ("scope", "openid"),
            ("username", post),
            ("password", PASSWORD),
        ];
        let path = format!("/realms/{REALM}/protocol/openid-connect/token");
        let answer: serde_json::Value = browser.post(&path, &form).await?.json()?;
        let token = answer["id_token"].as_str();
        Ok(token.with_context(|| answer.to_string())?.to_owned())
    }
}

/// The realm's file with the portal's address in it.
fn realm(portal: &str) -> Result<String> {
    let path = tools::repository().join("tests/keycloak/qipan-realm.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.replace("http://portal.example", portal))
}
