//! `mayday-host`: the embedded host as a program. See the library.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
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

/// Time limit for writing what was logged before the end.
const LAST_LINES: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_writer(log_writer::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .init();
    let code = match mayday_host::run(&cli.options, cli.listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it from here, which would add a backtrace where RUST_BACKTRACE is set.
            log_writer::stderr().print(format!("Error: {error:#}\n"));
            ExitCode::FAILURE
        }
    };
    log_writer::stdout().flush_within(LAST_LINES);
    log_writer::stderr().flush_within(LAST_LINES);
    code
}
