//! The WebSocket server of Mayday. It owns sockets and nothing else: the messenger authenticates clients and stores
//! what they send, and the messenger's log determines what clients are shown.
//!
//! A frame's way in: `door` upgrades, `connection` parses and decides, `messenger` carries commands in exchanges. A
//! frame's way out: an exchange brings updates, the `player` shows each to its recipients' connections, and `redis`
//! passes new updates to the other sidecars.
//!
//! `canary` is a client: a process of its own that checks the whole path.

mod door;

mod connection;

mod messenger;

mod player;

mod redis;

mod service;

mod backoff;
mod metrics;
mod outage;

pub mod canary;
pub mod echo;

/// Not part of a release build. `cargo fuzz` compiles with `fuzzing`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use http::HeaderName;
use listener::StrictTransport;
use sidecar_api::Realm;
use telemetry::Seldom;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::info;

use uuid::Uuid;

pub use crate::connection::parse::MAX_FRAME_BYTES;
use crate::connection::session::Timeouts;
use crate::connection::task::Shared;
use crate::door::App;
use crate::messenger::authentication::{self, Authenticator};
use crate::messenger::client::Messenger;
use crate::messenger::commands::Commands;
use crate::messenger::exchange::Exchanger;
use crate::messenger::revocation;
use crate::metrics::Metrics;
use crate::player::Player;
use crate::redis::Redis;
use crate::redis::tick::Services;
use crate::service::Service;

/// The settings of a sidecar.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origins of the messenger's hosts, as scheme and authority: `http://127.0.0.1:3000`. The first is called, and
    /// the next when it fails.
    pub messenger: Vec<String>,
    /// The messenger's service key.
    pub messenger_key: String,
    /// The URL of Redis: `redis://127.0.0.1:6379`, or `rediss://` for TLS.
    pub redis: String,
    /// The participant service, where the sidecar calls the services at each tick; absent where a dispatcher does.
    pub participant: Option<Participant>,
    /// The origins of pages from which browsers may connect, such as `https://help.example.org`; empty allows all.
    /// Other clients send no origin and may always connect.
    pub allowed_origins: Vec<String>,
    /// What browsers that came by HTTPS are told in `Strict-Transport-Security`; empty tells them nothing.
    pub strict_transport_security: String,
    /// The header in which the nearest proxy reports the client's address, for the log.
    pub client_address_header: Option<HeaderName>,
    pub timings: Timings,
}

/// Where the participant service is, and its key, as for the messenger in [`Config`].
#[derive(Clone, Debug)]
pub struct Participant {
    pub origin: String,
    pub key: String,
}

/// Time limits and intervals. Only tests need others than the default.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// From the upgrade until the first frame has been sent and checked.
    pub authorization: Duration,
    /// From one valid frame of a client to the next.
    pub idle: Duration,
    /// Between two pings of a participant.
    pub ping: Duration,
    /// Between two pings of an organizer.
    pub ping_organizers: Duration,
    /// The sidecar answers a command that is this old with an error.
    pub give_up: Duration,
    /// Time limit for commands under way when the sidecar stops.
    pub drain: Duration,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            authorization: Duration::from_secs(60),
            idle: Duration::from_secs(30 * 60),
            ping: Duration::from_secs(25),
            ping_organizers: Duration::from_secs(5),
            give_up: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// Time limit for connections to end after their commands are answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Time limit for the last publications.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves clients on `listener` until `shutdown`, then drains: it answers the commands under way, and tells clients to
