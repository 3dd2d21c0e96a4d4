//! The operator's binary.

use std::process::ExitCode;

use clap::Parser as _;
use operator::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command } = Args::parse();
    match command {
        Command::Manifests { which } => {
            print!("{}", operator::manifests::print(which));
            ExitCode::SUCCESS
        }
        Command::Run(args) => match operator::run::run(args).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("qipan-operator: {why:#}");
                ExitCode::FAILURE
            }
        },
    }
}
