//! Closed chats are removed when they are older than `retention_archive_days`, and the record of their agency says so.

use serde_json::{Value, json};

use super::Desk;
use crate::support::components::{MESSENGER_KEY, ORGANIZER_KEY};
use crate::support::door::Door;
use crate::support::people::Agency;

const DAYS: &[(&str, &str)] = &[("retention_archive_days", "30")];

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn tick(door: &Door) {
    door.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None)
        .await
        .empty(200);
}

impl Desk {
    /// A chat of a new participant, closed so many days ago; after none it is open.
    async fn chat(&mut self, name: &str, closed_days_ago: Option<i64>) -> String {
        self.presses(name, &format!("What {name} has said")).await;
        let chat_id = self.start().await;
        if let Some(days) = closed_days_ago {
            let support = self.support();
            self.one(&support, json!({"type": "closeChat", "chatId": chat_id}))
                .await;
            self.database()
                .execute(
                    "UPDATE chats SET time_end = time_end - ?2 WHERE id = ?1",
                    (&chat_id, days * DAY),
                )
                .expect("a chat");
        }
        chat_id
    }

    fn number(&self, sql: &str) -> i64 {
        self.database()
            .query_row(sql, (), |row| row.get(0))
            .expect("a count")
    }

    fn chat_ids(&self) -> Vec<String> {
        let database = self.database();
        let mut statement = database
            .prepare("SELECT id FROM chats ORDER BY arrival")
            .expect("a statement");
        let ids = statement.query_map((), |row| row.get(0)).expect("rows");
        ids.collect::<Result<_, _>>().expect("ids")
    }
}

/// The rows about removals in an agency's record, whose chain must hold.
async fn removals(agency: &Agency) -> Vec<Value> {
    let verdict = agency.owner.get("/organizer/agency/changelogs/verify").await;
    let verdict = verdict.json(200);
    assert_eq!(verdict["holds"], true, "{verdict}");
    let rows = agency.owner.get("/organizer/agency/changelogs").await.list();
    let of_nobody = rows.into_iter().filter(|row| row["userId"] == 0);
    of_nobody
        .map(|row| {
            assert_eq!(
                [&row["entityClass"], &row["entityId"], &row["type"]],
                [&json!("Agency"), &json!(agency.id), &json!("update")]
            );
            serde_json::from_str(row["valueAfter"].as_str().expect("a text")).expect("JSON")
        })
        .collect()
}

#[tokio::test]
async fn old_chats_are_removed_and_the_record_says_how_many() {
    let mut desk = Desk::with(DAYS).await;
    let old = desk.chat("old", Some(31)).await;
    desk.chat("older", Some(400)).await;
    let young = desk.chat("young", Some(29)).await;
    let open = desk.chat("open", None).await;
    // An open one may be as old as it likes.
    desk.database()
        .execute(
            "UPDATE chats SET time_start = 1, pressed_at = 1 WHERE id = ?1",
            [&open],
        )
        .expect("a chat");
    let request_id: String = desk
        .database()
        .query_row("SELECT request_id FROM chats WHERE id = ?1", [&old], |row| {
            row.get(0)
        })
        .expect("a request");

    tick(&desk.components.door).await;
    assert_eq!(desk.chat_ids(), [young, open]);
    let texts = "SELECT count(*) FROM messages WHERE content LIKE '%old%'";
    assert_eq!(desk.number(texts), 0);
    let contacts = "SELECT count(*) FROM contacts WHERE email LIKE 'old%'";
    assert_eq!(
        desk.number(contacts),
        0,
        "nobody needs their contact details here"
    );
    assert_eq!(desk.agency.owner.archive("agency").await.len(), 1);

    tick(&desk.components.door).await;
    let rows = removals(&desk.agency).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        [
            &rows[0]["removedChats"],
            &rows[0]["removedMessages"],
            &rows[0]["name"]
        ],
        [&json!(2), &json!(2), &json!("Fest")]
    );
    let today: i64 = desk.number("SELECT unixepoch() / 86400 * 86400000");
    let limit = chrono::DateTime::from_timestamp_millis(today - 30 * DAY).expect("a time");
    let limit = limit.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert_eq!(rows[0]["endedBefore"], limit);
    assert_eq!(desk.number("SELECT count(*) FROM removals"), 0);

    // A late delivery of the same press changes nothing.
    let late = json!({"requests": [{
        "id": request_id, "participantId": 7, "eventId": desk.agency.event_id, "agencyId": desk.agency.id,
        "pressedAt": 5, "description": "What old has said", "lat": null, "lng": null,
        "contact": {"email": "old@example.org", "phoneNumber": "", "version": 0},
    }]});
    let door = &desk.components.door;
    door.send(
        "POST",
        "/messenger/internal/requests",
        Some(MESSENGER_KEY),
        Some(&late),
    )
    .await
    .empty(200);
    assert_eq!(desk.chat_ids().len(), 2);
    for _ in 0..3 {
        tick(door).await;
    }
    assert_eq!(removals(&desk.agency).await.len(), 1, "once a day");
}

#[tokio::test]
async fn archives_are_kept_for_ever_unless_a_setting_says_otherwise() {
    for variables in [
        &[][..],
        &[("retention_archive_days", "0")],
        &[("retention_archive_days", "")],
    ] {
        let mut desk = Desk::with(variables).await;
        desk.chat("ancient", Some(20_000)).await;
        tick(&desk.components.door).await;
        assert_eq!(desk.chat_ids().len(), 1, "{variables:?}");
        assert_eq!(removals(&desk.agency).await.len(), 0);
    }
}

