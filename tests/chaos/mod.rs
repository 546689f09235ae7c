//! Checks that Mayday keeps its promises while processes and links break: a workload, a schedule of faults, and rules
//! for the history, as in Jepsen's tests of sets and orders.
//!
//! - `plan` has the options, `schedule` decides what breaks and when.
//! - `system` runs the processes, `link` is the network between them.
//! - `client` and `pressing` are the workload, over `socket` and `rest`.
//! - `history` is what the clients saw, `database` what is stored; `conformance` has the frames that may come at all.
//! - `checks` has the rules, `verdict` prints the result.
//!
//! Clients are busy through a calm time and a storm of faults. Then everything is repaired, the clients settle, and
//! each must be up to date without having asked. This repeats, storm after storm. At the end all clients read all of
//! their chats, and the checks judge the whole history.
//!
//! A soak is the same for hours, in rounds of new clients, and watches memory and files: `soak`. The databases are then
//! on a `disk` that can fill up.
//!
//! On demand it also restores the messenger's database from an older copy, while clients are busy and nothing else is
//! broken. Only what was acknowledged between the copy and the restore may be lost. Or it only replaces processes and
//! migrates the databases, as a rolling update does.

mod checks;
mod client;
mod conformance;
mod database;
mod disk;
mod history;
mod link;
mod plan;
mod pressing;
mod rest;
mod schedule;
mod soak;
mod socket;
mod system;
mod verdict;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::checks::Violation;
use self::client::{Client, Habit, Phase, Setting};
use self::database::{Before, Record};
use self::history::{Disturbance, History, Log, Millis, Press, Protocol, Restore, Side, User, now};
pub use self::link::{Link, Listens, Place};
pub use self::plan::Plan;
use self::pressing::Presser;
use self::rest::{Agency, Rest};
pub use self::schedule::Events;
use self::schedule::{Planned, Storm};
pub use self::soak::{Report, soak};
use self::system::System;
pub use self::verdict::Verdict;
use crate::accounts::Person;
use crate::databases::Database;

/// Time limit for settling after everything is repaired. Outboxes retry with pauses of up to ten seconds.
const SETTLING: Duration = Duration::from_secs(60);

/// Time limit until every client is up to date without asking, and again until it has read all chats.
const CATCHING_UP: Duration = Duration::from_secs(20);

/// The time between two reads of the databases.
const LOOK: Duration = Duration::from_millis(300);

/// How long clients are busy in a calm time before the messenger's database is copied or restored.
const BUSY: Duration = Duration::from_secs(2);

/// The events and organizers of each agency.
const EVENTS: usize = 2;
const ORGANIZERS: usize = 3;

/// Carries out a plan. An error means that there is no verdict.
pub async fn run(plan: &Plan) -> Result<Verdict> {
    let can_restore = plan.database == Database::Files || plan.restores == 0;
    ensure!(can_restore, "the database of a server is not restored");
    let started = Instant::now();
    let narrate = |text: &str| {
        if plan.narrates {
            println!("{:7.1} s  {text}", started.elapsed().as_secs_f64());
        }
    };
    let mut system = System::start(plan, None).await?;
    narrate("everything is up");
    let targets = system.targets();
    let storms = match plan.events {
        Events::Storms => schedule::storms(plan.seed, plan.duration, plan.restores, &targets),
        Events::RollingUpdate => schedule::rolling_update(&targets, plan.before.is_none()),
        Events::Soak => schedule::soak(plan.seed, plan.duration, &targets),
    };
    let round = live_through(storms, plan, 0, &system, &narrate).await?;
    system.end().await;

    let mut record = round.people.record(&system)?;
    record.examine(&system.databases())?;
    let (history, violations) = round.judge(&record, &system);
    let mut verdict = Verdict::new(plan, &history, &record, violations);
    if !verdict.holds() {
        verdict.leave_behind(system.leave_behind()?, &history)?;
    }
    Ok(verdict)
}

