//! One client's connection.
//!
//! `task` owns the socket. `session` decides what a frame leads to, without touching a socket: `parse` parses the
//! frame, `rate` limits how many a client may send. `send_queue` holds the frames to be written, `handle` is the
//! connection as the rest of the sidecar sees it, and `frames` builds the frames that the sidecar itself makes.

pub(crate) mod frames;
pub(crate) mod handle;
pub(crate) mod parse;
pub(crate) mod rate;
pub(crate) mod send_queue;
pub(crate) mod session;
pub(crate) mod task;
