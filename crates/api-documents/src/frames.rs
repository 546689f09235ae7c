//! Frames of sockets, and the AsyncAPI document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, OnceLock};

use http::HeaderMap;
use jsonschema::Validator;
use serde_json::Value;

use crate::answers::{Answer, Response, members};
use crate::schema;

/// What a client has asked for in its first frame.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// The contract's.
    Contract,
    /// Protocol 2.
    Two,
}

/// Who has sent a frame.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    Client,
    Server,
}

pub(crate) static SOCKET: LazyLock<Socket> = LazyLock::new(|| {
    let text = include_str!("../../../sidecar/asyncapi.json");
    Socket::new(&schema::document(text))
});

/// Checks a frame against the document of the socket. The error names the frame and what is wrong.
pub fn check_frame(side: Side, protocol: Protocol, frame: &Value) -> Result<(), String> {
    let name = match frame.get("type") {
        Some(name) => name.as_str().unwrap_or_default(),
        None => FIRST_FRAME,
    };
    let found = SOCKET
        .messages
        .get(&(side, protocol))
        .and_then(|all| all.get(name));
    let checked = match found {
        Some(message) => schema::check(message.validator(), frame),
        None => Err("there is no such frame".to_owned()),
    };
    checked.map_err(|error| {
        let (side, protocol) = match (side, protocol) {
            (Side::Client, Protocol::Contract) => ("a client", "the contract"),
            (Side::Client, Protocol::Two) => ("a client", "protocol 2"),
            (Side::Server, Protocol::Contract) => ("the server", "the contract"),
            (Side::Server, Protocol::Two) => ("the server", "protocol 2"),
        };
        format!("a frame of {side} in {protocol} is not as sidecar/asyncapi.json says, {error}; the frame: {frame}")
    })
}

/// Checks the code of a close frame with which the server ends a connection. The answer to a client's close frame has
/// the client's code.
pub fn check_close(protocol: Protocol, code: u16) -> Result<(), String> {
    if SOCKET.close_codes.contains(&(protocol, code)) {
        return Ok(());
    }
    let protocol = match protocol {
        Protocol::Contract => "the contract",
        Protocol::Two => "protocol 2",
    };
    Err(format!(
        "sidecar/asyncapi.json has no close code {code} in {protocol}"
    ))
}

/// Checks the answer to a handshake: an upgrade, or a refusal as the document of the socket says.
pub fn check_handshake(status: u16, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    if status == 101 {
        return Ok(());
    }
    let answer = Answer {
        status,
        headers,
        body,
    };
    let checked = match SOCKET.refusals.get(&status) {
        Some(refusal) => refusal.check(&answer, false),
        None => Err("no such status".to_owned()),
    };
    checked.map_err(|error| {
        format!("a handshake is answered {status}, and not as sidecar/asyncapi.json says: {error}")
    })
}

/// The name of the only message without a type.
const FIRST_FRAME: &str = "authorization";

pub(crate) struct Socket {
    pub(crate) messages: BTreeMap<(Side, Protocol), BTreeMap<String, Message>>,
    close_codes: BTreeSet<(Protocol, u16)>,
    /// How a handshake is refused, by status.
    refusals: BTreeMap<u16, Response>,
}

/// A message as it is documented. Its validator is made when it is first needed.
pub(crate) struct Message {
    pub(crate) documented: Value,
    compiled: OnceLock<Validator>,
}

impl Socket {
    fn new(document: &Value) -> Socket {
        let mut messages: BTreeMap<(Side, Protocol), BTreeMap<String, Message>> = BTreeMap::new();
        for (name, operation) in members(&document["operations"]) {
            // The document is written from the server's view.
            let side = match operation["action"].as_str() {
                Some("receive") => Side::Client,
                Some("send") => Side::Server,
                _ => panic!("operation {name} neither sends nor receives"),
            };
            let protocol = protocol_of(&operation["channel"]);
            let operation = schema::inlined(document, &operation["messages"]);
            let list = operation.as_array().into_iter().flatten().map(|message| {
                let name = message["name"].as_str().expect("a message has a name");
                let message = Message {
                    documented: message.clone(),
                    compiled: OnceLock::new(),
                };
                (name.to_owned(), message)
            });
            messages.entry((side, protocol)).or_default().extend(list);
        }
        let close_codes = document["x-close-codes"].as_array().expect("close codes");
        let close_codes = close_codes.iter().flat_map(|described| {
            let code = described["code"].as_u64().expect("a close code is a number");
            let code = u16::try_from(code).expect("a close code is a small number");
            let channels = described["channels"].as_array().expect("a code has channels");
            channels.iter().map(move |channel| (protocol_of(channel), code))
        });
        let refusals = members(&document["x-handshake-refusals"]).map(|(status, documented)| {
            let status = status.parse().expect("a status is a number");
            (status, Response::new(document, documented))
        });
        Socket {
            messages,
            close_codes: close_codes.collect(),
            refusals: refusals.collect(),
        }
    }
}

/// The protocol of a channel that is referred to.
fn protocol_of(channel: &Value) -> Protocol {
    match channel["$ref"].as_str() {
        Some("#/channels/contract") => Protocol::Contract,
        Some("#/channels/protocol2") => Protocol::Two,
        _ => panic!("{channel} is no channel"),
    }
}

impl Message {
    pub(crate) fn validator(&self) -> &Validator {
        self.compiled
            .get_or_init(|| schema::validator(&self.documented["payload"]))
    }
}
