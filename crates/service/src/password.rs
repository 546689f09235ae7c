//! Passwords: Argon2id at OWASP's parameters unless variables say otherwise, stored as PHC strings that carry theirs.
//! Passwords that a device keeps, and that are too random to be guessed, are hashed with SHA-256.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::database::{Connection, DatabaseError};
use crate::notices;
use crate::settings::{self, SettingError};

/// How much work a guess costs.
#[derive(Clone)]
pub struct Hashing(Argon2<'static>);

/// The recommendations of OWASP's Password Storage Cheat Sheet, as KiB of memory and passes over it. All are equally
/// strong.
const ENOUGH: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// How the hash of a random password begins.
const RANDOM: &str = "$sha256$";

/// A hash that no password has.
pub const OF_NO_PASSWORD: &str = RANDOM;

/// A password of 192 random bits, and its hash. No number of guesses finds it, so neither has a guess to be slow, nor
/// are two of them equal.
pub fn random() -> Result<(String, String), PasswordError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| PasswordError(error.to_string()))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash_random(&password);
    Ok((password, hash))
}

fn hash_random(password: &str) -> String {
    format!("{RANDOM}{:x}", Sha256::digest(password))
}

/// The result of checking a password.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but hashed with less work than is configured now: hash it again.
    RightButOutdated,
}

impl Hashing {
    /// Reads the variables `argon2_memory_kib`, `argon2_iterations` and `argon2_parallelism`. A component has no start
    /// at which to warn of weak ones, so this warns, once an hour.
    pub fn from_settings<Error>(connection: &Connection) -> Result<Hashing, Error>
    where
        Error: From<SettingError> + From<DatabaseError>,
    {
        let memory = settings::number("argon2_memory_kib")?;
        let iterations = settings::number("argon2_iterations")?;
        let parallelism = settings::number("argon2_parallelism")?;
        let hashing = Hashing::new(memory, iterations, parallelism).ok_or(SettingError::Invalid {
            name: "argon2_memory_kib".to_owned(),
            rule: "and its siblings are not parameters of Argon2",
        })?;
        if !hashing.is_enough() {
            notices::print(connection, "weak argon2", notices::HOUR, || {
                format!(
                    "argon2_memory_kib={memory} argon2_iterations={iterations} is less than OWASP asks for: \
                     for load tests only"
                )
            })?;
        }
        Ok(hashing)
    }

    /// Memory in KiB, passes over it, lanes.
    fn new(memory: u32, iterations: u32, parallelism: u32) -> Option<Hashing> {
        let params = Params::new(memory, iterations, parallelism, None).ok()?;
        Some(Hashing(Argon2::new(Algorithm::Argon2id, Version::V0x13, params)))
    }

    fn is_enough(&self) -> bool {
        let params = self.0.params();
        ENOUGH
            .iter()
            .any(|(memory, passes)| params.m_cost() >= *memory && params.t_cost() >= *passes)
    }

    /// Hashes a password, with a salt of its own, into a PHC string.
    pub fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| PasswordError(error.to_string()))?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| PasswordError(error.to_string()))?;
        let hash = self.0.hash_password(password.as_bytes(), &salt);
        Ok(hash
            .map_err(|error| PasswordError(error.to_string()))?
            .to_string())
    }

    /// Whether the password matches the hash. Without a hash, because nobody has that e-mail, does the same work and
    /// returns that it is wrong: the time of an answer must not reveal who has an account.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict, PasswordError> {
        let Some(hash) = hash else {
            self.hash(password)?;
            return Ok(Verdict::Wrong);
        };
        if hash.starts_with(RANDOM) {
            let is_right = hash_random(password).as_bytes().ct_eq(hash.as_bytes());
            return Ok(match bool::from(is_right) {
                true => Verdict::Right,
                false => Verdict::Wrong,
            });
        }
        let broken = |error: argon2::password_hash::Error| PasswordError(error.to_string());
        let hash = PasswordHash::new(hash).map_err(broken)?;
        match self.0.verify_password(password.as_bytes(), &hash) {
            Ok(()) if self.asks_for_more_than(&Params::try_from(&hash).map_err(broken)?) => {
                Ok(Verdict::RightButOutdated)
            }
            Ok(()) => Ok(Verdict::Right),
            Err(argon2::password_hash::Error::Password) => Ok(Verdict::Wrong),
            Err(error) => Err(broken(error)),
        }
    }

    fn asks_for_more_than(&self, params: &Params) -> bool {
        self.0.params().m_cost() > params.m_cost() || self.0.params().t_cost() > params.t_cost()
    }
}

impl Verdict {
    pub fn is_right(self) -> bool {
        self != Verdict::Wrong
    }
}

/// A hash that could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("password hash: {0}")]
pub struct PasswordError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hashed_password_verifies() {
        let hashing = Hashing::new(8, 1, 1).unwrap();
        let hash = hashing.hash("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        let verify = |password, hash| hashing.verify(password, hash).unwrap();
        assert_eq!(verify("correct horse battery", Some(&hash)), Verdict::Right);
        assert_eq!(verify("correct horse batterY", Some(&hash)), Verdict::Wrong);
        assert_eq!(verify("correct horse battery", None), Verdict::Wrong);
        assert_ne!(
            hash,
            hashing.hash("correct horse battery").unwrap(),
            "each hash has a salt of its own"
        );
    }

    #[test]
    fn a_hash_is_checked_with_the_parameters_it_carries() {
        let cheap = Hashing::new(8, 1, 1).unwrap();
        let more_memory = Hashing::new(64, 1, 1).unwrap();
        let more_passes = Hashing::new(8, 2, 1).unwrap();
        let hash = cheap.hash("correct horse battery").unwrap();
        for dearer in [&more_memory, &more_passes] {
            let verdict = dearer.verify("correct horse battery", Some(&hash)).unwrap();
            assert_eq!(verdict, Verdict::RightButOutdated);
            let hash = dearer.hash("correct horse battery").unwrap();
            let verdict = cheap.verify("correct horse battery", Some(&hash)).unwrap();
            assert_eq!(verdict, Verdict::Right, "less work is no reason to hash again");
        }
    }

    #[test]
    fn a_random_password_is_verified_by_its_own_hash() {
        let hashing = Hashing::new(64, 2, 1).unwrap();
        let (password, hash) = random().unwrap();
        assert_eq!(password.len(), 48);
        assert_eq!(hashing.verify(&password, Some(&hash)).unwrap(), Verdict::Right);
        assert_eq!(hashing.verify(&hash, Some(&hash)).unwrap(), Verdict::Wrong);
        let (other, _) = random().unwrap();
        assert_ne!(password, other);
        assert_eq!(hashing.verify(&other, Some(&hash)).unwrap(), Verdict::Wrong);
        for password in [&password, "", OF_NO_PASSWORD] {
            let verdict = hashing.verify(password, Some(OF_NO_PASSWORD)).unwrap();
            assert_eq!(verdict, Verdict::Wrong, "{password}");
        }
    }

    #[test]
    fn owasps_parameters_are_enough_and_less_is_not() {
        for (memory, passes) in ENOUGH {
            assert!(Hashing::new(memory, passes, 1).unwrap().is_enough());
            assert!(!Hashing::new(memory - 1, passes, 1).unwrap().is_enough());
        }
        assert!(!Hashing::new(19_456, 1, 1).unwrap().is_enough());
    }
}
