//! What components print: to a log file of their own, and to the host's stderr unless it is quiet.
//!
//! Parity: Spin's `crates/trigger/src/cli/stdio.rs`. Spin opens the files for each instance, the host once.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// Where one component's stdout or stderr goes.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    file: Option<Arc<File>>,
    echo: bool,
}

impl Log {
    /// Opens `<dir>/<component>_<stream>.txt`; without a directory everything goes to the host's stderr.
    pub(crate) fn open(dir: Option<&Path>, component: &str, stream: &str, quiet: bool) -> io::Result<Self> {
        let Some(dir) = dir else {
            return Ok(Self {
                file: None,
                echo: true,
            });
        };
        let path = dir.join(format!("{component}_{stream}.txt"));
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self {
            file: Some(Arc::new(file)),
            echo: !quiet,
        })
    }

    /// Appending needs no lock: the system puts each write whole at the end.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &self.file {
            (&**file).write_all(bytes)?;
        }
        if self.echo {
            io::stderr().write_all(bytes)?;
        }
        Ok(())
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
        // A full disk is no reason to trap a component.
        if let Err(error) = Log::write(self, &bytes) {
            tracing::warn!("could not log what a component printed: {error}");
        }
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
        Poll::Ready(self.write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
