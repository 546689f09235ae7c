//! What the frames of clients do (contract 5.4 and 5.6), a batch at a time.
//!
//! All commands of a batch are decided in one transaction, in order; frames are made from what was committed. Each command is
//! authorized on its own against the database. A command that comes again, because the answer to its batch was lost, is
//! recognized by its id, changes nothing and is answered as before.

use std::collections::{HashMap, HashSet};

use relay_protocol::{Command, CommandOutcome, Realm, Request};
use service::clock;
use service::database::transaction;
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::store::chats::{self, Chat};
use crate::store::messages::{self, Message, NewMessage};
use crate::store::outbox::Release;
use crate::{frames, ids, outbox};

/// What came of a command.
enum Done {
    Chats(Vec<Chat>),
    History {
        chat: Chat,
        messages: Vec<Message>,
    },
    Said {
        chat: Chat,
        message: Message,
        /// Its client has said it before.
        again: bool,
    },
    Started {
        chat: Chat,
        description: Option<Message>,
    },
    NobodyWaits,
    Closed {
        chat: Chat,
    },
    NoAccess {
        chat_id: String,
    },
}

/// Carries out a batch: one outcome per command, in order.
pub(crate) fn carry_out(connection: &Connection, commands: &[Command]) -> Result<Vec<CommandOutcome>, Error> {
    let changes = |command: &Command| {
        !matches!(
            command.request,
            Request::GetChats | Request::GetChatHistory { .. }
        )
    };
    let done = if commands.iter().any(changes) {
        transaction(connection, |connection| decide(connection, commands))?
    } else {
        decide(connection, commands)?
    };
    let releases: Vec<Release> = done.iter().filter_map(release).collect();
    outbox::release_closed(connection, releases)?;
    done.iter()
        .zip(commands)
        .map(|(done, command)| outcome(done, command))
        .collect()
}

/// Decides commands in order; messages that follow each other are stored together.
fn decide(connection: &Connection, commands: &[Command]) -> Result<Vec<Done>, Error> {
    let mut done = Vec::with_capacity(commands.len());
    let mut rest = commands;
    while let [command, behind @ ..] = rest {
        rest = behind;
        match &command.request {
            Request::GetChats => done.push(Done::Chats(chats::open_of(connection, &command.principal)?)),
            Request::GetChatHistory {
                chat_id,
                after_seq,
                limit,
            } => done.push(get_history(connection, command, chat_id, *after_seq, *limit)?),
            Request::StartChat => done.push(start_chat(connection, command)?),
            Request::CloseChat { chat_id } => done.push(close_chat(connection, command, chat_id)?),
            Request::SendMessage { .. } => {
                let run: Vec<Saying> = commands[done.len()..].iter().map_while(saying).collect();
                done.extend(send_messages(connection, &run)?);
                rest = &commands[done.len()..];
            }
        }
    }
    Ok(done)
}

/// A command that says something.
struct Saying<'a> {
    command: &'a Command,
    chat_id: &'a str,
    content: &'a str,
    client_id: Option<&'a str>,
    lat: Option<f64>,
    lng: Option<f64>,
    /// What makes it be said only once: the command, or the client's own id for it, which counts for this author in this chat.
    said_by: String,
}

/// A command's message, if it is one. Locations are kept for participants only (contract 5.4).
fn saying(command: &Command) -> Option<Saying<'_>> {
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
    let author = command.principal.user;
    let located = author.realm == Realm::Participant;
    let said_by = match client_id {
        None => command.id.to_string(),
        Some(client_id) => format!(
            "{chat_id}/{}.{}/{}",
            author.realm.as_str(),
            author.id,
            client_id.to_ascii_lowercase()
        ),
    };
    Some(Saying {
        command,
        chat_id,
        content: message,
        client_id: client_id.as_deref(),
        lat: lat.filter(|_| located),
        lng: lng.filter(|_| located),
        said_by,
    })
}

fn get_history(
    connection: &Connection,
    command: &Command,
    chat_id: &str,
    after_seq: i64,
    limit: Option<i64>,
) -> Result<Done, Error> {
    let open = chats::open_by_ids(connection, &[chat_id])?;
    let Some(chat) = open.into_iter().find(|chat| chat.is_open_to(&command.principal)) else {
        return Ok(Done::NoAccess {
            chat_id: chat_id.to_owned(),
        });
    };
    let messages = messages::list(connection, chat_id, after_seq, limit)?;
    Ok(Done::History { chat, messages })
}

fn start_chat(connection: &Connection, command: &Command) -> Result<Done, Error> {
    let principal = &command.principal;
    let (Realm::Organizer, Some(agency_id)) = (principal.user.realm, principal.agency_id) else {
        return Ok(Done::NobodyWaits);
    };
    let command_id = command.id.to_string();
    let started = chats::start(
        connection,
        agency_id,
        principal.user.id,
        command.received_at,
        &command_id,
    )?;
    let Some(chat) = started else {
        return Ok(Done::NobodyWaits);
    };
    // Whoever takes over a chat finds all of it in the history.
    let description = match chat.new_chat_position {
        0 => messages::description(connection, &chat.id)?,
        _ => None,
    };
    Ok(Done::Started { chat, description })
}

