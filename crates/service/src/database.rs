//! A service's own database, through Spin: opened for every request, migrated once. It is a local SQLite file or a
//! libSQL server; no code here depends on which.
//!
//! Where it is a server, each statement is a round trip. So the first question of a request also asks for the schema's
//! version, and nothing sets what both kinds of database do anyway, such as checking foreign keys.
//!
//! A migration file holds statements that each end with a semicolon and are followed by an empty line: Spin runs one
//! statement per call, and silently drops everything after the first semicolon.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use backon::{BlockingRetryable, ExponentialBuilder};
use spin_sdk::sqlite3::{self, QueryResult, Value};

use crate::clock::Millis;

/// An error of SQLite, or a row that is not as expected.
#[derive(Debug, thiserror::Error)]
#[error("database: {0}")]
pub struct DatabaseError(pub String);

/// Why a database cannot be used for now, although the statement is right. Clients see these texts.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Trouble {
    #[error("the database is busy")]
    Busy,
    #[error("the database is full")]
    Full,
    #[error("the database cannot be read or written")]
    Unusable,
}

impl Trouble {
    /// After how many seconds to retry. A lock is soon released; an operator has to fix anything else.
    pub fn retry_after(self) -> u32 {
        match self {
            Trouble::Busy => 1,
            Trouble::Full | Trouble::Unusable => 10,
        }
    }
}

/// How long a transaction is retried while the database is busy. An attempt that begins within this time may wait as
/// long itself: SQLite and libSQL servers wait up to 5 s for a lock. So a transaction may take 10 s to fail. The first
/// one that fails ends its request. The time is not shared among the transactions of a request: calls to other services
/// lie between some, and one that has to note how such a call ended would have no time left.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between, with jitter.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The message of a transaction that has found an older schema. The next attempt begins with the migration.
const OUTDATED: &str = "the schema is older than this program";

/// The messages of SQLite and libSQL for each trouble, in lower case. libSQL ends a transaction that holds the lock too
/// long while others wait, or whose connection is silent for seconds, and all transactions when it restarts. The next
/// statement then finds no transaction, or a baton that was used or is of the time before, and nothing was committed. A
/// libSQL server that serves as many connections as it may refuses more. One that ends may do so in the middle of an
/// answer. Both prepare a statement again when another connection has migrated the database, and give up after many
/// times; the statement has done nothing then. A full disk is `SQLITE_FULL` when a file grows, an I/O error when the
/// index of the write-ahead log grows, and "unable to open" when the log has to be created.
///
/// Of an answer that is not 200, libSQL's client tells only the body. A proxy sends the name of its status, a text of
/// its own (Traefik) or nothing where the server behind it does not answer.
const TROUBLES: [(&str, Trouble); 32] = [
    (OUTDATED, Trouble::Busy),
    ("database is locked", Trouble::Busy),
    ("database table is locked", Trouble::Busy),
    ("database schema is locked", Trouble::Busy),
    ("database schema has changed", Trouble::Busy),
    ("sqlite_busy", Trouble::Busy),
    ("sqlite_interrupt", Trouble::Busy),
    ("transaction timed out", Trouble::Busy),
    ("no transaction is active", Trouble::Busy),
    ("stream expired", Trouble::Busy),
    ("the stream has expired", Trouble::Busy),
    ("received a baton", Trouble::Busy),
    ("received an invalid baton", Trouble::Busy),
    ("timed out while opening database connection", Trouble::Busy),
    ("too many concurrent requests", Trouble::Busy),
    ("database or disk is full", Trouble::Full),
    ("sqlite_full", Trouble::Full),
    ("databasefull", Trouble::Full),
    ("no space left on device", Trouble::Full),
    ("disk i/o error", Trouble::Unusable),
    ("sqlite_ioerr", Trouble::Unusable),
    ("unable to open database file", Trouble::Unusable),
    ("attempt to write a readonly database", Trouble::Unusable),
    ("http error", Trouble::Unusable),
    ("error reading a body from connection", Trouble::Unusable),
    ("cursor stream ended prematurely", Trouble::Unusable),
    ("bad gateway", Trouble::Unusable),
    ("service unavailable", Trouble::Unusable),
    ("no available server", Trouble::Unusable),
    ("gateway timeout", Trouble::Unusable),
    ("gateway time-out", Trouble::Unusable),
    ("api error: ``", Trouble::Unusable),
];

/// An error that a database may have caused.
pub trait Failure: From<DatabaseError> {
    /// The database's error, if this is one.
    fn database(&self) -> Option<&DatabaseError>;

