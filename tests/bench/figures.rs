//! What several measurements come to, and how they are shown.

use std::fmt;
use std::fs;
use std::thread::available_parallelism;

/// The least, the middle and the greatest of several figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of one figure at least.
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

    /// Of the ratios of figures that were measured one after the other, so that both saw the same of what else the machine did.
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

/// What the figures depend on.
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
    fn ratios_are_taken_within_a_round() {
        let rounds = [[1.0, 2.0], [10.0, 20.0], [5.0, 5.0]];

        assert_eq!(
            Spread::of_ratios(&rounds, |figure| *figure).to_string(),
            "0.50 (0.50..1.00)"
        );
    }
}
