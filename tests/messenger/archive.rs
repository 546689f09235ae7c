//! Pages of an agency's archive (docs/organizer-api.md).

use serde_json::{Value, json};

use super::{Desk, participant, say};
use crate::support::door::Reply;
use crate::support::people::{self, Person, new_event};
use crate::support::sidecar::organizer;

const PATH: &str = "/messenger/agency/chats";

impl Desk {
    /// A closed chat in which its participant has said something.
    async fn closed(&mut self, name: &str, text: &str) -> (Person, String) {
        let person = self.presses(name, "").await;
        let chat_id = self.start().await;
        self.one(&participant(&person), say(&chat_id, text)).await;
        self.close(&chat_id).await;
        (person, chat_id)
    }

    async fn close(&mut self, chat_id: &str) {
        let close = json!({"type": "closeChat", "chatId": chat_id});
        self.one(&self.support(), close).await;
    }

    /// The ids of the chats in the first page.
    async fn found(&self, query: &str) -> Vec<String> {
        let page = self.agency.support.get(&format!("{PATH}?{query}")).await;
        page.list().iter().map(id).collect()
    }
}

fn id(chat: &Value) -> String {
    chat["id"].as_str().expect("text").to_owned()
}

/// The query of the link to the next page.
fn next(page: &Reply) -> Option<String> {
    let link = page.header("link")?;
    let query = link
        .strip_prefix("<?")
        .and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(
        query
            .unwrap_or_else(|| panic!("{link} is no link to a next page"))
            .to_owned(),
    )
}

#[tokio::test]
async fn the_pages_of_the_archive_add_up_to_the_archive() {
    let mut desk = Desk::open().await;
    for name in ["a", "b", "c", "d"] {
        desk.closed(name, "Hello").await;
    }
    // Two that were taken in the same millisecond.
    let database = desk.database();
    database
        .execute(
            "UPDATE chats SET time_start = (SELECT max(time_start) FROM chats) WHERE arrival >= 3",
            (),
        )
        .expect("an update");
    let whole = desk.agency.support.get(PATH).await;
    assert_eq!(whole.header("link"), None);
    let whole: Vec<String> = whole.list().iter().map(id).collect();
    assert_eq!(whole.len(), 4);
    for limit in [1, 3, 4, 500] {
        let (mut pages, mut query) = (Vec::new(), Some(format!("limit={limit}")));
        while let Some(asked) = query {
            let page = desk.agency.support.get(&format!("{PATH}?{asked}")).await;
            query = next(&page);
            pages.push(page.list().iter().map(id).collect::<Vec<_>>());
        }
        assert_eq!(pages.concat(), whole, "in pages of {limit}");
        let (last, full) = pages.split_last().expect("a page");
        assert!(full.iter().all(|page| page.len() == limit), "in pages of {limit}");
        assert!((1..=limit).contains(&last.len()), "in pages of {limit}");
    }
    assert_eq!(desk.found(&format!("cursor={}", whole[1])).await, whole[2..]);
}