    /// Why the database cannot be used for now, if that is the cause.
    fn trouble(&self) -> Option<Trouble> {
        self.database()?.trouble()
    }
}

impl Failure for DatabaseError {
    fn database(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

impl DatabaseError {
    /// The trouble behind the error, if it is a temporary one. Spin passes SQLite's message on as a text; only this
    /// function reads it.
    pub fn trouble(&self) -> Option<Trouble> {
        let text = self.0.to_lowercase();
        let found = TROUBLES.iter().find(|(said, _)| text.contains(said));
        found.map(|(_, trouble)| *trouble)
    }
}

/// The time by the database's clock, in SQL: milliseconds since the Unix epoch, the same throughout a statement. Hosts
/// that share a database compare times of this clock, since their own clocks differ.
pub const NOW: &str = "cast(round(unixepoch('subsec') * 1000) as integer)";

/// The time by the database's clock.
pub fn now(connection: &Connection) -> Result<Millis, DatabaseError> {
    let now = query_one(connection, &format!("SELECT {NOW}"), &[], |row| row.get(0))?;
    now.ok_or_else(|| DatabaseError("there is no time".to_owned()))
}

/// A connection to a service's own database.
pub struct Connection {
    label: &'static str,
    migrations: &'static [&'static str],
    schema: Cell<Schema>,
    current: RefCell<sqlite3::Connection>,
    is_in_transaction: Cell<bool>,
}

/// What a connection knows of the database's schema.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Schema {
    Unknown,
    /// Found in a transaction, in which it cannot be migrated.
    Outdated,
    /// The newest that this program knows, or the next one.
    Usable,
}

impl Connection {
    /// Migrates the database to the newest schema that this program knows, unless it has that. Returns whether the
    /// database was new. Without this call, the first statement does the same.
    pub fn migrate(&self) -> Result<bool, DatabaseError> {
        match self.schema.get() {
            Schema::Usable => Ok(false),
            Schema::Outdated => migrate(self),
            Schema::Unknown => {
                let result = self.run_unchecked("PRAGMA user_version", &[])?;
                self.accept(Row::first(&result)?.get(0)?)
            }
        }
    }

