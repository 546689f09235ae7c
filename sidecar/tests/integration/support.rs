//! What every test needs: a Redis of its own, a scripted messenger, sidecars, and clients.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_documents::{Protocol, Side, check_close, check_frame, check_handshake};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, StatusCode};
use mayday_sidecar::{Config, Participant, Timings};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sidecar_api::update::{Body as UpdateBody, Entry, Frame, Update, entries, extend, write_update};
use sidecar_api::{
    Authenticate, Authenticated, Command as SidecarCommand, Cursor, Exchange, Outcome, Principal, Queue,
    Realm, Request, Revocations, RevokedSince, User, Verdict,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The time limit of every wait.
pub(crate) const SOON: Duration = Duration::from_secs(15);

pub(crate) const ALICE: User = User {
    realm: Realm::Organizer,
    id: 1,
};
pub(crate) const BOB: User = User {
    realm: Realm::Participant,
    id: 1,
};

/// The chat of the scripted messenger.
pub(crate) const CHAT: &str = "0a1b2c3d4e5f60718293a4b5";

/// A message in it, as clients of the contract get it.
pub(crate) fn message(content: &str) -> Value {
    json!({ "type": "user_message", "payload": message_payload(content) })
}

fn message_payload(content: &str) -> Value {
    json!({
        "id": "0a1b2c3d4e5f60718293a4c0",
        "chatId": CHAT,
        "authorId": BOB.id,
        "fromOrganizer": 0,
        "content": content,
        "timeSent": "2026-07-03T18:21:40.007Z",
    })
}

/// The scripted messenger's answer to `get_chats`.
pub(crate) fn no_chats() -> Value {
    json!({ "type": "chats", "payload": { "chats": [] } })
}

/// Its answer to `start_chat`.
pub(crate) fn no_new_chats() -> Value {
    json!({ "type": "info", "payload": { "message": "no new chats" } })
}

/// Waits for something, and fails the test after [`SOON`].
#[track_caller]
pub(crate) fn soon<T>(event: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        timeout(SOON, event)
            .await
            .unwrap_or_else(|_| panic!("{place}: nothing happened"))
    }
}

/// A `redis-server` of its own, killed on drop.
pub(crate) struct Redis {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Redis {
        let directory = tempfile::tempdir().unwrap();
        // Another process may take the port meanwhile. Then Redis ends, and this tries another port.
        for _ in 0..10 {
            let port = local_servers::free_address().unwrap().port();
            let mut process = Redis::spawn(port, &directory);
            if Redis::is_up(&mut process, port).await {
                return Redis {
                    process,
                    port,
                    directory,
                };
            }
        }
        panic!("redis-server does not start");
    }

