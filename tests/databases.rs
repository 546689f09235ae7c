//! What services keep their data in, wherever tests, benches and chaos start them: SQLite files, or libSQL servers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use local_servers::{SQLD_FILE, Server};

use crate::settings::{SERVICES, file_database, file_throttle, libsql_database};

/// The environment variable by which `cargo xtask test --database libsql` says what tests run on.
const OF_TESTS: &str = "MAYDAY_TEST_DATABASE";

/// What keeps the data of the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum Database {
    /// A SQLite file for each service
    #[default]
    Files,
    /// A libSQL server for each service
    Libsql,
}

impl Database {
    /// What the tests of this process run on.
    pub fn of_tests() -> Database {
        match std::env::var(OF_TESTS).as_deref() {
            Err(_) | Ok("files") => Database::Files,
            Ok("libsql") => Database::Libsql,
            Ok(other) => panic!("{OF_TESTS}={other} is neither files nor libsql"),
        }
    }

    /// The value of `--database`.
    pub fn flag(self) -> &'static str {
        match self {
            Database::Files => "files",
            Database::Libsql => "libsql",
        }
    }

    /// The file of a service's database, below a directory as `cargo xtask up` has it. A server has it open, and
    /// others may read and write it meanwhile.
    pub fn file(self, state: &Path, service: &str) -> PathBuf {
        match self {
            Database::Files => state.join(format!("{service}.db")),
            Database::Libsql => self.directory(state, service).join(SQLD_FILE),
        }
    }

    /// Where the file or the server's data is.
    pub fn directory(self, state: &Path, service: &str) -> PathBuf {
        match self {
            Database::Files => state.to_owned(),
            Database::Libsql => state.join("libsql").join(service),
        }
    }
}

/// The databases of all services.
pub struct Databases {
    directory: PathBuf,
    /// One for each service, unless there are files.
    servers: Vec<Server>,
}

impl Databases {
    /// Files in this directory, or servers, which are started.
    pub fn new(database: Database, directory: &Path) -> Result<Databases> {
        let servers = match database {
            Database::Files => Vec::new(),
            Database::Libsql => SERVICES.iter().map(|_| Server::sqld()).collect::<Result<_>>()?,
        };
        Ok(Databases {
            directory: directory.to_owned(),
            servers,
        })
    }

    /// A runtime configuration with the databases, and the key-value store in the directory.
    pub fn runtime_config(&self) -> String {
        let databases = SERVICES
            .iter()
            .enumerate()
            .map(|(index, service)| match self.servers.get(index) {
                Some(server) => libsql_database(service, &server.url()),
                None => file_database(service, &self.file(service)),
            });
        databases.chain([file_throttle(&self.directory)]).collect()
    }

    /// The file of a service's database. A server has it open, and others may read and write it meanwhile.
    pub fn file(&self, service: &str) -> PathBuf {
        match self.server_index(service) {
            Some(index) => self.servers[index].directory().join(SQLD_FILE),
            None => self.directory.join(format!("{service}.db")),
        }
    }

    fn server_index(&self, service: &str) -> Option<usize> {
        let index = SERVICES.iter().position(|known| *known == service)?;
        (index < self.servers.len()).then_some(index)
    }
}
