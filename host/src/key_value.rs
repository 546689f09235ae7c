//! Key-value stores: `fermyon:spin/key-value@2.0.0`, in a SQLite file or in Redis.
//!
//! Parity: Spin's `crates/factor-key-value/src/host.rs`, `crates/key-value-spin/src/store.rs` (the same table, so that
//! the files can be exchanged) and `crates/key-value-redis/src/store.rs` (keys as they are, so labels share a Redis
//! database). One difference is intended: Spin limits neither how long its client tries to connect to Redis nor how
//! long it waits for an answer. Here a component learns within about a second that Redis is out of reach.

use std::{
    collections::HashMap,
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use redis::{
    AsyncCommands as _, Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use rusqlite::OptionalExtension as _;
use tokio::{sync::OnceCell, time::timeout};
use wasmtime::component::Resource;

use crate::{
    bindings::fermyon::spin2_0_0::key_value::{self, Error, Host, HostStore},
    handles::Handles,
    sqlite::MAX_RESULT_BYTES,
};

/// How many stores one instance may have open.
const MAX_OPEN: usize = 256;

/// How long Redis may take to let the host connect, and to answer. Without trouble either takes milliseconds.
const REDIS_TIME: Duration = Duration::from_secs(1);

/// The key-value stores of one instance.
pub(crate) struct KeyValue {
    granted: Arc<HashMap<String, Arc<Store>>>,
    stores: Handles<Arc<Store>>,
}

type Handle = Resource<key_value::Store>;

/// A store that components open by its label.
pub(crate) enum Store {
    Sqlite(SqliteStore),
    Redis(Box<RedisStore>),
}

/// Rows of one label in a file that other labels may share, by one connection for all instances.
pub(crate) struct SqliteStore {
    label: String,
    /// None is memory.
    path: Option<PathBuf>,
    connection: Arc<Mutex<Option<rusqlite::Connection>>>,
}

/// The keys of a Redis database, by one connection that reconnects by itself.
pub(crate) struct RedisStore {
    client: Client,
    connection: OnceCell<ConnectionManager>,
}

impl Store {
    /// A store in this file, whose directory is created, or in memory.
    pub(crate) fn sqlite(label: &str, path: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(parent) = path.as_deref().and_then(|path| path.parent()) {
            fs::create_dir_all(parent)
                .with_context(|| format!("could not create the directory {parent:?}"))?;
        }
        Ok(Self::Sqlite(SqliteStore {
            label: label.to_owned(),
            path,
            connection: Arc::default(),
        }))
    }

    /// A store in this Redis database.
    pub(crate) fn redis(url: &str) -> anyhow::Result<Self> {
        let client = Client::open(url).context("Invalid Redis URL")?;
        Ok(Self::Redis(Box::new(RedisStore {
            client,
            connection: OnceCell::new(),
        })))
    }

    async fn open(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.with(|_, _| Ok(())).await,
            Self::Redis(store) => store.connection().await.map(drop),
        }
    }

    async fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        let value: Option<Vec<u8>> = match self {
            Self::Sqlite(store) => {
                const SELECT: &str = "SELECT value FROM spin_key_value WHERE store=?1 AND key=?2";
                let get = move |connection: &rusqlite::Connection, label: &str| {
                    connection
                        .query_row(SELECT, [label, &key], |row| row.get(0))
                        .optional()
                };
                store.with(get).await?
            }
            Self::Redis(store) => store.connection().await?.get(key).await.map_err(other)?,
        };
        check_size(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => {
                const UPSERT: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                                      ON CONFLICT (store, key) DO UPDATE SET value=?3";
                let set = move |connection: &rusqlite::Connection, label: &str| {
                    connection
                        .execute(UPSERT, rusqlite::params![label, key, value])
                        .map(drop)
                };
                store.with(set).await
            }
            Self::Redis(store) => store.connection().await?.set(key, value).await.map_err(other),
        }
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => {
                const DELETE: &str = "DELETE FROM spin_key_value WHERE store=?1 AND key=?2";
                let delete = move |connection: &rusqlite::Connection, label: &str| {
                    connection.execute(DELETE, [label, &key]).map(drop)
                };
                store.with(delete).await
            }
            Self::Redis(store) => store.connection().await?.del(key).await.map_err(other),
        }
    }

    async fn keys(&self) -> Result<Vec<String>, Error> {
        let keys: Vec<String> = match self {
            Self::Sqlite(store) => {
                let keys = |connection: &rusqlite::Connection, label: &str| {
                    let mut statement =
                        connection.prepare("SELECT key FROM spin_key_value WHERE store=?1")?;
                    statement.query_map([label], |row| row.get(0))?.collect()
                };
                store.with(keys).await?
            }
            Self::Redis(store) => store.connection().await?.keys("*").await.map_err(other)?,
        };
        check_size(keys.iter().map(|key| size_of::<String>() + key.len()).sum())?;
        Ok(keys)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(store) => write!(formatter, "Sqlite({:?})", store.path),
            Self::Redis(_) => formatter.write_str("Redis"),
        }
    }
}

