//! Outbound Redis: `fermyon:spin/redis@2.0.0`.
//!
//! Parity: Spin's `crates/factor-outbound-redis/src/host.rs`. Every `open` is a new TCP connection, by TLS for
//! `rediss://`. Spin has OpenSSL for that. The host has rustls, which refuses `#insecure` addresses, since they would not
//! check certificates.

use std::{fmt, sync::Arc};

use redis::{
    AsyncCommands as _, AsyncConnectionConfig, ErrorKind, RedisError, Value, aio::MultiplexedConnection,
};
use wasmtime::component::Resource;

use crate::{
    allowed_hosts::AllowedHosts,
    bindings::fermyon::spin2_0_0::redis::{
        self as bindings, Error, Host, HostConnection, RedisParameter, RedisResult,
    },
    handles::Handles,
    sqlite::MAX_RESULT_BYTES,
};

/// How many connections one instance may have open.
const MAX_CONNECTIONS: usize = 1024;

/// The connections to Redis of one instance.
pub(crate) struct Redis {
    allowed_hosts: Arc<AllowedHosts>,
    connections: Handles<MultiplexedConnection>,
}

type Handle = Resource<bindings::Connection>;

impl Redis {
    pub(crate) fn new(allowed_hosts: Arc<AllowedHosts>) -> Self {
        Self {
            allowed_hosts,
            connections: Handles::new(MAX_CONNECTIONS),
        }
    }
}

impl Host for Redis {}

impl HostConnection for Redis {
    async fn open(&mut self, address: String) -> wasmtime::Result<Result<Handle, Error>> {
        if !self.allowed_hosts.allow(&address, "redis") {
            return Ok(Err(Error::InvalidAddress));
        }
        let connection = match connect(&address).await {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.connections.open(connection).ok_or(Error::TooManyConnections))
    }

    async fn publish(
        &mut self,
        handle: Handle,
        channel: String,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .connections
            .get(&handle)?
            .publish(channel, payload)
            .await
            .map_err(other))
    }

    async fn get(&mut self, handle: Handle, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let value: Result<Option<Vec<u8>>, _> = self.connections.get(&handle)?.get(key).await;
        Ok(value.map_err(other).and_then(|value| {
            check_size(value.as_ref().map_or(0, Vec::len))?;
            Ok(value)
        }))
    }

    async fn set(
        &mut self,
        handle: Handle,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .connections
            .get(&handle)?
            .set(key, value)
            .await
            .map_err(other))
    }

    async fn incr(&mut self, handle: Handle, key: String) -> wasmtime::Result<Result<i64, Error>> {
        Ok(self.connections.get(&handle)?.incr(key, 1).await.map_err(other))
    }

    async fn del(&mut self, handle: Handle, keys: Vec<String>) -> wasmtime::Result<Result<u32, Error>> {
        Ok(self.connections.get(&handle)?.del(keys).await.map_err(other))
    }

    async fn sadd(
        &mut self,
        handle: Handle,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let added: Result<u32, RedisError> = self.connections.get(&handle)?.sadd(key, values).await;
        Ok(added.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedReturnType => Error::TypeError,
            _ => other(error),
        }))
    }

    async fn smembers(
        &mut self,
        handle: Handle,
        key: String,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        Ok(self.connections.get(&handle)?.smembers(key).await.map_err(other))
    }

    async fn srem(
        &mut self,
        handle: Handle,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        Ok(self
            .connections
            .get(&handle)?
            .srem(key, values)
            .await
            .map_err(other))
    }

    async fn execute(
        &mut self,
        handle: Handle,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> wasmtime::Result<Result<Vec<RedisResult>, Error>> {
        let mut command = redis::cmd(&command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(integer) => command.arg(integer),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let answer: Result<Value, _> = command.query_async(self.connections.get(&handle)?).await;
        Ok(answer.map_err(other).and_then(|value| {
            let mut results = Vec::new();
            flatten(value, &mut results)?;
            check_size(results.iter().map(size).sum())?;
            Ok(results)
        }))
    }

    async fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        self.connections.close(&handle);
        Ok(())
    }
}

/// Connects without limits of time: Spin sets none, and the request has its own.
async fn connect(address: &str) -> Result<MultiplexedConnection, Error> {
    let client = redis::Client::open(address).map_err(|_| Error::InvalidAddress)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(other)
}

fn flatten(value: Value, results: &mut Vec<RedisResult>) -> Result<(), Error> {
    let unsupported = |what| Err(Error::Other(format!("Redis {what} is not supported")));
    results.push(match value {
        Value::Nil => RedisResult::Nil,
        Value::Int(integer) => RedisResult::Int64(integer),
        Value::Boolean(boolean) => RedisResult::Int64(boolean.into()),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => RedisResult::Binary(bytes),
        Value::Double(double) => RedisResult::Binary(double.to_string().into_bytes()),
        Value::SimpleString(status) => RedisResult::Status(status),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::Array(values) | Value::Set(values) => {
            return values.into_iter().try_for_each(|value| flatten(value, results));
        }
        Value::ServerError(error) => return Err(Error::Other(format!("{error:?}"))),
        Value::Map(_) => return unsupported("Map type"),
        Value::Attribute { .. } => return unsupported("Attribute type"),
        Value::VerbatimString { .. } => return unsupported("string with format attribute"),
        _ => return unsupported("type"),
    });
    Ok(())
}

fn size(result: &RedisResult) -> usize {
    size_of::<RedisResult>()
        + match result {
            RedisResult::Binary(bytes) => bytes.len(),
            RedisResult::Status(status) => status.len(),
            RedisResult::Nil | RedisResult::Int64(_) => 0,
        }
}

fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_RESULT_BYTES {
        return Err(Error::Other(format!(
            "query result exceeds limit of {MAX_RESULT_BYTES} bytes"
        )));
    }
    Ok(())
}

fn other(error: impl fmt::Display) -> Error {
    Error::Other(error.to_string())
}
