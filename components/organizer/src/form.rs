//! Validation of bodies (contract 3.2): reports every failure of every field, in the contract's words.
//!
//! A handler gives [`Form::parse`] a function that reads all fields. The request is refused if any of them is invalid.

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Map, Value};
use service::clock::{self, Millis};
use service::door::Request;
use service::email::{self, Options};
use service::position::{is_latitude, is_longitude};
use url::{Host, Url};

use crate::error::Error;
use crate::image;
use crate::store::events::Coordinate;
use crate::store::users::Role;

/// A rule for a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Text,
    NotEmpty,
    MaxLength(usize),
    MinLength(usize),
    /// Not one of the most common passwords.
    Uncommon,
    Email,
    Phone,
    Website,
    Latitude,
    Longitude,
    Date,
    Boolean,
    Role,
    Integer,
    IntegerFrom(i64, i64),
    OneOf(&'static [&'static str]),
    Image,
}

/// The fields of one JSON object while they are being read.
pub(crate) struct Form {
    fields: Map<String, Value>,
    /// The prefix of the fields' names in messages, such as `agency.`.
    prefix: &'static str,
    known: Vec<&'static str>,
    lines: Vec<String>,
}

impl Form {
    /// Reads a body with `read`, and refuses the request if any field broke a rule or is unknown.
    pub(crate) fn parse<T>(request: &Request, read: impl FnOnce(&mut Form) -> T) -> Result<T, Error> {
        let mut form = Form::read(request)?;
        let parsed = read(&mut form);
        form.finish()?;
        Ok(parsed)
    }

    /// Reads a body: JSON, or a URL-encoded form. An empty one has no fields.
    fn read(request: &Request) -> Result<Form, Error> {
        if request.has_media_type("application/x-www-form-urlencoded") {
            return Ok(Form::of(form_fields(&request.body)));
        }
        Form::from_json(&request.body)
    }

    fn from_json(body: &[u8]) -> Result<Form, Error> {
        if body.is_empty() {
            return Ok(Form::of(Map::new()));
        }
        match serde_json::from_slice(&lenient_json::mend(body)) {
            Ok(Value::Object(fields)) => Ok(Form::of(fields)),
            Ok(_) => Err(Error::BadRequest("the body must be a JSON object".to_owned())),
            Err(error) => Err(Error::BadRequest(error.to_string())),
        }
    }

