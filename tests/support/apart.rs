//! The three services, each on hosts of its own, two sidecars and a Redis: any of the services can be down while the
//! others run. There is no dispatcher. As elsewhere, tests on libSQL have two hosts of each. Hosts count failed
//! sign-ins in Redis, where hosts, sidecars and a dispatcher each have a user of their own.

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;

use mayday_host::App;
use mayday_sidecar::{Config, Timings};
use mayday_tests::databases::Databases;
use mayday_tests::secrecy;
use mayday_tests::up::Layout;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::support::components::{self, MESSENGER_KEY, SERVICES, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD};
use crate::support::door::Door;
use crate::support::people;
use crate::support::redis::Redis;

const SIDECARS: usize = 2;

pub(crate) struct Apart {
    /// The hosts of each service, which is up or down on all of them.
    services: [Vec<Host>; SERVICES.len()],
    sidecars: Vec<JoinHandle<anyhow::Result<()>>>,
    /// The sidecars' addresses.
    pub(crate) ws: Vec<String>,
    databases: Databases,
    redis: Redis,
    state: TempDir,
}

struct Host {
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
        let layout = Layout::of_tests();
        let databases = Databases::new(layout.database, state.path()).expect("databases");
        let redis = Redis::start();
        let mut services = SERVICES.map(|_| Vec::new());
        for _ in 0..layout.hosts {
            let hosts = a_host_of_each(state.path(), &databases, &redis.url("host"));
            for (service, host) in services.iter_mut().zip(hosts) {
                service.push(host);
            }
        }
        let mut origins: Vec<_> = services[2].iter().map(Host::origin).collect();
        let (mut sidecars, mut ws) = (Vec::new(), Vec::new());
        for _ in 0..SIDECARS {
            let (address, running) =
                start_sidecar(origins.clone(), MESSENGER_KEY, redis.url("sidecar")).await;
            ws.push(address);
            sidecars.push(running);
            // The next one calls another host first.
            origins.rotate_left(1);
        }
        Apart {
            services,
            sidecars,
            ws,
            databases,
            redis,
            state,
        }
    }

    fn hosts(&mut self, name: &str) -> &mut [Host] {
        let place = SERVICES.iter().position(|service| *service == name);
        &mut self.services[place.expect("a service")]
    }

    /// The address of a service at its first host, even while it is down.
    pub(crate) fn door(&mut self, name: &str) -> Door {
        Door::network(&self.hosts(name)[0].origin())
    }

    /// Stops a service, so that connections to it are refused.
    pub(crate) async fn stop(&mut self, name: &str) {
        for host in self.hosts(name) {
            host.stop().await;
        }
    }

    /// Makes a service hang: it accepts connections and does not answer.
    pub(crate) async fn hang(&mut self, name: &str) {
        for host in self.hosts(name) {
            host.hang().await;
        }
    }

    /// Starts a service again at the same addresses.
    pub(crate) async fn start_again(&mut self, name: &str) {
        for host in self.hosts(name) {
            host.start_again().await;
        }
    }

    pub(crate) async fn agency(&mut self, name: &str) -> people::Agency {
        let door = self.door("organizer");
        let superadmin = people::sign_in(&door, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await;
        people::found_agency(&door, &superadmin, name).await
    }

    /// A dispatcher, which ticks start while it listens.
    pub(crate) fn dispatcher(&mut self) -> App {
        let [organizer, participant, messenger] = SERVICES.map(|name| self.hosts(name)[0].origin());
        let redis = self.redis.url("dispatcher");
        let variables = [
            ("organizer_url", organizer.as_str()),
            ("participant_url", participant.as_str()),
            ("messenger_url", messenger.as_str()),
            ("redis_url", redis.as_str()),
        ];
        let options = components::options(self.state.path(), &self.databases, &["dispatcher"], &variables);
        App::load(&options).expect("the app loads")
    }

    /// Does a dispatcher's tick at once, without waiting until retries are due.
    pub(crate) async fn tick(&mut self, name: &str, key: &str) {
        self.make_due(name).await;
        let path = format!("/{name}/internal/tick");
        let door = self.door(name);
        door.send("POST", &path, Some(key), None).await.empty(200);
    }

    /// Makes retries of a service due.
    pub(crate) async fn make_due(&self, name: &str) {
        let table = if name == "messenger" {
            "lock_releases"
        } else {
            "outbox"
        };
        let (file, sql) = (
            self.databases.file(name),
            format!("UPDATE {table} SET due_at = 0"),
        );
        // In another thread: a host in this one may be in a transaction, which has to go on to release its lock.
        let make_due = move || rusqlite::Connection::open(file)?.execute(&sql, ());
        spawn_blocking(make_due)
            .await
            .expect("no panic")
            .expect("an outbox");
    }
}

/// Starts a sidecar for the messenger's hosts, and tells its address.
pub(crate) async fn start_sidecar(
    messenger: Vec<String>,
    messenger_key: &str,
    redis: String,
) -> (String, JoinHandle<anyhow::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("ws://{}", listener.local_addr().expect("an address"));
    let config = Config {
        messenger,
        messenger_key: messenger_key.to_owned(),
        redis,
        participant: None,
        allowed_origins: Vec::new(),
        strict_transport_security: String::new(),
        client_address_header: None,
        timings: Timings::default(),
    };
    let running = tokio::spawn(mayday_sidecar::run(listener, config, pending()));
    (address, running)
}

/// A host of each service. They call each other, and count failed sign-ins in this Redis.
fn a_host_of_each(state: &Path, databases: &Databases, redis: &str) -> Vec<Host> {
    let mut listeners = Vec::new();
    for _ in SERVICES {
        // A kernel gives this port to nobody while the host is down.
        let listener = local_servers::free_port().expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        listeners.push(TcpListener::from_std(listener).expect("a listener"));
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
    let services = SERVICES.into_iter().zip(listeners).zip(addresses);
    services
        .map(|((name, listener), address)| {
            let options = components::options(state, databases, &[name], &variables);
            components::count_in_redis(state, databases, redis);
            let mut host = Host {
                app: App::load(&options).expect("the app loads"),
                address,
                running: None,
                hanging: None,
            };
            host.serve(listener);
            host
        })
        .collect()
}

impl Host {
    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let app = self.app.clone();
        let served = tokio::spawn(async move { app.serve(listener, async { drop(stopped.await) }).await });
        self.running = Some(Running { stop, served });
    }

    async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop.send(()).expect("it runs");
        running.served.await.expect("no panic").expect("a good end");
    }

    async fn hang(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.hanging = Some(tokio::spawn(async move {
            let mut asking = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                asking.push(socket);
            }
        }));
    }

    async fn start_again(&mut self) {
        if let Some(hanging) = self.hanging.take() {
            hanging.abort();
            assert!(hanging.await.is_err_and(|end| end.is_cancelled()));
        }
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serve(listener);
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for sidecar in &self.sidecars {
            sidecar.abort();
        }
        secrecy::check_directory(&self.state.path().join("logs"));
    }
}
