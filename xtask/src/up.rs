//! `cargo xtask up`: all of Mayday on this machine.
//!
//! Each process waits for those it depends on: Redis and the database servers, then the hosts with the three services,
//! then the sidecars, then the dispatcher, then the canary. They are stopped the other way round.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::addresses::{Addresses, Pages};
use crate::build::{self, COMPONENTS, HOST, SIDECAR};
use crate::command::{find, native, root};
use crate::demo::{self, Demo, HelpPress};
use crate::output::{Log, Output};
use crate::pages;
use crate::ports::{Counts, Ports};
use crate::probe::Probe;
use crate::ready;
use crate::redis::RedisUrl;
use crate::screen::Screen;
use crate::secrets::Secrets;
use crate::state::{SERVICES, State};
use crate::supervise::{Service, Supervisor};
use crate::tools::{ensure_redis_server, ensure_sqld};

/// How long a process may take to become ready. Compiling the components is part of it, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// The pages.
const WEB: &str = "web";
/// The component with the Redis trigger. It is a process of its own, because it ends when its connection to Redis does.
const DISPATCHER: &str = "dispatcher";
/// The channel that wakes the dispatcher.
const TICK: &str = "mayday.tick";

/// What to run, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// Use this Redis server instead of starting one
    #[arg(long, value_name = "URL")]
    redis: Option<RedisUrl>,

    /// What runs the components
    #[arg(long, value_enum, default_value_t = Runtime::Embedded)]
    host: Runtime,

    /// How many processes run the services. Each sidecar calls one of them first and the others if that one fails; the
    /// dispatcher and the canary call the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    hosts: u16,

    /// What the services keep their data in
    #[arg(long, value_enum, default_value_t = Database::Files)]
    database: Database,

    /// How many sidecars to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    sidecars: u16,

    /// Seed an agency with people and events, if that has not been done yet
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
    )]
    demo: bool,

    /// The same as --demo false
    #[arg(long, conflicts_with = "demo")]
    no_demo: bool,

    /// Let a canary check the whole path every 30 s
    #[arg(long, env = "MAYDAY_UP_CANARY", value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    canary: bool,

    /// Where data, secrets and logs are kept [default: .mayday in the workspace]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Empty the state directory first
    #[arg(long)]
    reset: bool,

    /// Take any free ports instead of 3000 and up
    #[arg(long)]
    free_ports: bool,

    /// Write where everything is to this file, as JSON, once everything is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,

    /// Run what has been built before
    #[arg(long)]
    no_build: bool,

    /// What the lines of all processes look like
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,

    /// Set a variable of spin.toml
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = parse_variable)]
    variables: Vec<(String, String)>,
}

impl Options {
    pub(crate) fn wants_demo(&self) -> bool {
        self.demo && !self.no_demo
    }

    /// Whether failed sign-ins are counted in Redis, as where hosts are on several machines, and not in a file.
    pub(crate) fn counts_in_redis(&self) -> bool {
        self.hosts > 1 || self.database == Database::Libsql
    }

    fn ports(&self) -> Result<Ports> {
        let counts = Counts {
            hosts: self.hosts,
            sidecars: self.sidecars,
            canary: self.canary,
            databases: match self.database {
                Database::Files => 0,
                Database::Libsql => SERVICES.len() as u16,
            },
        };
        match self.free_ports {
            true => Ports::free(counts),
            false => Ports::well_known(counts),
        }
    }

    fn build(&self) -> Result<()> {
        pages::build_pages()?;
        build::components(&COMPONENTS)?;
        match self.host {
            Runtime::Embedded => build::natives(),
            Runtime::Spin => build::sidecar(),
        }
    }
}

/// What can run the components.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Runtime {
    /// The host of this workspace
    Embedded,
    /// Spin itself, as found on the PATH
    Spin,
}

impl Runtime {
    /// As on a command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Runtime::Embedded => "embedded",
            Runtime::Spin => "spin",
        }
    }
}

/// What keeps the data of the services.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Database {
    /// A SQLite file for each service
    Files,
    /// A libSQL server for each service, as where hosts are on several machines
    Libsql,
}

impl Database {
    /// As on a command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Database::Files => "files",
            Database::Libsql => "libsql",
        }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Builds and runs everything until a signal says to stop.
