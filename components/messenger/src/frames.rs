//! What clients see of chats and messages (contract 1.5), and the frames that carry it (contract 5.5).

use relay_protocol::{Audience, Command, CommandOutcome, Delivery, Place, Protocol, Realm, Stage, User};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use service::clock::{self, ZERO_TIME};

use crate::error::Error;
use crate::store::chats::{Chat, State};
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
    /// What this service knows; nothing, when the account is gone.
    pub(crate) fn kept(chat: &Chat) -> Option<Contact> {
        chat.contact.as_ref().map(|contact| Contact {
            id: chat.participant_id,
            email: contact.email.clone(),
            phone_number: contact.phone_number.clone(),
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
            ended: (chat.state == State::Ended).into(),
            lat_start: chat.lat_start,
            lng_start: chat.lng_start,
            time_start: clock::format(chat.time_start),
            time_end: chat.time_end.map_or_else(|| ZERO_TIME.to_owned(), clock::format),
            participant,
        }
    }
}

/// A message; where protocol 2 is spoken with its number.
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
    #[serde(flatten)]
    number: Option<Number<'a>>,
}

/// What protocol 2 adds to a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Number<'a> {
    seq: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    system: bool,
}

impl<'a> MessageBody<'a> {
    pub(crate) fn new(message: &'a Message, protocol: Protocol) -> MessageBody<'a> {
        MessageBody {
            id: &message.id,
            chat_id: &message.chat_id,
            author_id: message.author_id,
            from_organizer: message.from_organizer.into(),
            content: &message.content,
            time_sent: clock::format(message.time_sent),
            lat: message.lat,
            lng: message.lng,
            number: (protocol == Protocol::Two).then(|| Number::new(message)),
        }
    }
}

impl<'a> Number<'a> {
    fn new(message: &'a Message) -> Number<'a> {
        Number {
            seq: message.seq,
            client_id: message.client_id.as_deref(),
            system: message.is_system,
        }
    }
}

/// What protocol 2 adds to a chat of one's own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    state: &'static str,
    last_seq: i64,
    read_seq: i64,
    own_read_seq: i64,
}

impl Progress {
    fn new(chat: &Chat, asked_by: Realm) -> Progress {
        let (read_seq, own_read_seq) = match asked_by {
            Realm::Organizer => (chat.read_by_participant, chat.read_by_organizer),
            Realm::Participant => (chat.read_by_organizer, chat.read_by_participant),
        };
        Progress {
            state: match chat.state {
                State::Waiting => "waiting",
                State::Active => "active",
                State::Ended => "ended",
            },
            last_seq: chat.last_seq,
            read_seq,
            own_read_seq,
        }
    }
}

/// `chats`, to whoever asked. Organizers see whom they talk to.
pub(crate) fn chats(chats: &[Chat], command: &Command) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    struct Own {
        #[serde(flatten)]
        chat: ChatBody,
        #[serde(flatten)]
        progress: Option<Progress>,
    }
    #[derive(Serialize)]
    struct Chats {
        chats: Vec<Own>,
    }
    let asked_by = command.principal.user.realm;
    let own = |chat: &Chat| {
        let contact = match asked_by {
            Realm::Organizer => Contact::kept(chat),
            Realm::Participant => None,
        };
        Own {
            chat: ChatBody::new(chat, contact),
            progress: (command.protocol == Protocol::Two).then(|| Progress::new(chat, asked_by)),
        }
    };
    let chats = chats.iter().map(own).collect();
    reply("chats", &Chats { chats })
}

/// `chat_history`, to whoever asked.
pub(crate) fn chat_history(
    chat: &Chat,
    messages: &[Message],
    protocol: Protocol,
) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct History<'a> {
        chat_id: &'a str,
        messages: Vec<MessageBody<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seq: Option<i64>,
    }
    let history = History {
        chat_id: &chat.id,
        messages: messages
            .iter()
            .map(|message| MessageBody::new(message, protocol))
            .collect(),
        last_seq: (protocol == Protocol::Two).then_some(chat.last_seq),
    };
    let last = messages.last().filter(|_| protocol == Protocol::Contract);
    Ok(CommandOutcome {
        shown: last.map(|message| place(chat, message.position)),
        ..reply("chat_history", &history)?
    })
}

/// `info`, to whoever asked.
pub(crate) fn info(message: &str, code: &'static str, command: &Command) -> Result<CommandOutcome, Error> {
    reply("info", &Text::new(message, code, command))
}

