//! What the frames of clients do (contract 5.4 and 5.6), a batch at a time.
//!
//! All commands of a batch are decided in one transaction, in order; frames are made from what was committed. Each command is
//! authorized on its own against the database. A command that comes again, because the answer to its batch was lost, is
//! recognized by its id, changes nothing and is answered as before.

use std::collections::{HashMap, HashSet};

use relay_protocol::{BatchOutcome, Command, CommandOutcome, Protocol, Realm, Request};
use service::clock::{self, Millis};
use service::database::transaction;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::identity;
use crate::error::Error;
use crate::store::attendance::{self, Match};
use crate::store::chats::{self, Chat, State};
use crate::store::messages::{self, Message, NewMessage};
use crate::store::news;
use crate::store::outbox::Release;
use crate::store::revision;
use crate::{frames, ids, outbox};

/// When what a batch's answer shows of chats has so many characters, the rest of the batch is left for another one; and one history shows no more than
/// this. Escaped and in all its copies that is far less than an instance may use, and than a sidecar reads.
pub(crate) const MAX_CHARACTERS: u32 = 2 * 1024 * 1024;

/// What a chat counts without its messages.
const CHAT_CHARACTERS: u32 = 512;

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
    /// The organizer will be given the next request.
    Waits,
    WaitsNoMore,
    /// The organizer has as many chats as the agency allows.
    TooManyChats {
        limit: u32,
    },
    Transferred {
        chat: Chat,
        note: Message,
        from: i64,
    },
    /// Whom a chat was to be handed over to.
    UnknownColleague {
        organizer_id: i64,
    },
    BusyColleague {
        organizer_id: i64,
        limit: u32,
    },
    /// It is not known whether the colleague is one.
    NotTransferred,
    Types {
        chat: Chat,
    },
    Read {
        chat: Chat,
        seq: i64,
        /// Whether the other side does not know yet.
        is_news: bool,
    },
    Closed {
        chat: Chat,
    },
    NoAccess {
        chat_id: String,
    },
}

/// Carries out a batch: one outcome per command, in order, for as many as the answer has room for.
pub(crate) fn carry_out(connection: &Connection, commands: &[Command]) -> Result<BatchOutcome, Error> {
    let changes = |command: &Command| {
        !matches!(
            command.request,
            Request::GetChats | Request::GetChatHistory { .. } | Request::Typing { .. }
        )
    };
    // Asked before the transaction, in which nobody may be waited for.
    let colleagues = Colleagues::of(commands);
    let (done, revision) = if commands.iter().any(changes) {
        transaction(connection, |connection| {
            let done = decide(connection, commands, &colleagues)?;
            Ok::<_, Error>((done, Some(revision::advance(connection)?)))
        })?
    } else {
        (decide(connection, commands, &colleagues)?, None)
    };
    let releases: Vec<Release> = done.iter().filter_map(release).collect();
    outbox::release_closed(connection, releases)?;
    let outcomes = done
        .iter()
        .zip(commands)
        .map(|(done, command)| outcome(done, command))
        .collect::<Result<_, _>>()?;
    Ok(BatchOutcome { outcomes, revision })
}

/// Decides commands in order; messages that follow each other are stored together.
fn decide(
    connection: &Connection,
    commands: &[Command],
    colleagues: &Colleagues,
) -> Result<Vec<Done>, Error> {
    let mut done = Vec::with_capacity(commands.len());
    let mut characters = 0;
    while let Some(command) = commands.get(done.len())
        && characters < MAX_CHARACTERS
    {
        match &command.request {
            Request::GetChats => done.push(Done::Chats(chats::open_of(connection, command.principal.user)?)),
            Request::GetChatHistory {
                chat_id,
                after_seq,
                limit,
            } => done.push(get_history(connection, command, chat_id, *after_seq, *limit)?),
            Request::StartChat { wait } => done.push(start_chat(connection, command, *wait)?),
            Request::TransferChat {
                chat_id,
                organizer_id,
            } => done.push(transfer_chat(
                connection,
                command,
                chat_id,
                *organizer_id,
                colleagues,
            )?),
            Request::Typing { chat_id } => done.push(typing(connection, command, chat_id)?),
            Request::Read { chat_id, seq } => done.push(read(connection, command, chat_id, *seq)?),
            Request::CloseChat { chat_id } => done.push(close_chat(connection, command, chat_id)?),
            Request::SendMessage { .. } => {
                let run: Vec<Saying> = commands[done.len()..].iter().map_while(saying).collect();
                done.extend(send_messages(connection, &run)?);
            }
        }
        characters += done.last().map_or(0, Done::characters);
    }
    Ok(done)
}

