//! The faults of a run and their times. The seed decides all of them.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// The calm time before a storm. Clients create work that can break, and some rules are checked in calm times only.
const CALM_SECONDS: std::ops::Range<f64> = 4.0..7.0;
const STORM_SECONDS: std::ops::Range<f64> = 8.0..20.0;

/// The time between two faults of a storm.
const PAUSE_SECONDS: std::ops::Range<f64> = 0.2..2.5;

/// How long a fault lasts.
const FAULT_SECONDS: std::ops::Range<f64> = 0.5..8.0;

/// Where there are database servers, one fault in so many is theirs.
const DATABASE_FAULTS: u8 = 4;

/// How much later messages arrive over a delayed link.
const DELAY: Duration = Duration::from_secs(2);

/// The value for Redis' setting `timeout`: it then closes connections that are idle for this long.
pub(crate) const REDIS_IDLE_SECONDS: u8 = 5;

/// In a soak: how long readers pin the databases, and how long their disk is full. Each comes once in a round, in a
/// calm time of its own, which begins with people at work.
const PINNED: Duration = Duration::from_secs(20);
const FULL: Duration = Duration::from_secs(10);
const AT_WORK: Duration = Duration::from_secs(3);

/// A copy is at most this many storms old when it is restored.
const AGE_IN_STORMS: usize = 4;

/// The time between the replacements of two processes in a rolling update, and how long each is down.
const NEXT_AFTER: Duration = Duration::from_secs(4);
const REPLACED_IN: Duration = Duration::from_millis(500);

/// The kind of [`Fault::Migrate`].
pub(crate) const MIGRATION: &str = "migration of all databases";

/// What happens to the system during a run.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Events {
    /// Everything breaks, at random
    Storms,
    /// Nothing breaks: sidecars and hosts are replaced, one after the other, and old hosts still serve when the
    /// databases are migrated
    RollingUpdate,
    /// Everything breaks but sidecars and hosts, whose memory is watched; readers pin the databases, their disk fills
    /// up
    Soak,
}

/// The names of all processes and links that can break.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    pub(crate) hosts: Vec<String>,
    pub(crate) sidecars: Vec<String>,
    pub(crate) redis: String,
    pub(crate) links: Vec<String>,
    /// The links from sidecars to Redis.
    pub(crate) relays: Vec<String>,
    /// The database servers. Files do not break.
    pub(crate) databases: Vec<String>,
}

/// A calm time and the faults that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storm {
    /// In the calm time, the messenger's database is copied.
    pub(crate) copies: bool,
    /// In the calm time, the messenger's database is restored from the last copy.
    pub(crate) restores: bool,
    pub(crate) faults: Vec<Planned>,
    pub(crate) ends_at: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// The time since the start of the calm.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// SIGKILL, and a restart after a while.
    Kill { process: String, down: Duration },
    /// SIGTERM, and a restart after a while.
    Stop { process: String, down: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    Pause { process: String, time: Duration },
    /// SIGSTOP, and SIGKILL after a while, as an operator kills a process that hangs.
    Hang { process: String, time: Duration },
    /// The link drops all connections for a while.
    Cut { link: String, time: Duration },
    /// The link passes nothing for a while.
    Stall { link: String, time: Duration },
    /// The link passes everything later for a while.
    Delay {
        link: String,
        by: Duration,
        time: Duration,
    },
    /// Redis drops all connections: `CLIENT KILL`.
    DropClients,
    /// Redis drops idle connections for a while: `CONFIG SET timeout`.
    DropIdle { time: Duration },
    /// A reader in each database keeps it from reusing its write-ahead log for a while.
    Pin { time: Duration },
    /// The disk of the databases is full for a while.
    Fill { time: Duration },
    /// Every database gets the schema that the next release may give it.
    Migrate,
}

