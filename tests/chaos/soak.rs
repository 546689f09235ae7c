//! A soak: rounds of new clients on one system, for hours, while memory and files are watched. Neither may grow with
//! time.
//!
//! Storms spare hosts and sidecars: a process that is replaced again and again could leak what it likes. In each round
//! readers pin the databases once, and their disk fills up once. The rules for clients hold throughout, and no process
//! may end by itself.
//!
//! A figure is flat if its highest value in the last quarter is at most that of the second quarter, and a margin. The
//! quarters are those of the time after a warm-up. Most figures have a fixed ceiling besides: one that is too high from
//! the beginning, or grows within the margin, is found by it. What could not be judged is named at the end.

use std::collections::{BTreeMap, VecDeque};
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

/// From then on a soak is long enough for every rule: the log of updates has its full length when the second quarter
/// begins.
const JUDGES_ALL: Duration = Duration::from_secs(35 * 60);

/// The time between two looks at memory and files.
const LOOK: Duration = Duration::from_secs(1);

/// How long an update stays in the log at least (`KEPT` in the messenger). The log has its full length after that.
const UPDATES_KEPT: Duration = Duration::from_secs(10 * 60);

/// How long after that an update may still be there. Ticks delete it, and fail while the disk is full.
const UPDATES_FORGOTTEN: Duration = Duration::from_secs(60);

