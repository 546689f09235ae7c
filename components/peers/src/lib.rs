//! The shared interfaces of `wit/`, implemented by asking the service that owns the data over HTTP.
//!
//! This component has no trigger and no state. It is composed into its consumers, and runs with their variables and
//! allowed hosts, so each consumer names only the services it calls.

mod bindings {
    #![expect(unsafe_code, reason = "generated")]
    wit_bindgen::generate!({ path: "../../wit", world: "peers" });
    use super::Peers;
    export!(Peers with_types_in self);
}
mod desk;
mod directory;
mod identity;
mod ledger;
mod owner;
mod roster;
mod trace;

/// Implements every interface; see the modules.
struct Peers;
