//! The generated files, all of them: written, or compared with what is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use harness::tools;

/// What stands before the hub's policies.
const HUB_HEADER: &str = "\
# Generated from policies/*/policy.yaml by `make generate`. Do not edit.
";

/// What stands before the operator's roles on the hub.
const ROLES_HEADER: &str = "\
# Generated from operator/src/manifests.rs by `make generate`. Do not edit. A hub that is its own member has the roles of
# files/member.yaml as well.
";

/// What stands before a member's manifest.
const MEMBER_HEADER: &str = "\
# Generated from operator/src/manifests.rs, charts/qipan/files/tenant-role.yaml and policies/*/policy.yaml by
# `make generate`. Do not edit. What the administrator of a platform's cluster applies once: Qipan's account, what it may
# do here, what tenants' people may do in their namespaces, and the policies. The operator brings nothing of this itself:
# it verifies it.
";

/// Writes every generated file, or with `check` fails with the difference to what is there.
pub(crate) fn generate(check: bool) -> Result<()> {
    let chart = tools::repository().join("charts/qipan");
    let fresh = tempfile::tempdir()?;
    fs::create_dir_all(fresh.path().join("crds"))?;
    fs::create_dir_all(fresh.path().join("files"))?;
    let crds = fresh.path().join("crds");
    cargo_run("qipan-crds", "crdgen", &[&crds.to_string_lossy()])?;
    // What the operator may do stands beside what it does, in its own code; what tenants may do is decided, not derived.
    let tenant = fs::read_to_string(chart.join("files/tenant-role.yaml"))
        .context("charts/qipan/files/tenant-role.yaml")?;
    let member = format!(
        "{MEMBER_HEADER}{}---\n{}\n---\n{}\n",
        roles("member-roles")?,
        tenant.trim_end(),
        policies("member")?
    );
    for (name, content) in [
        (
            "hub-roles.yaml",
            format!("{ROLES_HEADER}{}", roles("hub-roles")?),
        ),
        (
            "hub-policies.yaml",
            format!("{HUB_HEADER}{}\n", policies("hub")?),
        ),
        ("member.yaml", member),
    ] {
        fs::write(fresh.path().join("files").join(name), content)?;
    }
    let mut stale = String::new();
    for part in ["crds", "files"] {
        let (from, to) = (fresh.path().join(part), chart.join(part));
        if check {
            stale += &differences(&from, &to)?;
        } else {
            fs::create_dir_all(&to)?;
            copy(&from, &to)?;
        }
    }
    for path in orphans(&crds, &chart.join("crds"))? {
        if check {
            stale += &path.display().to_string();
            stale += " is of a kind that is no more\n";
        } else {
            fs::remove_file(&path)?;
            println!("removed {}", path.display());
        }
    }
    ensure!(
        stale.is_empty(),
        "generated files are not up to date (run `make generate`):\n{stale}"
    );
    Ok(())
}

/// The operator's account and roles as it states them.
fn roles(which: &str) -> Result<String> {
    let said = cargo_run("qipan-operator", "qipan-operator", &["manifests", which])?;
    Ok(said.trim_start_matches("---\n").to_owned())
}

fn cargo_run(package: &str, binary: &str, args: &[&str]) -> Result<String> {
    let mut cargo = tools::cargo();
    cargo
        .args(["run", "--quiet", "-p", package, "--bin", binary, "--"])
        .args(args);
    tools::run(&mut cargo)
}

/// The policies of one kind of cluster, in the order of their names, with their comments.
fn policies(cluster: &str) -> Result<String> {
    let dir = tools::repository().join("policies");
    let mut rules: Vec<_> = fs::read_dir(&dir)?.collect::<Result<Vec<_>, _>>()?;
    rules.sort_by_key(fs::DirEntry::file_name);
    let mut chosen = Vec::new();
    for rule in rules {
        let path = rule.path().join("policy.yaml");
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let documents: Vec<_> = text.split("\n---\n").collect();
        // A binding that does not say where it belongs goes with its policy, which comes first.
        let mut place = None;
        for document in documents {
            place = annotation(document)
                .with_context(|| path.display().to_string())?
                .or(place);
            let Some(place) = &place else {
                bail!(
                    "{}: no annotation qipan.dev/cluster (hub or member)",
                    path.display()
                );
            };
            if place.split(',').any(|name| name.trim() == cluster) {
                chosen.push(document.trim().to_owned());
            }
        }
    }
    Ok(chosen.join("\n---\n"))
}

fn annotation(document: &str) -> Result<Option<String>> {
    let value: serde_json::Value = serde_yaml::from_str(document)?;
    let places = value.pointer("/metadata/annotations/qipan.dev~1cluster");
    Ok(places.and_then(|place| place.as_str()).map(String::from))
}

/// Copies the generated files; one that is equal is left untouched.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a file has a name")?);
        let content = fs::read(&path)?;
        if fs::read(&target).ok().as_deref() != Some(&content) {
            fs::write(&target, content)?;
            println!("wrote {}", target.display());
        }
    }
    Ok(())
}

/// The files of a directory that would not be generated now.
fn orphans(fresh: &Path, there: &Path) -> Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(there)? {
        let path = entry?.path();
        if !fresh
            .join(path.file_name().context("a file has a name")?)
            .exists()
        {
            left.push(path);
        }
    }
    Ok(left)
}

/// How each generated file differs from the one that is there (`--new-file`: one that is not there is empty).
fn differences(fresh: &Path, there: &Path) -> Result<String> {
    let mut said = String::new();
    for entry in fs::read_dir(fresh)? {
        let path = entry?.path();
        let old = there.join(path.file_name().context("a file has a name")?);
        let mut diff = Command::new("diff");
        diff.args(["-u", "--new-file"]).arg(old).arg(&path);
        let output = diff
            .output()
            .context("failed to run diff (apt-get install diffutils)")?;
        match output.status.code() {
            Some(0 | 1) => said += &String::from_utf8_lossy(&output.stdout),
            _ => bail!("diff failed: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    Ok(said)
}