/// What logs get is counted for so long.
const LOGGED: Duration = Duration::from_secs(60);

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
    let mut system = System::start(plan, disk).await?;
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
        let (history, violations) = round.judge(&record, &system);
        let verdict = Verdict::new(plan, &history, &record, violations);
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
    let logs = system.logs();
    let mut logged = VecDeque::new();
    loop {
        let at = began.elapsed();
        for (name, process) in system.running() {
            if let Ok(bytes) = resident_bytes(process) {
                let rule = match name.as_str() {
                    name if name.starts_with("host") => Rule::MEMORY_OF_HOST,
                    name if name.starts_with("sidecar") => Rule::MEMORY_OF_SIDECAR,
                    _ => Rule::MEMORY,
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
        let all = logs.iter().map(|directory| size_of_files(directory)).sum();
        figures.note(
            "logs: written in a minute",
            Rule::LOGS,
            at,
            lately(&mut logged, at, all),
        );
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

/// Files that have not been made yet have no size.
fn size_of_files(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// How much a size has grown within [`LOGGED`]. `seen` has its values of that time.
fn lately(seen: &mut VecDeque<Point>, at: Duration, size: u64) -> u64 {
    seen.push_back((at, size));
    while seen.front().is_some_and(|(before, _)| *before + LOGGED < at) {
        seen.pop_front();
    }
    seen.front().map_or(0, |(_, before)| size.saturating_sub(*before))
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
        /// It never exceeds this.
        at_most: u64,
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
        at_most: 512 * MEBIBYTE,
    };
    /// A host has an instance of 1 to 2 MiB for each request. While readers pin a database, or other programs keep the
    /// machine busy, requests take longer, so more run at once: a peak may have 30 more than those before. At most a
    /// host takes half of what a pod of the app may have (`deploy/spinkube/base/app.yaml`).
    const MEMORY_OF_HOST: Rule = Rule::Flat {
        percent: 15,
        slack: (16 + 48) * MEBIBYTE,
        full_after: Duration::ZERO,
        at_most: 512 * MEBIBYTE,
    };
    /// Besides, a sidecar keeps the latest updates: 32 MiB, which an hour of a soak may take to fill. The most is 8 MiB
    /// for itself, 48 MiB for updates (`deploy/spinkube/base/sidecar.yaml`), and 40 MiB for the sockets and frames of
    /// these few people and what the allocator keeps.
    const MEMORY_OF_SIDECAR: Rule = Rule::Flat {
        percent: 15,
        slack: (16 + 32) * MEBIBYTE,
        full_after: Duration::ZERO,
        at_most: (8 + 48 + 40) * MEBIBYTE,
    };
    /// It has what was written while readers pinned the database, and people write more or less. Above the most, the
    /// alarm MaydayWriteAheadLogGrows comes.
    const WRITE_AHEAD_LOG: Rule = Rule::Flat {
        percent: 50,
        slack: 4 * MEBIBYTE,
        full_after: Duration::ZERO,
        at_most: 256_000_000,
    };
    const DATABASE: Rule = Rule::Shown;
    /// Logs grow until the operator deletes them, but not faster and faster: errors that come again and again do that.
    /// At the most, a disk of 20 GB would be full within a day.
    const LOGS: Rule = Rule::Flat {
        percent: 100,
        slack: 4 * MEBIBYTE,
        full_after: Duration::ZERO,
        at_most: 16 * MEBIBYTE,
    };
    /// How many there may be at most depends on how much people write. Their age has a fixed ceiling.
    const UPDATES: Rule = Rule::Flat {
        percent: 25,
        slack: 1000,
        full_after: UPDATES_KEPT,
        at_most: u64::MAX,
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
    /// The rule could not be applied.
    Unjudged(&'static str),
    /// It may be what it likes.
    Free,
}

fn judge(rule: Rule, points: &[Point], total: Duration) -> Judgement {
    let (peak, ceiling) = match rule {
        Rule::Shown => return Judgement::Free,
        Rule::AtMost(ceiling) => match peak(points, Duration::ZERO, total) {
            Some(peak) => (peak, ceiling),
            None => return Judgement::Unjudged("never seen"),
        },
        Rule::Flat {
            percent,
            slack,
            full_after,
            at_most,
        } => {
            if let Some(peak) = peak(points, Duration::ZERO, total).filter(|peak| *peak > at_most) {
                return Judgement::Broken {
                    peak,
                    ceiling: at_most,
                };
            }
            let [_, second_begins, second_ends, last_begins, end] = marks(total);
            if second_begins < full_after {
                return Judgement::Unjudged("too short a run");
            }
            let second = peak(points, second_begins, second_ends);
            let last = peak(points, last_begins, end);
            match (second, last) {
                (Some(second), Some(last)) => (last, at_most.min(second + second * percent / 100 + slack)),
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

    /// The figures whose rule could not be applied, and why.
    fn unjudged(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|row| match row.judgement {
            Judgement::Unjudged(why) => Some(format!("{} ({why})", row.name)),
            _ => None,
        })
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
                    writeln!(text, "  {:>9} {:>9}  TOO HIGH", shown(*peak), shown(*ceiling))?;
                }
                Judgement::Unjudged(why) => writeln!(text, "  {:>19}  NOT JUDGED: {why}", "")?,
                Judgement::Free => writeln!(text, "  {:>19}  may grow", "")?,
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
    /// Whether every promise was kept that was tried, and nothing was too high that was judged.
    pub fn holds(&self) -> bool {
        self.verdict.is_none() && self.table.holds()
    }

    /// Whether nothing was left out. Only then a soak is evidence.
    pub fn is_complete(&self) -> bool {
        self.unjudged().is_empty()
    }

    /// What was left out.
    fn unjudged(&self) -> Vec<String> {
        let disk = self.without_disk.iter().map(|_| "a full disk".to_owned());
        disk.chain(self.table.unjudged()).collect()
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
            (None, false) => write!(text, "FAIL: memory or files grow, or are too large"),
            (None, true) => match self.unjudged() {
                unjudged if unjudged.is_empty() => write!(text, "PASS"),
                unjudged => write!(
                    text,
                    "INCOMPLETE: what was judged holds, but not judged: {}. To judge all, run it for {} minutes or \
                     more, with the right to mount",
                    unjudged.join(", "),
                    JUDGES_ALL.as_secs() / 60
                ),
            },
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
            at_most: u64::MAX,
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
    fn what_is_too_high_all_the_time_or_grows_within_the_margin_breaks_a_fixed_ceiling() {
        let large = points(HOUR, |_| 1024 * MEBIBYTE);
        assert_eq!(
            judge(Rule::WRITE_AHEAD_LOG, &large, HOUR),
            Judgement::Broken {
                peak: 1024 * MEBIBYTE,
                ceiling: 256_000_000
            }
        );
        // 2.5 MiB a minute, beside the updates.
        let leak = points(JUDGES_ALL, |second| 20 * MEBIBYTE + second * 5 * MEBIBYTE / 120);
        assert!(matches!(
            judge(Rule::MEMORY_OF_SIDECAR, &leak, JUDGES_ALL),
            Judgement::Broken { .. }
        ));
        let short = Duration::from_secs(8 * 60);
        let many = points(short, |_| 1001);
        let rule = Rule::Flat {
            percent: 0,
            slack: 0,
            full_after: UPDATES_KEPT,
            at_most: 1000,
        };
        assert!(
            matches!(judge(rule, &many, short), Judgement::Broken { .. }),
            "also in a short run"
        );
    }

    #[test]
    fn what_logs_get_is_counted_for_a_minute() {
        let mut seen = VecDeque::new();
        let mut at = |second, size| lately(&mut seen, Duration::from_secs(second), size);
        assert_eq!(at(0, 1000), 0, "what was there before the run");
        assert_eq!(at(30, 1300), 300);
        assert_eq!(at(60, 1400), 400);
        assert_eq!(at(61, 1500), 200);
        assert_eq!(at(200, 1500), 0);
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
            judge(Rule::UPDATES, &log(JUDGES_ALL), JUDGES_ALL),
            Judgement::Kept { .. }
        ));
    }

    /// A soak in which no promise was broken.
    fn report(without_disk: Option<&str>, total: Duration) -> Report {
        let mut figures = Figures::default();
        for (at, rows) in points(total, |second| second.min(600) * 30) {
            figures.note("updates: rows", Rule::UPDATES, at, rows);
            figures.note("messenger: database", Rule::DATABASE, at, rows);
        }
        Report {
            without_disk: without_disk.map(str::to_owned),
            rounds: 4,
            counts: BTreeMap::new(),
            table: figures.judge(),
            verdict: None,
        }
    }

    #[test]
    fn a_soak_passes_only_with_what_it_has_judged() {
        let all = report(None, JUDGES_ALL);
        assert!(all.holds() && all.is_complete());
        assert!(all.to_string().ends_with("\nPASS"), "{all}");

        let short = report(None, Duration::from_secs(8 * 60));
        assert!(short.holds() && !short.is_complete());
        let text = short.to_string();
        assert!(
            text.contains(
                "\nINCOMPLETE: what was judged holds, but not judged: updates: rows (too short a run). To judge all, \
                 run it for 35 minutes"
            ),
            "{text}"
        );

        let without_disk = report(Some("the disk cannot be filled: not permitted"), JUDGES_ALL);
        assert!(without_disk.holds() && !without_disk.is_complete());
        let text = without_disk.to_string();
        assert!(
            text.contains("\nthe disk cannot be filled: not permitted\n"),
            "{text}"
        );
        assert!(
            text.contains("\nINCOMPLETE: what was judged holds, but not judged: a full disk. To judge all"),
            "{text}"
        );
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
            figures.note("host-1: memory", Rule::MEMORY_OF_HOST, at, value);
        }
        let table = figures.judge();
        assert!(!table.holds());
        assert!(table.to_string().contains("TOO HIGH"), "{table}");
        // 27 MiB from the second quarter to the last, and 108 MiB.
        for (seconds_for_one, holds) in [(60, true), (15, false)] {
            let mut figures = Figures::default();
            for (at, value) in points(HOUR, |second| (40 + second / seconds_for_one) * MEBIBYTE) {
                figures.note("host-1: memory", Rule::MEMORY_OF_HOST, at, value);
            }
            assert_eq!(figures.judge().holds(), holds, "{seconds_for_one}");
        }
    }
}