    fn spawn(port: u16, directory: &TempDir) -> Child {
        Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
                &port.to_string(),
            ])
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server must be installed")
    }

    async fn is_up(process: &mut Child, port: u16) -> bool {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        while process.try_wait().unwrap().is_none() {
            if client.get_multiplexed_async_connection().await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    /// Suspends or resumes Redis: `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.process = Redis::spawn(self.port, &self.directory);
        assert!(
            Redis::is_up(&mut self.process, self.port).await,
            "redis-server does not start again"
        );
    }

    /// Publishes updates as another sidecar would.
    pub(crate) async fn publish(&self, updates: &str) {
        self.publish_text(&format!("another\n{updates}")).await;
    }

    /// Publishes any text on the channel of updates, which one sidecar subscribes to.
    pub(crate) async fn publish_text(&self, payload: &str) {
        let heard: i64 = self
            .run(redis::cmd("PUBLISH").arg("mayday.updates").arg(payload))
            .await;
        assert_eq!(heard, 1, "exactly one sidecar listens");
    }

    pub(crate) async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let mut connection = self.client().get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A scripted messenger with one chat, between Alice and Bob.
#[derive(Clone)]
pub(crate) struct Messenger {
    pub(crate) origin: String,
    state: Arc<Mutex<Desk>>,
    /// While true, calls arrive and are not answered.
    held: watch::Sender<bool>,
    /// Calls for the authentication of users of this realm are not answered.
    hung: watch::Sender<Option<Realm>>,
    /// Questions for the revocations of this realm are not answered.
    unwatched: watch::Sender<Option<Realm>>,
    calls: watch::Sender<usize>,
    /// How many revocations the sidecar has been told.
    told: watch::Sender<usize>,
    /// How often the messenger and the participant service were called for a tick.
    ticks: watch::Sender<[usize; 2]>,
    /// The organizers last reported to be here, with their agencies.
    attendance: watch::Sender<Vec<(i64, i64)>>,
}

#[derive(Default)]
struct Desk {
    /// The bodies of exchanges with commands.
    exchanges: Vec<Bytes>,
    /// The trace context of each of them.
    exchange_traces: Vec<String>,
    authentications: Vec<usize>,
    /// The trace context of each of them.
    authentication_traces: Vec<String>,
    faults: VecDeque<Fault>,
    /// The revocations for the next answers about each realm.
    revocations: HashMap<Realm, VecDeque<Revocations>>,
    /// The questions for revocations.
    questions: Vec<RevokedSince>,
    log: Vec<(Cursor, String)>,
    /// How often the database was restored from a copy.
    restored: i64,
    queues: HashMap<i64, Queue>,
    /// The last exchange with commands of each sidecar, and its replies.
    answered: HashMap<String, (i64, Cursor, Vec<Option<String>>)>,
    /// Users whose credentials are void, each with the authentication call from which on they are.
    void: HashMap<User, usize>,
    agencies: HashMap<User, i64>,
    last_seq: i64,
}

/// A fault of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The messenger carries the call out, and its answer is lost.
    AnswerLost,
    Status(u16),
    /// Authentication only: the service that issued the token is down.
    Unavailable,
    /// Exchanges only: the messenger carries out this many commands and leaves the rest.
    LeavesRest(usize),
    /// Exchanges only: what follows the updates is none.
    Garbled,
}

impl Messenger {
    pub(crate) async fn start() -> Messenger {
        Messenger::start_on(Arc::default()).await
    }

    /// Another host of this messenger, with the same database. It is held, and counts calls, apart.
    pub(crate) async fn another_host(&self) -> Messenger {
        Messenger::start_on(Arc::clone(&self.state)).await
    }

    async fn start_on(state: Arc<Mutex<Desk>>) -> Messenger {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let messenger = Messenger {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            state,
            held: watch::Sender::new(false),
            hung: watch::Sender::new(None),
            unwatched: watch::Sender::new(None),
            calls: watch::Sender::new(0),
            told: watch::Sender::new(0),
            ticks: watch::Sender::default(),
            attendance: watch::Sender::default(),
        };
        let router = Router::new()
            .route("/messenger/internal/ready", get(|| async { StatusCode::OK }))
            .route("/messenger/internal/authenticate", post(authenticate))
            .route("/messenger/internal/exchange", post(exchange))
            .route("/messenger/internal/revocations", post(revocations))
            .route(
                "/messenger/internal/tick",
                post(async |State(messenger)| ticked(messenger, 0)),
            )
            .route(
                "/participant/internal/tick",
                post(async |State(messenger)| ticked(messenger, 1)),
            )
            .with_state(messenger.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        messenger
    }

    /// Commits an update that no sidecar asked for. Returns it as another sidecar would publish it.
    pub(crate) fn commit(&self, body: &UpdateBody) -> String {
        let mut desk = self.state.lock().unwrap();
        let cursor = desk.commit(body);
        let mut text = String::new();
        write_update(&mut text, desk.update(cursor, body.as_str()));
        text
    }

    /// Commits a message for Alice and Bob, as if from another sidecar.
    pub(crate) fn commit_message(&self, content: &str) -> String {
        let mut body = UpdateBody::default();
        self.state.lock().unwrap().write_message(content, &mut body);
        self.commit(&body)
    }

    /// Changes the queue of an agency.
    pub(crate) fn set_queue(&self, queue: Queue) {
        let mut body = UpdateBody::default();
        body.queue_changed(queue.agency_id);
        self.state.lock().unwrap().queues.insert(queue.agency_id, queue);
        self.commit(&body);
    }

    /// Restores the database from a copy that lacks this many updates.
    pub(crate) fn restore(&self, updates: usize) {
        let mut desk = self.state.lock().unwrap();
        let kept = desk.log.len() - updates;
        desk.log.truncate(kept);
        desk.restored += 1;
    }

    /// Waits until a sidecar reports exactly these organizers as here.
    pub(crate) async fn attended_by(&self, organizers: &[(i64, i64)]) {
        let mut attendance = self.attendance.subscribe();
        soon(attendance.wait_for(|there| there.as_slice() == organizers))
            .await
            .unwrap();
    }

    /// Stops answering calls, except for beats.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn resume(&self) {
        self.held.send_replace(false);
    }

