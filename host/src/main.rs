//! `mayday-host`: the embedded host as a program. See the library.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;

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

/// What is logged unless `RUST_LOG` says otherwise. Whatever components print counts.
const LOGGED: &str = "warn,component=info";

/// Time limit for writing what was logged before the end.
const LAST_LINES: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::log_to_stderr(cli.options.log, LOGGED);
    let code = match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it from here, which would add a backtrace where RUST_BACKTRACE is set.
            log_writer::stderr().print(format!("Error: {error:#}\n"));
            ExitCode::FAILURE
        }
    };
    telemetry::export_last_spans().await;
    log_writer::stdout().flush_within(LAST_LINES);
    log_writer::stderr().flush_within(LAST_LINES);
    code
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    telemetry::export_spans("mayday-host")?;
    mayday_host::run(&cli.options, cli.listen).await
}
