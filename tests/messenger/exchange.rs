//! Exchanges: retries, the log of updates, cursors.

use mayday_tests::databases::Database;
use serde_json::{Value, json};

use super::protocol_2::kinds;
use super::{Desk, contents, participant, say};
use crate::support::components::MESSENGER_KEY;
use crate::support::sidecar::{self, Heard, Sidecar};

impl Desk {
    /// Sends an exchange as it is and plays nothing.
    async fn send(&self, body: &Value) -> Heard {
        Heard::read(&sidecar::send(&self.components.door, body).await)
    }

    fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, (), |row| row.get(0)).expect(sql)
    }
}

#[tokio::test]
async fn a_retried_exchange_changes_nothing_and_is_answered_as_before() {
    let mut desk = Desk::open().await;
    let (person, _other) = (desk.presses("p", "").await, desk.presses("other", "").await);
    let (support, participant) = (desk.support(), participant(&person));
    desk.exchange(&[]).await;
    let start = desk.command(&support, json!({"type": "startChat"}));
    let start = desk.sidecar.next(&[start], None);
    let started = desk.send(&start).await;
    let again = desk.send(&start).await;
    assert_eq!(again.deliveries(), started.deliveries());
    assert_eq!((again.at, &again.committed), (started.at, &started.committed));
    assert_eq!(desk.count("SELECT count(*) FROM chats WHERE state = 'active'"), 1);
    desk.sidecar.play(&again);

    let chat_id = super::chat_id(&started);
    let client_id = "0198c0de-0000-7000-8000-0000000000aa";
    let with_id = json!({"type": "sendMessage", "chatId": chat_id, "message": "here", "clientId": client_id});
    let commands = [
        desk.command(&participant, with_id),
        desk.command(&support, say(&chat_id, "coming")),
        desk.command(&participant, json!({"type": "getChatHistory", "chatId": chat_id})),
        desk.command(&support, json!({"type": "closeChat", "chatId": chat_id})),
        desk.command(&support, say(&chat_id, "too late")),
    ];
    let talk = desk.sidecar.next(&commands, None);
    let first = desk.send(&talk).await;
    let again = desk.send(&talk).await;
    assert_eq!(again.replies, first.replies);
    assert_eq!(again.at, first.at);
    assert_eq!(again.deliveries(), first.deliveries());
    let closed = ("closed_chat".to_owned(), "everyone");
    assert_eq!(
        first.kinds().into_iter().filter(|kind| *kind == closed).count(),
        1
    );
    let archived = person.archived_contents("participant", &chat_id).await;
    assert_eq!(archived, ["here", "coming"]);
}

#[tokio::test]
async fn an_exchange_that_arrives_after_a_later_one_is_refused() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    let support = desk.support();
    desk.exchange(&[]).await;
    let start = desk.command(&support, json!({"type": "startChat"}));
    let late = desk.sidecar.next(&[start], None);
    let present = desk.here(desk.agency.support.id);
    let later = desk.sidecar.next(&[], Some(present));
    desk.send(&later).await;
    let refused = sidecar::send(&desk.components.door, &late).await;
    refused.error(409, "a later exchange has been carried out");
    assert_eq!(desk.count("SELECT count(*) FROM chats WHERE state = 'active'"), 0);
}

/// A sidecar would take a gap in the ids for a missing update.
#[tokio::test]
async fn ids_have_no_gaps_after_a_failed_transaction() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let database = desk.database();
    let trigger = "CREATE TRIGGER fails AFTER INSERT ON messages WHEN new.content = 'fails'
                   BEGIN SELECT raise(abort, 'as the test wants'); END";
    database.execute(trigger, ()).expect("a trigger");
    let participant = participant(&person);
    let before = desk.count("SELECT max(id) FROM updates");
    for content in ["one", "fails", "two"] {
        let command = desk.command(&participant, say(&chat_id, content));
        let body = desk.sidecar.next(&[command], None);
        let reply = sidecar::send(&desk.components.door, &body).await;
        assert_eq!(reply.status == 200, content != "fails", "{}", reply.text());
    }
    desk.presses("q", "").await;
    let heard = desk.exchange(&[]).await;
    assert_eq!(heard.ids(), (before + 1..=before + 3).collect::<Vec<_>>());
    assert_eq!(heard.at.id, before + 3);
    assert_eq!(heard.updates[2].queues, [desk.agency.id]);
    assert_eq!(
        heard.queues[0]["agencyId"], desk.agency.id,
        "a beat brings the queue"
    );
}

