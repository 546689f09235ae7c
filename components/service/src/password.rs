//! Passwords: Argon2id at OWASP's parameters unless variables say otherwise, stored as PHC strings that carry theirs.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::settings::{self, SettingError};

/// How much work a guess costs.
#[derive(Clone)]
pub struct Hashing(Argon2<'static>);

impl Hashing {
    /// As the variables `argon2_memory_kib`, `argon2_iterations` and `argon2_parallelism` set it.
    pub fn from_settings() -> Result<Hashing, SettingError> {
        let memory = settings::number("argon2_memory_kib")?;
        let iterations = settings::number("argon2_iterations")?;
        let parallelism = settings::number("argon2_parallelism")?;
        Hashing::new(memory, iterations, parallelism).ok_or(SettingError::Invalid {
            name: "argon2_memory_kib",
            rule: "and its siblings are not parameters of Argon2",
        })
    }

    /// Memory in KiB, passes over it, lanes.
    fn new(memory: u32, iterations: u32, parallelism: u32) -> Option<Hashing> {
        let params = Params::new(memory, iterations, parallelism, None).ok()?;
        Some(Hashing(Argon2::new(Algorithm::Argon2id, Version::V0x13, params)))
    }

    /// Hashes a password with a salt of its own, into a PHC string.
    pub fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| PasswordError(error.to_string()))?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| PasswordError(error.to_string()))?;
        let hash = self.0.hash_password(password.as_bytes(), &salt);
        Ok(hash
            .map_err(|error| PasswordError(error.to_string()))?
            .to_string())
    }

    /// Whether the password is the one that was hashed. Without a hash, because nobody has that e-mail, it is not, after the
    /// same work: the time of an answer must not tell who has an account.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let Some(hash) = hash else {
            self.hash(password)?;
            return Ok(false);
        };
        let hash = PasswordHash::new(hash).map_err(|error| PasswordError(error.to_string()))?;
        match self.0.verify_password(password.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::Password) => Ok(false),
            Err(error) => Err(PasswordError(error.to_string())),
        }
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
        assert!(hashing.verify("correct horse battery", Some(&hash)).unwrap());
        assert!(!hashing.verify("correct horse batterY", Some(&hash)).unwrap());
        assert!(!hashing.verify("correct horse battery", None).unwrap());
        assert_ne!(
            hash,
            hashing.hash("correct horse battery").unwrap(),
            "each hash has a salt of its own"
        );
    }

    #[test]
    fn a_hash_is_checked_with_the_parameters_it_carries() {
        let cheap = Hashing::new(8, 1, 1).unwrap();
        let dear = Hashing::new(64, 2, 1).unwrap();
        let hash = cheap.hash("correct horse battery").unwrap();
        assert!(dear.verify("correct horse battery", Some(&hash)).unwrap());
    }
}
