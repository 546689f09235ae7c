//! The processes of a run: Redis, hosts on the same databases, sidecars, the dispatcher. Each has a keeper, a task that
//! starts it, restarts it, and breaks it as the schedule says.
//!
//! `cargo xtask up` has one host and fixed addresses. Here every connection between two processes goes through a
//! [`Link`].

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::checks::Violation;
use super::database;
use super::disk::Disk;
use super::history::{Millis, Restore, now};
use super::link::{Link, Listens, Place, State};
use super::plan::Plan;
use super::rest::{self, Rest};
use super::schedule::{Fault, REDIS_IDLE_SECONDS, Targets};
use crate::databases::Database;
use crate::programs::{beside_this_program, workspace};
use crate::schema;
use crate::secrecy;
use crate::settings::{
    CHEAP_HASHING, MESSENGER_KEY, SERVICES, VARIABLES, environment_variable, libsql_database, redis_throttle,
    runtime_config,
};

/// Time limit for starting a process. It covers compiling the components on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time limit for stopping a process.
const FAREWELL: Duration = Duration::from_secs(20);

/// The pause before the dispatcher is started again. It ends whenever its connection to Redis does.
const RETRY: Duration = Duration::from_millis(500);

/// How long all hosts are down before the database is replaced. Their last answers have arrived by then.
const RESTORING: Duration = Duration::from_secs(1);

/// What a database says of a full disk: the errors differ by what SQLite wanted to write.
const FULL: [&str; 2] = ["the database is full", "the database cannot be read or written"];

/// Time limit for writing again after a disk has room again.
const FREED: Duration = Duration::from_secs(15);

/// Time limit for the migration of a database that is busy.
const MIGRATED: Duration = Duration::from_secs(30);

/// How long an attempt waits for the lock of a file.
const LOCKED: Duration = Duration::from_secs(5);

/// Time limit for a command to Redis, which may be paused.
const REDIS_PATIENCE: Duration = Duration::from_secs(15);

/// How long an organizer may be away before the messenger puts the chats back into the queue. The default is too long
/// for a run of minutes.
const ORPHAN_REQUEUE_SECONDS: &str = "4";

pub(crate) struct System {
    processes: Vec<Process>,
    links: Vec<Link>,
    /// The disk of the databases, if it can fill up.
    disk: Option<Disk>,
    directory: TempDir,
    trouble: Trouble,
    /// How often the messenger's database was restored so far.
    restores: watch::Sender<usize>,
    database: Database,
    /// The folder of the release that processes are of until they end.
    before: Option<PathBuf>,
}

/// What processes did unasked, such as crash, and what they answered that no document says.
pub(crate) type Trouble = Arc<Mutex<Vec<String>>>;

struct Process {
    name: String,
    id: watch::Receiver<Option<u32>>,
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
    place: watch::Receiver<Place>,
    keeper: tokio::task::JoinHandle<()>,
}

/// What a keeper does to its process.
#[derive(Clone, Debug)]
enum Order {
    Kill {
        down: Duration,
    },
    Stop {
        down: Duration,
    },
    Pause {
        time: Duration,
    },
    Hang {
        time: Duration,
    },
    /// SIGTERM. The keeper reports when the process is gone, and restarts it when it may come back.
    StopFor {
        is_gone: mpsc::UnboundedSender<()>,
        may_come_back: watch::Receiver<bool>,
    },
}

