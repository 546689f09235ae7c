//! Chats and messages as clients see them (contract 1.5), and the frames that carry them (contract 5.5).
//!
//! A function named like a frame's type makes a reply to the asking connection. A function that takes a [`Body`] adds
//! frames for the parties of a chat.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use service::clock::{self, ZERO_TIME};
use sidecar_api::update::{Body, Frame, extend};
use sidecar_api::{Command, Protocol, Realm, User};

use crate::error::Error;
use crate::store::chats::{Chat, Parties, State};
use crate::store::messages::{Message, Saved};

/// The reply to the asking connection.
pub(crate) type Reply = Option<Box<RawValue>>;

/// How to reach a participant.
#[derive(Clone, Debug, serde::Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    pub id: i64,
    pub email: String,
    pub phone_number: String,
    /// Of guests who have said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether a device has made the account, to press help at once.
    #[serde(default, rename = "guest", skip_serializing_if = "std::ops::Not::not")]
    pub is_guest: bool,
}

impl Contact {
    /// The contact details stored here; `None` when the account is gone.
    pub(crate) fn kept(chat: &Chat) -> Option<Contact> {
        chat.contact.as_ref().map(|contact| Contact {
            id: chat.participant_id,
            email: contact.email.clone(),
            phone_number: contact.phone_number.clone(),
            name: contact.name.clone(),
            is_guest: contact.is_guest,
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

/// A chat with what protocol 2 adds wherever it shows one.
#[derive(Serialize)]
pub(crate) struct LongChatBody {
    #[serde(flatten)]
    chat: ChatBody,
    #[serde(flatten)]
    more: More,
}

impl LongChatBody {
    pub(crate) fn new(body: ChatBody, chat: &Chat) -> LongChatBody {
        LongChatBody {
            chat: body,
            more: More::new(chat),
        }
    }
}

/// A message as the contract has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainMessage<'a> {
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

/// A message in a list; in protocol 2 with its number.
#[derive(Serialize)]
pub(crate) struct MessageBody<'a> {
    #[serde(flatten)]
    plain: PlainMessage<'a>,
    #[serde(flatten)]
    number: Option<Number<'a>>,
}

impl<'a> MessageBody<'a> {
    pub(crate) fn new(message: &'a Message, protocol: Protocol) -> MessageBody<'a> {
        MessageBody {
            plain: PlainMessage::new(message),
            number: (protocol == Protocol::Two).then(|| Number::new(message)),
        }
    }
}

impl<'a> PlainMessage<'a> {
    fn new(message: &'a Message) -> PlainMessage<'a> {
        PlainMessage {
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

impl<'a> Number<'a> {
    fn new(message: &'a Message) -> Number<'a> {
        Number {
            seq: message.seq,
            client_id: message.client_id.as_deref(),
            system: message.is_system,
        }
    }
}

/// What protocol 2 adds to a chat in `chats`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    state: &'static str,
    last_seq: i64,
    read_seq: i64,
    own_read_seq: i64,
    #[serde(flatten)]
    details: Details,
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
            details: Details::new(chat),
        }
    }
}

/// What protocol 2 adds to a chat in `new_chat` and in a page of the archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct More {
    last_seq: i64,
    #[serde(flatten)]
    details: Details,
}

impl More {
    fn new(chat: &Chat) -> More {
        More {
            last_seq: chat.last_seq,
            details: Details::new(chat),
        }
    }
}

/// What protocol 2 adds to every chat: who helps, and what the press said besides.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    organizer_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy_start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_at_start: Option<String>,
}

impl Details {
    fn new(chat: &Chat) -> Details {
        Details {
            organizer_name: chat.organizer_name.clone(),
            kind: chat.kind.clone(),
            accuracy_start: chat.accuracy_start,
            position_at_start: chat.position_at_start.map(clock::format),
        }
    }
}

/// `chats`. Organizers see whom they talk to.
pub(crate) fn chats(chats: &[Chat], command: &Command) -> Result<Reply, Error> {
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

/// `chat_history`
pub(crate) fn chat_history(chat: &Chat, messages: &[Message], protocol: Protocol) -> Result<Reply, Error> {
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
    reply("chat_history", &history)
}

/// `message_saved`, if the client has given the message an id.
pub(crate) fn message_saved(saved: &Saved, chat_id: &str, command: &Command) -> Result<Reply, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct MessageSaved<'a> {
        client_id: &'a str,
        id: &'a str,
        chat_id: &'a str,
        seq: i64,
        time_sent: String,
    }
    let Some(client_id) = command.request.client_id() else {
        return Ok(None);
    };
    let saved = MessageSaved {
        client_id,
        id: &saved.id,
        chat_id,
        seq: saved.seq,
        time_sent: clock::format(saved.time_sent),
    };
    reply("message_saved", &saved)
}

/// `info`
pub(crate) fn info(message: &str, code: &'static str, command: &Command) -> Result<Reply, Error> {
    reply("info", &Text::new(message, code, command))
}

/// `error`
pub(crate) fn error(message: &str, code: &'static str, command: &Command) -> Result<Reply, Error> {
    reply("error", &Text::new(message, code, command))
}

/// The `error` for a chat that is not open or not the user's.
pub(crate) fn no_access(chat_id: &str, command: &Command) -> Result<Reply, Error> {
    let message = format!("you have no access to chat {chat_id}");
    error(&message, "no_access", command)
}

/// Both parties see a message. While the chat waits only the participant does.
pub(crate) fn message(body: &mut Body, parties: Parties, message: &Message) -> Result<(), Error> {
    show_message(body, &users(parties), message)
}

/// Both parties see that an organizer has the chat. For the participant of a re-queued chat the chat goes on: clients
/// of the contract must not see `new_chat` twice.
pub(crate) fn started(body: &mut Body, chat: &Chat) -> Result<(), Error> {
    let (frame, shared) = new_chat(chat)?;
    if chat.has_been_requeued {
        body.deliver(&[organizer(chat.organizer_id)], Frame::extended(&frame, shared));
        body.deliver(&[participant(chat)], Frame::two(&frame));
    } else {
        body.deliver(&users(chat.parties()), Frame::extended(&frame, shared));
    }
    Ok(())
}

/// Both parties see that the chat is over.
pub(crate) fn closed(body: &mut Body, chat: &Chat) -> Result<(), Error> {
    body.deliver(&users(chat.parties()), Frame::both(&closed_chat(chat)?));
    Ok(())
}

/// The participant, a guest before, has signed in to an account, to which the chat is new. Its connections have not
/// seen it yet.
pub(crate) fn handed_over(body: &mut Body, chat: &Chat) -> Result<(), Error> {
    let (frame, shared) = new_chat(chat)?;
    body.deliver(&[participant(chat)], Frame::extended(&frame, shared));
    Ok(())
}

/// The participant has taken back a re-queued request. Its organizer has already seen the chat go.
pub(crate) fn cancelled(body: &mut Body, chat: &Chat) -> Result<(), Error> {
    body.deliver(&[participant(chat)], Frame::both(&closed_chat(chat)?));
    Ok(())
}

/// A colleague has the chat now. If the organizer who had it uses the contract, they see the chat close, which is the
/// only frame for this that such a client knows.
pub(crate) fn transferred(body: &mut Body, chat: &Chat, note: &Message, from: i64) -> Result<(), Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Transferred<'a> {
        chat_id: &'a str,
        from_organizer_id: i64,
        organizer_id: i64,
    }
    let payload = Transferred {
        chat_id: &chat.id,
        from_organizer_id: from,
        organizer_id: chat.organizer_id,
    };
    show_message(body, &[organizer(from), participant(chat)], note)?;
    let (frame, shared) = new_chat(chat)?;
    body.deliver(&[organizer(chat.organizer_id)], Frame::extended(&frame, shared));
    let transferred = text("chat_transferred", &payload)?;
    body.deliver(&[organizer(from), participant(chat)], Frame::two(&transferred));
    body.deliver(&[organizer(from)], Frame::contract(&closed_chat(chat)?));
    Ok(())
}

/// The chat waits again. If its organizer is still connected, they see it go.
pub(crate) fn requeued(body: &mut Body, chat: &Chat, note: &Message) -> Result<(), Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Requeued<'a> {
        chat_id: &'a str,
        organizer_id: i64,
    }
    let payload = Requeued {
        chat_id: &chat.id,
        organizer_id: chat.organizer_id,
    };
    show_message(body, &[participant(chat)], note)?;
    let requeued = text("chat_requeued", &payload)?;
    body.deliver(
        &[organizer(chat.organizer_id), participant(chat)],
        Frame::two(&requeued),
    );
    body.deliver(
        &[organizer(chat.organizer_id)],
        Frame::contract(&closed_chat(chat)?),
    );
    Ok(())
}