/// `error`, to whoever asked.
pub(crate) fn error(message: &str, code: &'static str, command: &Command) -> Result<CommandOutcome, Error> {
    reply("error", &Text::new(message, code, command))
}

/// `new_chat` to both parties, and behind it the description. To the participant of a chat that waited again it is no new chat, but one that goes
/// on, which clients of the contract need not be told.
pub(crate) fn started(chat: &Chat, description: Option<&Message>) -> Result<CommandOutcome, Error> {
    let new_chat = new_chat(chat, chat.new_chat_position)?;
    let mut frames = if chat.new_chat_position == 0 {
        vec![new_chat]
    } else {
        let to_participant = Delivery {
            to: vec![participant(chat)],
            audience: Audience::Two,
            ..new_chat.clone()
        };
        let to_organizer = Delivery {
            to: vec![organizer(chat.organizer_id)],
            ..new_chat
        };
        vec![to_organizer, to_participant]
    };
    if let Some(description) = description {
        frames.push(user_message(chat, description)?);
    }
    Ok(deliveries(frames))
}

pub(crate) fn new_chat(chat: &Chat, position: i64) -> Result<Delivery, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct More {
        last_seq: i64,
    }
    let more = More {
        last_seq: chat.last_seq,
    };
    let delivery = delivery(
        chat,
        position,
        "new_chat",
        &ChatBody::new(chat, Contact::kept(chat)),
    )?;
    Ok(Delivery {
        more: Some(object(&more)?),
        ..staged(delivery, Stage::Opens)
    })
}

/// `message_saved` to whoever gave the message an id, and `user_message` to both parties.
pub(crate) fn said(
    chat: &Chat,
    message: &Message,
    command: &Command,
    again: bool,
) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Saved<'a> {
        client_id: &'a str,
        id: &'a str,
        chat_id: &'a str,
        seq: i64,
        time_sent: String,
    }
    let reply = command
        .request
        .client_id()
        .map(|client_id| {
            let saved = Saved {
                client_id,
                id: &message.id,
                chat_id: &message.chat_id,
                seq: message.seq,
                time_sent: clock::format(message.time_sent),
            };
            frame("message_saved", &saved)
        })
        .transpose()?;
    // Behind closed_chat nothing is shown any more; who asks again has been told that it is stored.
    let is_over = again && chat.state == State::Ended;
    let deliveries = if is_over {
        Vec::new()
    } else {
        vec![Delivery {
            again,
            ..user_message(chat, message)?
        }]
    };
    Ok(CommandOutcome {
        reply,
        deliveries,
        shown: None,
    })
}

/// `closed_chat` to both parties, behind everything else of the chat.
pub(crate) fn closed(chat: &Chat) -> Result<CommandOutcome, Error> {
    Ok(deliveries(vec![closed_chat(chat, chat.next_position())?]))
}

/// `closed_chat` to the participant, who has taken back a request that waited again. Its organizer has seen the chat go already.
pub(crate) fn taken_back(chat: &Chat) -> Result<Delivery, Error> {
    Ok(Delivery {
        to: vec![participant(chat)],
        ..closed_chat(chat, chat.next_position())?
    })
}

pub(crate) fn closed_chat(chat: &Chat, position: i64) -> Result<Delivery, Error> {
    let closed = delivery(chat, position, "closed_chat", &ChatId { chat_id: &chat.id })?;
    Ok(staged(closed, Stage::Closes))
}

/// The note to who had the chat and to its participant, `new_chat` to the colleague, and what has become of the chat to the others. Who had
/// it and speaks only the contract sees the chat go as if it were closed, which is the one way that such a client knows.
pub(crate) fn transferred(chat: &Chat, note: &Message, from: i64) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Transferred<'a> {
        chat_id: &'a str,
        from_organizer_id: i64,
        organizer_id: i64,
    }
    let transferred = Transferred {
        chat_id: &chat.id,
        from_organizer_id: from,
        organizer_id: chat.organizer_id,
    };
    let note = Delivery {
        to: vec![organizer(from), participant(chat)],
        ..user_message(chat, note)?
    };
    let new_chat = Delivery {
        to: vec![organizer(chat.organizer_id)],
        ..new_chat(chat, chat.new_chat_position)?
    };
    let participant_is_told = Delivery {
        to: vec![participant(chat)],
        audience: Audience::Two,
        ..delivery(chat, chat.new_chat_position, "chat_transferred", &transferred)?
    };
    let told = &participant_is_told.frame;
    let predecessor_is_told = taken_from(chat, from, chat.new_chat_position, told)?;
    Ok(deliveries(vec![
        note,
        new_chat,
        participant_is_told,
        predecessor_is_told,
    ]))
}

