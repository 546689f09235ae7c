//! `GET /statistics`: figures of an agency's presses, or of one event's. docs/organizer-api.md describes them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{self, snapshot};
use service::door::{Answer, Request};

use crate::answer::json;
use crate::error::Error;
use crate::store::figures::{self, Outcome, Scope, Waits, Work};
use crate::{access, query, store};

/// The period, if the query does not say it, and the longest one.
const DAY: Millis = 24 * 60 * 60 * 1000;
pub(crate) const LONGEST: Millis = 31 * DAY;

/// A series has at most so many steps, each of one of these lengths in seconds.
pub(crate) const MOST_STEPS: i64 = 120;
const STEP_SECONDS: [i64; 8] = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    event_id: Option<i64>,
    #[serde(serialize_with = "clock::timestamp")]
    from: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    to: Millis,
    presses: usize,
    taken_back: usize,
    waiting: usize,
    taken: usize,
    waits: WaitFigures,
    step_seconds: i64,
    series: Vec<Step>,
    organizers: Vec<Organizer>,
}

/// How long presses waited. `None` when there were none to tell from.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitFigures {
    median_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    within15_seconds: Option<f64>,
    within20_seconds: Option<f64>,
}

/// The presses of one step of time.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    #[serde(serialize_with = "clock::timestamp")]
    at: Millis,
    presses: usize,
    taken: usize,
    median_wait_seconds: Option<f64>,
}

/// The chats that an organizer has, or had last.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Organizer {
    organizer_id: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    chats: usize,
    median_wait_seconds: Option<f64>,
    median_minutes: Option<f64>,
}

/// `GET /statistics`
pub(crate) fn show_statistics(request: &Request) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    let event_id = query::number(request, "eventId", 1..)?;
    let (from, to) = read_times(request)?;
    let statistics = snapshot(&store::open()?, |connection| {
        let (from, to) = period(from, to, database::now(connection)?)?;
        let scope = Scope {
            agency_id,
            event_id,
            from,
            to,
        };
        let step_seconds = step_seconds(from, to);
        let waits = figures::waits(connection, &scope, step_seconds * 1000)?;
        let work = figures::work(connection, &scope)?;
        Ok::<_, Error>(statistics(&scope, step_seconds, waits, work))
    })?;
    Ok(json(StatusCode::OK, &statistics))
}

/// The times of a query.
pub(crate) fn read_times(request: &Request) -> Result<(Option<Millis>, Option<Millis>), Error> {
    Ok((
        query::time(request.query("from"), "from")?,
        query::time(request.query("to"), "to")?,
    ))
}

/// The period that a query asks for: by default the last day.
pub(crate) fn period(
    from: Option<Millis>,
    to: Option<Millis>,
    now: Millis,
) -> Result<(Millis, Millis), Error> {
    let to = to.unwrap_or(now);
    let from = from.unwrap_or(to - DAY);
    if from >= to {
        return Err(Error::BadRequest("`from` must be before `to`".to_owned()));
    }
    if to - from > LONGEST {
        let message = "`from` and `to` must be at most 31 days apart";
        return Err(Error::BadRequest(message.to_owned()));
    }
    Ok((from, to))
}

/// The shortest step with which a series of the period is not too long.
pub(crate) fn step_seconds(from: Millis, to: Millis) -> i64 {
    let fits = |seconds: &&i64| to - from <= **seconds * 1000 * MOST_STEPS;
    let longest = STEP_SECONDS[STEP_SECONDS.len() - 1];
    STEP_SECONDS.iter().find(fits).copied().unwrap_or(longest)
}

/// Presses, counted.
#[derive(Default)]
struct Tally {
    waiting: usize,
    withdrawn: usize,
    /// How long the presses waited that were taken, and the others so far.
    taken: Vec<Millis>,
    unanswered: Vec<Millis>,
}

impl Tally {
    fn add(&mut self, outcome: Outcome, waits: &[Millis]) {
        match outcome {
            Outcome::Waiting => self.waiting += waits.len(),
            Outcome::Withdrawn => self.withdrawn += waits.len(),
            Outcome::Taken => {}
        }
        match outcome {
            Outcome::Taken => self.taken.extend(waits),
            Outcome::Waiting | Outcome::Withdrawn => self.unanswered.extend(waits),
        }
    }

    fn presses(&self) -> usize {
        self.taken.len() + self.unanswered.len()
    }
}

