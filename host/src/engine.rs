//! The WebAssembly engine: how components are compiled, limited and interrupted.

use std::{thread, time::Duration};

use anyhow::anyhow;
use wasmtime::{Cache, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::options::Options;

/// How often a component that only computes lets others run.
const EPOCH: Duration = Duration::from_millis(20);

/// How many requests one request may cause by service chaining, on average, before the pool is empty.
pub(crate) const CHAINED_PER_REQUEST: usize = 3;

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