fn close_chat(connection: &Connection, command: &Command, chat_id: &str) -> Result<Done, Error> {
    let principal = &command.principal;
    let closed = if principal.user.realm == Realm::Organizer {
        chats::close(
            connection,
            chat_id,
            principal.user.id,
            command.received_at,
            &command.id.to_string(),
        )?
    } else {
        None
    };
    let Some(chat) = closed else {
        return Ok(Done::NoAccess {
            chat_id: chat_id.to_owned(),
        });
    };
    outbox::remember(connection, &Release::of(&chat))?;
    Ok(Done::Closed { chat })
}

/// Stores a run of messages with one statement.
fn send_messages(connection: &Connection, run: &[Saying]) -> Result<Vec<Done>, Error> {
    let chat_ids: HashSet<&str> = run.iter().map(|saying| saying.chat_id).collect();
    let chat_ids: Vec<&str> = chat_ids.into_iter().collect();
    let mut chats = by_id(chats::open_by_ids(connection, &chat_ids)?);
    let may_say = |saying: &&Saying| {
        chats
            .get(saying.chat_id)
            .is_some_and(|chat| chat.is_open_to(&saying.command.principal))
    };
    let mut keys = HashSet::new();
    let new = run
        .iter()
        .filter(may_say)
        .filter(|saying| keys.insert(saying.said_by.as_str()))
        .map(new_message)
        .collect::<Result<Vec<_>, _>>()?;
    let stored = by_said_by(messages::append(connection, &new)?);
    // What is missing was refused, or said before; the latter may have been followed by the end of the chat.
    let missing: Vec<&str> = run
        .iter()
        .map(|saying| saying.said_by.as_str())
        .filter(|key| !stored.contains_key(*key))
        .collect();
    let mut known = HashMap::new();
    if !missing.is_empty() {
        known = by_said_by(messages::said_by(connection, &missing)?);
        for message in known.values() {
            if !chats.contains_key(&message.chat_id) {
                chats.extend(chats::find(connection, &message.chat_id)?.map(|chat| (chat.id.clone(), chat)));
            }
        }
    }
    let mut first = HashSet::new();
    let mut outcome = |saying: &Saying| {
        let key = saying.said_by.as_str();
        let message = stored.get(key).or_else(|| known.get(key))?;
        Some(Done::Said {
            chat: chats.get(&message.chat_id)?.clone(),
            message: message.clone(),
            again: saying.client_id.is_some() && !(stored.contains_key(key) && first.insert(key.to_owned())),
        })
    };
    let no_access = |saying: &Saying| Done::NoAccess {
        chat_id: saying.chat_id.to_owned(),
    };
    Ok(run
        .iter()
        .map(|saying| outcome(saying).unwrap_or_else(|| no_access(saying)))
        .collect())
}

fn new_message<'a>(saying: &'a Saying<'a>) -> Result<NewMessage<'a>, Error> {
    let author = saying.command.principal.user;
    Ok(NewMessage {
        chat_id: saying.chat_id,
        id: ids::new(clock::now())?,
        author_id: author.id,
        from_organizer: i64::from(author.realm == Realm::Organizer),
        content: saying.content,
        time_sent: saying.command.received_at,
        lat: saying.lat,
        lng: saying.lng,
        said_by: &saying.said_by,
        client_id: saying.client_id,
        is_system: false,
    })
}

fn by_id(chats: Vec<Chat>) -> HashMap<String, Chat> {
    chats.into_iter().map(|chat| (chat.id.clone(), chat)).collect()
}

fn by_said_by(messages: Vec<Message>) -> HashMap<String, Message> {
    messages
        .into_iter()
        .filter_map(|message| Some((message.said_by.clone()?, message)))
        .collect()
}

fn release(done: &Done) -> Option<Release> {
    if let Done::Closed { chat } = done {
        Some(Release::of(chat))
    } else {
        None
    }
}

fn outcome(done: &Done, command: &Command) -> Result<CommandOutcome, Error> {
    match done {
        Done::Chats(chats) => frames::chats(chats, command),
        Done::History { chat, messages } => frames::chat_history(chat, messages, command.protocol),
        Done::Said { chat, message, again } => frames::said(chat, message, command, *again),
        Done::Started { chat, description } => frames::started(chat, description.as_ref()),
        Done::NobodyWaits => frames::info("no new chats", "no_new_chats", command),
        Done::Closed { chat } => frames::closed(chat),
        Done::NoAccess { chat_id } => frames::error(
            &format!("you have no access to chat {chat_id}"),
            "no_access",
            command,
        ),
    }
}
