//! The detached programs of a running province: started in a session of their own, found again by a pid file that a
//! stranger with the same pid does not match.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use harness::tools;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// A pid file as `testbed spawn` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    pid: i32,
    start_time: String,
}

/// One detached program.
pub(crate) struct Detached {
    pub(crate) name: &'static str,
    pid_file: PathBuf,
    pub(crate) log: PathBuf,
}

impl Detached {
    pub(crate) fn new(state: &Path, name: &'static str) -> Self {
        Self {
            name,
            pid_file: state.join(format!("{name}.pid")),
            log: state.join("logs").join(format!("{name}.log")),
        }
    }

    pub(crate) fn start(&self, program: &[String]) -> Result<()> {
        let mut spawn = Command::new(tools::testbed()?);
        spawn
            .args(["spawn", "--pid-file"])
            .arg(&self.pid_file)
            .arg("--log")
            .arg(&self.log);
        tools::run(spawn.arg("--").args(program)).map(drop)
    }

    /// The process, if it is the one that was started and still runs.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let recorded: Recorded = serde_json::from_slice(&fs::read(&self.pid_file).ok()?).ok()?;
        (start_time(recorded.pid)? == recorded.start_time).then(|| Pid::from_raw(recorded.pid))?
    }

    /// Ends it, if it runs, and forgets it.
    pub(crate) fn stop(&self) -> Result<bool> {
        let was = self.pid();
        if let Some(pid) = was {
            end(pid, Duration::from_secs(10)).with_context(|| self.name)?;
        }
        match fs::remove_file(&self.pid_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(was.is_some()),
        }
    }
}

/// Ends a process in order, and by force after `grace`.
pub(crate) fn end(pid: Pid, grace: Duration) -> Result<()> {
    let number = pid.as_raw_nonzero().get();
    let Some(started) = start_time(number) else {
        return Ok(());
    };
    let runs = || start_time(number).as_ref() == Some(&started);
    for (signal, patience) in [
        (Signal::TERM, grace),
        (Signal::KILL, Duration::from_secs(5)),
    ] {
        match kill_process(pid, signal) {
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            other => other?,
        }
        let began = Instant::now();
        while began.elapsed() < patience {
            if !runs() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    bail!("process {number} does not end")
}

/// When a process started, in ticks since boot: with its pid, the name of a process that nobody else ever bears.
/// A zombie counts as gone.
fn start_time(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, in brackets, is the program's name and may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = *fields.first()?;
    (state != "Z").then(|| fields.get(19).map(ToString::to_string))?
}