#[tokio::test]
async fn an_exchange_names_the_updates_it_has_committed() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    let mut other = Sidecar::new("other");
    let door = desk.components.door.clone();
    let beat = other.beat(&door, None).await;
    assert!(beat.starts_anew && beat.updates.is_empty() && beat.committed.is_empty());
    assert_eq!(
        beat.queues[0]["waiting"].as_array().map(Vec::len),
        Some(1),
        "all queues"
    );
    let heard = desk.one(&desk.support(), json!({"type": "startChat"})).await;
    // The queue has changed, and the chat has started.
    assert_eq!(
        (heard.committed.as_slice(), heard.ids().as_slice()),
        (&[3, 4][..], &[3, 4][..])
    );
    assert!(
        heard.queues.is_empty(),
        "it was not asked for, and there are commands"
    );
    let beat = other.beat(&door, None).await;
    assert_eq!((beat.ids(), beat.committed.clone()), (vec![3, 4], vec![]));
    assert_eq!(beat.deliveries(), heard.deliveries());
    let mut asks = other.next(&[], None);
    asks["queues"] = json!([desk.agency.id, 77]);
    let asked = desk.send(&asks).await;
    let agencies: Vec<_> = asked
        .queues
        .iter()
        .map(|queue| queue["agencyId"].clone())
        .collect();
    assert_eq!(
        agencies,
        [json!(desk.agency.id), json!(77)],
        "also those in which nobody waits"
    );
    assert!(asked.updates.is_empty());
}

#[tokio::test]
async fn a_sidecar_that_is_far_behind_reads_the_log_in_chunks_before_its_commands() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let fill = "INSERT INTO updates (body)
                WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
                SELECT '' FROM number";
    desk.database().execute(fill, [2_500]).expect("updates");
    let command = desk.command(&participant(&person), say(&chat_id, "hello"));
    let mut expected = desk.sidecar.cursor.expect("a cursor").id;
    for count in [1000, 1000] {
        let chunk = desk.exchange(std::slice::from_ref(&command)).await;
        assert!(
            chunk.replies.is_empty() && chunk.committed.is_empty(),
            "{chunk:?}"
        );
        assert_eq!(chunk.ids(), (expected + 1..=expected + count).collect::<Vec<_>>());
        expected += count;
        assert_eq!(chunk.at.id, expected);
    }
    let rest = desk.exchange(std::slice::from_ref(&command)).await;
    assert_eq!(rest.replies.len(), 1);
    assert_eq!(rest.ids(), (expected + 1..=expected + 501).collect::<Vec<_>>());
    assert_eq!(
        (rest.at.id, rest.committed),
        (expected + 501, vec![expected + 501])
    );

    // The same with few long updates.
    let long = json!({
        "type": "user_message",
        "payload": {
            "id": "0a1b2c3d4e5f60718293a4b5", "chatId": chat_id, "authorId": 1, "fromOrganizer": 1, "seq": 9,
            "content": "x".repeat(3_000_000), "timeSent": "2026-05-01T10:00:00.000Z",
        },
    });
    let insert = "INSERT INTO updates (body) SELECT ?1 FROM (VALUES (1), (2), (3), (4))";
    desk.database()
        .execute(insert, [format!("to two o1\n{long}\n")])
        .expect("updates");
    let chunk = desk.exchange(std::slice::from_ref(&command)).await;
    assert_eq!((chunk.replies.len(), chunk.ids().len()), (0, 2));
    let rest = desk.exchange(std::slice::from_ref(&command)).await;
    assert_eq!((rest.replies.len(), rest.ids().len()), (1, 3));
}

