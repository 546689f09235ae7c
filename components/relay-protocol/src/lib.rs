//! What the sidecar and the messenger say to each other: who is at a socket, and what they ask for, in batches.
//!
//! All of it is JSON over HTTP, `POST`ed by a sidecar to the messenger with the messenger's service key:
//!
//! | path under the messenger | request | answer |
//! |---|---|---|
//! | `/internal/authenticate` | [`Authenticate`] | [`Authenticated`] |
//! | `/internal/commands` | [`CommandBatch`] | [`BatchOutcome`] |
//! | `/internal/revocations` | [`RevocationCursor`] | [`Revocations`] |
//! | `/internal/beat` | [`Beat`] | [`News`] |
//!
//! A batch is idempotent: each [`Command`] carries an id made by the sidecar, and a batch that is sent again, because its
//! answer was lost, stores nothing twice and is answered as before. So a sidecar may always retry.
//!
//! The messenger counts its changes; the count is the *revision*. A socket that is accepted at some revision finds everything up to there when it asks
//! for its chats, so a frame of that revision or an earlier one, which has been on its way for too long, is not for it any more.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The two populations of users. Their ids overlap, so an id means nothing without its realm.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Realm {
    Organizer,
    Participant,
}

impl Realm {
    /// The name on the wire, as in `mayday.user.organizer.12`.
    pub fn as_str(self) -> &'static str {
        match self {
            Realm::Organizer => "organizer",
            Realm::Participant => "participant",
        }
    }
}

/// One user of either population.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct User {
    pub realm: Realm,
    pub id: i64,
}

impl User {
    /// The Redis channel on which sidecars pass on what this user is to see.
    pub fn channel(self) -> String {
        format!("mayday.user.{}.{}", self.realm.as_str(), self.id)
    }

    /// The inverse.
    pub fn of_channel(channel: &str) -> Option<User> {
        let (realm, id) = channel.strip_prefix("mayday.user.")?.split_once('.')?;
        let realm = [Realm::Organizer, Realm::Participant]
            .into_iter()
            .find(|known| known.as_str() == realm)?;
        Some(User {
            realm,
            id: id.parse().ok()?,
        })
    }
}

/// Who is at a socket.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    #[serde(flatten)]
    pub user: User,
    /// The agency an organizer works for; participants have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agency_id: Option<i64>,
    /// An organizer's role, 2 (owner) to 4 (support); participants have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<u8>,
    /// How many chats an organizer may have open at once, where the agency sets a limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_open_chats: Option<u32>,
}

impl Principal {
    /// Whether this is the same user with the same rights; limits may differ.
    pub fn has_rights_of(&self, other: &Principal) -> bool {
        let Principal {
            user,
            agency_id,
            role,
            max_open_chats: _,
        } = self;
        (*user, *agency_id, *role) == (other.user, other.agency_id, other.role)
    }
}

/// The `Authorization` values of first frames, as the clients sent them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Authenticate {
    pub authorizations: Vec<String>,
}

/// One outcome per authorization, in the order asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Authenticated {
    pub outcomes: Vec<Admission>,
    /// As it was before anybody was looked up.
    pub revision: i64,
}

/// Whether a socket may stay.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "admission")]
pub enum Admission {
    Accepted {
        principal: Principal,
    },
    Rejected,
    /// The service that knows could not be asked; ask again.
    Unavailable,
}

/// How far a sidecar has read what was revoked; nothing before the first time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RevocationCursor {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organizer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub participant: Option<i64>,
}

/// Whose sockets have to be authorized again, or else end.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revocations {
    /// Where to go on reading.
    pub next: RevocationCursor,
    pub users: Vec<User>,
    /// All of whose users are concerned.
    pub agencies: Vec<i64>,
    /// All of whose users are concerned, since it is not known who.
    pub unknown: Vec<Realm>,
}

