//! The runtime configuration: where databases, stores and variables of this machine are.
//!
//! Parity: Spin's `crates/runtime-config/src/lib.rs`. Note what a relative path is relative to: a SQLite database's to
//! the working directory, a key-value store's to the directory of the runtime configuration.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use anyhow::Context as _;
use serde::Deserialize;

use crate::{key_value::Store, options::Options, problems::Problems, sqlite::Database};

/// What the runtime configuration says, with Spin's defaults where it is silent.
#[derive(Debug)]
pub(crate) struct RuntimeConfig {
    pub(crate) databases: HashMap<String, Arc<Database>>,
    pub(crate) stores: HashMap<String, Arc<Store>>,
    pub(crate) variables: Vec<VariablesProvider>,
    pub(crate) log_dir: Option<PathBuf>,
    pub(crate) max_instance_memory: Option<usize>,
}

/// One of `[[variables_provider]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub(crate) enum VariablesProvider {
    /// Values written in the file itself.
    Static { values: HashMap<String, String> },
    /// Environment variables, and a file of them.
    Env {
        prefix: Option<String>,
        dotenv_path: Option<PathBuf>,
    },
}

#[derive(Debug, Default, Deserialize)]
struct File {
    state_dir: Option<PathBuf>,
    log_dir: Option<PathBuf>,
    max_instance_memory: Option<usize>,
    #[serde(default)]
    sqlite_database: HashMap<String, toml::Value>,
    #[serde(default)]
    key_value_store: HashMap<String, toml::Value>,
    #[serde(default, alias = "config_provider")]
    variables_provider: Vec<toml::Value>,
    #[serde(flatten)]
    rest: toml::Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
enum DatabaseConfig {
    Spin { path: Option<PathBuf> },
    Libsql { url: String, token: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
enum StoreConfig {
    Spin { path: Option<PathBuf> },
    Redis { url: String },
}

impl RuntimeConfig {
    /// Reads the file that the options name; `app_dir` is where the manifest is.
    pub(crate) fn load(options: &Options, app_dir: &Path, problems: &mut Problems) -> anyhow::Result<Self> {
        let (file, config_dir) = read(options)?;
        for key in file.rest.keys() {
            problems.add(format!("runtime configuration: the key {key:?} is not supported"));
        }
        let state_dir = state_dir(options, &file, app_dir)?;
        let log_dir = match &file.log_dir {
            Some(dir) if dir.as_os_str().is_empty() => None,
            Some(dir) => Some(absolute(dir)?),
            None => state_dir.as_ref().map(|dir| dir.join("logs")),
        };
        Ok(Self {
            databases: databases(&file, state_dir.as_deref(), problems),
            stores: stores(&file, &config_dir, state_dir.as_deref(), problems),
            variables: providers(&file, problems),
            log_dir,
            max_instance_memory: options.max_instance_memory.or(file.max_instance_memory),
        })
    }
}

fn read(options: &Options) -> anyhow::Result<(File, PathBuf)> {
    let Some(path) = &options.runtime_config_file else {
        return Ok((File::default(), PathBuf::new()));
    };
    let text = fs::read_to_string(path)
        .with_context(|| format!("could not read the runtime config file {path:?}"))?;
    let file = toml::from_str(&text).with_context(|| format!("could not parse {path:?}"))?;
    Ok((file, path.parent().map(Path::to_owned).unwrap_or_default()))
}

/// The flag, else the file, else `.spin` beside the manifest. An empty value means that nothing is kept on disk.
fn state_dir(options: &Options, file: &File, app_dir: &Path) -> std::io::Result<Option<PathBuf>> {
    match options.state_dir.as_ref().or(file.state_dir.as_ref()) {
        Some(dir) if dir.as_os_str().is_empty() => Ok(None),
        Some(dir) => absolute(dir).map(Some),
        None => absolute(app_dir.join(".spin")).map(Some),
    }
}

fn databases(file: &File, state: Option<&Path>, problems: &mut Problems) -> HashMap<String, Arc<Database>> {
    let mut databases = HashMap::new();
    for (label, value) in &file.sqlite_database {
        let database = value
            .clone()
            .try_into()
            .map_err(anyhow::Error::from)
            .and_then(|config| match config {
                DatabaseConfig::Spin { path } => Database::file(path.map(absolute).transpose()?),
                DatabaseConfig::Libsql { url, token } => Database::libsql(url, token),
            })
            .with_context(|| format!("runtime configuration: [sqlite_database.{label}]"));
        databases.extend(
            problems
                .check(database)
                .map(|database| (label.clone(), Arc::new(database))),
        );
    }
    if !databases.contains_key("default") {
        let default = Database::file(state.map(|dir| dir.join("sqlite_db.db")));
        databases.extend(
            problems
                .check(default)
                .map(|database| ("default".to_owned(), Arc::new(database))),
        );
    }
    databases
}

fn stores(
    file: &File,
    config_dir: &Path,
    state: Option<&Path>,
    problems: &mut Problems,
) -> HashMap<String, Arc<Store>> {
    let mut stores = HashMap::new();
    for (label, value) in &file.key_value_store {
        let store = value
            .clone()
            .try_into()
            .map_err(anyhow::Error::from)
            .and_then(|config| match config {
                StoreConfig::Spin { path } => Store::sqlite(label, path.map(|path| config_dir.join(path))),
                StoreConfig::Redis { url } => Store::redis(&url),
            })
            .with_context(|| format!("runtime configuration: [key_value_store.{label}]"));
        stores.extend(
            problems
                .check(store)
                .map(|store| (label.clone(), Arc::new(store))),
        );
    }
    if !stores.contains_key("default") {
        let default = Store::sqlite("default", state.map(|dir| dir.join("sqlite_key_value.db")));
        stores.extend(
            problems
                .check(default)
                .map(|store| ("default".to_owned(), Arc::new(store))),
        );
    }
    stores
}

fn providers(file: &File, problems: &mut Problems) -> Vec<VariablesProvider> {
    let read = |value: &toml::Value| {
        value
            .clone()
            .try_into()
            .context("runtime configuration: [[variables_provider]]")
    };
    file.variables_provider
        .iter()
        .filter_map(|value| problems.check(read(value)))
        .collect()
}
