//! One client's connection.
//!
//! `task` owns the socket. `session` decides what follows from a frame, without a socket: `parse` says what the frame
//! asks for, `rate` whether there were too many. `send_queue` holds what is to be written, `handle` is what the rest of
//! the sidecar knows of the connection, and `frames` are those that the sidecar itself makes.

pub(crate) mod frames;
pub(crate) mod handle;
pub(crate) mod parse;
pub(crate) mod rate;
pub(crate) mod send_queue;
pub(crate) mod session;
pub(crate) mod task;