pub(crate) fn run(options: &Options) -> Result<()> {
    let state_directory = options
        .state_dir
        .clone()
        .unwrap_or_else(|| root().join(".mayday"));
    let state = State::open(&state_directory, options.reset)?;
    if let Some(file) = &options.ready_file {
        ready::remove(file)?;
    }
    // Asked for here to fail before a long build, and again when they are needed.
    options.ports()?;
    if options.host == Runtime::Spin {
        find_spin()?;
    }
    if options.redis.is_none() {
        ensure_redis_server()?;
    }
    if options.database == Database::Libsql {
        ensure_sqld()?;
    }
    if !options.no_build {
        options.build()?;
    }
    let system = Arc::new(System::plan(options, state)?);

    // One thread: see `supervise::command`.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(&system, options.ready_file.as_deref()));
    // A probe or a seeding that was interrupted is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(system: &Arc<System>, ready_file: Option<&Path>) -> Result<()> {
    let mut signals = signals()?;
    let output = Output::of_terminal(system.log);
    let mut supervisor = Supervisor::new(output);
    let outcome = tokio::select! {
        outcome = bring_up(system, &mut supervisor, output, ready_file) => outcome,
        _ = signals.recv() => Ok(()),
    };
    if let Some(file) = ready_file {
        ready::remove(file)?;
    }
    tokio::select! {
        () = supervisor.stop() => {}
        // Who asks twice is in a hurry: dropping the supervisor's tasks kills what is left.
        _ = signals.recv() => output.line("mayday", "killing what is left"),
    }
    output.flush();
    outcome
}

/// Ctrl-C, a polite request to end, and a terminal that was closed.
fn signals() -> Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(1);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                // A full channel means that somebody has asked already.
                let _ = sender.try_send(());
            }
        });
    }
    Ok(receiver)
}

/// Starts everything in order, then keeps the ready file true. Does not return unless something fails.
async fn bring_up(
    system: &Arc<System>,
    supervisor: &mut Supervisor,
    output: Output,
    ready_file: Option<&Path>,
) -> Result<()> {
    for (service, probe) in system.services()? {
        match service {
            Some(service) => supervisor.start_and_wait(service, &probe, PATIENCE).await?,
            None => probe.ask().await?,
        }
    }
    let demo = Arc::clone(system).seed().await?;
    let event = demo.as_ref().and_then(|(demo, _)| demo.events.first().copied());
    let pages = Pages::built(system.origin(0), event);
    let screen = Screen {
        pages: &pages,
        addresses: &system.addresses,
        secrets: &system.secrets,
        demo: demo.as_ref().map(|(demo, press)| (demo, press)),
        state: system.state.directory(),
        took: system.started.elapsed(),
    };
    match system.log {
        Log::Text => output.print(&screen.text(output.colour)),
        // The screen shows passwords, which have no place in a log.
        Log::Json => output.line("mayday", &format!("ready at {}", system.origin(0))),
    }

    let demo = demo.as_ref().map(|(demo, _)| demo);
    let mut pids = supervisor.pids();
    loop {
        if let Some(file) = ready_file {
            let pids = pids.borrow_and_update().clone();
            ready::write(file, &system.addresses, &pages, &system.secrets, demo, &pids)?;
        }
        pids.changed().await.context("the supervisor is gone")?;
    }
}

/// Everything that is known before the first process is started.
struct System {
    started: Instant,
    state: State,
    secrets: Secrets,
    ports: Ports,
    redis: RedisUrl,
    own_redis: Option<PathBuf>,
    /// What runs the database servers, if there are any.
    sqld: Option<PathBuf>,
    addresses: Addresses,
    /// The program that runs components, with what comes before the flags of `spin up`.
    runtime: (PathBuf, Option<&'static str>),
    sidecar: PathBuf,
    runtime_config: PathBuf,
    variables: Vec<(String, String)>,
    log: Log,
    wants_demo: bool,
}

impl System {
    fn plan(options: &Options, state: State) -> Result<Self> {
        let ports = options.ports()?;
        let redis = options
            .redis
            .clone()
            .unwrap_or_else(|| RedisUrl::local(ports.redis));
        let shared = options.counts_in_redis().then_some(&redis);
        Ok(Self {
            started: Instant::now(),
            secrets: Secrets::of(&state)?,
            addresses: Addresses::local(&ports, redis.as_str()),
            sqld: (options.database == Database::Libsql)
                .then(ensure_sqld)
                .transpose()?,
            own_redis: options.redis.is_none().then(ensure_redis_server).transpose()?,
            runtime: match options.host {
                Runtime::Embedded => (native(HOST)?, None),
                Runtime::Spin => (find_spin()?, Some("up")),
            },
            sidecar: native(SIDECAR)?,
            runtime_config: state.write_runtime_config(&ports.databases, shared)?,
            variables: options.variables.clone(),
            log: options.log,
            wants_demo: options.wants_demo(),
            state,
            ports,
            redis,
        })
    }