    /// Makes the next calls fail, one fault per call.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    pub(crate) fn clear_faults(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Waits until this many calls have arrived since the start.
    pub(crate) async fn called(&self, times: usize) {
        soon(self.calls.subscribe().wait_for(|calls| *calls >= times))
            .await
            .unwrap();
    }

    /// Waits until the messenger and the participant service each had this many ticks.
    pub(crate) async fn ticked(&self, times: usize) {
        let mut ticks = self.ticks.subscribe();
        soon(ticks.wait_for(|ticks| ticks.iter().all(|ticks| *ticks >= times)))
            .await
            .unwrap();
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    /// The bodies of the exchanges with commands.
    pub(crate) fn exchanges(&self) -> Vec<Bytes> {
        self.state.lock().unwrap().exchanges.clone()
    }

    /// The requests in each of them.
    pub(crate) fn requests(&self) -> Vec<Vec<Request>> {
        let read = |body: &Bytes| serde_json::from_slice::<Exchange>(body).unwrap();
        let requests = |exchange: Exchange| exchange.commands.into_iter().map(|command| command.request);
        self.exchanges()
            .iter()
            .map(|body| requests(read(body)).collect())
            .collect()
    }

    /// The trace id of the last of them.
    pub(crate) fn last_exchange_trace(&self) -> String {
        let desk = self.state.lock().unwrap();
        let context = desk.exchange_traces.last().unwrap();
        context.split('-').nth(1).unwrap().to_owned()
    }

    /// The trace contexts of the calls that authenticated clients.
    pub(crate) fn authentication_traces(&self) -> Vec<String> {
        self.state.lock().unwrap().authentication_traces.clone()
    }

    /// The number of clients in each of these calls.
    pub(crate) fn authentications(&self) -> Vec<usize> {
        self.state.lock().unwrap().authentications.clone()
    }

    /// Revokes the credentials of `user` from the next call for authentication on.
    pub(crate) fn void(&self, user: User) {
        let mut desk = self.state.lock().unwrap();
        let next = desk.authentications.len();
        desk.void.insert(user, next);
    }

    /// Leaves calls for the authentication of users of this realm unanswered until [`Messenger::recover`].
    pub(crate) fn hang(&self, realm: Realm) {
        self.hung.send_replace(Some(realm));
    }

    /// Leaves questions for the revocations of this realm unanswered until [`Messenger::recover`].
    pub(crate) fn hold_revocations(&self, realm: Realm) {
        self.unwatched.send_replace(Some(realm));
    }

    pub(crate) fn recover(&self) {
        self.hung.send_replace(None);
        self.unwatched.send_replace(None);
    }

    /// Lets `user` work for this agency from now on.
    pub(crate) fn employ(&self, user: User, agency_id: i64) {
        self.state.lock().unwrap().agencies.insert(user, agency_id);
    }

    /// Answers a question for the revocations of this realm, and returns when the sidecar has got the answer.
    pub(crate) async fn revoke(&self, realm: Realm, revocations: Revocations) {
        let told = *self.told.borrow();
        self.state
            .lock()
            .unwrap()
            .revocations
            .entry(realm)
            .or_default()
            .push_back(revocations);
        soon(self.told.subscribe().wait_for(|now| *now > told))
            .await
            .unwrap();
    }

    /// The sidecar's questions for the revocations of this realm.
    pub(crate) fn questions(&self, realm: Realm) -> Vec<RevokedSince> {
        let questions = self.state.lock().unwrap().questions.clone();
        let about = |asked: &RevokedSince| asked.realm == Some(realm);
        questions.into_iter().filter(about).collect()
    }

    async fn arrived(&self) {
        self.calls.send_modify(|calls| *calls += 1);
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }
}

async fn authenticate(State(messenger): State<Messenger>, headers: HeaderMap, body: Bytes) -> Response {
    let asked: Authenticate = serde_json::from_slice(&body).unwrap();
    let call = {
        let mut desk = messenger.state.lock().unwrap();
        desk.authentications.push(asked.authorizations.len());
        let trace = headers["traceparent"].to_str().unwrap().to_owned();
        desk.authentication_traces.push(trace);
        desk.authentications.len() - 1
    };
    messenger.arrived().await;
    let users: Vec<User> = asked
        .authorizations
        .iter()
        .filter_map(|text| user(text))
        .collect();
    let hangs = |realm: &Option<Realm>| users.iter().any(|user| Some(user.realm) == *realm);
    let _ = messenger.hung.subscribe().wait_for(|realm| !hangs(realm)).await;
    let mut desk = messenger.state.lock().unwrap();
    let fault = desk.faults.pop_front();
    let verdicts = asked
        .authorizations
        .iter()
        .map(|authorization| match (fault, user(authorization)) {
            (Some(Fault::Unavailable), _) => Verdict::Unavailable,
            (_, Some(user)) if desk.void.get(&user).is_some_and(|from| *from <= call) => Verdict::Rejected,
            (_, Some(user)) => Verdict::Accepted {
                principal: Principal {
                    user,
                    agency_id: desk.agencies.get(&user).copied(),
                    role: None,
                    max_open_chats: None,
                    name: String::new(),
                },
            },
            (_, None) => Verdict::Rejected,
        })
        .collect();
    let authenticated = Authenticated {
        verdicts,
        after: desk.end(),
    };
    answer(fault, json!(authenticated).to_string())
}

/// `Bearer organizer:1` is Alice's token, and so on.
fn user(authorization: &str) -> Option<User> {
    let (realm, id) = authorization.strip_prefix("Bearer ")?.split_once(':')?;
    let realm = [Realm::Organizer, Realm::Participant]
        .into_iter()
        .find(|known| known.as_str() == realm)?;
    Some(User {
        realm,
        id: id.parse().ok()?,
    })
}

async fn revocations(State(messenger): State<Messenger>, body: Bytes) -> Response {
    let mut asked: RevokedSince = serde_json::from_slice(&body).unwrap();
    let realm = asked.realm.unwrap();
    messenger.state.lock().unwrap().questions.push(asked);
    let mut unwatched = messenger.unwatched.subscribe();
    let _ = unwatched.wait_for(|unwatched| *unwatched != Some(realm)).await;
    let next = {
        let mut desk = messenger.state.lock().unwrap();
        desk.revocations.entry(realm).or_default().pop_front()
    };
    let is_news = next.is_some();
    asked.cursor.of(realm).get_or_insert(0);
    let nothing = Revocations {
        next: asked.cursor,
        ..Revocations::default()
    };
    let answer = serde_json::to_vec(&next.unwrap_or(nothing))
        .unwrap()
        .into_response();
    if is_news {
        messenger.told.send_modify(|told| *told += 1);
    }
    answer
}

fn ticked(messenger: Messenger, service: usize) -> StatusCode {
    messenger.ticks.send_modify(|ticks| ticks[service] += 1);
    StatusCode::OK
}

async fn exchange(State(messenger): State<Messenger>, headers: HeaderMap, body: Bytes) -> Response {
    let exchange: Exchange = serde_json::from_slice(&body).unwrap();
    if let Some(present) = &exchange.present {
        let mut organizers: Vec<_> = present
            .iter()
            .map(|attendance| (attendance.organizer_id, attendance.agency_id))
            .collect();
        organizers.sort_unstable();
        messenger.attendance.send_replace(organizers);
    }
    let is_beat = exchange.commands.is_empty();
    if !is_beat {
        {
            let mut desk = messenger.state.lock().unwrap();
            desk.exchanges.push(body);
            let trace = headers["traceparent"].to_str().unwrap().to_owned();
            desk.exchange_traces.push(trace);
        }
        messenger.arrived().await;
    }
    let mut desk = messenger.state.lock().unwrap();
    let fault = if is_beat { None } else { desk.faults.pop_front() };
    match fault {
        Some(Fault::Status(_)) => answer(fault, String::new()),
        Some(Fault::LeavesRest(taken)) => answer(fault, desk.exchange(&exchange, taken)),
        Some(Fault::Garbled) => answer(fault, desk.exchange(&exchange, usize::MAX) + "no update\n"),
        _ => answer(fault, desk.exchange(&exchange, usize::MAX)),
    }
}

fn answer(fault: Option<Fault>, text: String) -> Response {
    match fault {
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::AnswerLost) => {
            let broken = futures_util::stream::iter([
                Ok(Bytes::from_static(b"{")),
                Err(std::io::Error::other("the connection breaks")),
            ]);
            Body::from_stream(broken).into_response()
        }
        Some(Fault::Unavailable | Fault::LeavesRest(_) | Fault::Garbled) | None => text.into_response(),
    }
}