/// What everybody is told whose chat waits again: the participant gets the note, and an organizer who is there after all sees
/// the chat go.
pub(crate) fn requeued(chat: &Chat, note: &Message) -> Result<Vec<Delivery>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Requeued<'a> {
        chat_id: &'a str,
        organizer_id: i64,
    }
    let requeued = Requeued {
        chat_id: &chat.id,
        organizer_id: chat.organizer_id,
    };
    let shown_note = Delivery {
        to: vec![participant(chat)],
        ..user_message(chat, note)?
    };
    let participant_is_told = Delivery {
        to: vec![participant(chat)],
        place: None,
        audience: Audience::Two,
        ..delivery(chat, 0, "chat_requeued", &requeued)?
    };
    // Where the participant gets the note.
    let position = note.position;
    let organizer_is_told = taken_from(chat, chat.organizer_id, position, &participant_is_told.frame)?;
    Ok(vec![shown_note, participant_is_told, organizer_is_told])
}

/// Takes a chat from an organizer, for whom nothing of it comes behind: `told` where protocol 2 is spoken, and otherwise `closed_chat`.
fn taken_from(chat: &Chat, organizer_id: i64, position: i64, told: &RawValue) -> Result<Delivery, Error> {
    Ok(Delivery {
        to: vec![organizer(organizer_id)],
        instead: Some(told.to_owned()),
        ..closed_chat(chat, position)?
    })
}

/// `typing`, to the other side.
pub(crate) fn typing(chat: &Chat, author: User) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Typing<'a> {
        chat_id: &'a str,
        author_id: i64,
        from_organizer: u8,
    }
    let typing = Typing {
        chat_id: &chat.id,
        author_id: author.id,
        from_organizer: (author.realm == Realm::Organizer).into(),
    };
    to_other_side(chat, author.realm, "typing", &typing)
}

/// `read`, to the other side.
pub(crate) fn read(chat: &Chat, by: Realm, seq: i64) -> Result<CommandOutcome, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Read<'a> {
        chat_id: &'a str,
        seq: i64,
        from_organizer: u8,
    }
    let read = Read {
        chat_id: &chat.id,
        seq,
        from_organizer: (by == Realm::Organizer).into(),
    };
    to_other_side(chat, by, "read", &read)
}

/// What is no part of the chat's log, and only for those who know it. While the chat waits there is no other side.
fn to_other_side(
    chat: &Chat,
    from: Realm,
    kind: &str,
    payload: &impl Serialize,
) -> Result<CommandOutcome, Error> {
    let to = match from {
        Realm::Organizer => vec![participant(chat)],
        Realm::Participant if chat.state == State::Active => vec![organizer(chat.organizer_id)],
        Realm::Participant => Vec::new(),
    };
    let delivery = Delivery {
        to,
        place: None,
        audience: Audience::Two,
        ..delivery(chat, 0, kind, payload)?
    };
    Ok(deliveries(vec![delivery]))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatId<'a> {
    chat_id: &'a str,
}

/// A text for people, and where protocol 2 is spoken what it means to a program and which message it is about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl<'a> Text<'a> {
    fn new(message: &'a str, code: &'static str, command: &'a Command) -> Text<'a> {
        Text {
            message,
            code: (command.protocol == Protocol::Two).then_some(code),
            client_id: command.request.client_id(),
        }
    }
}

#[derive(Serialize)]
struct Frame<'a, Payload> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: &'a Payload,
}

fn frame(kind: &str, payload: &impl Serialize) -> Result<Box<RawValue>, Error> {
    object(&Frame { kind, payload })
}

fn object(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(Error::Frame)
}

fn reply(kind: &str, payload: &impl Serialize) -> Result<CommandOutcome, Error> {
    Ok(CommandOutcome {
        reply: Some(frame(kind, payload)?),
        ..CommandOutcome::default()
    })
}

fn deliveries(deliveries: Vec<Delivery>) -> CommandOutcome {
    CommandOutcome {
        deliveries,
        ..CommandOutcome::default()
    }
}

pub(crate) fn user_message(chat: &Chat, message: &Message) -> Result<Delivery, Error> {
    Ok(Delivery {
        more: Some(object(&Number::new(message))?),
        ..delivery(
            chat,
            message.position,
            "user_message",
            &MessageBody::new(message, Protocol::Contract),
        )?
    })
}

