//! The secrets of one installation, made once and kept in its state directory.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::state::{State, write_private};

/// Crockford's base 32: no two of these characters look alike, because passwords are read aloud and copied by hand.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Everything that is known only here.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secrets {
    pub(crate) organizer_jwt_secret: String,
    pub(crate) participant_jwt_secret: String,
    pub(crate) organizer_key: String,
    pub(crate) participant_key: String,
    pub(crate) messenger_key: String,
    pub(crate) superadmin: Account,
    pub(crate) demo: DemoAccounts,
}

/// What a person types to sign in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// Who plays in the demo.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct DemoAccounts {
    pub(crate) owner: Account,
    pub(crate) support: Account,
    pub(crate) participant: Account,
}

impl Secrets {
    /// The secrets of the state directory, made if there are none yet.
    pub(crate) fn of(state: &State) -> Result<Self> {
        let path = state.path("secrets.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("could not read the secrets in {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::generate()?;
                write_private(&path, &serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn generate() -> Result<Self> {
        Ok(Self {
            organizer_jwt_secret: key()?,
            participant_jwt_secret: key()?,
            organizer_key: key()?,
            participant_key: key()?,
            messenger_key: key()?,
            superadmin: Account::with_new_password("superadmin@mayday.example")?,
            demo: DemoAccounts {
                owner: Account::with_new_password("owner@demo.example")?,
                support: Account::with_new_password("support@demo.example")?,
                participant: Account::with_new_password("participant@demo.example")?,
            },
        })
    }
}

impl Account {
    fn with_new_password(email: &str) -> Result<Self> {
        Ok(Self {
            email: email.to_owned(),
            password: password()?,
        })
    }
}

/// 32 random bytes in hexadecimal.
fn key() -> Result<String> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Four groups of four characters: 80 random bits in 19 characters, of which the organizer wants at least 16 (contract
/// 2.4).
fn password() -> Result<String> {
    let characters = random::<16>()?.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the machine gave no random bytes")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_for_their_owner() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path(), false).unwrap();

        let first = Secrets::of(&state).unwrap();
        let second = Secrets::of(&state).unwrap();

        assert_eq!(first, second);
        let mode = fs::metadata(state.path("secrets.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn secrets_are_long_enough_and_differ() {
        let secrets = Secrets::generate().unwrap();

        assert_eq!(secrets.organizer_jwt_secret.len(), 64);
        assert_ne!(secrets.organizer_jwt_secret, secrets.participant_jwt_secret);
        assert_ne!(secrets.organizer_key, secrets.participant_key);
        assert_eq!(secrets.superadmin.password.len(), 19);
        assert_ne!(secrets.superadmin.password, secrets.demo.owner.password);
    }

    #[test]
    fn damaged_secrets_are_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path(), false).unwrap();
        fs::write(state.path("secrets.json"), "{").unwrap();

        let error = Secrets::of(&state).unwrap_err().to_string();

        assert!(error.contains("secrets.json"), "{error}");
        assert_eq!(fs::read(state.path("secrets.json")).unwrap(), b"{");
    }
}
