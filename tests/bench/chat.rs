//! What a message costs, from the socket of who says it to the sockets of both parties, and whether all of them are stored.
//!
//! The load is open: everybody speaks when it is time to, however long the system takes, and a latency counts from the moment when it
//! was time. So whatever queues up is seen.

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

use crate::figures::{Latencies, machine, milliseconds};
use crate::load::Connection;
use crate::seed::{self, Person};
use crate::socket::{self, Stream};
use crate::system::{System, Usage};

/// Before a step is measured: what was idle gets going.
const WARM_UP: Duration = Duration::from_secs(1);

/// After the last message of a step, how long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(12);

/// Sockets that are opened at once.
const OPENED_AT_ONCE: usize = 50;

/// What follows the numbers in a message, so that it is as long as people's messages are.
const WORDS: &str = "We are by the north gate, behind the second stage";

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many messages a second are offered, from both sides together; several, one after the other
    #[arg(
        long = "rate",
        value_name = "N",
        value_delimiter = ',',
        default_values_t = [1000, 2500, 5000, 8000],
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

    /// How many more sockets are signed in and silent
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u16).range(0..=8000))]
    idle: u16,

    /// How many sidecars the sockets are spread over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10))]
    sidecars: u16,
}

/// Measures all rates and prints what came of them.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(options.organizers <= options.chats, "more organizers than chats");
    let system = System::start(options.sidecars).await?;
    println!("{}", machine());
    let idle = open_idle_sockets(&system, options.idle).await?;
    let base = Instant::now();
    let mut people = people(&system, options, base).await?;
    println!(
        "{} chats of {} organizers, {} sidecars, {} silent sockets; {} s a rate; latencies from when it was time to send\n",
        options.chats, options.organizers, options.sidecars, options.idle, options.seconds
    );
    println!("{}", Step::HEADER);
    let mut gone_wrong = Vec::new();
    for (number, &rate) in (0..).zip(&options.rates) {
        let step = measure(&system, &mut people, base, number, rate, options).await?;
        println!("{}", step.row());
        gone_wrong.extend(step.complaints());
    }
    println!(
        "\nthe sidecars have {:.0} MiB in use",
        system.sidecars_resident_bytes()? as f64 / 1048576.0
    );
    drop(idle);
    ensure!(gone_wrong.is_empty(), "{}", gone_wrong.join("\n"));
    Ok(())
}

/// Signs people in who say nothing, and prints what their sockets cost.
async fn open_idle_sockets(system: &System, count: u16) -> Result<JoinSet<()>> {
    let mut sockets = JoinSet::new();
    if count == 0 {
        return Ok(sockets);
    }
    let people = seed::participants(system.address()?, "silent", count.into()).await?;
    let before = system.sidecars_resident_bytes()?;
    for mut stream in open_sockets(&system.sidecars()?, &people).await? {
        // Somebody has to answer the pings.
        sockets.spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
    }
    let grown = system.sidecars_resident_bytes()?.saturating_sub(before);
    println!(
        "{count} sockets that are signed in and silent: {:.1} KiB each in the sidecar",
        grown as f64 / 1024.0 / f64::from(count)
    );
    Ok(sockets)
}

/// Signs people in at the sidecars in turn.
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

/// Somebody at a socket.
struct Speaker {
    /// The chats to speak in, one after the other.
    chat_ids: Vec<String>,
    sink: SplitSink<Stream, Message>,
    ears: Arc<Mutex<Ears>>,
}

/// What somebody has heard in a step.
#[derive(Default)]
struct Ears {
    heard: Vec<Heard>,
    /// Frames that are no message of a step.
    strange: u64,
    /// One of them.
    example: String,
    is_closed: bool,
}

/// A message as it came in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Heard {
    said: Said,
    /// Microseconds after the beginning of the run.
    at: u64,
}