/// For both parties, or only the participant while the chat waits for another organizer.
fn delivery(chat: &Chat, position: i64, kind: &str, payload: &impl Serialize) -> Result<Delivery, Error> {
    let to = match chat.state {
        State::Waiting => vec![participant(chat)],
        State::Active | State::Ended => vec![organizer(chat.organizer_id), participant(chat)],
    };
    Ok(Delivery {
        to,
        place: Some(place(chat, position)),
        audience: Audience::Everyone,
        frame: frame(kind, payload)?,
        more: None,
        instead: None,
        again: false,
        revision: None,
    })
}

fn place(chat: &Chat, position: i64) -> Place {
    Place {
        chat_id: chat.id.clone(),
        position,
        stage: Stage::Middle,
    }
}

fn staged(delivery: Delivery, stage: Stage) -> Delivery {
    Delivery {
        place: delivery.place.map(|place| Place { stage, ..place }),
        ..delivery
    }
}

fn organizer(id: i64) -> User {
    User {
        realm: Realm::Organizer,
        id,
    }
}

fn participant(chat: &Chat) -> User {
    User {
        realm: Realm::Participant,
        id: chat.participant_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::chats;
    use relay_protocol::{Principal, Request};

    fn chat() -> Chat {
        Chat {
            id: "0a1b2c3d4e5f60718293a4b5".to_owned(),
            request_id: "request".to_owned(),
            agency_id: 4,
            event_id: 9,
            organizer_id: 12,
            participant_id: 31,
            contact: Some(chats::Contact {
                email: "p@example.org".to_owned(),
                phone_number: "+48555000111".to_owned(),
            }),
            state: State::Active,
            lat_start: Some(0.0),
            lng_start: None,
            time_start: 1_777_629_600_120,
            time_end: None,
            last_seq: 7,
            shifts: 0,
            new_chat_position: 0,
            read_by_organizer: 2,
            read_by_participant: 5,
            started_at_revision: 3,
            given_at_revision: 3,
            closed_at_revision: 0,
        }
    }

    fn position(outcome: &CommandOutcome) -> i64 {
        outcome.deliveries[0].place.as_ref().unwrap().position
    }

    fn command(realm: Realm, protocol: Protocol) -> Command {
        Command {
            id: Default::default(),
            principal: Principal {
                user: User { realm, id: 12 },
                agency_id: None,
                role: None,
                max_open_chats: None,
            },
            received_at: 0,
            protocol,
            request: Request::GetChats,
        }
    }

    /// The samples of contract 5.5; a location of 0 is a value, an absent one is no key at all.
    #[test]
    fn new_chat_is_the_enriched_chat_itself() {
        let outcome = started(&chat(), None).unwrap();
        let expected = r#"{"type":"new_chat","payload":{"id":"0a1b2c3d4e5f60718293a4b5","agencyId":4,"eventId":9,"organizerId":12,"participantId":31,"ended":0,"latStart":0.0,"timeStart":"2026-05-01T10:00:00.120Z","timeEnd":"0001-01-01T00:00:00Z","participant":{"id":31,"email":"p@example.org","phoneNumber":"+48555000111"}}}"#;
        assert_eq!(outcome.deliveries[0].frame.get(), expected);
        assert_eq!(position(&outcome), 0);
        assert!(outcome.reply.is_none());
    }

    #[test]
    fn chats_are_plain_for_participants_and_enriched_for_organizers() {
        let asked =
            |list: &[Chat], realm, protocol| chats(list, &command(realm, protocol)).unwrap().reply.unwrap();
        let plain = asked(&[chat()], Realm::Participant, Protocol::Contract);
        assert!(!plain.get().contains("p@example.org") && !plain.get().contains("Seq"));
        let enriched = asked(&[chat()], Realm::Organizer, Protocol::Contract);
        assert!(enriched.get().contains("p@example.org") && !enriched.get().contains("Seq"));
        let numbered = asked(&[chat()], Realm::Organizer, Protocol::Two);
        assert!(
            numbered
                .get()
                .ends_with(r#""state":"active","lastSeq":7,"readSeq":5,"ownReadSeq":2}]}}"#)
        );
        let none = asked(&[], Realm::Organizer, Protocol::Contract);
        assert_eq!(none.get(), r#"{"type":"chats","payload":{"chats":[]}}"#);
    }

    #[test]
    fn closed_chat_comes_behind_the_last_message() {
        let outcome = closed(&chat()).unwrap();
        assert_eq!(position(&outcome), 8);
        let expected = r#"{"type":"closed_chat","payload":{"chatId":"0a1b2c3d4e5f60718293a4b5"}}"#;
        assert_eq!(outcome.deliveries[0].frame.get(), expected);
    }
}