    /// All processes in the order they are started, each with how to see that it is ready. Only somebody else's Redis
    /// comes without a process.
    fn services(&self) -> Result<Vec<(Option<Service>, Probe)>> {
        let redis = self.own_redis.as_ref().map(|program| self.redis_server(program));
        let mut services = vec![(redis, Probe::Redis(self.redis.clone()))];
        if let Some(sqld) = &self.sqld {
            for (name, port) in SERVICES.into_iter().zip(&self.ports.databases) {
                let health = format!("http://127.0.0.1:{port}/health");
                services.push((Some(self.database(sqld, name, *port)?), Probe::Http(health)));
            }
        }
        for index in 0..self.ports.hosts.len() {
            let health = format!("{}/.well-known/spin/health", self.origin(index));
            services.push((Some(self.host(index)), Probe::Http(health)));
        }
        for (index, port) in self.ports.sidecars.iter().enumerate() {
            let ready = format!("http://127.0.0.1:{port}/readyz");
            services.push((Some(self.sidecar(index, *port)), Probe::Http(ready)));
        }
        let subscribed = Probe::Subscriber {
            redis: self.redis.clone(),
            channel: TICK,
        };
        services.push((Some(self.dispatcher()), subscribed));
        if let Some(port) = self.ports.canary {
            let metrics = format!("http://127.0.0.1:{port}/metrics");
            services.push((Some(self.canary(port)), Probe::Http(metrics)));
        }
        Ok(services)
    }

    /// Redis without persistence: nothing in it outlives a connection but counts of failed sign-ins.
    fn redis_server(&self, program: &Path) -> Service {
        Service {
            name: "redis".to_owned(),
            program: program.to_owned(),
            args: local_servers::redis_arguments(self.ports.redis, self.state.directory()),
            env: Vec::new(),
        }
    }

    /// The libSQL server of a service.
    fn database(&self, sqld: &Path, name: &str, port: u16) -> Result<Service> {
        let directory = self.state.path("libsql").join(name);
        fs::create_dir_all(&directory).with_context(|| format!("could not make {}", directory.display()))?;
        let env = local_servers::SQLD_ENVIRONMENT;
        Ok(Service {
            name: format!("{name}-db"),
            program: sqld.to_owned(),
            args: local_servers::sqld_arguments(port, &directory),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        })
    }

    /// A process with all services. One that is alone is called so.
    fn host(&self, index: usize) -> Service {
        let name = match self.ports.hosts.len() {
            1 => "host".to_owned(),
            _ => format!("host-{}", index + 1),
        };
        // In one process, so that the services can call each other without a network.
        let [organizer, participant, messenger] = SERVICES;
        let mut service = self.components(&name, &[organizer, participant, messenger, WEB]);
        service.args.extend(arguments(&[
            "--listen",
            &format!("127.0.0.1:{}", self.ports.hosts[index]),
        ]));
        service
    }

    /// The dispatcher is in another process than the services, where chaining does not reach.
    fn dispatcher(&self) -> Service {
        let mut service = self.components(DISPATCHER, &[DISPATCHER]);
        let origin = self.origin(0);
        service
            .env
            .extend(SERVICES.map(|name| (variable(&format!("{name}_url")), origin.to_owned())));
        service
    }

    /// A process that runs some of the components of `spin.toml`.
    fn components(&self, name: &str, components: &[&str]) -> Service {
        let (program, subcommand) = &self.runtime;
        let mut args = arguments(subcommand.as_slice());
        args.push("-f".into());
        args.push(root().join("spin.toml").into());
        args.push("--runtime-config-file".into());
        args.push((&self.runtime_config).into());
        args.push("--state-dir".into());
        args.push(self.state.directory().into());
        args.extend(
            components
                .iter()
                .flat_map(|component| arguments(&["-c", component])),
        );
        Service {
            name: name.to_owned(),
            program: program.clone(),
            args,
            env: [self.log_variable()]
                .into_iter()
                .chain(self.component_variables())
                .collect(),
        }
    }

    /// Tells the embedded host and the sidecar what their lines look like.
    fn log_variable(&self) -> (String, String) {
        ("MAYDAY_LOG".to_owned(), self.log.name().to_owned())
    }