/// Without parameters the archive is as the contract has it. A page tells what protocol 2 tells of a chat.
#[tokio::test]
async fn a_page_tells_more_than_the_contract() {
    let mut desk = Desk::open().await;
    let person = people::sign_up(&desk.components.door, "p@example.org").await;
    let press = json!({
        "eventId": desk.agency.event_id, "kind": "lost", "lat": 50.06, "lng": 19.94, "accuracy": 12,
        "clientId": "8a4e7c9e-6d0f-4b52-9f6e-0f3f3c8f7a11",
    });
    person.post("/participant/chat-requests", &press).await.json(200);
    let mut anna = desk.support();
    anna["name"] = json!("Anna Kos");
    desk.one(&anna, json!({"type": "startChat"})).await;
    let chat_id: String = desk
        .database()
        .query_row("SELECT id FROM chats", (), |row| row.get(0))
        .expect("a chat");
    desk.close(&chat_id).await;

    let plain = desk.agency.owner.archive("agency").await[0].clone();
    let mut page = desk.agency.owner.get(&format!("{PATH}?limit=1")).await.list();
    let chat = page[0].as_object_mut().expect("a chat");
    let more = json!({
        "lastSeq": chat.remove("lastSeq"), "organizerName": chat.remove("organizerName"),
        "kind": chat.remove("kind"), "accuracyStart": chat.remove("accuracyStart"),
    });
    let expected = json!({"lastSeq": 1, "organizerName": "Anna Kos", "kind": "lost", "accuracyStart": 12.0});
    assert_eq!(more, expected);
    assert_eq!(page[0], plain, "the rest is the contract's");

    let mut single = desk
        .agency
        .support
        .get(&format!("{PATH}/{chat_id}"))
        .await
        .json(200);
    for name in ["lastSeq", "organizerName", "kind", "accuracyStart"] {
        single
            .as_object_mut()
            .expect("a chat")
            .remove(name)
            .expect("as in the page");
    }
    assert_eq!(single, plain);
    let open = person.press_help(desk.agency.event_id, "").await;
    open.empty(200);
    let open = desk.start().await;
    for unknown in [open.as_str(), "nonsense", "0a1b2c3d4e5f60718293a4b5"] {
        let answer = desk.agency.support.get(&format!("{PATH}/{unknown}")).await;
        answer.error(400, "chat not found");
    }
}

