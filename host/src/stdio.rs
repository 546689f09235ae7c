//! What components print goes to a log file of their own, and to the host's stderr unless the host is quiet.
//!
//! Parity: Spin's `crates/trigger/src/cli/stdio.rs`. Spin opens the files for each instance, the host once.

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

/// Where one component's stdout or stderr goes. What cannot be written is dropped: a component never fails or waits
/// because of a full disk or a log that nobody reads.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    file: Option<Arc<Mutex<LossyLog<File>>>>,
    echo: Option<LogWriter>,
}

impl Log {
    /// Opens `<dir>/<component>_<stream>.txt`. Output also goes to `echo`, if there is one.
    pub(crate) fn open(
        dir: Option<&Path>,
        component: &str,
        stream: &str,
        echo: Option<LogWriter>,
    ) -> io::Result<Self> {
        let open = |dir: &Path| {
            let path = dir.join(format!("{component}_{stream}.txt"));
            File::options().create(true).append(true).open(path)
        };
        let file = dir.map(open).transpose()?;
        Ok(Self {
            file: file.map(|file| Arc::new(Mutex::new(LossyLog::new(file)))),
            echo,
        })
    }

    fn write(&self, bytes: &[u8]) {
        if let Some(file) = &self.file {
            file.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_line(bytes);
        }
        if let Some(echo) = &self.echo {
            echo.print(bytes);
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl OutputStream for Log {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        Log::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Log {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
