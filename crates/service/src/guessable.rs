//! Passwords that are guessed first: those that many people use, that were in a breach, or that consist of words of
//! their own account (OWASP ASVS 5.0, 6.1.2, 6.2.4 and 6.2.11). The services refuse them where accounts have to be
//! complete; clients of the contract may choose any.

use sha2::{Digest, Sha256};

/// The name of the product, which is among the words of every account.
const PRODUCT: &str = "mayday";

/// Common and breached passwords, as the first bytes of their SHA-256 hashes in lower case, sorted. Hashed, because
/// some are names and dates of real people. `known_passwords.py` makes them.
pub struct KnownPasswords(pub &'static [u8]);

/// Bytes kept of each hash. With 200,000 hashes, one in five million other passwords is refused by mistake.
const HASH_LENGTH: usize = 5;

impl KnownPasswords {
    /// Whether a password is one of them, in any case.
    pub fn contain(&self, password: &str) -> bool {
        let (hashes, _) = self.0.as_chunks::<HASH_LENGTH>();
        Sha256::digest(password.to_lowercase())
            .first_chunk()
            .is_some_and(|hash| hashes.binary_search(hash).is_ok())
    }
}

/// Whether a password is nothing but the words of these texts and the product's name, repeated and joined in any order.
/// Only letters count, in any case.
pub fn consists_of(password: &str, texts: &[&str]) -> bool {
    let texts = texts.iter().copied().chain([PRODUCT]);
    let known: Vec<String> = texts.flat_map(words).collect();
    let letters = words(password).concat();
    // Which beginnings of the letters are words, by their length.
    let mut made = vec![false; letters.len() + 1];
    made[0] = true;
    for start in 0..letters.len() {
        if made[start] {
            for word in known.iter().filter(|word| letters[start..].starts_with(*word)) {
                made[start + word.len()] = true;
            }
        }
    }
    !letters.is_empty() && made[letters.len()]
}

/// The words of a text, in lower case: what stands between digits, spaces and punctuation.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphabetic());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLA: &[&str] = &[
        "ola.n7@rock-fest.example.org",
        "Ola",
        "Żółkiewska-Nowak",
        "Rock Festival 2026",
    ];

    #[test]
    fn a_password_of_known_words_is_found_however_they_are_joined() {
        for password in [
            "maydaymaydaymayday",
            "MayDay-2026-MayDay!",
            "ola.n7@rock-fest.example.org",
            "Ola Nowak Żółkiewska",
            "żółkiewskaŻÓŁKIEWSKA",
            "rockfestivalmayday1",
            "FestivalRock20262026",
            "1234567890123 mayday",
        ] {
            assert!(consists_of(password, OLA), "{password}");
        }
    }

    #[test]
    fn a_password_with_anything_else_is_not_one_of_known_words() {
        for password in [
            "",
            "83726405918273645",
            "!!!! ???? !!!! ????",
            "correct horse battery",
            "maydaymaydaymayda",
            "mayday mayday horse",
            "xmaydaymaydaymayday",
            "olaolaolaolaolaolal",
        ] {
            assert!(!consists_of(password, OLA), "{password}");
        }
        assert!(consists_of("mayday mayday mayday", &[""]));
        assert!(!consists_of("rockfestivalmayday1", &[""]));
    }

    #[test]
    fn a_known_password_is_found_in_any_case() {
        let mut hashes = ["first of three", "second of three", "third of three"].map(|password| {
            *Sha256::digest(password)
                .first_chunk::<HASH_LENGTH>()
                .expect("32 bytes")
        });
        hashes.sort_unstable();
        let known = KnownPasswords(hashes.concat().leak());
        for password in ["first of three", "Second of THREE", "third of three"] {
            assert!(known.contain(password), "{password}");
        }
        for password in ["", "fourth of three", "first of three "] {
            assert!(!known.contain(password), "{password}");
        }
    }
}
