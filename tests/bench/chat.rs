//! The cost and latency of a message, from its sender's socket to the sockets of both parties, and checks that each
//! message is stored once and shown to each party once, in order.
//!
//! The load is open: clients send at fixed times, however slow the system is, and a latency counts from the scheduled
//! time. So the latencies include all queueing.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rusqlite::Connection as Database;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::builds::{Build, Builds, Figure, ratios};
use crate::figures::{Latencies, machine, milliseconds};
use crate::load::Connection;
use crate::seed::{self, Person};
use crate::socket::{self, Stream};
use crate::system::{System, Usage};

/// How long clients send before a step is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// A step ends when nothing has arrived for this long. What is missing then is lost.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many sockets are opened at a time.
const OPENED_AT_ONCE: usize = 50;

/// The default rates with one sidecar, and with several.
const RATES: [u32; 4] = [1000, 5000, 12_000, 20_000];
const RATES_OF_SEVERAL: [u32; 2] = [5000, 12_000];

/// The receive buffer of the client that stops reading. It is small, so that frames queue in the sidecar.
const PAUSED_BUFFER_BYTES: u32 = 16 * 1024;

/// The end of each message, so that messages have a realistic length.
const WORDS: &str = "We are by the north gate, behind the second stage";

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many messages a second are offered, from both sides together; several, one after the other [default:
    /// 1000,5000,12000,20000, or with several sidecars 5000,12000]
    #[arg(
        long = "rate",
        value_name = "N",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=100_000),
    )]
    rates: Vec<u32>,

    /// How long each rate is kept up
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,

    /// How many chats are open
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    chats: u16,

    /// How many organizers they belong to
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    organizers: u16,

    /// How many further sockets are authenticated and idle
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u16).range(0..=8000))]
    idle: u16,

    /// How many sidecars there are; of several, organizers connect to the first one, and everybody else to the others
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10))]
    sidecars: u16,

    /// How many further sidecars there are that no client connects to. Their cost is told apart
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10))]
    bystanders: u16,

    /// In the middle of each rate, an organizer's client stops reading for this long. It must lose nothing
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pause_reader: Option<u16>,

    #[command(flatten)]
    builds: Builds,
}

impl Options {
    fn rates(&self) -> &[u32] {
        match (self.rates.as_slice(), self.sidecars) {
            ([], 1) => &RATES,
            ([], _) => &RATES_OF_SEVERAL,
            (rates, _) => rates,
        }
    }

    /// The index of the client that stops reading. It is the first organizer, after all participants.
    fn paused(&self) -> Option<usize> {
        self.pause_reader.map(|_| self.chats.into())
    }
}

/// A system with its clients.
struct Stage {
    name: &'static str,
    system: System,
    people: Vec<Speaker>,
    /// Held to be open.
    _silent: JoinSet<()>,
}

impl Stage {
    async fn start(build: &Build, options: &Options, base: Instant) -> Result<Stage> {
        let system = System::start_with_bystanders(build, options.sidecars, options.bystanders).await?;
        let silent = open_silent_sockets(build.name, &system, options.idle).await?;
        Ok(Stage {
            name: build.name,
            people: people(&system, options, base).await?,
            system,
            _silent: silent,
        })
    }
}

/// Measures all rates and prints the results.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(options.organizers <= options.chats, "more organizers than chats");
    println!("{}", machine());
    let base = Instant::now();
    let mut stages = Vec::new();
    for build in options.builds.all()? {
        stages.push(Stage::start(&build, options, base).await?);
    }
    println!(
        "{} chats of {} organizers, {} sidecars, {} silent sockets; {} s a rate; \
         latencies from when it was time to send\n",
        options.chats, options.organizers, options.sidecars, options.idle, options.seconds
    );
    println!("{}", Step::HEADER);
    let mut gone_wrong = Vec::new();
    let mut number = 0;
    for &rate in options.rates() {
        let mut rounds = Vec::new();
        for _ in 0..options.builds.rounds {
            let mut steps = Vec::new();
            for stage in &mut stages {
                let step = measure(stage, base, number, rate, options).await?;
                println!("{:<5} {}", stage.name, step.row());
                if options.bystanders > 0 {
                    println!("      {}", step.cost_of_bystander(options.bystanders));
                }
                gone_wrong.extend(
                    step.complaints()
                        .map(|complaint| format!("{}: {complaint}", stage.name)),
                );
                steps.push(step);
                number += 1;
            }
            rounds.push(steps);
        }
        if let Some(ratios) = ratios(&rounds, &Step::FIGURES) {
            println!("      {ratios}");
        }
    }
    println!();
    for Stage { name, system, .. } in &stages {
        let mebibytes = system.sidecars_resident_bytes()? as f64 / 1048576.0;
        println!("{name}: the sidecars have {mebibytes:.0} MiB in use");
    }
    ensure!(gone_wrong.is_empty(), "{}", gone_wrong.join("\n"));
    Ok(())
}

