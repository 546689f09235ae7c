//! Carries out the commands of an exchange (contract 5.4 and 5.6).
//!
//! Each command is authorized on its own against the database. Changes write the frames for both sides into one update.
//!
//! Commands are carried out in sections. A command that closes a chat or hands one over takes somebody's access away,
//! so it is a section of its own. In any other section, chats are started first, one by one; then all messages are
//! stored, and then all notices are sent, each kind with as many statements as one of it needs. Starting a chat only
//! gives access: it may allow a message that came before it, and never refuses one. Questions are answered after all
//! sections.

mod chats;
mod messages;
mod notices;
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

/// A command and its place among the commands of the exchange.
type Placed<'a> = (usize, &'a Command);

/// Whether a command can take away somebody's access to an open chat.
fn takes_access_away((_, command): &Placed) -> bool {
    matches!(
        command.request,
        Request::CloseChat { .. } | Request::TransferChat { .. }
    )
}

/// Carries out commands, as many as fit into the answer. Call it in a transaction if there are changes.
pub(crate) fn carry_out(
    connection: &Connection,
    commands: &[Command],
    colleagues: &Colleagues,
) -> Result<Done, Error> {
    let commands = &commands[..questions::count_fitting(connection, commands)?];
    let mut done = Done::of(commands.len());
    let placed: Vec<Placed> = commands.iter().enumerate().collect();
    for section in placed.chunk_by(|one, next| !takes_access_away(one) && !takes_access_away(next)) {
        for &(place, command) in section {
            let reply = match &command.request {
                Request::StartChat { wait } => chats::start(connection, command, *wait, &mut done)?,
                Request::TransferChat {
                    chat_id,
                    organizer_id,
                } => chats::transfer(connection, command, chat_id, *organizer_id, colleagues, &mut done)?,
                Request::CloseChat { chat_id } => chats::close(connection, command, chat_id, &mut done)?,
                Request::SendMessage { .. }
                | Request::Typing { .. }
                | Request::Read { .. }
                | Request::GetChats
                | Request::GetChatHistory { .. } => None,
            };
            done.replies[place] = reply;
        }
        messages::send(connection, section, &mut done)?;
        notices::send(connection, section, &mut done)?;
    }
    Ok(done)
}
