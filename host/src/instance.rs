//! What one instance of a component has: its WASI context, its open handles, its limits. A new one for every request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, ResourceLimiter, Store, component::ResourceTable};
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxView, WasiView, clocks::WallClock, sockets::SocketAddrUse,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    allowed_hosts::AllowedHosts,
    key_value::{self, KeyValue},
    outbound_http::OutboundHttp,
    redis::Redis,
    sqlite::{Database, Sqlite},
    stdio::Log,
    variables::Variables,
};

/// What the instances of one component may use.
pub(crate) struct Permissions {
    pub(crate) variables: Variables,
    pub(crate) allowed_hosts: Arc<AllowedHosts>,
    pub(crate) databases: Arc<HashMap<String, Arc<Database>>>,
    pub(crate) stores: Arc<HashMap<String, Arc<key_value::Store>>>,
    pub(crate) environment: Vec<(String, String)>,
    /// How many milliseconds its clock is ahead of this machine's.
    pub(crate) clock_offset_ms: i64,
    pub(crate) stdout: Log,
    pub(crate) stderr: Log,
    /// How many bytes of memory each may have.
    pub(crate) max_memory: usize,
}

/// The state of one instance.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) outbound_http: OutboundHttp,
    pub(crate) variables: Variables,
    pub(crate) key_value: KeyValue,
    pub(crate) redis: Redis,
    pub(crate) sqlite: Sqlite,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    memory: MemoryLimit,
    /// Returned when the instance is gone, which may be later than its response.
    _permit: OwnedSemaphorePermit,
}

impl State {
    /// Makes the store of a new instance.
    pub(crate) fn store(
        engine: &Engine,
        permissions: &Permissions,
        outbound_http: OutboundHttp,
        permit: OwnedSemaphorePermit,
    ) -> Store<Self> {
        let state = Self {
            table: ResourceTable::new(),
            outbound_http,
            variables: permissions.variables.clone(),
            key_value: KeyValue::new(permissions.stores.clone()),
            redis: Redis::new(permissions.allowed_hosts.clone()),
            sqlite: Sqlite::new(permissions.databases.clone()),
            wasi: wasi(permissions),
            http: WasiHttpCtx::new(),
            memory: MemoryLimit {
                limit: permissions.max_memory,
                used: 0,
            },
            _permit: permit,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

/// No arguments, no files, the environment of the manifest; sockets as the allowed hosts have it.
///
/// Parity: Spin's `crates/factor-wasi/src/lib.rs` and `crates/factor-outbound-networking/src/lib.rs` (`prepare`).
fn wasi(permissions: &Permissions) -> WasiCtx {
    let allowed_hosts = permissions.allowed_hosts.clone();
    let mut builder = WasiCtx::builder();
    builder
        .stdout(permissions.stdout.of_instance())
        .stderr(permissions.stderr.of_instance())
        .envs(&permissions.environment)
        .wall_clock(ShiftedClock(permissions.clock_offset_ms))
        .allow_tcp(true)
        .allow_udp(true)
        .socket_addr_check(move |address, used_for| {
            // A bind to no address in particular precedes every connection.
            let unbound = address.ip().is_unspecified() && address.port() == 0;
            let granted = |scheme| allowed_hosts.allow(&address.to_string(), scheme);
            let allowed = match used_for {
                SocketAddrUse::TcpBind => unbound,
                SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
                SocketAddrUse::TcpConnect => granted("tcp"),
                SocketAddrUse::UdpBind => unbound || granted("udp"),
                SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => granted("udp"),
            };
            Box::pin(async move { allowed })
        });
    builder.build()
}

/// This machine's clock, put forward by so many milliseconds.
struct ShiftedClock(i64);

impl HostWallClock for ShiftedClock {
    fn resolution(&self) -> Duration {
        WallClock.resolution()
    }

    fn now(&self) -> Duration {
        let offset = Duration::from_millis(self.0.unsigned_abs());
        match self.0 < 0 {
            true => WallClock.now().saturating_sub(offset),
            false => WallClock.now().saturating_add(offset),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound_http,
        }
    }
}

/// Counts the memory of all parts of an instance against one limit. Beyond it the component is told that there is no
/// more.
struct MemoryLimit {
    limit: usize,
    used: usize,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used + (desired - current);
        if used > self.limit {
            tracing::warn!("a component reached the limit of {} bytes of memory", self.limit);
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
