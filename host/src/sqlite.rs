//! SQLite databases: `spin:sqlite@3.0.0`, and `fermyon:spin/sqlite@2.0.0` on top of it.
//!
//! Parity: Spin's `crates/sqlite-inproc/src/lib.rs` and `crates/factor-sqlite/src/host.rs`. Every `open` is a connection of its
//! own, made when first used, with no pragma set but the library's busy timeout of 5 s.

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use rusqlite::{
    fallible_iterator::FallibleIterator as _,
    hooks::{AuthAction, AuthContext, Authorization},
    types::ValueRef,
};
use wasmtime::component::Resource;

use crate::{
    bindings::{fermyon::spin2_0_0::sqlite as v2, spin::sqlite::sqlite as v3},
    instance::State,
};

/// How many connections one instance may have open.
const MAX_CONNECTIONS: usize = 256;

/// How much of a result the host holds in memory for a component.
pub(crate) const MAX_RESULT_BYTES: usize = 128 << 20;

/// A database that components open by its label.
pub(crate) struct Database {
    /// None is a new database in memory for every connection.
    path: Option<PathBuf>,
    idle: Mutex<Option<rusqlite::Connection>>,
}

/// A connection of a component.
#[allow(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Connection {
    database: Arc<Database>,
    open: Arc<Mutex<Option<rusqlite::Connection>>>,
}

impl Database {
    /// A database at this path, whose directory is created, or in memory.
    pub(crate) fn new(path: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(parent) = path.as_deref().and_then(|path| path.parent()) {
            fs::create_dir_all(parent)
                .with_context(|| format!("could not create the directory {parent:?}"))?;
        }
        Ok(Self {
            path,
            idle: Mutex::new(None),
        })
    }

    fn open(&self) -> rusqlite::Result<rusqlite::Connection> {
        let mut connection = match &self.path {
            Some(path) => rusqlite::Connection::open(path)?,
            None => rusqlite::Connection::open_in_memory()?,
        };
        // Since 4.0 Spin denies a component other files than its database; earlier versions do not, and a component that
        // counts on that is in error.
        connection.authorizer(Some(deny_other_files))?;
        Ok(connection)
    }

    /// Holds one idle connection to a database in WAL mode, the only deliberate difference from Spin.
    ///
    /// SQLite checkpoints and removes the log when the last connection closes, about a millisecond for every request that
    /// writes. A connection that has read in WAL mode counts as open and prevents it, so this runs before each close until it
    /// has happened once. It holds no lock that another connection waits for, unless that one wants to leave WAL mode.
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

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Connection {
    fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            open: Arc::default(),
        }
    }

    /// Runs something on the connection, which is opened if need be, where blocking is allowed.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, v3::Error> + Send + 'static,
    ) -> Result<T, v3::Error> {
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
            .unwrap_or_else(|_| Err(v3::Error::Io("internal runtime error".to_owned())))
    }

    async fn execute(
        &self,
        statement: String,
        parameters: Vec<v3::Value>,
    ) -> Result<v3::QueryResult, v3::Error> {
        self.with(move |connection| execute(connection, &statement, parameters))
            .await
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
            tracing::debug!("could not keep a connection to {:?}: {error}", self.database);
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
    parameters: Vec<v3::Value>,
) -> Result<v3::QueryResult, v3::Error> {
    let mut batch = rusqlite::Batch::new(connection, text);
    let Some(mut statement) = batch.next().map_err(io)? else {
        // What Spin's library says of a text without a statement.
        return Err(v3::Error::Io("bad parameter or other API misuse".to_owned()));
    };
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let parameters = parameters.into_iter().map(parameter);
    let mut cursor = statement
        .query(rusqlite::params_from_iter(parameters))
        .map_err(io)?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while let Some(row) = cursor.next().map_err(io)? {
        let values = (0..columns.len())
            .map(|index| value(row.get_ref(index).map_err(io)?))
            .collect::<Result<Vec<_>, _>>()?;
        bytes += values.iter().map(size).sum::<usize>();
        if bytes > MAX_RESULT_BYTES {
            return Err(v3::Error::Io(format!(
                "query result exceeds limit of {MAX_RESULT_BYTES} bytes"
            )));
        }
        rows.push(v3::RowResult { values });
    }
    Ok(v3::QueryResult { columns, rows })
}

fn parameter(value: v3::Value) -> rusqlite::types::Value {
    use rusqlite::types::Value;
    match value {
        v3::Value::Null => Value::Null,
        v3::Value::Integer(integer) => Value::Integer(integer),
        v3::Value::Real(real) => Value::Real(real),
        v3::Value::Text(text) => Value::Text(text),
        v3::Value::Blob(blob) => Value::Blob(blob),
    }
}