    fn of(fields: Map<String, Value>) -> Form {
        Form {
            fields,
            prefix: "",
            known: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Reads a field that is an object; its failures are reported with this form's.
    pub(crate) fn nested<T>(
        &mut self,
        name: &'static str,
        prefix: &'static str,
        read: impl FnOnce(&mut Form) -> T,
    ) -> T {
        self.known.push(name);
        let value = self.fields.get(name).cloned();
        let fields = if let Some(Value::Object(fields)) = value {
            fields
        } else {
            self.lines
                .push(format!("{}{name} must be an object", self.prefix));
            Map::new()
        };
        let mut form = Form {
            fields,
            prefix,
            known: Vec::new(),
            lines: Vec::new(),
        };
        let outcome = read(&mut form);
        self.lines.extend(form.into_lines());
        outcome
    }

    /// A required text.
    pub(crate) fn text(&mut self, name: &'static str, rules: &[Rule]) -> String {
        self.check(name, rules, true)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&mut self, name: &'static str, rules: &[Rule]) -> Option<String> {
        self.check(name, rules, false)
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// A text that may be absent, or null to have none.
    pub(crate) fn nullable_text(&mut self, name: &'static str, rules: &[Rule]) -> Option<Option<String>> {
        if self.fields.get(name).is_some_and(Value::is_null) {
            self.known.push(name);
            return Some(None);
        }
        self.optional_text(name, rules).map(Some)
    }

    /// A required coordinate: a number, or a text that holds one.
    pub(crate) fn coordinate(&mut self, name: &'static str, rule: Rule) -> Coordinate {
        self.check(name, &[Rule::NotEmpty, rule], true)
            .and_then(coordinate)
            .unwrap_or_default()
    }

    /// A coordinate that may be absent.
    pub(crate) fn optional_coordinate(&mut self, name: &'static str, rule: Rule) -> Option<Coordinate> {
        self.check(name, &[Rule::NotEmpty, rule], false)
            .and_then(coordinate)
    }

    /// A required time.
    pub(crate) fn date(&mut self, name: &'static str) -> Millis {
        self.check(name, &[Rule::Date], true)
            .and_then(date)
            .unwrap_or_default()
    }

    /// A time that may be absent.
    pub(crate) fn optional_date(&mut self, name: &'static str) -> Option<Millis> {
        self.check(name, &[Rule::Date], false).and_then(date)
    }

    /// A required id.
    pub(crate) fn id(&mut self, name: &'static str) -> i64 {
        self.check(name, &[Rule::Integer], true)
            .and_then(lenient_integer)
            .unwrap_or_default()
    }

    /// An id that may be absent or null, and must be a JSON integer otherwise.
    pub(crate) fn optional_strict_id(&mut self, name: &'static str) -> Option<i64> {
        self.known.push(name);
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        let id = lenient_json::integer(value);
        if id.is_none() {
            self.lines
                .push(line(Rule::Integer, &format!("{}{name}", self.prefix)));
        }
        id
    }

    /// An integer within bounds that may be absent, or null to have none.
    pub(crate) fn nullable_integer(
        &mut self,
        name: &'static str,
        least: i64,
        most: i64,
    ) -> Option<Option<i64>> {
        if self.fields.get(name).is_some_and(Value::is_null) {
            self.known.push(name);
            return Some(None);
        }
        self.check(name, &[Rule::IntegerFrom(least, most)], false)
            .map(lenient_integer)
    }

    /// A required role. An invalid one becomes the role with the fewest rights, and [`Form::parse`] refuses it.
    pub(crate) fn role(&mut self, name: &'static str) -> Role {
        self.check(name, &[Rule::Role], true)
            .and_then(role)
            .unwrap_or(Role::AgencySupport)
    }

    /// A role that may be absent.
    pub(crate) fn optional_role(&mut self, name: &'static str) -> Option<Role> {
        self.check(name, &[Rule::Role], false).and_then(role)
    }

    /// A boolean that may be absent.
    pub(crate) fn optional_boolean(&mut self, name: &'static str) -> Option<bool> {
        self.check(name, &[Rule::Boolean], false).and_then(Value::as_bool)
    }

    /// Reports that two fields must hold the same text.
    pub(crate) fn must_equal(&mut self, name: &str, other: &str) {
        if self.fields.get(name) != self.fields.get(other) {
            self.lines
                .push(format!("{}{name} must be equal to {other}", self.prefix));
        }
    }

    /// Reports that two fields must not hold the same text.
    pub(crate) fn must_differ(&mut self, name: &str, other: &str) {
        if self.fields.get(name) == self.fields.get(other) {
            self.lines
                .push(format!("{}{name} must be different from {other}", self.prefix));
        }
    }

    /// Reports that one coordinate must be greater than another. Both have been read, so what is no coordinate is
    /// reported already.
    pub(crate) fn must_exceed(&mut self, name: &str, other: &str) {
        let degrees = |name| Some(coordinate(self.fields.get(name)?)?.degrees);
        if let (Some(greater), Some(smaller)) = (degrees(name), degrees(other))
            && greater <= smaller
        {
            self.lines
                .push(format!("{}{name} must be greater than {other}", self.prefix));
        }
    }

    fn finish(self) -> Result<(), Error> {
        let lines = self.into_lines();
        if lines.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(lines))
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        let unknown = self
            .fields
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()));
        let mut lines: Vec<String> = unknown
            .map(|name| format!("{}property {name} should not exist", self.prefix))
            .collect();
        lines.append(&mut self.lines);
        lines
    }

    fn check(&mut self, name: &'static str, rules: &[Rule], required: bool) -> Option<&Value> {
        self.known.push(name);
        let value = self.fields.get(name);
        if value.is_none() && !required {
            return None;
        }
        let broken = rules.iter().filter(|rule| !holds(**rule, value));
        self.lines
            .extend(broken.map(|rule| line(*rule, &format!("{}{name}", self.prefix))));
        value
    }
}