    /// The version of the newest schema that this program knows.
    fn newest(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// Migrates a database of an older version. Uses a database of the next schema as it is: during a rolling update
    /// both versions serve, and a migration keeps the version before it working. Returns whether the database was new.
    fn accept(&self, version: i64) -> Result<bool, DatabaseError> {
        let (label, newest) = (self.label, self.newest());
        if version > newest + 1 {
            return Err(DatabaseError(format!(
                "{label} is at version {version}, too new for this program, which knows {newest}"
            )));
        }
        if version >= newest {
            self.schema.set(Schema::Usable);
            return Ok(false);
        }
        if self.is_in_transaction.get() {
            self.schema.set(Schema::Outdated);
            return Err(DatabaseError(OUTDATED.to_owned()));
        }
        migrate(self)
    }

    /// Replaces the connection, which ends its open transaction. A libSQL server refuses every further statement on a
    /// connection whose transaction took too long.
    fn reconnect(&self) -> Result<(), DatabaseError> {
        *self.current.borrow_mut() = connect(self.label)?;
        Ok(())
    }

    /// Runs a statement, on a schema that it knows.
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<QueryResult, DatabaseError> {
        self.migrate()?;
        self.run_unchecked(sql, parameters)
    }

    /// Runs a statement. Outside of a transaction the statement is its own transaction, and is retried like one.
    fn run_unchecked(&self, sql: &str, parameters: &[Value]) -> Result<QueryResult, DatabaseError> {
        let run = || {
            let result = self.current.borrow().execute(sql, parameters);
            result.map_err(|error| failed(sql, &error))
        };
        if self.is_in_transaction.get() {
            run()
        } else {
            self.while_busy(run)
        }
    }

    /// Runs a question that asks for the schema's version as well. `None` if the question has to be asked again,
    /// because the schema was an older one.
    fn run_first(&self, sql: &str, parameters: &[Value]) -> Result<Option<QueryResult>, DatabaseError> {
        match self.run_unchecked(&with_version(sql), parameters) {
            Ok(result) => {
                let version = Row::first(&result)?.get(0)?;
                self.accept(version)?;
                Ok((version >= self.newest()).then_some(result))
            }
            Err(error) if error.trouble().is_some() => Err(error),
            // The statement may need what a migration adds.
            Err(_) => {
                self.migrate()?;
                Ok(None)
            }
        }
    }

    /// Retries a transaction while the database is busy.
    fn while_busy<T, E: Failure>(&self, attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let started = Instant::now();
        let pauses = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times();
        attempt
            .retry(pauses)
            .when(|error| error.trouble() == Some(Trouble::Busy) && started.elapsed() < PATIENCE)
            .notify(|_, _| {
                // If this fails, the next attempt fails too, and its error says why.
                let _ = self.reconnect();
            })
            .call()
    }
}

fn connect(label: &str) -> Result<sqlite3::Connection, DatabaseError> {
    sqlite3::Connection::open(label).map_err(|error| DatabaseError(format!("open {label}: {error}")))
}

/// Opens the database that the manifest grants under `label`. It has, or gets with the first statement, the newest
/// schema that this program knows.
pub fn open(label: &'static str, migrations: &'static [&'static str]) -> Result<Connection, DatabaseError> {
    Ok(Connection {
        label,
        migrations,
        schema: Cell::new(Schema::Unknown),
        current: RefCell::new(connect(label)?),
        is_in_transaction: Cell::new(false),
    })
}

/// A question that asks for the schema's version as well: its row is version, 1, and the columns of the first row of
/// `sql`, or version and nulls if `sql` has no row.
fn with_version(sql: &str) -> String {
    format!(
        "SELECT version.user_version, answer.*
         FROM pragma_user_version AS version LEFT JOIN (SELECT 1, * FROM ({sql})) AS answer LIMIT 1"
    )
}

/// Migrates a database, and returns whether it was new. Two instances may try at the same moment: the second one waits
/// for the first and then has nothing to do.
fn migrate(connection: &Connection) -> Result<bool, DatabaseError> {
    // The statements of the migration itself may run.
    connection.schema.set(Schema::Usable);
    let migrated = switch_to_wal(connection).and_then(|()| transaction(connection, migrate_in_transaction));
    if migrated.is_err() {
        connection.schema.set(Schema::Unknown);
    }
    migrated
}

fn migrate_in_transaction(connection: &Connection) -> Result<bool, DatabaseError> {
    let version = connection.run_unchecked("PRAGMA user_version", &[])?;
    let from: i64 = Row::first(&version)?.get(0)?;
    let from = usize::try_from(from).map_err(|_| DatabaseError(format!("user_version is {from}")))?;
    let pending = pending(connection.migrations, from);
    if pending.is_empty() {
        return Ok(false);
    }
    for statement in pending {
        execute(connection, statement, &[])?;
    }
    let newest = connection.migrations.len();
    execute(connection, &format!("PRAGMA user_version = {newest}"), &[])?;
    Ok(from == 0)
}

/// The statements that bring a database from a version to the newest one.
fn pending<'a>(migrations: &[&'a str], from: usize) -> Vec<&'a str> {
    let pending = migrations.get(from..).unwrap_or_default();
    pending
        .iter()
        .flat_map(|migration| statements(migration))
        .collect()
}

