//! How many statements the frequent operations run on each database. Where a database is a server, each is a round
//! trip: a number that grows needs a reason.

use serde_json::json;

use super::{Desk, participant, say};
use crate::support::components::{MESSENGER_KEY, SERVICES};
use crate::support::door::Door;
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD};

impl Desk {
    /// How many statements ran so far on the databases of organizer, participant and messenger.
    fn statements(&self) -> [u64; 3] {
        let Door::Host(app) = &self.components.door else {
            panic!("the host is in this process");
        };
        SERVICES.map(|service| app.statements(service).expect("a database"))
    }

    /// How many of them an operation runs.
    async fn counted<T>(&mut self, operation: impl AsyncFnOnce(&mut Desk) -> T) -> [u64; 3] {
        let before = self.statements();
        operation(self).await;
        let after = self.statements();
        [0, 1, 2].map(|index| after[index] - before[index])
    }
}

#[tokio::test]
async fn an_exchange_runs_as_many_statements_for_a_hundred_messages_as_for_one() {
    let mut desk = Desk::open().await;
    let people = [desk.presses("p", "").await, desk.presses("q", "").await];
    let chats = [desk.start().await, desk.start().await];
    let messages = |desk: &mut Desk, count: usize| {
        let say = |desk: &mut Desk, number: usize| {
            let (person, chat) = (&people[number % 2], &chats[number % 2]);
            desk.command(&participant(person), say(chat, &number.to_string()))
        };
        (0..count).map(|number| say(desk, number)).collect::<Vec<_>>()
    };
    for count in [1, 100] {
        let commands = messages(&mut desk, count);
        let counted = desk.counted(async |desk| desk.exchange(&commands).await).await;
        assert_eq!(counted, [0, 0, EXCHANGE], "{count} messages");
    }
    let counted = desk.counted(async |desk| desk.exchange(&[]).await).await;
    assert_eq!(counted, [0, 0, BEAT], "a beat");
}

/// An exchange with messages: two for the transaction, where the sidecar is, the chats, the messages, the update, and
/// the exchange's number.
const EXCHANGE: u64 = 7;

/// An exchange without commands, four times a second for each sidecar.
const BEAT: u64 = 1;

#[tokio::test]
async fn a_press_runs_few_statements() {
    let mut desk = Desk::open().await;
    let event = desk.agency.event_id;
    // The first one of an event looks the event up and keeps a copy.
    desk.presses("first", "Lost").await;
    let person = people::sign_up(&desk.components.door, "p@example.org").await;
    let counted = desk
        .counted(async |_| person.press_help(event, "Lost").await.empty(200))
        .await;
    assert_eq!(counted, [2, 5, 2]);
}

#[tokio::test]
async fn an_authentication_runs_few_statements() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let authenticate = async |desk: &mut Desk, token: &str| {
        let body = json!({"authorizations": [format!("Bearer {token}")]});
        let path = "/messenger/internal/authenticate";
        let door = &desk.components.door;
        door.send("POST", path, Some(MESSENGER_KEY), Some(&body))
            .await
            .json(200)
    };
    let token = desk.agency.support.token.clone();
    let organizer = desk.counted(async |desk| authenticate(desk, &token).await).await;
    assert_eq!(organizer, [3, 0, 1], "of an organizer");
    let participant = desk
        .counted(async |desk| authenticate(desk, &person.token).await)
        .await;
    assert_eq!(participant, [0, 1, 1], "of a participant");
}

#[tokio::test]
async fn a_sign_in_runs_few_statements() {
    let mut desk = Desk::open().await;
    let (support, person) = (
        desk.agency.support.email.clone(),
        desk.presses("p", "").await.email,
    );
    let door = desk.components.door.clone();
    let organizer = desk
        .counted(async |_| people::sign_in(&door, &support, ORGANIZER_PASSWORD).await)
        .await;
    assert_eq!(organizer, [6, 0, 0], "of an organizer");
    let participant = desk
        .counted(async |_| people::sign_in_participant(&door, &person, PARTICIPANT_PASSWORD).await)
        .await;
    assert_eq!(participant, [0, 5, 0], "of a participant");
}
