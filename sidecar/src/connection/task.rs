//! The task that owns one client's socket, from the upgrade to the end.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sidecar_api::{Command, Principal, Protocol, Request, User};
use telemetry::Seldom;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;
use trace_context::TraceContext;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::connection::frames::{CloseReason, Refusal, error_frame, ready_frame};
use crate::connection::handle::Handle;
use crate::connection::send_queue::{Budget, End, Work};
use crate::connection::session::{Session, Step, Timeouts};
use crate::messenger::authentication::{Authenticator, Identified};
use crate::messenger::commands::{Commands, Pending};
use crate::metrics::{self, Metrics, OpenSocket, RefusedBecause};
use crate::player::{Player, Ticket};

/// The most commands under way of a connection. At the limit the sidecar stops reading the socket, and TCP slows the
/// client down. All early frames fit.
const MAX_UNDER_WAY: usize = 64;

/// The most unread answers to questions of a connection. At the limit the sidecar stops reading the socket too.
const MAX_UNREAD: usize = 4;

/// A client that leaves that many answers unread for this long counts as not reading: the sidecar reads its frames
/// again, but answers no more questions than fit into its send queue.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for flushing a closing connection.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The same when the client's credentials were revoked.
const REVOKED_FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the client may take to answer a close frame.
const CLOSE_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a socket stays open after the close frame for a protocol violation. Closing a socket with unread bytes
/// resets it, which could lose the close frame.
pub(crate) const LINGER: Duration = Duration::from_millis(250);

/// An organizer who gets a frame after this much silence is pinged at once, so that the sidecar soon knows whether they
/// are still there.
const PING_AFTER_SILENCE: Duration = Duration::from_secs(2);

/// What connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) authenticator: Authenticator,
    pub(crate) commands: Arc<Commands>,
    pub(crate) player: Arc<Player>,
    pub(crate) metrics: Arc<Metrics>,
    /// Logs refused clients.
    pub(crate) refusals: Seldom,
    /// Logs positions that are dropped.
    pub(crate) dropped_positions: Seldom,
    pub(crate) budget: Arc<Budget>,
    pub(crate) timeouts: Timeouts,
    /// The ping interval of participants and of connections that are not authenticated yet.
    pub(crate) ping_every: Duration,
    /// The ping interval of organizers, whose presence matters.
    pub(crate) ping_organizers_every: Duration,
    /// Time limit for commands under way when the sidecar stops.
    pub(crate) drain: Duration,
    /// Becomes true when the sidecar stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// How a connection ends.
#[derive(Debug)]
enum Ending {
    /// The socket is gone.
    Gone,
    /// The client has sent a close frame.
    ClosedByClient,
    /// The sidecar ends the connection after the queued frames.
    Flushed(CloseReason),
    /// The sidecar ends the connection and discards the queued frames.
    AtOnce(CloseReason),
    /// The client broke the protocol; nothing more can be read from its socket.
    Broken(CloseFrame),
}

impl Ending {
    /// The label in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Ending::Gone => "gone",
            Ending::ClosedByClient => "closed_by_client",
            Ending::Flushed(reason) | Ending::AtOnce(reason) => reason.name(),
            Ending::Broken(_) => "protocol_error",
        }
    }
}

/// Where a connection comes from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The client's address, or that of the proxy nearest to the sidecar.
    pub(crate) address: String,
    pub(crate) trace: TraceContext,
}

