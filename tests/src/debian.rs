//! Programs that come as Debian packages: installed where that can be done, else told.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::tools::{cache, run};

/// Whether a program is on the PATH.
#[must_use]
pub fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program is.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Whether packages can be installed here.
#[must_use]
pub fn can_install() -> bool {
    on_path("apt-get") && rustix::process::geteuid().is_root()
}

/// Installs packages. Those who want to at the same time wait for each other.
pub fn install(packages: &[&str]) -> Result<()> {
    let lock = File::create(env::temp_dir().join("qipan-apt.lock"))?;
    lock.lock()?;
    eprintln!("installing {}", packages.join(" "));
    apt(&["update", "-qq"])?;
    apt(&[
        &["install", "-y", "-qq", "--no-install-recommends"],
        packages,
    ]
    .concat())
}

/// A program of a package; if it is not there it is installed where that can be done. Otherwise why not, for a line
/// `skipped:`; where `CI=true` says that nothing may be left out, that is an error.
pub fn want(program: &str, packages: &[&str]) -> Result<Result<PathBuf, String>> {
    if find(program).is_none() && can_install() {
        told(install(packages));
    }
    found(find(program), program, packages)
}

/// Chromium, for a suite whose npm packages are installed as well; otherwise why not.
pub fn browser(suite: &Path) -> Result<Result<PathBuf, String>> {
    let wanted = [
        want("chromium", &["chromium", "fonts-noto-cjk"])?,
        want("npm", &["npm"])?,
    ];
    let [chromium, npm] = match wanted {
        [Ok(chromium), Ok(npm)] => [chromium, npm],
        [Err(why), _] | [_, Err(why)] => return Ok(Err(why)),
    };
    let quiet = ["ci", "--silent", "--no-fund", "--no-audit"];
    run(Command::new(npm).current_dir(suite).args(quiet))?;
    Ok(Ok(chromium))
}

/// A program of a package that also brings a service, which is not to run here: unpacked into the cache, not installed.
pub fn unpacked(program: &str, package: &str) -> Result<Result<PathBuf, String>> {
    let dir = cache()?.join("debian").join(package);
    let kept = dir.join("usr/bin").join(program);
    if find(program).is_none() && !kept.is_file() && can_install() {
        told(unpack(package, &dir));
    }
    let there = find(program).or_else(|| kept.is_file().then_some(kept));
    found(there, program, &[package])
}

fn unpack(package: &str, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    eprintln!("unpacking {package} into {}", dir.display());
    apt(&["update", "-qq"])?;
    // Where it is downloaded to must be open to apt's own user, or it warns.
    run(Command::new("apt-get")
        .current_dir(dir)
        .args(["download", "-qq", package]))?;
    for file in fs::read_dir(dir)? {
        let file = file?.path();
        if file.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&file).arg(dir))?;
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// A machine without the mirror is one where the program is missing: that is told by [`found`].
fn told(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("{error:#}");
    }
}

fn found(
    there: Option<PathBuf>,
    program: &str,
    packages: &[&str],
) -> Result<Result<PathBuf, String>> {
    if let Some(there) = there {
        return Ok(Ok(there));
    }
    let packages = packages.join(" ");
    let why = format!("no {program} on the PATH: apt-get install {packages}");
    if env::var_os("CI").is_some_and(|ci| ci == "true") {
        bail!("{why} (CI=true: nothing is left out)");
    }
    Ok(Err(why))
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("failed to start apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed", args.join(" "));
    }
    Ok(())
}