impl Fault {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fault::Kill { .. } => "kill",
            Fault::Stop { .. } => "stop",
            Fault::Pause { .. } => "pause",
            Fault::Hang { .. } => "hang",
            Fault::Cut { .. } => "cut",
            Fault::Stall { .. } => "stall",
            Fault::Delay { .. } => "delay",
            Fault::DropClients => "drop of Redis clients",
            Fault::DropIdle { .. } => "drop of idle Redis clients",
            Fault::Pin { .. } => "pinned databases",
            Fault::Fill { .. } => "full disk",
            Fault::Migrate => MIGRATION,
        }
    }

    /// Whether it ends one of these processes.
    fn ends_one_of(&self, processes: &[String]) -> bool {
        match self {
            Fault::Kill { process, .. } | Fault::Stop { process, .. } | Fault::Hang { process, .. } => {
                processes.contains(process)
            }
            Fault::Pause { .. }
            | Fault::Cut { .. }
            | Fault::Stall { .. }
            | Fault::Delay { .. }
            | Fault::DropClients
            | Fault::DropIdle { .. }
            | Fault::Pin { .. }
            | Fault::Fill { .. }
            | Fault::Migrate => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, time) = match self {
            Fault::Kill { process, down } | Fault::Stop { process, down } => (process, down),
            Fault::Pause { process, time } | Fault::Hang { process, time } => (process, time),
            Fault::Cut { link, time } | Fault::Stall { link, time } | Fault::Delay { link, time, .. } => {
                (link, time)
            }
            Fault::DropClients | Fault::Migrate => return text.write_str(self.kind()),
            Fault::DropIdle { time } | Fault::Pin { time } | Fault::Fill { time } => {
                return write!(text, "{} for {:.1} s", self.kind(), time.as_secs_f64());
            }
        };
        write!(text, "{} {target} for {:.1} s", self.kind(), time.as_secs_f64())
    }
}

/// Storms that take `duration` altogether, and additional calm times with a restore each.
pub(crate) fn storms(seed: u64, duration: Duration, restores: usize, targets: &Targets) -> Vec<Storm> {
    let mut rng = Rng::with_seed(seed);
    let mut storms = storms_of(&mut rng, duration, |rng| fault(rng, targets));
    if !storms.is_empty() {
        (0..restores).for_each(|_| insert_restore(&mut rng, &mut storms));
    }
    storms
}

/// A round of a soak: storms that take `duration` altogether and end neither hosts nor sidecars, then the two faults of
/// the databases.
pub(crate) fn soak(seed: u64, duration: Duration, targets: &Targets) -> Vec<Storm> {
    let mut rng = Rng::with_seed(seed);
    let mut storms = storms_of(&mut rng, duration, |rng| {
        loop {
            let fault = fault(rng, targets);
            if !fault.ends_one_of(&targets.hosts) && !fault.ends_one_of(&targets.sidecars) {
                return fault;
            }
        }
    });
    let alone = |fault, time| Storm {
        copies: false,
        restores: false,
        faults: vec![Planned { at: AT_WORK, fault }],
        ends_at: AT_WORK + time,
    };
    storms.push(alone(Fault::Pin { time: PINNED }, PINNED));
    storms.push(alone(Fault::Fill { time: FULL }, FULL));
    storms
}

fn storms_of(rng: &mut Rng, duration: Duration, mut fault: impl FnMut(&mut Rng) -> Fault) -> Vec<Storm> {
    let mut storms = Vec::new();
    let mut left = duration;
    while !left.is_zero() {
        let mut at = seconds(rng, CALM_SECONDS);
        let ends_at = left.min(at + seconds(rng, STORM_SECONDS));
        let mut faults = Vec::new();
        while at < ends_at {
            let fault = fault(rng);
            faults.push(Planned { at, fault });
            at += seconds(rng, PAUSE_SECONDS);
        }
        storms.push(Storm {
            copies: false,
            restores: false,
            faults,
            ends_at,
        });
        left -= ends_at;
    }
    storms
}

