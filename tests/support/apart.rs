//! The three services, each on a host of its own, and a sidecar: any of them can be down while the others run. There is
//! no Redis.

use std::future::pending;
use std::net::SocketAddr;

use mayday_host::App;
use mayday_sidecar::{Config, Timings};
use mayday_tests::databases::{Database, Databases};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::components::{self, MESSENGER_KEY, SERVICES, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD};
use crate::support::door::Door;
use crate::support::people;
use crate::support::secrecy;

pub(crate) struct Apart {
    services: Vec<Service>,
    sidecar: JoinHandle<anyhow::Result<()>>,
    /// The sidecar's address.
    pub(crate) ws: String,
    databases: Databases,
    state: TempDir,
}

struct Service {
    app: App,
    address: SocketAddr,
    running: Option<Running>,
    hanging: Option<JoinHandle<()>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Apart {
    pub(crate) async fn start() -> Apart {
        let state = tempfile::tempdir().expect("a folder");
        let databases = Databases::new(Database::of_tests(), state.path()).expect("databases");
        let mut listeners = Vec::new();
        for _ in SERVICES {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(|listener| listener.local_addr().expect("an address"))
            .collect();
        let variables: Vec<(String, String)> = SERVICES
            .iter()
            .zip(&addresses)
            .map(|(service, address)| (format!("{service}_url"), format!("http://{address}")))
            .collect();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut services = Vec::new();
        for ((name, listener), address) in SERVICES.into_iter().zip(listeners).zip(addresses) {
            let options = components::options(state.path(), &databases, &[name], &variables);
            let mut service = Service {
                app: App::load(&options).expect("the app loads"),
                address,
                running: None,
                hanging: None,
            };
            service.serve(listener);
            services.push(service);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let ws = format!("ws://{}", listener.local_addr().expect("an address"));
        let config = Config {
            messenger: vec![format!("http://{}", services[2].address)],
            messenger_key: MESSENGER_KEY.to_owned(),
            redis: "redis://127.0.0.1:1".to_owned(),
            participant: None,
            allowed_origins: Vec::new(),
            strict_transport_security: String::new(),
            timings: Timings::default(),
        };
        let sidecar = tokio::spawn(mayday_sidecar::run(listener, config, pending()));
        Apart {
            services,
            sidecar,
            ws,
            databases,
            state,
        }
    }

    fn service(&mut self, name: &str) -> &mut Service {
        let place = SERVICES.iter().position(|service| *service == name);
        &mut self.services[place.expect("a service")]
    }

    /// The address of a service, even while it is down.
    pub(crate) fn door(&mut self, name: &str) -> Door {
        Door::network(&format!("http://{}", self.service(name).address))
    }

    /// Stops a service, so that connections to it are refused.
    pub(crate) async fn stop(&mut self, name: &str) {
        let running = self.service(name).running.take().expect("it runs");
        running.stop.send(()).expect("it runs");
        running.served.await.expect("no panic").expect("a good end");
    }

    /// Makes a service hang: it accepts connections and does not answer.
    pub(crate) async fn hang(&mut self, name: &str) {
        self.stop(name).await;
        let address = self.service(name).address;
        let listener = TcpListener::bind(address).await.expect("the same port");
        self.service(name).hanging = Some(tokio::spawn(async move {
            let mut asking = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                asking.push(socket);
            }
        }));
    }

    /// Starts a service again at the same address.
    pub(crate) async fn start_again(&mut self, name: &str) {
        let service = self.service(name);
        if let Some(hanging) = service.hanging.take() {
            hanging.abort();
            assert!(hanging.await.is_err_and(|end| end.is_cancelled()));
        }
        let listener = TcpListener::bind(service.address).await.expect("the same port");
        service.serve(listener);
    }

    pub(crate) async fn agency(&mut self, name: &str) -> people::Agency {
        let door = self.door("organizer");
        let superadmin = people::sign_in(&door, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await;
        people::found_agency(&door, &superadmin, name).await
    }

    /// Does a dispatcher's tick at once, without waiting until retries are due.
    pub(crate) async fn tick(&mut self, name: &str, key: &str) {
        let table = if name == "messenger" {
            "lock_releases"
        } else {
            "outbox"
        };
        let database = rusqlite::Connection::open(self.databases.file(name)).expect("a database");
        database
            .execute(&format!("UPDATE {table} SET due_at = 0"), ())
            .expect("an outbox");
        let path = format!("/{name}/internal/tick");
        let door = self.door(name);
        door.send("POST", &path, Some(key), None).await.empty(200);
    }
}

impl Service {
    fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let app = self.app.clone();
        let served = tokio::spawn(async move { app.serve(listener, async { drop(stopped.await) }).await });
        self.running = Some(Running { stop, served });
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.sidecar.abort();
        secrecy::check_directory(&self.state.path().join("logs"));
    }
}