impl Done {
    /// How much it shows of what has been said before.
    fn characters(&self) -> u32 {
        match self {
            Done::Chats(chats) => chats.iter().map(|_| CHAT_CHARACTERS).sum(),
            Done::History { messages, .. } => messages.iter().map(Message::characters).sum(),
            _ => 0,
        }
    }
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
    let Some(chat) = open_chat(connection, command, chat_id)? else {
        return Ok(no_access(chat_id));
    };
    let messages = match command.protocol {
        Protocol::Contract => messages::latest(connection, chat_id, MAX_CHARACTERS)?,
        Protocol::Two => messages::after(connection, chat_id, after_seq, limit, MAX_CHARACTERS)?,
    };
    Ok(Done::History { chat, messages })
}

/// A chat in which whoever asks may see and say something.
fn open_chat(connection: &Connection, command: &Command, chat_id: &str) -> Result<Option<Chat>, Error> {
    let open = chats::open_by_ids(connection, &[chat_id])?;
    Ok(open.into_iter().find(|chat| chat.is_open_to(&command.principal)))
}

fn no_access(chat_id: &str) -> Done {
    Done::NoAccess {
        chat_id: chat_id.to_owned(),
    }
}

/// Gives the organizer the head of the queue. Who wants to wait and finds nobody is given the next request as soon as it comes
/// (`news`).
fn start_chat(connection: &Connection, command: &Command, wait: Option<bool>) -> Result<Done, Error> {
    let principal = &command.principal;
    let (Realm::Organizer, Some(agency_id)) = (principal.user.realm, principal.agency_id) else {
        return Ok(Done::NobodyWaits);
    };
    let organizer_id = principal.user.id;
    if wait == Some(false) {
        attendance::stop_waiting(connection, organizer_id)?;
        return Ok(Done::WaitsNoMore);
    }
    let command_id = command.id.to_string();
    if let Some(chat) = chats::started_by(connection, &command_id)? {
        // Who asks again may have closed it meanwhile, elsewhere.
        return match chat.state {
            State::Active => started(connection, chat),
            State::Waiting | State::Ended => Ok(Done::NobodyWaits),
        };
    }
    if let Some(limit) = principal.max_open_chats
        && chats::count_open(connection, organizer_id)? >= i64::from(limit)
    {
        return Ok(Done::TooManyChats { limit });
    }
    let now = command.received_at;
    match chats::start(connection, agency_id, organizer_id, now, Some(&command_id))? {
        Some(chat) => {
            if wait.is_some() {
                attendance::stop_waiting(connection, organizer_id)?;
            }
            started(connection, chat)
        }
        None if wait.is_some() => {
            let limit = principal.max_open_chats.map(i64::from);
            attendance::wait(connection, organizer_id, agency_id, limit, clock::now())?;
            Ok(Done::Waits)
        }
        None => Ok(Done::NobodyWaits),
    }
}

fn started(connection: &Connection, chat: Chat) -> Result<Done, Error> {
    let description = description_of_new(connection, &chat)?;
    Ok(Done::Started { chat, description })
}

/// What is shown behind `new_chat`: the description if the chat is new. Whoever takes over a chat finds all of it in the history.
fn description_of_new(connection: &Connection, chat: &Chat) -> Result<Option<Message>, Error> {
    match chat.new_chat_position {
        0 => Ok(messages::description(connection, &chat.id)?),
        _ => Ok(None),
    }
}

/// Gives requests to organizers who wait for them, and tells everybody who has to know.
pub(crate) fn give_out(connection: &Connection, now: Millis) -> Result<(), Error> {
    for found in attendance::matches(connection, now)? {
        let Match {
            organizer_id,
            agency_id,
            max_open_chats,
        } = found;
        let may_have_more = match max_open_chats {
            Some(limit) => chats::count_open(connection, organizer_id)? < limit,
            None => true,
        };
        if !may_have_more {
            continue;
        }
        // None when those before have taken all.
        if let Some(chat) = chats::start(connection, agency_id, organizer_id, now, None)? {
            attendance::stop_waiting(connection, organizer_id)?;
            let description = description_of_new(connection, &chat)?;
            let deliveries = frames::started(&chat, description.as_ref())?.deliveries;
            news::announce(connection, &deliveries)?;
        }
    }
    Ok(())
}

/// Which of those whom chats are to be handed over to work for the same agency.
#[derive(Default)]
struct Colleagues(HashMap<i64, Result<HashSet<i64>, identity::Error>>);

impl Colleagues {
    /// Asks the organizer service, once for each agency, if there is something to ask.
    fn of(commands: &[Command]) -> Colleagues {
        let mut wanted: HashMap<i64, Vec<i64>> = HashMap::new();
        for command in commands {
            if let (Request::TransferChat { organizer_id, .. }, Some(agency_id)) =
                (&command.request, command.principal.agency_id)
            {
                wanted.entry(agency_id).or_default().push(*organizer_id);
            }
        }
        let asked = wanted.into_iter().map(|(agency_id, ids)| {
            let found = identity::colleagues(agency_id, &ids);
            (agency_id, found.map(HashSet::from_iter))
        });
        Colleagues(asked.collect())
    }
}