/// Opens sockets that stay idle, and prints their memory.
async fn open_silent_sockets(name: &str, system: &System, count: u16) -> Result<JoinSet<()>> {
    let mut sockets = JoinSet::new();
    if count == 0 {
        return Ok(sockets);
    }
    let people = seed::participants(system.address()?, "silent", count.into()).await?;
    let before = system.sidecars_resident_bytes()?;
    for mut stream in open_sockets(&system.sidecars()?, &people).await? {
        // A task has to answer the pings.
        sockets.spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
    }
    let grown = system.sidecars_resident_bytes()?.saturating_sub(before);
    println!(
        "{name}: {count} sockets that are signed in and silent: {:.1} KiB each in the sidecar",
        grown as f64 / 1024.0 / f64::from(count)
    );
    Ok(sockets)
}

/// Opens authenticated sockets, spread evenly over the sidecars.
async fn open_sockets(sidecars: &[SocketAddr], people: &[Person]) -> Result<Vec<Stream>> {
    let mut streams = Vec::with_capacity(people.len());
    let mut sidecars = sidecars.iter().cycle();
    for people in people.chunks(OPENED_AT_ONCE) {
        let opening = people.iter().zip(&mut sidecars);
        let opening = opening.map(|(person, sidecar)| socket::sign_in(*sidecar, &person.token));
        streams.extend(futures_util::future::try_join_all(opening).await?);
    }
    Ok(streams)
}

/// A user at a socket.
struct Speaker {
    /// The chats to send messages to, in turn.
    chat_ids: Vec<String>,
    sink: SplitSink<Stream, Message>,
    ears: Arc<Mutex<Ears>>,
}

/// What a user has received in a step.
#[derive(Default)]
struct Ears {
    heard: Vec<Heard>,
    /// Frames that are not messages of a step.
    strange: u64,
    /// One of them.
    example: String,
    is_closed: bool,
    /// How long to stop reading, from the next frame on.
    pause: Option<Duration>,
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Heard {
    said: Said,
    /// Microseconds after the beginning of the run.
    at: u64,
}

/// The data in a message's text.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    step: u32,
    speaker: u32,
    /// Counts this speaker's messages in this step.
    number: u32,
    /// The scheduled time of the message, in microseconds after the beginning of the run.
    due: u64,
}

impl Said {
    fn text(&self) -> String {
        let Said {
            step,
            speaker,
            number,
            due,
        } = self;
        format!("@{step}.{speaker}.{number}.{due} {WORDS}")
    }

    fn of_text(text: &str) -> Option<Said> {
        let (numbers, _) = text.strip_prefix('@')?.split_once(' ')?;
        let mut numbers = numbers.split('.').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Said {
            step: next()?.try_into().ok()?,
            speaker: next()?.try_into().ok()?,
            number: next()?.try_into().ok()?,
            due: next()?,
        })
    }

    /// Finds the data in a `user_message` without parsing the rest, because the client shares the processors with the
    /// system it measures.
    fn of_frame(frame: &str) -> Option<Said> {
        const CONTENT: &str = "\"content\":\"";
        let content = frame.find(CONTENT)? + CONTENT.len();
        Said::of_text(&frame[content..])
    }
}

