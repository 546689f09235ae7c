//! The embedded host of Mayday: runs a Spin application, `spin.toml` and components, with no Spin installed.
//!
//! Real Spin (3.6.3, which SpinKube's shim carries) is the reference: what a component or client can tell apart from it
//! is a bug here, and what the host does not do it refuses when it loads the application. Each module says which of
//! Spin's sources it answers to; `tests/parity/` holds a test per rule.
//!
//! [`App::load`] reads and checks everything, then [`App::serve`] and [`App::listen`] run its triggers, and
//! [`App::handle`] answers a single request in process, which is what tests of components use. [`run`] is the whole
//! program.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let mut options = mayday_host::Options::new("spin.toml");
//! options.state_dir = Some("/tmp/state".into());
//! let app = mayday_host::App::load(&options)?;
//! let request = http::Request::get("/.well-known/spin/health").body(http_body_util::Empty::new())?;
//! assert!(app.handle(request).await.status().is_success());
//! # Ok(())
//! # }
//! ```

mod options;
mod problems;

mod manifest;
mod runtime_config;
mod template;

mod app;
mod compose;
mod engine;
mod instance;
mod linker;

mod body;
mod http_trigger;
mod metrics;
mod redis_trigger;
mod refusal;
mod room;
mod routes;
mod subscriptions;

mod allowed_hosts;
mod bindings;
mod handles;
mod key_value;
mod outbound_http;
mod redis;
mod sqlite;
mod stdio;
mod variables;

use std::{io, net::SocketAddr};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

pub use app::App;
pub use body::Body;
pub use options::{Options, VariableSource};
pub use wasmtime_wasi_http::Error;

/// Runs an application until it is told to stop by SIGTERM or SIGINT, or a trigger fails.
pub async fn run(options: &Options, listen: SocketAddr) -> anyhow::Result<()> {
    listener::raise_open_file_limit();
    let app = tokio::task::block_in_place(|| App::load(options))?;
    if let Some(dir) = app.log_dir() {
        log_writer::stdout().print(format!("Logging component stdio to {:?}\n", dir.join("")));
    }
    if !app.has_http_trigger() {
        return tokio::select! {
            ended = app.listen() => ended,
            () = stop_signal()? => Ok(()),
        };
    }
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("Unable to listen on {listen}"))?;
    let address = listener.local_addr()?;
    log_writer::stdout().print(format!(
        "\nServing http://{address}\n{}",
        app.describe_routes(address)
    ));
    tokio::select! {
        served = app.serve(listener, stop_signal()?) => served,
        ended = app.listen() => ended,
    }
}

/// Is ready when the process is asked to stop.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
