//! The tick: the work that is due every second or two.

use http::StatusCode;
use service::clock::{self, Millis};
use service::database::{Connection, transaction};
use service::door::{Answer, Request};
use service::settings;
use sidecar_api::update::Body;

use crate::error::Error;
use crate::store::{attendance, chats, queue, sidecars, ticks, updates};
use crate::{access, frames, gone_agencies, lock_releases, notes, retention, store};

/// `POST /internal/tick`: the dispatcher calls it.
pub(crate) fn tick(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let connection = store::open()?;
    let is_noted = transaction(&connection, requeue_and_forget)?;
    if is_noted {
        gone_agencies::end_requests(&connection)?;
    }
    lock_releases::release_due(&connection)?;
    retention::apply(&connection)?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Re-queues unattended chats, marks queues whose estimate has changed, and deletes old rows. Notes the tick; returns
/// whether it was time for that.
fn requeue_and_forget(connection: &Connection) -> Result<bool, Error> {
    let is_noted = ticks::record(connection)?;
    updates::forget_old(connection)?;
    attendance::forget_old(connection)?;
    sidecars::forget_old(connection)?;
    queue::forget_cancelled(connection)?;
    let mut body = Body::default();
    for agency_id in queue::with_new_estimates(connection)? {
        body.queue_changed(agency_id);
    }
    let patience = Millis::from(settings::number("orphan_requeue_seconds")?) * 1000;
    if patience > 0 {
        for chat_id in attendance::unattended(connection, patience)? {
            requeue(connection, &chat_id, &mut body)?;
        }
    }
    updates::append(connection, &body)?;
    Ok(is_noted)
}

fn requeue(connection: &Connection, chat_id: &str, body: &mut Body) -> Result<(), Error> {
    let Some(chat) = chats::find(connection, chat_id)? else {
        return Ok(());
    };
    let text = "Mayday: your organizer has lost the connection. You keep your place in the queue.";
    let note = notes::write(connection, &chat, text.to_owned(), clock::now())?;
    chats::requeue(connection, chat_id)?;
    attendance::inform_later(connection, chat.organizer_id)?;
    frames::requeued(body, &chat, &note)
}
