//! What one instance of a component has: its WASI context, its open handles, its limits. A new one for every request.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{ResourceLimiter, Store, component::ResourceTable};
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxView, WasiView, clocks::WallClock, sockets::SocketAddrUse,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    app::{Component, Inner},
    outbound_http::OutboundHttp,
};

/// The state of one instance.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) open: Open,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: OutboundHttp,
    memory: MemoryLimit,
    component: Arc<Component>,
    /// Returned when the instance is gone, which may be later than its response.
    _permit: OwnedSemaphorePermit,
}

/// How many handles of the limited kinds are open.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) databases: usize,
    pub(crate) redis: usize,
}

/// Who started an instance.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Trigger {
    Http,
    /// As in Spin, an instance that a Redis message started cannot use service chaining.
    Redis,
}

impl State {
    /// Makes the store of a new instance.
    pub(crate) fn store(
        app: &Arc<Inner>,
        component: &Arc<Component>,
        trigger: Trigger,
        permit: OwnedSemaphorePermit,
    ) -> Store<Self> {
        let state = Self {
            table: ResourceTable::new(),
            open: Open::default(),
            wasi: wasi(component),
            http: WasiHttpCtx::new(),
            outbound: OutboundHttp::new(app, component, trigger),
            memory: MemoryLimit {
                limit: app.max_memory,
                used: 0,
            },
            component: component.clone(),
            _permit: permit,
        };
        let mut store = Store::new(&app.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    pub(crate) fn component(&self) -> &Arc<Component> {
        &self.component
    }
}

/// No arguments, no files, the environment of the manifest; sockets as the allowed hosts have it.
///
/// Parity: Spin's `crates/factor-wasi/src/lib.rs` and `crates/factor-outbound-networking/src/lib.rs` (`prepare`).
fn wasi(component: &Arc<Component>) -> WasiCtx {
    let hosts = component.clone();
    let mut builder = WasiCtx::builder();
    builder
        .stdout(component.stdout.clone())
        .stderr(component.stderr.clone())
        .envs(&component.environment)
        .wall_clock(ShiftedClock(component.clock_offset_ms))
        .allow_tcp(true)
        .allow_udp(true)
        .socket_addr_check(move |address, used_for| {
            // A bind to no address in particular precedes every connection.
            let unbound = address.ip().is_unspecified() && address.port() == 0;
            let granted = |scheme| hosts.allowed_hosts.allow(&address.to_string(), scheme);
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
            hooks: &mut self.outbound,
        }
    }
}

impl State {
    pub(crate) fn outbound(&self) -> &OutboundHttp {
        &self.outbound
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