/// The fields of a form as texts; `owner[email]` is the field `email` of the object `owner`. The first value of a
/// repeated field counts, as in a query.
fn form_fields(body: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::from(value.into_owned());
        let nested = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((outer, inner)) = nested else {
            fields.entry(name).or_insert(value);
            continue;
        };
        let object = fields.entry(outer).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(object) = object {
            object.entry(inner).or_insert(value);
        }
    }
    fields
}

fn holds(rule: Rule, value: Option<&Value>) -> bool {
    let text = value.and_then(Value::as_str);
    match rule {
        // SQLite's functions end a text at a NUL, so a search would never find the rest.
        Rule::Text => text.is_some_and(|text| !text.contains('\0')),
        Rule::NotEmpty => !matches!(value, None | Some(Value::Null)) && text != Some(""),
        Rule::MaxLength(most) => text.is_some_and(|text| text.chars().count() <= most),
        Rule::MinLength(least) => text.is_some_and(|text| text.chars().count() >= least),
        Rule::Uncommon => !text.is_some_and(is_common),
        Rule::Email => text.is_some_and(is_email),
        Rule::Phone => text.is_some_and(is_phone),
        Rule::Website => text.is_some_and(is_website),
        Rule::Latitude => value
            .and_then(coordinate)
            .is_some_and(|coordinate| is_latitude(coordinate.degrees)),
        Rule::Longitude => value
            .and_then(coordinate)
            .is_some_and(|coordinate| is_longitude(coordinate.degrees)),
        Rule::Date => value.and_then(date).is_some(),
        Rule::Boolean => value.is_some_and(Value::is_boolean),
        Rule::Role => value.and_then(role).is_some(),
        Rule::Integer => value.and_then(lenient_integer).is_some(),
        Rule::IntegerFrom(least, most) => value
            .and_then(lenient_integer)
            .is_some_and(|number| (least..=most).contains(&number)),
        Rule::OneOf(values) => text.is_some_and(|text| values.contains(&text)),
        Rule::Image => text.is_some_and(|text| image::bytes(text).is_some()),
    }
}

/// Contract 3.2, the table of lines.
fn line(rule: Rule, field: &str) -> String {
    match rule {
        Rule::Text => format!("{field} must be a string"),
        Rule::NotEmpty => format!("{field} should not be empty"),
        Rule::MaxLength(most) => format!("{field} must be shorter than or equal to {most} characters"),
        Rule::MinLength(least) => format!("{field} must be longer than or equal to {least} characters"),
        Rule::Uncommon => format!("{field} must not be a common password"),
        Rule::Email => format!("{field} must be an email"),
        Rule::Phone => format!("{field} must be a valid phone number"),
        Rule::Website => format!("{field} must be a URL address"),
        Rule::Latitude => format!("{field} must be a latitude string or number"),
        Rule::Longitude => format!("{field} must be a longitude string or number"),
        Rule::Date => format!("{field} must be a valid ISO 8601 date string"),
        Rule::Boolean => format!("{field} must be a boolean value"),
        Rule::Role => format!("{field} must be one of the following values: 0, 1, 2, 3, 4"),
        Rule::Integer => format!("{field} must be an integer number"),
        Rule::IntegerFrom(least, most) => format!("{field} must be an integer number from {least} to {most}"),
        Rule::OneOf(values) => format!(
            "{field} must be one of the following values: {}",
            values.join(", ")
        ),
        Rule::Image => {
            format!("{field} must be a data URL of a PNG, JPEG or WebP image with at most 512 KiB")
        }
    }
}

/// The leading integer of a text: `3`, `3 - Rock night` and `3x` all mean 3 (contract 3.2).
pub(crate) fn leading_integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let digits_from = usize::from(text.starts_with(['+', '-']));
    let digits = text[digits_from..]
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len() - digits_from);
    text[..digits_from + digits].parse().ok()
}

fn role(value: &Value) -> Option<Role> {
    lenient_integer(value).and_then(Role::from_number)
}

