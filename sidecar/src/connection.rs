//! One client's socket. Its task owns the socket from the upgrade to the end; everybody else talks to its outbox.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use relay_protocol::{Command, Principal, Protocol, Request};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;
use tracing::debug;
use uuid::Uuid;

use crate::admission::{Admissions, Admitted};
use crate::commands::{Commands, Pending};
use crate::hub::Hub;
use crate::metrics::{Metrics, Reason};
use crate::outbox::{End, Outbox, Work};
use crate::own_frames::{error_frame, ready_frame};
use crate::protocol::{Closing, Complaint, Patience, Session, Step};
use crate::queues::{Queues, epoch_millis};
use crate::relay::{Relay, Wanted};

/// A connection may have so many commands under way. With more its socket is not read, and the client's writes wait in the
/// end. There is room for all frames that are kept before a session opens.
const MAX_UNDER_WAY: usize = 64;

/// Of what may be long, chats and histories, a connection may have so many asked for and not read. With more its socket is not read either.
const MAX_UNREAD: usize = 4;

/// How long a client may leave all of that unread before it counts as one that does not read, which is heard but may lose what it asks for.
const UNREAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long the last frames may take to be written before the connection is dropped.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The same where the client is not to be here any longer.
const LAST_WRITE_AT_ONCE: Duration = Duration::from_millis(250);

/// How long the client may take to answer a close frame.
const CLOSE_ANSWER: Duration = Duration::from_secs(1);

/// How long a socket stays after the client broke its protocol and was told so. To close one with unread bytes resets it, and the last word could be lost.
pub(crate) const LAST_WORD: Duration = Duration::from_millis(250);

/// What connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) admissions: Admissions,
    pub(crate) commands: Arc<Commands>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) patience: Patience,
    pub(crate) ping_every: Duration,
    /// How long commands under way may take when the sidecar stops.
    pub(crate) drain: Duration,
    /// Becomes true when the sidecar stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// How a connection ends.
#[derive(Debug)]
enum Ending {
    /// There is nobody to tell.
    Gone,
    /// The TCP connection is dropped after what was said has been written, as the contract has it.
    Drop(Closing),
    /// The same, but what waits is not for the client any more.
    DropAtOnce(Closing),
    /// The client has sent a close frame.
    ClosedByClient,
    /// The closing handshake begins after what was said has been written.
    Close(Closing),
    /// The same, but what waits is not for the client any more.
    CloseAtOnce(Closing),
    /// The client broke the protocol; nothing more can be read from its socket.
    Broken(CloseFrame),
}

impl Ending {
    /// As it is counted: why the connection ended.
    fn name(&self) -> &'static str {
        match self {
            Ending::Gone => "gone",
            Ending::ClosedByClient => "closed_by_client",
            Ending::Drop(closing)
            | Ending::DropAtOnce(closing)
            | Ending::Close(closing)
            | Ending::CloseAtOnce(closing) => closing.name(),
            Ending::Broken(_) => "protocol_error",
        }
    }
}

/// Serves a client from the upgrade to the end.
pub(crate) async fn serve(socket: WebSocket, shared: Arc<Shared>) {
    let (sink, mut stream) = socket.split();
    let metrics = Arc::clone(&shared.metrics);
    let outbox = Arc::new(Outbox::new(metrics.dropped(Reason::slow_client)));
    metrics.connections.inc();
    // Writing goes on beside reading in the same task, so that a client that does not read can still be heard.
    let mut writing = pin!(write(sink, &outbox, &shared));
    let mut connection = Connection::new(Arc::clone(&shared), Arc::clone(&outbox));
    let ending = tokio::select! {
        _ = &mut writing => Ending::Gone,
        ending = connection.converse(&mut stream) => ending,
    };
    // Nothing more is to be shown here, and Redis need not hear about it.
    drop(connection);
    metrics.connections.dec();
    metrics.ended(ending.name());
    debug!(?ending, dropped = outbox.dropped(), "a connection ends");
    match ending {
        Ending::Gone | Ending::DropAtOnce(_) => {}
        Ending::Drop(_) => {
            outbox.finish(End::Drop);
            let _ = timeout(LAST_WRITE, writing).await;
        }
        // Reading to the end sends the answer.
        Ending::ClosedByClient => drop(timeout(LAST_WRITE, read_to_end(&mut stream)).await),
        Ending::Close(closing) => {
            outbox.finish(End::Close(close_frame(closing)));
            let _ = timeout(LAST_WRITE, writing).await;
            let _ = timeout(CLOSE_ANSWER, read_to_end(&mut stream)).await;
        }
        Ending::CloseAtOnce(closing) => {
            outbox.finish_at_once(End::Close(close_frame(closing)));
            let _ = timeout(LAST_WRITE_AT_ONCE, writing).await;
        }
        Ending::Broken(frame) => {
            outbox.finish(End::Close(frame));
            let _ = timeout(LAST_WRITE, writing).await;
            sleep(LAST_WORD).await;
        }
    }
}