impl Desk {
    fn end(&self) -> Cursor {
        let beginning = Cursor {
            id: 0,
            made_at: self.restored,
        };
        self.log.last().map_or(beginning, |(cursor, _)| *cursor)
    }

    fn commit(&mut self, body: &UpdateBody) -> Cursor {
        let cursor = Cursor {
            id: self.end().id + 1,
            made_at: self.restored,
        };
        self.log.push((cursor, body.as_str().to_owned()));
        cursor
    }

    fn update<'a>(&self, cursor: Cursor, body: &'a str) -> Update<'a> {
        let previous = self.log.iter().rfind(|(known, _)| known.id < cursor.id);
        Update {
            cursor,
            previous_made_at: previous.map_or(self.restored, |(previous, _)| previous.made_at),
            body,
        }
    }

    fn exchange(&mut self, exchange: &Exchange, taken: usize) -> String {
        let known = self.answered.get(&exchange.sidecar);
        let known = known.filter(|(number, ..)| *number == exchange.number && !exchange.commands.is_empty());
        let mut committed = Vec::new();
        let (at, replies) = match known.cloned() {
            Some((_, at, replies)) => (at, replies),
            None => {
                let mut body = UpdateBody::default();
                let commands = exchange.commands.iter().take(taken);
                let replies: Vec<_> = commands
                    .map(|command| self.carry_out(command, &mut body))
                    .collect();
                if !body.is_empty() {
                    committed.push(self.commit(&body).id);
                }
                let known = (exchange.number, self.end(), replies.clone());
                self.answered.insert(exchange.sidecar.clone(), known);
                (self.end(), replies)
            }
        };
        let is_in_log = |cursor: &Cursor| cursor.id == 0 || self.log.iter().any(|(known, _)| known == cursor);
        let starts_anew = !exchange.cursor.as_ref().is_some_and(is_in_log);
        let after = if starts_anew {
            at.id
        } else {
            exchange.cursor.map_or(0, |cursor| cursor.id)
        };
        let mut updates = String::new();
        let mut queues = exchange.queues.clone();
        for (cursor, body) in self.log.iter().filter(|(cursor, _)| cursor.id > after) {
            write_update(&mut updates, self.update(*cursor, body));
            for entry in entries(body) {
                if let Ok(Entry::Queue(agency_id)) = entry {
                    queues.push(agency_id);
                }
            }
        }
        let raw = |reply: String| RawValue::from_string(reply).unwrap();
        let outcome = Outcome {
            at,
            starts_anew,
            replies: replies.into_iter().map(|reply| reply.map(raw)).collect(),
            committed,
            queues: queues
                .iter()
                .filter_map(|agency_id| self.queues.get(agency_id))
                .cloned()
                .collect(),
        };
        outcome.write(&updates).unwrap()
    }

    /// Shows a message to Alice and Bob. Answers everything else as if the chat were empty, and nobody waited.
    fn carry_out(&mut self, command: &SidecarCommand, body: &mut UpdateBody) -> Option<String> {
        let reply = match &command.request {
            Request::SendMessage { message, .. } => {
                self.write_message(message, body);
                return None;
            }
            Request::GetChats => no_chats(),
            Request::GetChatHistory { chat_id, .. } => {
                json!({ "type": "chat_history", "payload": { "chatId": chat_id, "messages": [] } })
            }
            Request::StartChat { .. } => no_new_chats(),
            other => panic!("no test asks for {other:?}"),
        };
        Some(reply.to_string())
    }

    /// Adds a message for Alice and Bob to an update.
    fn write_message(&mut self, content: &str, body: &mut UpdateBody) {
        self.last_seq += 1;
        // The payload is the last member, as `update::extend` requires.
        let payload = message_payload(content);
        let mut frame = format!(r#"{{"type":"user_message","payload":{payload}}}"#);
        let shared = extend(&mut frame, &json!({ "seq": self.last_seq }).to_string());
        body.deliver(&[ALICE, BOB], Frame::extended(&frame, shared));
    }
}