fn lenient_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(_) => lenient_json::integer(value),
        Value::String(text) => leading_integer(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn coordinate(value: &Value) -> Option<Coordinate> {
    let (degrees, text) = match value {
        Value::Number(number) => (number.as_f64()?, None),
        Value::String(text) if is_decimal(text) => (text.parse::<f64>().ok()?, Some(text.clone())),
        _ => return None,
    };
    degrees.is_finite().then_some(Coordinate { degrees, text })
}

/// An optional sign, digits, and an optional point with more digits. Rust's parser would accept more.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    digits(whole) && digits(fraction)
}

fn date(value: &Value) -> Option<Millis> {
    value.as_str().and_then(parse_date)
}

fn is_email(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    // The parser accepts an address in angle brackets without a display name.
    !text.contains(['<', '>']) && email::is_address(text, options)
}

/// Whether a password is one of the most common ones, in any case.
fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    COMMON_PASSWORDS.lines().any(|common| common == password)
}

/// Those of Django's 20,000 most common passwords (5.2, BSD licence) that are long enough for an organizer.
const COMMON_PASSWORDS: &str = include_str!("common-passwords.txt");

/// A number that is valid for its country, whose code follows the only `+`. The parser alone would skip any other
/// characters between digits.
fn is_phone(text: &str) -> bool {
    let is_written_so = |c: char| c.is_ascii_digit() || " -().".contains(c);
    text.strip_prefix('+')
        .is_some_and(|rest| rest.chars().all(is_written_so))
        && phonenumber::parse(None, text).is_ok_and(|number| number.is_valid())
}

