//! Commands that send messages.

use std::collections::HashSet;

use service::clock;
use service::database::Connection;
use service::position::Position;
use sidecar_api::{Command, Realm, Request};

use crate::commands::Placed;
use crate::commands::outcome::Done;
use crate::error::Error;
use crate::store::messages::{self, Key, Known, Message, Saved};
use crate::{frames, ids};

/// A command that sends a message.
struct Sending<'a> {
    command: &'a Command,
    chat_id: &'a str,
    content: &'a str,
    client_id: Option<&'a str>,
    lat: Option<f64>,
    lng: Option<f64>,
}

/// A command's message, if it is one. Positions are kept for participants only (contract 5.4).
fn sending(command: &Command) -> Option<Sending<'_>> {
    let Request::SendMessage {
        chat_id,
        message,
        client_id,
        lat,
        lng,
    } = &command.request
    else {
        return None;
    };
    let is_located = command.principal.user.realm == Realm::Participant;
    Some(Sending {
        command,
        chat_id,
        content: message,
        client_id: client_id.as_deref(),
        lat: lat.filter(|_| is_located),
        lng: lng.filter(|_| is_located),
    })
}

impl Sending<'_> {
    /// The author's position, if the message has a valid one. A message is stored even if its position is invalid; the
    /// sidecar, which knows the client's trace, has logged that.
    fn position(&self) -> Option<Position> {
        Position::new(self.lat, self.lng).ok().flatten()
    }

    fn key(&self) -> Option<Key> {
        let author = self.command.principal.user;
        self.client_id
            .map(|client_id| Key::new(self.chat_id, author, client_id))
    }

    fn message(&self, id: String, seq: i64) -> Message {
        let author = self.command.principal.user;
        let position = self.position();
        Message {
            chat_id: self.chat_id.to_owned(),
            seq,
            id,
            author_id: author.id,
            from_organizer: author.realm == Realm::Organizer,
            content: self.content.to_owned(),
            time_sent: self.command.received_at,
            lat: position.map(|position| position.lat),
            lng: position.map(|position| position.lng),
            client_id: self.client_id.map(str::to_owned),
            is_system: false,
        }
    }
}

/// Stores all messages of a section with one statement, each with its chat's next number. A message whose client id is
/// known from the same author in the same chat is neither stored nor shown again, even if the chat has ended. It is
/// answered as before.
pub(super) fn send(connection: &Connection, section: &[Placed], done: &mut Done) -> Result<(), Error> {
    let sendings: Vec<(usize, Sending)> = section
        .iter()
        .filter_map(|&(place, command)| Some((place, sending(command)?)))
        .collect();
    if sendings.is_empty() {
        return Ok(());
    }
    let chat_ids: HashSet<&str> = sendings.iter().map(|(_, sending)| sending.chat_id).collect();
    let chat_ids: Vec<&str> = chat_ids.into_iter().collect();
    let keys: Vec<Key> = sendings.iter().filter_map(|(_, sending)| sending.key()).collect();
    let Known { mut chats, mut saved } = messages::known(connection, &chat_ids, &keys)?;
    let mut ids = ids::several(clock::now(), sendings.len())?.into_iter();
    let mut new = Vec::with_capacity(sendings.len());
    for (place, sending) in &sendings {
        let reply = &mut done.replies[*place];
        let key = sending.key();
        if let Some(known) = key.as_ref().and_then(|key| saved.get(key)) {
            *reply = frames::message_saved(known, sending.chat_id, sending.command)?;
            continue;
        }
        let chat = chats
            .get_mut(sending.chat_id)
            .filter(|(parties, _)| parties.may_write(&sending.command.principal));
        let (Some((parties, last_seq)), Some(id)) = (chat, ids.next()) else {
            *reply = frames::no_access(sending.chat_id, sending.command)?;
            continue;
        };
        *last_seq += 1;
        let message = sending.message(id, *last_seq);
        frames::message(&mut done.update, *parties, &message)?;
        if let Some(key) = key {
            let known = Saved {
                id: message.id.clone(),
                seq: message.seq,
                time_sent: message.time_sent,
            };
            *reply = frames::message_saved(&known, sending.chat_id, sending.command)?;
            saved.insert(key, known);
        }
        new.push(message);
    }
    Ok(messages::append(connection, &new)?)
}
