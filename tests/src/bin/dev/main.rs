//! The habits of this repository that are more than a line of shell: the running province and the generated files.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use harness::{HUB, tools};

mod generate;
mod needs;
mod processes;
mod up;

/// Development of Qipan: `make up`, `make down`, `make status`, `make generate`.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the sample province: control planes, operator and portal. Run again, it brings in what changed.
    Up(up::Args),
    /// Stop everything that `up` started.
    Down {
        /// Remove the state too: the next `up` starts from nothing.
        #[arg(long)]
        wipe: bool,
    },
    /// Say what runs and where.
    Status,
    /// Write the generated files: CRDs, policies and roles of the chart and of the members' manifest.
    Generate {
        /// Write nothing; fail with the difference when a file is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Run kubectl against the running province.
    Kubectl {
        /// The cluster.
        #[arg(long, default_value = HUB)]
        cluster: String,
        /// What kubectl is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build the tools that tests need (the control plane, helm), so that no test waits for them.
    Tools,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().verb).await {
        Ok(()) => ExitCode::SUCCESS,
        // For people: what went wrong and why, without the stack that RUST_BACKTRACE would add.
        Err(error) => {
            eprintln!("dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Up(args) => up::up(args).await,
        Verb::Down { wipe } => up::down(wipe),
        Verb::Status => up::status(),
        Verb::Generate { check } => generate::generate(check),
        Verb::Kubectl { cluster, args } => kubectl(&cluster, &args),
        Verb::Tools => {
            needs::check()?;
            println!(
                "{}\n{}",
                tools::testbed()?.display(),
                tools::helm()?.display()
            );
            Ok(())
        }
    }
}

/// Where the running province keeps its files.
fn state() -> PathBuf {
    tools::repository().join(".qipan")
}

fn kubectl(cluster: &str, args: &[String]) -> Result<()> {
    let kubeconfig = match cluster {
        HUB => state().join("hub.kubeconfig"),
        member => state().join("members").join(format!("{member}.kubeconfig")),
    };
    let failed = Command::new(tools::testbed()?)
        .arg0("kubectl")
        .env("KUBECONFIG", kubeconfig)
        .args(args)
        .exec();
    Err(failed).context("failed to run kubectl")
}