/// What clients saw and did, and what broke meanwhile.
struct Round {
    people: People,
    faults: Vec<Disturbance>,
    /// What was wrong before the end.
    violations: Vec<Violation>,
}

impl Round {
    /// Applies the rules.
    fn judge(self, record: &Record, system: &System) -> (History, Vec<Violation>) {
        let Round {
            people,
            faults,
            mut violations,
        } = self;
        let history = people.history(faults);
        violations.extend(checks::all(&history, record));
        violations.extend(system.violations());
        (history, violations)
    }
}

/// New clients arrive, are busy through the storms, read all of their chats, and go home.
async fn live_through(
    storms: Vec<Storm>,
    plan: &Plan,
    number: usize,
    system: &System,
    narrate: &impl Fn(&str),
) -> Result<Round> {
    let phase = watch::Sender::new(Phase::Busy);
    let mut people = People::arrive(plan, number, system, &phase).await?;
    narrate(&format!("{} clients are busy", people.logs.len()));

    let mut faults = Vec::new();
    let mut violations = Vec::new();
    let mut copied_at = None;
    for storm in storms {
        phase.send_replace(Phase::Busy);
        if let Some(copied_at) = copied_at.filter(|_| storm.restores) {
            let restore = restore(copied_at, system, narrate).await?;
            faults.push(restore.disturbance());
            people.restores.push(restore);
        }
        if storm.copies {
            sleep(BUSY).await;
            narrate("copy the messenger's database");
            copied_at = Some(system.copy()?);
        }
        faults.extend(suffer(storm, system, narrate).await?);
        system.is_up().await?;
        phase.send_replace(Phase::Settling);
        narrate("everything is repaired");
        violations.extend(people.settle(system).await?);
        narrate("all clients have settled");
    }
    phase.send_replace(Phase::Reading);
    people.read_everything().await;
    phase.send_replace(Phase::Over);
    people.go_home().await;
    Ok(Round {
        people,
        faults,
        violations,
    })
}

/// Restores the messenger's database, and waits until sidecars must have told their clients.
async fn restore(copied_at: Millis, system: &System, narrate: &impl Fn(&str)) -> Result<Restore> {
    sleep(BUSY).await;
    let age = (now() - copied_at) as f64 / 1000.0;
    narrate(&format!(
        "restore the messenger's database from a copy made {age:.0} s ago"
    ));
    let restore = system.restore(copied_at).await?;
    sleep(checks::TOLD_WITHIN).await;
    Ok(restore)
}

/// Carries out the faults of a storm, and returns when each of them happened.
async fn suffer(storm: Storm, system: &System, narrate: &impl Fn(&str)) -> Result<Vec<Disturbance>> {
    let begun = Instant::now();
    let one = |planned: Planned| async move {
        sleep_until(begun + planned.at).await;
        narrate(&planned.fault.to_string());
        let began_at = now();
        system.suffer(&planned.fault).await?;
        anyhow::Ok(Disturbance {
            kind: planned.fault.kind(),
            began_at,
            ended_at: now(),
        })
    };
    let all = futures_util::future::try_join_all(storm.faults.into_iter().map(one));
    let (disturbances, ()) = tokio::join!(all, sleep_until(begun + storm.ends_at));
    disturbances
}

/// All clients and participants, with their logs.
struct People {
    /// Who was there before them.
    before: Before,
    logs: Vec<Arc<Mutex<Log>>>,
    presses: Vec<Arc<Mutex<Vec<Press>>>>,
    restores: Vec<Restore>,
    tasks: JoinSet<()>,
}

