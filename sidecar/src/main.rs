//! The sidecar's process: arguments, signals, and nothing else.

use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use mayday_sidecar::canary::{self, Canary};
use mayday_sidecar::{Config, Participant, Timings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The WebSocket relay of Mayday.
///
/// The messenger's service key is taken from the environment variable MAYDAY_MESSENGER_KEY, the participant service's
/// from MAYDAY_PARTICIPANT_KEY, the organizer service's from MAYDAY_ORGANIZER_KEY. Set the URL of Redis in the
/// environment as well if it holds a password: command lines are visible to others.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
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
    /// Where Redis is; rediss:// for TLS. Certificates, of the messenger's hosts too, are checked against the machine's
    /// authorities, or those in the file that SSL_CERT_FILE names.
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
    /// The value of the header Strict-Transport-Security, sent to browsers that came by HTTPS: they use HTTPS only, for
    /// that many seconds. Empty sends no header. The proxy that ends TLS sets X-Forwarded-Proto.
    #[arg(
        long,
        env = "MAYDAY_STRICT_TRANSPORT_SECURITY",
        default_value = "max-age=31536000",
        value_name = "POLICY",
        value_parser = header_value
    )]
    strict_transport_security: String,
    /// The header in which the proxy before the sidecar reports the client's address, such as x-forwarded-for. The log
    /// names its last address, or the peer's if it has none. Clients must not be able to set it.
    #[arg(long, env = "MAYDAY_CLIENT_ADDRESS_HEADER", value_name = "HEADER")]
    client_address_header: Option<http::HeaderName>,
    /// What the log on stderr looks like.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "MAYDAY_LOG",
        default_value_t,
        value_name = "FORMAT"
    )]
    log: telemetry::Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the whole path from a press for help to the end of its chat, in an agency that nobody sees. Prints how
    /// long each step took, and fails with the step that is broken
    Canary(CanaryArgs),
}

#[derive(Debug, clap::Args)]
struct CanaryArgs {
    /// Where the services are: scheme and authority, without a path.
    #[arg(
        long,
        env = "MAYDAY_APP_URL",
        default_value = "http://127.0.0.1:3000",
        value_name = "ORIGIN",
        value_parser = origin
    )]
    app: String,
    /// Where the sockets are. May be repeated or separated by commas: a check takes two, beginning with the first and
    /// the last, and the next check the next two.
    #[arg(
        long,
        env = "MAYDAY_SOCKET_URL",
        default_value = "ws://127.0.0.1:3001/connect",
        value_delimiter = ',',
        value_name = "URL",
        value_parser = socket
    )]
    socket: Vec<String>,
    /// Check again and again, so many seconds from one start to the next, and log what changes.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Where to serve the metrics of the latest check, at /metrics; port 0 takes a free one. Sidecars get the same
    /// metrics from the messenger; these name the failed step even while the messenger is down.
    #[arg(long, requires = "every", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

/// Time limit for writing the last log lines.
const LAST_LINES: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    let outcome = match args.command.take() {
        Some(Command::Canary(canary)) => run_canary(canary, args.log).await,
        None => run(args).await,
    };
    let code = match outcome {
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

    let shutdown = shutdown()?;
    let listener = listen(args.listen).await?;
    log_writer::stdout().print(format!("Listening on ws://{}/connect\n", listener.local_addr()?));
    let config = Config {
        messenger: args.messenger,
        messenger_key,
        redis: args.redis,
        participant,
        allowed_origins: args.allowed_origin,
        strict_transport_security: args.strict_transport_security,
        client_address_header: args.client_address_header,
        timings: Timings::default(),
    };
    mayday_sidecar::run(listener, config, shutdown).await
}

async fn run_canary(args: CanaryArgs, log: telemetry::Format) -> anyhow::Result<()> {
    telemetry::log_to_stderr(log, "info");
    let canary = Canary::new(canary::Config {
        app: args.app,
        sockets: args.socket,
        organizer_key: key("MAYDAY_ORGANIZER_KEY")?,
        participant_key: key("MAYDAY_PARTICIPANT_KEY")?,
        messenger_key: key("MAYDAY_MESSENGER_KEY")?,
    })?;
    if let Some(seconds) = args.every {
        let shutdown = shutdown()?;
        let address = args.metrics;
        let metrics = async {
            match address {
                Some(address) => serve_metrics(&canary, address).await,
                None => pending().await,
            }
        };
        return tokio::select! {
            () = canary.walk_every(Duration::from_secs(seconds)) => Ok(()),
            served = metrics => served,
            () = shutdown => Ok(()),
        };
    }
    let run = canary.walk().await;
    let stdout = log_writer::stdout();
    for (step, took) in &run.steps {
        stdout.print(format!("{step:20} {:>5} ms\n", took.as_millis()));
    }
    stdout.flush_within(LAST_LINES);
    canary.report(&run).await;
    let trace = run.trace();
    match (run.failed_step(), run.failure) {
        (Some(step), Some(error)) => Err(error.context(format!("traceId={trace}: {step} failed"))),
        _ => Ok(()),
    }
}

/// Serves the canary's metrics until dropped.
async fn serve_metrics(canary: &Canary, address: SocketAddr) -> anyhow::Result<()> {
    let listener = listen(address).await?;
    let address = listener.local_addr()?;
    log_writer::stdout().print(format!("Listening on http://{address}/metrics\n"));
    canary.serve_metrics(listener).await;
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("could not listen on {address}"))
}

/// A signal to stop.
fn shutdown() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn key(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} must be set"))
}

/// Checks the URL of a socket.
fn socket(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("ws" | "wss"), Some(_)) => Ok(text.to_owned()),
        _ => Err("expected ws://HOST:PORT/PATH or wss://HOST/PATH".into()),
    }
}

/// Checks the value of a header.
fn header_value(text: &str) -> Result<String, String> {
    match http::HeaderValue::from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses an origin. It has no path, since the routes of a service are fixed.
fn origin(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.authority(), uri.path()) {
        (Some(scheme @ ("http" | "https")), Some(authority), "/") => Ok(format!("{scheme}://{authority}")),
        _ => Err("expected http://HOST:PORT or https://HOST".into()),
    }
}
