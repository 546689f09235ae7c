//! `mayday-host`: the embedded host as a program. See the library.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Runs a Spin application without Spin.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: mayday_host::Options,

    /// Where to listen for HTTP; port 0 takes any free one.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:3000",
        env = "SPIN_HTTP_LISTEN_ADDR"
    )]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .init();
    match mayday_host::run(&cli.options, cli.listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it from here, which would add a backtrace where RUST_BACKTRACE is set.
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