fn statistics(scope: &Scope, step_seconds: i64, waits: Vec<Waits>, work: Vec<Work>) -> Statistics {
    let (mut all, mut steps) = (Tally::default(), BTreeMap::<Millis, Tally>::new());
    for found in waits {
        all.add(found.outcome, &found.waits);
        steps
            .entry(found.at)
            .or_default()
            .add(found.outcome, &found.waits);
    }
    Statistics {
        event_id: scope.event_id,
        from: scope.from,
        to: scope.to,
        presses: all.presses(),
        taken_back: all.withdrawn,
        waiting: all.waiting,
        taken: all.taken.len(),
        waits: WaitFigures {
            within15_seconds: share_within(15_000, &all),
            within20_seconds: share_within(20_000, &all),
            median_seconds: median(&mut all.taken).map(seconds),
            p90_seconds: percentile(&mut all.taken, 90).map(seconds),
        },
        step_seconds,
        series: series(scope, step_seconds * 1000, steps),
        organizers: organizers(work),
    }
}

/// A step for all times of the period, also for those without a press.
fn series(scope: &Scope, step: Millis, mut steps: BTreeMap<Millis, Tally>) -> Vec<Step> {
    let mut series = Vec::new();
    let mut at = scope.from.div_euclid(step) * step;
    while at < scope.to {
        let mut tally = steps.remove(&at).unwrap_or_default();
        series.push(Step {
            at,
            presses: tally.presses(),
            taken: tally.taken.len(),
            median_wait_seconds: median(&mut tally.taken).map(seconds),
        });
        at += step;
    }
    series
}

/// One row for each organizer, under the latest name that is known.
fn organizers(work: Vec<Work>) -> Vec<Organizer> {
    let mut merged = BTreeMap::<i64, Work>::new();
    for found in work {
        match merged.entry(found.organizer_id) {
            Entry::Vacant(entry) => {
                entry.insert(found);
            }
            Entry::Occupied(mut entry) => {
                let own = entry.get_mut();
                own.waits.extend(found.waits);
                own.durations.extend(found.durations);
                if !found.name.is_empty() {
                    own.name = found.name;
                }
            }
        }
    }
    let organizer = |mut work: Work| Organizer {
        organizer_id: work.organizer_id,
        name: work.name,
        chats: work.waits.len(),
        median_wait_seconds: median(&mut work.waits).map(seconds),
        median_minutes: median(&mut work.durations).map(minutes),
    };
    merged.into_values().map(organizer).collect()
}

/// The share of presses that somebody took within a time. One that was not taken counts as missed once it has lasted
/// longer, and not at all before.
fn share_within(limit: Millis, tally: &Tally) -> Option<f64> {
    let within = tally.taken.iter().filter(|wait| **wait <= limit).count();
    let missed = tally.unanswered.iter().filter(|wait| **wait > limit).count();
    let counted = tally.taken.len() + missed;
    (counted > 0).then(|| within as f64 / counted as f64)
}