/// Sidecars drain and hosts stop, one after the other, until each is replaced once. Where all are of one release, the
/// harness itself migrates the databases between the two, to a schema that no program has, and all hosts have to serve
/// on it. Where the first ones are of an earlier release, the first new host migrates.
pub(crate) fn rolling_update(targets: &Targets, are_of_one_release: bool) -> Vec<Storm> {
    let stop = |process: &String| Fault::Stop {
        process: process.clone(),
        down: REPLACED_IN,
    };
    let sidecars = targets.sidecars.iter().map(stop);
    let hosts = targets.hosts.iter().map(stop);
    let mut at = NEXT_AFTER;
    let mut faults = Vec::new();
    let migrate = are_of_one_release.then_some(Fault::Migrate);
    for fault in sidecars.chain(migrate).chain(hosts) {
        faults.push(Planned { at, fault });
        at += NEXT_AFTER;
    }
    vec![Storm {
        copies: false,
        restores: false,
        faults,
        ends_at: at,
    }]
}

/// Adds a calm time with a restore, and a copy some storms before it. Nothing else breaks in the calm time: what was
/// acknowledged before the restore has then arrived at the clients before it.
fn insert_restore(rng: &mut Rng, storms: &mut Vec<Storm>) {
    let place = rng.usize(1..=storms.len());
    let age = rng.usize(1..=AGE_IN_STORMS.min(place));
    storms[place - age].copies = true;
    storms.insert(
        place,
        Storm {
            copies: false,
            restores: true,
            faults: Vec::new(),
            ends_at: seconds(rng, CALM_SECONDS),
        },
    );
}

fn fault(rng: &mut Rng, targets: &Targets) -> Fault {
    let time = seconds(rng, FAULT_SECONDS);
    // A process is down for a short time only, so that it works for most of a storm.
    let down = time / 4;
    let host = targets.hosts[rng.usize(..targets.hosts.len())].clone();
    let sidecar = targets.sidecars[rng.usize(..targets.sidecars.len())].clone();
    let redis = targets.redis.clone();
    let link = targets.links[rng.usize(..targets.links.len())].clone();
    let relay = targets.relays[rng.usize(..targets.relays.len())].clone();
    if !targets.databases.is_empty() && rng.u8(..DATABASE_FAULTS) == 0 {
        let process = targets.databases[rng.usize(..targets.databases.len())].clone();
        return match rng.u8(..4) {
            0 | 1 => Fault::Kill { process, down },
            2 => Fault::Pause { process, time },
            _ => Fault::Hang { process, time },
        };
    }
    match rng.u8(..24) {
        0..=2 => Fault::Kill { process: host, down },
        3 => Fault::Pause { process: host, time },
        4 => Fault::Hang { process: host, time },
        5..=7 => Fault::Kill {
            process: sidecar,
            down,
        },
        8 => Fault::Stop {
            process: sidecar,
            down,
        },
        9 => Fault::Pause {
            process: sidecar,
            time,
        },
        10 => Fault::Hang {
            process: sidecar,
            time,
        },
        11 | 12 => Fault::Kill {
            process: redis,
            down: time,
        },
        13 => Fault::Pause { process: redis, time },
        14 | 15 => Fault::Cut { link, time },
        16 | 17 => Fault::Cut { link: relay, time },
        18 => Fault::Stall { link, time },
        19 => Fault::Stall { link: relay, time },
        20 | 21 => Fault::Delay {
            link: relay,
            by: DELAY,
            time: time + DELAY,
        },
        22 => Fault::DropClients,
        _ => Fault::DropIdle {
            time: time + Duration::from_secs(REDIS_IDLE_SECONDS.into()),
        },
    }
}

