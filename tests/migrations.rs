//! During a rolling update programs of two versions serve one database, which the newer one has migrated. So a migration
//! keeps the version before it working (docs/operations.md, "What a migration may do"):
//!
//! - [`each_migration_keeps_the_version_before_it_working`] holds every migration to the rule.
//! - [`a_whole_story_passes_on_databases_of_the_next_version`] holds the programs to it: they work on databases whose next
//!   migration has done whatever the rule permits. `faults` applies it while people chat.

use mayday_tests::schema::{self, Column, Object, migrations};
use rusqlite::Connection;
use serde_json::json;

use crate::support::components::{Components, MESSENGER_KEY, PARTICIPANT_KEY, SERVICES};
use crate::support::people::{self, PARTICIPANT_PASSWORD};
use crate::support::sidecar::{Sidecar, command, organizer};

/// What migrations break although the version before them goes on working, and why it does.
const EXCEPTIONS: [(&str, usize, &str); 4] = [
    // Its statements say whose name they mean.
    ("messenger", 2, "contacts.name has the name of another column"),
    (
        "participant",
        2,
        "participants.name has the name of another column",
    ),
    // It looks for a lock in the statement that takes it, and relies on no key. Ids of requests do not repeat.
    ("participant", 2, "table locks is made anew"),
    (
        "participant",
        2,
        "unique index locks_by_request_id may refuse rows",
    ),
];

#[derive(PartialEq)]
struct ForeignKey {
    column: String,
    parent: String,
    on_delete: String,
}

fn objects(database: &Connection) -> Vec<Object> {
    schema::objects(database).expect("objects")
}

/// The columns of a table or view; none if it does not exist.
fn columns(database: &Connection, table: &str) -> Vec<Column> {
    schema::columns(database, table).expect("columns")
}

fn foreign_keys(database: &Connection, table: &str) -> Vec<ForeignKey> {
    let sql = "SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?1)";
    let keys = schema::rows(database, sql, [table], |row| {
        Ok(ForeignKey {
            column: row.get(0)?,
            parent: row.get(1)?,
            on_delete: row.get(2)?,
        })
    });
    keys.expect("foreign keys")
}

/// What programs that know only the schema `before` would miss, or run into, in `after`.
fn complaints(before: &Connection, after: &Connection) -> Vec<String> {
    let (old, new) = (objects(before), objects(after));
    let is_old = |relation: &str| {
        let mut relations = old
            .iter()
            .filter(|object| object.kind == "table" || object.kind == "view");
        relations.any(|object| object.name == relation)
    };
    let mut complaints = Vec::new();
    for was in &old {
        let Object { kind, name, .. } = was;
        let is_same = |now: &&Object| now.kind == *kind && now.name == *name && now.table == was.table;
        let now = new.iter().find(is_same);
        match (kind.as_str(), now) {
            // Other indexes come and go.
            ("index", _) if !was.is_unique() => {}
            ("index", Some(now)) if now.sql != was.sql => {
                complaints.push(format!("unique index {name} is another one"));
            }
            (_, None) => complaints.push(format!("{kind} {name} is gone")),
            ("table", Some(now)) => complaints.extend(complaints_of_table(before, after, was, now)),
            ("view", Some(_)) => {
                let names = columns(after, name);
                let is_kept = |was: &Column| names.iter().any(|now| now.name == was.name);
                if !columns(before, name).iter().all(is_kept) {
                    complaints.push(format!("view {name} has lost columns"));
                }
            }
            _ => {}
        }
    }
    for now in new.iter().filter(|now| !old.contains(now) && is_old(&now.table)) {
        let Object { name, table, .. } = now;
        // Rows without the new column are no duplicates of each other.
        if now.is_unique() && !has_new_and_empty_column(before, after, now) {
            complaints.push(format!("unique index {name} may refuse rows"));
        }
        if now.kind == "trigger" && now.sql.to_lowercase().contains("raise") {
            complaints.push(format!("trigger {name} may refuse rows of {table}"));
        }
    }
    for Object { name, .. } in new.iter().filter(|now| now.kind == "table") {
        let known = foreign_keys(before, name);
        for key in foreign_keys(after, name) {
            let lets_go = key.on_delete == "CASCADE" || key.on_delete == "SET NULL";
            if is_old(&key.parent) && !lets_go && !known.contains(&key) {
                let parent = &key.parent;
                complaints.push(format!("rows of {name} keep rows of {parent} from being deleted"));
            }
        }
    }
    complaints
}