/// Tells organizers with clients of the contract why their chat is gone.
pub(crate) fn lost_chat(body: &mut Body, organizer_ids: &[i64]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Info {
        message: &'static str,
    }
    let info = Info {
        message: "Mayday: you lost the connection for too long, so your chat went back to the queue.",
    };
    let organizers: Vec<User> = organizer_ids.iter().copied().map(organizer).collect();
    body.deliver(&organizers, Frame::contract(&text("info", &info)?));
    Ok(())
}

/// The other side sees that somebody is typing.
pub(crate) fn typing(body: &mut Body, chat: &Chat, author: User) -> Result<(), Error> {
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
    body.deliver(
        &other_side(chat, author.realm),
        Frame::two(&text("typing", &typing)?),
    );
    Ok(())
}

/// The other side sees how far a side has read.
pub(crate) fn read(body: &mut Body, chat: &Chat, by: Realm, seq: i64) -> Result<(), Error> {
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
    body.deliver(&other_side(chat, by), Frame::two(&text("read", &read)?));
    Ok(())
}

/// The beginning of a participant's contact details in a frame. It cannot occur inside a JSON string, where its quotes
/// would be escaped.
pub(crate) fn contact_mark(participant_id: i64) -> String {
    format!("\"participant\":{{\"id\":{participant_id},")
}

