//! SQLite databases.

use std::sync::Arc;

use crate::support::{Host, Setup};

fn with_database() -> Host {
    Setup::new().component("sqlite_databases = [\"default\"]").start()
}

const QUERY: &str = "/sqlite?database=default";

/// `crates/sqlite-inproc/src/lib.rs`, `execute_query`, `convert_data`, `ValueWrapper`.
#[tokio::test]
async fn every_type_of_value_can_be_stored_and_read() {
    let host = with_database();
    let answer = host
        .post(
            QUERY,
            "SELECT ? AS i, ? AS r, ? AS t, ? AS b, ? AS n <- every-type",
        )
        .await;
    let expected = "Ok(([\"i\", \"r\", \"t\", \"b\", \"n\"], [[Value::Integer(-1), Value::Real(0.5), \
                    Value::Text(\"text\"), Value::Blob([0, 255]), Value::Null]]))\n";
    assert_eq!(answer, expected);
}

/// `crates/sqlite-inproc/src/lib.rs`, `execute_query`: the text is prepared once, so only its first statement is run.
#[tokio::test]
async fn what_follows_the_first_statement_is_dropped_silently() {
    let host = with_database();
    let answer = host
        .post(
            QUERY,
            "CREATE TABLE a (x); CREATE TABLE b (x)\nSELECT name FROM sqlite_schema",
        )
        .await;
    assert_eq!(answer, "Ok(([], []))\nOk(([\"name\"], [[Value::Text(\"a\")]]))\n");
}

/// `crates/sqlite-inproc/src/lib.rs`: whatever fails is `io` with SQLite's words.
#[tokio::test]
async fn failures_are_io_errors_with_the_words_of_sqlite() {
    let host = with_database();
    for (statement, error) in [
        (
            "SELECT missing",
            "no such column: missing in SELECT missing at offset 7",
        ),
        ("SELEC", "near \\\"SELEC\\\": syntax error in SELEC at offset 0"),
        (
            "SELECT ?",
            "Wrong number of parameters passed to query. Got 0, needed 1",
        ),
        ("SELECT CAST(x'ff' AS TEXT)", "internal runtime error"),
        ("-- nothing", "bad parameter or other API misuse"),
    ] {
        assert_eq!(
            host.post(QUERY, statement).await,
            format!("Err(Error::Io(\"{error}\"))\n")
        );
    }
}

/// `crates/factor-sqlite/src/host.rs`, `open_impl`.
#[tokio::test]
async fn a_database_that_is_not_granted_is_denied() {
    let host = with_database();
    assert_eq!(
        host.post("/sqlite?database=other", "").await,
        "Error::AccessDenied\n"
    );
    assert_eq!(
        host.post("/sqlite-2?database=other", "").await,
        "Error::AccessDenied\n"
    );
}

/// `crates/factor-sqlite/src/host.rs`, `InstanceState::new` (a table of 256) and `open_impl`.
#[tokio::test]
async fn an_instance_has_at_most_256_connections() {
    let host = with_database();
    assert_eq!(
        host.get("/sqlite-open?database=default&count=256").await,
        "Ok(256)\n"
    );
    let refused = host.get("/sqlite-open?database=default&count=257").await;
    assert_eq!(refused, "Err(Error::Io(\"too many connections opened\"))\n");
}

/// `crates/factor-sqlite/src/host.rs`, `changes` and `last_insert_rowid`: of the connection, not the database.
#[tokio::test]
async fn changes_and_row_ids_are_the_connections_own() {
    let host = with_database();
    let insert = "CREATE TABLE t (x)\nINSERT INTO t VALUES (1), (2)\nchanges\nrowid";
    assert_eq!(
        host.post(QUERY, insert).await,
        "Ok(([], []))\nOk(([], []))\n2\n2\n"
    );
    assert_eq!(host.post(QUERY, "changes\nrowid").await, "0\n0\n");
}

/// `crates/sqlite-inproc/src/lib.rs`, `create_connection`: a new connection with no pragma of Spin's; the library's own
/// is to wait 5 s for a lock and to check foreign keys.
#[tokio::test]
async fn a_connection_has_the_defaults_of_the_library() {
    let host = with_database();
    let pragmas = "PRAGMA journal_mode\nPRAGMA busy_timeout\nPRAGMA foreign_keys";
    let answer = host.post(QUERY, pragmas).await;
    let values: Vec<_> = answer
        .lines()
        .map(|line| line.split_once("[[").unwrap().1)
        .collect();
    assert_eq!(values[0], "Value::Text(\"delete\")]]))");
    assert_eq!(values[1], "Value::Integer(5000)]]))");
    assert_eq!(values[2], "Value::Integer(1)]]))");
}

