//! Hosts and database servers are killed and paused, on two hosts, two sidecars, three libSQL servers and one Redis,
//! whatever tests run on. Meanwhile people chat and press, and others ask each service:
//!
//! - Nothing that was acknowledged is lost, and nothing is there twice.
//! - Requests get an answer of the contract: success, or 503 with `Retry-After`.
//! - Everything goes on by itself.
//!
//! And while nothing breaks, hosts share what must not be counted by each alone.

use std::cell::Cell;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::join;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::outages::{Chat, FIRST, at_two_sidecars, under};
use crate::support::DEADLINE;
use crate::support::door::{Door, Reply};
use crate::support::people::{self, Agency, ORGANIZER_PASSWORD, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

/// How long a client waits for an answer. A press waits for the messenger for 3 s, and a list for the organizer for 6 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn people_chat_and_press_while_hosts_are_killed_and_paused() {
    let mut work = Work::begin().await;
    work.goes_on_while(async |system, _| system.kill_and_wait("host-1").await)
        .await;
    // By now everybody has turned to the second host. It goes on in the middle of what the first one has done in its
    // place, which changes nothing any more.
    work.goes_on_while(async |system, progress| {
        system.signal("host-2", Signal::STOP);
        progress.goes_on().await;
        system.signal("host-2", Signal::CONT);
    })
    .await;
    work.ends().await;
}

/// A service is as good as down while its database is, and the others are not.
#[tokio::test]
async fn people_chat_and_press_while_database_servers_are_killed_and_paused() {
    let mut work = Work::begin().await;
    for server in ["organizer-db", "participant-db", "messenger-db"] {
        work.goes_on_while(async |system, _| system.kill_and_wait(server).await)
            .await;
    }
    // Nobody new can be authenticated, which a client learns within a second.
    work.goes_on_while(async |system, progress| {
        system.signal("organizer-db", Signal::STOP);
        join!(progress.messages.grows_by(5), progress.refusals.grows_by(1));
        system.signal("organizer-db", Signal::CONT);
    })
    .await;
    work.goes_on_while(async |system, progress| {
        system.signal("participant-db", Signal::STOP);
        progress.messages.grows_by(5).await;
        system.signal("participant-db", Signal::CONT);
    })
    .await;
    // Presses wait in the outbox.
    work.goes_on_while(async |system, progress| {
        system.signal("messenger-db", Signal::STOP);
        progress.presses.grows_by(2).await;
        system.signal("messenger-db", Signal::CONT);
    })
    .await;
    work.ends().await;
}

/// A host that dies in a transaction leaves its lock to the server, which takes it away after five seconds. Clients of
/// the contract wait that long, and get no error.
#[tokio::test]
async fn the_lock_of_a_dead_host_only_delays_messages() {
    let system = System::large().await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.expect_nothing_yet().await;
    let participant = Socket::open("participant", system.sidecar(1), &person).await;
    let mut chat = Chat::start(support, participant).await;

    // The beginning of a transaction whose host never goes on with it.
    let server = Door::network(&system.database_url("messenger"));
    let begin = json!({"requests": [{"type": "execute", "stmt": {"sql": "BEGIN IMMEDIATE"}}]});
    let begun = server
        .send("POST", "/v3/pipeline", None, Some(&begin))
        .await
        .json(200);
    assert_eq!(begun["results"][0]["type"], "ok", "{begun}");

    chat.goes_on().await;
}

/// Ten guesses of one account from one address are the most, whichever hosts get them.
#[tokio::test]
async fn guesses_at_a_password_are_counted_by_all_hosts_together() {
    let system = System::large().await;
    let agency = system.agency("Fest").await;
    let hosts = [system.host(0), system.host(1)];
    let sign_in = async |host: &Door, password: &str| {
        let body = json!({"email": agency.owner.email, "password": password});
        let path = "/organizer/auth/sign-in";
        host.send("POST", path, None, Some(&body)).await
    };
    for guess in 0..10 {
        let refused = sign_in(&hosts[guess % 2], "wrong horse battery").await;
        refused.error(400, "invalid email or password");
    }
    for host in &hosts {
        let refused = sign_in(host, ORGANIZER_PASSWORD).await;
        refused.error(429, "too many failed attempts, try again later");
    }
}

/// People at work: a chat between the clients of two sidecars, guests who press help, and some who ask.
struct Work {
    system: System,
    agency: Agency,
    person: Person,
    chat: Chat,
    /// Who has pressed and waits.
    waiting: Vec<i64>,
    progress: Progress,
}

/// What was answered so far.
#[derive(Default)]
struct Progress {
    messages: Count,
    presses: Count,
    /// 503.
    refusals: Count,
    /// Counts the changes of clients from one host to the other.
    changes: Cell<usize>,
    is_over: Cell<bool>,
}

struct Count(watch::Sender<usize>);

impl Default for Count {
    fn default() -> Count {
        Count(watch::Sender::new(0))
    }
}

impl Count {
    fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits until there are so many more.
    async fn grows_by(&self, more: usize) {
        let mut counted = self.0.subscribe();
        let enough = *counted.borrow() + more;
        let grown = timeout(3 * DEADLINE, counted.wait_for(|count| *count >= enough)).await;
        grown.expect("work goes on in time").expect("it is counted");
    }
}

impl Progress {
    async fn goes_on(&self) {
        join!(self.messages.grows_by(6), self.presses.grows_by(2));
    }
}

