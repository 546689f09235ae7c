//! Search for a text in any case.

use std::collections::BTreeSet;

/// The most characters of a text to search for.
const LONGEST: usize = 200;

/// A pattern for SQLite's GLOB. Its sets of characters may be any, while SQLite's own comparisons in any case know only
/// ASCII.
#[derive(Debug, PartialEq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// What texts match that contain this one, in any case. `None` for a text that is too long, or has a NUL, where
    /// SQLite's functions would end it.
    pub(crate) fn containing(text: &str) -> Option<Pattern> {
        if text.chars().count() > LONGEST || text.contains('\0') {
            return None;
        }
        let mut pattern = String::from("*");
        for character in text.chars() {
            let cases = cases(character);
            if cases.len() > 1 || "*?[".contains(character) {
                pattern.push('[');
                pattern.extend(cases);
                pattern.push(']');
            } else {
                pattern.push(character);
            }
        }
        pattern.push('*');
        Some(Pattern(pattern))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A character in its cases, as far as each is one character.
fn cases(character: char) -> BTreeSet<char> {
    let lower = |c: char| single(c.to_lowercase()).unwrap_or(c);
    let upper = single(character.to_uppercase()).unwrap_or(character);
    BTreeSet::from([character, lower(character), upper, lower(upper)])
}

fn single(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next();
    first.filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(search: &str, text: &str) -> bool {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let pattern = Pattern::containing(search).unwrap();
        let found = database.query_row("SELECT ?1 GLOB ?2", (text, pattern.as_str()), |row| row.get(0));
        found.unwrap()
    }

    #[test]
    fn a_text_is_found_in_any_case() {
        for (search, text) in [
            ("gate", "At the North GATE"),
            ("GATE 4", "gate 4"),
            ("łÓDŹ", "w Łódź"),
            ("маёвка", "МАЁВКА"),
            ("οδος", "ΟΔΟΣ"),
            ("ǅ", "ǆ"),
            ("straße", "STRAßE"),
            ("نجدة", "أحتاج نجدة الآن"),
            ("🙂", "Hello 🙂"),
        ] {
            assert!(finds(search, text), "{search} in {text}");
        }
        for (search, text) in [("gate", "gaze"), ("e", "é"), ("ab", "a b")] {
            assert!(!finds(search, text), "{search} in {text}");
        }
    }

    #[test]
    fn a_text_is_literal() {
        for (search, other) in [
            ("*", "a"),
            ("a*b", "a-b"),
            ("?", "a"),
            ("[a]", "a"),
            ("[^a]", "b"),
            ("a-z", "m"),
            ("%", "a"),
            ("_", "a"),
            ("]", "a"),
            ("\\", "/"),
            ("'", "a"),
        ] {
            let text = format!("before {search} after");
            assert!(finds(search, &text), "{search}");
            assert!(!finds(search, other), "{search} in {other}");
        }
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        assert!(Pattern::containing(&"ж".repeat(LONGEST)).is_some());
        assert_eq!(Pattern::containing(&"a".repeat(LONGEST + 1)), None);
        assert_eq!(Pattern::containing("a\0b"), None);
    }
}
