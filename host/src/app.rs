//! A loaded application: everything compiled, linked and checked, ready to serve.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use http::HeaderName;
use listener::StrictTransport;
use tokio::sync::OwnedSemaphorePermit;
use trace_context::TraceContext;
use wasmtime::{Engine, Store, component::Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::{
    allowed_hosts::AllowedHosts,
    bindings::RedisHandlerPre,
    body::BodyMemory,
    compose, engine,
    http_trigger::PEER_ADDRESS_HEADER,
    instance::{Permissions, State},
    linker,
    manifest::Manifest,
    metrics::Metrics,
    options::Options,
    outbound_http::{OutboundHttp, ServiceChaining},
    problems::Problems,
    room::Room,
    routes::Router,
    runtime_config::RuntimeConfig,
    stdio::{Echo, Log},
    subscriptions::{self, Subscription},
    template::Template,
    variables,
};

/// The variable of the application that tells its services what to tell browsers. The host tells them the same.
const STRICT_TRANSPORT: &str = "strict_transport_security";

/// The variable with the origins whose pages may read what its services answer, and what the host refuses for them.
const ALLOWED_ORIGINS: &str = "allowed_origins";

/// The variable with the header from which the services take a client's address. The host logs the same address.
const CLIENT_ADDRESS_HEADER: &str = "client_address_header";

const DEFAULT_MAX_MEMORY: usize = 128 << 20;

/// How many requests may wait for each that may run.
const WAITING_PER_PLACE: usize = 4;

/// An application that is ready to serve.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) router: Router,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) engine: Engine,
    pub(crate) request_timeout: Duration,
    pub(crate) strict_transport: StrictTransport,
    /// `*`, or origins separated by commas.
    pub(crate) allowed_origins: String,
    /// The header in which a proxy reports the client's address.
    pub(crate) client_address_header: Option<HeaderName>,
    /// Memory for requests that arrive.
    pub(crate) body_memory: Arc<BodyMemory>,
    /// Room for requests from outside and messages; what finds none waits for a while.
    pub(crate) admitted: Room,
    /// Room to wait; what finds none is refused.
    pub(crate) waiting: Room,
    /// Room for chained requests, apart from the other so that a request that was let in can be finished.
    pub(crate) chained: Room,
    /// Where the application listens, once it does.
    pub(crate) address: OnceLock<SocketAddr>,
    pub(crate) metrics: Metrics,
    pub(crate) has_http_trigger: bool,
    pub(crate) log_dir: Option<PathBuf>,
    components: HashMap<String, Component>,
}

/// One component, compiled for the triggers it has.
pub(crate) struct Component {
    pub(crate) description: String,
    pub(crate) http: Option<ProxyPre<State>>,
    pub(crate) redis: Option<RedisHandlerPre<State>>,
    permissions: Permissions,
}

impl App {
    /// Reads the manifest, compiles its components and checks that all they need is there. Everything that is wrong is
    /// in the one error.
    pub fn load(options: &Options) -> anyhow::Result<Self> {
        let manifest_path = match options.from.is_dir() {
            true => options.from.join("spin.toml"),
            false => options.from.clone(),
        };
        let app_dir = manifest_path.parent().map(Path::to_owned).unwrap_or_default();
        let mut problems = Problems::default();
        let manifest = Manifest::load(&manifest_path, &options.components, &mut problems)?;
        let runtime = RuntimeConfig::load(options, &app_dir, &mut problems)?;
        if let Some(dir) = &runtime.log_dir {
            fs::create_dir_all(dir).with_context(|| format!("could not create the directory {dir:?}"))?;
        }
        // Without a log file there is no other place for it.
        let is_shown = !options.quiet || runtime.log_dir.is_none();
        let echo = is_shown.then(|| match options.log {
            telemetry::Format::Text => Echo::AsItIs(log_writer::stderr()),
            telemetry::Format::Json => Echo::Events,
        });
        Loader {
            echo,
            options,
            app_dir,
            manifest,
            runtime,
        }
        .load(problems)
    }

    /// The name in the manifest.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether anything is to be served over HTTP.
    pub fn has_http_trigger(&self) -> bool {
        self.0.has_http_trigger
    }

    /// Whether any component waits for Redis messages.
    pub fn has_redis_trigger(&self) -> bool {
        !self.0.subscriptions.is_empty()
    }

    /// How many statements components have run on the database with this label, so that a test can count them.
    pub fn statements(&self, database: &str) -> Option<u64> {
        let mut components = self.0.components.values();
        components.find_map(|component| Some(component.permissions.databases.get(database)?.statements()))
    }