/// Opens the chats, and sockets of both parties. Participants come first, then organizers.
async fn people(system: &System, options: &Options, base: Instant) -> Result<Vec<Speaker>> {
    let address = system.address()?;
    let sidecars = system.sidecars()?;
    let agency = system.agency().await?;
    let event_id = seed::events(address, &agency, 1).await?;
    let participants = seed::participants(address, "participant", options.chats.into()).await?;
    let organizers = seed::support(address, &agency, options.organizers.into()).await?;
    let mut connection = Connection::open(address).await?;
    for participant in &participants {
        connection.send(&seed::press_call(participant, event_id)).await?;
    }
    let (for_organizers, for_participants) = match sidecars.as_slice() {
        [first, others @ ..] if !others.is_empty() => (std::slice::from_ref(first), others),
        all => (all, all),
    };
    let mut desks = open_sockets(for_organizers, &organizers).await?;
    if options.pause_reader.is_some() {
        let (sidecar, token) = (for_organizers[0], &organizers[0].token);
        desks[0] = socket::sign_in_with_little_buffer(sidecar, token, PAUSED_BUFFER_BYTES).await?;
    }
    let mut chat_of_participant = HashMap::new();
    let mut chats_of_organizers = vec![Vec::new(); organizers.len()];
    for number in 0..participants.len() {
        let organizer = number % organizers.len();
        let (chat_id, participant) = start_chat(&mut desks[organizer]).await?;
        chats_of_organizers[organizer].push(chat_id.clone());
        chat_of_participant.insert(participant, chat_id);
    }
    let phones = open_sockets(for_participants, &participants).await?;
    let chats_of_participants = participants.iter().map(|participant| {
        let chat_id = chat_of_participant.remove(&participant.id);
        Ok(vec![chat_id.context("a participant has no chat")?])
    });
    let chats = chats_of_participants.collect::<Result<Vec<_>>>()?;
    let chats = chats.into_iter().chain(chats_of_organizers);
    let streams = phones.into_iter().chain(desks);
    Ok(streams
        .zip(chats)
        .map(|(stream, chat_ids)| speaker(stream, chat_ids, base))
        .collect())
}

/// Takes the next request. Returns the chat and its participant.
async fn start_chat(desk: &mut Stream) -> Result<(String, i64)> {
    socket::send(desk, &json!({"type": "start_chat", "payload": ""})).await?;
    let frame = socket::next(desk).await?;
    ensure!(frame["type"] == "new_chat", "expected new_chat, not {frame}");
    let description = socket::next(desk).await?;
    ensure!(
        description["type"] == "user_message",
        "expected the description, not {description}"
    );
    let chat = &frame["payload"];
    let ids = chat["id"].as_str().zip(chat["participantId"].as_i64());
    let (chat_id, participant) = ids.context("a chat without ids")?;
    Ok((chat_id.to_owned(), participant))
}

fn speaker(stream: Stream, chat_ids: Vec<String>, base: Instant) -> Speaker {
    let (sink, stream) = stream.split();
    let ears = Arc::default();
    tokio::spawn(listen(stream, base, Arc::clone(&ears)));
    Speaker { chat_ids, sink, ears }
}

/// Receives frames until the socket ends.
async fn listen(mut stream: SplitStream<Stream>, base: Instant, ears: Arc<Mutex<Ears>>) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(frame) = message else {
            continue;
        };
        let at = micros(base.elapsed());
        let pause = {
            let mut ears = ears.lock().expect("no panic while locked");
            match Said::of_frame(&frame) {
                Some(said) => ears.heard.push(Heard { said, at }),
                None => {
                    ears.strange += 1;
                    ears.example = frame.as_str().to_owned();
                }
            }
            ears.pause.take()
        };
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }
    ears.lock().expect("no panic while locked").is_closed = true;
}

/// The schedule of one speaker: together all speakers send at a rate, spread evenly.
#[derive(Clone, Copy)]
struct Pace {
    first: Duration,
    interval: Duration,
}

impl Pace {
    /// The schedule of the `index`th speaker. Participants send half of the messages, organizers the other half.
    fn new(rate: u32, index: usize, participants: usize, organizers: usize) -> Pace {
        let (index, peers) = match index.checked_sub(participants) {
            None => (index, participants),
            Some(index) => (index, organizers),
        };
        let interval = Duration::from_secs_f64(2.0 * peers as f64 / f64::from(rate));
        Pace {
            first: interval.mul_f64(index as f64 / peers as f64),
            interval,
        }
    }

    /// When to send a message, from the beginning of the step.
    fn due(&self, number: u32) -> Duration {
        self.first + self.interval.mul_f64(number.into())
    }
}