/// A text as it stands between the quotes of JSON.
pub(crate) fn escaped(text: &str) -> Result<String, Error> {
    let quoted = serde_json::to_string(text).map_err(Error::Frame)?;
    Ok(quoted[1..quoted.len() - 1].to_owned())
}

/// Blanks a participant's contact details. The text keeps its length, because updates contain the lengths of their
/// parts.
pub(crate) fn without_contact(text: &str, participant_id: i64) -> Result<String, Error> {
    const NAME: usize = "\"participant\":".len();
    let mark = contact_mark(participant_id);
    let blank = Contact {
        id: participant_id,
        email: String::new(),
        phone_number: String::new(),
        name: None,
        is_guest: false,
    };
    let blank = serde_json::to_string(&blank).map_err(Error::Frame)?;
    let blank = blank.strip_suffix('}').unwrap_or(&blank);
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(&mark) {
        let (before, contact) = rest.split_at(start + NAME);
        let mut values = serde_json::Deserializer::from_str(contact).into_iter::<Contact>();
        if let Some(contact) = values.next() {
            contact.map_err(Error::Frame)?;
        }
        let length = values.byte_offset();
        kept.push_str(before);
        kept.push_str(blank);
        kept.extend(std::iter::repeat_n(' ', length.saturating_sub(blank.len() + 1)));
        kept.push('}');
        rest = &contact[length..];
    }
    kept.push_str(rest);
    Ok(kept)
}

fn new_chat(chat: &Chat) -> Result<(String, usize), Error> {
    let chat_body = ChatBody::new(chat, Contact::kept(chat));
    extended("new_chat", &chat_body, &More::new(chat))
}

fn closed_chat(chat: &Chat) -> Result<String, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Closed<'a> {
        chat_id: &'a str,
    }
    text("closed_chat", &Closed { chat_id: &chat.id })
}

fn show_message(body: &mut Body, to: &[User], message: &Message) -> Result<(), Error> {
    let (frame, shared) = extended("user_message", &PlainMessage::new(message), &Number::new(message))?;
    body.deliver(to, Frame::extended(&frame, shared));
    Ok(())
}

/// A text for people. Protocol 2 adds a code and the id of the message.
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
struct Whole<'a, Payload> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: &'a Payload,
}

fn reply(kind: &str, payload: &impl Serialize) -> Result<Reply, Error> {
    let frame = to_raw_value(&Whole { kind, payload }).map_err(Error::Frame)?;
    Ok(Some(frame))
}

fn text(kind: &str, payload: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&Whole { kind, payload }).map_err(Error::Frame)
}

