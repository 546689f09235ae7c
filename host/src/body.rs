//! Bodies: what the bodies of requests may cost while they arrive, and answers of the host's own.
//!
//! Spin starts an instance when it has the head and lets the component wait for the body. Here an instance starts when
//! the whole request is there, so that a client that sends slowly costs a socket and never a place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use tokio::time::timeout;
use wasmtime_wasi_http::Error;

/// The body of a request or response.
pub type Body = wasmtime_wasi_http::WasiBody;

/// Time limit for a whole body, from the end of its head.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// The largest body the host accepts. Components have limits of their own; the highest is the messenger's for batches
/// of commands and presses, and it is this one.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Whatever a person's client may send fits into this. The highest such limit is the organizer's, 100 KiB (contract
/// 2.5).
const SMALL_BODY_BYTES: usize = 128 << 10;

/// Memory for the first [`SMALL_BODY_BYTES`] of all bodies at once.
const MEMORY_FOR_SMALL_BODIES: usize = 256 << 20;

/// Memory for what is beyond [`SMALL_BODY_BYTES`] in all bodies at once. Large bodies cannot take the memory of small
/// ones.
const MEMORY_FOR_LARGE_BODIES: usize = 128 << 20;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the request is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the request took longer than {} s to arrive", BODY_TIME.as_secs())]
    TooSlow,
    #[error("too many requests are arriving")]
    NoMemory,
    #[error("the request broke off: {0:?}")]
    Broken(Error),
}

/// The memory that all bodies share while they arrive and until their instances have taken them.
pub(crate) struct BodyMemory {
    small: Memory,
    large: Memory,
}

struct Memory(AtomicUsize);

impl Memory {
    fn take(&self, bytes: usize) -> bool {
        self.0
            .fetch_update(Relaxed, Relaxed, |free| free.checked_sub(bytes))
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Relaxed);
    }
}

impl BodyMemory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            small: Memory(MEMORY_FOR_SMALL_BODIES.into()),
            large: Memory(MEMORY_FOR_LARGE_BODIES.into()),
        })
    }

    /// Reads a body to its end.
    pub(crate) async fn read(self: &Arc<Self>, body: Body) -> Result<Body, Unreadable> {
        if body.is_end_stream() {
            return Ok(body);
        }
        if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length <= MAX_BODY_BYTES) {
            timeout(BODY_TIME, self.collect(body))
                .await
                .unwrap_or(Err(Unreadable::TooSlow))
        } else {
            Err(Unreadable::TooLarge)
        }
    }

    async fn collect(self: &Arc<Self>, mut body: Body) -> Result<Body, Unreadable> {
        let mut received = Received {
            bytes: Vec::new(),
            small: 0,
            large: 0,
            memory: Arc::clone(self),
        };
        let mut trailers = None;
        while let Some(frame) = body.frame().await {
            match frame.map_err(Unreadable::Broken)?.into_data() {
                Ok(data) => received.add(&data)?,
                Err(other) => trailers = other.into_trailers().ok(),
            }
        }
        let body = Full::new(Bytes::from_owner(received)).map_err(|never| match never {});
        Ok(match trailers {
            Some(trailers) => body
                .with_trailers(std::future::ready(Some(Ok(trailers))))
                .boxed_unsync(),
            None => body.boxed_unsync(),
        })
    }
}

/// The bytes of one body, and the memory they take from the shares of all.
struct Received {
    bytes: Vec<u8>,
    small: usize,
    large: usize,
    memory: Arc<BodyMemory>,
}

impl Received {
    fn add(&mut self, data: &[u8]) -> Result<(), Unreadable> {
        let length = self.bytes.len() + data.len();
        if length > MAX_BODY_BYTES {
            return Err(Unreadable::TooLarge);
        }
        let (small, large) = (
            length.min(SMALL_BODY_BYTES),
            length.saturating_sub(SMALL_BODY_BYTES),
        );
        if !self.memory.small.take(small - self.small) {
            return Err(Unreadable::NoMemory);
        }
        self.small = small;
        if !self.memory.large.take(large - self.large) {
            return Err(Unreadable::NoMemory);
        }
        self.large = large;
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.memory.small.give_back(self.small);
        self.memory.large.give_back(self.large);
    }
}

/// An answer of the host's own. No browser stores it or shows it as a page.
pub(crate) fn own_answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(full(text));
    *answer.status_mut() = status;
    listener::restrict_browsers(answer.headers_mut());
    answer
}

/// A body that is there already.
pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(memory: &Arc<BodyMemory>, bytes: usize) -> Result<Body, Unreadable> {
        // In two frames, so that no length is announced.
        let frames = [0, bytes].map(|bytes| Ok(http_body::Frame::data(Bytes::from(vec![b'x'; bytes]))));
        let frames = futures_util::stream::iter(frames);
        memory
            .read(http_body_util::StreamBody::new(frames).boxed_unsync())
            .await
    }

    #[tokio::test]
    async fn a_body_has_at_most_16_mib_whether_it_says_so_or_not() {
        let memory = BodyMemory::new();
        let whole = read(&memory, MAX_BODY_BYTES).await.unwrap();
        assert_eq!(whole.collect().await.unwrap().to_bytes().len(), MAX_BODY_BYTES);
        assert!(matches!(
            read(&memory, MAX_BODY_BYTES + 1).await,
            Err(Unreadable::TooLarge)
        ));
        let announced = memory.read(full(vec![b'x'; MAX_BODY_BYTES + 1])).await;
        assert!(matches!(announced, Err(Unreadable::TooLarge)));
    }

    #[tokio::test]
    async fn large_bodies_share_a_bounded_memory_and_leave_that_of_small_ones_alone() {
        let memory = BodyMemory::new();
        let mut held = Vec::new();
        let refusal = loop {
            match read(&memory, MAX_BODY_BYTES).await {
                Ok(body) => held.push(body),
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, Unreadable::NoMemory));
        assert_eq!(
            held.len(),
            MEMORY_FOR_LARGE_BODIES / (MAX_BODY_BYTES - SMALL_BODY_BYTES)
        );
        assert!(read(&memory, SMALL_BODY_BYTES).await.is_ok());
        held.clear();
        assert!(read(&memory, MAX_BODY_BYTES).await.is_ok());
    }
}