impl Work {
    async fn begin() -> Work {
        let system = System::large().await;
        let (agency, person, chat) = at_two_sidecars(&system).await;
        Work {
            system,
            agency,
            person,
            chat,
            waiting: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// Lets something break while everybody works, and waits until everything goes on.
    async fn goes_on_while(&mut self, breaks: impl AsyncFnOnce(&mut System, &Progress)) {
        let Work {
            system,
            agency,
            person,
            chat,
            waiting,
            progress,
        } = self;
        let progress = &*progress;
        let hosts = [system.host(0), system.host(1)];
        let client = Client {
            hosts: &hosts,
            progress,
        };
        let breaking = async {
            progress.goes_on().await;
            breaks(system, progress).await;
            progress.goes_on().await;
            progress.is_over.set(true);
        };
        progress.is_over.set(false);
        join!(
            talk(chat, progress),
            press(client, agency.event_id, waiting),
            ask(client, &agency.owner, "/organizer/agency/events"),
            ask(client, person, "/participant/events"),
            ask(client, &agency.support, "/messenger/agency/chats?limit=1"),
            breaking,
        );
    }

    /// Everybody who has pressed is in the queue, once, in the order of presses.
    async fn ends(self) {
        let mut queue = Socket::open_two("owner", self.system.sidecar(0), &self.agency.owner).await;
        // Ticks deliver what the messenger could not take.
        while queue.expect_status().await != self.waiting.len() {}
        let database = rusqlite::Connection::open(self.system.database("messenger")).expect("a database");
        let sql = "SELECT participant_id FROM chats WHERE state = 'waiting' ORDER BY pressed_at, arrival";
        let mut statement = database.prepare(sql).expect("a statement");
        let queued = statement.query_map((), |row| row.get(0)).expect("rows");
        let queued: Vec<i64> = queued.collect::<Result<_, _>>().expect("rows");
        assert_eq!(queued, self.waiting);
    }
}

/// The parties say something by turns. Both hear everything, in order and once, and so it is stored.
async fn talk(chat: &mut Chat, progress: &Progress) {
    let mut said: Vec<(i64, String)> = Vec::new();
    while !progress.is_over.get() {
        let text = format!("{} and counting", said.len());
        let Chat {
            id,
            support,
            participant,
        } = chat;
        let (speaker, listener) = match said.len() % 2 {
            0 => (support, participant),
            _ => (participant, support),
        };
        let seq = say(speaker, id, &text).await;
        assert_eq!(listener.expect_message().await, text);
        said.push((seq, text));
        progress.messages.add();
    }
    for socket in [&mut chat.support, &mut chat.participant] {
        assert_eq!(socket.messages_after(&chat.id, said[0].0 - 1).await, said);
    }
}

/// Says something until it is saved, and hears it. Returns its number.
async fn say(speaker: &mut Socket, chat_id: &str, text: &str) -> i64 {
    let message = under(&Uuid::now_v7().to_string(), chat_id, text);
    speaker.send("send_message", message.clone()).await;
    let (mut saved, mut heard) = (None, false);
    loop {
        if let (Some(seq), true) = (saved, heard) {
            return seq;
        }
        let frame = speaker.next().await.expect("an open socket");
        let payload = &frame["payload"];
        match frame["type"].as_str() {
            Some("message_saved") => saved = payload["seq"].as_i64(),
            Some("user_message") => {
                assert_eq!((heard, payload["content"].as_str()), (false, Some(text)));
                heard = true;
            }
            // The sidecar has tried for ten seconds, and leaves it to the client to go on.
            Some("error") => speaker.send("send_message", message.clone()).await,
            _ => panic!("{frame}"),
        }
    }
}

/// Guests come and press help, one after the other.
async fn press(client: Client<'_>, event_id: i64, waiting: &mut Vec<i64>) {
    while !client.progress.is_over.get() {
        let guest = client.insist("POST", "/participant/auth/guest", None, "").await;
        let guest = people::signed_in(&client.hosts[0], &guest.json(201));
        // With this key, a press that is sent again is the same one.
        let press = json!({"eventId": event_id, "description": "Lost", "clientId": FIRST});
        let path = "/participant/chat-requests";
        client
            .insist("POST", path, Some(&guest), &press.to_string())
            .await
            .json(200);
        waiting.push(guest.id);
        client.progress.presses.add();
    }
}

/// Somebody asks for a list again and again.
async fn ask(client: Client<'_>, person: &Person, path: &str) {
    while !client.progress.is_over.get() {
        client.insist("GET", path, Some(person), "").await.list();
    }
}

/// A client that knows both hosts.
#[derive(Clone, Copy)]
struct Client<'a> {
    hosts: &'a [Door; 2],
    progress: &'a Progress,
}

impl Client<'_> {
    /// Sends a request until it succeeds.
    async fn insist(self, method: &str, path: &str, person: Option<&Person>, body: &str) -> Reply {
        let Client { hosts, progress } = self;
        let authorization = person.map(|person| format!("Bearer {}", person.token));
        loop {
            let changes = progress.changes.get();
            let host = &hosts[changes % hosts.len()];
            let asked = host.try_send_as(method, path, authorization.as_deref(), body.to_owned());
            match timeout(PATIENCE, asked).await {
                Ok(Ok(reply)) if reply.status < 300 => return reply,
                Ok(Ok(reply)) => {
                    assert_eq!(reply.status, 503, "{method} {path}: {}", reply.text());
                    assert!(reply.header("retry-after").is_some(), "{method} {path}");
                    progress.refusals.add();
                }
                // The host is dead or hangs. Of several requests that fail there, one changes it.
                Ok(Err(_)) | Err(_) if progress.changes.get() == changes => progress.changes.set(changes + 1),
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(PAUSE).await;
        }
    }
}