/// A sidecar in this process.
pub(crate) struct Sidecar {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) running: JoinHandle<anyhow::Result<()>>,
}

impl Sidecar {
    /// Starts a sidecar, and waits until it has subscribed.
    pub(crate) async fn start(messenger: &Messenger, redis: &Redis) -> Sidecar {
        Sidecar::run(Sidecar::config(&[&messenger.origin], redis)).await
    }

    pub(crate) async fn start_with(messenger: &Messenger, redis: &Redis, timings: Timings) -> Sidecar {
        let config = Sidecar::config(&[&messenger.origin], redis);
        Sidecar::run(Config { timings, ..config }).await
    }

    /// Starts a sidecar that knows several hosts of the messenger by their origins.
    pub(crate) async fn with_hosts(messenger: &[&str], redis: &Redis) -> Sidecar {
        Sidecar::run(Sidecar::config(messenger, redis)).await
    }

    /// Starts a sidecar that allows browsers from one origin only.
    pub(crate) async fn allowing(messenger: &Messenger, redis: &Redis, origin: &str) -> Sidecar {
        let config = Sidecar::config(&[&messenger.origin], redis);
        let allowed_origins = vec![origin.to_owned()];
        Sidecar::run(Config {
            allowed_origins,
            ..config
        })
        .await
    }

