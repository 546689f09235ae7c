//! The exchange: a sidecar sends commands and attendance, and gets replies and updates.

use std::collections::BTreeSet;

use http::StatusCode;
use service::database::{Connection, snapshot, transaction};
use service::door::{Answer, Request};
use sidecar_api::update::{self, Body, Entry};
use sidecar_api::{Command, Cursor, Exchange, Outcome, Queue};

use crate::commands::{self, Colleagues, Done};
use crate::error::Error;
use crate::frames::{self, Reply};
use crate::store::lock_releases::Release;
use crate::store::sidecars::{self, Exchanged};
use crate::store::updates::{self, Position, Update};
use crate::store::{attendance, queue};
use crate::{access, body, lock_releases, store};

/// `POST /internal/exchange`
pub(crate) fn exchange(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let exchange: Exchange = body::parse(request)?;
    let connection = store::open()?;
    let colleagues = Colleagues::of(&exchange.commands);
    let mut carried_out = carry_out(&connection, &exchange, &colleagues)?;
    let closed = std::mem::take(&mut carried_out.closed);
    // The chats are closed even if this fails. The tick retries.
    let later = match lock_releases::release_closed(&connection, closed) {
        Ok(closed) => {
            carried_out.committed.extend(closed.announced);
            closed.later
        }
        Err(error) => {
            service::warn!("could not announce closed chats, retrying at the tick: {error}");
            Vec::new()
        }
    };
    let answer = answer(&connection, &exchange, carried_out)?;
    if later.is_empty() {
        return Ok(answer);
    }
    Ok(answer.followed_by(move || {
        lock_releases::release_later(&connection, later)
            .unwrap_or_else(|error| service::warn!("locks wait to be released: {error}"));
    }))
}

/// The outcome of an exchange.
struct CarriedOut {
    /// The replies show the state right after this update.
    at: Cursor,
    reading: Reading,
    replies: Vec<Reply>,
    /// The ids of the updates that it has committed.
    committed: Vec<i64>,
    /// The update that it has written, if that is the only one since the sidecar's cursor. It need not be read again.
    only: Option<Update>,
    /// Frames that are shown once and not stored.
    transient: Body,
    closed: Vec<Release>,
}

/// How a sidecar goes on reading the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reading {
    /// From its cursor, at least up to where the replies stand.
    UpToReplies,
    /// From its cursor, as much as fits into one answer. There are no replies.
    FarBehind,
    /// From the end of the log, which does not have its cursor. Only a retry gets replies.
    Anew,
}

impl Reading {
    fn of(position: &Position) -> Reading {
        match position {
            Position { is_known: false, .. } => Reading::Anew,
            Position {
                is_far_behind: true, ..
            } => Reading::FarBehind,
            Position { .. } => Reading::UpToReplies,
        }
    }

    /// The commands that can be carried out. There are none if the sidecar would not see their updates with this
    /// answer.
    fn admits(self, commands: &[Command]) -> &[Command] {
        match self {
            Reading::UpToReplies => commands,
            Reading::FarBehind | Reading::Anew => &[],
        }
    }
}

/// Carries out commands: in a transaction if there is something to change, otherwise in a snapshot.
fn carry_out(
    connection: &Connection,
    exchange: &Exchange,
    colleagues: &Colleagues,
) -> Result<CarriedOut, Error> {
    let in_transaction = || transaction(connection, |connection| change(connection, exchange, colleagues));
    if exchange.present.is_some() || exchange.commands.iter().any(commands::is_change) {
        return in_transaction();
    }
    let (position, _) = locate(connection, exchange)?;
    if position.can_assign {
        return in_transaction();
    }
    let reading = Reading::of(&position);
    let commands = reading.admits(&exchange.commands);
    let answered = |at, done: Done| CarriedOut {
        at,
        reading,
        replies: done.replies,
        committed: Vec::new(),
        only: None,
        transient: done.transient,
        closed: Vec::new(),
    };
    if commands.is_empty() {
        return Ok(answered(position.end, Done::default()));
    }
    snapshot(connection, |connection| {
        let at = updates::end(connection)?;
        let mut done = commands::carry_out(connection, commands, colleagues)?;
        commands::answer_questions(connection, commands, &mut done.replies)?;
        Ok(answered(at, done))
    })
}

fn locate(connection: &Connection, exchange: &Exchange) -> Result<(Position, Option<Exchanged>), Error> {
    let this = (exchange.sidecar.as_str(), exchange.number);
    Ok(updates::locate(connection, exchange.cursor, this)?)
}

