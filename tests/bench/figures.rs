//! Sums up measurements and shows them.

use std::fmt;
use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

/// The minimum, the median and the maximum of several figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// The spread of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[middle - 1], figures[middle]),
            _ => figures[middle],
        };
        Spread {
            least: figures[0],
            median,
            greatest: figures[figures.len() - 1],
        }
    }

    /// The spread of ratios. Each compares figures measured one after the other, under the same load of the machine.
    pub(crate) fn of_ratios<Sample>(pairs: &[[Sample; 2]], figure: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(pairs.iter().map(|[ours, theirs]| figure(ours) / figure(theirs)))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            least,
            median,
            greatest,
        } = self;
        formatter.pad(&format!("{median:.2} ({least:.2}..{greatest:.2})"))
    }
}

/// Sorted latencies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    ascending: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Latencies {
        latencies.sort_unstable();
        Latencies { ascending: latencies }
    }

    pub(crate) fn count(&self) -> usize {
        self.ascending.len()
    }

    /// The percentile in milliseconds. Not a number if there are no latencies.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.ascending.len() * percent).div_ceil(100);
        self.ascending
            .get(rank.saturating_sub(1))
            .map_or(f64::NAN, |latency| milliseconds(*latency))
    }
}

/// Median, 99th percentile and maximum in milliseconds.
impl fmt::Display for Latencies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, nearly_all, all] = [50, 99, 100].map(|percent| self.percentile(percent));
        formatter.pad(&format!("{half:.1} / {nearly_all:.1} / {all:.1}"))
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The machine and the profile that the figures depend on.
pub(crate) fn machine() -> String {
    let cores = available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| {
        let (name, model) = line.split_once(':')?;
        (name.trim() == "model name").then(|| model.trim())
    });
    let profile = match cfg!(debug_assertions) {
        true => "the dev profile (dependencies optimized)",
        false => "an optimized profile",
    };
    format!(
        "{cores} cores ({}), shared with the client; native programs of {profile}, components of the release profile",
        model.unwrap_or("unknown")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_of_its_figures() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).to_string(), "2.00 (1.00..3.00)");
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let latencies = |count: u64| Latencies::of((1..=count).rev().map(Duration::from_millis).collect());

        assert_eq!(latencies(1).percentile(99), 1.0);
        assert_eq!(latencies(100).percentile(50), 50.0);
        assert_eq!(latencies(100).percentile(99), 99.0);
        assert_eq!(latencies(101).percentile(99), 100.0);
        assert_eq!(latencies(101).to_string(), "51.0 / 100.0 / 101.0");
        assert!(latencies(0).percentile(50).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = [[1.0, 2.0], [10.0, 20.0], [5.0, 5.0]];

        assert_eq!(
            Spread::of_ratios(&rounds, |figure| *figure).to_string(),
            "0.50 (0.50..1.00)"
        );
    }
}
