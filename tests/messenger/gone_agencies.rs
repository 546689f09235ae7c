//! Requests that wait for an agency that was deleted end at a tick.

use serde_json::{Value, json};

use super::protocol_2::kinds;
use super::{Desk, participant};
use crate::support::components::MESSENGER_KEY;
use crate::support::door::Door;
use crate::support::people::{self, Person};
use crate::support::sidecar::Sidecar;

impl Desk {
    /// Ticks at a host when it is time for what is done now and then.
    pub(super) async fn tick_later(&self, host: &Door) {
        self.database()
            .execute("UPDATE ticks SET ticked_at = 0", ())
            .expect("a row");
        let tick = host.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None);
        tick.await.empty(200);
    }

    /// Whether the participant service keeps a lock for a person.
    fn is_locked(&self, person: &Person) -> bool {
        let database =
            rusqlite::Connection::open(self.components.database("participant")).expect("a database");
        database
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM locks WHERE participant_id = ?1)",
                [person.id],
                |row| row.get(0),
            )
            .expect("an answer")
    }
}

async fn open_requests(person: &Person) -> Vec<Value> {
    person.get("/participant/chat-requests/mine").await.list()
}

#[tokio::test]
async fn a_request_ends_when_its_agency_is_deleted() {
    let desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let rival = desk.components.agency("Rival").await;
    let other = people::sign_up(&desk.components.door, "q@example.org").await;
    other.press_help(rival.event_id, "").await.empty(200);
    desk.agency.owner.delete("/organizer/agency").await.json(200);
    // This one may be approved again.
    let verify = format!("/organizer/admin/agencies/{}/verify", rival.id);
    let superadmin = desk.components.superadmin().await;
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);

    // While the organizer service is down, it is not known which agencies were deleted.
    let alone = desk.components.host_with(&["participant", "messenger"]);
    desk.tick_later(&alone).await;
    assert_eq!(open_requests(&person).await.len(), 1);

    desk.tick_later(&desk.components.door).await;
    assert_eq!(open_requests(&person).await, Vec::<Value>::new());
    assert!(!desk.is_locked(&person));
    assert_eq!(open_requests(&other).await.len(), 1);
    assert!(desk.is_locked(&other));
}

/// Nobody is left who could take the chat up again, and its participant reads why.
#[tokio::test]
async fn a_requeued_chat_ends_when_its_agency_is_deleted() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let mut s = Sidecar::new("t");
    desk.requeue(&mut s).await;
    desk.agency.owner.delete("/organizer/agency").await.json(200);

    desk.tick_later(&desk.components.door).await;
    let heard = desk.beat(&mut s, None).await;
    assert_eq!(
        heard.kinds(),
        kinds(&[("user_message", "everyone"), ("closed_chat", "everyone")])
    );
    let deliveries = heard.deliveries();
    for delivery in &deliveries {
        assert_eq!(delivery.to, json!([participant(&person)]));
    }
    let note = deliveries[0].payload()["content"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(
        note.starts_with("Mayday: the team of this event is gone"),
        "{note}"
    );
    assert!(!desk.is_locked(&person));
    let archived = person.archived_contents("participant", &chat_id).await;
    assert_eq!(archived.last(), Some(&note));
    assert_eq!(open_requests(&person).await, Vec::<Value>::new());
}