/// The course of a step.
struct Course {
    /// The beginning of the measured time, after the run's base, and its end.
    from: Duration,
    until: Duration,
    /// How many messages each speaker sent.
    said: Vec<u32>,
    /// The speaker who stopped reading for a while.
    paused: Option<usize>,
    usage: Usage,
}

async fn measure(
    stage: &mut Stage,
    base: Instant,
    number: u32,
    rate: u32,
    options: &Options,
) -> Result<Step> {
    let Stage { system, people, .. } = stage;
    for person in &*people {
        *person.ears.lock().expect("no panic while locked") = Ears::default();
    }
    let start = Instant::now();
    let from = start + WARM_UP;
    let until = from + Duration::from_secs(options.seconds.into());
    let (participants, organizers) = (options.chats.into(), options.organizers.into());
    let paused = options.paused().map(|index| Arc::clone(&people[index].ears));
    let mut speaking = JoinSet::new();
    for (index, person) in people.drain(..).enumerate() {
        let pace = Pace::new(rate, index, participants, organizers);
        speaking.spawn(async move {
            let (person, said) = speak(person, index as u32, number, pace, [base, start, until]).await?;
            anyhow::Ok((index, person, said))
        });
    }
    sleep_until(from).await;
    let before = system.usage()?;
    if let (Some(ears), Some(millis)) = (paused, options.pause_reader) {
        sleep_until(from + (until - from) / 2).await;
        ears.lock().expect("no panic while locked").pause = Some(Duration::from_millis(millis.into()));
    }
    sleep_until(until).await;
    let usage = system.usage()?.since(&before);
    let mut spoken = Vec::new();
    while let Some(person) = speaking.join_next().await {
        spoken.push(person??);
    }
    spoken.sort_by_key(|(index, ..)| *index);
    let mut said = Vec::new();
    for (_, person, count) in spoken {
        people.push(person);
        said.push(count);
    }
    hear_the_rest(people, said.iter().map(|said| u64::from(*said)).sum()).await?;
    let course = Course {
        from: from - base,
        until: until - base,
        said,
        paused: options.paused(),
        usage,
    };
    let ears: Vec<Ears> = people
        .iter()
        .map(|person| std::mem::take(&mut *person.ears.lock().expect("no panic while locked")))
        .collect();
    let record = Record::of_step(&system.database("messenger")?, number, &course.said)?;
    Ok(Step::new(rate, &course, &ears, record))
}