fn seconds(rng: &mut Rng, range: std::ops::Range<f64>) -> Duration {
    Duration::from_secs_f64(range.start + rng.f64() * (range.end - range.start))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn targets() -> Targets {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Targets {
            hosts: names(&["host-1", "host-2"]),
            sidecars: names(&["sidecar-1", "sidecar-2"]),
            redis: "redis".to_owned(),
            links: names(&["a", "b"]),
            relays: names(&["b"]),
            databases: Vec::new(),
        }
    }

    #[test]
    fn database_servers_break_where_there_are_any() {
        let targets = Targets {
            databases: vec!["messenger-db".to_owned()],
            ..targets()
        };
        let storms = storms(1, Duration::from_secs(20 * 60), 0, &targets);

        let faults = storms.iter().flat_map(|storm| &storm.faults);
        let kinds: BTreeSet<_> = faults
            .filter(|planned| planned.fault.to_string().contains("messenger-db"))
            .map(|planned| planned.fault.kind())
            .collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["hang", "kill", "pause"]);
    }

    #[test]
    fn one_seed_gives_one_schedule() {
        let hour = Duration::from_secs(3600);
        let once = storms(7, hour, 1, &targets());

        assert_eq!(once, storms(7, hour, 1, &targets()));
        assert_ne!(once, storms(8, hour, 1, &targets()));
    }

    #[test]
    fn every_kind_of_fault_comes_in_time_and_in_order() {
        let minutes = Duration::from_secs(20 * 60);
        let storms = storms(1, minutes, 0, &targets());

        assert_eq!(
            storms.iter().map(|storm| storm.ends_at).sum::<Duration>(),
            minutes
        );
        let faults: Vec<_> = storms.iter().flat_map(|storm| &storm.faults).collect();
        let kinds: BTreeSet<_> = faults.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 9, "{kinds:?}");
        for storm in &storms {
            assert!(storm.faults.is_sorted_by_key(|planned| planned.at));
            assert!(storm.faults.iter().all(|planned| planned.at < storm.ends_at));
        }
    }

    #[test]
    fn a_soak_breaks_everything_but_ends_no_host_and_no_sidecar() {
        let minutes = Duration::from_secs(20 * 60);
        let storms = soak(1, minutes, &targets());

        let faults: Vec<_> = storms.iter().flat_map(|storm| &storm.faults).collect();
        let kinds: BTreeSet<_> = faults.iter().map(|planned| planned.fault.kind()).collect();
        for kind in ["kill", "pause", "cut", "pinned databases", "full disk"] {
            assert!(kinds.contains(kind), "{kinds:?}");
        }
        for Planned { fault, .. } in faults {
            if matches!(
                fault,
                Fault::Kill { .. } | Fault::Stop { .. } | Fault::Hang { .. }
            ) {
                assert!(fault.to_string().contains("redis"), "{fault}");
            }
        }
    }

    #[test]
    fn a_rolling_update_replaces_every_sidecar_and_host_once_and_migrates_under_old_hosts() {
        let [storm] = rolling_update(&targets(), true).try_into().expect("one storm");
        let steps: Vec<_> = storm
            .faults
            .iter()
            .map(|planned| match &planned.fault {
                Fault::Stop { process, .. } => process.as_str(),
                Fault::Migrate => "migration",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(steps, ["sidecar-1", "sidecar-2", "migration", "host-1", "host-2"]);
        assert!(storm.faults.is_sorted_by_key(|planned| planned.at));
        let ends_after = storm.ends_at - storm.faults.last().expect("a host").at;
        assert_eq!(ends_after, NEXT_AFTER, "people go on after the last one");
    }

    #[test]
    fn a_restore_has_a_calm_time_of_its_own_after_a_copy() {
        for seed in 0..50 {
            // A single storm, and many.
            for duration in [1, 600].map(Duration::from_secs) {
                let storms = storms(seed, duration, 2, &targets());

                let copy = storms.iter().position(|storm| storm.copies);
                let restores: Vec<usize> = (0..storms.len())
                    .filter(|place| storms[*place].restores)
                    .collect();
                assert_eq!(restores.len(), 2, "{storms:?}");
                assert!(copy.is_some_and(|copy| copy < restores[0]), "{storms:?}");
                assert!(restores.iter().all(|place| storms[*place].faults.is_empty()));
            }
        }
    }
}
