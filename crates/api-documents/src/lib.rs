//! Whether what the services and the sidecar send and accept is as their documents say. For tests only.
//!
//! The documents are `components/*/openapi.json` and `sidecar/asyncapi.json`, as they are served. [`check_answer`] is
//! for HTTP, and [`check_request`] for what was answered with a success; [`check_handshake`], [`check_frame`] and
//! [`check_close`] are for sockets, from their beginning to their end; and [`compare_routes`] compares a service's
//! routes with its document. What our own components ask of each other beyond the contract is in no document, and
//! neither are the pages.

mod answers;
mod frames;
mod requests;
mod routes;
mod schema;

pub use answers::check_answer;
pub use frames::{Protocol, Side, check_close, check_frame, check_handshake};
pub use requests::check_request;
pub use routes::compare_routes;

#[cfg(test)]
mod tests;
