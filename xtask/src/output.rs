//! What the supervised processes print, one line at a time, each behind the name of its process or, in a structured
//! log, as a JSON object with that name.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use serde_json::{Map, Value};

/// How wide the names are padded: as wide as `dispatcher`, the longest.
const NAME_WIDTH: usize = 10;

/// Time limit for printing what is left at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The colours names are told apart by: cyan, green, magenta, yellow, blue.
const COLOURS: [u8; 5] = [36, 32, 35, 33, 34];

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Log {
    /// For people, in colour on a terminal
    Text,
    /// A JSON object on each line
    Json,
}

impl Log {
    /// As on a command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Log::Text => "text",
            Log::Json => "json",
        }
    }
}

/// The terminal, or whatever stands in for it.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) log: Log,
    pub(crate) colour: bool,
}

impl Output {
    /// Standard output, in colour if a person looks at it and has not asked for none.
    pub(crate) fn of_terminal(log: Log) -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            log,
            colour: io::stdout().is_terminal() && !no_colour,
        }
    }

    /// Prints a line of the process `name`.
    pub(crate) fn line(self, name: &str, text: &str) {
        self.print(&match self.log {
            Log::Text => prefixed(name, text, self.colour),
            Log::Json => structured(name, text),
        });
    }

    /// Prints text as it is. Nothing waits or stops because nobody reads it any more, or because the disk is full.
    pub(crate) fn print(self, text: &str) {
        log_writer::stdout().print(format!("{text}\n"));
    }

    /// Waits a moment until all of it is printed.
    pub(crate) fn flush(self) {
        log_writer::stdout().flush_within(LAST_LINES);
    }
}

fn prefixed(name: &str, text: &str, colour: bool) -> String {
    if !colour {
        return format!("{name:NAME_WIDTH$} | {text}");
    }
    let sum: usize = name.bytes().map(usize::from).sum();
    format!(
        "\x1b[{}m{name:NAME_WIDTH$} |\x1b[0m {text}",
        COLOURS[sum % COLOURS.len()]
    )
}

/// A line as a JSON object with the name of its process, which makes one of a line that is none.
fn structured(name: &str, text: &str) -> String {
    let mut line = serde_json::from_str::<Map<String, Value>>(text).unwrap_or_else(|_| {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let fields = [("time", time.as_str()), ("level", "INFO"), ("message", text)];
        let field = |(name, value): (&str, &str)| (name.to_owned(), value.into());
        fields.into_iter().map(field).collect()
    });
    line.insert("process".to_owned(), name.into());
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_structured_line_names_its_process() {
        let line = structured("host", r#"{"level":"WARN","message":"slow"}"#);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            line,
            json!({"level": "WARN", "message": "slow", "process": "host"})
        );
        let mut line: Value = serde_json::from_str(&structured("redis", "Ready \"to\" go")).unwrap();
        assert!(line["time"].take().as_str().unwrap().ends_with('Z'));
        let expected =
            json!({"time": null, "level": "INFO", "message": "Ready \"to\" go", "process": "redis"});
        assert_eq!(line, expected);
    }

    #[test]
    fn names_stand_in_a_column() {
        assert_eq!(prefixed("host", "Serving", false), "host       | Serving");
        assert_eq!(prefixed("dispatcher", "tick", false), "dispatcher | tick");
    }

    #[test]
    fn colour_ends_with_the_name() {
        let line = prefixed("host", "Serving", true);

        assert!(line.starts_with("\x1b[3"), "{line:?}");
        assert!(line.ends_with("host       |\x1b[0m Serving"), "{line:?}");
    }
}
