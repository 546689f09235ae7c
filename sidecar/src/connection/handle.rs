//! The handle through which the rest of the sidecar acts on a connection. The connection's task does everything else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::frames::CloseReason;
use crate::connection::send_queue::{Budget, SendQueue};
use crate::metrics::FramesDropped;

/// A connection, as the rest of the sidecar sees it.
#[derive(Debug)]
pub(crate) struct Handle {
    /// Unique within this sidecar.
    id: u64,
    pub(crate) queue: SendQueue,
    opened: Instant,
    /// When the client last sent a frame or a pong, in milliseconds after `opened`.
    active_at: AtomicU64,
    is_organizer: AtomicBool,
    reauthenticate: Notify,
    close_reason: OnceLock<CloseReason>,
    end: Notify,
}

impl Handle {
    pub(crate) fn new(budget: Arc<Budget>, drops: FramesDropped) -> Handle {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Handle {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            queue: SendQueue::new(budget, drops),
            opened: Instant::now(),
            active_at: AtomicU64::new(0),
            is_organizer: AtomicBool::new(false),
            reauthenticate: Notify::new(),
            close_reason: OnceLock::new(),
            end: Notify::new(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The client has sent a frame, a ping or a pong.
    pub(crate) fn mark_active(&self) {
        let millis = self.opened.elapsed().as_millis();
        self.active_at
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long the client has sent nothing.
    pub(crate) fn silent_for(&self) -> Duration {
        let active_at = Duration::from_millis(self.active_at.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(active_at)
    }

    /// The client is an organizer, whose presence matters: the connection is pinged more often.
    pub(crate) fn set_organizer(&self) {
        self.is_organizer.store(true, Ordering::Relaxed);
        self.queue.wake();
    }

    pub(crate) fn is_organizer(&self) -> bool {
        self.is_organizer.load(Ordering::Relaxed)
    }

    /// The client's credentials may have been revoked: the connection neither receives nor sends until it is
    /// authenticated again.
    pub(crate) fn reauthenticate(&self) {
        self.queue.hold();
        self.reauthenticate.notify_one();
    }

    /// Waits for [`Handle::reauthenticate`].
    pub(crate) async fn reauthentication(&self) {
        self.reauthenticate.notified().await;
    }

    /// Ends the connection.
    pub(crate) fn end(&self, close_reason: CloseReason) {
        // The first reason counts.
        let _ = self.close_reason.set(close_reason);
        self.end.notify_one();
    }

    /// Waits for [`Handle::end`].
    pub(crate) async fn ended(&self) -> CloseReason {
        loop {
            if let Some(close_reason) = self.close_reason.get() {
                return *close_reason;
            }
            self.end.notified().await;
        }
    }
}
