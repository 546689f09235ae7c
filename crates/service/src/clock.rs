//! Time as the services keep it: milliseconds since the Unix epoch, UTC.

use std::ops::RangeInclusive;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// How far the clocks of two hosts may differ. A token is accepted this long before its `nbf`.
pub const LEEWAY: Millis = 60_000;

/// The time now, by this host's clock. Times that several hosts compare come from the database's clock: see
/// [`crate::database::now`].
pub fn now() -> Millis {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}

/// The form every answer has (contract 1.2): `2026-05-01T10:00:00.000Z`, always three fractional digits. A time outside
/// of the calendar's range becomes the zero time.
pub fn format(time: Millis) -> String {
    DateTime::<Utc>::from_timestamp_millis(time).map_or_else(
        || ZERO_TIME.to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

/// A time in a body: `#[serde(serialize_with = "clock::timestamp")]`.
pub fn timestamp<S: Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*time))
}

/// A time in a body that may be null.
pub fn optional_timestamp<S: Serializer>(time: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => timestamp(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// The messenger's form of "no time" (contract 1.2).
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// From the first to the last moment whose year has four digits in UTC.
const SHOWN: RangeInclusive<Millis> = -62_167_219_200_000..=253_402_300_799_999;

/// Whether answers can show a time so that it can be read again: RFC 3339 has four digits for a year.
pub fn can_be_shown(time: Millis) -> bool {
    SHOWN.contains(&time)
}

/// Reads a full RFC 3339 time, if it can be shown: an offset or a leap second may lead beyond the year.
pub fn parse_rfc3339(text: &str) -> Option<Millis> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    can_be_shown(time).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_fractional_digits() {
        assert_eq!(format(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(1_777_629_600_120), "2026-05-01T10:00:00.120Z");
        assert_eq!(format(i64::MAX), ZERO_TIME);
    }

    #[test]
    fn a_formatted_time_is_read_back() {
        assert_eq!(parse_rfc3339(&format(1_777_629_600_007)), Some(1_777_629_600_007));
        assert_eq!(
            parse_rfc3339("2026-05-01T12:00:00+02:00"),
            Some(1_777_629_600_000)
        );
        assert_eq!(parse_rfc3339("2026-05-01"), None);
    }

    #[test]
    fn a_time_that_cannot_be_shown_is_not_read() {
        for text in ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"] {
            let time = parse_rfc3339(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(format(time), text);
        }
        for text in [
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:60Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