/// Writes what is in the outbox, and pings in between, until the outbox ends or the socket does.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    outbox: &Outbox,
    shared: &Shared,
) -> Result<(), axum::Error> {
    let mut pings = interval_at(Instant::now() + shared.ping_every, shared.ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = outbox.filled() => {}
            _ = pings.tick() => sink.feed(Message::Ping(Default::default())).await?,
        }
        while let Some(work) = outbox.take() {
            match work {
                Work::Write(frame) => {
                    sink.feed(Message::Text(frame)).await?;
                    shared.metrics.frames_sent.inc();
                }
                Work::End(End::Drop) => return sink.flush().await,
                Work::End(End::Close(frame)) => return sink.send(Message::Close(Some(frame))).await,
            }
        }
        sink.flush().await?;
        outbox.flushed();
    }
}

pub(crate) async fn read_to_end(stream: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = stream.next().await {}
}

/// The reading half of a connection.
struct Connection {
    shared: Arc<Shared>,
    session: Session,
    outbox: Arc<Outbox>,
    /// Places for commands under way.
    places: Arc<Semaphore>,
    /// Places for what may be long, until it has been read.
    unread: Arc<Semaphore>,
    opening: Option<Pin<Box<dyn Future<Output = Opening> + Send>>>,
    membership: Option<Membership>,
    /// What the first frame said, to be asked about again when there are doubts.
    authorization: String,
    /// How often somebody had been doubted when it was asked about first.
    doubts_before: u64,
    /// Who the client was found to be.
    accepted: Option<Principal>,
    /// The client is being asked about again.
    checking: Option<Pin<Box<dyn Future<Output = Option<Admitted>> + Send>>>,
    /// The client has gone while the session opened: what it said before is still to be carried out.
    leaving: Option<Ending>,
    /// The client has not read for so long that what it asks for may be lost.
    reads_nothing: bool,
    /// Steps behind a complaint that waits for its turn. Nothing is read meanwhile.
    undone: VecDeque<Step>,
}

/// A step on the way from the first frame to an open session.
enum Opening {
    Refused,
    Accepted(Admitted),
    Joined(Principal, Membership),
}

/// A connection's place among those of its user, given up when dropped.
struct Membership {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    principal: Principal,
    wanted: Wanted,
}

impl Connection {
    fn new(shared: Arc<Shared>, outbox: Arc<Outbox>) -> Connection {
        Connection {
            session: Session::new(shared.patience, Instant::now()),
            shared,
            outbox,
            places: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            unread: Arc::new(Semaphore::new(MAX_UNREAD)),
            opening: None,
            membership: None,
            authorization: String::new(),
            doubts_before: 0,
            accepted: None,
            checking: None,
            leaving: None,
            reads_nothing: false,
            undone: VecDeque::new(),
        }
    }

    /// Everything that can happen to a connection, until it ends.
    async fn converse(&mut self, stream: &mut SplitStream<WebSocket>) -> Ending {
        let mut stopping = self.shared.stopping.clone();
        loop {
            let may_go_on = self.undone.is_empty();
            if may_go_on
                && self.opening.is_none()
                && let Some(ending) = self.leaving.take()
            {
                return ending;
            }
            let may_read = may_go_on && self.may_read();
            let ending = tokio::select! {
                message = stream.next(), if may_read => self.receive(message),
                has_come = room(&self.places, &self.unread, &self.outbox), if may_go_on && !may_read => {
                    self.reads_nothing = !has_come;
                    None
                }
                () = nothing_under_way(&self.places), if !may_go_on => self.go_on(),
                opening = finished(&mut self.opening) => self.go_on_opening(opening),
                () = self.outbox.doubted() => self.check_again(),
                () = self.outbox.crowded_out() => Some(self.end(Closing::TooManyConnections)),
                found = finished(&mut self.checking) => self.confirm(found),
                () = sleep_until(self.session.deadline()), if may_go_on => {
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
            // What somebody says who may not be here any more counts only when it is known that they may.
            && self.checking.is_none()
            && self.places.available_permits() > 0
            && (self.unread.available_permits() > 0 || self.reads_nothing)
            && self.leaving.is_none()
            && !self.outbox.owes_too_many_pongs()
    }

    fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Option<Ending> {
        let frame = match message {
            None => return self.leave(Ending::Gone),
            Some(Err(error)) => return self.leave(complaint(error).map_or(Ending::Gone, Ending::Broken)),
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_))) => {
                self.outbox.pinged();
                return None;
            }
            Some(Ok(Message::Pong(_))) => return None,
            Some(Ok(Message::Close(_))) => return self.leave(Ending::ClosedByClient),
        };
        self.shared.metrics.frames_received.inc();
        let step = self.session.frame(frame, Instant::now());
        self.follow(step)
    }

