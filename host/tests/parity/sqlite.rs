//! SQLite databases: files, and libSQL servers. What components must not tell apart is tested with [`both`].

use std::sync::Arc;

use local_servers::Server;

use crate::support::{Host, Setup, free_address};

fn with_database() -> Host {
    Setup::new().component("sqlite_databases = [\"default\"]").start()
}

/// A host whose database is a libSQL server.
fn with_server() -> (Host, Server) {
    let server = Server::sqld().unwrap();
    (at(&server.url(), ""), server)
}

fn at(url: &str, token: &str) -> Host {
    let runtime = format!("[sqlite_database.default]\ntype = \"libsql\"\nurl = {url:?}\ntoken = {token:?}");
    Setup::new()
        .component("sqlite_databases = [\"default\"]")
        .runtime(&runtime)
        .start()
}

/// One host of each kind.
struct Both {
    hosts: [Host; 2],
    _server: Server,
}

fn both() -> Both {
    let (host, server) = with_server();
    Both {
        hosts: [with_database(), host],
        _server: server,
    }
}

const QUERY: &str = "/sqlite?database=default";

/// `crates/sqlite-inproc/src/lib.rs`, `execute_query`, `convert_data`, `ValueWrapper`;
/// `crates/sqlite-libsql/src/lib.rs`, `convert_parameters`, `convert_value`.
#[tokio::test]
async fn every_type_of_value_can_be_stored_and_read() {
    let both = both();
    for host in &both.hosts {
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
}

/// A connection is one session: a transaction lasts from statement to statement, others do not see what is not
/// committed, and what is not committed ends with the connection.
#[tokio::test]
async fn a_transaction_belongs_to_its_connection() {
    let both = both();
    for host in &both.hosts {
        host.post(QUERY, "CREATE TABLE t (x)").await;
        let answer = host
            .post(
                QUERY,
                "BEGIN IMMEDIATE\nINSERT INTO t VALUES (1)\nSELECT count(*) FROM t\nROLLBACK\nSELECT count(*) FROM t",
            )
            .await;
        let counts: Vec<_> = answer.lines().filter(|line| line.contains("count")).collect();
        assert!(counts[0].contains("Value::Integer(1)"), "{answer}");
        assert!(counts[1].contains("Value::Integer(0)"), "{answer}");

        let kept = host
            .post(QUERY, "BEGIN IMMEDIATE\nINSERT INTO t VALUES (1)\nCOMMIT")
            .await;
        assert_eq!(kept, "Ok(([], []))\n".repeat(3));
        host.post(QUERY, "BEGIN IMMEDIATE\nINSERT INTO t VALUES (2)")
            .await;
        // If the transaction were still open, this would wait for it, and fail.
        let after = host
            .post(QUERY, "INSERT INTO t VALUES (3)\nSELECT sum(x) FROM t")
            .await;
        assert!(after.contains("Value::Integer(4)"), "{after}");
    }
}

/// `crates/sqlite-inproc/src/lib.rs`, `execute_query`: the text is prepared once, so only its first statement is run.
/// The client of libSQL does likewise.
#[tokio::test]
async fn what_follows_the_first_statement_is_dropped_silently() {
    let both = both();
    for host in &both.hosts {
        let answer = host
            .post(
                QUERY,
                "CREATE TABLE a (x); CREATE TABLE b (x)\nSELECT name FROM sqlite_schema WHERE name IN ('a', 'b')",
            )
            .await;
        assert_eq!(answer, "Ok(([], []))\nOk(([\"name\"], [[Value::Text(\"a\")]]))\n");
    }
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

/// `crates/sqlite-libsql/src/lib.rs`, `query`: whatever fails is `io` with the words of the client, which has those of
/// the server.
#[tokio::test]
async fn failures_of_a_server_are_io_errors_with_the_words_of_its_client() {
    let (host, _server) = with_server();
    for (statement, words) in [
        ("SELECT missing", "no such column: missing"),
        ("SELEC", "syntax error"),
        ("-- nothing", "no SQL statement provided"),
        ("PRAGMA synchronous = NORMAL", "unsupported statement"),
    ] {
        let answer = host.post(QUERY, statement).await;
        assert!(answer.starts_with("Err(Error::Io(\""), "{answer}");
        assert!(answer.to_lowercase().contains(&words.to_lowercase()), "{answer}");
    }
}

/// A server that is away is the same kind of error, and one that comes back is used again.
#[tokio::test]
async fn a_server_may_be_away_for_a_while() {
    let (host, mut server) = with_server();
    host.post(QUERY, "CREATE TABLE t (x)\nINSERT INTO t VALUES (7)")
        .await;
    server.kill().unwrap();
    let answer = host.post(QUERY, "SELECT x FROM t").await;
    assert!(answer.starts_with("Err(Error::Io(\""), "{answer}");
    assert!(answer.contains("http error"), "{answer}");
    server.restart().unwrap();
    let answer = host.post(QUERY, "SELECT x FROM t").await;
    assert!(answer.contains("Value::Integer(7)"), "{answer}");
}

/// `crates/sqlite/src/lib.rs`, `check_url`, `LibSqlDatabase`: both keys are needed, and only HTTP is spoken.
#[tokio::test]
async fn a_server_is_configured_by_url_and_token() {
    let refusal = |lines: &str| {
        let runtime = format!("[sqlite_database.default]\ntype = \"libsql\"\n{lines}");
        let setup = Setup::new().component("sqlite_databases = [\"default\"]");
        setup.runtime(&runtime).refusal()
    };
    let other_scheme = refusal("url = \"libsql://example.org\"\ntoken = \"\"");
    assert!(other_scheme.contains("https:// or http://"), "{other_scheme}");
    let no_token = refusal("url = \"http://example.org\"");
    assert!(no_token.contains("token"), "{no_token}");
}

/// `LibSqlConnection::create`: the token is a bearer token.
#[tokio::test]
async fn the_token_is_shown_to_the_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = at(&format!("http://{}", listener.local_addr().unwrap()), "the-token");
    let asked = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            tokio::io::AsyncReadExt::read_buf(&mut socket, &mut head)
                .await
                .unwrap();
        }
        String::from_utf8_lossy(&head).to_lowercase()
    });
    let answer = host.post(QUERY, "SELECT 1").await;
    assert!(answer.starts_with("Err(Error::Io(\""), "{answer}");
    let head = asked.await.unwrap();
    assert!(head.contains("authorization: bearer the-token\r\n"), "{head}");
}

