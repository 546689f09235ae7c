//! Where everything is, as clients see it.

use serde::Serialize;

use crate::pages;

/// Where the services are.
#[derive(Debug, Serialize)]
pub(crate) struct Addresses {
    pub(crate) organizer: String,
    pub(crate) participant: String,
    pub(crate) messenger: String,
    pub(crate) ws: Vec<String>,
    pub(crate) redis: String,
}

impl Addresses {
    pub(crate) fn local(host: u16, sidecars: &[u16], redis: &str) -> Self {
        let origin = origin(host);
        let service = |name: &str| format!("{origin}/{name}");
        Self {
            organizer: service("organizer"),
            participant: service("participant"),
            messenger: service("messenger"),
            ws: sidecars
                .iter()
                .map(|port| format!("ws://127.0.0.1:{port}"))
                .collect(),
            redis: redis.to_owned(),
        }
    }

    /// Where the pages find a socket.
    pub(crate) fn websocket_url(&self) -> String {
        self.ws
            .first()
            .map_or_else(String::new, |sidecar| format!("{sidecar}/connect"))
    }
}

/// Where the pages are; `None` for those that are not built.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pages {
    pub(crate) help: Option<String>,
    pub(crate) console: Option<String>,
}

impl Pages {
    /// The page for help is that of an event, if there is one.
    pub(crate) fn built(host: u16, event: Option<i64>) -> Self {
        let origin = origin(host);
        let help = match event {
            Some(event) => format!("{origin}/help/{event}"),
            None => format!("{origin}/help"),
        };
        Self {
            help: pages::is_built("help.html").then_some(help),
            console: pages::is_built("console.html").then(|| format!("{origin}/console")),
        }
    }
}

pub(crate) fn origin(host: u16) -> String {
    format!("http://127.0.0.1:{host}")
}