/// The database was restored from a copy: an earlier id now names another update, or none yet.
#[tokio::test]
async fn a_sidecar_whose_cursor_is_not_in_the_log_starts_anew() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.exchange(&[]).await;
    let end = desk.sidecar.cursor.expect("a cursor");
    let support = desk.support();
    for (id, made_at) in [
        (end.id, end.made_at - 1),
        (end.id + 1, end.made_at),
        (end.id - 1, end.made_at),
    ] {
        desk.sidecar.cursor = Some(sidecar_api::Cursor { id, made_at });
        let start = desk.command(&support, json!({"type": "startChat"}));
        let heard = desk.exchange(&[start]).await;
        assert!(heard.starts_anew && heard.updates.is_empty(), "{heard:?}");
        assert!(heard.replies.is_empty(), "the sidecar would not see what they do");
        assert_eq!((heard.at, heard.queues.len()), (end, 1));
    }
    assert_eq!(desk.sidecar.cursor, Some(end));
    assert!(!desk.exchange(&[]).await.starts_anew);
}

/// An update stays until its successor is old too, so that a sidecar that asks four times a second finds its cursor.
#[tokio::test]
async fn old_updates_are_deleted_except_the_last_one() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.exchange(&[]).await;
    desk.database()
        .execute("UPDATE updates SET made_at = made_at - 600001", ())
        .expect("rows");
    desk.tick().await;
    assert_eq!(desk.count("SELECT count(*) FROM updates"), 1);
    let anew = desk.exchange(&[]).await;
    assert!(anew.starts_anew, "its time is another one");
    desk.presses("q", "").await;
    desk.tick().await;
    assert_eq!(desk.count("SELECT count(*) FROM updates"), 2);
    let heard = desk.exchange(&[]).await;
    assert!(!heard.starts_anew);
    assert_eq!(heard.ids(), [anew.at.id + 1]);
}

/// Contract 5.6: both sides see that a chat is closed when the release of its lock has succeeded or failed, or at once
/// if an earlier one has failed.
#[tokio::test]
async fn closed_chat_is_an_update_of_its_own_and_comes_once() {
    let mut desk = Desk::open().await;
    let support = desk.support();
    let alone = desk.components.host_with(&["organizer", "messenger"]);
    let mut log = Sidecar::new("log");
    let door = desk.components.door.clone();
    for (name, is_up) in [("a", true), ("b", false), ("c", false)] {
        let person = desk.presses(name, "").await;
        let chat_id = desk.start().await;
        log.beat(&door, None).await;
        let commands = [
            desk.command(&participant(&person), say(&chat_id, "bye")),
            desk.command(&support, json!({"type": "closeChat", "chatId": chat_id})),
        ];
        let host = if is_up { &door } else { &alone };
        let heard = desk.sidecar.exchange(host, &commands, None).await;
        let shown = kinds(&[("user_message", "everyone"), ("closed_chat", "everyone")]);
        assert_eq!(heard.kinds(), shown);
        assert_eq!((heard.updates.len(), heard.committed.len()), (2, 2));
        assert_eq!(heard.at, heard.updates[0].cursor);
        assert_eq!(log.beat(&door, None).await.deliveries(), heard.deliveries());
        assert_eq!(person.has_requested(desk.agency.event_id).await, !is_up);
    }
    // The last one was tried after the answer.
    alone.idle().await;
    assert_eq!(
        desk.count("SELECT count(*) FROM lock_releases WHERE attempts > 0"),
        2
    );
    desk.database()
        .execute("UPDATE lock_releases SET due_at = 0", ())
        .expect("rows");
    desk.tick().await;
    assert_eq!(desk.count("SELECT count(*) FROM lock_releases"), 0);
    assert!(log.beat(&door, None).await.deliveries().is_empty());
}

/// The host ends between closing the chat and announcing it.
#[tokio::test]
async fn the_tick_announces_closed_chats_that_are_not_announced_yet() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let close = format!(
        "UPDATE chats SET state = 'ended', time_end = 1 WHERE id = '{chat_id}';
         INSERT INTO lock_releases (request_id, participant_id, event_id, due_at, must_announce)
         SELECT request_id, participant_id, event_id, 0, 1 FROM chats"
    );
    desk.database().execute_batch(&close).expect("rows");
    desk.exchange(&[]).await;
    desk.tick().await;
    let heard = desk.exchange(&[]).await;
    assert_eq!(heard.kinds(), kinds(&[("closed_chat", "everyone")]));
    assert!(!person.has_requested(desk.agency.event_id).await);
}

