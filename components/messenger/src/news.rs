//! What happens without a sidecar having asked: sidecars say who is there, and hear whose queue has changed and who has been given
//! a chat.
//!
//! Every sidecar reads all news for itself, so nothing here depends on Redis.

use http::StatusCode;
use relay_protocol::{Beat, News};
use service::clock::{self, Millis};
use service::database::{snapshot, transaction};
use service::door::{Answer, Request};
use service::settings;
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::queue::LATELY;
use crate::store::{attendance, chats, news, queue, sidecars};
use crate::{access, body, commands, frames, json, store};

/// `POST /internal/beat`
pub(crate) fn beat(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Beat {
        sidecar,
        organizers,
        cursor,
        leaves,
    } = body(request)?;
    let connection = store::open()?;
    if let Some(organizers) = organizers {
        transaction(&connection, |connection| {
            let now = clock::now();
            attendance::note(connection, &sidecar, &organizers, now)?;
            if leaves {
                sidecars::leave(connection, &sidecar)?;
            } else {
                sidecars::note(connection, &sidecar, now)?;
            }
            Ok::<_, Error>(())
        })?;
    }
    if sidecars::is_one_silent(&connection, clock::now())? {
        transaction(&connection, |connection| {
            if sidecars::give_up_silent(connection, clock::now())? {
                news::announce_loss(connection)?;
            }
            Ok::<_, Error>(())
        })?;
    }
    if !attendance::matches(&connection, clock::now())?.is_empty() {
        transaction(&connection, |connection| {
            commands::give_out(connection, clock::now())
        })?;
    }
    let news = snapshot(&connection, |connection| read(connection, cursor))?;
    Ok(json(StatusCode::OK, &news))
}

fn read(connection: &Connection, cursor: Option<i64>) -> Result<News, Error> {
    let since = clock::now() - LATELY;
    let (first, last) = news::range(connection)?;
    let (complete, deliveries, changed) = match cursor {
        Some(after) if after == last => (true, Vec::new(), Vec::new()),
        Some(after) if (first - 1..=last).contains(&after) => {
            let complete = !news::tells_of_loss(connection, after)?;
            let queues = if complete {
                news::changed_queues(connection, after)?
            } else {
                news::busy_queues(connection)?
            };
            (complete, news::deliveries(connection, after)?, queues)
        }
        // A sidecar that has just come may have let somebody in who has missed something since.
        _ => (false, Vec::new(), news::busy_queues(connection)?),
    };
    let queues = changed
        .into_iter()
        .map(|agency_id| news::queue(connection, agency_id, since))
        .collect::<Result<_, _>>()?;
    Ok(News {
        next: last,
        complete,
        deliveries,
        queues,
    })
}

/// Gives the chats back to the queue whose organizers have been gone for too long, notes which waits are estimated anew, and forgets what is old. Part
/// of the tick.
pub(crate) fn tidy(connection: &Connection) -> Result<(), Error> {
    let now = clock::now();
    transaction(connection, |connection| {
        news::forget_old(connection)?;
        attendance::forget_old(connection, now)?;
        sidecars::forget_old(connection, now)?;
        queue::forget_cancelled(connection, now)?;
        news::announce_estimates(connection, now - LATELY)?;
        let patience = Millis::from(settings::number("orphan_requeue_seconds")?) * 1000;
        if patience == 0 {
            return Ok(());
        }
        let mut orphans = attendance::orphans(connection, now - patience, now)?;
        orphans.extend(attendance::given_to_nobody(connection, now)?);
        for orphan in orphans {
            requeue(connection, &orphan, now)?;
        }
        Ok::<_, Error>(())
    })
}

fn requeue(connection: &Connection, chat_id: &str, now: Millis) -> Result<(), Error> {
    let Some(chat) = chats::find(connection, chat_id)? else {
        return Ok(());
    };
    let said_by = format!("{chat_id}/requeued/{}", chat.next_position());
    let text = "Your organizer has lost the connection. You keep your place in the queue.";
    let Some(note) = commands::note(connection, &chat, text, &said_by, now)? else {
        return Ok(());
    };
    chats::requeue(connection, chat_id)?;
    Ok(news::announce(connection, &frames::requeued(&chat, &note)?)?)
}
