//! The ways out of the portal, as a file says them (`--notifications`). Secrets stand in files of their own, which are read
//! when they are needed: one that is renewed holds from the next message on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use crds::words::{Subject, SubjectKind};
use serde::Deserialize;

/// The ways out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The language of what leaves the portal: `zh` (where nothing is said) or `en`.
    pub language: String,
    /// The mail server.
    pub email: Option<Email>,
    /// The gateway for short messages.
    pub sms: Option<Sms>,
    /// Robots of groups in DingTalk and WeCom.
    pub robots: Vec<Robot>,
    /// Addresses of users and groups. What a person says of themselves in the portal comes first.
    pub contacts: Vec<ContactOf>,
    /// Who works for the operations provider, by platform; `*` for every other one.
    pub operations: Vec<Operations>,
    /// PEM file with certificate authorities beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Seconds after which an attempt counts as failed. Default 20.
    pub deadline_seconds: Option<u16>,
    /// Seconds until the second attempt; each further one waits twice as long, at most six hours. Default 30.
    pub retry_seconds: Option<u16>,
}

/// How the connection to a mail server is protected. It is said, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Tls {
    /// From the first byte (465).
    Tls,
    /// After a word in the clear, and never without (587).
    StartTls,
    /// Not at all: only for a server that takes no password.
    None,
}

/// A mail server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Email {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// The sender, for example `政务云网 <noreply@example.gov.cn>`.
    pub from: String,
    /// The user, where it asks for one.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// A gateway for short messages over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sms {
    /// Where it is posted.
    pub url: String,
    /// As what: `application/json` (where nothing is said) or `application/x-www-form-urlencoded`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// What is posted; `{recipient}` and `{text}` are filled in, escaped as the content type asks.
    pub template: String,
    /// The name of the header that carries the secret.
    #[serde(default)]
    pub header: Option<String>,
    /// File with the value of that header.
    #[serde(default)]
    pub header_file: Option<PathBuf>,
    /// What an answer must hold to count as taken. Nothing: any answer of success does.
    #[serde(default)]
    pub accepted: Option<String>,
}

/// Whose form a webhook has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Form {
    /// DingTalk's, signed where there is a secret.
    DingTalk,
    /// WeCom's.
    WeCom,
}

/// A robot in a group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Robot {
    /// Its name, unique here.
    pub name: String,
    /// Its form.
    pub form: Form,
    /// File with its address, which is a secret: whoever has it may post.
    pub url_file: PathBuf,
    /// File with the secret that DingTalk's signature is made with.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// For whom it is told: users and groups. Nobody named: everything.
    #[serde(default, rename = "for")]
    pub for_: Vec<Subject>,
}

/// Where a user or a group is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContactOf {
    /// User or Group.
    pub kind: SubjectKind,
    /// The name.
    pub name: String,
    /// The e-mail address.
    #[serde(default)]
    pub email: String,
    /// The number for short messages.
    #[serde(default)]
    pub phone: String,
}

/// Who works for the operations provider of a platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operations {
    /// The `CloudPlatform`, or `*`.
    pub platform: String,
    /// Who.
    pub subjects: Vec<Subject>,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or says something that cannot be; which field is in the error.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let config: Self = serde_yaml::from_str(&text)
            .with_context(|| format!("{} does not say how to notify", path.display()))?;
        config
            .check()
            .with_context(|| format!("in {}", path.display()))?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            matches!(self.language.as_str(), "" | "zh" | "en"),
            "language: {:?} is neither zh nor en",
            self.language
        );
        if let Some(email) = &self.email {
            email.check()?;
        }
        if let Some(sms) = &self.sms {
            sms.check()?;
        }
        let mut names = std::collections::BTreeSet::new();
        for robot in &self.robots {
            ensure!(
                !robot.name.is_empty() && names.insert(&robot.name),
                "robots[].name: {:?} is empty or there twice",
                robot.name
            );
        }
        Ok(())
    }

    /// How long an attempt may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.deadline_seconds.unwrap_or(20)))
    }

    /// The pause after the first attempt.
    #[must_use]
    pub fn retry(&self) -> Duration {
        Duration::from_secs(u64::from(self.retry_seconds.unwrap_or(30).max(1)))
    }

    /// The address of a user or a group, where the file has one.
    #[must_use]
    pub fn contact(&self, subject: &Subject) -> Option<&ContactOf> {
        let mut contacts = self.contacts.iter();
        contacts.find(|c| c.kind == subject.kind && c.name == subject.name)
    }

    /// Who works for the operations provider of a platform.
    #[must_use]
    pub fn operations(&self, platform: &str) -> &[Subject] {
        let of = |name: &str| self.operations.iter().find(|o| o.platform == name);
        of(platform)
            .or_else(|| of("*"))
            .map_or(&[], |found| &found.subjects)
    }
}

impl Email {
    fn check(&self) -> anyhow::Result<()> {
        if let Err(error) = self.from.parse::<lettre::message::Mailbox>() {
            bail!("email.from: {:?} is no sender ({error})", self.from);
        }
        ensure!(
            self.username.is_some() == self.password_file.is_some(),
            "email: username and passwordFile go together"
        );
        ensure!(
            self.username.is_none() || self.tls != Tls::None,
            "email.tls: None would send the password in the clear; say StartTls or Tls"
        );
        Ok(())
    }
}

impl Sms {
    fn check(&self) -> anyhow::Result<()> {
        let url = url::Url::parse(&self.url);
        let web = url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        ensure!(web, "sms.url is no address of http or https");
        ensure!(
            self.template.contains("{recipient}") && self.template.contains("{text}"),
            "sms.template: it holds {{recipient}} and {{text}}"
        );
        ensure!(
            self.header.is_some() == self.header_file.is_some(),
            "sms: header and headerFile go together"
        );
        Ok(())
    }
}

/// A secret from its file, without the line's end. The error names the file and nothing of it.
///
/// # Errors
/// It cannot be read, or is empty.
pub fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the secret in {} cannot be read: {error}", path.display()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("the secret in {} is empty", path.display()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> anyhow::Result<Config> {
        let config: Config = serde_yaml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn what_cannot_be_is_said_by_its_field() {
        let mail = "email: { host: m, port: 25, from: a@b.cn, tls: ";
        assert!(of(&format!("{mail}StartTls }}")).is_ok());
        let plain = format!("{mail}None, username: a, passwordFile: /p }}");
        let said = of(&plain).unwrap_err().to_string();
        assert!(said.contains("email.tls"), "{said}");
        assert!(of(&format!("{mail}Maybe }}")).is_err());
        assert!(of("email: { host: m, port: 25, tls: None, from: nobody }").is_err());
        assert!(of("sms: { url: 'ftp://x', template: '{recipient}{text}' }").is_err());
        assert!(
            of("robot: []").is_err(),
            "an unknown field is no silent default"
        );
    }

    #[test]
    fn operations_are_by_platform_else_everybody() {
        let config = of("operations: [{ platform: zj, subjects: [{ kind: Group, name: a }] }, { platform: '*', subjects: [{ kind: Group, name: b }] }]").unwrap();
        assert_eq!(config.operations("zj")[0].name, "a");
        assert_eq!(config.operations("gz")[0].name, "b");
        assert!(Config::default().operations("zj").is_empty());
    }
}
