//! A database in a file, or in memory.
//!
//! Parity: Spin's `crates/sqlite-inproc/src/lib.rs`. Every connection is one of SQLite's, opened when first used, with
//! the library's busy timeout of 5 s. There is one deliberate difference, which requests see only in their speed: the
//! write-ahead log is kept ([`Database::keep_log`]), and therefore kept small ([`LOG_LIMIT`]).

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use rusqlite::{
    fallible_iterator::FallibleIterator as _,
    hooks::{AuthAction, AuthContext, Authorization},
    types::ValueRef,
};

use super::rows::Rows;
use crate::bindings::spin::sqlite::sqlite::{Error, QueryResult, Value};

/// SQLite starts the write-ahead log again from its beginning, but the file keeps its largest size, for example after a
/// long read beside many writes. With this limit, SQLite then truncates a log that has more bytes. It copies a log to
/// the database at 4 MB.
const LOG_LIMIT: i64 = 8 * 1024 * 1024;

pub(super) struct Database {
    /// None is a new database in memory for every connection.
    path: Option<PathBuf>,
    idle: Mutex<Option<rusqlite::Connection>>,
}

pub(super) struct Connection {
    database: Arc<Database>,
    open: Arc<Mutex<Option<rusqlite::Connection>>>,
}

impl Database {
    /// A database at this path, whose directory is created, or in memory.
    pub(super) fn new(path: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(parent) = path.as_deref().and_then(|path| path.parent()) {
            fs::create_dir_all(parent)
                .with_context(|| format!("could not create the directory {parent:?}"))?;
        }
        Ok(Self {
            path,
            idle: Mutex::new(None),
        })
    }

    pub(super) fn connect(self: &Arc<Self>) -> Connection {
        Connection {
            database: self.clone(),
            open: Arc::default(),
        }
    }

    fn open(&self) -> rusqlite::Result<rusqlite::Connection> {
        let mut connection = match &self.path {
            Some(path) => rusqlite::Connection::open(path)?,
            None => rusqlite::Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
        // Since 4.0 Spin denies a component other files than its database; earlier versions do not, and a component
        // that counts on that is in error.
        connection.authorizer(Some(deny_other_files))?;
        Ok(connection)
    }

    /// Holds one idle connection to a database in WAL mode.
    ///
    /// SQLite checkpoints and removes the log when the last connection closes, about a millisecond for every request
    /// that writes. A connection that has read in WAL mode counts as open and prevents it, so this runs before each
    /// close until it has happened once. It holds no lock that another connection waits for, unless that one wants to
    /// leave WAL mode.
    fn keep_log(&self, closing: &rusqlite::Connection) -> rusqlite::Result<()> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.path.is_none() || idle.is_some() {
            return Ok(());
        }
        let mode: String = closing.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode == "wal" {
            let connection = self.open()?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            *idle = Some(connection);
        }
        Ok(())
    }
}

impl Connection {
    pub(super) async fn execute(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Error> {
        self.with(move |connection| execute(connection, &statement, parameters))
            .await
    }

    pub(super) async fn last_insert_rowid(&self) -> Result<i64, Error> {
        self.with(|connection| Ok(connection.last_insert_rowid())).await
    }

    pub(super) async fn changes(&self) -> Result<u64, Error> {
        self.with(|connection| Ok(connection.changes())).await
    }

    /// Runs something on the connection, which is opened if need be, where blocking is allowed.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (database, open) = (self.database.clone(), self.open.clone());
        let work = move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *open {
                Some(connection) => connection,
                none => none.insert(database.open().map_err(io)?),
            };
            work(connection)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err(Error::Io("internal runtime error".to_owned())))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A statement of a request that was given up may still run; it then closes the connection when it ends.
        let Ok(mut open) = self.open.try_lock() else {
            return;
        };
        if let Some(connection) = open.take()
            && connection.is_autocommit()
            && let Err(error) = self.database.keep_log(&connection)
        {
            let path = &self.database.path;
            tracing::debug!("could not keep a connection to {path:?}: {error}");
        }
    }
}

fn deny_other_files(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { filename } if !matches!(filename, "" | ":memory:") => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// Runs the first statement of a text; whatever follows it is ignored without a word, as Spin 3.6 does.
fn execute(
    connection: &rusqlite::Connection,
    text: &str,
    parameters: Vec<Value>,
) -> Result<QueryResult, Error> {
    let mut batch = rusqlite::Batch::new(connection, text);
    let Some(mut statement) = batch.next().map_err(io)? else {
        // What Spin's library says of a text without a statement.
        return Err(Error::Io("bad parameter or other API misuse".to_owned()));
    };
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let parameters = parameters.into_iter().map(parameter);
    let mut cursor = statement
        .query(rusqlite::params_from_iter(parameters))
        .map_err(io)?;
    let mut rows = Rows::default();
    while let Some(row) = cursor.next().map_err(io)? {
        let values = (0..columns.len())
            .map(|index| value(row.get_ref(index).map_err(io)?))
            .collect::<Result<Vec<_>, _>>()?;
        rows.push(values)?;
    }
    Ok(rows.under(columns))
}

fn parameter(value: Value) -> rusqlite::types::Value {
    use rusqlite::types;
    match value {
        Value::Null => types::Value::Null,
        Value::Integer(integer) => types::Value::Integer(integer),
        Value::Real(real) => types::Value::Real(real),
        Value::Text(text) => types::Value::Text(text),
        Value::Blob(blob) => types::Value::Blob(blob),
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => {
            let text = String::from_utf8(text.to_vec());
            // Spin panics here, and this is what the component is told.
            Value::Text(text.map_err(|_| Error::Io("internal runtime error".to_owned()))?)
        }
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    })
}

fn io(error: rusqlite::Error) -> Error {
    Error::Io(error.to_string())
}