/// Nothing is asked of a server before the first statement, so an application starts while its server is away.
#[tokio::test]
async fn an_application_starts_without_its_server() {
    let host = at(&format!("http://{}", free_address()), "");
    assert_eq!(host.get("/sqlite-open?database=default&count=1").await, "Ok(1)\n");
    assert!(host.post(QUERY, "SELECT 1").await.contains("http error"));
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
    let both = both();
    for host in &both.hosts {
        assert_eq!(
            host.get("/sqlite-open?database=default&count=256").await,
            "Ok(256)\n"
        );
        let refused = host.get("/sqlite-open?database=default&count=257").await;
        assert_eq!(refused, "Err(Error::Io(\"too many connections opened\"))\n");
    }
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

/// `crates/sqlite-libsql/src/lib.rs`, `changes` and `last_insert_rowid`: the client learns neither from a query.
#[tokio::test]
async fn changes_and_row_ids_are_not_known_of_a_server() {
    let (host, _server) = with_server();
    let insert = "CREATE TABLE t (x)\nINSERT INTO t VALUES (1), (2)\nchanges\nrowid";
    assert_eq!(
        host.post(QUERY, insert).await,
        "Ok(([], []))\nOk(([], []))\n0\n0\n"
    );
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
    let both = both();
    for host in &both.hosts {
        let answer = host
            .post("/sqlite-2?database=default", "SELECT 1, 'a'\nSELECT missing")
            .await;
        let (rows, error) = answer.split_once('\n').unwrap();
        assert_eq!(rows, "Ok([[Value::Integer(1), Value::Text(\"a\")]])");
        assert!(error.starts_with("Err(Error::Io(\""), "{error}");
        assert!(error.contains("no such column"), "{error}");
    }
}

/// `crates/sqlite-inproc/src/lib.rs`: a writer waits for another, and none is lost.
#[tokio::test]
async fn concurrent_writers_all_succeed() {
    let Both { hosts, _server } = both();
    for host in hosts.map(Arc::new) {
        // A server refuses the first statement, and has a write-ahead log anyway.
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
}

/// A libSQL server goes on while many write more than a write-ahead log holds. With its own default for checkpoints a
/// server stopped for good, in about half of the runs of this test.
#[tokio::test]
async fn many_writers_do_not_stop_a_server() {
    let (host, _server) = with_server();
    let host = Arc::new(host);
    host.post(QUERY, "CREATE TABLE t (x)").await;
    // Some five pages each, and every line is a transaction.
    let lines = vec!["INSERT INTO t SELECT randomblob(20000)"; 20].join("\n");
    let write = |host: Arc<Host>, lines: String| async move { host.post(QUERY, &lines).await };
    let writers: Vec<_> = (0..48)
        .map(|_| tokio::spawn(write(host.clone(), lines.clone())))
        .collect();
    let mut written = 0;
    for writer in writers {
        for answer in writer.await.unwrap().lines() {
            // Components run a statement again that could not have the lock.
            let is_written = answer == "Ok(([], []))";
            assert!(is_written || answer.contains("database is locked"), "{answer}");
            written += usize::from(is_written);
        }
    }
    let count = host.post(QUERY, "SELECT count(*) FROM t").await;
    assert!(
        count.contains(&format!("Value::Integer({written})")),
        "{written}: {count}"
    );
}

/// Statements are counted, for tests that state how many something takes.
#[tokio::test]
async fn statements_are_counted() {
    let both = both();
    for host in &both.hosts {
        assert_eq!(host.app.statements("default"), Some(0));
        host.post(QUERY, "SELECT 1\nSELECT 2\nSELECT missing").await;
        assert_eq!(host.app.statements("default"), Some(3));
        assert_eq!(host.app.statements("other"), None);
    }
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

/// A long read beside many writes makes the log large. It is small again after the reader's end.
#[tokio::test]
async fn the_write_ahead_log_shrinks_after_a_long_read() {
    let host = with_database();
    host.post(QUERY, "PRAGMA journal_mode=WAL\nCREATE TABLE t (x)")
        .await;
    let file = host.dir.path().join(".spin/sqlite_db.db");
    let size = || {
        host.dir
            .path()
            .join(".spin/sqlite_db.db-wal")
            .metadata()
            .unwrap()
            .len()
    };
    let reader = rusqlite::Connection::open(file).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    let write = "INSERT INTO t VALUES (randomblob(20000000))\nDELETE FROM t";
    assert_eq!(host.post(QUERY, write).await, "Ok(([], []))\nOk(([], []))\n");
    assert!(size() > 20_000_000, "the reader still needs it");
    reader.execute_batch("COMMIT").unwrap();
    // The first one copies the log to the database, and the second one begins the log anew.
    let write = "INSERT INTO t VALUES (1)";
    host.post(QUERY, write).await;
    host.post(QUERY, write).await;
    assert!(size() <= 8 * 1024 * 1024, "{}", size());
}