    /// The client ends the connection. What it sent while it was being authorized counts all the same (contract 5.2).
    fn leave(&mut self, ending: Ending) -> Option<Ending> {
        if self.opening.is_none() {
            return Some(ending);
        }
        self.leaving = Some(ending);
        None
    }

    fn follow(&mut self, steps: impl IntoIterator<Item = Step>) -> Option<Ending> {
        self.undone.extend(steps);
        self.go_on()
    }

    /// Takes steps in order. A complaint waits until what was asked before it is answered, and everything behind it waits too.
    fn go_on(&mut self) -> Option<Ending> {
        while let Some(step) = self.undone.pop_front() {
            match step {
                Step::Authorize(authorization) => {
                    self.outbox.speak(self.session.protocol());
                    self.authorization.clone_from(&authorization);
                    self.doubts_before = self.shared.hub.doubts();
                    let admissions = self.shared.admissions.clone();
                    self.opening = Some(Box::pin(async move {
                        match admissions.ask(authorization).await {
                            Some(admitted) => Opening::Accepted(admitted),
                            None => Opening::Refused,
                        }
                    }));
                }
                Step::Welcome(principal) => {
                    if self.session.protocol() == Protocol::Two {
                        self.outbox.welcome(ready_frame(Uuid::now_v7(), principal));
                        self.shared
                            .queues
                            .greet(&principal, |frame| self.outbox.push(frame));
                    }
                }
                Step::Ask(request) => self.ask(request),
                Step::Complain(complaint) if self.places.available_permits() < MAX_UNDER_WAY => {
                    self.undone.push_front(Step::Complain(complaint));
                    return None;
                }
                Step::Complain(complaint) => {
                    self.outbox.push(error_frame(&complaint, self.session.protocol()))
                }
                Step::End(closing) => return Some(self.end(closing)),
            }
        }
        None
    }

    fn go_on_opening(&mut self, opening: Opening) -> Option<Ending> {
        match opening {
            Opening::Refused => Some(self.end(Closing::BadToken)),
            Opening::Accepted(admitted) => {
                let principal = admitted.principal;
                self.session.accepted(Instant::now());
                self.accepted = Some(principal);
                let protocol = self.session.protocol();
                let mut membership =
                    Membership::new(&self.shared, admitted, protocol, Arc::clone(&self.outbox));
                // Nothing asked by this client may be answered before it hears what others do, or something would fall
                // between the answer and the first frame heard.
                self.opening = Some(Box::pin(async move {
                    membership.wanted.subscribed().await;
                    Opening::Joined(principal, membership)
                }));
                None
            }
            Opening::Joined(principal, membership) => {
                self.membership = Some(membership);
                // Something may have been revoked between the check and now, and have missed this connection.
                if self.shared.hub.doubts() != self.doubts_before {
                    self.check_again();
                }
                let steps = self.session.open(principal);
                self.follow(steps)
            }
        }
    }

    /// Asks once more who the client is; a question under way is given up, since its answer may be older than the doubt.
    fn check_again(&mut self) -> Option<Ending> {
        self.outbox.hold();
        let admissions = self.shared.admissions.clone();
        let authorization = self.authorization.clone();
        self.checking = Some(Box::pin(async move { admissions.ask(authorization).await }));
        None
    }

    /// The client stays who it was, or goes at once: what waits to be written is not for it any more. What it may still do, it does
    /// over a new connection.
    fn confirm(&mut self, found: Option<Admitted>) -> Option<Ending> {
        let closing = match (found.map(|found| found.principal), self.accepted) {
            (Some(found), Some(known)) if found.has_rights_of(&known) => {
                self.accepted = Some(found);
                self.session.confirmed(found);
                self.shared.hub.confirm(found, &self.outbox);
                self.outbox.release();
                return None;
            }
            (Some(_), _) => Closing::Changed,
            (None, _) => Closing::SignedOut,
        };
        Some(match self.session.protocol() {
            Protocol::Contract => Ending::DropAtOnce(closing),
            Protocol::Two => Ending::CloseAtOnce(closing),
        })
    }