/// A URL with or without a scheme, whose host looks public.
fn is_website(text: &str) -> bool {
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric());
    let (scheme, rest) = text
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
        .unwrap_or(("http", text));
    // The parser is as lenient as browsers: it accepts white space, control characters and any number of slashes.
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    let starts_with_host = rest.starts_with(|c: char| c.is_alphanumeric() || c == '[');
    if !text.chars().all(is_plain) || text.starts_with("mailto:") || !starts_with_host {
        return false;
    }
    let Ok(url) = Url::parse(&format!("{scheme}://{rest}")) else {
        return false;
    };
    let public = match url.host() {
        Some(Host::Domain(domain)) => {
            let top = domain.trim_end_matches('.').rsplit_once('.').map(|(_, top)| top);
            top.is_some_and(|top| top.len() >= 2 && top.chars().all(|c| c.is_alphanumeric() || c == '-'))
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    matches!(url.scheme(), "http" | "https" | "ftp") && public
}

/// An ISO 8601 date or date-time, in the extended or the basic format; without an offset it is UTC (contract 1.2).
/// Years must have four digits, here and in UTC, so that this can parse every time in an answer. Weeks, and dates
/// without a day, are refused.
pub(crate) fn parse_date(text: &str) -> Option<Millis> {
    let (day, rest) = text
        .split_once(['T', 't', ' '])
        .map_or((text, None), |(day, rest)| (day, Some(rest)));
    let day = NaiveDate::parse_from_str(day, format_of(day, &DAYS)?).ok()?;
    let time = match rest {
        None => day.and_time(NaiveTime::MIN).and_utc(),
        Some(rest) => {
            let (clock, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
            let clock = clock.replacen(',', ".", 1);
            let (whole, fraction) = clock.split_once('.').unwrap_or((&clock, "0"));
            let clock_format = format_of(whole, &CLOCKS)?;
            let has_seconds = clock_format.contains("%S");
            let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || (clock.contains('.') && !has_seconds) {
                return None;
            }
            let (clock, clock_format) = match has_seconds {
                true => (clock, format!("{clock_format}%.f")),
                false => (clock, clock_format.to_owned()),
            };
            let local = if is_end_of_day(&clock) {
                day.succ_opt()?.and_time(NaiveTime::MIN)
            } else {
                day.and_time(NaiveTime::parse_from_str(&clock, &clock_format).ok()?)
            };
            local.and_utc() - offset_of(offset)?
        }
    };
    let time = time.timestamp_millis();
    clock::can_be_shown(time).then_some(time)
}

/// The shapes of days and times of day, `d` for a digit, and chrono's formats for them.
const DAYS: [(&str, &str); 3] = [
    ("dddd-dd-dd", "%Y-%m-%d"),
    ("dddddddd", "%Y%m%d"),
    ("dddd-ddd", "%Y-%j"),
];
const CLOCKS: [(&str, &str); 4] = [
    ("dd:dd:dd", "%H:%M:%S"),
    ("dd:dd", "%H:%M"),
    ("dddddd", "%H%M%S"),
    ("dddd", "%H%M"),
];

/// Whether a time of day is 24:00, in any of its formats: midnight at the end of the day (ISO 8601).
fn is_end_of_day(clock: &str) -> bool {
    let rest = clock.strip_prefix("24");
    rest.is_some_and(|rest| rest.chars().all(|c| matches!(c, '0' | ':' | '.')))
}

/// The format of a text. Chrono alone would also accept fewer digits, signs and blanks.
fn format_of(text: &str, formats: &[(&str, &'static str)]) -> Option<&'static str> {
    let shape = shape(text);
    let found = formats.iter().find(|(known, _)| *known == shape);
    found.map(|(_, format)| *format)
}

fn shape(text: &str) -> String {
    let digit = |c: char| if c.is_ascii_digit() { 'd' } else { c };
    text.chars().map(digit).collect()
}

/// How far a time is ahead of UTC.
fn offset_of(text: &str) -> Option<TimeDelta> {
    let (hours, minutes) = match shape(text).as_str() {
        "" | "Z" | "z" => return Some(TimeDelta::zero()),
        "+dd" | "-dd" => (&text[1..3], "00"),
        "+dddd" | "-dddd" => (&text[1..3], &text[3..5]),
        "+dd:dd" | "-dd:dd" => (&text[1..3], &text[4..6]),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let size = (hours < 24 && minutes < 60).then(|| TimeDelta::minutes(hours * 60 + minutes))?;
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Rule, good: &[Value], bad: &[Value]) {
        for value in good {
            assert!(holds(rule, Some(value)), "{rule:?} should accept {value}");
        }
        for value in bad {
            assert!(!holds(rule, Some(value)), "{rule:?} should refuse {value}");
        }
        assert!(!holds(rule, None), "{rule:?} should refuse a missing field");
    }

    /// A missing password breaks other rules; the contract says which.
    #[test]
    fn common_passwords_are_refused_and_a_missing_one_is_not_common() {
        for good in texts(&["", "correct horse battery", "manchesterunited2"]) {
            assert!(holds(Rule::Uncommon, Some(&good)), "{good}");
        }
        for bad in texts(&["manchesterunited", "ManchesterUnited", "12345678901234567890"]) {
            assert!(!holds(Rule::Uncommon, Some(&bad)), "{bad}");
        }
        assert!(holds(Rule::Uncommon, None));
    }

    fn texts(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| Value::from(*text)).collect()
    }

    #[test]
    fn rules_accept_and_refuse_by_the_contract() {
        check(
            Rule::Text,
            &texts(&["", "a"]),
            &[Value::Null, 1.into(), true.into(), "a\0b".into()],
        );
        check(Rule::NotEmpty, &texts(&["a", " "]), &[Value::Null, "".into()]);
        check(Rule::MaxLength(2), &texts(&["", "ab", "żó"]), &texts(&["abc"]));
        check(Rule::MinLength(2), &texts(&["ab", "żó"]), &texts(&["", "a"]));
        check(
            Rule::Email,
            &texts(&[
                "a@example.org",
                "a.b+c@sub.example.org",
                "संपर्क@डाटामेल.भारत",
                "x@हिन्दी.भारत",
                "น้ำ@b.example",
            ]),
            &texts(&[
                "",
                "a",
                "a@",
                "a@b",
                "Jan <jan@example.org>",
                "<jan@example.org>",
                " <jan@example.org>",
                "a b@example.org",
                "@example.org",
                "น้ำ@हिन्दी",
                "น้ำ <น้ำ@b.example>",
            ]),
        );
        check(
            Rule::Phone,
            &texts(&["+48123456789", "+1 (213) 373-4253"]),
            &texts(&[
                "",
                "48123456789",
                "+",
                "+48",
                "+481234",
                "+999123456789",
                "phone",
                "+48123456789\0",
                "+48-123456789;ext",
                "+48123456789 x1",
                "++442079460018",
                "+442079460018+",
                "+44+2079460018",
                "+ +442079460018",
                " +442079460018",
                "442079460018+",
            ]),
        );
        check(
            Rule::Website,
            &texts(&[
                "example.org",
                "https://example.org/a?b",
                "ftp://files.example.org",
                "http://sub.example.co.uk:8080",
                "example.org/go?to=https://shop.example.org",
            ]),
            &texts(&[
                "",
                "http://localhost",
                "localhost",
                "gopher://example.org",
                "mailto:a@example.org",
                "http://",
                "//example.org",
                "http:///example.org",
                "example.org/\0",
                "exam\tple.org",
                "exa mple.org",
            ]),
        );
        check(
            Rule::Latitude,
            &[90.into(), (-90.0).into(), "52.1".into()],
            &[91.into(), "x".into(), "".into(), Value::Null, "NaN".into()],
        );
        check(
            Rule::Longitude,
            &[180.into(), "-180".into(), "+19.50".into()],
            &[181.into(), "1e2".into(), "inf".into(), "5.".into(), ".5".into()],
        );
        check(
            Rule::Date,
            &texts(&[
                "2026-05-01",
                "2026-05-01T10:00",
                "2026-05-01T10:00:00.5Z",
                "2026-05-01T10:00:00+02:00",
                "2026-05-01T10:00+02:00",
                "2026-05-01T10:00:00+0200",
                "2026-05-01T10:00:00,5Z",
                "2026-05-01T10:00:00+02",
                "2026-05-01t10:00:00z",
                "2026-05-01 10:00:00",
                "2026-121",
                "20260501",
                "20260501T1000Z",
                "20260501T100000.123-0130",
                "0000-01-01",
                "9999-12-31T23:59:59Z",
            ]),
            &texts(&[
                "",
                "2026-13-01",
                "2026-02-30",
                "tomorrow",
                "10:00",
                "2026",
                "9999-12-31T23:59:59-10:00",
                "+10000-01-01",
                "0000-01-01T00:00:00+01:00",
                "2026-5-1",
                "2026 - 05 - 01",
                " 2026-05-01",
                "2026-05-01T",
                "2026-05-01T10",
                "2026-05-01T10:00.5",
                "2026-05-01T10:00:00.",
                "2026-05-01T10:00:00.+5",
                "2026-05-01T10:00Z+01:00",
                "2026-05-01T10:00+1",
                "2026-05-01T10:00+24:00",
                "2026-05-01T10:00+01:60",
                "2026-05-01T24:01",
                "2026-05-01T24:00:00.001",
                "2026-05-01T25:00",
                "9999-12-31T24:00",
                "9999-12-31T23:59:60",
                "2026-05",
                "2026-366",
                "2026-W18-5",
                "２０２６-05-01",
            ]),
        );
        check(
            Rule::Boolean,
            &[true.into(), false.into()],
            &["true".into(), 1.into()],
        );
        check(
            Rule::Role,
            &[0.into(), 4.into(), 3.0.into(), "3".into(), "4 - support".into()],
            &[5.into(), (-1).into(), "x".into(), 1.5.into()],
        );
        check(
            Rule::Integer,
            &[
                3.into(),
                3.0.into(),
                1e3.into(),
                "3".into(),
                "3.0".into(),
                "3 - Rock night".into(),
                "3x".into(),
            ],
            &[
                "x".into(),
                "".into(),
                1.5.into(),
                1e300.into(),
                u64::MAX.into(),
                "9223372036854775808".into(),
                Value::Null,
                true.into(),
            ],
        );
        check(
            Rule::IntegerFrom(1, 10),
            &[1.into(), 10.0.into(), "10".into(), "3 chats".into()],
            &[
                0.into(),
                11.into(),
                11.0.into(),
                "-1".into(),
                "".into(),
                1.5.into(),
            ],
        );
        check(
            Rule::OneOf(&["low", "high"]),
            &texts(&["low", "high"]),
            &["Low".into(), "low ".into(), "".into(), 0.into()],
        );
    }

    #[test]
    fn a_time_without_an_offset_is_utc() {
        assert_eq!(parse_date("2026-05-01T10:00"), Some(1_777_629_600_000));
        assert_eq!(parse_date("2026-05-01T12:00:00+02:00"), Some(1_777_629_600_000));
        assert_eq!(parse_date("2026-05-01"), Some(1_777_593_600_000));
        assert_eq!(parse_date("2026-121"), Some(1_777_593_600_000));
        assert_eq!(parse_date("20260501T083000.250-0130"), Some(1_777_629_600_250));
    }

    #[test]
    fn midnight_at_the_end_of_a_day_begins_the_next_day() {
        let next_day = parse_date("2026-05-02T00:00");
        assert!(next_day.is_some());
        for text in [
            "2026-05-01T24:00",
            "2026-05-01T24:00:00Z",
            "2026-05-01T24:00:00.000Z",
            "20260501T2400",
            "20260501T240000Z",
            "2026-121T24:00",
            "2026-05-01T24:00+00:00",
        ] {
            assert_eq!(parse_date(text), next_day, "{text}");
        }
        assert_eq!(
            parse_date("2026-05-01T24:00+02:00"),
            parse_date("2026-05-01T22:00")
        );
        assert_eq!(parse_date("2026-12-31T24:00"), parse_date("2027-01-01"));
        assert_eq!(
            parse_date("9999-12-31T24:00+01:00"),
            parse_date("9999-12-31T23:00")
        );
    }

    #[test]
    fn an_integer_is_read_from_the_front_of_a_text() {
        for (text, number) in [
            ("3", Some(3)),
            ("3 - Rock night", Some(3)),
            ("3x", Some(3)),
            ("-3", Some(-3)),
            (" 7", Some(7)),
        ] {
            assert_eq!(leading_integer(text), number, "{text}");
        }
        for text in ["", "x3", "-", "99999999999999999999", "żółć"] {
            assert_eq!(leading_integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_field_breaks_every_rule_and_all_lines_are_reported_together() {
        let mut form = Form::from_json(br#"{"surprise":1,"owner":{"extra":2}}"#).unwrap();
        form.text("name", &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(200)]);
        form.nested("owner", "owner.", |owner| owner.text("email", &[Rule::Email]));
        form.nested("agency", "agency.", |_| ());
        let Err(Error::Invalid(lines)) = form.finish() else {
            panic!("the form should be refused")
        };
        let expected = [
            "property surprise should not exist",
            "name must be a string",
            "name should not be empty",
            "name must be shorter than or equal to 200 characters",
            "owner.property extra should not exist",
            "owner.email must be an email",
            "agency must be an object",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn url_encoded_forms_are_read_as_texts() {
        let fields =
            form_fields(b"email=a%40b.pl&email=c&owner[email]=x+y&owner[role]=3&owner[role]=4&empty=");
        let expected =
            serde_json::json!({"email": "a@b.pl", "owner": {"email": "x y", "role": "3"}, "empty": ""});
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn an_empty_field_of_a_form_is_no_number() {
        let mut form = Form::of(form_fields(
            b"lat=&role=&eventId=&maxOpenChats=&timeStart=&owner=x&owner[email]=y",
        ));
        form.coordinate("lat", Rule::Latitude);
        form.role("role");
        form.id("eventId");
        form.nullable_integer("maxOpenChats", 1, 10);
        form.date("timeStart");
        form.nested("owner", "owner.", |_| ());
        let Err(Error::Invalid(lines)) = form.finish() else {
            panic!("the form should be refused")
        };
        let expected = [
            "lat should not be empty",
            "lat must be a latitude string or number",
            "role must be one of the following values: 0, 1, 2, 3, 4",
            "eventId must be an integer number",
            "maxOpenChats must be an integer number from 1 to 10",
            "timeStart must be a valid ISO 8601 date string",
            "owner must be an object",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn half_an_emoji_is_accepted() {
        let form = Form::from_json(br#"{"content":"party \ud83c"}"#).unwrap();
        assert_eq!(form.fields["content"], "party \u{fffd}");
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        for body in ["[]", "1", "null", "\"a\"", "{", "{\"a\":}", "\u{0}"] {
            assert!(
                matches!(Form::from_json(body.as_bytes()), Err(Error::BadRequest(_))),
                "{body}"
            );
        }
    }
}