/// What a message's text tells of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    step: u32,
    speaker: u32,
    /// Counts what this speaker says in this step.
    number: u32,
    /// When it was time to say it, in microseconds after the beginning of the run.
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

    /// Of a whole `user_message`, without understanding the rest: the client shares the processors with what it measures.
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
    let mut desks = open_sockets(&sidecars, &organizers).await?;
    let mut chat_of_participant = HashMap::new();
    let mut chats_of_organizers = vec![Vec::new(); organizers.len()];
    for number in 0..participants.len() {
        let organizer = number % organizers.len();
        let (chat_id, participant) = start_chat(&mut desks[organizer]).await?;
        chats_of_organizers[organizer].push(chat_id.clone());
        chat_of_participant.insert(participant, chat_id);
    }
    let phones = open_sockets(&sidecars, &participants).await?;
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

/// Takes whoever waits. Returns the chat and its participant.
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

/// Hears whatever comes, until the socket ends.
async fn listen(mut stream: SplitStream<Stream>, base: Instant, ears: Arc<Mutex<Ears>>) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(frame) = message else {
            continue;
        };
        let at = micros(base.elapsed());
        let mut ears = ears.lock().expect("no panic while locked");
        match Said::of_frame(&frame) {
            Some(said) => ears.heard.push(Heard { said, at }),
            None => {
                ears.strange += 1;
                ears.example = frame.as_str().to_owned();
            }
        }
    }
    ears.lock().expect("no panic while locked").is_closed = true;
}

/// When one of several speakers speaks, so that they all together speak at a rate, and never all at once.
#[derive(Clone, Copy)]
struct Pace {
    first: Duration,
    interval: Duration,
}

impl Pace {
    /// Of the `index`th of `speakers`. Half of what is said comes from participants, half from organizers.
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

    /// When to say something, from the beginning of the step.
    fn due(&self, number: u32) -> Duration {
        self.first + self.interval.mul_f64(number.into())
    }
}

/// A step as it was carried out.
struct Course {
    /// The beginning of what is measured, after the run's base, and its end.
    from: Duration,
    until: Duration,
    /// How much each said.
    said: Vec<u32>,
    usage: Usage,
}

async fn measure(
    system: &System,
    people: &mut Vec<Speaker>,
    base: Instant,
    number: u32,
    rate: u32,
    options: &Options,
) -> Result<Step> {
    for person in &*people {
        *person.ears.lock().expect("no panic while locked") = Ears::default();
    }
    let start = Instant::now();
    let from = start + WARM_UP;
    let until = from + Duration::from_secs(options.seconds.into());
    let (participants, organizers) = (options.chats.into(), options.organizers.into());
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
        usage,
    };
    let ears: Vec<Ears> = people
        .iter()
        .map(|person| std::mem::take(&mut *person.ears.lock().expect("no panic while locked")))
        .collect();
    let stored = Stored::of_step(&system.database("messenger")?, number, &course.said)?;
    Ok(Step::new(rate, &course, &ears, stored))
}

/// Says what is to be said until it is time to be silent. Returns how much that was.
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

/// Waits until both parties have heard everything, or nothing comes any more.
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
        // There is no event for nothing.
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the messenger's database has of a step.
#[derive(Debug, Default, PartialEq)]
struct Stored {
    missing: u64,
    /// More than once.
    repeated: u64,
    /// Nobody said it.
    invented: u64,
}

impl Stored {
    fn of_step(database: &Database, step: u32, said: &[u32]) -> Result<Stored> {
        let mut statement = database.prepare("SELECT content FROM messages WHERE content LIKE ?1")?;
        let contents = statement.query_map([format!("@{step}.%")], |row| row.get::<_, String>(0))?;
        Stored::of_contents(contents.collect::<Result<Vec<_>, _>>()?.iter(), said)
    }

    fn of_contents<'a>(contents: impl Iterator<Item = &'a String>, said: &[u32]) -> Result<Stored> {
        let mut stored = Stored::default();
        let mut seen = HashSet::new();
        for content in contents {
            let message = Said::of_text(content).context("a strange message")?;
            let count = said.get(message.speaker as usize).copied().unwrap_or_default();
            if message.number >= count {
                stored.invented += 1;
            } else if !seen.insert((message.speaker, message.number)) {
                stored.repeated += 1;
            }
        }
        stored.missing = said.iter().map(|said| u64::from(*said)).sum::<u64>() - seen.len() as u64;
        Ok(stored)
    }

    fn is_exact(&self) -> bool {
        *self == Stored::default()
    }
}

