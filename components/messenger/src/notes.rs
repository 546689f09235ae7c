//! Notes: messages that Mayday itself adds to a chat.

use service::clock::Millis;
use service::database::Connection;

use crate::error::Error;
use crate::ids;
use crate::store::chats::Chat;
use crate::store::messages::{self, Message};

/// The note that a guest has signed in, once the account is deleted. Before that, [`guest_signed_in`] adds the e-mail.
pub(crate) const GUEST_SIGNED_IN: &str = "Mayday: the guest has signed in";

/// The note that a guest has signed in to the account with this e-mail.
pub(crate) fn guest_signed_in(email: &str) -> String {
    format!("{GUEST_SIGNED_IN} as {email}.")
}

/// Adds a system message to a chat, in the name of its organizer. The text names its author, "Mayday", because clients
/// of the contract show it as the organizer's.
pub(crate) fn write(
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
    messages::append(connection, std::slice::from_ref(&note))?;
    Ok(note)
}
