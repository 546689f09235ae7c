//! Where everything is, as clients see it.

use serde::Serialize;

use crate::pages;
use crate::ports::Ports;

/// Where the services are.
#[derive(Debug, Serialize)]
pub(crate) struct Addresses {
    pub(crate) organizer: String,
    pub(crate) participant: String,
    pub(crate) messenger: String,
    pub(crate) ws: Vec<String>,
    /// Where the canary serves its metrics, if there is a canary.
    pub(crate) canary: Option<String>,
    pub(crate) redis: String,
    /// All hosts. The services' addresses above are those at the first one.
    pub(crate) hosts: Vec<String>,
    /// The database servers, if there are any.
    pub(crate) databases: Vec<String>,
}

impl Addresses {
    pub(crate) fn local(ports: &Ports, redis: &str) -> Self {
        let origins = |ports: &[u16]| -> Vec<String> { ports.iter().map(|port| origin(*port)).collect() };
        let hosts = origins(&ports.hosts);
        let service = |name: &str| format!("{}/{name}", hosts[0]);
        Self {
            organizer: service("organizer"),
            participant: service("participant"),
            messenger: service("messenger"),
            ws: (ports.sidecars.iter())
                .map(|port| format!("ws://127.0.0.1:{port}"))
                .collect(),
            canary: ports.canary.map(origin),
            redis: redis.to_owned(),
            databases: origins(&ports.databases),
            hosts,
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
    pub(crate) fn built(origin: &str, event: Option<i64>) -> Self {
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

fn origin(host: u16) -> String {
    format!("http://127.0.0.1:{host}")
}
