//! Bindings generated from `wit/`: what components import beyond WASI, and what a Redis message handler exports.

#![allow(missing_docs, unreachable_pub, reason = "generated code")]

mod capabilities {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "mayday:host/capabilities",
        imports: { default: async | trappable },
    });
}

mod redis_handler {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "mayday:host/redis-handler",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(crate) use capabilities::{fermyon, spin};
pub(crate) use redis_handler::RedisHandlerPre;