/// Sends messages on schedule until the end of the step. Returns how many.
async fn speak(
    mut person: Speaker,
    index: u32,
    step: u32,
    pace: Pace,
    [base, start, until]: [Instant; 3],
) -> Result<(Speaker, u32)> {
    let mut number = 0;
    loop {
        let due = start + pace.due(number);
        if due >= until {
            person.sink.flush().await?;
            return Ok((person, number));
        }
        if due > Instant::now() {
            person.sink.flush().await?;
            sleep_until(due).await;
        }
        let said = Said {
            step,
            speaker: index,
            number,
            due: micros(due - base),
        };
        let chat_id = &person.chat_ids[number as usize % person.chat_ids.len()];
        let text = said.text();
        let frame =
            format!(r#"{{"type":"send_message","payload":{{"chatId":"{chat_id}","message":"{text}"}}}}"#);
        person.sink.feed(Message::text(frame)).await?;
        number += 1;
    }
}

/// Waits until both parties have received everything, or nothing has arrived for [`PATIENCE`].
async fn hear_the_rest(people: &[Speaker], said: u64) -> Result<()> {
    let mut before = 0;
    let mut since = Instant::now();
    loop {
        let mut heard = 0;
        for person in people {
            let ears = person.ears.lock().expect("no panic while locked");
            ensure!(!ears.is_closed, "a socket was closed");
            heard += ears.heard.len() as u64;
        }
        if heard > before {
            (before, since) = (heard, Instant::now());
        }
        if heard >= 2 * said || since.elapsed() > PATIENCE {
            return Ok(());
        }
        // There is no event to wait for when nothing arrives.
        sleep(Duration::from_millis(50)).await;
    }
}

/// The messages of a step in the messenger's database.
#[derive(Default)]
struct Record {
    stored: Stored,
    /// By speaker and number: the chat in which the message is stored, and its place there.
    places: HashMap<(u32, u32), (u32, i64)>,
}

/// How the stored messages differ from the sent ones.
#[derive(Debug, Default, PartialEq)]
struct Stored {
    missing: u64,
    /// Stored more than once.
    repeated: u64,
    /// Stored, but not sent.
    invented: u64,
}

impl Record {
    fn of_step(database: &Database, step: u32, said: &[u32]) -> Result<Record> {
        let mut statement =
            database.prepare("SELECT content, chat_id, seq FROM messages WHERE content LIKE ?1")?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let messages = statement.query_map([format!("@{step}.%")], row)?;
        Record::of_messages(messages.collect::<Result<Vec<_>, _>>()?, said)
    }

    /// Builds it from contents, with the ids of their chats and their places there.
    fn of_messages(messages: Vec<(String, String, i64)>, said: &[u32]) -> Result<Record> {
        let mut record = Record::default();
        let mut chats = HashMap::new();
        for (content, chat_id, seq) in messages {
            let message = Said::of_text(&content).context("a strange message")?;
            let count = said.get(message.speaker as usize).copied().unwrap_or_default();
            let known = chats.len() as u32;
            let chat = *chats.entry(chat_id).or_insert(known);
            if message.number >= count {
                record.stored.invented += 1;
            } else if record
                .places
                .insert((message.speaker, message.number), (chat, seq))
                .is_some()
            {
                record.stored.repeated += 1;
            }
        }
        let said = said.iter().map(|said| u64::from(*said)).sum::<u64>();
        record.stored.missing = said - record.places.len() as u64;
        Ok(record)
    }
}

impl Stored {
    fn is_exact(&self) -> bool {
        *self == Stored::default()
    }
}

/// The results of one rate.
struct Step {
    offered: u32,
    /// Deliveries to the other party, per second of the measured time.
    delivered_per_second: f64,
    to_other: Latencies,
    to_self: Latencies,
    usage: Usage,
    /// Deliveries in the measured time.
    delivered: u64,
    said: u64,
    /// Missing deliveries. Each message has two.
    undelivered: u64,
    repeated: u64,
    /// Received after a message that is stored later in the same chat.
    disordered: u64,
    strange: u64,
    example: String,
    stored: Stored,
    /// How many messages the client received that stopped reading for a while.
    heard_by_paused: Option<usize>,
    seconds: f64,
}

impl Step {
    fn new(offered: u32, course: &Course, ears: &[Ears], record: Record) -> Step {
        let [from, until] = [course.from, course.until].map(micros);
        let (mut to_other, mut to_self) = (Vec::new(), Vec::new());
        let (mut delivered, mut repeated, mut disordered, mut heard) = (0, 0, 0, 0);
        for (index, ears) in ears.iter().enumerate() {
            let mut seen = HashSet::new();
            let mut latest = HashMap::new();
            for Heard { said, at } in &ears.heard {
                if !seen.insert((said.speaker, said.number)) {
                    repeated += 1;
                    continue;
                }
                heard += 1;
                if let Some((chat, seq)) = record.places.get(&(said.speaker, said.number)) {
                    let latest = latest.entry(chat).or_insert(seq);
                    disordered += u64::from(seq < *latest);
                    *latest = seq.max(*latest);
                }
                let is_own = said.speaker as usize == index;
                delivered += u64::from(!is_own && (from..until).contains(at));
                // The latencies of the client that stopped reading do not count.
                if (from..until).contains(&said.due) && course.paused != Some(index) {
                    let latency = Duration::from_micros(at.saturating_sub(said.due));
                    if is_own { &mut to_self } else { &mut to_other }.push(latency);
                }
            }
        }
        let seconds = (course.until - course.from).as_secs_f64();
        let said = course.said.iter().map(|said| u64::from(*said)).sum();
        Step {
            offered,
            delivered_per_second: delivered as f64 / seconds,
            to_other: Latencies::of(to_other),
            to_self: Latencies::of(to_self),
            usage: course.usage,
            delivered,
            said,
            undelivered: (2 * said).saturating_sub(heard),
            repeated,
            disordered,
            strange: ears.iter().map(|ears| ears.strange).sum(),
            example: ears
                .iter()
                .map(|ears| ears.example.clone())
                .max()
                .unwrap_or_default(),
            stored: record.stored,
            heard_by_paused: course.paused.map(|index| ears[index].heard.len()),
            seconds,
        }
    }

    const HEADER: &str = concat!(
        "      offered  delivered        other party, ms                own echo, ms          CPU ms/message",
        "                                      cores  stored\n",
        "build     1/s        1/s        p50 / p99 / max             p50 / p99 / max         host  sidecar  servers",
        "    redis   client         others"
    );

    const FIGURES: [Figure<Step>; 3] = [
        ("p50", |step| step.to_other.percentile(50)),
        ("p99", |step| step.to_other.percentile(99)),
        ("CPU/message", |step| step.per_message(step.usage.servers())),
    ];

    /// Milliseconds per message.
    fn per_message(&self, time: Duration) -> f64 {
        milliseconds(time) / self.delivered.max(1) as f64
    }

    fn row(&self) -> String {
        let usage = &self.usage;
        let stored = match self.stored.is_exact() {
            true => format!("all {}, once", self.said),
            false => format!("{:?}", self.stored),
        };
        let paused = match self.heard_by_paused {
            Some(heard) => format!("; {heard} came to the client that stopped reading"),
            None => String::new(),
        };
        format!(
            "{:>7} {:>10.0} {:>27} {:>27} {:>12.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>14.2}  {stored}{paused}",
            self.offered,
            self.delivered_per_second,
            self.to_other.to_string(),
            self.to_self.to_string(),
            self.per_message(usage.host),
            self.per_message(usage.sidecars),
            self.per_message(usage.servers()),
            self.per_message(usage.redis),
            self.per_message(usage.client),
            usage.others().as_secs_f64() / self.seconds,
        )
    }

    fn cost_of_bystander(&self, bystanders: u16) -> String {
        let microseconds = 1000.0 * self.per_message(self.usage.bystanders) / f64::from(bystanders);
        format!("a sidecar that no client connects to: {microseconds:.2} µs a message")
    }

    /// The faults of a step.
    fn complaints(&self) -> impl Iterator<Item = String> + use<> {
        let mut complaints = Vec::new();
        let mut complain = |count: u64, what: &str| {
            if count > 0 {
                complaints.push(format!("at {}/s {count} {what}", self.offered));
            }
        };
        complain(self.stored.missing, "messages are not stored");
        complain(self.stored.repeated, "messages are stored again");
        complain(self.stored.invented, "messages are stored that nobody sent");
        complain(self.undelivered, "deliveries are missing");
        complain(self.repeated, "deliveries came again");
        complain(self.disordered, "deliveries came behind later ones of their chat");
        complain(
            self.strange,
            &format!("other frames came, such as {}", self.example.trim_end()),
        );
        complaints.into_iter()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(speaker: u32, number: u32, due: u64) -> Said {
        Said {
            step: 1,
            speaker,
            number,
            due,
        }
    }

    fn ears(heard: &[(Said, u64)]) -> Ears {
        Ears {
            heard: heard.iter().map(|&(said, at)| Heard { said, at }).collect(),
            ..Ears::default()
        }
    }

    fn course(said: &[u32]) -> Course {
        let usage = Usage::of_host(Duration::from_millis(6));
        Course {
            from: Duration::from_micros(1_000_000),
            until: Duration::from_micros(3_000_000),
            said: said.to_vec(),
            paused: None,
            usage,
        }
    }

    /// A record with all messages in one chat, in this order.
    fn record(stored: &[Said], said: &[u32]) -> Record {
        let messages = (1..).zip(stored);
        let messages = messages.map(|(seq, message)| (message.text(), "c".to_owned(), seq));
        Record::of_messages(messages.collect(), said).unwrap()
    }

    #[test]
    fn a_message_contains_its_sender_and_time() {
        let said = said(17, 4, 1_234_567);
        let frame = format!(
            r#"{{"type":"user_message","payload":{{"id":"0a","chatId":"0b","authorId":3,"content":"{}"}}}}"#,
            said.text()
        );

        assert_eq!(Said::of_frame(&frame), Some(said));
        assert_eq!(Said::of_text("@1.2.3"), None);
        assert_eq!(
            Said::of_frame(r#"{"type":"error","payload":{"message":"timeout"}}"#),
            None
        );
    }

    #[test]
    fn both_sides_send_half_of_the_messages_at_the_given_rate() {
        let spoken = |indexes: std::ops::Range<usize>| {
            let speaks = |index| {
                let pace = Pace::new(500, index, 100, 10);
                (0..)
                    .take_while(|number| pace.due(*number) < Duration::from_secs(1))
                    .count()
            };
            indexes.map(speaks).sum::<usize>()
        };

        assert_eq!(spoken(0..100), 250);
        assert_eq!(spoken(100..110), 250);
    }

    #[test]
    fn a_step_separates_latencies_and_counts_missing_deliveries() {
        let ears = [
            ears(&[
                (said(0, 0, 1_000_000), 1_002_000),
                (said(1, 0, 2_000_000), 2_004_000),
            ]),
            ears(&[
                (said(0, 1, 2_500_000), 3_500_000),
                (said(0, 0, 1_000_000), 1_003_000),
                (said(0, 0, 1_000_000), 1_004_000),
            ]),
        ];
        let stored = [
            said(0, 0, 1_000_000),
            said(1, 0, 2_000_000),
            said(0, 1, 2_500_000),
        ];
        let step = Step::new(2, &course(&[2, 1]), &ears, record(&stored, &[2, 1]));

        assert_eq!(step.to_self.to_string(), "2.0 / 2.0 / 2.0");
        assert_eq!(step.to_other.to_string(), "4.0 / 1000.0 / 1000.0");
        // One arrived after the end.
        assert_eq!((step.delivered, step.delivered_per_second), (2, 1.0));
        // The echo of the speaker's second message, and that of the other's only one.
        assert_eq!((step.undelivered, step.repeated, step.disordered), (2, 1, 1));
        assert_eq!(step.complaints().count(), 3);
        assert!(
            step.row().contains("3.000"),
            "6 ms for two messages: {}",
            step.row()
        );
    }

    #[test]
    fn an_own_message_behind_a_later_one_is_out_of_order() {
        let messages = [said(0, 0, 1_000_000), said(1, 0, 1_000_000)];
        let in_order = ears(&[(messages[0], 1_001_000), (messages[1], 1_002_000)]);
        let swapped = ears(&[(messages[1], 1_001_000), (messages[0], 1_002_000)]);
        let step = Step::new(
            2,
            &course(&[1, 1]),
            &[swapped, in_order],
            record(&messages, &[1, 1]),
        );

        assert_eq!((step.disordered, step.undelivered), (1, 0));
    }

    #[test]
    fn a_client_that_stops_reading_misses_nothing_and_has_no_latencies() {
        let messages = [said(0, 0, 1_000_000), said(0, 1, 1_000_000)];
        let paused = Course {
            paused: Some(1),
            ..course(&[2, 0])
        };
        let ears = [
            ears(&messages.map(|message| (message, 1_001_000))),
            ears(&[(messages[0], 2_000_000)]),
        ];
        let step = Step::new(2, &paused, &ears, record(&messages, &[2, 0]));

        assert_eq!(step.undelivered, 1);
        assert_eq!((step.to_other.count(), step.to_self.count()), (0, 2));
        assert!(
            step.row().ends_with("1 came to the client that stopped reading"),
            "{}",
            step.row()
        );
    }

    #[test]
    fn rates_depend_on_the_number_of_sidecars_unless_they_are_chosen() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            options: Options,
        }
        let rates = |args: &[&str]| {
            let cli: Cli = clap::Parser::parse_from(["bench"].iter().chain(args));
            cli.options.rates().to_vec()
        };

        assert_eq!(rates(&[]), RATES);
        assert_eq!(rates(&["--sidecars", "2"]), RATES_OF_SEVERAL);
        assert_eq!(rates(&["--sidecars", "2", "--rate", "7"]), [7]);
    }

    #[test]
    fn stored_messages_are_compared_with_sent_ones() {
        let stored = [said(0, 0, 5), said(0, 0, 5), said(0, 2, 6), said(1, 1, 7)];
        let expected = Stored {
            missing: 2,
            repeated: 1,
            invented: 1,
        };

        assert_eq!(record(&stored, &[3, 1]).stored, expected);
        assert!(!expected.is_exact());
        assert!(record(&[], &[0]).stored.is_exact());
    }
}