/// The same of a table, which may get columns at its end.
fn complaints_of_table(before: &Connection, after: &Connection, was: &Object, now: &Object) -> Vec<String> {
    let table = &was.name;
    let (old, new) = (columns(before, table), columns(after, table));
    let added = new.strip_prefix(old.as_slice());
    let text = added.and_then(|added| added_text(&was.sql, &now.sql, added.first()));
    let (Some(added), Some(text)) = (added, text) else {
        return vec![format!("table {table} is made anew")];
    };
    let mut complaints = Vec::new();
    for Column {
        name,
        default,
        is_required,
        ..
    } in added
    {
        if *is_required && default.is_none() {
            complaints.push(format!("{table}.{name} must be given"));
        }
        // Statements that join the two tables may not say which one they mean.
        let others = objects(before).into_iter().filter(|other| other.name != *table);
        let mut names = others.flat_map(|other| columns(before, &other.name));
        if names.any(|other| other.name == *name) {
            complaints.push(format!("{table}.{name} has the name of another column"));
        }
    }
    let (_, checks) = text.split_once("check").unwrap_or_default();
    let mut words = checks.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    if words.any(|word| old.iter().any(|column| column.name == word)) {
        complaints.push(format!("new columns of {table} check old ones"));
    }
    complaints
}

/// The definitions of columns that were added to that of a table; `None` if it has changed otherwise.
fn added_text<'a>(was: &str, now: &'a str, first: Option<&Column>) -> Option<&'a str> {
    let Some(first) = first else {
        return (was == now).then_some("");
    };
    now.match_indices(&first.name).find_map(|(at, _)| {
        let rest = was.strip_prefix(now[..at].trim_end_matches([',', ' ']))?;
        let text = now[at..].strip_suffix(rest)?;
        // A column cannot be added with these, only a table be made anew.
        let is_of_columns = !["unique", "primary key", "foreign key"]
            .iter()
            .any(|word| text.contains(word));
        is_of_columns.then_some(text)
    })
}

fn has_new_and_empty_column(before: &Connection, after: &Connection, index: &Object) -> bool {
    let sql = "SELECT name FROM pragma_index_info(?1)";
    let of_index: Vec<Option<String>> =
        schema::rows(after, sql, [&index.name], |row| row.get(0)).expect("columns");
    let known = columns(before, &index.table);
    let is_new = |column: &Column| !known.iter().any(|known| known.name == column.name);
    let new = columns(after, &index.table);
    let mut empty = new
        .iter()
        .filter(|column| is_new(column) && column.default.is_none());
    empty.any(|column| of_index.contains(&Some(column.name.clone())))
}

fn database_after(migrations: &[&str]) -> Connection {
    let database = Connection::open_in_memory().expect("memory");
    for migration in migrations {
        database.execute_batch(migration).expect(migration);
    }
    database
}

#[test]
fn each_migration_keeps_the_version_before_it_working() {
    for service in SERVICES {
        let migrations = migrations(service).expect("files");
        let migrations: Vec<_> = migrations.iter().map(String::as_str).collect();
        for version in 2..=migrations.len() {
            let before = database_after(&migrations[..version - 1]);
            let after = database_after(&migrations[..version]);
            let mut complaints = complaints(&before, &after);
            complaints.sort();
            let of_version = EXCEPTIONS
                .iter()
                .filter(|(of, at, _)| (*of, *at) == (service, version));
            let excepted: Vec<_> = of_version.map(|(.., complaint)| *complaint).collect();
            assert_eq!(complaints, excepted, "migration {version} of {service}");
        }
    }
}

/// A schema with something of each kind.
const SCHEMA: &str = "
    create table people (id integer primary key, email text not null unique, age integer, check (age > 0));
    create table visits (id integer primary key, person_id integer not null references people (id), note text);
    create table words (id integer primary key, word text, origin text);
    create unique index notes_of_visits on visits (note);
    create index visits_by_person on visits (person_id);
    create view seen (person_id, note) as
    select person_id, note from visits;
    create trigger see instead of insert on seen begin
        insert into visits (person_id, note) values (new.person_id, new.note);
    end;
    create trigger greet after insert on people begin
        insert into words (word) values ('hello ' || new.email);
    end;