impl People {
    /// Creates all agencies and accounts of a round, and starts all clients.
    async fn arrive(
        plan: &Plan,
        round: usize,
        system: &System,
        phase: &watch::Sender<Phase>,
    ) -> Result<People> {
        let rest = system.rest()?;
        let before = match round {
            // There are no tables yet.
            0 => Before::default(),
            _ => Before::now(&system.database("organizer"), &system.database("participant"))?,
        };
        let mut people = People {
            before,
            logs: Vec::new(),
            presses: Vec::new(),
            restores: Vec::new(),
            tasks: JoinSet::new(),
        };
        let mut agencies = Vec::new();
        for number in (1..=plan.agencies).map(|number| round * plan.agencies + number) {
            let agency = rest::found_agency(&rest, &format!("fest{number}"), EVENTS, ORGANIZERS).await?;
            let mut participants = Vec::new();
            for place in 1..=plan.participants {
                let name = format!("p{number}.{place}");
                participants.push((rest::sign_up(&rest, &format!("{name}@example.org")).await?, name));
            }
            agencies.push((number, agency, participants));
        }
        let mut arrivals = Arrivals {
            rest,
            system,
            phase,
            rng: Rng::with_seed(plan.seed.wrapping_add(round as u64) ^ 0x5eed),
        };
        for (number, agency, participants) in &agencies {
            arrivals.organizers(&mut people, *number, agency);
            for (place, (person, name)) in participants.iter().enumerate() {
                arrivals.participant(&mut people, agency, place, person, name);
            }
        }
        Ok(people)
    }

    fn history(&self, faults: Vec<Disturbance>) -> History {
        let copy = |log: &Arc<Mutex<Log>>| log.lock().expect("no panic while locked").clone();
        let presses =
            |presses: &Arc<Mutex<Vec<Press>>>| presses.lock().expect("no panic while locked").clone();
        History {
            clients: self.logs.iter().map(copy).collect(),
            presses: self.presses.iter().flat_map(presses).collect(),
            faults,
            restores: self.restores.clone(),
        }
    }

    fn record(&self, system: &System) -> Result<Record> {
        Record::read(
            &system.database("messenger"),
            &system.database("participant"),
            self.before,
        )
    }

    /// Waits until nothing is pending, and then until every client is up to date without asking. Returns what does not
    /// come true in time.
    async fn settle(&self, system: &System) -> Result<Vec<Violation>> {
        let mut unsettled = self.until(SETTLING, || self.unsettled(system)).await?;
        let unknown = self
            .until(CATCHING_UP, || {
                let (history, record) = (self.history(Vec::new()), self.record(system)?);
                let mut unknown = checks::clients_are_up_to_date(&history, &record);
                unknown.extend(checks::waiting_participants_know_their_positions(
                    &history, &record,
                ));
                Ok(unknown)
            })
            .await?;
        unsettled.extend(unknown);
        Ok(unsettled)
    }

    /// Repeats a check until it finds no violation or the time is up. Returns the last violations.
    async fn until(
        &self,
        patience: Duration,
        look: impl Fn() -> Result<Vec<Violation>>,
    ) -> Result<Vec<Violation>> {
        let deadline = Instant::now() + patience;
        loop {
            let left = look()?;
            if left.is_empty() || Instant::now() > deadline {
                return Ok(left);
            }
            // There is no event to wait for: the databases change.
            sleep(LOOK).await;
        }
    }

    /// Everything that is still pending.
    fn unsettled(&self, system: &System) -> Result<Vec<Violation>> {
        let mut left = Vec::new();
        let history = self.history(Vec::new());
        for log in &history.clients {
            if !log.is_connected {
                left.push(format!("{} is not connected", log.name));
            }
            let is_open =
                |sent: &&history::Sent| sent.client_id.is_some() && sent.saved.is_none() && !sent.refused;
            for sent in log.sent.iter().filter(is_open) {
                left.push(format!("{} has no answer to {sent:?}", log.name));
            }
        }
        let record = self.record(system)?;
        for press in &record.undelivered {
            left.push(format!("{press:?} waits in the outbox"));
        }
        if record.unreleased > 0 {
            left.push(format!("{} locks wait to be released", record.unreleased));
        }
        if record.untold > 0 {
            left.push(format!("{} changes of contacts wait to be told", record.untold));
        }
        let rule = "everything comes to rest";
        Ok(left.into_iter().map(|case| Violation { rule, case }).collect())
    }

