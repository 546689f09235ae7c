//! Links what components import with the state of their instances.

use anyhow::anyhow;
use wasmtime::{
    Engine,
    component::{Component, HasSelf, Linker, Resource},
};
use wasmtime_wasi_http::{
    WasiHttp, WasiHttpView as _,
    p2::bindings::{
        LinkOptions,
        http::{
            self, outgoing_handler,
            types::{FutureIncomingResponse, OutgoingRequest, RequestOptions},
        },
    },
};

use crate::{
    bindings::{fermyon::spin2_0_0 as fermyon, spin},
    instance::State,
};

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

/// A linker of everything a component may import.
pub(crate) fn linker(engine: &Engine) -> anyhow::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    add_all(&mut linker).map_err(|error| anyhow!("{error:#}"))?;
    Ok(linker)
}

fn add_all(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    add_http(linker)?;
    fermyon::variables::add_to_linker::<_, HasSelf<_>>(linker, |state| &mut state.variables)?;
    fermyon::key_value::add_to_linker::<_, HasSelf<_>>(linker, |state| &mut state.key_value)?;
    fermyon::redis::add_to_linker::<_, HasSelf<_>>(linker, |state| &mut state.redis)?;
    fermyon::sqlite::add_to_linker::<_, HasSelf<_>>(linker, |state| &mut state.sqlite)?;
    spin::sqlite::sqlite::add_to_linker::<_, HasSelf<_>>(linker, |state| &mut state.sqlite)
}

type HandleArguments = (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>);

/// Adds `wasi:http`, with a handler that looks at each request first.
fn add_http(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    http::types::add_to_linker::<_, WasiHttp>(linker, &options.into(), State::http)?;
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.0")?;
    handler.func_wrap("handle", |mut store, (request, options): HandleArguments| {
        let state: &mut State = store.data_mut();
        state.outbound_http.prepare(&mut state.table, &request)?;
        match outgoing_handler::Host::handle(&mut state.http(), request, options) {
            Ok(response) => Ok((Ok(response),)),
            Err(error) => Ok((Err::<Resource<FutureIncomingResponse>, _>(error.downcast()?),)),
        }
    })
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