/// Serves a client from the upgrade to the end.
pub(crate) async fn serve(socket: WebSocket, shared: Arc<Shared>, origin: Origin) {
    let (sink, mut stream) = socket.split();
    let (metrics, trace) = (Arc::clone(&shared.metrics), origin.trace.trace());
    let handle = Arc::new(Handle::new(
        Arc::clone(&shared.budget),
        metrics.frames_dropped.clone(),
    ));
    metrics.connections.inc();
    // Reading and writing run concurrently in one task, so that the sidecar still reads from a client that does not
    // read.
    let mut writing = pin!(write(sink, &handle, &shared));
    let mut connection = Connection::new(Arc::clone(&shared), Arc::clone(&handle), origin);
    let ending = tokio::select! {
        _ = &mut writing => Ending::Gone,
        ending = connection.run(&mut stream) => ending,
    };
    let protocol = connection.session.protocol();
    // From here on the player shows the connection nothing.
    drop(connection);
    metrics.connections.dec();
    metrics.ended(ending.name());
    debug!(
        traceId = %trace,
        ?ending,
        dropped = handle.queue.dropped(),
        "connection ended"
    );
    match ending {
        Ending::Gone => {}
        // Reading to the end sends the answer.
        Ending::ClosedByClient => drop(timeout(FLUSH_TIMEOUT, read_to_end(&mut stream)).await),
        // Clients of the contract get no close frame, except at a restart.
        Ending::Flushed(reason) if protocol == Protocol::Contract && reason != CloseReason::Restart => {
            handle.queue.finish(End::Drop);
            let _ = timeout(FLUSH_TIMEOUT, writing).await;
        }
        Ending::Flushed(reason) => {
            handle.queue.finish(End::Close(close_frame(reason)));
            let _ = timeout(FLUSH_TIMEOUT, writing).await;
            let _ = timeout(CLOSE_ANSWER_TIMEOUT, read_to_end(&mut stream)).await;
        }
        Ending::AtOnce(_) if protocol == Protocol::Contract => {}
        Ending::AtOnce(reason) => {
            handle.queue.finish_at_once(End::Close(close_frame(reason)));
            let _ = timeout(REVOKED_FLUSH_TIMEOUT, writing).await;
        }
        Ending::Broken(frame) => {
            handle.queue.finish(End::Close(frame));
            let _ = timeout(FLUSH_TIMEOUT, writing).await;
            sleep(LINGER).await;
        }
    }
}

/// Writes frames from the send queue, and pings in between, until the queue or the socket ends.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    handle: &Handle,
    shared: &Shared,
) -> Result<(), axum::Error> {
    let queue = &handle.queue;
    let mut pinged = Instant::now();
    loop {
        let ping_every = if handle.is_organizer() {
            shared.ping_organizers_every
        } else {
            shared.ping_every
        };
        let is_time_to_ping = tokio::select! {
            () = queue.filled() => false,
            () = sleep_until(pinged + ping_every) => true,
        };
        let mut has_written = false;
        while let Some(work) = queue.take() {
            match work {
                Work::Write(frame) => {
                    sink.feed(Message::Text(frame)).await?;
                    queue.written();
                    shared.metrics.frames_sent.inc();
                    has_written = true;
                }
                Work::End(End::Drop) => return sink.flush().await,
                Work::End(End::Close(frame)) => return sink.send(Message::Close(Some(frame))).await,
            }
        }
        let may_be_gone = has_written
            && handle.is_organizer()
            && handle.silent_for() > PING_AFTER_SILENCE
            && pinged.elapsed() > PING_AFTER_SILENCE;
        if is_time_to_ping || may_be_gone {
            sink.feed(Message::Ping(Default::default())).await?;
            pinged = Instant::now();
        }
        sink.flush().await?;
        queue.flushed();
    }
}

pub(crate) async fn read_to_end(stream: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = stream.next().await {}
}

/// The reading half of a connection.
struct Connection {
    shared: Arc<Shared>,
    origin: Origin,
    session: Session,
    handle: Arc<Handle>,
    /// Permits for commands under way.
    under_way: Arc<Semaphore>,
    /// Permits for answers to questions, held until the client has read them.
    unread: Arc<Semaphore>,
    phase: Phase,
    /// The client left while it was being authenticated. The frames it sent before still have to be carried out.
    leaving: Option<Ending>,
    /// The client has left answers unread for [`UNREAD_TIMEOUT`].
    reads_nothing: bool,
    /// Steps that wait: for the answers before a refusal, or for the end of a re-authentication. Nothing is read
    /// meanwhile.
    deferred: VecDeque<Step>,
}

/// What the connection waits for besides frames.
enum Phase {
    /// The first frame.
    Silent,
    /// The messenger's answer on who the client is.
    Authenticating {
        authorization: String,
        authentication: Authentication,
    },
    /// Nothing.
    Open { membership: Membership },
    /// The messenger's answer on whether the client's rights are unchanged. Nothing is read or written until then.
    Reauthenticating {
        membership: Membership,
        authentication: Authentication,
    },
}

/// An authentication under way, and the player's ticket from before it.
struct Authentication {
    ticket: Ticket,
    answer: Pin<Box<dyn Future<Output = Option<Identified>> + Send>>,
}

/// A connection's membership in the player. Dropping it leaves.
struct Membership {
    player: Arc<Player>,
    handle: Arc<Handle>,
    user: User,
    /// The first frame's `Authorization`, for re-authentication.
    authorization: String,
    _counted: OpenSocket,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.player.leave(self.user, &self.handle);
    }
}

