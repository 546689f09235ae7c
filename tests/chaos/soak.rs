//! A soak: rounds of new clients on one system, for hours, while memory and files are watched. Neither may grow with
//! time.
//!
//! Storms spare hosts and sidecars: a process that is replaced again and again could leak what it likes. In each round
//! readers pin the databases once, and their disk fills up once. The rules for clients hold throughout, and no process
//! may end by itself.
//!
//! A figure is flat if its highest value in the last quarter is at most that of the second quarter, and a margin. The
//! quarters are those of the time after a warm-up.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use rusqlite::Connection;
use tokio::time::{Instant, sleep};

use super::disk::Disk;
use super::history::now;
use super::plan::Plan;
use super::system::System;
use super::verdict::Verdict;
use super::{database, live_through, schedule};
use crate::databases::Database;
use crate::processes::resident_bytes;
use crate::settings::SERVICES;

/// How long the storms of a round take, at most. Clients remember everything that they see, and are judged by it.
const ROUND: Duration = Duration::from_secs(5 * 60);

/// The fewest rounds, so that each quarter has one.
const ROUNDS: u32 = 4;

/// The warm-up is a tenth of the time, and not more than this.
const WARM_UP: Duration = Duration::from_secs(10 * 60);

/// The time between two looks at memory and files.
const LOOK: Duration = Duration::from_secs(1);

/// How long an update stays in the log at least (`KEPT` in the messenger). The log has its full length after that.
const UPDATES_KEPT: Duration = Duration::from_secs(10 * 60);

/// How long after that an update may still be there. Ticks delete it, and fail while the disk is full.
const UPDATES_FORGOTTEN: Duration = Duration::from_secs(60);

const MEBIBYTE: u64 = 1 << 20;

/// Carries out a soak.
pub async fn soak(plan: &Plan) -> Result<Report> {
    ensure!(
        plan.database == Database::Files,
        "a soak watches files, not database servers"
    );
    let started = Instant::now();
    let narrate = |text: &str| {
        if plan.narrates {
            println!("{:7.1} s  {text}", started.elapsed().as_secs_f64());
        }
    };
    // Without the right to mount, everything but a full disk is tried.
    let (disk, without_disk) = match Disk::mount() {
        Ok(disk) => (Some(disk), None),
        Err(error) => (None, Some(format!("the disk cannot be filled: {error:#}"))),
    };
    let mut system = System::start(plan.hosts, plan.sidecars, plan.database, disk).await?;
    narrate(without_disk.as_deref().unwrap_or("everything is up"));
    let mut figures = Figures::default();
    let rounds = (plan.duration.div_duration_f64(ROUND).ceil() as u32).max(ROUNDS);
    let mut report = Report {
        without_disk,
        rounds: 0,
        counts: BTreeMap::new(),
        table: Table(Vec::new()),
        verdict: None,
    };
    let began = Instant::now();
    let mut broken = None;
    for number in 0..rounds as usize {
        narrate(&format!("round {} of {rounds}", number + 1));
        let seed = plan.seed.wrapping_add(number as u64);
        let storms = schedule::soak(seed, plan.duration / rounds, &system.targets());
        let round = tokio::select! {
            round = live_through(storms, plan, number, &system, &narrate) => round?,
            () = watch(&system, &mut figures, began) => unreachable!("it watches for ever"),
        };
        let mut record = round.people.record(&system)?;
        record.examine(&system.databases())?;
        let (history, violations) = round.judge(&record);
        let verdict = Verdict::new(plan, &history, &record, violations, system.trouble());
        report.rounds += 1;
        for (name, count) in verdict.counts() {
            *report.counts.entry(name).or_default() += count;
        }
        if !verdict.holds() {
            broken = Some((verdict, history));
            break;
        }
    }
    system.end().await;
    if let Some((mut verdict, history)) = broken {
        verdict.leave_behind(system.leave_behind()?, &history)?;
        report.verdict = Some(verdict);
    }
    report.table = figures.judge();
    Ok(report)
}