";

#[test]
fn what_breaks_the_version_before_is_noticed() {
    let anew = "drop table words;
                create table words (id integer primary key, word text collate nocase, origin text)";
    let stricter = "drop table words;
                    create table words (id integer primary key, word text, origin text, tongue text, unique (word))";
    let needy = "drop table words;
                 create table words (id integer primary key, word text, origin text, tongue text not null)";
    let cases: [(&str, &[&str]); 17] = [
        ("drop table words", &["table words is gone"]),
        (
            "alter table words drop column origin",
            &["table words is made anew"],
        ),
        (
            "alter table words rename column origin to source",
            &["table words is made anew"],
        ),
        (anew, &["table words is made anew"]),
        (stricter, &["table words is made anew"]),
        (needy, &["words.tongue must be given"]),
        (
            "alter table words add column note text",
            &["words.note has the name of another column"],
        ),
        (
            "alter table people add column since integer check (since < age)",
            &["new columns of people check old ones"],
        ),
        ("drop index notes_of_visits", &["index notes_of_visits is gone"]),
        (
            "drop index notes_of_visits; create unique index notes_of_visits on visits (note, person_id)",
            &[
                "unique index notes_of_visits is another one",
                "unique index notes_of_visits may refuse rows",
            ],
        ),
        (
            "create unique index one_word on words (word)",
            &["unique index one_word may refuse rows"],
        ),
        (
            "alter table words add column tongue text not null default 'pl'; create unique index one on words (tongue)",
            &["unique index one may refuse rows"],
        ),
        ("drop view seen", &["trigger see is gone", "view seen is gone"]),
        (
            "drop view seen; create view seen (person_id) as select person_id from visits;
             create trigger see instead of insert on seen begin select 1; end",
            &["view seen has lost columns"],
        ),
        ("drop trigger greet", &["trigger greet is gone"]),
        (
            "create trigger refuse before insert on people when new.age < 18 begin select raise(ignore); end",
            &["trigger refuse may refuse rows of people"],
        ),
        (
            "create table badges (person_id integer references people (id))",
            &["rows of badges keep rows of people from being deleted"],
        ),
    ];
    let before = database_after(&[SCHEMA]);
    for (migration, expected) in cases {
        let after = database_after(&[SCHEMA, migration]);
        assert_eq!(complaints(&before, &after), expected, "{migration}");
    }
}

fn version(database: &Connection) -> i64 {
    schema::version(database).expect("a version")
}

#[test]
fn the_migration_of_the_story_is_as_the_rule_permits() {
    let migrations = SERVICES.map(|service| migrations(service).expect("files").concat());
    for schema in migrations.iter().map(String::as_str).chain([SCHEMA]) {
        let before = database_after(&[schema]);
        let next = schema::next_migration(&before).expect("a schema");
        assert_eq!(
            complaints(&before, &database_after(&[schema, &next])),
            [""; 0],
            "{next}"
        );
    }
}

