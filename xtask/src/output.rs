//! What the supervised processes print, one line at a time, each behind the name of its process.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// How wide the names are padded: as wide as `dispatcher`, the longest.
const NAME_WIDTH: usize = 10;

/// Time limit for printing what is left at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The colours names are told apart by: cyan, green, magenta, yellow, blue.
const COLOURS: [u8; 5] = [36, 32, 35, 33, 34];

/// The terminal, or whatever stands in for it.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) colour: bool,
}

impl Output {
    /// Standard output, in colour if a person looks at it and has not asked for none.
    pub(crate) fn of_terminal() -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: io::stdout().is_terminal() && !no_colour,
        }
    }

    /// Prints a line of the process `name`.
    pub(crate) fn line(self, name: &str, text: &str) {
        self.print(&prefixed(name, text, self.colour));
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

#[cfg(test)]
mod tests {
    use super::*;

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
