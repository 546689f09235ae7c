//! A log that never fails and never blocks the program that writes it.
//!
//! Standard error may be a file on a full disk, a pipe that nobody reads, or a pipe whose reader is gone. A server must
//! not end or block because of that. So the writer drops and counts lines that it cannot write, and when writing works
//! again it logs how many are missing.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread,
    time::Duration,
};

/// The most bytes that wait for a slow output. Lines beyond it are dropped.
const QUEUE_BYTES: usize = 1 << 20;

/// The cost of a waiting line besides its text.
const LINE_OVERHEAD: usize = 64;

static DROPPED: AtomicU64 = AtomicU64::new(0);

static STDOUT: OnceLock<LogWriter> = OnceLock::new();
static STDERR: OnceLock<LogWriter> = OnceLock::new();

/// The process's standard output as a log. Lines that precede the end of the program need [`LogWriter::flush_within`].
pub fn stdout() -> LogWriter {
    STDOUT.get_or_init(|| LogWriter::start(io::stdout())).clone()
}

/// The process's standard error as a log.
pub fn stderr() -> LogWriter {
    STDERR.get_or_init(|| LogWriter::start(io::stderr())).clone()
}

/// How many lines this process has dropped since it started.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Relaxed)
}

/// The dropped lines of one log that it has not reported yet.
#[derive(Clone, Debug, Default)]
struct Missing(Arc<AtomicU64>);

impl Missing {
    fn add_line(&self) {
        self.0.fetch_add(1, Relaxed);
        DROPPED.fetch_add(1, Relaxed);
    }

    fn report(&self, out: &mut impl Write) -> io::Result<()> {
        let missing = self.0.load(Relaxed);
        if missing > 0 {
            // The last line may be incomplete.
            out.write_all(
                format!("\n{missing} log lines could not be written and were dropped\n").as_bytes(),
            )?;
            self.0.fetch_sub(missing, Relaxed);
        }
        Ok(())
    }
}

/// A log that is written synchronously, for outputs that do not block, such as files.
#[derive(Debug)]
pub struct LossyLog<W> {
    out: W,
    missing: Missing,
}

impl<W: Write> LossyLog<W> {
    /// Writes to `out` from now on.
    pub fn new(out: W) -> Self {
        Self {
            out,
            missing: Missing::default(),
        }
    }

    /// Writes a line, or drops and counts it.
    pub fn write_line(&mut self, line: &[u8]) {
        let written = self
            .missing
            .report(&mut self.out)
            .and_then(|()| self.out.write_all(line))
            .and_then(|()| self.out.flush());
        if written.is_err() {
            self.missing.add_line();
        }
    }
}

/// A log with a thread of its own, for outputs that may block. Each call of `write` is a line.
///
/// The thread ends with the last clone. It does not keep the process alive.
#[derive(Clone, Debug)]
pub struct LogWriter {
    messages: Sender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    missing: Missing,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Asks for a signal when everything before has been written or dropped.
    Flush(SyncSender<()>),
}

impl LogWriter {
    /// Starts the thread. Panics like [`thread::spawn`] if the system cannot start one.
    pub fn start(out: impl Write + Send + 'static) -> Self {
        let (messages, received) = mpsc::channel();
        let log = LossyLog::new(out);
        let writer = Self {
            messages,
            queued_bytes: Arc::default(),
            missing: log.missing.clone(),
        };
        let queued_bytes = Arc::clone(&writer.queued_bytes);
        thread::spawn(move || write_all(log, &received, &queued_bytes));
        writer
    }

    /// Queues a line, or several that belong together, for the output, or drops and counts it.
    pub fn print(&self, line: impl AsRef<[u8]>) {
        let line = line.as_ref();
        let cost = line.len() + LINE_OVERHEAD;
        let queued = self.queued_bytes.fetch_add(cost, Relaxed);
        let fits = queued + cost <= QUEUE_BYTES;
        if !fits || self.messages.send(Message::Line(line.to_owned())).is_err() {
            self.queued_bytes.fetch_sub(cost, Relaxed);
            self.missing.add_line();
        }
    }

    /// Waits until all lines so far are written or dropped, at most for `limit`.
    pub fn flush_within(&self, limit: Duration) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.messages.send(Message::Flush(done)).is_ok() {
            _ = is_done.recv_timeout(limit);
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.print(line);
        Ok(line.len())
    }

    /// Nothing to do: the thread flushes every line.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all<W: Write>(mut log: LossyLog<W>, messages: &Receiver<Message>, queued_bytes: &AtomicUsize) {
    for message in messages {
        match message {
            Message::Line(line) => {
                log.write_line(&line);
                queued_bytes.fetch_sub(line.len() + LINE_OVERHEAD, Relaxed);
            }
            // The receiver may have stopped waiting.
            Message::Flush(done) => _ = done.try_send(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Longer than anything here takes.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// An output that a test can make fail and recover.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, String)>>);

    impl Disk {
        fn set_full(&self, full: bool) {
            self.0.lock().unwrap().0 = full;
        }

        fn content(&self) -> String {
            self.0.lock().unwrap().1.clone()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (full, content) = &mut *self.0.lock().unwrap();
            if *full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that blocks until it is released.
    struct Blocked(Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped_counted_and_reported() {
        let disk = Disk::default();
        let log = LogWriter::start(disk.clone());
        let before = dropped_lines();
        log.print(b"first\n");
        log.flush_within(DEADLINE);
        disk.set_full(true);
        log.print(b"second\n");
        log.print(b"third\n");
        log.flush_within(DEADLINE);
        assert!(dropped_lines() >= before + 2);
        disk.set_full(false);
        log.print(b"fourth\n");
        log.print(b"fifth\n");
        log.flush_within(DEADLINE);
        assert_eq!(
            disk.content(),
            "first\n\n2 log lines could not be written and were dropped\nfourth\nfifth\n"
        );
    }

    #[test]
    fn an_output_that_blocks_loses_lines_and_delays_nobody() {
        let (let_go, blocked) = mpsc::channel();
        let log = LogWriter::start(Blocked(blocked));
        let before = dropped_lines();
        let line = vec![b'x'; QUEUE_BYTES / 4];
        // Each of these returns although nothing is ever written.
        for _ in 0..8 {
            log.print(&line);
        }
        assert!(dropped_lines() >= before + 4);
        drop(let_go);
        log.flush_within(DEADLINE);
        assert_eq!(log.queued_bytes.load(Relaxed), 0);
    }
}