/// Carries out an exchange that changes something, once. A retry is answered as before.
fn change(
    connection: &Connection,
    exchange: &Exchange,
    colleagues: &Colleagues,
) -> Result<CarriedOut, Error> {
    let (position, last) = locate(connection, exchange)?;
    match last {
        Some(last) if last.number > exchange.number => return Err(Error::Superseded),
        Some(last) if last.number == exchange.number => return answer_retry(&last, &position),
        Some(_) | None => {}
    }
    let mut before_commands = Body::default();
    if let Some(present) = &exchange.present {
        attendance::record(connection, &exchange.sidecar, present)?;
        let informed = attendance::take_to_inform(connection)?;
        frames::lost_chat(&mut before_commands, &informed)?;
    }
    let reading = Reading::of(&position);
    let commands = reading.admits(&exchange.commands);
    let mut done = commands::carry_out(connection, commands, colleagues)?;
    if position.can_assign || exchange.present.is_some() {
        commands::assign_waiting(connection, &mut done.update)?;
    }
    before_commands.append(&done.update);
    let written = updates::append(connection, &before_commands)?;
    commands::answer_questions(connection, commands, &mut done.replies)?;
    let first_id = position.end.id + 1;
    let at = sidecars::record(
        connection,
        &exchange.sidecar,
        exchange.number,
        first_id,
        &serde_json::to_string(&done.replies).map_err(Error::Frame)?,
    )?;
    let is_only = exchange.cursor == Some(position.end) && at.id == first_id && written == Some(first_id);
    Ok(CarriedOut {
        at,
        reading,
        replies: done.replies,
        committed: (first_id..=at.id).collect(),
        only: is_only.then(|| Update {
            cursor: at,
            previous_made_at: position.end.made_at,
            body: before_commands.into_string(),
        }),
        transient: done.transient,
        closed: done.closed,
    })
}

/// The outcome of an exchange that was carried out before. The first call or the tick releases its locks.
fn answer_retry(last: &Exchanged, position: &Position) -> Result<CarriedOut, Error> {
    let replies: Vec<Reply> = serde_json::from_str(&last.replies).map_err(Error::Frame)?;
    let (reading, at) = match Reading::of(position) {
        Reading::Anew => (Reading::Anew, position.end),
        Reading::FarBehind if replies.is_empty() => (Reading::FarBehind, last.at),
        Reading::FarBehind | Reading::UpToReplies => (Reading::UpToReplies, last.at),
    };
    Ok(CarriedOut {
        at,
        reading,
        replies,
        committed: (last.first_id..=last.at.id).collect(),
        only: None,
        transient: Body::default(),
        closed: Vec::new(),
    })
}

fn answer(connection: &Connection, exchange: &Exchange, carried_out: CarriedOut) -> Result<Answer, Error> {
    let CarriedOut {
        mut at,
        reading,
        replies,
        mut committed,
        only,
        transient,
        ..
    } = carried_out;
    let from = match (reading, exchange.cursor) {
        (Reading::UpToReplies | Reading::FarBehind, Some(cursor)) => cursor,
        (Reading::Anew, _) | (_, None) => at,
    };
    let own = committed.last().copied().unwrap_or_default();
    let new = match (reading, only) {
        (Reading::FarBehind, _) => updates::after(connection, from.id, 0)?,
        // What others have written since comes with the next exchange.
        (Reading::UpToReplies, Some(only)) if own == only.cursor.id => vec![only],
        // There is nothing new, or it comes with the next exchange.
        (Reading::UpToReplies | Reading::Anew, _) if from.id >= at.id.max(own) => Vec::new(),
        (Reading::UpToReplies | Reading::Anew, _) => updates::after(connection, from.id, at.id.max(own))?,
    };
    if let (Reading::FarBehind, Some(last)) = (reading, new.last()) {
        at = last.cursor;
    }
    committed.retain(|id| new.iter().any(|update| update.cursor.id == *id));
    let outcome = Outcome {
        at,
        starts_anew: reading == Reading::Anew,
        replies,
        committed,
        queues: queues(connection, exchange, reading, &new)?,
    };
    let mut text = String::with_capacity(new.iter().map(|update| update.body.len() + 64).sum());
    for update in &new {
        update::write_update(
            &mut text,
            update::Update {
                cursor: update.cursor,
                previous_made_at: update.previous_made_at,
                body: &update.body,
            },
        );
    }
    if !transient.is_empty() {
        let not_logged = update::Update {
            cursor: Cursor { id: 0, made_at: 0 },
            previous_made_at: 0,
            body: transient.as_str(),
        };
        update::write_update(&mut text, not_logged);
    }
    let text = outcome.write(&text).map_err(Error::Frame)?;
    Ok(Answer::written(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        text.into_bytes(),
    ))
}

/// The queues for the answer: those asked for, all queues with requests if the sidecar starts anew, and, at a beat (no
/// commands), the changed ones. With commands, exchanges follow each other closely and queues may be long, so the
/// sidecar asks for changed queues itself.
fn queues(
    connection: &Connection,
    exchange: &Exchange,
    reading: Reading,
    new: &[Update],
) -> Result<Vec<Queue>, Error> {
    let mut agencies: BTreeSet<i64> = exchange.queues.iter().copied().collect();
    if reading == Reading::Anew {
        agencies.extend(queue::busy(connection)?);
    }
    if exchange.commands.is_empty() {
        agencies.extend(new.iter().flat_map(|update| changed_queues(&update.body)));
    }
    let queues = agencies
        .into_iter()
        .map(|agency_id| queue::queue(connection, agency_id));
    Ok(queues.collect::<Result<_, _>>()?)
}

/// The queues that an update names. They precede all deliveries.
fn changed_queues(body: &str) -> impl Iterator<Item = i64> {
    update::entries(body).map_while(|entry| match entry {
        Ok(Entry::Queue(agency_id)) => Some(agency_id),
        Ok(Entry::Delivery { .. }) | Err(_) => None,
    })
}
