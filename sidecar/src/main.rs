//! The sidecar's process: arguments, signals, and nothing else.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mayday_sidecar::{Config, Participant, Timings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The WebSocket relay of Mayday.
///
/// The messenger's service key is taken from the environment variable MAYDAY_MESSENGER_KEY, the participant service's
/// from MAYDAY_PARTICIPANT_KEY. Set the URL of Redis in the environment as well if it holds a password: command lines
/// are visible to others.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
    /// Where the messenger is: scheme and authority, without a path. May be repeated or separated by commas, for each
    /// host that serves it. The sidecar calls the first, and the next when a host fails or does not answer in time.
    #[arg(
        long,
        env = "MAYDAY_MESSENGER_URL",
        default_value = "http://127.0.0.1:3000",
        value_delimiter = ',',
        value_name = "ORIGIN",
        value_parser = origin
    )]
    messenger: Vec<String>,
    /// Where Redis is.
    #[arg(
        long,
        env = "MAYDAY_REDIS",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    redis: String,
    /// Call the services at each tick, instead of the dispatcher, which needs a host with a Redis trigger. The value is
    /// the origin of the participant service: scheme and authority, without a path.
    #[arg(long, env = "MAYDAY_TICK_PARTICIPANT", value_name = "ORIGIN", value_parser = origin)]
    tick_participant: Option<String>,
    /// An origin of pages from which browsers may connect, such as https://help.example.org. May be repeated or
    /// separated by commas. Without any, browsers may connect from everywhere.
    #[arg(
        long,
        env = "MAYDAY_ALLOWED_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    allowed_origin: Vec<String>,
    /// What the log on stderr looks like.
    #[arg(long, value_enum, env = "MAYDAY_LOG", default_value_t, value_name = "FORMAT")]
    log: telemetry::Format,
}

/// Time limit for writing the last log lines.
const LAST_LINES: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let code = match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log_writer::stderr().print(format!("Error: {error:#}\n"));
            ExitCode::FAILURE
        }
    };
    telemetry::export_last_spans().await;
    log_writer::stderr().flush_within(LAST_LINES);
    code
}

async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::log_to_stderr(args.log, "info");
    telemetry::export_spans("mayday-sidecar")?;
    listener::raise_open_file_limit();
    let messenger_key = key("MAYDAY_MESSENGER_KEY")?;
    let participant = match args.tick_participant {
        Some(origin) => Some(Participant {
            origin,
            key: key("MAYDAY_PARTICIPANT_KEY")?,
        }),
        None => None,
    };

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    log_writer::stdout().print(format!("Listening on ws://{}/connect\n", listener.local_addr()?));
    let config = Config {
        messenger: args.messenger,
        messenger_key,
        redis: args.redis,
        participant,
        allowed_origins: args.allowed_origin,
        timings: Timings::default(),
    };
    mayday_sidecar::run(listener, config, shutdown).await
}

fn key(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} must be set"))
}

/// Parses an origin. It has no path, since the routes of a service are fixed.
fn origin(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.authority(), uri.path()) {
        (Some(scheme @ ("http" | "https")), Some(authority), "/") => Ok(format!("{scheme}://{authority}")),
        _ => Err("expected http://HOST:PORT or https://HOST".into()),
    }
}