#[tokio::test]
async fn a_whole_story_passes_on_databases_of_the_next_version() {
    let components = Components::start();
    let door = &components.door;
    // A service makes its tables with its first request.
    let superadmin = components.superadmin().await;
    let early = people::sign_up(door, "early@example.org").await;
    assert!(early.archive("participant").await.is_empty());
    let versions = SERVICES.map(|service| {
        let database = Connection::open(components.database(service)).expect("a database");
        let next = schema::next_migration(&database).expect(service);
        database.execute_batch(&next).expect(service);
        version(&database)
    });

    // An agency works.
    let agency = people::found_agency(door, &superadmin, "Fest").await;
    let (owner, event) = (&agency.owner, agency.event_id);
    let contact = json!({
        "firstName": "Jan", "lastName": "Kos", "email": "kos@example.org", "phoneNumber": "+48123456789",
        "additionalNotes": "", "eventId": event,
    });
    owner.post("/organizer/agency/contacts", &contact).await.json(201);
    let issue = json!({"name": "Rain", "description": "Much", "priority": "low", "eventId": event});
    let issue = owner.post("/organizer/agency/issues", &issue).await.json(201);
    let comment = json!({"content": "There are umbrellas", "issueId": issue["id"]});
    owner.post("/organizer/agency/comments", &comment).await.json(201);
    for list in ["users", "events", "contacts", "issues", "comments", "changelogs"] {
        let rows = owner.get(&format!("/organizer/agency/{list}")).await.list();
        assert!(!rows.is_empty(), "{list}");
    }
    let record = owner.get("/organizer/agency/changelogs/verify").await.json(200);
    assert_eq!(record["holds"], true, "{record}");

    // Somebody presses help, is helped, and presses again.
    let person = people::sign_up(door, "p@example.org").await;
    let body = json!({"phoneNumber": "+48 555 000 222"});
    person.patch("/participant/profile", &body).await.json(200);
    let found = person.get("/participant/events?query=night").await.list();
    assert_eq!(found[0]["id"], event);
    let press =
        json!({"eventId": event, "description": "Lost", "clientId": "0198c0de-0000-4000-8000-000000000001"});
    for _ in 0..2 {
        person.post("/participant/chat-requests", &press).await.json(200);
    }
    assert!(person.has_requested(event).await);
    let mut sidecar = Sidecar::new("s");
    let support = organizer(agency.support.id, agency.id);
    let participant = json!({"realm": "participant", "id": person.id});
    let start = command(&support, 1, &json!({"type": "startChat"}));
    let heard = sidecar.exchange(door, &[start], None).await;
    let chat_id = heard.deliveries()[0].payload()["id"].clone();
    let say = |message: &str| json!({"type": "sendMessage", "chatId": chat_id, "message": message});
    let talk = [
        command(&support, 2, &say("Where are you?")),
        command(&participant, 3, &say("At the gate")),
        command(&support, 4, &json!({"type": "closeChat", "chatId": chat_id})),
    ];
    sidecar.exchange(door, &talk, None).await;
    let chat_id = chat_id.as_str().expect("text");
    let said = ["Problem description: Lost", "Where are you?", "At the gate"];
    assert_eq!(agency.support.archived_contents("agency", chat_id).await, said);
    assert_eq!(person.archived_contents("participant", chat_id).await, said);
    let search = json!({"q": "gate"});
    let found = owner.post("/messenger/agency/chats/search", &search).await.list();
    assert_eq!(found[0]["id"], chat_id);
    owner.get("/messenger/statistics").await.json(200);
    assert!(!person.has_requested(event).await);
    person.press_help(event, "").await.empty(200);
    let take_back = format!("/participant/chat-requests/mine/{event}");
    assert_eq!(person.delete(&take_back).await.status, 200);
    for (path, key) in [
        ("/participant/internal/tick", PARTICIPANT_KEY),
        ("/messenger/internal/tick", MESSENGER_KEY),
    ] {
        door.send("POST", path, Some(key), None).await.empty(200);
    }

    // Everybody goes.
    person.get("/participant/profile/export").await.json(200);
    person
        .post("/participant/auth/sign-out", &json!({}))
        .await
        .empty(200);
    person
        .get("/participant/profile")
        .await
        .error(401, "invalid token");
    let password = json!({"password": PARTICIPANT_PASSWORD});
    let deleted = door.send(
        "DELETE",
        "/participant/profile",
        Some(&early.token),
        Some(&password),
    );
    deleted.await.json(200);
    let support = &agency.support;
    support
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    assert_eq!(support.get("/organizer/profile").await.status, 403);
    let path = format!("/organizer/agency/users/{}", support.id);
    assert_eq!(owner.delete(&path).await.status, 200);
    let path = format!("/organizer/agency/events/{event}");
    assert_eq!(owner.delete(&path).await.status, 200);

    for (service, version_before) in SERVICES.into_iter().zip(versions) {
        let database = Connection::open(components.database(service)).expect("a database");
        assert_eq!(version(&database), version_before, "{service} leaves it as it is");
        let noted: i64 = database
            .query_row("SELECT count(*) FROM next_log", (), |row| row.get(0))
            .expect("a count");
        assert!(noted > 0, "{service} has written");
    }
}
