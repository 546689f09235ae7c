//! The host must behave as Spin does. Each rule has a test that names the place in Spin's sources (at v3.6.3) where the
//! rule comes from. The component under test is `host/probe`.

mod support;

mod chaining;
mod composition;
mod http;
mod key_value;
mod limits;
mod manifest;
mod outbound_http;
mod process;
mod redis;
mod redis_tls;
mod redis_trigger;
mod slow_clients;
mod sqlite;
mod stdio;
mod variables;
mod wasi;