impl Revocations {
    /// Whether somebody is concerned although not named, by realm or agency.
    pub fn concern_kind_of(&self, principal: &Principal) -> bool {
        self.unknown.contains(&principal.user.realm)
            || principal
                .agency_id
                .is_some_and(|agency_id| self.agencies.contains(&agency_id))
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.agencies.is_empty() && self.unknown.is_empty()
    }
}

/// What a client understands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// The contract's frames and nothing else.
    #[default]
    Contract,
    /// What PROTOCOL.md adds to them.
    Two,
}

impl Protocol {
    fn is_contract(&self) -> bool {
        *self == Protocol::Contract
    }
}

/// What a sidecar says several times in a second: that it is there, and who is there with it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Beat {
    /// Names the sidecar among the others, for as long as it runs.
    pub sidecar: String,
    /// All organizers with a connection to it; absent when they were told a moment ago.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organizers: Option<Vec<Attendance>>,
    /// How far it has read the news; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<i64>,
    /// It ends, and everything that its connections were shown has gone out to the others too. One that is not heard of any more without having said so
    /// may have kept something to itself.
    #[serde(skip_serializing_if = "is_false", default)]
    pub leaves: bool,
}

/// An organizer who is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    pub organizer_id: i64,
    pub agency_id: i64,
    /// How many chats the organizer may have open; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_open_chats: Option<u32>,
}

/// What has happened without a sidecar having asked for it.
#[derive(Debug, Deserialize, Serialize)]
pub struct News {
    /// Where to go on reading.
    pub next: i64,
    /// If not, something may have been missed, here or on its way from another sidecar; `queues` are all there are.
    pub complete: bool,
    /// For the sidecar's own connections: every sidecar reads them for itself.
    pub deliveries: Vec<Delivery>,
    /// Those that have changed, as they are now.
    pub queues: Vec<Queue>,
}

/// Who waits for help of an agency.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    pub agency_id: i64,
    /// The next one first.
    pub waiting: Vec<Waiting>,
    /// Seconds from press to pickup, as of late; absent when nobody was picked up lately.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<u32>,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub participant_id: i64,
    pub event_id: i64,
    /// Milliseconds since the Unix epoch.
    pub pressed_at: i64,
}

/// Commands from any number of connections, in the order in which they are to be carried out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CommandBatch {
    pub commands: Vec<Command>,
}

/// One frame of one client, understood by the sidecar.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Made by the sidecar (UUIDv7) and kept when the batch is sent again.
    pub id: Uuid,
    pub principal: Principal,
    /// When the sidecar had read the frame, in milliseconds since the Unix epoch.
    pub received_at: i64,
    /// What the client understands; `reply` is made accordingly.
    #[serde(skip_serializing_if = "Protocol::is_contract", default)]
    pub protocol: Protocol,
    pub request: Request,
}

/// What a client may ask for (contract 5.4 and PROTOCOL.md).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Request {
    GetChats,
    GetChatHistory {
        chat_id: String,
        /// Only what follows this number.
        #[serde(skip_serializing_if = "is_zero", default)]
        after_seq: i64,
        /// Only so many; all if absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        limit: Option<i64>,
    },
    SendMessage {
        chat_id: String,
        message: String,
        /// Made by the client (a UUID), so that it may send the same message again.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lat: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lng: Option<f64>,
    },
    StartChat {
        /// Whether to wait if nobody else does, or not to wait any longer; absent is neither.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        wait: Option<bool>,
    },
    CloseChat {
        chat_id: String,
    },
    TransferChat {
        chat_id: String,
        /// The colleague who is to have it.
        organizer_id: i64,
    },
    Typing {
        chat_id: String,
    },
    Read {
        chat_id: String,
        seq: i64,
    },
}

impl Request {
    /// The client's own id for what it says. Only clients that speak protocol 2 have one.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Request::SendMessage { client_id, .. } => client_id.as_deref(),
            _ => None,
        }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// `POST .../missed`: what have these users been shown by other sidecars, while those could not be heard?
