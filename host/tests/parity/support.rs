//! A probe in a directory of its own, a Redis server, and the host as a process.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use local_servers::Server;
use mayday_host::{App, Body, Options};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than any event that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// An application made of the probe, before it is loaded.
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) options: Options,
    triggers: String,
    component: String,
    sections: String,
    inherit: bool,
}

/// A loaded application.
pub(crate) struct Host {
    pub(crate) app: App,
    pub(crate) dir: TempDir,
}

impl Setup {
    /// The probe at `/...`, with nothing granted but its dependency.
    pub(crate) fn new() -> Self {
        build_probe();
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path());
        options.quiet = true;
        Self {
            options,
            triggers: trigger("/...", "probe"),
            component: String::new(),
            sections: String::new(),
            inherit: true,
            dir,
        }
    }

    /// Replaces the trigger.
    pub(crate) fn triggers(mut self, triggers: impl Into<String>) -> Self {
        self.triggers = triggers.into();
        self
    }

    /// Adds a line to `[component.probe]`.
    pub(crate) fn component(mut self, line: &str) -> Self {
        self.component.push_str(&format!("{line}\n"));
        self
    }

    /// Adds sections to the manifest.
    pub(crate) fn sections(mut self, text: &str) -> Self {
        self.sections.push_str(&format!("{text}\n"));
        self
    }

    /// Adds another component with the probe's code and a private route.
    pub(crate) fn other(self, id: &str, lines: &str) -> Self {
        let component = component(id, lines, true);
        self.sections(&format!(
            "[[trigger.http]]\nroute = {{ private = true }}\ncomponent = \"{id}\"\n{component}"
        ))
    }

    /// Gives the application this runtime configuration.
    pub(crate) fn runtime(mut self, text: &str) -> Self {
        let path = self.dir.path().join("runtime.toml");
        fs::write(&path, text).unwrap();
        self.options.runtime_config_file = Some(path);
        self
    }

    /// Grants the probe's dependency nothing.
    pub(crate) fn without_inheritance(mut self) -> Self {
        self.inherit = false;
        self
    }

    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.options = self.options.variable(name, value);
        self
    }

    /// Writes the manifest.
    pub(crate) fn write(&self) -> PathBuf {
        let path = self.dir.path().join("spin.toml");
        let component = component("probe", &self.component, self.inherit);
        let head = "spin_manifest_version = 2\n[application]\nname = \"parity\"\nversion = \"1.2.3\"\n";
        fs::write(
            &path,
            format!("{head}{}{component}{}", self.triggers, self.sections),
        )
        .unwrap();
        path
    }

    pub(crate) fn try_start(self) -> anyhow::Result<Host> {
        self.write();
        Ok(Host {
            app: App::load(&self.options)?,
            dir: self.dir,
        })
    }

    #[track_caller]
    pub(crate) fn start(self) -> Host {
        self.try_start().unwrap()
    }

    /// Why the application is refused.
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        match self.try_start() {
            Ok(_) => panic!("the application should be refused"),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Host {
    /// The text of the answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.post(path, "").await
    }

    /// The text of the answer to a body.
    pub(crate) async fn post(&self, path: &str, body: &str) -> String {
        let request = Request::post(path).body(Full::from(body.to_owned())).unwrap();
        let response = self.send(request).await;
        assert_eq!(response.status(), 200, "{path}");
        text(response).await
    }

    pub(crate) async fn send(&self, request: Request<Full<bytes::Bytes>>) -> Response<Body> {
        timeout(DEADLINE, self.app.handle(request))
            .await
            .expect("an answer in time")
    }
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A trigger as the manifest has it.
pub(crate) fn trigger(route: &str, component: &str) -> String {
    format!("[[trigger.http]]\nroute = \"{route}\"\ncomponent = \"{component}\"\n")
}

fn component(id: &str, lines: &str, inherit: bool) -> String {
    format!(
        "[component.{id}]\nsource = {:?}\ndependencies_inherit_configuration = {inherit}\n{lines}\n\
         [component.{id}.dependencies]\n\"mayday:probe/greeting@0.1.0\" = {{ path = {:?} }}\n",
        wasm("probe"),
        wasm("probe_dependency"),
    )
}

/// A Redis server of the test's own.
pub(crate) struct Redis {
    server: Server,
    pub(crate) url: String,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let server = Server::redis().unwrap();
        Self {
            url: server.url(),
            server,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.server.kill().unwrap();
    }

    /// Has it hang: it still accepts connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.server.signal(Signal::STOP).unwrap();
    }

    pub(crate) async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

/// An address at which nobody listens now.
pub(crate) fn free_address() -> SocketAddr {
    local_servers::free_address().unwrap()
}

/// Builds the probe if its sources are newer, once per process and, by cargo's lock, one process at a time.
fn build_probe() {
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let host = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = [host.join("probe"), host.join("probe-dependency")];
        let newest = sources.iter().map(|dir| newest(dir)).max().unwrap();
        let built = ["probe", "probe_dependency"].map(|name| modified(Path::new(&wasm(name))));
        if built.into_iter().all(|built| built > newest) {
            return;
        }
        let status = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
            .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"])
            .args(["-p", "probe", "-p", "probe-dependency"])
            .current_dir(host)
            .status()
            .unwrap();
        assert!(status.success(), "the probe does not build");
    });
}

/// Where cargo puts a component.
pub(crate) fn wasm(name: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target
        .join(format!("wasm32-wasip2/release/{name}.wasm"))
        .to_str()
        .unwrap()
        .to_owned()
}

fn newest(path: &Path) -> SystemTime {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| newest(&entry.unwrap().path()))
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH),
        Err(_) => modified(path),
    }
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
