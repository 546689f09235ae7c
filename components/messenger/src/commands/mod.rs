//! Carries out the commands of an exchange in their order (contract 5.4 and 5.6).
//!
//! Each command is authorized on its own against the database. Changes write the frames for both sides into one update.
//! Questions are answered after all changes.

mod chats;
mod messages;
mod questions;

use service::clock::Millis;
use service::database::Connection;
use sidecar_api::update::Body;
use sidecar_api::{Command, Request};

pub(crate) use crate::commands::chats::{Colleagues, assign_waiting};
pub(crate) use crate::commands::questions::answer as answer_questions;
use crate::error::Error;
use crate::frames::{self, Reply};
use crate::ids;
use crate::store;
use crate::store::chats::Chat;
use crate::store::lock_releases::Release;
use crate::store::messages::Message;

/// The outcome of commands.
#[derive(Default)]
pub(crate) struct Done {
    /// One for each command, in order. The replies to questions are still missing.
    pub replies: Vec<Reply>,
    /// The update for the log.
    pub update: Body,
    /// Frames that are shown once and not stored.
    pub transient: Body,
    /// The closed chats.
    pub closed: Vec<Release>,
}

/// Whether a command may change something.
pub(crate) fn is_change(command: &Command) -> bool {
    match command.request {
        Request::GetChats | Request::GetChatHistory { .. } | Request::Typing { .. } => false,
        Request::SendMessage { .. }
        | Request::StartChat { .. }
        | Request::CloseChat { .. }
        | Request::TransferChat { .. }
        | Request::Read { .. } => true,
    }
}

/// Carries out commands in their order, as many as fit into the answer. Stores consecutive messages together. Call it
/// in a transaction if there are changes.
pub(crate) fn carry_out(
    connection: &Connection,
    commands: &[Command],
    colleagues: &Colleagues,
) -> Result<Done, Error> {
    let commands = &commands[..questions::count_fitting(connection, commands)?];
    messages::log_invalid_positions(commands);
    let mut done = Done::default();
    while let Some(command) = commands.get(done.replies.len()) {
        let reply = match &command.request {
            Request::GetChats | Request::GetChatHistory { .. } => None,
            Request::SendMessage { .. } => {
                let rest = &commands[done.replies.len()..];
                let run: Vec<_> = rest.iter().map_while(messages::sending).collect();
                messages::send(connection, &run, &mut done)?;
                continue;
            }
            Request::StartChat { wait } => chats::start(connection, command, *wait, &mut done)?,
            Request::TransferChat {
                chat_id,
                organizer_id,
            } => chats::transfer(connection, command, chat_id, *organizer_id, colleagues, &mut done)?,
            Request::CloseChat { chat_id } => chats::close(connection, command, chat_id, &mut done)?,
            Request::Typing { chat_id } => chats::typing(connection, command, chat_id, &mut done)?,
            Request::Read { chat_id, seq } => chats::read(connection, command, chat_id, *seq, &mut done)?,
        };
        done.replies.push(reply);
    }
    Ok(done)
}

/// Adds a system message to a chat, in the name of its organizer. The text names its author, "Mayday", because clients
/// of the contract show it as the organizer's.
pub(crate) fn write_note(
    connection: &Connection,
    chat: &Chat,
    content: String,
    now: Millis,
) -> Result<Message, Error> {
    let note = Message {
        chat_id: chat.id.clone(),
        seq: chat.last_seq + 1,
        id: ids::new(now)?,
        author_id: chat.organizer_id,
        from_organizer: true,
        content,
        time_sent: now,
        lat: None,
        lng: None,
        client_id: None,
        is_system: true,
    };
    store::messages::append(connection, std::slice::from_ref(&note))?;
    Ok(note)
}

/// A chat, if it is open and the command's sender is a party to it.
fn open_chat(connection: &Connection, command: &Command, chat_id: &str) -> Result<Option<Chat>, Error> {
    let open = store::chats::open_by_ids(connection, &[chat_id])?;
    Ok(open.into_iter().find(|chat| chat.is_open_to(&command.principal)))
}

fn no_access(chat_id: &str, command: &Command) -> Result<Reply, Error> {
    let message = format!("you have no access to chat {chat_id}");
    frames::error(&message, "no_access", command)
}