    /// Starts a sidecar that calls the services at each tick.
    pub(crate) async fn ticking(messenger: &Messenger, redis: &Redis) -> Sidecar {
        let config = Sidecar::config(&[&messenger.origin], redis);
        let participant = Some(Participant {
            origin: messenger.origin.clone(),
            key: "key".into(),
        });
        Sidecar::run(Config {
            participant,
            ..config
        })
        .await
    }

    fn config(messenger: &[&str], redis: &Redis) -> Config {
        Config {
            messenger: messenger.iter().map(|&origin| origin.to_owned()).collect(),
            messenger_key: "key".into(),
            redis: redis.url(),
            participant: None,
            allowed_origins: Vec::new(),
            strict_transport_security: "max-age=31536000".into(),
            client_address_header: None,
            timings: Timings::default(),
        }
    }

    async fn run(config: Config) -> Sidecar {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(mayday_sidecar::run(listener, config, async {
            drop(stopped.await)
        }));
        let sidecar = Sidecar {
            address,
            stop: Some(stop),
            running,
        };
        sidecar.becomes_ready().await;
        sidecar
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until `/readyz` reports that everything is ready.
    pub(crate) async fn becomes_ready(&self) {
        self.becomes("HTTP/1.1 200 OK").await;
    }

    /// Waits until the answer of `/readyz` contains this.
    pub(crate) async fn becomes(&self, expected: &str) {
        let asking = async {
            while !self.get("/readyz").await.contains(expected) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon(asking).await;
    }

    /// The whole answer to a plain request.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.get_with(path, "").await
    }

    /// The same with more header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> String {
        fetch(self.address, path, headers).await
    }

    pub(crate) async fn alice(&self) -> Client {
        Client::signed_in(self, ALICE).await
    }

    pub(crate) async fn bob(&self) -> Client {
        Client::signed_in(self, BOB).await
    }
}

async fn fetch(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\n");
    let request = format!("{head}{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    if path == "/connect" {
        check_refusal(&answer);
    }
    answer
}