/// A frame extended for protocol 2, and the length of the part that it shares with the contract's frame.
fn extended(kind: &str, payload: &impl Serialize, more: &impl Serialize) -> Result<(String, usize), Error> {
    let mut frame = text(kind, payload)?;
    let more = serde_json::to_string(more).map_err(Error::Frame)?;
    let shared = extend(&mut frame, &more);
    Ok((frame, shared))
}

/// Both parties, or only the participant while the chat waits for another organizer.
fn users(parties: Parties) -> Vec<User> {
    let participant = User {
        realm: Realm::Participant,
        id: parties.participant_id,
    };
    match parties.state {
        State::Waiting => vec![participant],
        State::Active | State::Ended => vec![organizer(parties.organizer_id), participant],
    }
}

/// The other side of a chat. While the chat waits, the participant has none.
fn other_side(chat: &Chat, from: Realm) -> Vec<User> {
    match from {
        Realm::Organizer => vec![participant(chat)],
        Realm::Participant if chat.state == State::Active => vec![organizer(chat.organizer_id)],
        Realm::Participant => Vec::new(),
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
    use sidecar_api::{Principal, Request};

    fn chat() -> Chat {
        Chat {
            id: "0a1b2c3d4e5f60718293a4b5".to_owned(),
            request_id: "request".to_owned(),
            agency_id: 4,
            event_id: 9,
            organizer_id: 12,
            organizer_name: String::new(),
            participant_id: 31,
            contact: Some(chats::Contact {
                email: "p@example.org".to_owned(),
                phone_number: "+48555000111".to_owned(),
                name: None,
                is_guest: false,
            }),
            state: State::Active,
            lat_start: Some(0.0),
            lng_start: None,
            accuracy_start: None,
            position_at_start: None,
            kind: None,
            time_start: 1_777_629_600_120,
            time_end: None,
            last_seq: 7,
            has_been_requeued: false,
            read_by_organizer: 2,
            read_by_participant: 5,
        }
    }

    fn message() -> Message {
        Message {
            chat_id: chat().id,
            seq: 8,
            id: "0a1b2c3d4e5f60718293a4c0".to_owned(),
            author_id: 12,
            from_organizer: true,
            content: "a \"participant\":{\"id\":31,\nb".to_owned(),
            time_sent: 1_777_629_600_120,
            lat: None,
            lng: Some(-0.5),
            client_id: None,
            is_system: true,
        }
    }

    fn command(realm: Realm, protocol: Protocol) -> Command {
        Command {
            principal: Principal {
                user: User { realm, id: 12 },
                agency_id: None,
                role: None,
                max_open_chats: None,
                name: String::new(),
            },
            received_at: 0,
            protocol,
            request: Request::GetChats,
        }
    }

    fn body(write: impl FnOnce(&mut Body) -> Result<(), Error>) -> String {
        let mut body = Body::default();
        write(&mut body).unwrap();
        body.as_str().to_owned()
    }

    /// The sample of contract 5.5. A position of 0 is a value, an absent one is no key at all.
    const NEW_CHAT: &str =
        r#"{"type":"new_chat","payload":{"id":"0a1b2c3d4e5f60718293a4b5","agencyId":4,"eventId":9,"#;
    const PARTICIPANT: &str =
        r#""participant":{"id":31,"email":"p@example.org","phoneNumber":"+48555000111"}"#;
    const CLOSED: &str = r#"{"type":"closed_chat","payload":{"chatId":"0a1b2c3d4e5f60718293a4b5"}}"#;

    fn new_chat_frame() -> String {
        [
            NEW_CHAT,
            r#""organizerId":12,"participantId":31,"ended":0,"latStart":0.0,"timeStart":"2026-05-01T10:00:00.120Z","#,
            r#""timeEnd":"0001-01-01T00:00:00Z","#,
            PARTICIPANT,
        ]
        .concat()
    }

    #[test]
    fn new_chat_is_the_enriched_chat_itself_and_protocol_2_adds_the_last_number() {
        let frame = new_chat_frame();
        let expected = format!("to {} o12 p31\n{frame},\"lastSeq\":7}}}}\n", frame.len());
        assert_eq!(body(|body| started(body, &chat())), expected);
    }

    #[test]
    fn protocol_2_tells_who_helps() {
        let chat = Chat {
            organizer_name: "Anna Nowak".to_owned(),
            ..chat()
        };
        let shown = body(|body| started(body, &chat));
        assert!(
            shown.ends_with(",\"lastSeq\":7,\"organizerName\":\"Anna Nowak\"}}\n"),
            "{shown}"
        );
    }

    #[test]
    fn new_chat_is_not_shown_twice_to_participants_who_know_only_the_contract() {
        let chat = Chat {
            has_been_requeued: true,
            ..chat()
        };
        let frame = new_chat_frame();
        let expected = format!(
            "to {} o12\n{frame},\"lastSeq\":7}}}}\nto two p31\n{frame},\"lastSeq\":7}}}}\n",
            frame.len()
        );
        assert_eq!(body(|body| started(body, &chat)), expected);
    }

    #[test]
    fn a_message_is_one_line_for_both_protocols() {
        let plain = concat!(
            r#"{"type":"user_message","payload":{"id":"0a1b2c3d4e5f60718293a4c0","chatId":"0a1b2c3d4e5f60718293a4b5","#,
            r#""authorId":12,"fromOrganizer":1,"content":"a \"participant\":{\"id\":31,\nb","#,
            r#""timeSent":"2026-05-01T10:00:00.120Z","lng":-0.5"#
        );
        let expected = format!(
            "to {} o12 p31\n{plain},\"seq\":8,\"system\":true}}}}\n",
            plain.len()
        );
        assert_eq!(
            body(|body| super::message(body, chat().parties(), &message())),
            expected
        );
        let waiting = Chat {
            state: State::Waiting,
            ..chat()
        };
        let shown = body(|body| super::message(body, waiting.parties(), &message()));
        assert!(shown.starts_with(&format!("to {} p31\n", plain.len())), "{shown}");
    }

    #[test]
    fn an_organizer_sees_a_lost_chat_close_unless_protocol_2_tells_why() {
        let shown = body(|body| requeued(body, &chat(), &message()));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2], "to two o12 p31");
        assert!(lines[3].starts_with(r#"{"type":"chat_requeued""#), "{shown}");
        assert_eq!(lines[4..], ["to contract o12", CLOSED]);

        let chat = Chat {
            organizer_id: 13,
            ..chat()
        };
        let shown = body(|body| transferred(body, &chat, &message(), 12));
        let heads: Vec<&str> = shown
            .lines()
            .step_by(2)
            .map(|line| line.trim_start_matches("to "))
            .collect();
        assert!(
            heads[0].ends_with(" o12 p31") && heads[1].ends_with(" o13"),
            "{shown}"
        );
        assert_eq!(heads[2..], ["two o12 p31", "contract o12"]);
    }

    #[test]
    fn chats_are_plain_for_participants_and_enriched_for_organizers() {
        let asked = |list: &[Chat], realm, protocol| chats(list, &command(realm, protocol)).unwrap().unwrap();
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
    fn a_guest_is_named_and_known_as_one() {
        let shown = body(|body| started(body, &chat_of_guest()));
        let expected = r#""phoneNumber":"","name":"Ola","guest":true}"#;
        assert!(shown.contains(expected), "{shown}");
    }

    fn chat_of_guest() -> Chat {
        Chat {
            contact: Some(chats::Contact {
                email: "guest-1@guest.invalid".to_owned(),
                phone_number: String::new(),
                name: Some("Ola".to_owned()),
                is_guest: true,
            }),
            ..chat()
        }
    }

    #[test]
    fn a_forgotten_participant_leaves_texts_of_the_same_length() {
        let text = body(|body| {
            started(body, &chat())?;
            started(body, &chat_of_guest())?;
            super::message(body, chat().parties(), &message())
        });
        let forgotten = without_contact(&text, 31).unwrap();
        assert_eq!(forgotten.len(), text.len());
        for gone in ["p@example.org", "+48555000111", "guest", "Ola"] {
            assert!(!forgotten.contains(gone), "{gone} in {forgotten}");
        }
        let blank = r#""participant":{"id":31,"email":"","phoneNumber":"""#;
        assert!(forgotten.contains(blank), "{forgotten}");
        for line in forgotten.lines().filter(|line| line.starts_with('{')) {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(without_contact(&text, 3).unwrap(), text);
    }
}
