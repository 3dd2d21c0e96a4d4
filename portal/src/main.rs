//! The portal's program: reads its flags, sets up logging, runs.

use clap::Parser as _;
use portal::args::{Args, Command};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { command } = Args::parse();
    match command {
        Command::Serve(serve) => {
            portal::telemetry::start(serve.log_format);
            portal::server::run(serve).await
        }
    }
}
