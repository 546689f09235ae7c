//! Repairs JSON as phones write it for a parser that requires valid Unicode.
//!
//! JavaScript truncates a text at UTF-16 units, which can split an emoji. JSON can express half an emoji (`"\ud83d"`),
//! but a Rust string cannot. A person who needs help must not get an error for that: the half becomes U+FFFD, as in
//! other parsers (RFC 8259, 8.2).
//!
//! JSON has one kind of number, so `3`, `3.0` and `3e0` are the same integer.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::Value;

/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

const FIRST_HALF: RangeInclusive<u16> = 0xD800..=0xDBFF;
const SECOND_HALF: RangeInclusive<u16> = 0xDC00..=0xDFFF;

/// The integer value of a number, however it is written. `None` for other numbers and other values.
pub fn integer(value: &Value) -> Option<i64> {
    /// All integers up to here are exact in a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        let is_integer = number.fract() == 0.0 && number.abs() <= EXACT;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is an integer, and within bounds"
        )]
        is_integer.then_some(number as i64)
    })
}

/// Replaces each escape of half a character by the escape of U+FFFD. Leaves invalid JSON invalid.
pub fn mend(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    while let Some(skipped) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += skipped;
        at += match (escaped(json, at), escaped(json, at + ESCAPE)) {
            (Some(first), Some(second)) if FIRST_HALF.contains(&first) && SECOND_HALF.contains(&second) => {
                2 * ESCAPE
            }
            (Some(half), _) if FIRST_HALF.contains(&half) || SECOND_HALF.contains(&half) => {
                mended.to_mut()[at..at + ESCAPE].copy_from_slice(br"\ufffd");
                ESCAPE
            }
            // Any other escape. The four digits of a Unicode escape are then skipped like text.
            _ => 2,
        };
        if at > json.len() {
            break;
        }
    }
    mended
}

/// The UTF-16 unit that an escape of four digits at `at` names.
fn escaped(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_digits.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(std::str::from_utf8(&mend(json.as_bytes())), Ok(expected));
    }

    #[test]
    fn half_a_character_becomes_the_replacement() {
        check(r#"{"a":"x\ud83d"}"#, r#"{"a":"x\ufffd"}"#);
        check(r#"["\uD83D\uD83D\uDE00"]"#, r#"["\ufffd\uD83D\uDE00"]"#);
        check(r#"["\ude00\ud83d!"]"#, r#"["\ufffd\ufffd!"]"#);
        check(r#"{"\udfff":1}"#, r#"{"\ufffd":1}"#);
    }

    #[test]
    fn a_number_is_an_integer_by_its_value() {
        for (json, number) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("3e0", Some(3)),
            ("0.3e1", Some(3)),
            ("-0.0", Some(0)),
            ("-7.0", Some(-7)),
            ("1e15", Some(1_000_000_000_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("3.5", None),
            ("1e300", None),
            ("9223372036854775808", None),
            ("18446744073709551615", None),
            ("\"3\"", None),
            ("true", None),
            ("null", None),
            ("[3]", None),
        ] {
            assert_eq!(integer(&serde_json::from_str(json).unwrap()), number, "{json}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for json in [
            "",
            r#"{"a":"\ud83d\ude00 \u00e9 \ufffd \n \" 😀"}"#,
            r#"["\\ud83d", "\\\\udfff"]"#,
            r#"["\ud8"#,
            r#"["\"#,
            r#"["\u+123"]"#,
            r#"["\uzzzz\"#,
        ] {
            assert!(matches!(mend(json.as_bytes()), Cow::Borrowed(same) if same == json.as_bytes()));
        }
    }
}
