//! What has to be there before a test can run: the testbed's binary, helm, our own binaries. Each is built once and
//! kept in a cache that all checkouts share.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

/// The Helm that renders the chart, in tests as in CI.
const HELM: &str = "helm.sh/helm/v4/cmd/helm@v4.3.1";

/// The routes that the chart can make are of these kinds.
pub const GATEWAY_API: &str = "sigs.k8s.io/gateway-api@v1.4.1";
/// And its monitors and alerts of these.
pub const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";

/// The mail server that tests send to.
const MAIL: &str = "aiosmtpd==1.4.6";

/// What fuzzes the API.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// `$QIPAN_CACHE`, or `qipan` in the user's cache directory.
pub fn cache() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set("QIPAN_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("qipan")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/qipan")))
        .context("none of QIPAN_CACHE, XDG_CACHE_HOME and HOME is set: nowhere to keep builds")
}

/// The version of Kubernetes in `tests/testbed/go.mod`.
const KUBERNETES: &str = "v1.36.3";

/// The testbed's binary, built when its sources are not in the cache yet.
pub fn testbed() -> Result<PathBuf> {
    let source = repository().join("tests/testbed");
    let target = cache()?
        .join("testbed")
        .join(format!("{}-{KUBERNETES}", digest(&source)?))
        .join("testbed");
    // A release build stamps its version in by the linker; without it the server calls itself v0.0.0.
    let stamp = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {stamp}.gitVersion={KUBERNETES} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor=36"
    );
    build_once(
        &target,
        "the control plane (Go, ~5 minutes on 2 cores, once)",
        |out| {
            let mut go = Command::new("go");
            go.current_dir(&source)
                .args(["build", "-trimpath", "-ldflags", &flags, "-o"]);
            go.arg(out).arg(".");
            go
        },
    )?;
    Ok(target)
}

/// Helm, built when it is not in the cache yet.
pub fn helm() -> Result<PathBuf> {
    let version = HELM.rsplit('@').next().unwrap_or(HELM);
    let target = cache()?.join("helm").join(version).join("helm");
    build_once(&target, "helm (Go, ~3 minutes on 2 cores, once)", |out| {
        let mut go = Command::new("go");
        // GOBIN takes a directory; the name in it is the package's own.
        go.args(["install", "-trimpath", HELM]);
        go.env("GOBIN", out.with_extension("d"))
            .env_remove("GOFLAGS");
        go
    })?;
    Ok(target)
}

/// Where a Go module lies, as it was published; fetched when it is not in Go's cache yet. What is read there is data: nothing of
/// it is built.
pub fn module(name: &str) -> Result<PathBuf> {
    let mut go = Command::new("go");
    go.current_dir(env::temp_dir()).env_remove("GOFLAGS");
    let said = run(go.args(["mod", "download", "-json", name]))?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let dir = said["Dir"].as_str();
    Ok(dir
        .with_context(|| format!("{name} lies nowhere: {said}"))?
        .into())
}

/// A Python with a mail server (aiosmtpd, from PyPI) in an environment of its own.
pub fn mail_python() -> Result<PathBuf> {
    Ok(environment(MAIL)?.join("bin/python"))
}

/// Schemathesis (from PyPI) in an environment of its own: the program that fuzzes an API by its description.
pub fn schemathesis() -> Result<PathBuf> {
    Ok(environment(SCHEMATHESIS)?.join("bin/st"))
}

/// A Python environment with one package and what that needs, made when it is not in the cache yet.
fn environment(package: &str) -> Result<PathBuf> {
    let home = cache()?.join("python").join(package.replace("==", "-"));
    let (python, done) = (home.join("bin/python"), home.join("complete"));
    if done.exists() {
        return Ok(home);
    }
    let dir = home.parent().context("a target has a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    if !done.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))?;
        fs::write(done, "")?;
    }
    Ok(home)
}

/// Cargo in the repository, as from a shell. What the cargo that runs us says of our own package is left out: build
/// scripts (ring's) take it for a change, and the half of the tree above them would be built anew each time.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository());
    for (name, _) in env::vars_os() {
        let of_a_package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if of_a_package
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// One of our own binaries, built for the profile and into the directory that the running test came from.
pub fn binary(package: &str) -> Result<PathBuf> {
    let running = env::current_exe()?;
    let profile_dir = running
        .ancestors()
        .find(|dir| !dir.ends_with("deps") && dir.is_dir())
        .context("the running program lies in no directory")?;
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--bin", package, "-p", package]);
    if profile_dir.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile_dir.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    run(&mut cargo)?;
    Ok(profile_dir.join(package))
}

/// Runs a command to its end; what it said is in the error when it failed.
pub fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {shown}: {}", hint(command)))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed ({}):\n{said}{complaint}", output.status);
    }
    Ok(said)
}

fn hint(command: &Command) -> &'static str {
    match command.get_program().to_str() {
        Some("go") => "install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH",
        Some("cargo") => "install Rust with rustup (https://rustup.rs)",
        _ => "is it installed and on the PATH?",
    }
}

/// Builds `target` unless it is there. Processes that want it at the same time wait for the one that builds; the
/// result appears by a rename, so a killed build leaves nothing that looks finished.
fn build_once(target: &Path, what: &str, build: impl FnOnce(&Path) -> Command) -> Result<()> {
    if target.exists() {
        return Ok(());
    }
    let dir = target.parent().context("a target has a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    if target.exists() {
        return Ok(());
    }
    eprintln!("building {what} into {}", dir.display());
    let partial = target.with_extension("partial");
    run(&mut build(&partial))?;
    // `go install` writes into a directory, `go build` to a file.
    let installed = partial
        .with_extension("d")
        .join(target.file_name().unwrap_or_default());
    let result = if installed.exists() {
        installed
    } else {
        partial
    };
    ensure!(
        result.exists(),
        "the build of {what} left nothing at {}",
        result.display()
    );
    fs::rename(&result, target)?;
    eprintln!("built {what}");
    Ok(())
}

/// A digest of everything that goes into the testbed's binary.
fn digest(source: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in [source.to_owned(), source.join("config")] {
        for entry in fs::read_dir(&dir).with_context(|| format!("no {}", dir.display()))? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(fs::read(&file)?);
    }
    let digest = hash.finalize();
    let head = digest
        .first_chunk()
        .context("a digest has more than 16 bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(*head)))
}

/// Writes a file that only its owner can read: keys and kubeconfigs.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let partial = path.with_extension("partial");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(content)?;
    fs::rename(&partial, path)?;
    Ok(())
}