#[derive(Debug, Deserialize, Serialize)]
pub struct Listeners {
    pub listeners: Vec<Listener>,
}

/// A user with connections that cannot be told to look.
#[derive(Debug, Deserialize, Serialize)]
pub struct Listener {
    pub user: User,
    /// The revision at which the first of the connections began.
    pub since: i64,
    /// The chats of which something has been shown.
    pub chats: Vec<Shown>,
}

/// What has been shown of a chat, said by what has not.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub chat_id: String,
    /// Positions that have not been shown, first and last, ascending; the last range is what comes next.
    pub lacking: Vec<(i64, i64)>,
}

/// Frames that may have been missed. Some may have been shown meanwhile: whoever knows their places can tell.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Missed {
    pub deliveries: Vec<Delivery>,
}

/// One outcome per command, in the order of the batch. There may be fewer: what would make the answer too long is left undone and to be asked again,
/// before anything else. The first command is always carried out.
#[derive(Debug, Deserialize, Serialize)]
pub struct BatchOutcome {
    pub outcomes: Vec<CommandOutcome>,
    /// What the batch has made it; absent if it has changed nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<i64>,
}

/// What a command led to. The asking connection gets `reply` first, then its share of `deliveries`.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct CommandOutcome {
    /// A whole frame for the asking connection alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<Box<RawValue>>,
    /// The last message that `reply` shows of a chat. Where only the contract is spoken, a message up to there that comes late is not shown once more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shown: Option<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub deliveries: Vec<Delivery>,
}

/// A whole frame for the connections of some users.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub to: Vec<User>,
    /// Absent for what stands in no order and may be shown at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<Place>,
    #[serde(skip_serializing_if = "Audience::is_everyone", default)]
    pub audience: Audience,
    /// As the contract has it; the payload is an object, without white space and the last member.
    pub frame: Box<RawValue>,
    /// An object whose members the payload has too where protocol 2 is spoken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub more: Option<Box<RawValue>>,
    /// The whole frame where protocol 2 is spoken, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instead: Option<Box<RawValue>>,
    /// The sender asked for it once more: where protocol 2 is spoken it is shown once more.
    #[serde(skip_serializing_if = "is_false", default)]
    pub again: bool,
    /// When it happened, if that is not said for the whole batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<i64>,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Where a frame stands among those of its chat. Frames of one chat are shown in this order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub chat_id: String,
    /// `new_chat` is 0, and whatever follows, messages and other news of the chat, comes one after the other without gaps.
    pub position: i64,
    #[serde(skip_serializing_if = "Stage::is_middle", default)]
    pub stage: Stage,
}

/// What a frame means for those who have the chat before them. One that opens it is not shown behind one that closes it later.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    Opens,
    #[default]
    Middle,
    Closes,
}

impl Stage {
    fn is_middle(&self) -> bool {
        *self == Stage::Middle
    }
}

/// Whom of a user's connections a frame is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Audience {
    #[default]
    Everyone,
    /// Those that speak only the contract: for the others there is a better frame.
    Contract,
    /// Those that speak protocol 2: the others would not know what it is.
    Two,
}

impl Audience {
    fn is_everyone(&self) -> bool {
        *self == Audience::Everyone
    }

    /// Whether a connection is meant.
    pub fn includes(self, protocol: Protocol) -> bool {
        match self {
            Audience::Everyone => true,
            Audience::Contract => protocol == Protocol::Contract,
            Audience::Two => protocol == Protocol::Two,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_its_user() {
        for user in [
            User {
                realm: Realm::Organizer,
                id: 12,
            },
            User {
                realm: Realm::Participant,
                id: i64::MAX,
            },
        ] {
            assert_eq!(User::of_channel(&user.channel()), Some(user));
        }
        for channel in [
            "",
            "mayday.tick",
            "mayday.user.organizer",
            "mayday.user.admin.1",
            "mayday.user.organizer.x",
        ] {
            assert_eq!(User::of_channel(channel), None, "{channel}");
        }
    }
}