/// What came of one rate.
struct Step {
    offered: u32,
    /// To the other party, in a second of those that are measured.
    delivered_per_second: f64,
    to_other: Latencies,
    to_self: Latencies,
    usage: Usage,
    /// In the time that is measured.
    delivered: u64,
    said: u64,
    /// Deliveries, of two a message.
    undelivered: u64,
    repeated: u64,
    /// Heard after what the same person said later in the same chat.
    disordered: u64,
    strange: u64,
    example: String,
    stored: Stored,
    seconds: f64,
}

impl Step {
    fn new(offered: u32, course: &Course, ears: &[Ears], stored: Stored) -> Step {
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
                let is_own = said.speaker as usize == index;
                if !is_own {
                    delivered += u64::from((from..until).contains(at));
                    let latest = latest.entry(said.speaker).or_insert(said.number);
                    disordered += u64::from(said.number < *latest);
                    *latest = said.number.max(*latest);
                }
                if (from..until).contains(&said.due) {
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
            stored,
            seconds,
        }
    }

    const HEADER: &str = concat!(
        "offered  delivered        other party, ms                own echo, ms          CPU ms/message",
        "                                      cores  stored\n",
        "    1/s        1/s        p50 / p99 / max             p50 / p99 / max         host  sidecar    redis  servers   client",
        "         others"
    );

    fn row(&self) -> String {
        let per_message = |time| milliseconds(time) / self.delivered.max(1) as f64;
        let usage = &self.usage;
        let stored = match self.stored.is_exact() {
            true => format!("all {}, once", self.said),
            false => format!("{:?}", self.stored),
        };
        format!(
            "{:>7} {:>10.0} {:>27} {:>27} {:>12.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>14.2}  {stored}",
            self.offered,
            self.delivered_per_second,
            self.to_other.to_string(),
            self.to_self.to_string(),
            per_message(usage.host),
            per_message(usage.sidecars),
            per_message(usage.redis),
            per_message(usage.servers()),
            per_message(usage.client),
            usage.others().as_secs_f64() / self.seconds,
        )
    }

    /// What must not have happened.
    fn complaints(&self) -> Vec<String> {
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
        complain(self.disordered, "messages came behind later ones of their chat");
        complain(
            self.strange,
            &format!("other frames came, such as {}", self.example.trim_end()),
        );
        complaints
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
            usage,
        }
    }

    #[test]
    fn a_message_tells_who_said_it_and_when() {
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
    fn both_sides_speak_as_much_and_all_together_at_the_rate() {
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
    fn a_step_tells_latencies_apart_and_counts_what_is_missing() {
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
        let step = Step::new(2, &course(&[2, 1]), &ears, Stored::default());

        assert_eq!(step.to_self.to_string(), "2.0 / 2.0 / 2.0");
        assert_eq!(step.to_other.to_string(), "4.0 / 1000.0 / 1000.0");
        // One came after the end.
        assert_eq!((step.delivered, step.delivered_per_second), (2, 1.0));
        // The echo of the speaker's second message, and that of the other's only one.
        assert_eq!((step.undelivered, step.repeated, step.disordered), (2, 1, 1));
        assert_eq!(step.complaints().len(), 3);
        assert!(
            step.row().contains("3.000"),
            "6 ms for two messages: {}",
            step.row()
        );
    }

    #[test]
    fn what_is_stored_is_compared_with_what_was_said() {
        let contents = [said(0, 0, 5), said(0, 0, 5), said(0, 2, 6), said(1, 1, 7)].map(|said| said.text());
        let stored = Stored::of_contents(contents.iter(), &[3, 1]).unwrap();

        let expected = Stored {
            missing: 2,
            repeated: 1,
            invented: 1,
        };
        assert_eq!(stored, expected);
        assert!(!stored.is_exact());
        assert!(Stored::of_contents([].iter(), &[0]).unwrap().is_exact());
    }
}