/// Checks a whole answer to a handshake against the document of the socket.
pub(crate) fn check_refusal(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (status, lines) = head.split_once("\r\n").expect("headers");
    let status = status.split(' ').nth(1).expect("a status").parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a header");
        (HeaderName::from_str(name).unwrap(), value.parse().unwrap())
    };
    let headers: HeaderMap = lines.split("\r\n").map(header).collect();
    check_handshake(status, &headers, body.as_bytes()).unwrap_or_else(|violation| panic!("{violation}"));
}

/// The sidecar's own program, killed on drop.
pub(crate) struct Program {
    pub(crate) child: tokio::process::Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts the program with these variables besides, and waits until it listens.
    pub(crate) async fn start(
        messenger: &str,
        redis: &str,
        stderr: Stdio,
        variables: &[(&str, &Path)],
    ) -> Program {
        let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mayday-sidecar"));
        Program::run(command, messenger, redis, stderr, variables).await
    }

    /// The same with a limit of open files.
    pub(crate) async fn with_open_files(
        limit: usize,
        messenger: &str,
        redis: &str,
        stderr: Stdio,
        variables: &[(&str, &Path)],
    ) -> Program {
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_mayday-sidecar"));
        Program::run(command, messenger, redis, stderr, variables).await
    }

    async fn run(
        mut command: tokio::process::Command,
        messenger: &str,
        redis: &str,
        stderr: Stdio,
        variables: &[(&str, &Path)],
    ) -> Program {
        let mut child = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--messenger",
                messenger,
                "--redis",
                redis,
            ])
            .env("MAYDAY_MESSENGER_KEY", "key")
            .env("RUST_LOG", "debug")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line())
            .await
            .unwrap()
            .expect("it ends before it listens");
        let address = line.strip_prefix("Listening on ws://").unwrap();
        let address = address.strip_suffix("/connect").unwrap().parse().unwrap();
        Program { child, address }
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        fetch(self.address, path, "").await
    }

    /// Waits until `/readyz` answers with this status.
    pub(crate) async fn becomes(&self, status: &str) {
        let start = format!("HTTP/1.1 {status} ");
        let asking = async {
            while !self.get("/readyz").await.starts_with(&start) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon(asking).await;
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("the metric is there").parse().unwrap()
    }
}

/// A client with a real socket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    protocol: Protocol,
}

