//! The log: one line for each event, on standard error.
//!
//! A line is `TIME LEVEL COMPONENT traceId=ID user=REALM/ID: MESSAGE`, with `user` once the caller is known. People can
//! read it where Spin writes it to a file, and the embedded host makes a structured event of it (`host/src/stdio.rs`).
//! Lines hold ids, never contents, tokens or passwords.
//!
//! An instance serves one request, so the instance knows the request's trace and user.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::io::Write as _;

use trace_context::{TraceContext, TraceId};

use crate::clock;

thread_local! {
    static REQUEST: RefCell<Request> = const {
        RefCell::new(Request {
            component: Cow::Borrowed(""),
            trace: None,
            user: String::new(),
        })
    };
    static HAS_WARNED: Cell<bool> = const { Cell::new(false) };
}

/// The facts about this instance's request that its log lines have.
struct Request {
    component: Cow<'static, str>,
    trace: Option<TraceContext>,
    user: String,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        }
    }
}

/// Begins the request that this instance serves: the trace context that it brings, or a new one.
pub fn begin(component: impl Into<Cow<'static, str>>, found: Option<TraceContext>) -> TraceContext {
    let trace = found.unwrap_or_else(TraceContext::begin);
    REQUEST.with_borrow_mut(|request| {
        request.component = component.into();
        request.trace = Some(trace);
    });
    trace
}

/// The trace context of the request, to be sent with calls to other services.
pub fn trace() -> Option<TraceContext> {
    REQUEST.with_borrow(|request| request.trace)
}

/// The id of the request's trace.
pub fn trace_id() -> Option<TraceId> {
    trace().map(TraceContext::trace)
}

/// Notes the user who calls.
pub fn set_user(realm: &str, id: i64) {
    REQUEST.with_borrow_mut(|request| request.user = format!("{realm}/{id}"));
}

/// Whether a warning or an error was logged.
pub(crate) fn has_warned() -> bool {
    HAS_WARNED.get()
}

/// Writes a line; see the macros [`info`](crate::info), [`warn`](crate::warn) and [`error`](crate::error).
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if level != Level::Info {
        HAS_WARNED.set(true);
    }
    let line = REQUEST.with_borrow(|request| line(request, level, message));
    // There is no other place to report that this fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn line(request: &Request, level: Level, message: fmt::Arguments<'_>) -> String {
    let mut line = format!(
        "{} {:>5} {}",
        clock::format(clock::now()),
        level.as_str(),
        request.component
    );
    if let Some(trace) = request.trace {
        // Writing to a string cannot fail.
        let _ = write!(line, " traceId={}", trace.trace());
    }
    if !request.user.is_empty() {
        line.push_str(" user=");
        line.push_str(&request.user);
    }
    line.push_str(": ");
    for character in message.to_string().chars() {
        // A text from outside must not begin a line of its own, or control a terminal.
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line.push('\n');
    line
}

/// Logs what an operator may want to know, in the form of [`format!`].
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Info, format_args!($($message)*)) };
}

/// Logs what is not as it should be, in the form of [`format!`].
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Warn, format_args!($($message)*)) };
}

/// Logs what has failed, in the form of [`format!`].
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Error, format_args!($($message)*)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_everything_in_its_place() {
        let trace = TraceContext::begin();
        let mut request = Request {
            component: "participant".into(),
            trace: Some(trace),
            user: "participant/7".to_owned(),
        };
        let whole = line(&request, Level::Warn, format_args!("press {} waits", 3));
        let (time, rest) = whole.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-05-01T10:00:00.000Z".len());
        let id = trace.trace();
        assert_eq!(
            rest,
            format!(" WARN participant traceId={id} user=participant/7: press 3 waits\n")
        );
        request.trace = None;
        request.user.clear();
        let bare = line(&request, Level::Error, format_args!("no request"));
        assert!(bare.ends_with("Z ERROR participant: no request\n"), "{bare}");
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let request = Request {
            component: "web".into(),
            trace: None,
            user: String::new(),
        };
        let line = line(&request, Level::Info, format_args!("a\nb\u{1b}[31m"));
        assert!(line.ends_with("web: a\\nb\\u{1b}[31m\n"), "{line}");
    }
}
