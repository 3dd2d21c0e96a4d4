//! Debian's libfaketime: a program's time of day is what a file says, its monotonic clock stays true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Options;

/// The library, installed where that is possible and it is not there; `None` where it is not to be had.
#[must_use]
pub fn library() -> Option<PathBuf> {
    let library = || {
        let candidates = glob("/usr/lib", "faketime/libfaketimeMT.so.1");
        candidates.into_iter().next()
    };
    library().or_else(|| {
        let root = rustix::process::geteuid().is_root();
        let mut apt = std::process::Command::new("apt-get");
        apt.args([
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "faketime",
        ]);
        let installed = root && apt.output().is_ok_and(|out| out.status.success());
        installed.then(library).flatten()
    })
}

/// How an operator is started whose time is what the file says: `+0`, `+2h`, `+30d`; read about once a second.
#[must_use]
pub fn options(library: &Path, clock: &Path, identity: &str) -> Options {
    let text = |text: &str| text.to_owned();
    Options {
        identity: Some(text(identity)),
        env: BTreeMap::from([
            (text("LD_PRELOAD"), library.display().to_string()),
            (text("FAKETIME_TIMESTAMP_FILE"), clock.display().to_string()),
            (text("FAKETIME_CACHE_DURATION"), text("1")),
            (text("FAKETIME_DONT_FAKE_MONOTONIC"), text("1")),
        ]),
        ..Options::default()
    }
}

/// A path below a directory or one of its folders.
fn glob(below: &str, path: &str) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(below).into_iter().flatten().flatten();
    let mut candidates: Vec<_> = folders.map(|folder| folder.path().join(path)).collect();
    candidates.push(PathBuf::from(below).join(path));
    candidates.retain(|candidate| candidate.is_file());
    candidates
}