/// `crates/sqlite-inproc/src/lib.rs` of v4.0.2, `create_connection`: files beside the database cannot be reached.
#[tokio::test]
async fn another_file_cannot_be_attached() {
    let host = with_database();
    let answer = host
        .post(
            QUERY,
            "ATTACH '/tmp/other.db' AS other\nATTACH ':memory:' AS scratch",
        )
        .await;
    assert!(answer.starts_with("Err(Error::Io(\"not authorized"), "{answer}");
    assert!(answer.ends_with("Ok(([], []))\n"), "{answer}");
}

/// `crates/sqlite/src/lib.rs`, `resolve` (the default database is in the state directory) and `connection_creator`.
#[tokio::test]
async fn databases_are_where_the_runtime_configuration_says() {
    let host = with_database();
    host.post(QUERY, "CREATE TABLE t (x)").await;
    assert!(host.dir.path().join(".spin/sqlite_db.db").is_file());

    let setup = Setup::new().component("sqlite_databases = [\"mine\"]");
    let path = setup.dir.path().join("below/mine.db");
    let host = setup
        .runtime(&format!(
            "[sqlite_database.mine]\ntype = \"spin\"\npath = {path:?}"
        ))
        .start();
    host.post("/sqlite?database=mine", "CREATE TABLE t (x)").await;
    assert!(path.is_file());
}

/// `crates/sqlite-inproc/src/lib.rs`, `InMemory`: without a path there is a new database for every connection.
#[tokio::test]
async fn a_database_without_a_path_lasts_as_long_as_its_connection() {
    let setup = Setup::new().component("sqlite_databases = [\"mine\"]");
    let host = setup.runtime("[sqlite_database.mine]\ntype = \"spin\"").start();
    let create = "CREATE TABLE t (x)\nSELECT count(*) FROM sqlite_schema";
    for _ in 0..2 {
        assert!(
            host.post("/sqlite?database=mine", create)
                .await
                .ends_with("[[Value::Integer(1)]]))\n")
        );
    }
}

/// `crates/factor-sqlite/src/host.rs`, `v2::HostConnection`: components made with older SDKs are served as well.
#[tokio::test]
async fn the_older_interface_works_too() {
    let host = with_database();
    let answer = host
        .post("/sqlite-2?database=default", "SELECT 1, 'a'\nSELECT missing")
        .await;
    let (rows, error) = answer.split_once('\n').unwrap();
    assert_eq!(rows, "Ok([[Value::Integer(1), Value::Text(\"a\")]])");
    assert!(error.starts_with("Err(Error::Io(\"no such column"), "{error}");
}

/// `crates/sqlite-inproc/src/lib.rs`: a writer waits for another, and none is lost.
#[tokio::test]
async fn concurrent_writers_all_succeed() {
    let host = Arc::new(with_database());
    host.post(QUERY, "PRAGMA journal_mode=WAL\nCREATE TABLE t (x)")
        .await;
    let write = |host: Arc<Host>| async move { host.post(QUERY, "INSERT INTO t VALUES (1)").await };
    let writers: Vec<_> = (0..20).map(|_| tokio::spawn(write(host.clone()))).collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), "Ok(([], []))\n");
    }
    assert!(
        host.post(QUERY, "SELECT count(*) FROM t")
            .await
            .contains("Value::Integer(20)")
    );
}

/// In Spin the log is removed when the last connection closes. The host keeps one idle connection, so the log stays.
/// Requests see no difference except in speed.
#[tokio::test]
async fn the_write_ahead_log_outlives_a_request() {
    let host = with_database();
    host.post(QUERY, "PRAGMA journal_mode=WAL\nCREATE TABLE t (x)")
        .await;
    let log = host.dir.path().join(".spin/sqlite_db.db-wal");
    assert!(log.is_file());
    host.post(QUERY, "INSERT INTO t VALUES (1)").await;
    assert!(log.metadata().unwrap().len() > 0);
}
