//! Opening and migrating the services' databases.

use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::json;

use crate::support::components::{Components, MESSENGER_KEY};

/// Many instances, on two hosts, find an empty database at the same time. Each answers, and the schema is created once.
#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_once_by_instances_that_start_together() {
    let components = Components::start();
    let other = components.another_host(&["organizer", "participant", "messenger"], &[]);
    let body = json!({"email": "nobody@example.org", "password": "nobody has this one"});
    let first_requests = (0..30).map(|number| {
        let door = if number % 2 == 0 { &components.door } else { &other };
        let (path, status) = match number % 3 {
            0 => ("/organizer/auth/sign-in", 400),
            1 => ("/participant/auth/sign-in", 401),
            _ => ("/messenger/internal/ready", 200),
        };
        let method = if status == 200 { "GET" } else { "POST" };
        let body = &body;
        async move {
            let key = Some(MESSENGER_KEY);
            let reply = door.send(method, path, key, Some(body)).await;
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
        }
    });
    join_all(first_requests).await;
    for (service, version) in [("organizer", 6), ("participant", 4), ("messenger", 6)] {
        let database = Connection::open(components.database(service)).expect("a database");
        let pragma = |name| {
            database.query_row(&format!("PRAGMA {name}"), (), |row| {
                row.get::<_, rusqlite::types::Value>(0)
            })
        };
        assert_eq!(pragma("user_version"), Ok(version.into()), "{service}");
        assert_eq!(pragma("journal_mode"), Ok("wal".to_owned().into()), "{service}");
        assert_eq!(pragma("integrity_check"), Ok("ok".to_owned().into()), "{service}");
    }
    let organizer = Connection::open(components.database("organizer")).expect("a database");
    let superadmins = organizer.query_row("SELECT count(*) FROM users WHERE role = 0", (), |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(superadmins, Ok(1));
}

/// A database that a much later version has migrated is refused and not changed.
#[tokio::test]
async fn a_database_from_the_future_is_refused() {
    let components = Components::start();
    let database = Connection::open(components.database("messenger")).expect("a database");
    database
        .execute_batch("PRAGMA user_version = 99")
        .expect("a version");
    let key = Some(MESSENGER_KEY);
    components
        .door
        .send("GET", "/messenger/internal/ready", key, None)
        .await
        .error(500, "internal server error");
    let version = database.query_row("PRAGMA user_version", (), |row| row.get::<_, i64>(0));
    assert_eq!(version, Ok(99));
}
