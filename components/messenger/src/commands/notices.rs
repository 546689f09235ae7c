//! Commands that tell the other side of a chat something and store no message: `typing` and `read`.

use std::collections::{BTreeSet, HashMap};

use service::database::Connection;
use sidecar_api::{Command, Request};

use crate::commands::Placed;
use crate::commands::outcome::Done;
use crate::error::Error;
use crate::frames;
use crate::store::chats::{self, Chat};

/// The chat of a `typing` or `read` command.
fn chat_id(command: &Command) -> Option<&str> {
    match &command.request {
        Request::Typing { chat_id } | Request::Read { chat_id, .. } => Some(chat_id),
        Request::SendMessage { .. }
        | Request::StartChat { .. }
        | Request::CloseChat { .. }
        | Request::TransferChat { .. }
        | Request::GetChats
        | Request::GetChatHistory { .. } => None,
    }
}

/// Tells the other sides of chats who types and how far a side has read. One statement looks up all chats, and another
/// one stores how far their sides have read. A mark is at most the number of the last message, also of this section.
pub(super) fn send(connection: &Connection, section: &[Placed], done: &mut Done) -> Result<(), Error> {
    let notices: Vec<(usize, &Command, &str)> = section
        .iter()
        .filter_map(|&(place, command)| Some((place, command, chat_id(command)?)))
        .collect();
    if notices.is_empty() {
        return Ok(());
    }
    let chat_ids: BTreeSet<&str> = notices.iter().map(|&(.., chat_id)| chat_id).collect();
    let chat_ids: Vec<&str> = chat_ids.into_iter().collect();
    let mut open: HashMap<String, Chat> = chats::open_by_ids(connection, &chat_ids)?
        .into_iter()
        .map(|chat| (chat.id.clone(), chat))
        .collect();
    let mut read = BTreeSet::new();
    for (place, command, chat_id) in notices {
        let chat = open.get_mut(chat_id);
        let Some(chat) = chat.filter(|chat| chat.is_open_to(&command.principal)) else {
            done.replies[place] = frames::no_access(chat_id, command)?;
            continue;
        };
        let author = command.principal.user;
        if let Request::Read { seq, .. } = command.request {
            let seq = seq.min(chat.last_seq);
            if chat.read(author.realm, seq) {
                frames::read(&mut done.update, chat, author.realm, seq)?;
                read.insert(chat_id);
            }
        } else {
            frames::typing(&mut done.transient, chat, author)?;
        }
    }
    let read: Vec<&Chat> = read.into_iter().filter_map(|chat_id| open.get(chat_id)).collect();
    Ok(chats::store_read(connection, &read)?)
}