    /// Where the output of components goes, unless it goes to stderr alone.
    pub fn log_dir(&self) -> Option<&Path> {
        self.0.log_dir.as_deref()
    }
}

impl Inner {
    pub(crate) fn component(&self, id: &str) -> Option<&Component> {
        self.components.get(id)
    }

    /// Makes the store of a new instance, whose calls belong to a trace.
    pub(crate) fn store(
        &self,
        component: &Component,
        chaining: Option<Arc<dyn ServiceChaining>>,
        permit: OwnedSemaphorePermit,
        trace: TraceContext,
    ) -> Store<State> {
        let outbound_http = OutboundHttp {
            trace,
            allowed_hosts: component.permissions.allowed_hosts.clone(),
            address: self.address.get().copied(),
            chaining,
        };
        State::store(&self.engine, &component.permissions, outbound_http, permit)
    }
}

/// All that loading needs to look at.
struct Loader<'a> {
    options: &'a Options,
    app_dir: PathBuf,
    manifest: Manifest,
    runtime: RuntimeConfig,
    /// Where the output of components is shown besides their log files.
    echo: Option<Echo>,
}

impl Loader<'_> {
    fn load(self, mut problems: Problems) -> anyhow::Result<App> {
        let values = variables::resolve(
            &self.manifest,
            self.options,
            &self.runtime.variables,
            &mut problems,
        );
        let routes = self.manifest.trigger.http.iter();
        let router = Router::new(routes.map(|trigger| (trigger.component.as_str(), &trigger.route)));
        let router = problems.check(router);
        let subscriptions = subscriptions::subscriptions(&self.manifest, &values, &mut problems);

        let engine = engine::engine(self.options)?;
        let linker = linker::linker(&engine)?;
        let mut components = HashMap::new();
        // Compiling takes all the time there is; a component waits for no other.
        let compiled = thread::scope(|scope| {
            let ids = self.manifest.components.keys();
            let (this, engine, linker) = (&self, &engine, &linker);
            let threads: Vec<_> = ids
                .map(|id| scope.spawn(move || (id.clone(), this.compile(id, engine, linker))))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join())
                .collect::<Result<Vec<_>, _>>()
        });
        for (id, compiled) in compiled.map_err(|_| anyhow!("a compiling thread panicked"))? {
            let compiled = problems.check(compiled);
            let component = self.component(&id, compiled.unwrap_or_default(), &values, &mut problems);
            components.extend(component.map(|component| (id, component)));
        }
        problems.into_result()?;

        let metrics = Metrics::new();
        for (label, database) in &self.runtime.databases {
            database.count_in(metrics.statements(label));
        }
        let max_requests = self.options.max_requests;
        let room = |places| Room::new(places, components.keys());
        Ok(App(Arc::new(Inner {
            name: self.manifest.application.name,
            version: self.manifest.application.version,
            router: router.context("no routes")?,
            subscriptions,
            engine,
            request_timeout: self.options.request_timeout,
            strict_transport: StrictTransport::new(values.get(STRICT_TRANSPORT).map_or("", String::as_str)),
            allowed_origins: values.get(ALLOWED_ORIGINS).map_or("*", String::as_str).to_owned(),
            client_address_header: values
                .get(CLIENT_ADDRESS_HEADER)
                .and_then(|name| name.parse::<HeaderName>().ok())
                // In a request from outside the client has written this one.
                .filter(|name| *name != PEER_ADDRESS_HEADER),
            body_memory: BodyMemory::new(),
            admitted: room(max_requests),
            waiting: room(max_requests * WAITING_PER_PLACE),
            chained: room(max_requests * engine::CHAINED_PER_REQUEST),
            address: OnceLock::new(),
            metrics,
            has_http_trigger: !self.manifest.trigger.http.is_empty(),
            log_dir: self.runtime.log_dir,
            components,
        })))
    }

    /// Compiles a component for each trigger it has, its dependencies joined to it.
    fn compile(&self, id: &str, engine: &Engine, linker: &Linker<State>) -> anyhow::Result<Compiled> {
        let code = self.code(id)?;
        let component = wasmtime::component::Component::new(engine, code)
            .map_err(|error| anyhow!("component {id:?}: {error:#}"))?;
        let unsupported = linker::unsupported_imports(engine, &component);
        if !unsupported.is_empty() {
            bail!(
                "component {id:?} imports what this host does not offer: {}",
                unsupported.join(", ")
            );
        }
        let link = || {
            let pre = linker.instantiate_pre(&component)?;
            let triggers = &self.manifest.trigger;
            let http = triggers.http.iter().any(|trigger| trigger.component == id);
            let redis = triggers.redis.iter().any(|trigger| trigger.component == id);
            Ok(Compiled {
                http: http.then(|| ProxyPre::new(pre.clone())).transpose()?,
                redis: redis.then(|| RedisHandlerPre::new(pre)).transpose()?,
            })
        };
        link().map_err(|error: wasmtime::Error| anyhow!("component {id:?}: {error:#}"))
    }

    fn code(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let mut problems = Problems::default();
        let inherit = self.manifest.components[id].dependencies_inherit_configuration;
        let mut dependencies = Vec::new();
        for (name, dependency) in self.manifest.dependencies(id, &mut problems) {
            let code = self.read(id, &dependency.path);
            dependencies.extend(problems.check(code).map(|code| compose::Dependency {
                name,
                code,
                export: dependency.export,
                inherit,
            }));
        }
        problems.into_result()?;
        let code = self.read(id, self.manifest.components[id].source_path(id)?)?;
        if dependencies.is_empty() {
            return Ok(code);
        }
        compose::compose(id, code, dependencies).with_context(|| format!("component {id:?}"))
    }

    fn read(&self, id: &str, path: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.app_dir.join(path);
        fs::read(&path).with_context(|| format!("component {id:?}: could not read {}", path.display()))
    }

    /// Puts together what a component may use.
    fn component(
        &self,
        id: &str,
        compiled: Compiled,
        values: &HashMap<String, String>,
        problems: &mut Problems,
    ) -> Option<Component> {
        let manifest = &self.manifest.components[id];
        let log_dir = self.runtime.log_dir.as_deref();
        let log = |stream| {
            Log::open(log_dir, id, stream, self.echo.clone())
                .with_context(|| format!("could not open the log of component {id:?}"))
        };
        let environment: Vec<_> = manifest
            .environment
            .clone()
            .into_iter()
            .chain(self.options.env.iter().cloned())
            .collect();
        let permissions = Permissions {
            variables: variables::for_component(id, manifest.variables.clone(), values, problems),
            allowed_hosts: Arc::new(problems.check(self.allowed_hosts(id, values))?),
            databases: pick(
                id,
                "SQLite database",
                &manifest.sqlite_databases,
                &self.runtime.databases,
                problems,
            ),
            stores: pick(
                id,
                "key-value store",
                &manifest.key_value_stores,
                &self.runtime.stores,
                problems,
            ),
            environment,
            clock_offset_ms: self.options.clock_offset_ms,
            stdout: problems.check(log("stdout"))?,
            stderr: problems.check(log("stderr"))?,
            max_memory: self.runtime.max_instance_memory.unwrap_or(DEFAULT_MAX_MEMORY),
        };
        Some(Component {
            description: manifest.description.clone(),
            http: compiled.http,
            redis: compiled.redis,
            permissions,
        })
    }

    fn allowed_hosts(&self, id: &str, values: &HashMap<String, String>) -> anyhow::Result<AllowedHosts> {
        let hosts = &self.manifest.components[id].allowed_outbound_hosts;
        let ids: Vec<_> = self.manifest.components.keys().cloned().collect();
        let parse = || {
            let hosts = hosts
                .iter()
                .map(|host| Template::parse(host)?.fill(values))
                .collect::<Result<Vec<_>, _>>()?;
            AllowedHosts::parse(&hosts, &ids)
        };
        parse().with_context(|| format!("component {id:?}: `allowed_outbound_hosts`"))
    }
}

#[derive(Default)]
struct Compiled {
    http: Option<ProxyPre<State>>,
    redis: Option<RedisHandlerPre<State>>,
}

/// The resources that a component names; each must be configured, as in Spin (`crates/factor-sqlite/src/lib.rs`,
/// `ensure_allowed_databases_are_configured`; `crates/factor-key-value/src/lib.rs`).
fn pick<T>(
    id: &str,
    kind: &str,
    labels: &[String],
    configured: &HashMap<String, Arc<T>>,
    problems: &mut Problems,
) -> Arc<HashMap<String, Arc<T>>> {
    let labels: BTreeSet<_> = labels.iter().collect();
    let mut picked = HashMap::new();
    for label in labels {
        match configured.get(label) {
            Some(resource) => _ = picked.insert(label.clone(), resource.clone()),
            None => problems.add(format!(
                "component {id:?} uses the {kind} {label:?}, which the runtime configuration does not define"
            )),
        }
    }
    Arc::new(picked)
}