/// Notes memory and files, for ever.
async fn watch(system: &System, figures: &mut Figures, began: Instant) {
    let log = system.database("messenger");
    let mut updates = None;
    loop {
        let at = began.elapsed();
        for (name, process) in system.running() {
            if let Ok(bytes) = resident_bytes(process) {
                let rule = match name.starts_with("sidecar") {
                    true => Rule::MEMORY_OF_SIDECAR,
                    false => Rule::MEMORY,
                };
                figures.note(&format!("{name}: memory"), rule, at, bytes);
            }
        }
        for service in SERVICES {
            let file = system.database(service);
            let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
            figures.note(
                &format!("{service}: write-ahead log"),
                Rule::WRITE_AHEAD_LOG,
                at,
                size(&beside(&file, "-wal")),
            );
            figures.note(&format!("{service}: database"), Rule::DATABASE, at, size(&file));
        }
        // It may be unreadable for a moment, while the disk is full.
        if let Ok((rows, age)) = look_at(&mut updates, &log) {
            figures.note("updates: rows", Rule::UPDATES, at, rows);
            figures.note("updates: age of the oldest, s", Rule::AGE_OF_UPDATES, at, age);
        }
        sleep(LOOK).await;
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// How many updates the log has, and how many seconds old the first of them is. The ids have no gaps.
fn look_at(connection: &mut Option<Connection>, path: &Path) -> Result<(u64, u64)> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(database::open(path)?),
    };
    let (first, last, made_at): (i64, i64, i64) = connection.query_row(
        "SELECT min(id), (SELECT max(id) FROM updates), made_at FROM updates",
        (),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let counted = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok((counted(last + 1 - first), counted(now() - made_at) / 1000))
}

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// It does not grow: at most so many per cent, and so much, over the second quarter.
    Flat {
        percent: u64,
        slack: u64,
        /// It grows until then, by design.
        full_after: Duration,
    },
    /// It never exceeds this.
    AtMost(u64),
    /// Nothing: an archive grows.
    Shown,
}

impl Rule {
    /// An allocator keeps what a peak needed, and peaks of storms differ.
    const MEMORY: Rule = Rule::Flat {
        percent: 15,
        slack: 16 * MEBIBYTE,
        full_after: Duration::ZERO,
    };
    /// Besides, a sidecar keeps the latest updates: 32 MiB, which an hour of a soak may take to fill.
    const MEMORY_OF_SIDECAR: Rule = Rule::Flat {
        percent: 15,
        slack: (16 + 32) * MEBIBYTE,
        full_after: Duration::ZERO,
    };
    /// It has what was written while readers pinned the database, and people write more or less.
    const WRITE_AHEAD_LOG: Rule = Rule::Flat {
        percent: 50,
        slack: 4 * MEBIBYTE,
        full_after: Duration::ZERO,
    };
    const DATABASE: Rule = Rule::Shown;
    const UPDATES: Rule = Rule::Flat {
        percent: 25,
        slack: 1000,
        full_after: UPDATES_KEPT,
    };
    const AGE_OF_UPDATES: Rule = Rule::AtMost(UPDATES_KEPT.as_secs() + UPDATES_FORGOTTEN.as_secs());
}

/// A value, and when it was seen.
type Point = (Duration, u64);

/// All figures over time.
#[derive(Debug, Default)]
struct Figures(BTreeMap<String, (Rule, Vec<Point>)>);

impl Figures {
    fn note(&mut self, name: &str, rule: Rule, at: Duration, value: u64) {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), (rule, Vec::new()));
        }
        if let Some((_, points)) = self.0.get_mut(name) {
            points.push((at, value));
        }
    }

    fn judge(&self) -> Table {
        let last = |points: &Vec<Point>| points.last().map(|(at, _)| *at);
        let total = self
            .0
            .values()
            .filter_map(|(_, points)| last(points))
            .max()
            .unwrap_or_default();
        let rows = self.0.iter().map(|(name, (rule, points))| Row {
            name: name.clone(),
            marks: marks(total).map(|mark| value_at(points, mark)),
            judgement: judge(*rule, points, total),
        });
        Table(rows.collect())
    }
}

/// The end of the warm-up and of each quarter after it.
fn marks(total: Duration) -> [Duration; 5] {
    let warm_up = WARM_UP.min(total / 10);
    let quarter = (total - warm_up) / 4;
    [0, 1, 2, 3, 4].map(|quarters| warm_up + quarter * quarters)
}

