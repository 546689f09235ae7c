//! Satisfies the probe's import of `mayday:probe/greeting`.

use bindings::exports::mayday::probe::greeting::Guest;
use wasi::http::{
    outgoing_handler,
    types::{Fields, OutgoingRequest, Scheme},
};

#[allow(unsafe_code, reason = "generated code")]
mod bindings {
    use super::Provider;
    wit_bindgen::generate!({ path: "../probe/wit", world: "provider" });
    export!(Provider with_types_in self);
}

struct Provider;

impl Guest for Provider {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn environment(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn fetch(authority: String) -> Result<u16, String> {
        let request = OutgoingRequest::new(Fields::new());
        request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
        request
            .set_authority(Some(&authority))
            .map_err(|()| "authority")?;
        request.set_path_with_query(Some("/echo")).map_err(|()| "path")?;
        let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
        pending.subscribe().block();
        let response = pending.get().ok_or("not ready")?.map_err(|()| "taken")?;
        response
            .map(|response| response.status())
            .map_err(|code| format!("{code:?}"))
    }
}
