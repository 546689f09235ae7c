//! A service's own SQLite database, through Spin: opened for every request, migrated once.
//!
//! A migration file holds statements that each end with a semicolon and are followed by an empty line: Spin runs one
//! statement per call, and what follows the first semicolon would be dropped silently.

use std::time::Duration;

use spin_sdk::sqlite3::{Connection, RowResult, Value};

/// What SQLite, or a row that is not as expected, said.
#[derive(Debug, thiserror::Error)]
#[error("database: {0}")]
pub struct DatabaseError(pub String);

/// Opens the database that the manifest grants under `label`, and brings it to the newest schema. `prepare` runs in the transaction
/// that does so, and is told from which version; 0 is a new database.
pub fn open<Error: From<DatabaseError>>(
    label: &str,
    migrations: &[&str],
    prepare: impl FnOnce(&Connection, usize) -> Result<(), Error>,
) -> Result<Connection, Error> {
    let connection =
        Connection::open(label).map_err(|error| DatabaseError(format!("open {label}: {error}")))?;
    if version(&connection)? != migrations.len() {
        migrate(&connection, migrations, prepare)?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> Result<usize, DatabaseError> {
    let version =
        query_one(connection, "PRAGMA user_version", &[], |row| row.get::<i64>(0))?.unwrap_or_default();
    usize::try_from(version).map_err(|_| DatabaseError(format!("user_version is {version}")))
}

/// Two instances may come here at the same moment; the second waits for the first and then finds nothing left to do.
fn migrate<Error: From<DatabaseError>>(
    connection: &Connection,
    migrations: &[&str],
    prepare: impl FnOnce(&Connection, usize) -> Result<(), Error>,
) -> Result<(), Error> {
    switch_to_wal(connection)?;
    transaction(connection, |connection| {
        let from = version(connection)?;
        if from > migrations.len() {
            let message = format!(
                "is at version {from}, newer than this program's {}",
                migrations.len()
            );
            return Err(DatabaseError(message).into());
        }
        if from == migrations.len() {
            return Ok(());
        }
        for migration in &migrations[from..] {
            for statement in statements(migration) {
                execute(connection, statement, &[])?;
            }
        }
        execute(
            connection,
            &format!("PRAGMA user_version = {}", migrations.len()),
            &[],
        )?;
        prepare(connection, from)
    })
}

/// Write-ahead logging stays in the file once it is set. SQLite does not wait when two connections switch at once, it fails one of
/// them; so that one asks again.
fn switch_to_wal(connection: &Connection) -> Result<(), DatabaseError> {
    const TRIES: usize = 250;
    const PAUSE: Duration = Duration::from_millis(20);
    let mut outcome = Ok(());
    for _ in 0..TRIES {
        outcome = execute(connection, "PRAGMA journal_mode = WAL", &[]);
        if outcome.is_ok() {
            return outcome;
        }
        std::thread::sleep(PAUSE);
    }
    outcome
}

/// The statements of a migration file.
fn statements(migration: &str) -> impl Iterator<Item = &str> {
    migration
        .split(";\n\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
}

/// Runs `work` in a transaction that takes the write lock at once, and commits it or, when it fails, rolls it back. Nothing
/// that waits for another service belongs in here. Foreign keys are heeded in here only: the setting does not stay in the file, so
/// each connection needs it, and one that only reads is spared the call.
pub fn transaction<T, Error: From<DatabaseError>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    execute(connection, "PRAGMA foreign_keys = ON", &[])?;
    execute(connection, "BEGIN IMMEDIATE", &[])?;
    finish(connection, work(connection))
}

/// Runs `work` in a transaction that only reads, all of it from one moment, and keeps nobody from writing.
pub fn snapshot<T, Error: From<DatabaseError>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    execute(connection, "BEGIN", &[])?;
    finish(connection, work(connection))
}

fn finish<T, Error: From<DatabaseError>>(
    connection: &Connection,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    match outcome {
        Ok(outcome) => {
            execute(connection, "COMMIT", &[])?;
            Ok(outcome)
        }
        Err(error) => {
            // The first error is the one to report; closing the connection rolls back as well.
            if let Err(rollback) = execute(connection, "ROLLBACK", &[]) {
                eprintln!("rollback failed: {rollback}");
            }
            Err(error)
        }
    }
}

/// Runs one statement whose rows do not matter.
pub fn execute(connection: &Connection, sql: &str, parameters: &[Value]) -> Result<(), DatabaseError> {
    connection
        .execute(sql, parameters)
        .map(drop)
        .map_err(|error| failed(sql, &error))
}

/// All rows of one statement.
pub fn query<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    decode: impl Fn(Row) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    let result = connection
        .execute(sql, parameters)
        .map_err(|error| failed(sql, &error))?;
    result.rows.iter().map(|row| decode(Row(row))).collect()
}

/// The first row of one statement, if it has any.
pub fn query_one<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    decode: impl Fn(Row) -> Result<T, DatabaseError>,
) -> Result<Option<T>, DatabaseError> {
    Ok(query(connection, sql, parameters, decode)?.into_iter().next())
}

fn failed(sql: &str, error: &spin_sdk::sqlite3::Error) -> DatabaseError {
    let statement: String = sql.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
    DatabaseError(format!("{statement} ...: {error}"))
}

/// A row, read by column number.
pub struct Row<'a>(&'a RowResult);

impl Row<'_> {
    /// The value of a column.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, DatabaseError> {
        let value = self.0.values.get(column);
        value
            .and_then(T::from_value)
            .ok_or_else(|| DatabaseError(format!("column {column} holds {value:?}, not what was expected")))
    }
}

/// What a column can be read as.
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

/// What a parameter can be made from.
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

    #[test]
    fn a_migration_is_split_at_empty_lines_after_semicolons() {
        let migration =
            "-- why; so\ncreate table a (\n  b integer\n);\n\ncreate trigger t begin\n  select 1;\nend;\n\n";
        let statements: Vec<_> = statements(migration).collect();
        assert_eq!(statements.len(), 2);
        assert!(statements[1].starts_with("create trigger") && statements[1].ends_with("end"));
    }
}
