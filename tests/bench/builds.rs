//! The builds of Mayday that are measured: this checkout's and, side by side with it, another checkout's.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use mayday_tests::programs::{beside_this_program, workspace};

use crate::figures::Spread;

/// What to measure, and how often.
#[derive(clap::Args)]
pub(crate) struct Builds {
    /// Measure the build in another checkout as well, in turns with this one, and show ratios
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,

    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
}

/// A build of Mayday. Its `xtask` finds the other programs, the components and `spin.toml` by itself.
pub(crate) struct Build {
    /// Its name in tables.
    pub(crate) name: &'static str,
    pub(crate) checkout: PathBuf,
    pub(crate) xtask: PathBuf,
}

impl Build {
    pub(crate) fn this() -> Result<Build> {
        Ok(Build {
            name: "this",
            checkout: workspace().to_owned(),
            xtask: beside_this_program("xtask")?,
        })
    }

    fn other(checkout: &Path) -> Result<Build> {
        let checkout = checkout.canonicalize()?;
        let xtask = checkout.join("target/debug/xtask");
        ensure!(
            xtask.exists(),
            "{} is missing; build it first: cargo xtask build",
            xtask.display()
        );
        Ok(Build {
            name: "other",
            checkout,
            xtask,
        })
    }
}

impl Builds {
    /// All builds, this one first.
    pub(crate) fn all(&self) -> Result<Vec<Build>> {
        let other = self.against.as_deref().map(Build::other);
        [Some(Build::this()), other].into_iter().flatten().collect()
    }
}

/// A figure of a sample, with its name.
pub(crate) type Figure<Sample> = (&'static str, fn(&Sample) -> f64);

/// The ratios of this build's figures to the other one's. Each round has a sample of each build. `None` if there is
/// only one build.
pub(crate) fn ratios<Sample>(rounds: &[Vec<Sample>], figures: &[Figure<Sample>]) -> Option<String> {
    let pairs: Vec<[&Sample; 2]> = rounds
        .iter()
        .filter_map(|round| Some([round.first()?, round.get(1)?]))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let ratio = |(name, figure): &Figure<Sample>| {
        let spread = Spread::of_ratios(&pairs, |sample| figure(sample));
        match pairs.len() {
            1 => format!("{name} {:.2}", spread.median),
            _ => format!("{name} {spread}"),
        }
    };
    let ratios: Vec<String> = figures.iter().map(ratio).collect();
    Some(format!("this / other: {}", ratios.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: [Figure<f64>; 2] = [("p50", |sample| *sample), ("half", |sample| sample / 2.0)];

    #[test]
    fn ratios_compare_this_build_with_the_other_one() {
        assert_eq!(
            ratios(&[vec![1.0, 4.0]], &FIGURES).as_deref(),
            Some("this / other: p50 0.25, half 0.25")
        );
        assert_eq!(
            ratios(&[vec![1.0, 4.0], vec![2.0, 2.0], vec![1.0, 2.0]], &FIGURES[..1]).as_deref(),
            Some("this / other: p50 0.50 (0.25..1.00)")
        );
    }

    #[test]
    fn one_build_has_no_ratios() {
        assert_eq!(ratios(&[vec![1.0], vec![2.0]], &FIGURES), None);
    }

    #[test]
    fn a_checkout_that_is_not_built_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = Build::other(directory.path()).err().unwrap();

        assert!(error.to_string().contains("build it first"), "{error}");
    }
}