    /// Waits until every client has read all of its chats, as long as there is progress. The checks report the chats
    /// that are still unread then.
    async fn read_everything(&self) {
        let is_done = |log: &Arc<Mutex<Log>>| log.lock().expect("no panic while locked").has_read_everything;
        let read = |log: &Arc<Mutex<Log>>| log.lock().expect("no panic while locked").read_at_the_end.len();
        let (mut known, mut deadline) = (0, Instant::now() + CATCHING_UP);
        while !self.logs.iter().all(is_done) && Instant::now() < deadline {
            let all: usize = self.logs.iter().map(read).sum();
            if all > known {
                (known, deadline) = (all, Instant::now() + CATCHING_UP);
            }
            sleep(LOOK).await;
        }
    }

    async fn go_home(&mut self) {
        let everybody = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CATCHING_UP, everybody).await;
        self.tasks.shutdown().await;
    }
}

/// What it takes to start a client.
struct Arrivals<'a> {
    rest: Rest,
    system: &'a System,
    phase: &'a watch::Sender<Phase>,
    rng: Rng,
}

impl Arrivals<'_> {
    /// One organizer polls for requests, one waits for them, and one has a contract client. The first one has a second
    /// device.
    fn organizers(&mut self, people: &mut People, number: usize, agency: &Agency) {
        let habits = [
            (Protocol::Two, false),
            (Protocol::Two, true),
            (Protocol::Contract, false),
        ];
        for (place, (person, (protocol, waits))) in agency.organizers.iter().zip(habits).enumerate() {
            let name = format!("o{number}.{}", place + 1);
            let user = User {
                side: Side::Organizer,
                id: person.id,
            };
            let colleagues = agency.organizers.iter().map(|colleague| colleague.id);
            let habit = Habit::Supports {
                waits,
                colleagues: colleagues.filter(|id| *id != person.id).collect(),
            };
            self.client(people, &name, user, person, protocol, habit);
            if place == 0 {
                let second = format!("{name} (second)");
                self.client(people, &second, user, person, Protocol::Two, Habit::Reads);
            }
        }
    }

    /// Every fourth participant has a contract client, and every third a second device.
    fn participant(
        &mut self,
        people: &mut People,
        agency: &Agency,
        place: usize,
        person: &Person,
        name: &str,
    ) {
        let user = User {
            side: Side::Participant,
            id: person.id,
        };
        let protocol = match place % 4 {
            3 => Protocol::Contract,
            _ => Protocol::Two,
        };
        self.client(people, name, user, person, protocol, Habit::Talks);
        if place.is_multiple_of(3) {
            let second = format!("{name} (second)");
            self.client(people, &second, user, person, Protocol::Two, Habit::Reads);
        }
        let presses = Arc::new(Mutex::new(Vec::new()));
        people.presses.push(Arc::clone(&presses));
        let presser = Presser {
            name: name.to_owned(),
            person: person.clone(),
            agency_id: agency.id,
            event_id: agency.events[place % agency.events.len()],
            rest: self.rest.clone(),
            rng: self.rng.fork(),
            phase: self.phase.subscribe(),
            restores: self.system.restores(),
            presses,
        };
        people.tasks.spawn(presser.live());
    }

    fn client(
        &mut self,
        people: &mut People,
        name: &str,
        user: User,
        person: &Person,
        protocol: Protocol,
        habit: Habit,
    ) {
        let log = Arc::new(Mutex::new(Log::new(name, user, protocol)));
        people.logs.push(Arc::clone(&log));
        let setting = Setting {
            token: person.token.clone(),
            habit,
            sidecars: self.system.sidecars(),
            rest: self.rest.clone(),
            seed: self.rng.u64(..),
            phase: self.phase.subscribe(),
            restores: self.system.restores(),
        };
        people.tasks.spawn(Client::new(setting, log).live());
    }
}
