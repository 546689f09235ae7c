//! What components print goes to a log file of their own, and to the host's log unless the host is quiet: as it is, or
//! as structured events.
//!
//! Parity: Spin's `crates/trigger/src/cli/stdio.rs`. Spin opens the files for each instance, the host once, and the
//! host writes whole lines, so that those of several instances do not mix.

use std::{
    fs::File,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use log_writer::{LogWriter, LossyLog};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// The most bytes of a line that are kept back until its end.
const MAX_LINE_BYTES: usize = 64 << 10;

/// The target of the events that components' lines become.
const TARGET: &str = "component";

/// Where one component's stdout or stderr goes. What cannot be written is dropped: a component never fails or waits
/// because of a full disk or a log that nobody reads.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    component: Arc<str>,
    /// The level of lines that name none.
    level: &'static str,
    file: Option<Arc<Mutex<LossyLog<File>>>>,
    echo: Option<Echo>,
}

/// Where output goes besides the file.
#[derive(Clone, Debug)]
pub(crate) enum Echo {
    /// Here, as it is.
    AsItIs(LogWriter),
    /// Into the host's structured log.
    Events,
}

impl Log {
    /// Opens `<dir>/<component>_<stream>.txt`. Output also goes to `echo`, if there is one.
    pub(crate) fn open(
        dir: Option<&Path>,
        component: &str,
        stream: &str,
        echo: Option<Echo>,
    ) -> io::Result<Self> {
        let open = |dir: &Path| {
            let path = dir.join(format!("{component}_{stream}.txt"));
            File::options().create(true).append(true).open(path)
        };
        let file = dir.map(open).transpose()?;
        Ok(Self {
            component: component.into(),
            level: if stream == "stderr" { "WARN" } else { "INFO" },
            file: file.map(|file| Arc::new(Mutex::new(LossyLog::new(file)))),
            echo,
        })
    }

    /// The output of one instance.
    pub(crate) fn of_instance(&self) -> Output {
        Output(Arc::new(Mutex::new(Lines {
            log: self.clone(),
            begun: Vec::new(),
        })))
    }

    /// Writes a line, or as much of it as there is.
    fn write(&self, line: &[u8]) {
        if let Some(file) = &self.file {
            file.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_line(line);
        }
        match &self.echo {
            Some(Echo::AsItIs(log)) => log.print(line),
            Some(Echo::Events) => {
                let text = String::from_utf8_lossy(line);
                Line::read(text.trim_end(), self.level).log(&self.component);
            }
            None => {}
        }
    }
}

/// What one instance prints to one stream.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    log: Log,
    /// A line that has no end yet.
    begun: Vec<u8>,
}

impl Output {
    fn write(&self, bytes: &[u8]) {
        let Lines { log, begun } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend(part);
            if part.ends_with(b"\n") || begun.len() >= MAX_LINE_BYTES {
                log.write(begun);
                begun.clear();
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            self.log.write(&self.begun);
        }
    }
}

/// A line of a component. Mayday's own have a head, `TIME LEVEL COMPONENT traceId=ID user=USER: ` (`crates/service`,
/// `log.rs`); any other line is all message.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    level: &'a str,
    trace: Option<&'a str>,
    user: Option<&'a str>,
    message: &'a str,
}

impl<'a> Line<'a> {
    fn read(text: &'a str, default_level: &'a str) -> Self {
        Self::with_head(text).unwrap_or(Self {
            level: default_level,
            trace: None,
            user: None,
            message: text,
        })
    }

    fn with_head(text: &'a str) -> Option<Self> {
        let (head, message) = text.split_once(": ")?;
        let mut words = head.split_whitespace();
        let (_time, level, _component) = (words.next()?, words.next()?, words.next()?);
        if !matches!(level, "INFO" | "WARN" | "ERROR") {
            return None;
        }
        let mut line = Self {
            level,
            trace: None,
            user: None,
            message,
        };
        for word in words {
            match word.split_once('=')? {
                ("traceId", value) => line.trace = Some(value),
                ("user", value) => line.user = Some(value),
                _ => return None,
            }
        }
        Some(line)
    }

    /// The fields that are absent are not logged. Without a trace of its own, a line gets that of the span around it.
    #[expect(non_snake_case, reason = "the names of fields in JSON")]
    fn log(&self, component: &str) {
        let Self {
            level,
            trace: traceId,
            user,
            message,
        } = *self;
        match level {
            "ERROR" => tracing::error!(target: TARGET, component, traceId, user, "{message}"),
            "WARN" => tracing::warn!(target: TARGET, component, traceId, user, "{message}"),
            _ => tracing::info!(target: TARGET, component, traceId, user, "{message}"),
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        Output::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Output::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_head_is_taken_apart() {
        let text = "2026-05-01T10:00:00.000Z  WARN web traceId=0af7 user=organizer/7: a: b";
        assert_eq!(
            Line::read(text, "INFO"),
            Line {
                level: "WARN",
                trace: Some("0af7"),
                user: Some("organizer/7"),
                message: "a: b",
            }
        );
        let bare = Line::read("2026-05-01T10:00:00.000Z ERROR web: failed", "WARN");
        assert_eq!((bare.level, bare.trace, bare.message), ("ERROR", None, "failed"));
    }

    #[test]
    fn any_other_line_is_all_message() {
        for text in [
            "",
            "hello",
            "thread 'main' panicked at src/lib.rs:1:1:",
            "note: run with `RUST_BACKTRACE=1`",
            "2026-05-01T10:00:00.000Z LOUD web: what?",
            "2026-05-01T10:00:00.000Z WARN web other=7: what?",
        ] {
            let line = Line::read(text, "WARN");
            assert_eq!((line.level, line.message), ("WARN", text));
        }
    }
}