/// A release that was due in some seconds is due in an hour if the database's clock is set back by an hour.
#[tokio::test]
async fn a_lock_is_released_although_the_clock_was_set_back() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let support = desk.support();
    let close = desk.command(&support, json!({"type": "closeChat", "chatId": chat_id}));
    let alone = desk.components.host_with(&["organizer", "messenger"]);
    desk.sidecar.exchange(&alone, &[close], None).await;
    assert!(person.has_requested(desk.agency.event_id).await);
    desk.database()
        .execute(
            "UPDATE lock_releases SET due_at = (unixepoch() + 3600) * 1000",
            (),
        )
        .expect("a release");
    desk.tick().await;
    assert!(!person.has_requested(desk.agency.event_id).await);
}

/// Issue 12, item 22: hosts' clocks differ, so ids made from them do not show the order of arrival.
#[tokio::test]
async fn presses_with_the_same_time_are_queued_in_order_of_arrival() {
    let mut desk = Desk::open().await;
    let request = |number: u32| {
        json!({
            "id": format!("0198c0de-0000-7000-8000-{number:012}"), "participantId": number,
            "eventId": desk.agency.event_id, "agencyId": desk.agency.id, "pressedAt": 5, "description": "",
            "lat": null, "lng": null, "contact": {"email": "p@example.org", "phoneNumber": "", "version": 0},
        })
    };
    for number in [1, 2] {
        let body = json!({"requests": [request(number)]});
        let door = &desk.components.door;
        let path = "/messenger/internal/requests";
        door.send("POST", path, Some(MESSENGER_KEY), Some(&body))
            .await
            .empty(200);
    }
    // A host whose clock is ahead queued the first one.
    desk.database()
        .execute(
            "UPDATE chats SET id = 'ffffffffffffffffffffffff' WHERE participant_id = 1",
            (),
        )
        .expect("a row");
    let standings = desk
        .internal("standings?ids=0198c0de-0000-7000-8000-000000000001")
        .await;
    assert_eq!(standings["standings"][0]["ahead"], 0);
    for number in [1, 2] {
        let heard = desk.one(&desk.support(), json!({"type": "startChat"})).await;
        assert_eq!(heard.deliveries()[0].payload()["participantId"], number);
    }
}

/// A server tells how large its database is, but not its write-ahead log.
#[tokio::test]
async fn the_status_tells_the_sizes_of_the_database_and_its_logs() {
    let desk = Desk::open().await;
    desk.presses("p", "").await;
    let status = desk.internal("status").await;
    let pages = desk.count("PRAGMA page_size") * desk.count("PRAGMA page_count");
    assert!(pages > 0);
    assert_eq!(status["databaseBytes"], pages);
    let tells_log = status["walBytes"].as_i64().is_some_and(|bytes| bytes > 0);
    assert_eq!(tells_log, Database::of_tests() == Database::Files, "{status}");
    assert_eq!(status["logRows"], desk.count("SELECT count(*) FROM updates"));
    assert_eq!(status["logEnd"], desk.count("SELECT max(id) FROM updates"));
}

/// What the status says of presses that wait, of open chats and of releases that have failed.
async fn load(desk: &Desk) -> [i64; 5] {
    let status = desk.internal("status").await;
    [
        "waiting",
        "oldestWaitSeconds",
        "activeChats",
        "lockReleases",
        "oldestLockReleaseSeconds",
    ]
    .map(|name| status[name].as_i64().expect("a number"))
}

/// Closes a chat while the participant service is down, so that the release of its lock waits.
async fn close_without_participant(desk: &mut Desk, chat_id: &str) {
    let support = desk.support();
    let close = desk.command(&support, json!({"type": "closeChat", "chatId": chat_id}));
    let alone = desk.components.host_with(&["organizer", "messenger"]);
    desk.sidecar.exchange(&alone, &[close], None).await;
}