    /// Ends the connection in the way the client knows.
    fn end(&self, closing: Closing) -> Ending {
        match self.session.protocol() {
            Protocol::Contract => Ending::Drop(closing),
            Protocol::Two => Ending::Close(closing),
        }
    }

    fn ask(&mut self, request: Request) {
        let (Some(principal), Ok(place)) = (
            self.session.principal(),
            Arc::clone(&self.places).try_acquire_owned(),
        ) else {
            // Frames are read only while there is a place, and asked only when the session is open.
            return self.outbox.push(error_frame(
                &Complaint::Unavailable(request),
                self.session.protocol(),
            ));
        };
        let asked = match request {
            Request::GetChats | Request::GetChatHistory { .. } => {
                let place = Arc::clone(&self.unread).try_acquire_owned().ok();
                self.reads_nothing = place.is_none();
                place
            }
            _ => None,
        };
        let since = Instant::now();
        let bytes = size_of_text(&request);
        let command = Command {
            id: Uuid::now_v7(),
            principal,
            received_at: epoch_millis(),
            protocol: self.session.protocol(),
            request,
        };
        self.shared.commands.push(Pending {
            command,
            since,
            bytes,
            asker: Arc::clone(&self.outbox),
            asked,
            _place: place,
        });
    }

    /// Waits for the answers to what is under way; nothing more is read.
    async fn drain(&mut self) -> Ending {
        let _ = timeout(self.shared.drain, nothing_under_way(&self.places)).await;
        Ending::Close(Closing::Restart)
    }
}

impl Membership {
    fn new(shared: &Shared, admitted: Admitted, protocol: Protocol, outbox: Arc<Outbox>) -> Membership {
        let Admitted { principal, revision } = admitted;
        shared
            .hub
            .join(principal, revision, protocol, Arc::clone(&outbox));
        let wanted = shared.relay.want(principal.user);
        Membership {
            hub: Arc::clone(&shared.hub),
            outbox,
            principal,
            wanted,
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(self.principal.user, &self.outbox);
    }
}

/// Waits until everything that was asked is answered.
async fn nothing_under_way(places: &Semaphore) {
    let all = u32::try_from(MAX_UNDER_WAY).expect("a small constant");
    // A closed semaphore does not happen, and the places are not taken here.
    drop(places.acquire_many(all).await);
}

/// Waits for what made the connection stop reading. While a session opens that is its own event. Returns whether it has come; a client that does
/// not read at all is heard again all the same (contract 9).
async fn room(places: &Semaphore, unread: &Semaphore, outbox: &Outbox) -> bool {
    // A closed semaphore does not happen, and a free place is not taken here.
    if places.available_permits() == 0 {
        drop(places.acquire().await);
    } else if unread.available_permits() == 0 {
        return timeout(UNREAD_PATIENCE, unread.acquire()).await.is_ok();
    } else if outbox.owes_too_many_pongs() {
        outbox.pongs_sent().await;
    } else {
        pending().await
    }
    true
}

/// Waits for what has been begun, for ever if nothing has. It is done when this returns.
async fn finished<T>(begun: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match begun {
        Some(step) => {
            let outcome = step.await;
            *begun = None;
            outcome
        }
        None => pending().await,
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sidecar is gone, which is a stop as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

fn close_frame(closing: Closing) -> CloseFrame {
    CloseFrame {
        code: closing.code(),
        reason: closing.to_string().into(),
    }
}

/// What a client is told whose socket failed, if it is its fault.
pub(crate) fn complaint(error: axum::Error) -> Option<CloseFrame> {
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

/// How much text a request carries; the rest of it has a fixed size.
fn size_of_text(request: &Request) -> usize {
    match request {
        Request::GetChats | Request::StartChat { .. } => 0,
        Request::GetChatHistory { chat_id, .. }
        | Request::CloseChat { chat_id }
        | Request::TransferChat { chat_id, .. }
        | Request::Typing { chat_id }
        | Request::Read { chat_id, .. } => chat_id.len(),
        Request::SendMessage { chat_id, message, .. } => chat_id.len() + message.len(),
    }
}