    fn component_variables(&self) -> Vec<(String, String)> {
        let secrets = &self.secrets;
        let websocket_url = self.addresses.websocket_url();
        let own = [
            ("organizer_jwt_secret", secrets.organizer_jwt_secret.as_str()),
            ("participant_jwt_secret", &secrets.participant_jwt_secret),
            ("organizer_key", &secrets.organizer_key),
            ("participant_key", &secrets.participant_key),
            ("messenger_key", &secrets.messenger_key),
            ("superadmin_email", &secrets.superadmin.email),
            ("superadmin_password", &secrets.superadmin.password),
            ("redis_url", self.redis.as_str()),
            ("websocket_url", websocket_url.as_str()),
        ];
        let given = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        own.into_iter()
            .chain(given)
            .map(|(name, value)| (variable(name), value.to_owned()))
            .collect()
    }

    fn sidecar(&self, index: usize, port: u16) -> Service {
        let listen = format!("127.0.0.1:{port}");
        // All hosts, that which the sidecar is dealt to first.
        let hosts = 0..self.addresses.hosts.len();
        let origins: Vec<_> = hosts.map(|next| self.origin(index + next)).collect();
        Service {
            name: format!("sidecar-{}", index + 1),
            program: self.sidecar.clone(),
            args: arguments(&["--listen", &listen, "--messenger", &origins.join(",")]),
            env: vec![
                self.log_variable(),
                (
                    "MAYDAY_MESSENGER_KEY".to_owned(),
                    self.secrets.messenger_key.clone(),
                ),
                ("MAYDAY_REDIS".to_owned(), self.redis.as_str().to_owned()),
            ],
        }
    }

    /// What walks the whole path as clients do. It serves its metrics at this port.
    fn canary(&self, port: u16) -> Service {
        let sockets: Vec<_> = self
            .addresses
            .ws
            .iter()
            .map(|ws| format!("{ws}/connect"))
            .collect();
        let secrets = &self.secrets;
        let key = |name: &str, key: &String| (format!("MAYDAY_{name}_KEY"), key.clone());
        Service {
            name: "canary".to_owned(),
            program: self.sidecar.clone(),
            args: arguments(&[
                "canary",
                "--app",
                self.origin(0),
                "--socket",
                &sockets.join(","),
                "--every",
                "30",
                "--metrics",
                &format!("127.0.0.1:{port}"),
            ]),
            env: vec![
                self.log_variable(),
                key("ORGANIZER", &secrets.organizer_key),
                key("PARTICIPANT", &secrets.participant_key),
                key("MESSENGER", &secrets.messenger_key),
            ],
        }
    }

    /// The host that the process with this index is dealt to.
    fn origin(&self, index: usize) -> &str {
        &self.addresses.hosts[index % self.addresses.hosts.len()]
    }

