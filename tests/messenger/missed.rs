//! What sidecars ask for after they could not hear each other: which frames their users were to be shown.

use serde_json::{Value, json};

use super::{Desk, participant, say};
use crate::support::components::MESSENGER_KEY;

/// Asks for one user, who was shown nothing since a revision but what `chats` says; answers kinds and texts of the frames in order.
async fn missed(desk: &Desk, user: &Value, since: i64, chats: Value) -> Vec<String> {
    let user = json!({"realm": user["realm"], "id": user["id"]});
    let listeners = json!({"listeners": [{"user": user, "since": since, "chats": chats}]});
    let path = "/messenger/internal/missed";
    let answer = desk
        .components
        .door
        .send("POST", path, Some(MESSENGER_KEY), Some(&listeners))
        .await;
    let deliveries = answer.json(200)["deliveries"].as_array().expect("a list").clone();
    let describe = |delivery: &Value| {
        assert_eq!(delivery["to"], json!([user]));
        let frame = &delivery["frame"];
        match frame["payload"]["content"].as_str() {
            Some(content) => content.to_owned(),
            None => frame["type"].as_str().expect("a text").to_owned(),
        }
    };
    deliveries.iter().map(describe).collect()
}

/// The revision that the latest batch has made.
fn revision(desk: &Desk) -> i64 {
    let database = rusqlite::Connection::open(desk.components.database("messenger")).expect("a database");
    database
        .query_row("SELECT number FROM revision", (), |row| row.get(0))
        .expect("a number")
}

#[tokio::test]
async fn missed_frames_are_those_of_later_revisions_that_were_not_shown() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let (support, participant) = (desk.support(), participant(&person));
    let before = revision(&desk);
    let id = desk.start().await;
    desk.one(&support, say(&id, "one")).await;
    let between = revision(&desk);
    desk.one(&participant, say(&id, "two")).await;
    let all = ["new_chat", "Problem description: Lost", "one", "two"];
    for user in [&support, &participant] {
        assert_eq!(missed(&desk, user, before, json!([])).await, all);
        assert_eq!(missed(&desk, user, between, json!([])).await, ["two"]);
        // The description stands at 1, and so on.
        let shown = json!([{"chatId": id, "lacking": [[1, 1], [3, i64::MAX]]}]);
        assert_eq!(
            missed(&desk, user, before, shown).await,
            ["Problem description: Lost", "two"]
        );
        assert!(missed(&desk, user, revision(&desk), json!([])).await.is_empty());
    }
    let stranger = json!({"realm": "participant", "id": person.id + 1});
    assert!(missed(&desk, &stranger, 0, json!([])).await.is_empty());

    let before = revision(&desk);
    desk.one(&support, json!({"type": "closeChat", "chatId": id}))
        .await;
    for user in [&support, &participant] {
        assert_eq!(missed(&desk, user, before, json!([])).await, ["closed_chat"]);
        assert!(missed(&desk, user, revision(&desk), json!([])).await.is_empty());
    }
}

/// Who hands a chat over loses it; the colleague is given it, and reads what came before in the history.
#[tokio::test]
async fn a_chat_that_was_handed_over_meanwhile_is_gone_for_one_and_new_for_the_other() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let (support, owner) = (desk.support(), desk.agency.owner.id);
    let id = desk.start().await;
    desk.one(&support, say(&id, "one")).await;
    let before = revision(&desk);
    desk.one(
        &support,
        json!({"type": "transferChat", "chatId": id, "organizerId": owner}),
    )
    .await;
    let colleague = json!({"realm": "organizer", "id": owner, "agencyId": desk.agency.id});
    desk.one(&colleague, say(&id, "two")).await;

    let note = "A colleague takes over this chat.";
    let shown = json!([{"chatId": id, "lacking": [[3, i64::MAX]]}]);
    assert_eq!(missed(&desk, &support, before, shown).await, ["closed_chat"]);
    assert_eq!(
        missed(&desk, &colleague, before, json!([])).await,
        ["new_chat", "two"]
    );
    assert_eq!(
        missed(&desk, &participant(&person), before, json!([])).await,
        [note, "two"]
    );
    let all = ["new_chat", "Problem description: Lost", "one", note, "two"];
    assert_eq!(missed(&desk, &participant(&person), 0, json!([])).await, all);
}
