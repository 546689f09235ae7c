//! Questions: `get_chats` and `get_chat_history`.

use service::database::Connection;
use sidecar_api::{Command, Protocol, Realm, Request};

use crate::error::Error;
use crate::frames::{self, Reply};
use crate::store::chats;
use crate::store::messages::{self, Range};

/// About the most bytes in the answers of an exchange, and in one history. Even escaped and copied that is far below an
/// instance's memory limit and a sidecar's limit for answers.
const MAX_BYTES: i64 = 2 * 1024 * 1024;

/// The bytes that a chat counts without its messages.
const CHAT_BYTES: i64 = 512;

/// How many of the commands fit: those before the first question whose answer would exceed [`MAX_BYTES`]. The first
/// question always fits.
pub(super) fn count_fitting(connection: &Connection, commands: &[Command]) -> Result<usize, Error> {
    let questions: Vec<(usize, &Command)> = commands
        .iter()
        .enumerate()
        .filter(|(_, command)| command.request.is_question())
        .collect();
    if questions.len() < 2 {
        return Ok(commands.len());
    }
    let ranges: Vec<Range> = questions
        .iter()
        .filter_map(|(_, command)| range(command))
        .collect();
    let organizers: Vec<i64> = questions
        .iter()
        .filter(|(_, command)| lists_chats_of_organizer(command))
        .map(|(_, command)| command.principal.user.id)
        .collect();
    let mut histories = messages::sizes(connection, &ranges)?.into_iter();
    let mut open_chats = chats::count_open_of_each(connection, &organizers)?.into_iter();
    let mut bytes = 0;
    for (nth, (place, command)) in questions.into_iter().enumerate() {
        let size = if range(command).is_some() {
            histories.next()
        } else if lists_chats_of_organizer(command) {
            open_chats.next().map(|count| count * CHAT_BYTES)
        } else {
            None
        };
        bytes += size.unwrap_or(CHAT_BYTES).min(MAX_BYTES);
        if nth > 0 && bytes > MAX_BYTES {
            return Ok(place);
        }
    }
    Ok(commands.len())
}

/// The range of a history that the command asks for, if it asks for one.
fn range(command: &Command) -> Option<Range<'_>> {
    let Request::GetChatHistory {
        chat_id,
        after_seq,
        limit,
    } = &command.request
    else {
        return None;
    };
    let after_seq = match command.protocol {
        Protocol::Contract => 0,
        Protocol::Two => *after_seq,
    };
    Some(Range {
        chat_id,
        after_seq,
        up_to_seq: limit.map_or(i64::MAX, |limit| after_seq.saturating_add(limit)),
    })
}

fn lists_chats_of_organizer(command: &Command) -> bool {
    command.request == Request::GetChats && command.principal.user.realm == Realm::Organizer
}

/// Adds the answers to questions to `replies`, which has a place for each command carried out.
pub(crate) fn answer(
    connection: &Connection,
    commands: &[Command],
    replies: &mut [Reply],
) -> Result<(), Error> {
    for (command, reply) in commands.iter().zip(replies) {
        match &command.request {
            Request::GetChats => {
                let open = chats::open_of(connection, command.principal.user)?;
                *reply = frames::chats(&open, command)?;
            }
            Request::GetChatHistory {
                chat_id,
                after_seq,
                limit,
            } => *reply = get_history(connection, command, chat_id, *after_seq, *limit)?,
            Request::SendMessage { .. }
            | Request::StartChat { .. }
            | Request::CloseChat { .. }
            | Request::TransferChat { .. }
            | Request::Typing { .. }
            | Request::Read { .. } => {}
        }
    }
    Ok(())
}

fn get_history(
    connection: &Connection,
    command: &Command,
    chat_id: &str,
    after_seq: i64,
    limit: Option<i64>,
) -> Result<Reply, Error> {
    let Some(chat) = chats::open_to(connection, &command.principal, chat_id)? else {
        return frames::no_access(chat_id, command);
    };
    // Clients of the contract cannot page through a long history, so they get its end.
    let messages = match command.protocol {
        Protocol::Contract => messages::latest(connection, chat_id, MAX_BYTES)?,
        Protocol::Two => messages::after(connection, chat_id, after_seq, limit, MAX_BYTES)?,
    };
    frames::chat_history(&chat, &messages, command.protocol)
}
