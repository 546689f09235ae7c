//! The state of each open connection: which side it waits for, and until when.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::limits::{HEAD_TIME, IDLE_TIME, Limits};

/// The shortest time between two warnings that connections are closed to make room.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// All open connections of a listener.
pub(crate) struct Registry {
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    count: usize,
    /// The connections that wait for their clients, in the order in which they began to.
    waiting: BTreeMap<u64, Arc<Notify>>,
    last_ticket: u64,
    warned: Option<Instant>,
}

impl Registry {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new connection a place, if necessary that of the connection that has waited longest for its client.
    /// Returns `None` when all connections are being answered.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let close = Arc::new(Notify::new());
        let mut open = self.open();
        if open.count >= self.limits.connections {
            open.warn(self.limits.connections);
            let (_, oldest) = open.waiting.pop_first()?;
            oldest.notify_one();
        }
        open.count += 1;
        let ticket = open.wait(&close);
        drop(open);
        Some(Admitted(Arc::new(Connection {
            registry: Arc::clone(self),
            close,
            state: Mutex::new(State {
                phase: Phase::Silent,
                since: Instant::now(),
                exchanges: 0,
                answering: 0,
                ticket,
                closed: false,
            }),
        })))
    }
}

impl Open {
    fn wait(&mut self, close: &Arc<Notify>) -> u64 {
        self.last_ticket += 1;
        self.waiting.insert(self.last_ticket, Arc::clone(close));
        self.last_ticket
    }

    fn warn(&mut self, limit: usize) {
        let now = Instant::now();
        if self.warned.is_none_or(|warned| now - warned >= WARNING_INTERVAL) {
            self.warned = Some(now);
            tracing::warn!(
                "all {limit} connections are in use; closing those that wait longest for their clients"
            );
        }
    }
}

/// One open connection.
pub(crate) struct Connection {
    registry: Arc<Registry>,
    /// Asks the connection's task to close it.
    close: Arc<Notify>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Requests whose head has arrived and whose response is not finished. HTTP/2 may have several.
    exchanges: usize,
    /// The exchanges whose whole request has arrived.
    answering: usize,
    /// The place among the waiting connections, while nothing is being answered.
    ticket: u64,
    /// The connection is closed or upgraded. An exchange may last a moment longer.
    closed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing has been received yet.
    Silent,
    /// The head of a request has begun.
    Head,
    /// There is at least one exchange.
    Exchange,
    /// Between two requests.
    Idle,
    /// The same in HTTP/2, where received bytes need not begin a request.
    IdleMultiplexed,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self) -> Instant {
        let state = self.state();
        let limit = match state.phase {
            Phase::Silent | Phase::Head => HEAD_TIME,
            Phase::Exchange => self.registry.limits.exchange,
            Phase::Idle | Phase::IdleMultiplexed => IDLE_TIME,
        };
        state.since + limit
    }

    fn bytes_received(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Silent | Phase::Idle) {
            state.enter(Phase::Head);
        }
    }

    /// Notes that the head of a request has arrived.
    pub(crate) fn begin_exchange(self: &Arc<Self>, version: Version) -> Exchange {
        let mut state = self.state();
        state.enter(Phase::Exchange);
        state.exchanges += 1;
        drop(state);
        Exchange(Arc::new(Ongoing {
            connection: Arc::clone(self),
            multiplexed: version == Version::HTTP_2,
            received: Mutex::new(false),
        }))
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// One request and its response. It lasts until its last clone is dropped.
#[derive(Clone)]
pub struct Exchange(Arc<Ongoing>);

struct Ongoing {
    connection: Arc<Connection>,
    multiplexed: bool,
    received: Mutex<bool>,
}

impl Exchange {
    /// Notes that the whole request has arrived: from now on the client waits for the server.
    pub fn received(&self) {
        let mut received = self.0.received.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *received, true) {
            return;
        }
        let connection = &self.0.connection;
        let mut state = connection.state();
        state.answering += 1;
        if state.answering == 1 {
            connection.registry.open().waiting.remove(&state.ticket);
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let connection = &self.connection;
        let mut state = connection.state();
        if *self.received.get_mut().unwrap_or_else(PoisonError::into_inner) {
            state.answering -= 1;
            if state.answering == 0 && !state.closed {
                state.ticket = connection.registry.open().wait(&connection.close);
            }
        }
        state.exchanges -= 1;
        if state.exchanges == 0 {
            state.enter(match self.multiplexed {
                true => Phase::IdleMultiplexed,
                false => Phase::Idle,
            });
        }
    }
}

/// The place of an open connection; dropping it frees the place.
pub(crate) struct Admitted(Arc<Connection>);

impl Admitted {
    pub(crate) fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.0)
    }

    /// Waits for `served`. Returns `None` if the connection is late or has to make room; the caller then drops
    /// `served`, which closes the socket.
    pub(crate) async fn until_late<T>(&self, served: impl Future<Output = T>) -> Option<T> {
        let (mut served, mut closed) = (pin!(served), pin!(self.0.close.notified()));
        let mut timer = pin!(sleep_until(self.0.deadline()));
        poll_fn(|context| {
            if let Poll::Ready(output) = served.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            if closed.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            loop {
                let deadline = self.0.deadline();
                // When the deadline moves later, the timer is reset only once it fires.
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(context));
                if deadline <= timer.deadline() {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let mut open = self.0.registry.open();
        open.count -= 1;
        open.waiting.remove(&state.ticket);
    }
}

/// A socket that notes when something is received.
pub(crate) struct Watched<S> {
    socket: S,
    connection: Arc<Connection>,
}

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, place: &Admitted) -> Self {
        Self {
            socket,
            connection: place.connection(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.connection.bytes_received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
