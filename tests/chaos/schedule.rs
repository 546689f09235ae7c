//! What is broken, and when: all of it follows from the seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// Before a storm everything works for a while: then there is something to break, and it is checked what nobody can promise in a storm.
const CALM_SECONDS: std::ops::Range<f64> = 4.0..7.0;
const STORM_SECONDS: std::ops::Range<f64> = 8.0..20.0;

/// In a storm, from one fault to the next.
const PAUSE_SECONDS: std::ops::Range<f64> = 0.2..2.5;

/// How long a fault lasts.
const FAULT_SECONDS: std::ops::Range<f64> = 0.5..8.0;

/// What can be broken.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    pub(crate) hosts: Vec<String>,
    pub(crate) sidecars: Vec<String>,
    pub(crate) redis: String,
    pub(crate) links: Vec<String>,
    /// Those among them over which sidecars hear of each other.
    pub(crate) relays: Vec<String>,
}

/// A calm time and the faults that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storm {
    pub(crate) faults: Vec<Planned>,
    pub(crate) ends_at: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// From the beginning of the calm.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// kill -9, and started again after a while.
    Kill { process: String, down: Duration },
    /// The polite signal, and started again after a while.
    Stop { process: String, down: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    Pause { process: String, time: Duration },
    /// SIGSTOP, and kill -9 after a while: a process that hung until somebody had enough of it.
    Hang { process: String, time: Duration },
    /// Connections are dropped for a while.
    Cut { link: String, time: Duration },
    /// Nothing passes for a while.
    Stall { link: String, time: Duration },
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
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, time) = match self {
            Fault::Kill { process, down } | Fault::Stop { process, down } => (process, down),
            Fault::Pause { process, time } | Fault::Hang { process, time } => (process, time),
            Fault::Cut { link, time } | Fault::Stall { link, time } => (link, time),
        };
        write!(text, "{} {target} for {:.1} s", self.kind(), time.as_secs_f64())
    }
}

/// Storms that take so long altogether.
pub(crate) fn storms(seed: u64, duration: Duration, targets: &Targets) -> Vec<Storm> {
    let mut rng = Rng::with_seed(seed);
    let mut storms = Vec::new();
    let mut left = duration;
    while !left.is_zero() {
        let mut at = seconds(&mut rng, CALM_SECONDS);
        let ends_at = left.min(at + seconds(&mut rng, STORM_SECONDS));
        let mut faults = Vec::new();
        while at < ends_at {
            let fault = fault(&mut rng, targets);
            faults.push(Planned { at, fault });
            at += seconds(&mut rng, PAUSE_SECONDS);
        }
        storms.push(Storm { faults, ends_at });
        left -= ends_at;
    }
    storms
}

fn fault(rng: &mut Rng, targets: &Targets) -> Fault {
    let time = seconds(rng, FAULT_SECONDS);
    // What is down starts again soon: most of a storm is to be spent at work.
    let down = time / 4;
    let host = targets.hosts[rng.usize(..targets.hosts.len())].clone();
    let sidecar = targets.sidecars[rng.usize(..targets.sidecars.len())].clone();
    let redis = targets.redis.clone();
    let link = targets.links[rng.usize(..targets.links.len())].clone();
    let relay = targets.relays[rng.usize(..targets.relays.len())].clone();
    match rng.u8(..20) {
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
        _ => Fault::Stall { link: relay, time },
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
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let hour = Duration::from_secs(3600);
        let once = storms(7, hour, &targets());

        assert_eq!(once, storms(7, hour, &targets()));
        assert_ne!(once, storms(8, hour, &targets()));
    }

    #[test]
    fn every_kind_of_fault_comes_in_time_and_in_order() {
        let minutes = Duration::from_secs(20 * 60);
        let storms = storms(1, minutes, &targets());

        assert_eq!(
            storms.iter().map(|storm| storm.ends_at).sum::<Duration>(),
            minutes
        );
        let faults: Vec<_> = storms.iter().flat_map(|storm| &storm.faults).collect();
        let kinds: BTreeSet<_> = faults.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        for storm in &storms {
            assert!(storm.faults.is_sorted_by_key(|planned| planned.at));
            assert!(storm.faults.iter().all(|planned| planned.at < storm.ends_at));
        }
    }
}