impl Connection {
    fn new(shared: Arc<Shared>, handle: Arc<Handle>, origin: Origin) -> Connection {
        Connection {
            origin,
            session: Session::new(shared.timeouts, Instant::now()),
            shared,
            handle,
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            unread: Arc::new(Semaphore::new(MAX_UNREAD)),
            phase: Phase::Silent,
            leaving: None,
            reads_nothing: false,
            deferred: VecDeque::new(),
        }
    }

    /// Everything that can happen to a connection, until it ends.
    async fn run(&mut self, stream: &mut SplitStream<WebSocket>) -> Ending {
        let mut stopping = self.shared.stopping.clone();
        loop {
            let may_proceed = self.deferred.is_empty();
            if may_proceed
                && !matches!(self.phase, Phase::Authenticating { .. })
                && let Some(ending) = self.leaving.take()
            {
                return ending;
            }
            let may_read = may_proceed && self.may_read();
            let is_reauthenticating = self.is_reauthenticating();
            let ending = tokio::select! {
                message = stream.next(), if may_read => self.receive(message),
                has_come = wait_for_room(&self.under_way, &self.unread, &self.handle), if may_proceed && !may_read => {
                    self.reads_nothing = !has_come;
                    None
                }
                () = all_answered(&self.under_way), if !may_proceed && !is_reauthenticating => self.proceed(),
                identified = self.phase.answered() => self.authenticated(identified),
                () = self.handle.reauthentication() => self.reauthenticate(),
                reason = self.handle.ended() => Some(Ending::Flushed(reason)),
                () = sleep_until(self.session.deadline()), if may_proceed => {
                    let steps = self.session.deadline_passed();
                    self.follow(steps)
                }
                () = stopped(&mut stopping) => Some(self.drain().await),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    fn may_read(&self) -> bool {
        self.session.wants_frames()
            // The frames of a client under re-authentication wait until it has succeeded.
            && !self.is_reauthenticating()
            && self.under_way.available_permits() > 0
            && (self.unread.available_permits() > 0 || self.reads_nothing)
            && self.leaving.is_none()
            && !self.handle.queue.has_too_many_unsent_pongs()
    }

    fn is_reauthenticating(&self) -> bool {
        matches!(self.phase, Phase::Reauthenticating { .. })
    }

    fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Option<Ending> {
        let frame = match message {
            None => return self.leave(Ending::Gone),
            Some(Err(error)) => return self.leave(violation(error).map_or(Ending::Gone, Ending::Broken)),
            Some(Ok(message)) => {
                self.handle.mark_active();
                match message {
                    Message::Text(text) => text.into(),
                    Message::Binary(bytes) => bytes,
                    Message::Ping(_) => {
                        self.handle.queue.pinged();
                        return None;
                    }
                    Message::Pong(_) => return None,
                    Message::Close(_) => return self.leave(Ending::ClosedByClient),
                }
            }
        };
        self.shared.metrics.frames_received.inc();
        let step = self.session.frame(frame, Instant::now());
        self.follow(step)
    }

    /// Handles a client that leaves. The frames it sent while it was being authenticated still count (contract 5.2).
    fn leave(&mut self, ending: Ending) -> Option<Ending> {
        if !matches!(self.phase, Phase::Authenticating { .. }) {
            return Some(ending);
        }
        self.leaving = Some(ending);
        None
    }

    fn follow(&mut self, steps: impl IntoIterator<Item = Step>) -> Option<Ending> {
        self.deferred.extend(steps);
        self.proceed()
    }

    /// Takes steps in order. A command, and all steps behind it, wait until a re-authentication has succeeded. A
    /// refusal, and all steps behind it, wait until the commands before it are answered.
    fn proceed(&mut self) -> Option<Ending> {
        while let Some(step) = self.deferred.pop_front() {
            match step {
                Step::Authenticate(authorization) => {
                    self.handle.queue.set_protocol(self.session.protocol());
                    let authentication = self.authenticate(authorization.clone());
                    self.phase = Phase::Authenticating {
                        authorization,
                        authentication,
                    };
                }
                Step::Command(request) if self.is_reauthenticating() => {
                    self.deferred.push_front(Step::Command(request));
                    return None;
                }
                Step::Command(request) => self.send_command(request),
                Step::Refuse(refusal) if self.under_way.available_permits() < MAX_UNDER_WAY => {
                    self.deferred.push_front(Step::Refuse(refusal));
                    return None;
                }
                Step::Refuse(refusal) => {
                    self.shared.metrics.frame_refused(refusal.code());
                    self.refuse(&refusal);
                }
                Step::End(reason) => return Some(Ending::Flushed(reason)),
            }
        }
        None
    }

    fn refuse(&self, refusal: &Refusal) {
        self.handle
            .queue
            .push(error_frame(refusal, self.session.protocol()));
    }

    fn authenticate(&self, authorization: String) -> Authentication {
        let authenticator = self.shared.authenticator.clone();
        let trace = self.origin.trace;
        Authentication {
            ticket: self.shared.player.ticket(),
            answer: Box::pin(async move { authenticator.authenticate(authorization, trace).await }),
        }
    }

    /// Handles the messenger's answer on who the client is.
    fn authenticated(&mut self, answer: Option<Identified>) -> Option<Ending> {
        match std::mem::replace(&mut self.phase, Phase::Silent) {
            Phase::Authenticating {
                authorization,
                authentication,
            } => match answer {
                Some(identified) => self.open(authorization, authentication.ticket, identified),
                None => {
                    self.log_refusal();
                    Some(Ending::Flushed(CloseReason::BadToken))
                }
            },
            Phase::Reauthenticating { membership, .. } => {
                self.confirm(membership, answer.map(|identified| identified.principal))
            }
            phase @ (Phase::Silent | Phase::Open { .. }) => {
                self.phase = phase;
                None
            }
        }
    }

    fn log_refusal(&self) {
        if let Some(left_out) = self.shared.refusals.is_due() {
            let Origin { address, trace } = &self.origin;
            warn!(
                traceId = %trace.trace(),
                left_out,
                "refused the credentials of a client at {address}"
            );
        }
    }

    /// Opens the session of an authenticated client.
    fn open(&mut self, authorization: String, ticket: Ticket, identified: Identified) -> Option<Ending> {
        let Identified { principal, after } = identified;
        let protocol = self.session.protocol();
        info!(traceId = %self.origin.trace.trace(), user = %principal.user, "connected");
        if protocol == Protocol::Two {
            self.handle.queue.push(ready_frame(Uuid::now_v7(), &principal));
        }
        let is_current = self.shared.player.join(
            ticket,
            principal.clone(),
            after,
            protocol,
            Arc::clone(&self.handle),
        );
        self.phase = Phase::Open {
            membership: Membership {
                player: Arc::clone(&self.shared.player),
                handle: Arc::clone(&self.handle),
                user: principal.user,
                authorization,
                _counted: self.shared.metrics.socket_opened(protocol),
            },
        };
        if !is_current {
            self.reauthenticate();
        }
        let steps = self.session.open(&principal, Instant::now());
        self.follow(steps)
    }

    /// Authenticates the client again. Abandons an authentication under way, since its answer may be older than the
    /// revocation.
    fn reauthenticate(&mut self) -> Option<Ending> {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Silent) {
            Phase::Open { membership } | Phase::Reauthenticating { membership, .. } => {
                self.handle.queue.hold();
                let authentication = self.authenticate(membership.authorization.clone());
                Phase::Reauthenticating {
                    membership,
                    authentication,
                }
            }
            phase @ (Phase::Silent | Phase::Authenticating { .. }) => phase,
        };
        None
    }

    /// Goes on if the client is the same user with the same rights. Otherwise ends the connection at once and discards
    /// its queued frames. A client with other rights has to connect again.
    fn confirm(&mut self, membership: Membership, found: Option<Principal>) -> Option<Ending> {
        let metrics = &self.shared.metrics;
        let end = |reason: CloseReason| {
            metrics.reauthenticated(reason.name());
            Some(Ending::AtOnce(reason))
        };
        let Some(found) = found else {
            return end(CloseReason::SignedOut);
        };
        let is_same = self
            .session
            .principal()
            .is_some_and(|known| found.has_rights_of(known));
        if !is_same {
            return end(CloseReason::Changed);
        }
        metrics.reauthenticated(metrics::CONFIRMED);
        self.shared.player.confirm(&found, &self.handle);
        self.session.confirmed(found);
        self.phase = Phase::Open { membership };
        self.handle.queue.release();
        self.proceed()
    }

    fn send_command(&mut self, request: Request) {
        let permit = Arc::clone(&self.under_way).try_acquire_owned();
        let (Some(principal), Ok(permit)) = (self.session.principal(), permit) else {
            // The task reads frames only while there is a permit, and asks only once the session is open.
            self.shared.metrics.refused(RefusedBecause::queue_full);
            return self.refuse(&Refusal::Unavailable(request));
        };
        let unread = if request.is_question() {
            let permit = Arc::clone(&self.unread).try_acquire_owned().ok();
            self.reads_nothing = permit.is_none();
            permit
        } else {
            None
        };
        let trace = self.origin.trace.trace();
        if request.has_impossible_position()
            && let Some(left_out) = self.shared.dropped_positions.is_due()
        {
            warn!(
                traceId = %trace,
                user = %principal.user,
                left_out,
                "the position of a message is impossible and dropped"
            );
        }
        let bytes = size_of_text(&request);
        let command = Command {
            principal: principal.clone(),
            received_at: epoch_millis(),
            protocol: self.session.protocol(),
            request,
        };
        self.shared.commands.push(Pending {
            command,
            trace,
            since: Instant::now(),
            bytes,
            handle: Arc::clone(&self.handle),
            unread,
            permit,
        });
    }

    /// Waits for the answers to commands under way, without reading further frames.
    async fn drain(&mut self) -> Ending {
        let _ = timeout(self.shared.drain, all_answered(&self.under_way)).await;
        Ending::Flushed(CloseReason::Restart)
    }
}

impl Phase {
    /// Waits for the messenger's answer, or forever if no authentication is under way.
    async fn answered(&mut self) -> Option<Identified> {
        match self {
            Phase::Authenticating { authentication, .. } | Phase::Reauthenticating { authentication, .. } => {
                authentication.answer.as_mut().await
            }
            Phase::Silent | Phase::Open { .. } => pending().await,
        }
    }
}

/// Waits until all commands under way are answered.
async fn all_answered(under_way: &Semaphore) {
    let all = u32::try_from(MAX_UNDER_WAY).expect("a small constant");
    // The semaphore is never closed, and the permits are not kept.
    drop(under_way.acquire_many(all).await);
}

/// Waits until the reason to stop reading is gone, other than authentication, which has its own event. Returns whether
/// there is room. If the client does not read at all, returns false after a while, and its frames are read all the same
/// (contract 9).
async fn wait_for_room(under_way: &Semaphore, unread: &Semaphore, handle: &Handle) -> bool {
    // The semaphores are never closed, and the permits are not kept.
    if under_way.available_permits() == 0 {
        drop(under_way.acquire().await);
    } else if unread.available_permits() == 0 {
        return timeout(UNREAD_TIMEOUT, unread.acquire()).await.is_ok();
    } else if handle.queue.has_too_many_unsent_pongs() {
        handle.queue.pongs_sent().await;
    } else {
        pending().await
    }
    true
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sidecar has ended, which is a stop as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

fn close_frame(reason: CloseReason) -> CloseFrame {
    CloseFrame {
        code: reason.code(),
        reason: reason.to_string().into(),
    }
}

/// The close frame for a failed socket, if the client broke the WebSocket protocol.
pub(crate) fn violation(error: axum::Error) -> Option<CloseFrame> {
    let error = error.into_inner();
    let close = |code, reason: &'static str| {
        Some(CloseFrame {
            code,
            reason: reason.into(),
        })
    };
    match error.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => close(close_code::SIZE, "message too large"),
        Some(tungstenite::Error::Utf8(_)) => close(close_code::INVALID, "not UTF-8"),
        Some(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )) => None,
        Some(tungstenite::Error::Protocol(_)) => close(close_code::PROTOCOL, "not the WebSocket protocol"),
        _ => None,
    }
}

/// Milliseconds since the Unix epoch.
fn epoch_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// The size of a request's texts in JSON, as the messenger gets and stores them; the rest has a fixed size.
fn size_of_text(request: &Request) -> usize {
    match request {
        Request::GetChats | Request::StartChat { .. } => 0,
        Request::GetChatHistory { chat_id, .. }
        | Request::CloseChat { chat_id }
        | Request::TransferChat { chat_id, .. }
        | Request::Typing { chat_id }
        | Request::Read { chat_id, .. } => size_in_json(chat_id),
        Request::SendMessage { chat_id, message, .. } => size_in_json(chat_id) + size_in_json(message),
    }
}

/// The size of a text in JSON, without its quotes.
fn size_in_json(text: &str) -> usize {
    let size = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_text_is_that_of_its_json() {
        let characters = (0..=0x7f_u8).map(char::from).chain(['ż', '😀', '\u{2028}']);
        for text in characters.map(String::from) {
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(size_in_json(&text), json.len() - 2, "{json}");
        }
        let request = Request::SendMessage {
            chat_id: "c".to_owned(),
            message: "\0".repeat(1000),
            client_id: None,
            lat: None,
            lng: None,
        };
        assert_eq!(size_of_text(&request), 6001);
    }
}
