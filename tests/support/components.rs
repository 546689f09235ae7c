//! The three services on the embedded host, in process, with databases of their own.

use std::fs;
use std::path::{Path, PathBuf};

use mayday_host::{App, Options};
use mayday_tests::databases::{Database, Databases};
pub(crate) use mayday_tests::programs::workspace;
use mayday_tests::secrecy;
use mayday_tests::settings::{CHEAP_HASHING, VARIABLES, file_throttle, redis_throttle};
pub(crate) use mayday_tests::settings::{
    MESSENGER_KEY, ORGANIZER_JWT_SECRET, ORGANIZER_KEY, PARTICIPANT_JWT_SECRET, PARTICIPANT_KEY, SERVICES,
    SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD,
};
use tempfile::TempDir;

use crate::support::door::Door;
use crate::support::people::{self, Person};

/// An origin that refuses every connection: only root could listen at this port.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The file with the runtime configuration of the host that was loaded last.
const RUNTIME_CONFIG: &str = "runtime-config.toml";

/// Services that run on a folder and databases of their own.
pub(crate) struct Components {
    pub(crate) door: Door,
    databases: Databases,
    state: TempDir,
}

impl Components {
    /// All three.
    pub(crate) fn start() -> Components {
        Components::with(&SERVICES, &[])
    }

    /// Some of them, with other values of variables.
    pub(crate) fn with(components: &[&str], variables: &[(&str, &str)]) -> Components {
        Components::load("spin.toml", components, variables)
    }

    /// All components of a manifest, with other values of variables.
    pub(crate) fn of(manifest: &str, variables: &[(&str, &str)]) -> Components {
        Components::load(manifest, &[], variables)
    }

    fn load(manifest: &str, components: &[&str], variables: &[(&str, &str)]) -> Components {
        let state = tempfile::tempdir().expect("a folder");
        let databases = Databases::new(Database::of_tests(), state.path()).expect("databases");
        let mut options = options(state.path(), &databases, components, variables);
        options.from = workspace().join(manifest);
        Components {
            door: Door::Host(App::load(&options).expect("the app loads")),
            databases,
            state,
        }
    }

    fn options(&self, components: &[&str], variables: &[(&str, &str)]) -> Options {
        options(self.state.path(), &self.databases, components, variables)
    }

    /// A second host on the same databases, with some of the services. For the others it has an address where nobody
    /// listens.
    pub(crate) fn host_with(&self, components: &[&str]) -> Door {
        self.host_ahead_by(components, 0)
    }

    /// The same with a clock that is this many milliseconds ahead.
    pub(crate) fn host_ahead_by(&self, components: &[&str], milliseconds: i64) -> Door {
        let nowhere = [
            ("organizer_url", NOWHERE),
            ("participant_url", NOWHERE),
            ("messenger_url", NOWHERE),
        ];
        let missing = nowhere
            .into_iter()
            .filter(|(name, _)| !components.iter().any(|component| name.starts_with(component)));
        let mut options = self.options(components, &missing.collect::<Vec<_>>());
        options.clock_offset_ms = milliseconds;
        Door::Host(App::load(&options).expect("the app loads"))
    }

    /// A second host on the same databases, with other values of variables.
    pub(crate) fn another_host(&self, components: &[&str], variables: &[(&str, &str)]) -> Door {
        Door::Host(App::load(&self.options(components, variables)).expect("the app loads"))
    }

    /// A second host on the same databases, which counts failed sign-ins in this Redis.
    pub(crate) fn host_with_redis(&self, url: &str) -> Door {
        let options = self.options(&SERVICES, &[]);
        count_in_redis(self.state.path(), &self.databases, url);
        Door::Host(App::load(&options).expect("the app loads"))
    }

    /// The file of a service's database.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.databases.file(service)
    }

    /// Sets the counts of the throttle whose keys begin so. Answers how many there are.
    pub(crate) fn set_throttle(&self, prefix: &str, value: &str) -> usize {
        let store = rusqlite::Connection::open(self.state.path().join("throttle.db")).expect("a store");
        let sql = "UPDATE spin_key_value SET value = ?2 WHERE substr(key, 1, length(?1)) = ?1";
        let value = value.as_bytes();
        store.execute(sql, (prefix, value)).expect("a table")
    }

    /// What a component has written to stderr so far.
    pub(crate) fn log(&self, component: &str) -> String {
        let file = self.state.path().join(format!("logs/{component}_stderr.txt"));
        fs::read_to_string(file).expect("a log")
    }

    pub(crate) async fn superadmin(&self) -> Person {
        people::sign_in(&self.door, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await
    }

    pub(crate) async fn agency(&self, name: &str) -> people::Agency {
        people::found_agency(&self.door, &self.superadmin().await, name).await
    }
}

impl Drop for Components {
    fn drop(&mut self) {
        secrecy::check_directory(&self.state.path().join("logs"));
    }
}

/// The options of a host with some services on a folder and these databases, and other values of variables.
pub(crate) fn options(
    state: &Path,
    databases: &Databases,
    components: &[&str],
    variables: &[(&str, &str)],
) -> Options {
    let runtime_config_file = state.join(RUNTIME_CONFIG);
    fs::write(&runtime_config_file, databases.runtime_config()).expect("a writable folder");
    let mut options = Options::new(workspace().join("spin.toml"));
    options.components = components.iter().map(|&component| component.to_owned()).collect();
    options.runtime_config_file = Some(runtime_config_file);
    options.state_dir = Some(state.to_owned());
    options.quiet = true;
    let defaults = VARIABLES.into_iter().chain(CHEAP_HASHING);
    let set = defaults.filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    set.chain(variables.iter().copied())
        .fold(options, |options, (name, value)| options.variable(name, value))
}

/// Lets the next host with [`options`] on this folder count failed sign-ins in a Redis.
pub(crate) fn count_in_redis(state: &Path, databases: &Databases, url: &str) {
    let config = databases.runtime_config();
    let config = config.replace(&file_throttle(state), &redis_throttle(url));
    fs::write(state.join(RUNTIME_CONFIG), config).expect("a writable folder");
}
