//! Frames of sockets, and the AsyncAPI document.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde_json::Value;

use crate::answers::members;
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

/// The name of the only message without a type.
const FIRST_FRAME: &str = "authorization";

pub(crate) struct Socket {
    pub(crate) messages: BTreeMap<(Side, Protocol), BTreeMap<String, Message>>,
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
            let protocol = match operation["channel"]["$ref"].as_str() {
                Some("#/channels/contract") => Protocol::Contract,
                Some("#/channels/protocol2") => Protocol::Two,
                _ => panic!("operation {name} has no channel"),
            };
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
        Socket { messages }
    }
}

impl Message {
    pub(crate) fn validator(&self) -> &Validator {
        self.compiled
            .get_or_init(|| schema::validator(&self.documented["payload"]))
    }
}
