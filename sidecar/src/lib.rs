//! The WebSocket relay of Mayday. It owns sockets and nothing else: who somebody is and what is stored is for the
//! messenger to say, which it asks in batches; what a user sees goes to their sockets here at once, and through Redis to
//! those at other sidecars.
//!
//! A frame's way in: `server` upgrades, `connection` reads, `request` understands, `protocol` decides, `admission` or `commands` asks
//! the `messenger`. And out: `hub` finds the user's connections, `order` waits for what must come first, `outbox`
//! keeps what is to be written; `relay` does the same across sidecars. `news` hears from the messenger what nobody here has asked for,
//! `queues` what it means to those who wait, and `catch_up` what was missed while the others could not be heard. `revocation` has those asked again who they are who may not be here any more.

mod server;

mod connection;
mod frame;
mod outbox;
mod own_frames;
mod protocol;
mod rate;
mod request;

mod admission;
mod commands;
mod messenger;
mod metrics;

mod hub;
mod order;

mod catch_up;
mod news;
mod queues;

mod relay;
mod revocation;
mod tick;

mod backoff;

pub mod echo;

/// Not part of a build for people. `cargo fuzz` compiles with `fuzzing`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::info;

use crate::admission::Admissions;
use crate::commands::{Carrier, Commands};
use crate::connection::Shared;
use crate::hub::Hub;
use crate::messenger::Messenger;
use crate::metrics::Metrics;
pub use crate::protocol::MAX_FRAME_BYTES;
use crate::protocol::Patience;
use crate::queues::Queues;
use crate::relay::Relay;
use crate::server::App;

/// What a sidecar must be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the messenger is, as scheme and authority: `http://127.0.0.1:3000`.
    pub messenger: String,
    /// The messenger's service key.
    pub messenger_key: String,
    /// Where Redis is: `redis://127.0.0.1:6379`.
    pub redis: String,
    /// From which pages browsers may connect, such as `https://help.example.org`; empty is from all. Other clients send no origin, and
    /// may always.
    pub allowed_origins: Vec<String>,
    pub timings: Timings,
}

/// How long things may take. Only tests need others than the default.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// From the upgrade until the first frame has been sent and checked.
    pub authorization: Duration,
    /// From one valid frame of a client to the next.
    pub idle: Duration,
    /// Between two pings.
    pub ping: Duration,
    /// A command that is this old is answered with an error.
    pub give_up: Duration,
    /// How long a frame waits for those that should precede it.
    pub order: Duration,
    /// How long commands under way may take when the sidecar stops.
    pub drain: Duration,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            authorization: Duration::from_secs(20),
            idle: Duration::from_secs(30 * 60),
            ping: Duration::from_secs(25),
            give_up: Duration::from_secs(10),
            order: Duration::from_millis(250),
            drain: Duration::from_secs(5),
        }
    }
}

/// How long connections may take to end after what they had under way.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// How long the last publications may take.
const LAST_PUBLICATIONS: Duration = Duration::from_secs(1);

/// Serves clients on `listener` until `shutdown`, then lets go of them in good order.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Config {
        messenger,
        messenger_key,
        redis,
        allowed_origins,
        timings,
    } = config;
    let messenger = Arc::new(Messenger::new(&messenger, &messenger_key)?);
    let metrics = Arc::new(Metrics::new());
    let relay = Relay::new(&redis, Arc::clone(&metrics)).context("the address of Redis is not understood")?;
    let relay = Arc::new(relay);
    let hub = Arc::new(Hub::new(timings.order));
    let commands = Arc::new(Commands::default());
    let (admissions, questions) = Admissions::new();
    let queues = Arc::new(Queues::default());
    let (stop, stopping) = watch::channel(false);
    let carrier = Carrier {
        commands: Arc::clone(&commands),
        messenger: Arc::clone(&messenger),
        hub: Arc::clone(&hub),
        relay: Arc::clone(&relay),
        give_up_after: timings.give_up,
        metrics: Arc::clone(&metrics),
        refused: false.into(),
    };
    let connections = Arc::new(Shared {
        admissions,
        commands,
        hub: Arc::clone(&hub),
        relay: Arc::clone(&relay),
        queues: Arc::clone(&queues),
        metrics: Arc::clone(&metrics),
        patience: Patience {
            authorization: timings.authorization,
            idle: timings.idle,
        },
        ping_every: timings.ping,
        drain: timings.drain,
        stopping,
    });
    let places = Arc::new(Semaphore::new(server::MAX_CONNECTIONS as usize));
    let app = App {
        connections,
        places: Arc::clone(&places),
        messenger: Arc::clone(&messenger),
        relay: Arc::clone(&relay),
        allowed_origins: allowed_origins.into(),
    };

    let mut background = background(
        questions,
        Arc::clone(&messenger),
        carrier,
        Visible { hub, queues, metrics },
        Arc::clone(&relay),
    );
    let mut publishing = tokio::spawn({
        let relay = Arc::clone(&relay);
        async move { relay.publish().await }
    });

    let stopped = async {
        shutdown.await;
        info!("stopping");
        stop.send_replace(true);
    };
    tokio::select! {
        () = server::accept(listener, server::router(app), stopped) => {}
        // They end only by a panic, and without one of them clients would wait for ever.
        Some(ended) = background.join_next() => bail!("a part of the sidecar ended: {ended:?}"),
        ended = &mut publishing => bail!("a part of the sidecar ended: {ended:?}"),
    }
    let _ = timeout(
        timings.drain + LAST_WORDS,
        places.acquire_many(server::MAX_CONNECTIONS),
    )
    .await;
    relay.close();
    let published = timeout(LAST_PUBLICATIONS, publishing).await;
    background.shutdown().await;
    if let Ok(Ok(())) = published {
        news::leave(relay.id(), &messenger).await;
    }
    Ok(())
}

/// Where what goes on is shown.
struct Visible {
    hub: Arc<Hub>,
    queues: Arc<Queues>,
    metrics: Arc<Metrics>,
}

/// What goes on besides the connections. Each part runs until it is aborted, unless it panics.
fn background(
    questions: [mpsc::Receiver<admission::Question>; 2],
    messenger: Arc<Messenger>,
    carrier: Carrier,
    visible: Visible,
    relay: Arc<Relay>,
) -> JoinSet<()> {
    let Visible { hub, queues, metrics } = visible;
    let mut parts = JoinSet::new();
    parts.spawn({
        let (messenger, hub, relay) = (Arc::clone(&messenger), Arc::clone(&hub), Arc::clone(&relay));
        async move { news::follow(relay.id(), &messenger, &hub, &relay, &queues, &metrics).await }
    });
    parts.spawn({
        let (messenger, hub) = (Arc::clone(&messenger), Arc::clone(&hub));
        async move { revocation::watch(&messenger, &hub).await }
    });
    parts.spawn({
        let (messenger, hub, relay) = (Arc::clone(&messenger), Arc::clone(&hub), Arc::clone(&relay));
        async move { catch_up::follow(&messenger, &hub, &relay).await }
    });
    for questions in questions {
        let messenger = Arc::clone(&messenger);
        parts.spawn(async move { admission::answer_questions(questions, &messenger).await });
    }
    parts.spawn(async move { carrier.carry().await });
    parts.spawn({
        let hub = Arc::clone(&hub);
        async move { hub.release_held_frames().await }
    });
    parts.spawn(async move { relay.listen(&hub).await });
    parts
}