impl Client {
    /// A client whose socket is open. It speaks the contract unless its first frame says otherwise.
    fn on(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Client {
        Client {
            socket,
            protocol: Protocol::Contract,
        }
    }

    /// Connects without sending a frame.
    pub(crate) async fn connect(sidecar: &Sidecar) -> Client {
        Client::connect_to(sidecar.address).await
    }

    /// Connects to the address of a sidecar without sending a frame.
    pub(crate) async fn connect_to(address: SocketAddr) -> Client {
        // Without TCP_NODELAY a small frame waits for the acknowledgement of the one before.
        let url = format!("ws://{address}/connect");
        let (socket, _) = soon(connect_async_with_config(url, None, true)).await.unwrap();
        Client::on(socket)
    }

    /// The same with a header.
    pub(crate) async fn connect_with(address: SocketAddr, name: &'static str, value: &str) -> Client {
        let mut request = format!("ws://{address}/connect").into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let (socket, _) = soon(connect_async_with_config(request, None, true))
            .await
            .unwrap();
        Client::on(socket)
    }

    /// Connects, signs in, and waits until that has succeeded.
    pub(crate) async fn signed_in(sidecar: &Sidecar, user: User) -> Client {
        Client::signed_in_at(sidecar.address, user).await
    }

    /// The same, at the address of a sidecar.
    pub(crate) async fn signed_in_at(address: SocketAddr, user: User) -> Client {
        let mut client = Client::connect_to(address).await;
        client.authorize(user).await;
        client.ask("get_chats", json!("")).await;
        assert_eq!(client.next().await, no_chats());
        client
    }

    pub(crate) async fn authorize(&mut self, user: User) {
        self.introduce(user, json!({})).await;
    }

    /// Sends the first frame, with the members of `frame` besides.
    pub(crate) async fn introduce(&mut self, user: User, mut frame: Value) {
        if frame["protocol"] == 2 {
            self.protocol = Protocol::Two;
        }
        frame["Authorization"] = json!(format!("Bearer {}:{}", user.realm.as_str(), user.id));
        self.send(frame.to_string()).await;
    }

    /// The same with a trace context.
    pub(crate) async fn traced(address: SocketAddr, user: User, traceparent: &str) -> Client {
        let mut client = Client::connect_with(address, "traceparent", traceparent).await;
        client.authorize(user).await;
        client.ask("get_chats", json!("")).await;
        assert_eq!(client.next().await, no_chats());
        client
    }

    /// Connects and signs in as a client of protocol 2.
    pub(crate) async fn ready(sidecar: &Sidecar, user: User) -> Client {
        let mut client = Client::connect(sidecar).await;
        client.introduce(user, json!({ "protocol": 2 })).await;
        let ready = client.next().await;
        assert_eq!(ready["type"], "ready");
        let principal = &ready["payload"]["principal"];
        assert_eq!(
            (&principal["realm"], &principal["id"]),
            (&json!(user.realm), &json!(user.id))
        );
        assert_eq!(ready["payload"]["protocol"], 2);
        assert!(
            ready["payload"]["connectionId"]
                .as_str()
                .is_some_and(|id| !id.is_empty())
        );
        client
    }

    pub(crate) async fn ask(&mut self, kind: &str, payload: Value) {
        self.send(json!({ "type": kind, "payload": payload }).to_string())
            .await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.ask("send_message", json!({ "chatId": CHAT, "message": text }))
            .await;
    }

    pub(crate) async fn send(&mut self, frame: impl Into<String>) {
        soon(self.socket.send(Message::text(frame.into()))).await.unwrap();
    }

    /// Waits until the sidecar has read all that was sent, by the pong to a ping.
    pub(crate) async fn has_been_read(&mut self) {
        self.socket.send(Message::Ping(Default::default())).await.unwrap();
        assert!(matches!(self.next_message().await, Some(Ok(Message::Pong(_)))));
    }

    /// The next WebSocket message that is not a ping. A frame must be as the document of the socket says.
    pub(crate) async fn next_message(
        &mut self,
    ) -> Option<Result<Message, tokio_tungstenite::tungstenite::Error>> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Ping(_))) => {}
                message => {
                    if let Some(Ok(Message::Text(text))) = &message {
                        self.check(text);
                    }
                    return message;
                }
            }
        }
    }

    fn check(&self, text: &str) {
        let frame = serde_json::from_str(text).unwrap();
        check_frame(Side::Server, self.protocol, &frame).unwrap_or_else(|violation| panic!("{violation}"));
    }

    /// The next frame, which must be an object followed by a newline.
    #[track_caller]
    pub(crate) fn next(&mut self) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let message = self.next_message().await;
            let Some(Ok(Message::Text(text))) = message else {
                panic!("{place}: expected a frame, got {message:?}");
            };
            assert!(text.ends_with('\n'), "{place}: no newline at the end of {text}");
            serde_json::from_str(&text).unwrap()
        }
    }

    /// The next frame must be a message with this text.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let frame = self.next().await;
            assert_eq!(frame["payload"]["content"], json!(text), "{place}: {frame}");
        }
    }

    #[track_caller]
    pub(crate) fn is_told(&mut self, error: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let expected = json!({ "type": "error", "payload": { "message": error } });
            assert_eq!(self.next().await, expected, "{place}");
        }
    }

    /// The connection must end without a close frame, and without any frame before.
    pub(crate) async fn is_dropped(&mut self) {
        let end = self.next_message().await;
        assert!(
            matches!(end, Some(Err(_))),
            "expected a drop without a close frame, got {end:?}"
        );
    }

    /// The connection must end with a close frame, as the document of the socket says. Returns its code.
    pub(crate) async fn is_closed(&mut self) -> u16 {
        match self.next_message().await {
            Some(Ok(Message::Close(Some(frame)))) => {
                let code = frame.code.into();
                check_close(self.protocol, code).unwrap_or_else(|violation| panic!("{violation}"));
                code
            }
            end => panic!("expected a close frame, got {end:?}"),
        }
    }
}