/// connect again.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Config {
        messenger,
        messenger_key,
        redis,
        participant,
        allowed_origins,
        strict_transport_security,
        client_address_header,
        timings,
    } = config;
    // Identifies this sidecar for as long as it runs.
    let sidecar = Uuid::now_v7().to_string();
    let messenger = Arc::new(Messenger::new(&messenger, &messenger_key)?);
    let metrics = Arc::new(Metrics::new());
    let services = match participant {
        Some(Participant { origin, key }) => {
            let participant = Service::new(&[origin], "participant", &key)?;
            Some(Arc::new(Services::new(participant, Arc::clone(&messenger))))
        }
        None => None,
    };
    let redis = Redis::new(&redis, &sidecar, services.clone()).context("the URL of Redis is not valid")?;
    let redis = Arc::new(redis);
    let player = Arc::new(Player::new());
    let commands = Arc::new(Commands::new(Arc::clone(&metrics)));
    let (authenticator, attempts) = Authenticator::new();
    let (stop, stopping) = watch::channel(false);
    let exchanger = Arc::new(Exchanger {
        sidecar,
        commands: Arc::clone(&commands),
        messenger: Arc::clone(&messenger),
        player: Arc::clone(&player),
        redis: Arc::clone(&redis),
        metrics: Arc::clone(&metrics),
        give_up_after: timings.give_up,
    });
    let connections = Arc::new(Shared {
        authenticator,
        commands,
        player: Arc::clone(&player),
        metrics: Arc::clone(&metrics),
        refusals: Seldom::default(),
        dropped_positions: Seldom::default(),
        budget: Arc::default(),
        timeouts: Timeouts {
            authorization: timings.authorization,
            idle: timings.idle,
        },
        ping_every: timings.ping,
        ping_organizers_every: timings.ping_organizers,
        drain: timings.drain,
        stopping,
    });
    let max_sockets = door::max_sockets();
    let permits = Arc::new(Semaphore::new(max_sockets as usize));
    let app = App {
        connections,
        permits: Arc::clone(&permits),
        messenger: Arc::clone(&messenger),
        redis: Arc::clone(&redis),
        allowed_origins: allowed_origins.into(),
        client_address_header,
    };

    let router = door::router(app, StrictTransport::new(&strict_transport_security));
    let mut background = background(attempts, &messenger, &exchanger);
    if let Some(services) = services {
        background.spawn(async move { services.call_when_due().await });
    }
    let mut publishing = tokio::spawn({
        let (redis, player, metrics) = (Arc::clone(&redis), Arc::clone(&player), Arc::clone(&metrics));
        async move { redis.send(&player, &metrics).await }
    });

    let stopped = async {
        shutdown.await;
        info!("stopping");
        stop.send_replace(true);
    };
    tokio::select! {
        () = door::accept(listener, router, stopped) => {}
        // These tasks end only by a panic, and without one of them clients would wait forever.
        Some(ended) = background.join_next() => bail!("a task of the sidecar ended: {ended:?}"),
        ended = &mut publishing => bail!("a task of the sidecar ended: {ended:?}"),
    }
    let _ = timeout(timings.drain + CLOSE_TIMEOUT, permits.acquire_many(max_sockets)).await;
    redis.close();
    let _ = timeout(PUBLISH_TIMEOUT, publishing).await;
    background.shutdown().await;
    exchanger.leave().await;
    Ok(())
}

/// Starts the background tasks. Each runs until it is aborted, unless it panics.
fn background(
    attempts: [mpsc::Receiver<authentication::Attempt>; 2],
    messenger: &Arc<Messenger>,
    exchanger: &Arc<Exchanger>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for attempts in attempts {
        let messenger = Arc::clone(messenger);
        tasks.spawn(async move { authentication::serve_lane(attempts, &messenger).await });
    }
    for realm in [Realm::Organizer, Realm::Participant] {
        let (messenger, player) = (Arc::clone(messenger), Arc::clone(&exchanger.player));
        tasks.spawn(async move { revocation::watch(realm, &messenger, &player).await });
    }
    let subscriber = Arc::clone(exchanger);
    tasks.spawn(async move {
        subscriber
            .redis
            .subscribe(&subscriber.player, &subscriber.metrics)
            .await;
    });
    let exchanger = Arc::clone(exchanger);
    tasks.spawn(async move { exchanger.run().await });
    tasks
}
