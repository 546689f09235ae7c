//! The result of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::checks::{self, Violation};
use super::database::Record;
use super::history::{CancelAnswer, History, Log, PressAnswer, Side, Tally};
use super::plan::Plan;

/// How many violations are printed. All of them are in a file.
const PRINTED: usize = 20;

/// The violations of a run, and counts of what happened in it.
#[derive(Debug)]
pub struct Verdict {
    seed: u64,
    minutes: f64,
    counts: Vec<(&'static str, usize)>,
    faults: BTreeMap<&'static str, usize>,
    violations: Vec<Violation>,
    left_behind: Option<PathBuf>,
}

impl Verdict {
    pub(crate) fn new(
        plan: &Plan,
        history: &History,
        record: &Record,
        violations: Vec<Violation>,
    ) -> Verdict {
        let mut faults = BTreeMap::new();
        for fault in &history.faults {
            *faults.entry(fault.kind).or_default() += 1;
        }
        Verdict {
            seed: plan.seed,
            minutes: plan.duration.as_secs_f64() / 60.0,
            counts: counts(history, record),
            faults,
            violations,
            left_behind: None,
        }
    }

    /// Whether there are no violations.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// All counts, by their names.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.counts.iter().copied()
    }

    /// A count by its name.
    pub fn count(&self, name: &str) -> usize {
        let found = self.counts.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, count)| *count)
    }

    /// Keeps the directory with databases and logs, and writes the history and all violations into it.
    pub(crate) fn leave_behind(&mut self, directory: PathBuf, history: &History) -> Result<()> {
        fs::write(directory.join("history.txt"), format!("{history:#?}"))?;
        let cases: Vec<String> = self.violations.iter().map(Violation::to_string).collect();
        fs::write(directory.join("violations.txt"), cases.join("\n"))?;
        self.left_behind = Some(directory);
        Ok(())
    }
}

fn counts(history: &History, record: &Record) -> Vec<(&'static str, usize)> {
    let logs = &history.clients;
    let sum = |count: fn(&Log) -> usize| logs.iter().map(count).sum::<usize>();
    let tally = |count: fn(&Tally) -> usize| logs.iter().map(|log| count(&log.tally)).sum::<usize>();
    let presses = &history.presses;
    let pressed = |answer| presses.iter().filter(|press| press.count(answer) > 0).count();
    let chats = |state: &str| record.chats.iter().filter(|chat| chat.state == state).count();
    let participants = logs.iter().filter(|log| log.user.side == Side::Participant);
    vec![
        ("messages sent", sum(|log| log.sent.len())),
        (
            "messages acknowledged",
            sum(|log| log.sent.iter().filter(|sent| sent.saved.is_some()).count()),
        ),
        (
            "messages sent again",
            sum(|log| log.sent.iter().filter(|sent| sent.on.len() > 1).count()),
        ),
        ("messages stored", record.messages.values().map(Vec::len).sum()),
        ("frames with messages", sum(|log| log.live.len())),
        ("presses", presses.len()),
        ("presses accepted", pressed(PressAnswer::Accepted)),
        ("presses unclear at first", pressed(PressAnswer::Unclear)),
        (
            "presses taken back",
            presses
                .iter()
                .filter(|press| {
                    press
                        .cancels
                        .iter()
                        .any(|cancel| cancel.answer == CancelAnswer::TakenBack)
                })
                .count(),
        ),
        (
            "presses seen to wait",
            presses.iter().filter(|press| press.standings.len() > 1).count(),
        ),
        (
            "new phone numbers",
            presses.iter().map(|press| press.new_phone_numbers.len()).sum(),
        ),
        ("chats waiting", chats("waiting")),
        ("chats active", chats("active")),
        ("chats ended", chats("ended")),
        (
            "chats changed hands",
            record
                .messages
                .values()
                .flatten()
                .filter(|stored| stored.is_system)
                .count(),
        ),
        ("frames of transfers", tally(|tally| tally.transfers)),
        ("frames of requeueing", tally(|tally| tally.requeues)),
        (
            "positions told",
            participants.map(|log| log.positions.len()).sum(),
        ),
        (
            "positions judged",
            checks::positions_were_right(history, record).1,
        ),
        ("connections", tally(|tally| tally.connections)),
        ("restores", history.restores.len()),
        ("resyncs", tally(|tally| tally.resyncs)),
        ("gaps", tally(|tally| tally.gaps)),
    ]
}

impl fmt::Display for Verdict {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(text, "seed {}, {:.1} minutes of faults", self.seed, self.minutes)?;
        for (name, count) in &self.counts {
            writeln!(text, "{count:8} {name}")?;
        }
        for (kind, count) in &self.faults {
            writeln!(text, "{count:8} faults: {kind}")?;
        }
        for violation in self.violations.iter().take(PRINTED) {
            writeln!(text, "VIOLATION  {violation}")?;
        }
        if let Some(directory) = &self.left_behind {
            writeln!(
                text,
                "databases, logs and histories are in {}",
                directory.display()
            )?;
        }
        match self.violations.len() {
            0 => write!(text, "PASS"),
            count => write!(text, "FAIL: {count} violations"),
        }
    }
}
