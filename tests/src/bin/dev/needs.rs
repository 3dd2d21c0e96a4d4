//! What the machine must have; on Debian as root, what is missing is installed.

use anyhow::{Result, bail};
use harness::debian::{self, on_path};

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
    if !packages.is_empty() && debian::can_install() {
        debian::install(&packages)?;
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