/// The last value that was seen by then.
fn value_at(points: &[Point], mark: Duration) -> u64 {
    let seen = points.partition_point(|(at, _)| *at <= mark);
    points[..seen].last().map_or(0, |(_, value)| *value)
}

/// The highest value from one time to another.
fn peak(points: &[Point], from: Duration, to: Duration) -> Option<u64> {
    let between = points.iter().filter(|(at, _)| (from..=to).contains(at));
    between.map(|(_, value)| *value).max()
}

#[derive(Clone, Debug, PartialEq)]
enum Judgement {
    /// The highest value that counts, and what it may be at most.
    Kept {
        peak: u64,
        ceiling: u64,
    },
    Broken {
        peak: u64,
        ceiling: u64,
    },
    Unjudged(&'static str),
}

fn judge(rule: Rule, points: &[Point], total: Duration) -> Judgement {
    let (peak, ceiling) = match rule {
        Rule::Shown => return Judgement::Unjudged("may grow"),
        Rule::AtMost(ceiling) => match peak(points, Duration::ZERO, total) {
            Some(peak) => (peak, ceiling),
            None => return Judgement::Unjudged("never seen"),
        },
        Rule::Flat {
            percent,
            slack,
            full_after,
        } => {
            let [_, second_begins, second_ends, last_begins, end] = marks(total);
            if second_begins < full_after {
                return Judgement::Unjudged("too short a run");
            }
            let second = peak(points, second_begins, second_ends);
            let last = peak(points, last_begins, end);
            match (second, last) {
                (Some(second), Some(last)) => (last, second + second * percent / 100 + slack),
                _ => return Judgement::Unjudged("not seen in both quarters"),
            }
        }
    };
    match peak <= ceiling {
        true => Judgement::Kept { peak, ceiling },
        false => Judgement::Broken { peak, ceiling },
    }
}

/// A figure at the marks, and what is said of it.
#[derive(Debug)]
struct Row {
    name: String,
    marks: [u64; 5],
    judgement: Judgement,
}

#[derive(Debug)]
struct Table(Vec<Row>);

impl Table {
    fn holds(&self) -> bool {
        let is_broken = |row: &Row| matches!(row.judgement, Judgement::Broken { .. });
        !self.0.is_empty() && !self.0.iter().any(is_broken)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["warm", "1st", "2nd", "3rd", "4th quarter"];
        write!(text, "{:34}", "at the end of")?;
        for title in titles {
            write!(text, " {title:>11}")?;
        }
        writeln!(text, "  {:>9} {:>9}", "peak", "ceiling")?;
        for row in &self.0 {
            write!(text, "{:34}", row.name)?;
            // The figures that are no bytes say so in their names.
            let shown = |value: u64| match row.name.starts_with("updates") {
                true => value.to_string(),
                false => format!("{:.1} MiB", value as f64 / MEBIBYTE as f64),
            };
            for value in row.marks {
                write!(text, " {:>11}", shown(value))?;
            }
            match &row.judgement {
                Judgement::Kept { peak, ceiling } => {
                    writeln!(text, "  {:>9} {:>9}  flat", shown(*peak), shown(*ceiling))?;
                }
                Judgement::Broken { peak, ceiling } => {
                    writeln!(text, "  {:>9} {:>9}  GROWS", shown(*peak), shown(*ceiling))?;
                }
                Judgement::Unjudged(why) => writeln!(text, "  {:>19}  {why}", "")?,
            }
        }
        Ok(())
    }
}

/// What came of a soak.
#[derive(Debug)]
pub struct Report {
    /// Why the disk could not be filled.
    without_disk: Option<String>,
    rounds: usize,
    counts: BTreeMap<&'static str, usize>,
    table: Table,
    /// That of the first round in which a promise was broken.
    verdict: Option<Verdict>,
}

impl Report {
    /// Whether every promise was kept, and nothing grew.
    pub fn holds(&self) -> bool {
        self.verdict.is_none() && self.table.holds()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(text, "{} rounds", self.rounds)?;
        for (name, count) in &self.counts {
            writeln!(text, "{count:8} {name}")?;
        }
        write!(text, "{}", self.table)?;
        if let Some(why) = &self.without_disk {
            writeln!(text, "{why}")?;
        }
        match (&self.verdict, self.table.holds()) {
            (Some(verdict), _) => write!(text, "{verdict}"),
            (None, true) => write!(text, "PASS"),
            (None, false) => write!(text, "FAIL: memory or files grow"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A value for each second.
    fn points(total: Duration, value: impl Fn(u64) -> u64) -> Vec<Point> {
        (0..=total.as_secs())
            .map(|second| (Duration::from_secs(second), value(second)))
            .collect()
    }

    fn flat(percent: u64, slack: u64) -> Rule {
        Rule::Flat {
            percent,
            slack,
            full_after: Duration::ZERO,
        }
    }

    #[test]
    fn the_warm_up_is_a_tenth_of_the_time_up_to_ten_minutes() {
        assert_eq!(
            marks(Duration::from_secs(400)).map(|mark| mark.as_secs()),
            [40, 130, 220, 310, 400]
        );
        assert_eq!(marks(10 * HOUR)[0], WARM_UP);
        assert_eq!(marks(10 * HOUR)[4], 10 * HOUR);
    }

    #[test]
    fn what_stays_is_flat_and_what_grows_is_not() {
        let saw = points(HOUR, |second| 1000 + second % 60);
        assert_eq!(
            judge(flat(0, 0), &saw, HOUR),
            Judgement::Kept {
                peak: 1059,
                ceiling: 1059
            }
        );
        // The second quarter ends at 1,980 s, the last one at 3,600 s.
        let grows = points(HOUR, |second| 1000 + second);
        assert_eq!(
            judge(flat(10, 100), &grows, HOUR),
            Judgement::Broken {
                peak: 4600,
                ceiling: 2980 + 298 + 100
            }
        );
        assert!(matches!(
            judge(flat(50, 200), &grows, HOUR),
            Judgement::Kept { .. }
        ));
    }

    #[test]
    fn the_warm_up_and_the_first_quarter_may_have_any_peak_and_hide_nothing() {
        let early = points(HOUR, |second| if second < 1000 { 9000 } else { 1000 });
        assert!(matches!(judge(flat(0, 0), &early, HOUR), Judgement::Kept { .. }));
        let late = points(HOUR, |second| {
            if !(1000..3500).contains(&second) {
                9000
            } else {
                1000
            }
        });
        assert!(matches!(judge(flat(0, 0), &late, HOUR), Judgement::Broken { .. }));
    }

    #[test]
    fn a_single_peak_breaks_a_fixed_ceiling() {
        let peak = points(HOUR, |second| if second == 7 { 661 } else { 5 });
        assert!(matches!(
            judge(Rule::AGE_OF_UPDATES, &peak, HOUR),
            Judgement::Broken {
                peak: 661,
                ceiling: 660
            }
        ));
    }

    #[test]
    fn what_grows_by_design_at_first_is_judged_in_long_runs_only() {
        let log = |total| points(total, |second| second.min(600) * 30);
        let short = Duration::from_secs(8 * 60);
        assert_eq!(
            judge(Rule::UPDATES, &log(short), short),
            Judgement::Unjudged("too short a run")
        );
        assert!(matches!(
            judge(Rule::UPDATES, &log(HOUR), HOUR),
            Judgement::Kept { .. }
        ));
    }

    #[test]
    fn a_table_holds_if_nothing_grows() {
        let mut figures = Figures::default();
        assert!(!figures.judge().holds(), "nothing was seen");
        for (at, value) in points(HOUR, |second| second * MEBIBYTE) {
            figures.note("messenger: database", Rule::DATABASE, at, value);
        }
        assert!(figures.judge().holds(), "an archive may grow");
        for (at, value) in points(HOUR, |second| second * MEBIBYTE) {
            figures.note("host-1: memory", Rule::MEMORY, at, value);
        }
        let table = figures.judge();
        assert!(!table.holds());
        assert!(table.to_string().contains("GROWS"), "{table}");
    }
}