impl System {
    /// Starts everything and waits until it is ready. The databases are on `disk`, if there is one of their own.
    pub(crate) async fn start(plan: &Plan, disk: Option<Disk>) -> Result<System> {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("logs"))?;
        let mut system = System {
            processes: Vec::new(),
            links: Vec::new(),
            disk,
            directory,
            trouble: Trouble::default(),
            restores: watch::Sender::new(0),
            database: plan.database,
            before: plan.before.clone(),
        };
        system.keep(Recipe::redis(system.path()));
        let redis = vec![system.place("redis")?];
        let config = system.path().join("runtime-config.toml");
        fs::write(&config, system.data(&redis).await?)?;
        for number in 1..=plan.hosts {
            system.keep(Recipe::host(number, system.path(), &config)?);
        }
        let hosts = (1..=plan.hosts)
            .map(|number| system.place(&format!("host-{number}")))
            .collect::<Result<Vec<_>>>()?;
        system.link("clients to hosts", hosts.clone()).await?;
        for number in 1..=plan.sidecars {
            let name = format!("sidecar-{number}");
            let messenger = system.link(&format!("{name} to hosts"), hosts.clone()).await?;
            let relay = system.link(&format!("{name} to redis"), redis.clone()).await?;
            system.keep(Recipe::sidecar(&name, messenger, relay, system.path())?);
            let sidecar = vec![system.place(&name)?];
            system.link(&format!("clients to {name}"), sidecar).await?;
        }
        let doors = system.link("dispatcher to hosts", hosts).await?;
        let ticks = system.link("dispatcher to redis", redis).await?;
        let dispatcher = Recipe::dispatcher(system.path(), &config, doors, ticks)?;
        system.keep(dispatcher);
        system.is_up().await?;
        Ok(system)
    }

    /// Starts database servers, if there are to be any, and returns the runtime configuration of hosts. Where data is
    /// in servers, the key-value store is in Redis.
    async fn data(&mut self, redis: &[watch::Receiver<Place>]) -> Result<String> {
        if self.database == Database::Files {
            return Ok(runtime_config(self.data_directory(), &SERVICES));
        }
        let mut config = String::new();
        for service in SERVICES {
            let name = format!("{service}-db");
            self.keep(Recipe::sqld(
                &name,
                &self.database.directory(self.path(), service),
            )?);
            let place = vec![self.place(&name)?];
            let address = self.link(&format!("hosts to {name}"), place).await?;
            config += &libsql_database(service, &format!("http://{address}"));
        }
        let throttle = self.link("hosts to redis", redis.to_vec()).await?;
        Ok(config + &redis_throttle(&format!("redis://{throttle}")))
    }

    fn keep(&mut self, recipe: Recipe) {
        let (orders, received) = mpsc::unbounded_channel();
        let (is_at, place) = watch::channel(None);
        let (is_process, id) = watch::channel(None);
        let name = recipe.name.clone();
        let keeper = Keeper {
            before: self.before.as_deref().map(|release| recipe.of(release)),
            recipe,
            is_at,
            is_process,
            trouble: Arc::clone(&self.trouble),
            log: self.directory.path().join(format!("logs/{name}.log")),
        };
        self.processes.push(Process {
            name,
            id,
            orders,
            place,
            keeper: tokio::spawn(keeper.keep(received)),
        });
    }

    async fn link(&mut self, name: &str, places: Vec<watch::Receiver<Place>>) -> Result<SocketAddr> {
        let link = Link::open(name, places).await?;
        let address = link.address;
        self.links.push(link);
        Ok(address)
    }

    fn process(&self, name: &str) -> Result<&Process> {
        self.processes
            .iter()
            .find(|process| process.name == name)
            .with_context(|| format!("no process is called {name}"))
    }

    fn place(&self, name: &str) -> Result<watch::Receiver<Place>> {
        Ok(self.process(name)?.place.clone())
    }

    fn link_named(&self, name: &str) -> Result<&Link> {
        self.links
            .iter()
            .find(|link| link.name == name)
            .with_context(|| format!("no link is called {name}"))
    }

    /// Where clients send requests.
    pub(crate) fn rest(&self) -> Result<Rest> {
        Ok(Rest {
            address: self.link_named("clients to hosts")?.address,
            trouble: Arc::clone(&self.trouble),
        })
    }

    /// Where clients connect.
    pub(crate) fn sidecars(&self) -> Vec<SocketAddr> {
        self.links
            .iter()
            .filter(|link| link.name.starts_with("clients to sidecar-"))
            .map(|link| link.address)
            .collect()
    }

    pub(crate) fn targets(&self) -> Targets {
        let named = |prefix: &str| {
            let names = self.processes.iter().map(|process| process.name.clone());
            names.filter(|name| name.starts_with(prefix)).collect()
        };
        let links: Vec<String> = self.links.iter().map(|link| link.name.clone()).collect();
        let is_relay = |link: &&String| link.starts_with("sidecar-") && link.ends_with(" to redis");
        Targets {
            hosts: named("host-"),
            databases: (self.processes.iter())
                .map(|process| process.name.clone())
                .filter(|name| name.ends_with("-db"))
                .collect(),
            sidecars: named("sidecar-"),
            redis: "redis".to_owned(),
            relays: links.iter().filter(is_relay).cloned().collect(),
            links,
        }
    }

    /// Carries out a fault, and returns when it is over.
    pub(crate) async fn suffer(&self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Kill { process, down } => self.order(process, Order::Kill { down: *down }).await,
            Fault::Stop { process, down } => self.order(process, Order::Stop { down: *down }).await,
            Fault::Pause { process, time } => self.order(process, Order::Pause { time: *time }).await,
            Fault::Hang { process, time } => self.order(process, Order::Hang { time: *time }).await,
            Fault::Cut { link, time } => self.disturb(link, State::Cut, *time).await,
            Fault::Stall { link, time } => self.disturb(link, State::Stalled, *time).await,
            Fault::Delay { link, by, time } => self.disturb(link, State::Delayed(*by), *time).await,
            Fault::DropClients => {
                // Redis does not count subscribers as normal clients.
                self.tell_redis("CLIENT KILL TYPE normal").await?;
                self.tell_redis("CLIENT KILL TYPE pubsub").await
            }
            Fault::DropIdle { time } => {
                self.tell_redis(&format!("CONFIG SET timeout {REDIS_IDLE_SECONDS}"))
                    .await?;
                sleep(*time).await;
                self.tell_redis("CONFIG SET timeout 0").await
            }
            Fault::Pin { time } => self.pin(*time).await,
            Fault::Fill { time } => self.fill(*time).await,
            Fault::Migrate => self.migrate().await,
        }
    }

    /// Gives every database the schema that the next release may give it, as the first host of that release does: in
    /// one transaction for each, which is repeated while the database is busy. Everybody can work meanwhile.
    async fn migrate(&self) -> Result<()> {
        for service in SERVICES {
            let migration = schema::next_migration(&database::open(&self.database(service))?)?;
            let began = Instant::now();
            while let Err(error) = self.change_schema(service, &migration).await {
                if began.elapsed() > MIGRATED {
                    return Err(error.context(format!("the database of {service} is not migrated")));
                }
                sleep(RETRY).await;
            }
        }
        Ok(())
    }

    /// Runs statements that are one transaction. After an error nothing is changed.
    async fn change_schema(&self, service: &str, statements: &str) -> Result<()> {
        if self.database == Database::Files {
            let (file, statements) = (self.database(service), statements.to_owned());
            let change = move || {
                let database = Connection::open(file)?;
                database.busy_timeout(LOCKED)?;
                database.execute_batch(&statements)
            };
            return Ok(spawn_blocking(change).await??);
        }
        let place = self.place(&format!("{service}-db"))?.borrow().clone();
        let Some(Listens::Tcp(address)) = place else {
            bail!("the database server of {service} is down");
        };
        // The end of the stream also ends a transaction that has failed.
        let stream = json!({"requests": [{"type": "sequence", "sql": statements}, {"type": "close"}]});
        let answer = rest::send(address, "POST", "/v2/pipeline", "", Some(&stream)).await?;
        let results: Value = serde_json::from_slice(answer.body())?;
        ensure!(results["results"][0]["type"] == "ok", "{results}");
        Ok(())
    }

    /// Reads from every database in a transaction that stays open for a while. Everybody can work meanwhile.
    async fn pin(&self, time: Duration) -> Result<()> {
        let readers = SERVICES
            .iter()
            .map(|service| {
                let reader = database::open(&self.database(service))?;
                reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>>>()?;
        sleep(time).await;
        match self.rest()?.try_to_sign_up().await {
            Ok(answer) if answer.status == 201 => {}
            Ok(answer) => self.complain(format!(
                "beside readers a sign-up is answered {} {}",
                answer.status,
                answer.message()
            )),
            Err(error) => self.complain(format!("beside readers a sign-up is not answered: {error:#}")),
        }
        drop(readers);
        Ok(())
    }

    /// Fills the disk of the databases for a while. Who writes is refused with the reason, and can write soon after
    /// there is room again.
    async fn fill(&self, time: Duration) -> Result<()> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let rest = self.rest()?;
        // Otherwise the write-ahead log would have room.
        for service in SERVICES {
            Connection::open(self.database(service))?.query_row(
                "PRAGMA wal_checkpoint(TRUNCATE)",
                (),
                |_| Ok(()),
            )?;
        }
        disk.fill().await?;
        let full = Instant::now();
        let mut refusals = 0;
        while full.elapsed() < time {
            match rest.try_to_sign_up().await {
                Ok(answer) if answer.status == 201 => {}
                Ok(answer) if answer.status == 503 && FULL.contains(&answer.message().as_str()) => {
                    refusals += 1
                }
                Ok(answer) => self.complain(format!(
                    "with a full disk a sign-up is answered {} {}",
                    answer.status,
                    answer.message()
                )),
                Err(error) => self.complain(format!("with a full disk a sign-up is not answered: {error:#}")),
            }
            sleep(RETRY).await;
        }
        disk.free().await?;
        if refusals == 0 {
            self.complain("with a full disk no sign-up is refused".to_owned());
        }
        let freed = Instant::now();
        while !rest
            .try_to_sign_up()
            .await
            .is_ok_and(|answer| answer.status == 201)
        {
            if freed.elapsed() > FREED {
                self.complain(format!(
                    "{FREED:?} after the disk was freed a sign-up still fails"
                ));
                break;
            }
            sleep(RETRY).await;
        }
        Ok(())
    }

    fn complain(&self, what: String) {
        self.trouble.lock().expect("no panic while locked").push(what);
    }

    /// Sends Redis a command. It is no error if Redis is down: the command is about connections and settings, which end
    /// with the process.
    async fn tell_redis(&self, command: &str) -> Result<()> {
        let place = self.place("redis")?.borrow().clone();
        let Some(Listens::Unix(path)) = place else {
            return Ok(());
        };
        let telling = async {
            let mut stream = UnixStream::connect(path).await?;
            stream.write_all(format!("{command}\r\n").as_bytes()).await?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        if let Ok(Ok(answer)) = timeout(REDIS_PATIENCE, telling).await
            && answer.starts_with('-')
        {
            bail!("Redis answers {answer} to {command}");
        }
        Ok(())
    }

    /// Copies the messenger's database while everything runs, as a backup does. Returns when the copy was started: what
    /// was committed before is in it.
    pub(crate) fn copy(&self) -> Result<Millis> {
        let copied_at = now();
        let copy = self.copy_of_database();
        if copy.exists() {
            fs::remove_file(&copy)?;
        }
        let database =
            Connection::open_with_flags(self.database("messenger"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let to = copy.to_str().context("the temporary folder has a strange name")?;
        database.execute("VACUUM INTO ?1", [to])?;
        Ok(copied_at)
    }

    /// Stops all hosts, replaces the messenger's database by the last copy, and starts the hosts again.
    pub(crate) async fn restore(&self, copied_at: Millis) -> Result<Restore> {
        let (is_gone, mut gone) = mpsc::unbounded_channel();
        let (come_back, may_come_back) = watch::channel(false);
        let hosts = self.targets().hosts;
        let stopping = hosts.iter().map(|host| {
            let order = Order::StopFor {
                is_gone: is_gone.clone(),
                may_come_back: may_come_back.clone(),
            };
            self.order(host, order)
        });
        let began_at = now();
        let replacing = async {
            for _ in &hosts {
                gone.recv().await.context("a keeper is gone")?;
            }
            sleep(RESTORING).await;
            let database = self.database("messenger");
            // They belong to the database that is replaced.
            for suffix in ["-wal", "-shm"] {
                let mut path = database.clone().into_os_string();
                path.push(suffix);
                if Path::new(&path).exists() {
                    fs::remove_file(path)?;
                }
            }
            fs::copy(self.copy_of_database(), database)?;
            self.restores.send_modify(|restores| *restores += 1);
            let restored_at = now();
            come_back.send_replace(true);
            anyhow::Ok(restored_at)
        };
        let (_, restored_at) = tokio::try_join!(try_join_all(stopping), replacing)?;
        Ok(Restore {
            copied_at,
            began_at,
            restored_at,
            ended_at: now(),
        })
    }

    fn copy_of_database(&self) -> PathBuf {
        self.path().join("copy-of-messenger.db")
    }

    /// How often the messenger's database was restored so far.
    pub(crate) fn restores(&self) -> watch::Receiver<usize> {
        self.restores.subscribe()
    }

    async fn order(&self, process: &str, order: Order) -> Result<()> {
        let process = self.process(process)?;
        let (done, is_done) = oneshot::channel();
        process.orders.send((order, done))?;
        is_done.await.context("a keeper is gone")?;
        let mut place = process.place.clone();
        place.wait_for(Option::is_some).await?;
        Ok(())
    }

    async fn disturb(&self, link: &str, state: State, time: Duration) -> Result<()> {
        let link = self.link_named(link)?;
        link.set(state);
        sleep(time).await;
        // This also ends another disturbance of the link, which does no harm.
        link.set(State::Open);
        Ok(())
    }

    /// Opens all links and waits until all processes are up.
    pub(crate) async fn is_up(&self) -> Result<()> {
        for link in &self.links {
            link.set(State::Open);
        }
        for process in &self.processes {
            let mut place = process.place.clone();
            let is_up = timeout(PATIENCE, place.wait_for(Option::is_some)).await;
            if !is_up.is_ok_and(|place| place.is_ok()) {
                bail!(
                    "{} does not come up; {}",
                    process.name,
                    self.last_words(&process.name)
                );
            }
        }
        Ok(())
    }

    fn last_words(&self, name: &str) -> String {
        let log = fs::read_to_string(self.path().join(format!("logs/{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends all processes. The databases do not change any more.
    pub(crate) async fn end(&mut self) {
        for process in self.processes.drain(..) {
            process.keeper.abort();
            // The process is killed when its keeper is dropped.
            let _ = process.keeper.await;
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where databases in files are.
    fn data_directory(&self) -> &Path {
        self.disk.as_ref().map_or(self.directory.path(), Disk::path)
    }

    /// The file of a service's database.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.database.file(self.data_directory(), service)
    }

    /// The files of all databases.
    pub(crate) fn databases(&self) -> [PathBuf; 3] {
        SERVICES.map(|service| self.database(service))
    }

    /// The hosts, the dispatcher and the sidecars that run now, by name, with the numbers of their processes.
    pub(crate) fn running(&self) -> Vec<(String, u32)> {
        let Targets { hosts, sidecars, .. } = self.targets();
        let watched = |name: &String| name == "dispatcher" || hosts.contains(name) || sidecars.contains(name);
        let running = self.processes.iter().filter(|process| watched(&process.name));
        running
            .filter_map(|process| Some((process.name.clone(), (*process.id.borrow())?)))
            .collect()
    }

    /// What processes did unasked, and what the logs of processes and components must not hold.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let trouble = self.trouble.lock().expect("no panic while locked").clone();
        let unasked = trouble.into_iter().map(|case| Violation {
            rule: "processes do what they are asked to",
            case,
        });
        let leaks = secrecy::leaks(self.logs());
        let leaks = leaks.into_iter().map(|case| Violation {
            rule: "logs hold no secrets",
            case,
        });
        unasked.chain(leaks).collect()
    }

    /// The directories with the logs of processes and components.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let with_components = self.targets().hosts.into_iter().chain(["dispatcher".to_owned()]);
        let of_components = with_components.map(|name| self.path().join(name).join("logs"));
        of_components.chain([self.path().join("logs")]).collect()
    }

    /// Keeps the directory with databases and logs.
    pub(crate) fn leave_behind(mut self) -> Result<PathBuf> {
        self.directory.disable_cleanup(true);
        if let Some(disk) = self.disk.take() {
            disk.leave_behind(self.directory.path())?;
        }
        Ok(self.directory.path().to_owned())
    }
}

/// How to start a process, and how to tell that it is ready.
#[derive(Clone)]
struct Recipe {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    directory: PathBuf,
    ready: Ready,
}

/// How a process shows that it is ready.
#[derive(Clone)]
enum Ready {
    /// By a line that begins with this and continues with the address.
    Address(&'static str),
    /// By a line that contains this. The process listens at this path.
    Line(&'static str, PathBuf),
    /// By answering. It is an `sqld` with its data in this directory, and gets a free port at every start.
    Answers(PathBuf),
    /// Not at all. Nobody connects to the process, and it ends when Redis does.
    Started,
}

impl Recipe {
    /// Redis without persistence. It listens at a path, because another process could take its port while it is down.
    fn redis(directory: &Path) -> Recipe {
        let socket = directory.join("redis.sock");
        let args = ["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"];
        Recipe {
            name: "redis".to_owned(),
            program: "redis-server".into(),
            args: args
                .iter()
                .map(|&arg| arg.to_owned())
                .chain([socket.display().to_string()])
                .collect(),
            env: Vec::new(),
            directory: directory.to_owned(),
            ready: Ready::Line("ready to accept connections", socket),
        }
    }

    fn sqld(name: &str, directory: &Path) -> Result<Recipe> {
        fs::create_dir_all(directory)?;
        let env = local_servers::SQLD_ENVIRONMENT;
        Ok(Recipe {
            name: name.to_owned(),
            program: local_servers::find_sqld().context("sqld is missing")?,
            args: Vec::new(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            directory: directory.to_owned(),
            ready: Ready::Answers(directory.to_owned()),
        })
    }

    fn host(number: usize, directory: &Path, runtime_config: &Path) -> Result<Recipe> {
        let name = format!("host-{number}");
        let mut recipe = Recipe::components(&name, &SERVICES, directory, runtime_config)?;
        recipe
            .args
            .extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        recipe.ready = Ready::Address("Serving http://");
        Ok(recipe)
    }

    fn dispatcher(
        directory: &Path,
        runtime_config: &Path,
        hosts: SocketAddr,
        redis: SocketAddr,
    ) -> Result<Recipe> {
        let mut recipe = Recipe::components("dispatcher", &["dispatcher"], directory, runtime_config)?;
        let urls = SERVICES.map(|service| (format!("{service}_url"), format!("http://{hosts}")));
        let redis = [("redis_url".to_owned(), format!("redis://{redis}"))];
        recipe.env.extend(
            urls.into_iter()
                .chain(redis)
                .map(|(name, value)| (environment_variable(&name), value)),
        );
        Ok(recipe)
    }

    /// A host with some of the components of `spin.toml`.
    fn components(
        name: &str,
        components: &[&str],
        directory: &Path,
        runtime_config: &Path,
    ) -> Result<Recipe> {
        let manifest = manifest(workspace()).display().to_string();
        let mut args = vec!["--from".to_owned(), manifest, "--quiet".to_owned()];
        for component in components {
            args.extend(["--component-id".to_owned(), (*component).to_owned()]);
        }
        let state = directory.join(name);
        fs::create_dir_all(&state)?;
        args.extend(["--state-dir".to_owned(), state.display().to_string()]);
        args.extend([
            "--runtime-config-file".to_owned(),
            runtime_config.display().to_string(),
        ]);
        let orphans = [("orphan_requeue_seconds", ORPHAN_REQUEUE_SECONDS)];
        let variables = VARIABLES.into_iter().chain(CHEAP_HASHING).chain(orphans);
        Ok(Recipe {
            name: name.to_owned(),
            program: beside_this_program("mayday-host")?,
            args,
            env: variables
                .map(|(name, value)| (environment_variable(name), value.to_owned()))
                .collect(),
            directory: directory.to_owned(),
            ready: Ready::Started,
        })
    }

    fn sidecar(name: &str, messenger: SocketAddr, redis: SocketAddr, directory: &Path) -> Result<Recipe> {
        let args = [
            "--listen",
            "127.0.0.1:0",
            "--messenger",
            &format!("http://{messenger}"),
        ];
        Ok(Recipe {
            name: name.to_owned(),
            program: beside_this_program("mayday-sidecar")?,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: vec![
                ("MAYDAY_MESSENGER_KEY".to_owned(), MESSENGER_KEY.to_owned()),
                ("MAYDAY_REDIS".to_owned(), format!("redis://{redis}")),
            ],
            directory: directory.to_owned(),
            ready: Ready::Address("Listening on ws://"),
        })
    }

    /// The same with the programs and components of another release, which are built in its folder.
    fn of(&self, release: &Path) -> Recipe {
        let mut recipe = self.clone();
        for argument in &mut recipe.args {
            if Path::new(argument) == manifest(workspace()) {
                *argument = manifest(release).display().to_string();
            }
        }
        let is_ours = |name: &&OsStr| name.to_string_lossy().starts_with("mayday-");
        if let Some(name) = self.program.file_name().filter(is_ours) {
            recipe.program = release.join("target/debug").join(name);
        }
        recipe
    }

    fn command(&self, log: File) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.directory)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        command
    }
}

fn manifest(release: &Path) -> PathBuf {
    release.join("spin.toml")
}

/// Keeps a process running, and carries out orders.
struct Keeper {
    /// What runs until it ends for the first time, if that is of an earlier release.
    before: Option<Recipe>,
    recipe: Recipe,
    is_at: watch::Sender<Place>,
    is_process: watch::Sender<Option<u32>>,
    trouble: Trouble,
    log: PathBuf,
}

impl Keeper {
    async fn keep(self, mut orders: mpsc::UnboundedReceiver<(Order, oneshot::Sender<()>)>) {
        let mut recipe = self.before.as_ref().unwrap_or(&self.recipe);
        loop {
            let (mut child, place) = match self.start(recipe).await {
                Ok(started) => started,
                Err(error) => {
                    self.complain(format!("does not start: {error:#}"));
                    sleep(RETRY).await;
                    continue;
                }
            };
            self.is_at.send_replace(Some(place));
            self.is_process.send_replace(child.id());
            let is_done = loop {
                tokio::select! {
                    ended = child.wait() => {
                        self.is_at.send_replace(None);
                        self.ended_by_itself(ended).await;
                        break None;
                    }
                    order = orders.recv() => {
                        let Some((order, done)) = order else { return };
                        if self.carry_out(order, &mut child).await {
                            break Some(done);
                        }
                        let _ = done.send(());
                    }
                }
            };
            recipe = &self.recipe;
            self.is_process.send_replace(None);
            // The caller then waits until the process is up again, and must not see that it was up before.
            if let Some(done) = is_done {
                let _ = done.send(());
            }
        }
    }

    /// Carries out an order, and returns whether the process has ended.
    async fn carry_out(&self, order: Order, child: &mut Child) -> bool {
        match order {
            Order::Pause { time } => {
                self.signal(child, Signal::STOP);
                sleep(time).await;
                self.signal(child, Signal::CONT);
                return false;
            }
            Order::Hang { time } => {
                self.signal(child, Signal::STOP);
                sleep(time).await;
                let _ = child.kill().await;
                self.is_at.send_replace(None);
            }
            Order::Kill { down } => {
                let _ = child.kill().await;
                self.is_at.send_replace(None);
                sleep(down).await;
            }
            Order::Stop { down } => {
                self.stop(child).await;
                sleep(down).await;
            }
            Order::StopFor {
                is_gone,
                mut may_come_back,
            } => {
                self.stop(child).await;
                let _ = is_gone.send(());
                // An error means that the caller has given up.
                let _ = may_come_back.wait_for(|may| *may).await;
            }
        }
        true
    }

    async fn stop(&self, child: &mut Child) {
        self.signal(child, Signal::TERM);
        match timeout(FAREWELL, child.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(ended) => self.complain(format!("was asked to stop and ended with {ended:?}")),
            Err(_) => {
                self.complain("was asked to stop and did not".to_owned());
                let _ = child.kill().await;
            }
        }
        self.is_at.send_replace(None);
    }

    async fn start(&self, recipe: &Recipe) -> Result<(Child, Listens)> {
        let log = || OpenOptions::new().create(true).append(true).open(&self.log);
        let mut command = recipe.command(log()?);
        let port = local_servers::free_address()?;
        if let Ready::Answers(directory) = &recipe.ready {
            command.args(local_servers::sqld_arguments(port.port(), directory));
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let place = match &recipe.ready {
            Ready::Started => Listens::Unix(PathBuf::new()),
            Ready::Answers(_) => {
                let answers = async {
                    while !spawn_blocking(move || local_servers::sqld_answers(port)).await? {
                        if let Some(status) = child.try_wait()? {
                            bail!("it ended with {status} before it was ready");
                        }
                        // There is no event to wait for: a port begins to answer.
                        sleep(Duration::from_millis(10)).await;
                    }
                    Ok(Listens::Tcp(port))
                };
                timeout(PATIENCE, answers)
                    .await
                    .context("it does not get ready")??
            }
            ready => timeout(PATIENCE, listens(ready, &mut lines))
                .await
                .context("it does not get ready")??,
        };
        let mut log = log()?;
        // A process blocks when nobody reads its output.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = writeln!(log, "{line}");
            }
        });
        Ok((child, place))
    }

    async fn ended_by_itself(&self, ended: std::io::Result<ExitStatus>) {
        match self.recipe.ready {
            Ready::Started => sleep(RETRY).await,
            Ready::Address(_) | Ready::Line(..) | Ready::Answers(_) => {
                self.complain(format!("ended by itself: {ended:?}"))
            }
        }
    }

    fn signal(&self, child: &Child, signal: Signal) {
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    fn complain(&self, what: String) {
        let name = &self.recipe.name;
        self.trouble
            .lock()
            .expect("no panic while locked")
            .push(format!("{name} {what}"));
    }
}

async fn listens<R: AsyncRead + Unpin>(
    ready: &Ready,
    lines: &mut tokio::io::Lines<BufReader<R>>,
) -> Result<Listens> {
    while let Some(line) = lines.next_line().await? {
        match ready {
            Ready::Address(prefix) => {
                if let Some(rest) = line.strip_prefix(prefix) {
                    let address = rest.split('/').next().unwrap_or_default();
                    return Ok(Listens::Tcp(address.parse()?));
                }
            }
            // Releases of Redis differ in capitals.
            Ready::Line(words, path) if line.to_lowercase().contains(words) => {
                return Ok(Listens::Unix(path.clone()));
            }
            Ready::Line(..) | Ready::Started | Ready::Answers(_) => {}
        }
    }
    bail!("it ended before it was ready")
}