#[tokio::test]
async fn the_archive_is_filtered() {
    let mut desk = Desk::open().await;
    let owner = &desk.agency.owner;
    let other = owner
        .post("/organizer/agency/events", &new_event("Other night"))
        .await
        .json(201)["id"]
        .clone();
    let (anna, first) = desk.closed("anna", "At gate 4").await;
    let (_, second) = desk.closed("bob", "Near the stage").await;
    anna.press_help(other.as_i64().expect("an id"), "")
        .await
        .empty(200);
    let third = super::chat_id(&desk.one(&desk.owner(), json!({"type": "startChat"})).await);
    let close = json!({"type": "closeChat", "chatId": third});
    desk.one(&desk.owner(), close).await;
    let database = desk.database();
    for (number, chat_id) in [&first, &second, &third].into_iter().enumerate() {
        let time_start = 1_777_629_600_000 + i64::try_from(number).expect("a few") * 60_000;
        database
            .execute(
                "UPDATE chats SET time_start = ?2 WHERE id = ?1",
                (chat_id, time_start),
            )
            .expect("an update");
    }
    let (event, support, owner) = (desk.agency.event_id, desk.agency.support.id, desk.agency.owner.id);
    for (query, expected) in [
        (format!("eventId={event}"), vec![&second, &first]),
        (format!("eventId={other}"), vec![&third]),
        (format!("organizerId={support}"), vec![&second, &first]),
        (format!("organizerId={owner}"), vec![&third]),
        (format!("participantId={}", anna.id), vec![&third, &first]),
        (format!("participantId={}&eventId={event}", anna.id), vec![&first]),
        ("from=2026-05-01T10:01:00Z".to_owned(), vec![&third, &second]),
        ("to=2026-05-01T10:01:00Z".to_owned(), vec![&first]),
        (
            "from=2026-05-01T10:01:00Z&to=2026-05-01T14:02:00%2B02:00".to_owned(),
            vec![&third, &second],
        ),
        ("q=GATE".to_owned(), vec![&first]),
        ("q=anna@".to_owned(), vec![&third, &first]),
        (format!("q=anna&eventId={event}"), vec![&first]),
        ("q=surprise".to_owned(), vec![]),
        ("q=&from=&to=".to_owned(), vec![&third, &second, &first]),
        (format!("eventId={}", event + 1000), vec![]),
    ] {
        assert_eq!(
            desk.found(&query).await.iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_search_is_literal_and_in_any_case() {
    let mut desk = Desk::open().await;
    let texts = ["ŁÓDŹ_100%", "łódź 100", "[a] (b)*?", "plain"];
    let mut chat_ids = Vec::new();
    for (number, text) in texts.into_iter().enumerate() {
        chat_ids.push(desk.closed(&format!("p{number}"), text).await.1);
    }
    let database = desk.database();
    database
        .execute(
            "UPDATE contacts SET name = 'Żaneta' WHERE email = 'p3@example.org'",
            (),
        )
        .expect("an update");
    for (search, expected) in [
        ("łódź", &[1, 0][..]),
        ("Ź_1", &[0]),
        ("100%", &[0]),
        ("[A]", &[2]),
        (")*?", &[2]),
        ("żANETA", &[3]),
        ("P2@EXAMPLE", &[2]),
        ("plain stage", &[]),
        ("48555", &[]),
    ] {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("q", search)
            .finish();
        let expected: Vec<_> = expected.iter().map(|number| chat_ids[*number].clone()).collect();
        assert_eq!(desk.found(&query).await, expected, "{search}");
    }
}

#[tokio::test]
async fn a_link_to_the_next_page_repeats_the_parameters_that_were_applied() {
    let mut desk = Desk::open().await;
    desk.closed("a", "Gate & stage").await;
    let (_, second) = desk.closed("b", "Gate & stage").await;
    let query = "surprise=1&limit=1&limit=2&q=gate+%26&to=2100-01-01T00:00:00%2B01:00";
    let first = desk.agency.support.get(&format!("{PATH}?{query}")).await;
    let expected =
        format!("<?to=2100-01-01T00%3A00%3A00%2B01%3A00&q=gate+%26&limit=1&cursor={second}>; rel=\"next\"");
    assert_eq!(first.header("link"), Some(expected.as_str()));
    let exposed = first.header("access-control-expose-headers");
    assert!(exposed.is_some_and(|headers| headers.contains("Link")));
    assert_eq!(desk.found(&next(&first).expect("a link")).await.len(), 1);
}

#[tokio::test]
async fn a_bad_parameter_is_refused() {
    let mut desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    desk.presses("open", "").await;
    let open = desk.start().await;
    let refused = async |query: &str, message: &str| {
        let page = desk.agency.support.get(&format!("{PATH}?{query}")).await;
        page.error(400, message);
    };
    for name in ["eventId", "organizerId", "participantId", "limit"] {
        for value in ["", "0", "-1", "x", "1.5", "99999999999999999999"] {
            refused(
                &format!("{name}={value}"),
                &format!("invalid `{name}` query parameter"),
            )
            .await;
        }
    }
    refused("limit=501", "invalid `limit` query parameter").await;
    for name in ["from", "to"] {
        let message = format!("invalid format of `{name}` filter value; RFC3339 required");
        refused(&format!("{name}=2026-05-01"), &message).await;
    }
    for search in ["%00", &"a".repeat(201)] {
        refused(&format!("q={search}"), "invalid `q` query parameter").await;
    }
    for cursor in ["", "x", "0a1b2c3d4e5f60718293a4b5", &open] {
        refused(&format!("cursor={cursor}"), "invalid `cursor` query parameter").await;
    }
    desk.close(&open).await;
    assert!(desk.found(&format!("cursor={open}")).await.is_empty());
    let foreign = rival.owner.get(&format!("{PATH}?cursor={open}")).await;
    foreign.error(400, "invalid `cursor` query parameter");
    let foreign = rival.owner.get(&format!("{PATH}?limit=500")).await;
    assert_eq!(foreign.list(), Vec::<Value>::new());
}

/// A support user who talks to somebody sees that person's earlier chats in the own agency, and no other agency's.
#[tokio::test]
async fn support_sees_the_history_of_a_person() {
    let mut desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    let (person, earlier) = desk.closed("p", "The same as last year").await;
    let (_, somebody_elses) = desk.closed("q", "Something else").await;
    person
        .press_help(rival.event_id, "At the rival's")
        .await
        .empty(200);
    let stranger = organizer(rival.owner.id, rival.id);
    let elsewhere = super::chat_id(&desk.one(&stranger, json!({"type": "startChat"})).await);
    desk.one(&stranger, json!({"type": "closeChat", "chatId": elsewhere}))
        .await;

    person.press_help(desk.agency.event_id, "Again").await.empty(200);
    let heard = desk.one(&desk.support(), json!({"type": "startChat"})).await;
    let participant_id = heard.deliveries()[0].payload()["participantId"].clone();
    let history = desk.found(&format!("participantId={participant_id}")).await;
    assert_eq!(
        history,
        [earlier.as_str()],
        "and not {somebody_elses} or {elsewhere}"
    );
    let messages = desk.agency.support.archived_contents("agency", &earlier).await;
    assert_eq!(messages, ["The same as last year"]);
    let path = format!("{PATH}/{elsewhere}");
    desk.agency.support.get(&path).await.error(400, "chat not found");
    let path = format!("{PATH}/{elsewhere}/messages");
    desk.agency.support.get(&path).await.error(400, "chat not found");
    let of_rival = rival
        .owner
        .get(&format!("{PATH}?participantId={participant_id}"))
        .await;
    assert_eq!(of_rival.list().iter().map(id).collect::<Vec<_>>(), [elsewhere]);
}

/// Words, names and addresses of people stay out of URLs.
#[tokio::test]
async fn a_search_has_its_filters_in_the_body() {
    let mut desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    let (anna, first) = desk.closed("anna", "At gate 4").await;
    let (_, second) = desk.closed("bob", "Near the gate").await;
    let path = format!("{PATH}/search");
    for (filters, expected) in [
        (json!({}), vec![&second, &first]),
        (
            json!({"q": "", "from": "", "eventId": null}),
            vec![&second, &first],
        ),
        (json!({"q": "GATE"}), vec![&second, &first]),
        (json!({"q": "gate 4"}), vec![&first]),
        (json!({"q": "bob@"}), vec![&second]),
        (json!({"participantId": anna.id, "q": "gate"}), vec![&first]),
        (
            json!({"eventId": desk.agency.event_id, "organizerId": desk.agency.support.id}),
            vec![&second, &first],
        ),
        (json!({"from": "2100-01-01T00:00:00Z"}), vec![]),
        (json!({"to": "2100-01-01T00:00:00+01:00"}), vec![&second, &first]),
    ] {
        let page = desk.agency.support.post(&path, &filters).await.list();
        let found: Vec<String> = page.iter().map(id).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filters}");
    }

    let gate = json!({"q": "gate"});
    let page = desk
        .agency
        .support
        .post(&format!("{path}?limit=1&surprise=stage"), &gate)
        .await;
    let expected = format!("<?limit=1&cursor={second}>; rel=\"next\"");
    assert_eq!(page.header("link"), Some(expected.as_str()));
    let same = desk.agency.support.get(&format!("{PATH}?limit=1")).await;
    assert_eq!(page.list(), same.list(), "a page is the same by either route");
    let next = next(&page).expect("a link");
    let page = desk.agency.support.post(&format!("{path}?{next}"), &gate).await;
    assert_eq!(page.header("link"), None);
    assert_eq!(page.list().iter().map(id).collect::<Vec<_>>(), [first]);

    for filters in [
        json!({"q": "a".repeat(201)}),
        json!({"q": "a\0b"}),
        json!({"q": 4}),
        json!({"eventId": 0}),
        json!({"eventId": "1"}),
        json!({"from": "2026-05-01"}),
        json!({"Q": "gate"}),
        json!({"limit": 1}),
        json!([]),
    ] {
        let refused = desk.agency.support.post(&path, &filters).await;
        assert_eq!(refused.status, 400, "{filters}");
    }
    let refused = desk
        .agency
        .support
        .post(&format!("{path}?cursor={second}x"), &gate)
        .await;
    refused.error(400, "invalid `cursor` query parameter");
    assert_eq!(rival.owner.post(&path, &gate).await.list(), Vec::<Value>::new());
    anna.post(&path, &gate).await.error(401, "invalid token type");
}