fn value(value: ValueRef<'_>) -> Result<v3::Value, v3::Error> {
    Ok(match value {
        ValueRef::Null => v3::Value::Null,
        ValueRef::Integer(integer) => v3::Value::Integer(integer),
        ValueRef::Real(real) => v3::Value::Real(real),
        ValueRef::Text(text) => {
            let text = String::from_utf8(text.to_vec());
            // Spin panics here, and this is what the component is told.
            v3::Value::Text(text.map_err(|_| v3::Error::Io("internal runtime error".to_owned()))?)
        }
        ValueRef::Blob(blob) => v3::Value::Blob(blob.to_vec()),
    })
}

fn size(value: &v3::Value) -> usize {
    size_of::<v3::Value>()
        + match value {
            v3::Value::Text(text) => text.len(),
            v3::Value::Blob(blob) => blob.len(),
            v3::Value::Null | v3::Value::Integer(_) | v3::Value::Real(_) => 0,
        }
}

fn io(error: rusqlite::Error) -> v3::Error {
    v3::Error::Io(error.to_string())
}

impl State {
    fn open_database(&mut self, label: &str) -> wasmtime::Result<Result<Resource<Connection>, v3::Error>> {
        let Some(database) = self.component().databases.get(label).cloned() else {
            return Ok(Err(v3::Error::AccessDenied));
        };
        if self.open.databases == MAX_CONNECTIONS {
            return Ok(Err(v3::Error::Io("too many connections opened".to_owned())));
        }
        self.open.databases += 1;
        Ok(Ok(self.table.push(Connection::new(database))?))
    }

    fn close_database(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.open.databases -= 1;
        self.table.delete(connection)?;
        Ok(())
    }
}

impl v3::Host for State {}

impl v3::HostConnection for State {
    async fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, v3::Error>> {
        self.open_database(&database)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<v3::Value>,
    ) -> wasmtime::Result<Result<v3::QueryResult, v3::Error>> {
        Ok(self.table.get(&connection)?.execute(statement, parameters).await)
    }

    async fn last_insert_rowid(&mut self, connection: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self
            .table
            .get(&connection)?
            .with(|connection| Ok(connection.last_insert_rowid()))
            .await?)
    }

    async fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        Ok(self
            .table
            .get(&connection)?
            .with(|connection| Ok(connection.changes()))
            .await?)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.close_database(connection)
    }
}

impl v2::Host for State {}

impl v2::HostConnection for State {
    async fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, v2::Error>> {
        Ok(self.open_database(&database)?.map_err(v2::Error::from))
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<v2::Value>,
    ) -> wasmtime::Result<Result<v2::QueryResult, v2::Error>> {
        let parameters = parameters.into_iter().map(v3::Value::from).collect();
        let result = self.table.get(&connection)?.execute(statement, parameters).await;
        Ok(result.map(v2::QueryResult::from).map_err(v2::Error::from))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.close_database(connection)
    }
}

impl From<v3::Error> for v2::Error {
    fn from(error: v3::Error) -> Self {
        match error {
            v3::Error::NoSuchDatabase => Self::NoSuchDatabase,
            v3::Error::AccessDenied => Self::AccessDenied,
            v3::Error::InvalidConnection => Self::InvalidConnection,
            v3::Error::DatabaseFull => Self::DatabaseFull,
            v3::Error::Io(text) => Self::Io(text),
        }
    }
}

impl From<v2::Value> for v3::Value {
    fn from(value: v2::Value) -> Self {
        match value {
            v2::Value::Integer(integer) => Self::Integer(integer),
            v2::Value::Real(real) => Self::Real(real),
            v2::Value::Text(text) => Self::Text(text),
            v2::Value::Blob(blob) => Self::Blob(blob),
            v2::Value::Null => Self::Null,
        }
    }
}

impl From<v3::Value> for v2::Value {
    fn from(value: v3::Value) -> Self {
        match value {
            v3::Value::Integer(integer) => Self::Integer(integer),
            v3::Value::Real(real) => Self::Real(real),
            v3::Value::Text(text) => Self::Text(text),
            v3::Value::Blob(blob) => Self::Blob(blob),
            v3::Value::Null => Self::Null,
        }
    }
}

impl From<v3::QueryResult> for v2::QueryResult {
    fn from(result: v3::QueryResult) -> Self {
        let row = |row: v3::RowResult| v2::RowResult {
            values: row.values.into_iter().map(v2::Value::from).collect(),
        };
        Self {
            columns: result.columns,
            rows: result.rows.into_iter().map(row).collect(),
        }
    }
}
