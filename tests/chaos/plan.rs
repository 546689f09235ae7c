//! What a run does.

use std::path::PathBuf;
use std::time::Duration;

use super::schedule::Events;
use crate::databases::Database;

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub events: Events,
    /// How long clients are busy and things break. A rolling update takes its own time.
    pub duration: Duration,
    pub hosts: usize,
    /// What the hosts keep their data in.
    pub database: Database,
    pub sidecars: usize,
    pub agencies: usize,
    /// The participants of each agency.
    pub participants: usize,
    /// How often the messenger's database is restored from a copy. Only a file is.
    pub restores: usize,
    /// A folder with an earlier release, which is built there. Hosts and sidecars are of it until they end.
    pub before: Option<PathBuf>,
    /// Whether to print faults as they happen.
    pub narrates: bool,
}