#[tokio::test]
async fn a_retention_that_is_no_number_of_days_removes_nothing_and_is_told() {
    let mut desk = Desk::with(&[("retention_archive_days", "a year")]).await;
    desk.chat("old", Some(400)).await;
    let door = &desk.components.door;
    let ticked = door.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None);
    ticked.await.error(500, "internal server error");
    assert_eq!(desk.chat_ids().len(), 1);
    let log = desk.components.log("messenger");
    let line = "variable retention_archive_days must be a whole number of days up to 36500, or 0 for ever";
    assert!(log.contains(line), "{log}");
}

/// No tick removes much at once, and the record gets one row for all of them.
#[tokio::test]
async fn many_ticks_remove_much_and_make_one_row() {
    let mut desk = Desk::with(DAYS).await;
    let rival = desk.components.agency("Rival").await;
    desk.chat("young", Some(1)).await;
    desk.database()
        .execute_batch(&format!(
            "INSERT INTO chats (id, request_id, agency_id, event_id, participant_id, state, pressed_at, organizer_id,
                                time_start, time_end, assigned_at)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 250)
             SELECT printf('%024d', n), printf('request %d', n), iif(n % 5, {fest}, {rival}), 7, 1000 + n, 'ended', n, 1,
                    n, n, n FROM number;
             INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2500)
             SELECT printf('%024d', 3), n, printf('%024d', n), 1003, 0, 'm', n FROM number",
            fest = desk.agency.id,
            rival = rival.id
        ))
        .expect("old chats");
    let mut ticks = 0;
    let (mut chats, mut messages) = (251, 2501);
    while desk.number("SELECT count(*) FROM removals") > 0 || ticks == 0 {
        tick(&desk.components.door).await;
        ticks += 1;
        let left = (
            desk.number("SELECT count(*) FROM chats"),
            desk.number("SELECT count(*) FROM messages"),
        );
        assert!(
            chats - left.0 <= 100 && messages - left.1 <= 1000,
            "tick {ticks}: {left:?}"
        );
        (chats, messages) = left;
        assert!(ticks < 20, "{left:?}");
    }
    assert_eq!((chats, messages), (1, 1));
    for (agency, chats, messages) in [(&desk.agency, 200, 2500), (&rival, 50, 0)] {
        let rows = removals(agency).await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            [&rows[0]["removedChats"], &rows[0]["removedMessages"]],
            [&json!(chats), &json!(messages)]
        );
    }
}

/// A removal that could not be recorded is recorded later, and one whose confirmation was lost only once.
#[tokio::test]
async fn a_removal_is_recorded_once_whatever_breaks_in_between() {
    let mut desk = Desk::with(DAYS).await;
    desk.chat("old", Some(31)).await;
    let alone = desk.components.another_host(
        &["messenger", "participant"],
        &[DAYS[0], ("organizer_url", "http://127.0.0.1:1")],
    );
    tick(&alone).await;
    tick(&alone).await;
    assert_eq!(desk.chat_ids().len(), 0);
    assert_eq!(removals(&desk.agency).await.len(), 0);
    assert_eq!(desk.number("SELECT attempts FROM removals"), 1);

    let (report_id, ended_before): (String, i64) = desk
        .database()
        .query_row("SELECT report_id, ended_before FROM removals", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("a report");
    let report = json!({"removals": [{
        "id": report_id, "agencyId": desk.agency.id, "endedBefore": ended_before, "chats": 1, "messages": 1,
    }]});
    // As if the messenger had ended after the organizer's commit.
    let door = &desk.components.door;
    for _ in 0..2 {
        door.send(
            "POST",
            "/organizer/api/removals",
            Some(ORGANIZER_KEY),
            Some(&report),
        )
        .await
        .empty(200);
    }
    desk.database()
        .execute("UPDATE removals SET due_at = 0", ())
        .expect("a report");
    tick(door).await;
    assert_eq!(desk.number("SELECT count(*) FROM removals"), 0);
    let rows = removals(&desk.agency).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
}

/// A chat whose lock is not released yet stays until then, or nobody would release it.
#[tokio::test]
async fn a_chat_whose_lock_waits_is_not_removed() {
    let mut desk = Desk::with(DAYS).await;
    let chat_id = desk.chat("old", Some(31)).await;
    desk.database()
        .execute(
            "INSERT INTO lock_releases (request_id, participant_id, event_id, due_at, must_announce)
             SELECT request_id, participant_id, event_id, (unixepoch() + 9) * 1000, 0 FROM chats WHERE id = ?1",
            [&chat_id],
        )
        .expect("a release");
    tick(&desk.components.door).await;
    assert_eq!(desk.chat_ids(), [chat_id]);
    desk.database()
        .execute("UPDATE lock_releases SET due_at = 0", ())
        .expect("a release");
    tick(&desk.components.door).await;
    assert_eq!(desk.chat_ids(), Vec::<String>::new());
}

/// The record of an agency outlives it, and so do its chats.
#[tokio::test]
async fn the_archive_of_a_deleted_agency_is_removed_and_recorded_too() {
    let mut desk = Desk::with(DAYS).await;
    desk.chat("old", Some(31)).await;
    desk.agency.owner.delete("/organizer/agency").await.json(200);
    tick(&desk.components.door).await;
    tick(&desk.components.door).await;
    assert_eq!(desk.chat_ids(), Vec::<String>::new());
    let superadmin = desk.components.superadmin().await;
    let path = format!("/organizer/admin/changelogs/chain?agencyId={}", desk.agency.id);
    let chain = superadmin.get(&path).await.list();
    let last = chain.last().expect("a row");
    let value: Value = serde_json::from_str(last["valueAfter"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&value["removedChats"], value.get("name")), (&json!(1), None));
    let path = format!("/organizer/admin/changelogs/verify?agencyId={}", desk.agency.id);
    assert_eq!(superadmin.get(&path).await.json(200)["holds"], true);
}
