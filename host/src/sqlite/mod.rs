//! SQLite databases: `spin:sqlite@3.0.0`, and `fermyon:spin/sqlite@2.0.0` on top of it.
//!
//! Parity: Spin's `crates/factor-sqlite/src/host.rs`. What a database is made of is below: [`file`] or [`libsql`].

mod file;
mod libsql;
mod rows;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use prometheus_client::metrics::histogram::Histogram;
use wasmtime::component::Resource;

use crate::{
    bindings::{fermyon::spin2_0_0::sqlite as v2, spin::sqlite::sqlite as v3},
    handles::Handles,
};

pub(crate) use rows::MAX_RESULT_BYTES;

/// How many connections one instance may have open.
const MAX_CONNECTIONS: usize = 256;

/// The connections to SQLite databases of one instance.
pub(crate) struct Sqlite {
    granted: Arc<HashMap<String, Arc<Database>>>,
    connections: Handles<Connection>,
}

/// A database that components open by its label.
pub(crate) struct Database {
    kind: Kind,
    statements: AtomicU64,
    /// How long they took, for the metrics.
    seconds: OnceLock<Histogram>,
}

enum Kind {
    File(Arc<file::Database>),
    Libsql(Arc<libsql::Database>),
}

/// A connection of a component. It connects when it is first used.
struct Connection {
    database: Arc<Database>,
    kind: ConnectionKind,
}

enum ConnectionKind {
    File(file::Connection),
    Libsql(libsql::Connection),
}

impl Database {
    /// A database at this path, whose directory is created, or in memory.
    pub(crate) fn file(path: Option<PathBuf>) -> anyhow::Result<Self> {
        Ok(Self::new(Kind::File(Arc::new(file::Database::new(path)?))))
    }

    /// A libSQL server at this URL, which knows us by this token.
    pub(crate) fn libsql(url: String, token: String) -> anyhow::Result<Self> {
        Ok(Self::new(Kind::Libsql(Arc::new(libsql::Database::new(
            url, token,
        )?))))
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            statements: AtomicU64::new(0),
            seconds: OnceLock::new(),
        }
    }

    fn connect(self: &Arc<Self>) -> Connection {
        Connection {
            kind: match &self.kind {
                Kind::File(file) => ConnectionKind::File(file.connect()),
                Kind::Libsql(server) => ConnectionKind::Libsql(server.connect()),
            },
            database: self.clone(),
        }
    }

    /// Counts how long statements take in a histogram from now on.
    pub(crate) fn count_in(&self, seconds: Histogram) {
        // The first one stays.
        _ = self.seconds.set(seconds);
    }

    /// How many statements components have asked for.
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Connection {
    async fn execute(
        &self,
        statement: String,
        parameters: Vec<v3::Value>,
    ) -> Result<v3::QueryResult, v3::Error> {
        self.database.statements.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let result = match &self.kind {
            ConnectionKind::File(file) => file.execute(statement, parameters).await,
            ConnectionKind::Libsql(server) => server.execute(&statement, parameters).await,
        };
        if let Some(seconds) = self.database.seconds.get() {
            seconds.observe(began.elapsed().as_secs_f64());
        }
        result
    }

    async fn last_insert_rowid(&self) -> Result<i64, v3::Error> {
        match &self.kind {
            ConnectionKind::File(file) => file.last_insert_rowid().await,
            ConnectionKind::Libsql(server) => server.last_insert_rowid().await,
        }
    }

    async fn changes(&self) -> Result<u64, v3::Error> {
        match &self.kind {
            ConnectionKind::File(file) => file.changes().await,
            ConnectionKind::Libsql(server) => server.changes().await,
        }
    }
}

impl Sqlite {
    pub(crate) fn new(granted: Arc<HashMap<String, Arc<Database>>>) -> Self {
        Self {
            granted,
            connections: Handles::new(MAX_CONNECTIONS),
        }
    }

    /// Opens a connection. `H` is its name in one version of the interface.
    fn connect<H: 'static>(&mut self, label: &str) -> Result<Resource<H>, v3::Error> {
        let database = self.granted.get(label).ok_or(v3::Error::AccessDenied)?;
        let connection = self.connections.open(database.connect());
        connection.ok_or_else(|| v3::Error::Io("too many connections opened".to_owned()))
    }
}

impl v3::Host for Sqlite {}

impl v3::HostConnection for Sqlite {
    async fn open(
        &mut self,
        database: String,
    ) -> wasmtime::Result<Result<Resource<v3::Connection>, v3::Error>> {
        Ok(self.connect(&database))
    }

    async fn execute(
        &mut self,
        connection: Resource<v3::Connection>,
        statement: String,
        parameters: Vec<v3::Value>,
    ) -> wasmtime::Result<Result<v3::QueryResult, v3::Error>> {
        Ok(self
            .connections
            .get(&connection)?
            .execute(statement, parameters)
            .await)
    }

    async fn last_insert_rowid(&mut self, connection: Resource<v3::Connection>) -> wasmtime::Result<i64> {
        Ok(self.connections.get(&connection)?.last_insert_rowid().await?)
    }

    async fn changes(&mut self, connection: Resource<v3::Connection>) -> wasmtime::Result<u64> {
        Ok(self.connections.get(&connection)?.changes().await?)
    }

    async fn drop(&mut self, connection: Resource<v3::Connection>) -> wasmtime::Result<()> {
        self.connections.close(&connection);
        Ok(())
    }
}

impl v2::Host for Sqlite {}

impl v2::HostConnection for Sqlite {
    async fn open(
        &mut self,
        database: String,
    ) -> wasmtime::Result<Result<Resource<v2::Connection>, v2::Error>> {
        Ok(self.connect(&database).map_err(v2::Error::from))
    }

    async fn execute(
        &mut self,
        connection: Resource<v2::Connection>,
        statement: String,
        parameters: Vec<v2::Value>,
    ) -> wasmtime::Result<Result<v2::QueryResult, v2::Error>> {
        let parameters = parameters.into_iter().map(v3::Value::from).collect();
        let result = self
            .connections
            .get(&connection)?
            .execute(statement, parameters)
            .await;
        Ok(result.map(v2::QueryResult::from).map_err(v2::Error::from))
    }

    async fn drop(&mut self, connection: Resource<v2::Connection>) -> wasmtime::Result<()> {
        self.connections.close(&connection);
        Ok(())
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