    /// Seeds the demo, unless it is not wanted.
    async fn seed(self: Arc<Self>) -> Result<Option<(Demo, HelpPress)>> {
        if !self.wants_demo {
            return Ok(None);
        }
        spawn_blocking(move || {
            let Addresses {
                organizer,
                participant,
                ..
            } = &self.addresses;
            let demo = demo::seed(&self.state, &self.secrets, organizer, participant)?;
            let press = demo::help_press(&demo, participant)?;
            Ok(Some((demo, press)))
        })
        .await?
    }
}

/// The environment variable by which both runtimes take a variable of the manifest.
fn variable(name: &str) -> String {
    format!("SPIN_VARIABLE_{}", name.to_uppercase())
}

fn arguments(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

pub(crate) fn find_spin() -> Result<PathBuf> {
    match find("spin") {
        Some(program) => Ok(program),
        None => bail!(
            "there is no spin on the PATH; install version 3.6 (https://spinframework.dev/install), or leave --host \
             out to use the embedded host"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hosts with libSQL servers, or one with files, and two sidecars.
    fn system(directory: &Path, runtime: (PathBuf, Option<&'static str>), is_large: bool) -> System {
        let state = State::open(directory, false).unwrap();
        let redis = RedisUrl::local(6379);
        let ports = Ports {
            hosts: if is_large { vec![3000, 3010] } else { vec![3000] },
            sidecars: vec![3001, 3002],
            canary: Some(3003),
            redis: 6379,
            databases: if is_large { vec![8081, 8082, 8083] } else { vec![] },
        };
        System {
            started: Instant::now(),
            secrets: Secrets::of(&state).unwrap(),
            addresses: Addresses::local(&ports, redis.as_str()),
            ports,
            redis,
            own_redis: Some("redis-server".into()),
            sqld: is_large.then(|| "sqld".into()),
            runtime,
            sidecar: SIDECAR.into(),
            runtime_config: state.write_runtime_config(&[], None).unwrap(),
            variables: vec![("argon2_memory_kib".to_owned(), "64".to_owned())],
            log: Log::Text,
            wants_demo: true,
            state,
        }
    }

    fn names(system: &System) -> Vec<String> {
        services(system).into_iter().map(|service| service.name).collect()
    }

    fn embedded() -> (PathBuf, Option<&'static str>) {
        (HOST.into(), None)
    }

    fn services(system: &System) -> Vec<Service> {
        system
            .services()
            .unwrap()
            .into_iter()
            .filter_map(|(service, _)| service)
            .collect()
    }

    #[test]
    fn processes_start_after_those_they_depend_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut system = system(directory.path(), embedded(), false);

        assert_eq!(
            names(&system),
            ["redis", "host", "sidecar-1", "sidecar-2", "dispatcher", "canary"]
        );

        system.own_redis = None;
        system.ports.canary = None;
        assert_eq!(names(&system), ["host", "sidecar-1", "sidecar-2", "dispatcher"]);
    }

    #[test]
    fn database_servers_start_before_the_hosts() {
        let directory = tempfile::tempdir().unwrap();
        let system = system(directory.path(), embedded(), true);

        let expected = [
            "redis",
            "organizer-db",
            "participant-db",
            "messenger-db",
            "host-1",
            "host-2",
        ];
        assert_eq!(names(&system)[..6], expected);
        let messenger = &services(&system)[3];
        let words: Vec<_> = messenger.args.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert!(words.contains(&"127.0.0.1:8083"), "{words:?}");
        assert!(words.last().unwrap().ends_with("libsql/messenger"), "{words:?}");
    }

    #[test]
    fn sidecars_are_dealt_to_hosts_and_know_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let system = system(directory.path(), embedded(), true);

        let messenger = |index| system.sidecar(index, 4000).args.pop().unwrap();
        assert_eq!(messenger(0), "http://127.0.0.1:3000,http://127.0.0.1:3010");
        assert_eq!(messenger(1), "http://127.0.0.1:3010,http://127.0.0.1:3000");
        assert_eq!(messenger(2), "http://127.0.0.1:3000,http://127.0.0.1:3010");
    }

    #[test]
    fn no_secret_is_on_a_command_line() {
        let directory = tempfile::tempdir().unwrap();
        let system = system(directory.path(), embedded(), false);
        let Secrets {
            organizer_jwt_secret,
            messenger_key,
            superadmin,
            ..
        } = &system.secrets;

        for service in services(&system) {
            let line: String = service
                .args
                .iter()
                .map(|arg| format!("{} ", arg.display()))
                .collect();
            for secret in [organizer_jwt_secret, messenger_key, &superadmin.password] {
                assert!(!line.contains(secret.as_str()), "{line}");
            }
        }
    }

    #[test]
    fn variables_are_given_to_both_processes_of_components() {
        let directory = tempfile::tempdir().unwrap();
        let system = system(directory.path(), embedded(), false);
        let given = |service: Service, name: &str| {
            service
                .env
                .into_iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };

        for service in [system.host(0), system.dispatcher()] {
            let given = |name| given(service.clone(), name);
            assert_eq!(given("SPIN_VARIABLE_ARGON2_MEMORY_KIB").as_deref(), Some("64"));
            assert_eq!(
                given("SPIN_VARIABLE_MESSENGER_KEY"),
                Some(system.secrets.messenger_key.clone())
            );
        }
        let websocket_url = given(system.host(0), "SPIN_VARIABLE_WEBSOCKET_URL");
        assert_eq!(websocket_url.as_deref(), Some("ws://127.0.0.1:3001/connect"));
        // Within the host the services find each other by chaining, the default.
        assert_eq!(given(system.host(0), "SPIN_VARIABLE_MESSENGER_URL"), None);
        let url = given(system.dispatcher(), "SPIN_VARIABLE_MESSENGER_URL");
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:3000"));
    }

    #[test]
    fn spin_gets_the_same_flags_as_the_embedded_host() {
        let directory = tempfile::tempdir().unwrap();
        let embedded = system(directory.path(), embedded(), false).host(0).args;
        let spin = system(directory.path(), ("spin".into(), Some("up")), false)
            .host(0)
            .args;

        assert_eq!(spin[0], "up");
        assert_eq!(spin[1..], embedded);
        let words: Vec<_> = embedded.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(
            words[words.len() - 10..words.len() - 2],
            [
                "-c",
                "organizer",
                "-c",
                "participant",
                "-c",
                "messenger",
                "-c",
                "web"
            ]
        );
        assert_eq!(words[words.len() - 2..], ["--listen", "127.0.0.1:3000"]);
    }

    #[test]
    fn variables_have_a_name_and_a_value() {
        assert_eq!(parse_variable("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(parse_variable("a").is_err());
        assert!(parse_variable("=b").is_err());
    }
}