#[tokio::test]
async fn the_status_counts_what_waits() {
    let mut desk = Desk::open().await;
    assert_eq!(load(&desk).await, [0; 5]);
    for name in ["p", "q", "r"] {
        desk.presses(name, "").await;
    }
    let chat_id = desk.start().await;
    let earlier = "UPDATE chats SET pressed_at = pressed_at - 90500 WHERE state = 'waiting'";
    desk.database().execute(earlier, ()).expect("chats");
    let [waiting, oldest, active, locks, _] = load(&desk).await;
    assert_eq!((waiting, active, locks), (2, 1, 0));
    assert!((90..120).contains(&oldest), "{oldest}");

    close_without_participant(&mut desk, &chat_id).await;
    let earlier = "UPDATE chats SET time_end = time_end - 60500 WHERE state = 'ended'";
    desk.database().execute(earlier, ()).expect("a chat");
    let [_, _, active, locks, oldest] = load(&desk).await;
    assert_eq!((active, locks), (0, 1));
    assert!((60..90).contains(&oldest), "{oldest}");
}

/// Its ids are below 0.
#[tokio::test]
async fn the_status_does_not_count_what_is_the_canarys() {
    let mut desk = Desk::open().await;
    for name in ["p", "q", "r"] {
        desk.presses(name, "").await;
    }
    let closed = desk.start().await;
    desk.start().await;
    close_without_participant(&mut desk, &closed).await;
    let earlier = "UPDATE chats SET pressed_at = pressed_at - 90500, time_end = time_end - 60500";
    desk.database().execute(earlier, ()).expect("chats");
    let [waiting, _, active, locks, _] = load(&desk).await;
    assert_eq!((waiting, active, locks), (1, 1, 1));

    for of_the_canary in [
        "UPDATE chats SET agency_id = -agency_id, event_id = -event_id, participant_id = -participant_id,
                          organizer_id = -organizer_id",
        "UPDATE lock_releases SET participant_id = -participant_id, event_id = -event_id",
    ] {
        desk.database().execute(of_the_canary, ()).expect("rows");
    }
    assert_eq!(load(&desk).await, [0; 5]);
}

#[tokio::test]
async fn a_question_of_another_connection_does_not_delay_changes() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, participant) = (desk.support(), participant(&person));
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let commands: Vec<Value> = (0..40)
        .map(|number| match number % 2 {
            0 => desk.command(&support, history.clone()),
            _ => desk.command(&participant, say(&chat_id, &number.to_string())),
        })
        .collect();
    let heard = desk.exchange(&commands).await;
    assert_eq!((heard.replies.len(), heard.updates.len()), (40, 1));
    for reply in heard.replies.iter().step_by(2) {
        assert_eq!(contents(reply).len(), 21);
    }
}

#[tokio::test]
async fn the_status_tells_how_old_the_last_tick_is() {
    let desk = Desk::open().await;
    let age = async || {
        desk.internal("status").await["tickAgeSeconds"]
            .as_i64()
            .expect("a number")
    };
    let move_last_tick = |seconds: i64| {
        desk.database()
            .execute("UPDATE ticks SET ticked_at = ticked_at + ?1", [seconds * 1000])
            .expect("a tick");
        desk.count("SELECT ticked_at FROM ticks")
    };
    assert!(age().await < 30, "without a tick, the database is as old");
    move_last_tick(-90);
    let old = age().await;
    assert!((90..120).contains(&old), "{old}");
    desk.tick().await;
    assert!(age().await < 30);

    let ticked_at = move_last_tick(-1);
    desk.tick().await;
    assert_eq!(
        desk.count("SELECT ticked_at FROM ticks"),
        ticked_at,
        "it is written seldom"
    );
    let ticked_at = move_last_tick(3600);
    assert_eq!(age().await, 0);
    desk.tick().await;
    assert!(
        desk.count("SELECT ticked_at FROM ticks") < ticked_at,
        "the clock was set back"
    );
}
