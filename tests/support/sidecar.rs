//! A sidecar as the messenger sees it: it sends commands and reads the log of updates.

use api_documents::{Side, check_frame};
use serde_json::{Value, json};
use sidecar_api::update::{self, Entry};
use sidecar_api::{Cursor, Outcome, Protocol};

use crate::support::components::MESSENGER_KEY;
use crate::support::door::{Door, Reply};

/// A sidecar that has read the log up to now.
pub(crate) struct Sidecar {
    name: String,
    number: i64,
    pub(crate) cursor: Option<Cursor>,
}

/// The answer to an exchange.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) at: Cursor,
    pub(crate) starts_anew: bool,
    /// Null where a command has no reply.
    pub(crate) replies: Vec<Value>,
    pub(crate) committed: Vec<i64>,
    pub(crate) queues: Vec<Value>,
    pub(crate) updates: Vec<Update>,
}

/// One update. It has id 0 if it is not in the log.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) cursor: Cursor,
    pub(crate) queues: Vec<i64>,
    pub(crate) deliveries: Vec<Delivery>,
}

/// A frame for some users.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) to: Value,
    /// The frame for clients of the contract, if there is one.
    pub(crate) contract: Option<Value>,
    /// The frame for clients of protocol 2, if there is one.
    pub(crate) two: Option<Value>,
}

impl Sidecar {
    pub(crate) fn new(name: &str) -> Sidecar {
        Sidecar {
            name: name.to_owned(),
            number: 0,
            cursor: None,
        }
    }

    /// An exchange to send.
    pub(crate) fn next(&mut self, commands: &[Value], present: Option<Value>) -> Value {
        self.number += 1;
        let mut body = json!({"sidecar": self.name, "number": self.number, "commands": commands});
        if let Some(cursor) = self.cursor {
            body["cursor"] = json!(cursor);
        }
        if let Some(present) = present {
            body["present"] = present;
        }
        body
    }

    /// Moves the cursor past the updates of an answer.
    pub(crate) fn play(&mut self, heard: &Heard) {
        let last = heard.updates.iter().rfind(|update| update.cursor.id > 0);
        self.cursor = Some(match (last, self.cursor) {
            (Some(last), _) => last.cursor,
            (None, Some(cursor)) if !heard.starts_anew => cursor,
            (None, _) => heard.at,
        });
    }

    /// Sends an exchange and plays its updates.
    pub(crate) async fn exchange(
        &mut self,
        door: &Door,
        commands: &[Value],
        present: Option<Value>,
    ) -> Heard {
        if self.cursor.is_none() && !commands.is_empty() {
            self.beat(door, None).await;
        }
        let body = self.next(commands, present);
        let heard = Heard::read(&send(door, &body).await);
        self.play(&heard);
        heard
    }

    /// An exchange without commands.
    pub(crate) async fn beat(&mut self, door: &Door, present: Option<Value>) -> Heard {
        let body = self.next(&[], present);
        let heard = Heard::read(&send(door, &body).await);
        self.play(&heard);
        heard
    }
}

/// Sends an exchange.
pub(crate) async fn send(door: &Door, body: &Value) -> Reply {
    door.send(
        "POST",
        "/messenger/internal/exchange",
        Some(MESSENGER_KEY),
        Some(body),
    )
    .await
}

impl Heard {
    #[track_caller]
    pub(crate) fn read(reply: &Reply) -> Heard {
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        let (outcome, updates) = Outcome::read(&text).expect("an outcome");
        let value = |reply: &Option<Box<serde_json::value::RawValue>>| match reply {
            Some(reply) => {
                let reply = serde_json::from_str(reply.get()).expect("JSON");
                check_reply(&reply);
                reply
            }
            None => Value::Null,
        };
        Heard {
            at: outcome.at,
            starts_anew: outcome.starts_anew,
            replies: outcome.replies.iter().map(value).collect(),
            committed: outcome.committed,
            queues: outcome.queues.iter().map(|queue| json!(queue)).collect(),
            updates: update::read_updates(updates)
                .map(|update| Update::read(update.expect("an update")))
                .collect(),
        }
    }

    /// All frames that are shown, in order.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.updates
            .iter()
            .flat_map(|update| update.deliveries.clone())
            .collect()
    }

    /// The types of the frames that are shown, in order, and who sees them.
    pub(crate) fn kinds(&self) -> Vec<(String, &'static str)> {
        self.deliveries().iter().map(Delivery::kind).collect()
    }

    /// The ids of the updates.
    pub(crate) fn ids(&self) -> Vec<i64> {
        self.updates.iter().map(|update| update.cursor.id).collect()
    }
}

impl Update {
    fn read(update: update::Update<'_>) -> Update {
        let mut read = Update {
            cursor: update.cursor,
            queues: Vec::new(),
            deliveries: Vec::new(),
        };
        for entry in update::entries(update.body) {
            match entry.expect("an entry") {
                Entry::Queue(agency_id) => read.queues.push(agency_id),
                Entry::Delivery { to, frame } => {
                    let seen = |protocol| {
                        let line = frame.line_for(protocol)?;
                        let shown =
                            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                        check(protocol, &shown).unwrap_or_else(|violation| panic!("{violation}"));
                        Some(shown)
                    };
                    read.deliveries.push(Delivery {
                        to: json!(to.iter().collect::<Vec<_>>()),
                        contract: seen(Protocol::Contract),
                        two: seen(Protocol::Two),
                    });
                }
            }
        }
        read
    }
}

impl Delivery {
    /// The frame in its longest form.
    pub(crate) fn frame(&self) -> &Value {
        self.two.as_ref().or(self.contract.as_ref()).expect("a frame")
    }

    pub(crate) fn payload(&self) -> &Value {
        &self.frame()["payload"]
    }

    fn kind(&self) -> (String, &'static str) {
        let audience = match (&self.contract, &self.two) {
            (Some(_), Some(_)) => "everyone",
            (Some(_), None) => "contract",
            (None, _) => "two",
        };
        (self.frame()["type"].as_str().expect("text").to_owned(), audience)
    }
}

/// Checks a frame that clients of a protocol are shown against the document of the socket.
fn check(protocol: Protocol, frame: &Value) -> Result<(), String> {
    let protocol = match protocol {
        Protocol::Contract => api_documents::Protocol::Contract,
        Protocol::Two => api_documents::Protocol::Two,
    };
    check_frame(Side::Server, protocol, frame)
}

/// Checks a reply, which is for the protocol of its command.
fn check_reply(reply: &Value) {
    let checked = check(Protocol::Contract, reply).or_else(|_| check(Protocol::Two, reply));
    checked.unwrap_or_else(|violation| panic!("{violation}"));
}

/// A command. `number` sets the time at which its frame was read.
pub(crate) fn command(principal: &Value, number: u32, request: &Value) -> Value {
    json!({
        "principal": principal, "receivedAt": 1_777_629_600_000_i64 + i64::from(number), "request": request,
    })
}

/// An organizer of an agency, as a principal.
pub(crate) fn organizer(id: i64, agency_id: i64) -> Value {
    json!({"realm": "organizer", "id": id, "agencyId": agency_id})
}
