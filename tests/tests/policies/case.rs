//! The cases of `policies/*`: how their files are read.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use harness::{tools, yaml_files};
use kube::core::GroupVersionKind;
use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Patch,
    Update,
    Delete,
}

/// One file of `accept/` or `reject/`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) rule: String,
    /// For messages of this test.
    pub(crate) path: String,
    /// A part of the refusal; `None` where it must pass.
    pub(crate) refusal: Option<String>,
    pub(crate) user: String,
    pub(crate) groups: Vec<String>,
    pub(crate) verb: Verb,
    pub(crate) subresource: Option<String>,
    pub(crate) object: Value,
}

impl Case {
    pub(crate) fn read(rule: &str, file: &Path, rejected: bool) -> Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let mut comments = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim);
        let refusal = if rejected {
            Some(
                comments
                    .next()
                    .context("its first line is the expected message")?
                    .to_owned(),
            )
        } else {
            None
        };
        let path = file
            .components()
            .rev()
            .take(3)
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>();
        let mut case = Self {
            rule: rule.to_owned(),
            path: path.into_iter().rev().collect::<Vec<_>>().join("/"),
            refusal,
            user: "admin".to_owned(),
            groups: Vec::new(),
            verb: Verb::Create,
            subresource: None,
            object: serde_yaml::from_str(&text)?,
        };
        for comment in comments {
            match comment.split_once(": ") {
                Some(("as", who)) => case.identify(who)?,
                Some(("verb", verb)) => {
                    case.verb = match verb {
                        "create" => Verb::Create,
                        "patch" => Verb::Patch,
                        "update" => Verb::Update,
                        "delete" => Verb::Delete,
                        other => bail!("no verb {other:?}: write create, patch, update or delete"),
                    }
                }
                Some(("subresource", name)) => case.subresource = Some(name.to_owned()),
                _ => {}
            }
        }
        Ok(case)
    }

    fn identify(&mut self, who: &str) -> Result<()> {
        for word in who.split_whitespace() {
            match word.split_once('=') {
                Some(("user", user)) => user.clone_into(&mut self.user),
                Some(("groups", groups)) => {
                    self.groups = groups.split(',').map(ToOwned::to_owned).collect();
                }
                Some(("serviceaccount", account)) => {
                    let (namespace, name) = account
                        .split_once('/')
                        .context("serviceaccount=<namespace>/<name>")?;
                    self.user = format!("system:serviceaccount:{namespace}:{name}");
                    self.groups = vec![
                        "system:serviceaccounts".into(),
                        format!("system:serviceaccounts:{namespace}"),
                    ];
                }
                _ => bail!("cannot read {word:?} of `# as:`"),
            }
        }
        Ok(())
    }

    /// The user with its groups.
    pub(crate) fn identity(&self) -> String {
        format!("{} of {}", self.user, self.groups.join(","))
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> Result<GroupVersionKind> {
        let (group, version) = self
            .text("/apiVersion")
            .rsplit_once('/')
            .unwrap_or(("", self.text("/apiVersion")));
        ensure!(!version.is_empty(), "{}: no apiVersion", self.path);
        Ok(GroupVersionKind::gvk(group, version, self.text("/kind")))
    }

    pub(crate) fn server_side_apply_too(&self) -> bool {
        matches!(self.verb, Verb::Create | Verb::Patch)
            && self.subresource.as_deref().is_none_or(|s| s == "status")
            && !has_null(&self.object)
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Reads the rules and their cases.
pub(crate) fn read_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for rule in rules()? {
        for (folder, rejected) in [("accept", false), ("reject", true)] {
            let files = yaml_files(
                &tools::repository()
                    .join("policies")
                    .join(&rule)
                    .join(folder),
            )?;
            ensure!(!files.is_empty(), "policies/{rule}/{folder} holds no case");
            for file in files {
                cases.push(
                    Case::read(&rule, &file, rejected)
                        .with_context(|| file.display().to_string())?,
                );
            }
        }
    }
    Ok(cases)
}

pub(crate) fn rules() -> Result<BTreeSet<String>> {
    let mut rules = BTreeSet::new();
    for entry in std::fs::read_dir(tools::repository().join("policies"))? {
        let entry = entry?;
        if entry.path().is_dir() {
            rules.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(rules)
}

pub(crate) fn policy_file(rule: &str) -> Result<String> {
    let path = tools::repository()
        .join("policies")
        .join(rule)
        .join("policy.yaml");
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The objects of a rule's `policy.yaml`.
pub(crate) fn policy_objects(rule: &str) -> Result<Vec<Value>> {
    let text = policy_file(rule)?;
    serde_yaml::Deserializer::from_str(&text)
        .map(|d| Value::deserialize(d).map_err(Into::into))
        .collect()
}

/// What a merge patch makes of a value.
pub(crate) fn merge(there: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        there.clone_from(patch);
        return;
    };
    for (name, value) in fields {
        merge(&mut there[name.as_str()], value);
    }
}