/// Write-ahead logging is a lasting property of the file. A libSQL server refuses the statement and manages its log
/// itself.
fn switch_to_wal(connection: &Connection) -> Result<(), DatabaseError> {
    match execute(connection, "PRAGMA journal_mode = WAL", &[]) {
        Err(error) if error.trouble().is_some() => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The statements of a migration file.
fn statements(migration: &str) -> impl Iterator<Item = &str> {
    migration
        .split(";\n\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
}

/// Runs `work` in a transaction that takes the write lock at once. Commits, or rolls back on an error. Retries `work`
/// from its beginning while the database is busy, so `work` must neither wait nor have effects outside of the database:
/// no call to a service, no password hash.
pub fn transaction<T, E: Failure>(
    connection: &Connection,
    work: impl Fn(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    connection.while_busy(|| attempt(connection, "BEGIN IMMEDIATE", &work))
}

/// Runs `work` in a read-only transaction on one snapshot, which does not block writers.
pub fn snapshot<T, E: Failure>(
    connection: &Connection,
    work: impl Fn(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    connection.while_busy(|| attempt(connection, "BEGIN", &work))
}

fn attempt<T, E: Failure>(
    connection: &Connection,
    begin: &str,
    work: impl Fn(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    if connection.schema.get() == Schema::Outdated {
        connection.migrate()?;
    }
    connection.is_in_transaction.set(true);
    let run = |statement| connection.run_unchecked(statement, &[]).map(drop);
    let outcome = run(begin)
        .map_err(E::from)
        .and_then(|()| work(connection))
        .and_then(|outcome| {
            run("COMMIT")?;
            Ok(outcome)
        });
    // The first error is the one to report. Replacing the connection ends a transaction that cannot be rolled back.
    if outcome.is_err() && run("ROLLBACK").is_err() {
        let _ = connection.reconnect();
    }
    connection.is_in_transaction.set(false);
    outcome
}

/// Runs one statement whose rows do not matter.
pub fn execute(connection: &Connection, sql: &str, parameters: &[Value]) -> Result<(), DatabaseError> {
    connection.run(sql, parameters).map(drop)
}

/// All rows of one statement.
pub fn query<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    decode: impl Fn(Row) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    let result = connection.run(sql, parameters)?;
    result.rows.iter().map(|row| decode(Row(&row.values))).collect()
}

/// The first row of one statement, if it has any.
pub fn query_one<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    decode: impl Fn(Row) -> Result<T, DatabaseError>,
) -> Result<Option<T>, DatabaseError> {
    let is_first = connection.schema.get() == Schema::Unknown && sql.trim_start().starts_with("SELECT");
    if is_first && let Some(result) = connection.run_first(sql, parameters)? {
        return match &Row::first(&result)?.0[1..] {
            [Value::Null, ..] => Ok(None),
            columns => decode(Row(&columns[1..])).map(Some),
        };
    }
    let result = connection.run(sql, parameters)?;
    let row = result.rows.first();
    row.map(|row| decode(Row(&row.values))).transpose()
}

fn failed(sql: &str, error: &sqlite3::Error) -> DatabaseError {
    let statement: String = sql.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
    DatabaseError(format!("{statement} ...: {error}"))
}

/// A row, read by column number.
pub struct Row<'a>(&'a [Value]);

impl<'a> Row<'a> {
    fn first(result: &'a QueryResult) -> Result<Row<'a>, DatabaseError> {
        let row = result.rows.first();
        let row = row.ok_or_else(|| DatabaseError("a row is missing".to_owned()))?;
        Ok(Row(&row.values))
    }

    /// The value of a column.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, DatabaseError> {
        let value = self.0.get(column);
        value
            .and_then(T::from_value)
            .ok_or_else(|| DatabaseError(format!("column {column} holds {value:?}, not what was expected")))
    }
}

/// The types that a column can be read as.
pub trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Integer(number) = value {
            Some(*number)
        } else {
            None
        }
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for f64 {
    /// A real that is whole may come back as an integer.
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(number) => Some(*number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "what was stored as a real is exact as one"
            )]
            Value::Integer(number) => Some(*number as f64),
            Value::Text(_) | Value::Blob(_) | Value::Null => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value {
            Some(text.clone())
        } else {
            None
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        if matches!(value, Value::Null) {
            Some(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
}

/// The types that a parameter can be made from.
pub trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Integer(self)
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Integer(self.into())
    }
}

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::Real(self)
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl IntoValue for &String {
    fn into_value(self) -> Value {
        Value::Text(self.clone())
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, IntoValue::into_value)
    }
}

/// Parameters for a statement: `parameters![id, &name, None::<i64>]`.
#[macro_export]
macro_rules! parameters {
    ($($value:expr),* $(,)?) => {
        &[$($crate::database::IntoValue::into_value($value)),*]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_trouble(error: &impl std::fmt::Display, expected: Option<Trouble>) {
        let error = spin_sdk::sqlite3::Error::Io(error.to_string());
        let error = failed("INSERT INTO outbox (request_id) VALUES (?1)", &error);
        assert_eq!(error.trouble(), expected, "{error}");
    }

    #[test]
    fn messages_of_sqlite_for_a_full_or_locked_database_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        database
            .execute_batch("CREATE TABLE a (b); PRAGMA max_page_count = 2")
            .unwrap();
        let full = database.execute("INSERT INTO a VALUES (zeroblob(100000))", ());
        check_trouble(&full.unwrap_err(), Some(Trouble::Full));

        let other = rusqlite::Connection::open(&path).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        database.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let busy = other.execute("INSERT INTO a VALUES (1)", ());
        check_trouble(&busy.unwrap_err(), Some(Trouble::Busy));

        database
            .execute_batch("ROLLBACK; PRAGMA query_only = ON")
            .unwrap();
        let readonly = database.execute("INSERT INTO a VALUES (1)", ());
        check_trouble(&readonly.unwrap_err(), Some(Trouble::Unusable));

        let nowhere = rusqlite::Connection::open(folder.path().join("none/test.db"));
        check_trouble(&nowhere.unwrap_err(), Some(Trouble::Unusable));

        let wrong = database.execute("INSERT INTO c VALUES (1)", ());
        check_trouble(&wrong.unwrap_err(), None);
    }

    #[test]
    fn messages_of_spin_and_libsql_for_a_full_or_locked_database_are_known() {
        check_trouble(&"disk I/O error", Some(Trouble::Unusable));
        check_trouble(&"SQLite error: database is locked", Some(Trouble::Busy));
        check_trouble(&"hrana: `SQLITE_BUSY: database is locked`", Some(Trouble::Busy));
        check_trouble(&"SQLITE_INTERRUPT: interrupted", Some(Trouble::Busy));
        check_trouble(&"SQLite error: database schema has changed", Some(Trouble::Busy));
        for said in [
            "Hrana: `stream error: `Error { message: \"Transaction timed out\", code: \"TRANSACTION_TIMEOUT\" }``",
            "cannot rollback - no transaction is active",
            "Hrana: `api error: `{\"message\":\"The stream has expired due to inactivity\"}``",
            "Hrana: `api error: `status=400 Bad Request, body=Received a baton that has already been used``",
            "Hrana: `api error: `status=400 Bad Request, body=Received an invalid baton``",
            "Hrana: `api error: `{\"error\":\"Timed out while opening database connection\"}``",
            "Hrana: `api error: `{\"error\":\"Too many concurrent requests\"}``",
        ] {
            check_trouble(&said, Some(Trouble::Busy));
        }
        for said in [
            "Hrana: `http error: `tcp connect error: Connection refused (os error 111)``",
            "Hrana: `cursor error: `error reading a body from connection: unexpected EOF during chunk size line``",
            "Hrana: `cursor error: `cursor stream ended prematurely``",
            "Hrana: `api error: `Bad Gateway``",
            "Hrana: `api error: `<html><body><h1>503 Service Unavailable</h1>\nNo server is available.</body></html>``",
            "Hrana: `api error: `no available server\n``",
            "Hrana: `api error: `Gateway Timeout``",
            "Hrana: `api error: `<html><head><title>504 Gateway Time-out</title></head></html>``",
            "Hrana: `api error: ```",
        ] {
            check_trouble(&said, Some(Trouble::Unusable));
        }
        check_trouble(&"SQLITE_FULL: database or disk is full", Some(Trouble::Full));
        check_trouble(&"No space left on device (os error 28)", Some(Trouble::Full));
        check_trouble(&"Hrana: `api error: `{\"error\":\"Unauthorized\"}``", None);
        check_trouble(&"database disk image is malformed", None);
        check_trouble(&"UNIQUE constraint failed: users.email", None);
        let full = DatabaseError(spin_sdk::sqlite3::Error::DatabaseFull.to_string());
        assert_eq!(full.trouble(), Some(Trouble::Full), "{full}");
    }

    #[test]
    fn a_database_gets_the_migrations_after_its_version() {
        let migrations = [
            "create table a (b);\n\ncreate index a_by_b on a (b);\n",
            "alter table a add column c;\n\nupdate a set c = b + 1;\n",
            "alter table a add column d default 9;\n",
        ];
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let migrate = |known: usize, from: usize| {
            let pending = pending(&migrations[..known], from);
            for sql in &pending {
                database.execute(sql, ()).unwrap();
            }
            pending.len()
        };
        assert_eq!(migrate(1, 0), 2);
        database.execute("INSERT INTO a VALUES (1)", ()).unwrap();
        assert_eq!(migrate(3, 1), 3);
        assert_eq!(migrate(3, 3), 0);
        let row = database.query_row("SELECT b, c, d FROM a", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        assert_eq!(row, Ok((1, 2, 9)));
        assert!(
            pending(&migrations, 4).is_empty(),
            "a database of a newer schema is used as it is"
        );
    }

    #[test]
    fn the_databases_clock_tells_milliseconds() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let now = |database: &rusqlite::Connection| -> Millis {
            let sql = format!("SELECT {NOW}");
            database.query_row(&sql, (), |row| row.get(0)).unwrap()
        };
        let before = crate::clock::now();
        let told = now(&database);
        assert!(
            (before - 1..=crate::clock::now() + 1).contains(&told),
            "{before} {told}"
        );
    }

    #[test]
    fn a_migration_is_split_at_empty_lines_after_semicolons() {
        let migration =
            "-- why; so\ncreate table a (\n  b integer\n);\n\ncreate trigger t begin\n  select 1;\nend;\n\n";
        let statements: Vec<_> = statements(migration).collect();
        assert_eq!(statements.len(), 2);
        assert!(statements[1].starts_with("create trigger") && statements[1].ends_with("end"));
    }
}
