//! What clients see of chats and messages (contract 1.5), and the frames that carry it (contract 5.5).

use relay_protocol::{CommandOutcome, Delivery, Realm, User};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use service::clock::{self, ZERO_TIME};

use crate::error::Error;
use crate::store::chats::Chat;
use crate::store::messages::Message;

/// How to reach a participant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    pub id: i64,
    pub email: String,
    pub phone_number: String,
}

impl Contact {
    /// What was known at the press; nothing, when the account was gone before the press could be delivered.
    pub(crate) fn kept(chat: &Chat) -> Option<Contact> {
        let known = !chat.email.is_empty();
        known.then(|| Contact {
            id: chat.participant_id,
            email: chat.email.clone(),
            phone_number: chat.phone_number.clone(),
        })
    }
}

/// A chat; with `participant` in its enriched form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatBody {
    id: String,
    agency_id: i64,
    event_id: i64,
    organizer_id: i64,
    participant_id: i64,
    ended: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat_start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lng_start: Option<f64>,
    time_start: String,
    time_end: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<Contact>,
}

impl ChatBody {
    pub(crate) fn new(chat: &Chat, participant: Option<Contact>) -> ChatBody {
        ChatBody {
            id: chat.id.clone(),
            agency_id: chat.agency_id,
            event_id: chat.event_id,
            organizer_id: chat.organizer_id,
            participant_id: chat.participant_id,
            ended: chat.ended.into(),
            lat_start: chat.lat_start,
            lng_start: chat.lng_start,
            time_start: clock::format(chat.time_start),
            time_end: chat.time_end.map_or_else(|| ZERO_TIME.to_owned(), clock::format),
            participant,
        }
    }
}

/// A message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageBody<'a> {
    id: &'a str,
    chat_id: &'a str,
    author_id: i64,
    from_organizer: u8,
    content: &'a str,
    time_sent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lng: Option<f64>,
}

impl<'a> MessageBody<'a> {
    pub(crate) fn new(message: &'a Message) -> MessageBody<'a> {
        MessageBody {
            id: &message.id,
            chat_id: &message.chat_id,
            author_id: message.author_id,
            from_organizer: message.from_organizer.into(),
            content: &message.content,
            time_sent: clock::format(message.time_sent),
            lat: message.lat,
            lng: message.lng,
        }
    }
}

/// `chats`, to whoever asked. Organizers see whom they talk to.
pub(crate) fn chats(chats: &[Chat], asked_by: Realm) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    struct Chats {
        chats: Vec<ChatBody>,
    }
    let contact = |chat| {
        if asked_by == Realm::Organizer {
            Contact::kept(chat)
        } else {
            None
        }
    };
    let chats = chats
        .iter()
        .map(|chat| ChatBody::new(chat, contact(chat)))
        .collect();
    reply("chats", &Chats { chats })
}

/// `chat_history`, to whoever asked.
pub(crate) fn chat_history(chat_id: &str, messages: &[Message]) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct History<'a> {
        chat_id: &'a str,
        messages: Vec<MessageBody<'a>>,
    }
    reply(
        "chat_history",
        &History {
            chat_id,
            messages: messages.iter().map(MessageBody::new).collect(),
        },
    )
}

/// `info`, to whoever asked.
pub(crate) fn info(message: &str) -> Result<CommandOutcome, Error> {
    reply("info", &Text { message })
}

/// `error`, to whoever asked.
pub(crate) fn error(message: &str) -> Result<CommandOutcome, Error> {
    reply("error", &Text { message })
}

/// `new_chat` to both parties, and behind it the description.
pub(crate) fn started(chat: &Chat, description: Option<&Message>) -> Result<CommandOutcome, Error> {
    let new_chat = delivery(chat, 0, "new_chat", &ChatBody::new(chat, Contact::kept(chat)))?;
    let description = description
        .map(|message| user_message(chat, message))
        .transpose()?;
    Ok(CommandOutcome {
        reply: None,
        deliveries: [Some(new_chat), description].into_iter().flatten().collect(),
    })
}

