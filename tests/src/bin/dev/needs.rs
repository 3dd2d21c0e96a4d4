//! What the machine must have; on Debian as root, what is missing is installed.

use std::{env, path::Path, process::Command};

use anyhow::{Result, bail};

/// A program, the Debian package that brings it (none: Debian's is too old), and where else it comes from.
const NEEDED: [(&str, Option<&str>, &str); 4] = [
    (
        "cc",
        Some("build-essential"),
        "a C compiler: it builds ring, the cryptography of rustls",
    ),
    ("git", Some("git"), "git"),
    ("go", None, "Go 1.26 or newer: https://go.dev/dl"),
    ("cargo", None, "Rust 1.95 or newer: https://rustup.rs"),
];

/// Fails when a needed program is missing and cannot be installed, naming all of them and how to get them.
pub(crate) fn check() -> Result<()> {
    let mut missing: Vec<_> = NEEDED
        .iter()
        .filter(|(program, ..)| !on_path(program))
        .collect();
    let packages: Vec<_> = missing
        .iter()
        .filter_map(|(_, package, _)| *package)
        .collect();
    if !packages.is_empty() && on_path("apt-get") && rustix::process::geteuid().is_root() {
        eprintln!("installing {}", packages.join(" "));
        apt(&["update", "-qq"])?;
        apt(&[
            &["install", "-y", "-qq", "--no-install-recommends"],
            &packages[..],
        ]
        .concat())?;
        missing.retain(|(program, ..)| !on_path(program));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = missing
        .iter()
        .map(|(program, package, what)| match package {
            Some(package) => format!("  {program}: {what} (apt-get install {package})"),
            None => format!("  {program}: {what}"),
        })
        .collect();
    bail!("missing on the PATH:\n{}", list.join("\n"))
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| is_program(&dir.join(program))))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()?;
    if !status.success() {
        bail!("apt-get {} failed", args.join(" "));
    }
    Ok(())
}
