//! The portal's program: reads its flags, sets up logging, runs.

use std::process::ExitCode;

use clap::Parser as _;
use portal::args::{Args, Command, LogFormat};

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let outcome = match command {
        Command::Serve(serve) => {
            portal::telemetry::start(serve.log_format);
            portal::server::run(*serve).await
        }
        Command::Db(db) => {
            portal::telemetry::start(LogFormat::Text);
            portal::db::commands::run(db).await
        }
        Command::Audit(audit) => {
            portal::telemetry::start(LogFormat::Text);
            portal::audit::commands::run(audit).await
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For the person at the terminal: what happened and why, without the program's insides.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