/// The middle one, or the mean of the middle two.
fn median(values: &mut [Millis]) -> Option<Millis> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    Some(Millis::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

/// The smallest value that is not below so many of a hundred values.
fn percentile(values: &mut [Millis], percent: usize) -> Option<Millis> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

fn seconds(time: Millis) -> f64 {
    time as f64 / 1000.0
}

/// With one decimal.
fn minutes(time: Millis) -> f64 {
    (time as f64 / 6000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    fn scope(from: Millis, to: Millis) -> Scope {
        Scope {
            agency_id: 4,
            event_id: None,
            from,
            to,
        }
    }

    fn waits(at: Millis, outcome: Outcome, waits: &[Millis]) -> Waits {
        Waits {
            at,
            outcome,
            waits: waits.to_vec(),
        }
    }

    fn of(found: Vec<Waits>) -> Statistics {
        statistics(&scope(0, 3 * MINUTE), 60, found, Vec::new())
    }

    #[test]
    fn a_median_is_the_middle_and_a_percentile_the_nearest_rank() {
        for (values, middle, ninetieth) in [
            (&[][..], None, None),
            (&[7], Some(7), Some(7)),
            (&[9, 1], Some(5), Some(9)),
            (&[3, 1, 2], Some(2), Some(3)),
            (&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], Some(5), Some(9)),
            (&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], Some(6), Some(10)),
        ] {
            let mut values = values.to_vec();
            assert_eq!(median(&mut values), middle, "{values:?}");
            assert_eq!(percentile(&mut values, 90), ninetieth, "{values:?}");
        }
    }

    #[test]
    fn every_press_is_taken_waits_or_was_taken_back() {
        let figures = of(vec![
            waits(0, Outcome::Taken, &[2000, 4000]),
            waits(0, Outcome::Withdrawn, &[1000]),
            waits(MINUTE, Outcome::Waiting, &[500]),
            waits(MINUTE, Outcome::Taken, &[60_000]),
        ]);
        let counts = [
            figures.presses,
            figures.taken,
            figures.taken_back,
            figures.waiting,
        ];
        assert_eq!(counts, [5, 3, 1, 1]);
        assert_eq!(
            (figures.waits.median_seconds, figures.waits.p90_seconds),
            (Some(4.0), Some(60.0))
        );
    }

    #[test]
    fn an_unanswered_press_is_missed_once_it_has_lasted_longer() {
        let share = |found| {
            let WaitFigures {
                within15_seconds: fifteen,
                within20_seconds: twenty,
                ..
            } = of(found).waits;
            (fifteen, twenty)
        };
        assert_eq!(share(Vec::new()), (None, None));
        assert_eq!(share(vec![waits(0, Outcome::Waiting, &[15_000])]), (None, None));
        let taken = || waits(0, Outcome::Taken, &[15_000, 15_001, 20_000]);
        assert_eq!(share(vec![taken()]), (Some(1.0 / 3.0), Some(1.0)));
        for unanswered in [Outcome::Waiting, Outcome::Withdrawn] {
            let found = vec![taken(), waits(0, unanswered, &[1, 15_001])];
            assert_eq!(share(found), (Some(0.25), Some(1.0)), "{unanswered:?}");
            let found = vec![taken(), waits(0, unanswered, &[20_001])];
            assert_eq!(share(found), (Some(0.25), Some(0.75)), "{unanswered:?}");
        }
    }

    #[test]
    fn the_series_has_every_step_of_the_period() {
        let found = vec![
            waits(MINUTE, Outcome::Taken, &[1000, 3000]),
            waits(MINUTE, Outcome::Waiting, &[9000]),
        ];
        let series = statistics(&scope(30_000, 2 * MINUTE + 1), 60, found, Vec::new()).series;
        let step = |at, presses, taken, median_wait_seconds| Step {
            at,
            presses,
            taken,
            median_wait_seconds,
        };
        let expected = [
            step(0, 0, 0, None),
            step(MINUTE, 3, 2, Some(2.0)),
            step(2 * MINUTE, 0, 0, None),
        ];
        assert_eq!(series, expected);
    }

    #[test]
    fn a_series_is_of_any_period_and_never_long() {
        for (period, expected) in [
            (1, 60),
            (2 * 60 * MINUTE, 60),
            (2 * 60 * MINUTE + 1, 300),
            (DAY, 900),
            (LONGEST, 12 * 3600),
        ] {
            assert_eq!(step_seconds(7, 7 + period), expected, "{period}");
            let series = statistics(&scope(7, 7 + period), expected, Vec::new(), Vec::new()).series;
            assert!((1..=121).contains(&series.len()), "{period}: {}", series.len());
        }
    }

    #[test]
    fn an_organizer_has_one_row_under_the_latest_name() {
        let work = |organizer_id, name: &str, waits: &[Millis], durations: &[Millis]| Work {
            organizer_id,
            name: name.to_owned(),
            waits: waits.to_vec(),
            durations: durations.to_vec(),
        };
        let found = organizers(vec![
            work(7, "Anna Kos", &[1000], &[60_000]),
            work(7, "Anna Nowak", &[2000, 9000], &[66_000, 600_000]),
            work(7, "", &[3000], &[]),
            work(8, "", &[500], &[]),
        ]);
        let expected = [
            Organizer {
                organizer_id: 7,
                name: "Anna Nowak".to_owned(),
                chats: 4,
                median_wait_seconds: Some(2.5),
                median_minutes: Some(1.1),
            },
            Organizer {
                organizer_id: 8,
                name: String::new(),
                chats: 1,
                median_wait_seconds: Some(0.5),
                median_minutes: None,
            },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_period_is_the_last_day_unless_the_query_says_otherwise() {
        let now = 100 * DAY;
        assert_eq!(period(None, None, now).unwrap(), (99 * DAY, now));
        assert_eq!(period(Some(98 * DAY), None, now).unwrap(), (98 * DAY, now));
        assert_eq!(period(None, Some(50 * DAY), now).unwrap(), (49 * DAY, 50 * DAY));
        assert_eq!(period(Some(0), Some(LONGEST), now).unwrap(), (0, LONGEST));
        for (from, to) in [
            (Some(now), None),
            (Some(5), Some(4)),
            (Some(0), Some(LONGEST + 1)),
        ] {
            assert!(period(from, to, now).is_err(), "{from:?} {to:?}");
        }
    }
}
