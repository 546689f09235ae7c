//! Carries out the commands of an exchange in their order (contract 5.4 and 5.6).
//!
//! Each command is authorized on its own against the database. Changes write the frames for both sides into one update.
//! Questions are answered after all changes.

mod chats;
mod messages;
mod outcome;
mod questions;

use service::database::Connection;
use sidecar_api::{Command, Request};

pub(crate) use crate::commands::chats::{Colleagues, assign_waiting};
pub(crate) use crate::commands::outcome::Done;
pub(crate) use crate::commands::questions::answer as answer_questions;
use crate::error::Error;

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
