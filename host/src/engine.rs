//! The WebAssembly engine: how components are compiled, linked, limited and interrupted.

use std::{thread, time::Duration};

use anyhow::anyhow;
use wasmtime::{
    Cache, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, HasSelf, Linker},
};

use crate::{bindings::Capabilities, instance::State, options::Options};

/// How often a component that only computes lets others run.
const EPOCH: Duration = Duration::from_millis(20);

/// How many requests one request may cause by service chaining, on average, before the pool is empty.
pub(crate) const CHAINED_PER_REQUEST: usize = 3;

/// What the packages that can be linked begin with. WASI's versions differ in their last number only.
const SUPPORTED: [&str; 13] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/types@0.2.",
    "wasi:http/outgoing-handler@0.2.",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
    "fermyon:spin/variables@2.0.0",
    "fermyon:spin/key-value@2.0.0",
    "fermyon:spin/redis@2.0.0",
    "fermyon:spin/sqlite@2.0.0",
    "spin:sqlite/sqlite@3.0.0",
];

/// Builds the engine, with room for the requests the options admit.
pub(crate) fn engine(options: &Options) -> anyhow::Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    if !options.disable_cache {
        config.cache(Some(
            Cache::from_file(None).map_err(|error| anyhow!("{error:#}"))?,
        ));
    }
    let engine = Engine::new(&config).map_err(|error| anyhow!("{error:#}"))?;
    let weak = engine.weak();
    thread::Builder::new().name("epochs".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    })?;
    Ok(engine)
}

/// Slots for every request that may run. Each memory reserves 4 GiB of addresses, not of memory, so that the processor
/// checks bounds for free; what a request may really use is limited elsewhere.
fn pool(options: &Options) -> PoolingAllocationConfig {
    let requests = u32::try_from(options.max_requests * (1 + CHAINED_PER_REQUEST)).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(requests)
        .total_stacks(requests)
        // A composed component has a memory for each of its parts.
        .total_memories(requests.saturating_mul(2))
        .total_tables(requests.saturating_mul(8))
        .total_core_instances(requests.saturating_mul(16))
        .max_core_instances_per_component(200)
        .max_tables_per_component(64)
        .max_memories_per_component(32)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .table_elements(100_000)
        // What is kept is cleared after every request, as much of it as any request has ever touched; the rest is given
        // back.
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(64 << 10);
    pool
}

/// Links everything a component may import.
pub(crate) fn linker(engine: &Engine) -> anyhow::Result<Linker<State>> {
    let link = || {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        crate::outbound_http::add_to_linker(&mut linker)?;
        Capabilities::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        Ok(linker)
    };
    link().map_err(|error: wasmtime::Error| anyhow!("{error:#}"))
}

/// The imports of a component that the host does not offer.
pub(crate) fn unsupported_imports(engine: &Engine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        // Types alone need nothing of the host.
        .filter(|name| name != "fermyon:spin/redis-types")
        .filter(|name| !SUPPORTED.iter().any(|supported| name.starts_with(supported)) || is_preview_3(name))
        .collect()
}

fn is_preview_3(name: &str) -> bool {
    name.starts_with("wasi:") && !name.contains("@0.2.") || name.contains("-rc")
}
