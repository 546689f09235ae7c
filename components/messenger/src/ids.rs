//! Ids of chats and messages: 24 hexadecimal digits (contract 1.5): the time first, so that they grow, then random
//! ones.

use std::fmt::Write;

use service::clock::Millis;

use crate::error::Error;

/// A new id.
pub(crate) fn new(now: Millis) -> Result<String, Error> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(Error::Random)?;
    Ok(assemble(now, random))
}

/// Several new ids, with one call for random numbers.
pub(crate) fn several(now: Millis, count: usize) -> Result<Vec<String>, Error> {
    let mut random = vec![[0; 6]; count];
    getrandom::fill(random.as_flattened_mut()).map_err(Error::Random)?;
    Ok(random.into_iter().map(|random| assemble(now, random)).collect())
}

fn assemble(now: Millis, random: [u8; 6]) -> String {
    /// The low 48 bits of the time last until the year 10889.
    const TIME: i64 = (1 << 48) - 1;
    let mut id = format!("{:012x}", now & TIME);
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Whether a text has the form of an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 24
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_24_lowercase_hexadecimal_digits_and_grows_with_time() {
        let early = assemble(1_777_629_600_000, [0xff; 6]);
        let late = assemble(1_777_629_600_001, [0; 6]);
        assert!(is_id(&early) && is_id(&late));
        assert!(early < late);
        assert!(is_id(&assemble(-1, [0; 6])) && is_id(&assemble(i64::MAX, [1; 6])));
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in [
            "",
            "0a1b",
            "0A1B2C3D4E5F60718293A4B5",
            "0a1b2c3d4e5f60718293a4bg",
            "0a1b2c3d4e5f60718293a4b5 ",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