impl SqliteStore {
    /// Runs something on the connection, which is opened if need be, where blocking is allowed.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (label, path, connection) = (self.label.clone(), self.path.clone(), self.connection.clone());
        let work = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(connect(path)?),
            };
            work(connection, &label)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(other)?
            .map_err(other)
    }
}

impl RedisStore {
    async fn connection(&self) -> Result<ConnectionManager, Error> {
        let config = || {
            ConnectionManagerConfig::new()
                .set_number_of_retries(0)
                .set_connection_timeout(Some(REDIS_TIME))
                .set_response_timeout(Some(REDIS_TIME))
        };
        let connect = || ConnectionManager::new_with_config(self.client.clone(), config());
        // Instances try one after the other until one has connected. The limit includes the wait for one's turn.
        timeout(REDIS_TIME, self.connection.get_or_try_init(connect))
            .await
            .map_err(|_| other("could not connect to Redis in time"))?
            .cloned()
            .map_err(other)
    }
}

fn connect(path: Option<PathBuf>) -> rusqlite::Result<rusqlite::Connection> {
    let connection = match path {
        Some(path) => rusqlite::Connection::open(path)?,
        None => rusqlite::Connection::open_in_memory()?,
    };
    let create = "CREATE TABLE IF NOT EXISTS spin_key_value (
                      store TEXT NOT NULL,
                      key   TEXT NOT NULL,
                      value BLOB NOT NULL,
                      PRIMARY KEY (store, key)
                  )";
    connection.execute(create, [])?;
    Ok(connection)
}

fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_RESULT_BYTES {
        return Err(Error::Other(format!(
            "query result exceeds limit of {MAX_RESULT_BYTES} bytes"
        )));
    }
    Ok(())
}

fn other(error: impl fmt::Debug) -> Error {
    tracing::warn!("key-value error: {error:?}");
    Error::Other(format!("{error:?}"))
}

impl KeyValue {
    pub(crate) fn new(granted: Arc<HashMap<String, Arc<Store>>>) -> Self {
        Self {
            granted,
            stores: Handles::new(MAX_OPEN),
        }
    }
}

impl Host for KeyValue {}

impl HostStore for KeyValue {
    async fn open(&mut self, label: String) -> wasmtime::Result<Result<Handle, Error>> {
        let Some(store) = self.granted.get(&label).cloned() else {
            return Ok(Err(Error::AccessDenied));
        };
        if let Err(error) = store.open().await {
            return Ok(Err(error));
        }
        Ok(self.stores.open(store).ok_or(Error::StoreTableFull))
    }

    async fn get(&mut self, store: Handle, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.stores.get(&store)?.get(key).await)
    }

    async fn set(
        &mut self,
        store: Handle,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.stores.get(&store)?.set(key, value).await)
    }

    async fn delete(&mut self, store: Handle, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.stores.get(&store)?.delete(key).await)
    }

    async fn exists(&mut self, store: Handle, key: String) -> wasmtime::Result<Result<bool, Error>> {
        let value = self.stores.get(&store)?.get(key).await;
        Ok(value.map(|value| value.is_some()))
    }

    async fn get_keys(&mut self, store: Handle) -> wasmtime::Result<Result<Vec<String>, Error>> {
        Ok(self.stores.get(&store)?.keys().await)
    }

    async fn drop(&mut self, store: Handle) -> wasmtime::Result<()> {
        self.stores.close(&store);
        Ok(())
    }
}
