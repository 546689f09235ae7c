//! The three services on the embedded host, in process, with databases of their own.

use std::fs;
use std::path::{Path, PathBuf};

use mayday_host::{App, Options};
use tempfile::TempDir;

use crate::support::door::Door;
use crate::support::people::{self, Person};

pub(crate) const SUPERADMIN_EMAIL: &str = "super@example.org";
pub(crate) const SUPERADMIN_PASSWORD: &str = "superadmin password";
pub(crate) const ORGANIZER_JWT_SECRET: &str = "organizer secret of 32 bytes at least";
pub(crate) const PARTICIPANT_JWT_SECRET: &str = "participant secret of 32 bytes at least";
pub(crate) const ORGANIZER_KEY: &str = "organizer-key";
pub(crate) const PARTICIPANT_KEY: &str = "participant-key";
pub(crate) const MESSENGER_KEY: &str = "messenger-key";

/// An origin that refuses every connection: nobody but root may listen at this port, and nobody does.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Services that run on a folder of their own.
pub(crate) struct Components {
    pub(crate) door: Door,
    state: TempDir,
}

impl Components {
    /// All three.
    pub(crate) fn start() -> Components {
        Components::with(&["organizer", "participant", "messenger"], &[])
    }

    /// Some of them, with variables set otherwise.
    pub(crate) fn with(components: &[&str], variables: &[(&str, &str)]) -> Components {
        let state = tempfile::tempdir().expect("a folder");
        let door =
            Door::Host(App::load(&options(state.path(), components, variables)).expect("the app loads"));
        Components { door, state }
    }

    /// A second host on the same databases, with some of the services. The others it looks for where nobody listens.
    pub(crate) fn host_with(&self, components: &[&str]) -> Door {
        let nowhere = [
            ("organizer_url", NOWHERE),
            ("participant_url", NOWHERE),
            ("messenger_url", NOWHERE),
        ];
        let missing = nowhere
            .into_iter()
            .filter(|(name, _)| !components.iter().any(|component| name.starts_with(component)));
        self.another_host(components, &missing.collect::<Vec<_>>())
    }

    /// A second host on the same databases, with variables set otherwise.
    pub(crate) fn another_host(&self, components: &[&str], variables: &[(&str, &str)]) -> Door {
        Door::Host(App::load(&options(self.state.path(), components, variables)).expect("the app loads"))
    }

    /// The file of a service's database.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.state.path().join(format!("{service}.db"))
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

/// Some services on a folder, with variables set otherwise.
pub(crate) fn options(state: &Path, components: &[&str], variables: &[(&str, &str)]) -> Options {
    let runtime_config = state.join("runtime-config.toml");
    fs::write(&runtime_config, runtime_config_text(state)).expect("a writable folder");
    let mut options = Options::new(workspace().join("spin.toml"));
    options.components = components.iter().map(|&component| component.to_owned()).collect();
    options.runtime_config_file = Some(runtime_config);
    options.state_dir = Some(state.to_owned());
    options.quiet = true;
    let defaults = [
        ("organizer_jwt_secret", ORGANIZER_JWT_SECRET),
        ("participant_jwt_secret", PARTICIPANT_JWT_SECRET),
        ("organizer_key", ORGANIZER_KEY),
        ("participant_key", PARTICIPANT_KEY),
        ("messenger_key", MESSENGER_KEY),
        ("superadmin_email", SUPERADMIN_EMAIL),
        ("superadmin_password", SUPERADMIN_PASSWORD),
        ("argon2_memory_kib", "64"),
        ("argon2_iterations", "1"),
    ];
    let set = defaults
        .into_iter()
        .filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    set.chain(variables.iter().copied())
        .fold(options, |options, (name, value)| options.variable(name, value))
}

fn runtime_config_text(state: &Path) -> String {
    let sqlite = ["organizer", "participant", "messenger"].map(|label| {
        format!(
            "[sqlite_database.{label}]\ntype = \"spin\"\npath = {:?}\n",
            state.join(format!("{label}.db"))
        )
    });
    let throttle = state.join("throttle.db");
    format!(
        "{}[key_value_store.throttle]\ntype = \"spin\"\npath = {throttle:?}\n",
        sqlite.concat()
    )
}

/// The root of the workspace, where `spin.toml` is.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}
