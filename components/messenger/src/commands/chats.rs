//! Commands that start, hand over and close chats.

use std::collections::{HashMap, HashSet};

use service::clock::{self, Millis};
use service::database::Connection;
use sidecar_api::update::Body;
use sidecar_api::{Command, Realm, Request};

use crate::bindings::mayday::platform::identity;
use crate::commands::outcome::Done;
use crate::error::Error;
use crate::frames::{self, Reply};
use crate::lock_releases;
use crate::notes;
use crate::store::attendance::{self, Match};
use crate::store::chats::{self, Chat, Start};
use crate::store::lock_releases::Release;
use crate::store::messages;

/// Gives the organizer the head of the queue. If the queue is empty and the organizer wants to wait, [`assign_waiting`]
/// gives them the next request when it comes.
pub(super) fn start(
    connection: &Connection,
    command: &Command,
    wait: Option<bool>,
    done: &mut Done,
) -> Result<Reply, Error> {
    let nobody_waits = || frames::info("no new chats", "no_new_chats", command);
    let principal = &command.principal;
    let (Realm::Organizer, Some(agency_id)) = (principal.user.realm, principal.agency_id) else {
        return nobody_waits();
    };
    let organizer_id = principal.user.id;
    if wait == Some(false) {
        attendance::stop_waiting(connection, organizer_id)?;
        return frames::info("you do not wait for a chat any more", "not_waiting", command);
    }
    if let Some(limit) = principal.max_open_chats
        && chats::count_open(connection, organizer_id)? >= i64::from(limit)
    {
        let message = format!("you have reached the limit of {limit} open chats");
        return frames::error(&message, "too_many_chats", command);
    }
    let started = if done.nobody_waits_at.contains(&agency_id) {
        None
    } else {
        let organizer = (organizer_id, principal.name.as_str());
        chats::start(connection, agency_id, organizer, Start::Asked)?
    };
    match started {
        Some(chat) => {
            if wait.is_some() {
                attendance::stop_waiting(connection, organizer_id)?;
            }
            show_started(connection, &chat, command.received_at, &mut done.update)?;
            Ok(None)
        }
        None => {
            done.nobody_waits_at.insert(agency_id);
            if wait.is_none() {
                return nobody_waits();
            }
            attendance::wait(connection, principal, agency_id)?;
            frames::info("you will be given the next chat", "waiting", command)
        }
    }
}

/// Gives requests to organizers who wait for them.
pub(crate) fn assign_waiting(connection: &Connection, update: &mut Body) -> Result<(), Error> {
    for found in attendance::matches(connection)? {
        let Match {
            organizer_id,
            agency_id,
            name,
        } = found;
        // `None` when earlier organizers have taken all requests.
        if let Some(chat) = chats::start(connection, agency_id, (organizer_id, &name), Start::Given)? {
            attendance::stop_waiting(connection, organizer_id)?;
            show_started(connection, &chat, clock::now(), update)?;
        }
    }
    Ok(())
}

/// Shows `new_chat`, and after it the description. If the chat was re-queued, the organizer finds its messages in the
/// history, and a note tells the participant that an organizer is there.
fn show_started(connection: &Connection, chat: &Chat, now: Millis, update: &mut Body) -> Result<(), Error> {
    frames::started(update, chat)?;
    let message = if chat.has_been_requeued {
        let name = match chat.organizer_name.as_str() {
            "" => "an organizer",
            name => name,
        };
        let text = format!("Mayday: {name} is with you now.");
        Some(notes::write(connection, chat, text, now)?)
    } else {
        messages::description(connection, &chat.id)?
    };
    match message {
        Some(message) => frames::message(update, chat.parties(), &message),
        None => Ok(()),
    }
}

/// The targets of `transfer_chat` commands who work for the same agency, by agency. An agency that the organizer
/// service has not answered about is missing.
#[derive(Default)]
pub(crate) struct Colleagues(HashMap<i64, HashSet<i64>>);

impl Colleagues {
    /// Asks the organizer service, once for each agency with such commands, until it fails to answer: all users of the
    /// sidecar wait for this. Call it before the transaction, in which nothing may wait for another service.
    pub(crate) fn of(commands: &[Command]) -> Colleagues {
        let mut wanted: HashMap<i64, Vec<i64>> = HashMap::new();
        for command in commands {
            if let (Request::TransferChat { organizer_id, .. }, Some(agency_id)) =
                (&command.request, command.principal.agency_id)
            {
                wanted.entry(agency_id).or_default().push(*organizer_id);
            }
        }
        let mut colleagues = HashMap::new();
        for (agency_id, ids) in wanted {
            match identity::colleagues(agency_id, &ids) {
                Ok(found) => drop(colleagues.insert(agency_id, HashSet::from_iter(found))),
                Err(identity::Error::Unavailable(_)) => break,
                Err(identity::Error::Other(_)) => {}
            }
        }
        Colleagues(colleagues)
    }
}

/// Hands a chat over to a colleague of the same agency, and notes that in the chat.
pub(super) fn transfer(
    connection: &Connection,
    command: &Command,
    chat_id: &str,
    organizer_id: i64,
    colleagues: &Colleagues,
    done: &mut Done,
) -> Result<Reply, Error> {
    let principal = &command.principal;
    let from = principal.user.id;
    let own = chats::open_to(connection, &command.principal, chat_id)?
        .filter(|_| principal.user.realm == Realm::Organizer);
    let Some(chat) = own else {
        return frames::no_access(chat_id, command);
    };
    match colleagues.0.get(&chat.agency_id) {
        Some(known) if known.contains(&organizer_id) && organizer_id != from => {}
        Some(_) => {
            let message = format!("no colleague with id {organizer_id}");
            return frames::error(&message, "unknown_colleague", command);
        }
        None => {
            return frames::error("chat could not be transferred", "unavailable", command);
        }
    }
    if let Some(limit) = principal.max_open_chats
        && chats::count_open(connection, organizer_id)? >= i64::from(limit)
    {
        let message = format!("colleague {organizer_id} has reached the limit of {limit} open chats");
        return frames::error(&message, "too_many_chats", command);
    }
    let text = "Mayday: a colleague takes over this chat.".to_owned();
    let note = notes::write(connection, &chat, text, command.received_at)?;
    match chats::transfer(connection, chat_id, organizer_id)? {
        Some(chat) => {
            frames::transferred(&mut done.update, &chat, &note, from)?;
            Ok(None)
        }
        None => frames::no_access(chat_id, command),
    }
}

/// Ends a chat. Both sides see `closed_chat` when its lock has been released.
pub(super) fn close(
    connection: &Connection,
    command: &Command,
    chat_id: &str,
    done: &mut Done,
) -> Result<Reply, Error> {
    let user = command.principal.user;
    let closed = match user.realm {
        Realm::Organizer => chats::close(connection, chat_id, user.id)?,
        Realm::Participant => None,
    };
    let Some(chat) = closed else {
        return frames::no_access(chat_id, command);
    };
    let release = Release::of(&chat);
    lock_releases::enqueue(connection, &release)?;
    done.closed.push(release);
    Ok(None)
}