/// `user_message` to both parties.
pub(crate) fn said(chat: &Chat, message: &Message) -> Result<CommandOutcome, Error> {
    Ok(CommandOutcome {
        reply: None,
        deliveries: vec![user_message(chat, message)?],
    })
}

/// `closed_chat` to both parties, behind the chat's last message.
pub(crate) fn closed(chat: &Chat, last_seq: i64) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Closed<'a> {
        chat_id: &'a str,
    }
    let closed = delivery(chat, last_seq + 1, "closed_chat", &Closed { chat_id: &chat.id })?;
    Ok(CommandOutcome {
        reply: None,
        deliveries: vec![closed],
    })
}

#[derive(Serialize)]
struct Text<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct Frame<'a, Payload> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: &'a Payload,
}

fn frame(kind: &str, payload: &impl Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(&Frame { kind, payload }).map_err(Error::Frame)
}

fn reply(kind: &str, payload: &impl Serialize) -> Result<CommandOutcome, Error> {
    Ok(CommandOutcome {
        reply: Some(frame(kind, payload)?),
        deliveries: Vec::new(),
    })
}

fn user_message(chat: &Chat, message: &Message) -> Result<Delivery, Error> {
    delivery(chat, message.seq, "user_message", &MessageBody::new(message))
}

fn delivery(chat: &Chat, position: i64, kind: &str, payload: &impl Serialize) -> Result<Delivery, Error> {
    let organizer = User {
        realm: Realm::Organizer,
        id: chat.organizer_id,
    };
    let participant = User {
        realm: Realm::Participant,
        id: chat.participant_id,
    };
    let frame = frame(kind, payload)?;
    Ok(Delivery {
        to: vec![organizer, participant],
        chat_id: chat.id.clone(),
        position,
        frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Chat {
        Chat {
            id: "0a1b2c3d4e5f60718293a4b5".to_owned(),
            request_id: "request".to_owned(),
            agency_id: 4,
            event_id: 9,
            organizer_id: 12,
            participant_id: 31,
            email: "p@example.org".to_owned(),
            phone_number: "+48555000111".to_owned(),
            ended: false,
            lat_start: Some(0.0),
            lng_start: None,
            time_start: 1_777_629_600_120,
            time_end: None,
        }
    }

    /// The samples of contract 5.5; a location of 0 is a value, an absent one is no key at all.
    #[test]
    fn new_chat_is_the_enriched_chat_itself() {
        let outcome = started(&chat(), None).unwrap();
        let expected = r#"{"type":"new_chat","payload":{"id":"0a1b2c3d4e5f60718293a4b5","agencyId":4,"eventId":9,"organizerId":12,"participantId":31,"ended":0,"latStart":0.0,"timeStart":"2026-05-01T10:00:00.120Z","timeEnd":"0001-01-01T00:00:00Z","participant":{"id":31,"email":"p@example.org","phoneNumber":"+48555000111"}}}"#;
        assert_eq!(outcome.deliveries[0].frame.get(), expected);
        assert_eq!(outcome.deliveries[0].position, 0);
        assert!(outcome.reply.is_none());
    }

    #[test]
    fn chats_are_plain_for_participants_and_enriched_for_organizers() {
        let plain = chats(&[chat()], Realm::Participant).unwrap().reply.unwrap();
        assert!(!plain.get().contains("p@example.org"));
        let enriched = chats(&[chat()], Realm::Organizer).unwrap().reply.unwrap();
        assert!(enriched.get().contains("p@example.org"));
        let none = chats(&[], Realm::Organizer).unwrap().reply.unwrap();
        assert_eq!(none.get(), r#"{"type":"chats","payload":{"chats":[]}}"#);
    }

    #[test]
    fn closed_chat_comes_behind_the_last_message() {
        let outcome = closed(&chat(), 7).unwrap();
        assert_eq!(outcome.deliveries[0].position, 8);
        let expected = r#"{"type":"closed_chat","payload":{"chatId":"0a1b2c3d4e5f60718293a4b5"}}"#;
        assert_eq!(outcome.deliveries[0].frame.get(), expected);
    }
}