/// Hands a chat over to a colleague of the same agency; the chat's log says so.
fn transfer_chat(
    connection: &Connection,
    command: &Command,
    chat_id: &str,
    organizer_id: i64,
    colleagues: &Colleagues,
) -> Result<Done, Error> {
    let principal = &command.principal;
    let from = principal.user.id;
    let command_id = command.id.to_string();
    if let Some(chat) = chats::transferred_by(connection, &command_id)? {
        // The colleague may have closed it meanwhile.
        let is_theirs = chat.state == State::Active;
        let note = messages::said_by(connection, &[&command_id])?.pop();
        return Ok(note.filter(|_| is_theirs).map_or_else(
            || no_access(chat_id),
            |note| Done::Transferred { chat, note, from },
        ));
    }
    let own = open_chat(connection, command, chat_id)?.filter(|_| principal.user.realm == Realm::Organizer);
    let Some(chat) = own else {
        return Ok(no_access(chat_id));
    };
    match colleagues.0.get(&chat.agency_id) {
        Some(Ok(known)) if known.contains(&organizer_id) && organizer_id != from => {}
        Some(Ok(_)) => return Ok(Done::UnknownColleague { organizer_id }),
        Some(Err(_)) | None => return Ok(Done::NotTransferred),
    }
    if let Some(limit) = principal.max_open_chats
        && chats::count_open(connection, organizer_id)? >= i64::from(limit)
    {
        return Ok(Done::BusyColleague { organizer_id, limit });
    }
    let note = note(
        connection,
        &chat,
        "A colleague takes over this chat.",
        &command_id,
        command.received_at,
    )?;
    let transferred = chats::transfer(
        connection,
        chat_id,
        organizer_id,
        command.received_at,
        &command_id,
    )?;
    match (transferred, note) {
        (Some(chat), Some(note)) => Ok(Done::Transferred { chat, note, from }),
        _ => Ok(no_access(chat_id)),
    }
}

/// Writes into a chat's log what has happened to it, in the name of its organizer.
pub(crate) fn note(
    connection: &Connection,
    chat: &Chat,
    content: &str,
    said_by: &str,
    now: Millis,
) -> Result<Option<Message>, Error> {
    let note = NewMessage {
        chat_id: &chat.id,
        id: ids::new(now)?,
        author_id: chat.organizer_id,
        from_organizer: 1,
        content,
        time_sent: now,
        lat: None,
        lng: None,
        said_by,
        client_id: None,
        is_system: true,
    };
    Ok(messages::append(connection, &[note])?.pop())
}

fn typing(connection: &Connection, command: &Command, chat_id: &str) -> Result<Done, Error> {
    let chat = open_chat(connection, command, chat_id)?;
    Ok(chat.map_or_else(|| no_access(chat_id), |chat| Done::Types { chat }))
}

fn read(connection: &Connection, command: &Command, chat_id: &str, seq: i64) -> Result<Done, Error> {
    let Some(chat) = open_chat(connection, command, chat_id)? else {
        return Ok(no_access(chat_id));
    };
    let seq = seq.min(chat.last_seq);
    let is_news = chats::read(connection, chat_id, command.principal.user.realm, seq)?;
    Ok(Done::Read { chat, seq, is_news })
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
        return Ok(no_access(chat_id));
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
    Ok(run
        .iter()
        .map(|saying| outcome(saying).unwrap_or_else(|| no_access(saying.chat_id)))
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
        Done::Waits => frames::info("you will be given the next chat", "waiting", command),
        Done::WaitsNoMore => frames::info("you do not wait for a chat any more", "not_waiting", command),
        Done::TooManyChats { limit } => frames::error(
            &format!("you have reached the limit of {limit} open chats"),
            "too_many_chats",
            command,
        ),
        Done::Transferred { chat, note, from } => frames::transferred(chat, note, *from),
        Done::UnknownColleague { organizer_id } => frames::error(
            &format!("no colleague with id {organizer_id}"),
            "unknown_colleague",
            command,
        ),
        Done::BusyColleague { organizer_id, limit } => frames::error(
            &format!("colleague {organizer_id} has reached the limit of {limit} open chats"),
            "too_many_chats",
            command,
        ),
        Done::NotTransferred => frames::error("chat could not be transferred", "unavailable", command),
        Done::Types { chat } => frames::typing(chat, command.principal.user),
        Done::Read { chat, seq, is_news } if *is_news => {
            frames::read(chat, command.principal.user.realm, *seq)
        }
        Done::Read { .. } => Ok(CommandOutcome::default()),
        Done::Closed { chat } => frames::closed(chat),
        Done::NoAccess { chat_id } => frames::error(
            &format!("you have no access to chat {chat_id}"),
            "no_access",
            command,
        ),
    }
}
