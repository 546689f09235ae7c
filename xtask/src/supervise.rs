//! Keeps processes alive: what ends is started again with the same arguments, after a pause that grows with every
//! failure.
//!
//! Each process leads a group of its own, so that Ctrl-C in the terminal reaches only us, and we can stop them in
//! order, with whatever they have started themselves. If we are killed the hard way, the kernel stops them for us where
//! `setpriv` of util-linux is there to ask it to; elsewhere they stay.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use backon::{BackoffBuilder, ExponentialBuilder};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::command::{find, root};
use crate::output::Output;
use crate::probe::Probe;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Whoever has run this long has recovered: the next failure is again the first one.
const STEADY: Duration = Duration::from_secs(10);
/// How long a process may take to stop when asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often a process may end before it was ever ready. More than once, because a port that was free a moment ago may
/// have been used in passing by somebody's outgoing connection.
const ATTEMPTS: u32 = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
const REMEMBERED_LINES: usize = 20;

/// Process ids by process name.
pub(crate) type Pids = BTreeMap<String, u32>;

/// A program to keep running.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Added to our own environment. Secrets go here: everybody on the machine can read a command line.
    pub(crate) env: Vec<(String, String)>,
}

/// The processes of one machine, in the order they were started.
pub(crate) struct Supervisor {
    output: Output,
    running: Vec<Running>,
    pids: watch::Sender<Pids>,
}

struct Running {
    name: String,
    journal: Journal,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            running: Vec::new(),
            pids: watch::Sender::default(),
        }
    }

    /// Starts a process and keeps it running from now on.
    pub(crate) fn start(&mut self, service: Service) {
        let (stop, stopped) = oneshot::channel();
        let journal = Journal::default();
        let name = service.name.clone();
        let keeper = Keeper {
            service,
            output: self.output,
            journal: journal.clone(),
            pids: self.pids.clone(),
        };
        self.running.push(Running {
            name,
            journal,
            stop,
            task: tokio::spawn(keeper.keep_running(stopped)),
        });
    }

    /// Starts a process and waits until the probe is answered well.
    pub(crate) async fn start_and_wait(
        &mut self,
        service: Service,
        probe: &Probe,
        patience: Duration,
    ) -> Result<()> {
        let name = service.name.clone();
        self.start(service);
        let journal = self
            .running
            .last()
            .context("it was just started")?
            .journal
            .clone();
        let outcome = wait_until_ready(probe, patience, &journal).await;
        // One text, and not a context, so that what the process said comes last.
        outcome.map_err(|why| anyhow!("{name} did not become ready: {why:#}{}", journal.last_words()))
    }

    /// The process ids, as they change. A process that has ended keeps its old one until it runs again.
    pub(crate) fn pids(&self) -> watch::Receiver<Pids> {
        self.pids.subscribe()
    }

    /// Stops all processes, the last one first: nobody loses what it depends on before it is gone itself.
    pub(crate) async fn stop(self) {
        for running in self.running.into_iter().rev() {
            self.output.line("mayday", &format!("stopping {}", running.name));
            // A keeper that is gone has nothing left to stop.
            let _ = running.stop.send(());
            let _ = running.task.await;
        }
    }
}

async fn wait_until_ready(probe: &Probe, patience: Duration, journal: &Journal) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let Err(lacking) = probe.ask().await else {
            return Ok(());
        };
        if journal.entries().ends >= ATTEMPTS {
            bail!("it ended {ATTEMPTS} times");
        }
        if Instant::now() >= deadline {
            return Err(lacking.context(format!("gave up after {} s", patience.as_secs())));
        }
        sleep(PROBE_INTERVAL).await;
    }
}

/// What is remembered of a process, for the message when it does not come up.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    ends: u32,
    lines: VecDeque<String>,
}

impl Journal {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_line(&self, line: &str) {
        let mut entries = self.entries();
        if entries.lines.len() == REMEMBERED_LINES {
            entries.lines.pop_front();
        }
        entries.lines.push_back(line.to_owned());
    }

    fn last_words(&self) -> String {
        let entries = self.entries();
        if entries.lines.is_empty() {
            return "; it said nothing".to_owned();
        }
        let lines: Vec<_> = entries.lines.iter().map(|line| format!("\n  | {line}")).collect();
        format!("; its last lines:{}", lines.concat())
    }
}

/// Looks after one process.
struct Keeper {
    service: Service,
    output: Output,
    journal: Journal,
    pids: watch::Sender<Pids>,
}

impl Keeper {
    async fn keep_running(self, mut stopped: oneshot::Receiver<()>) {
        let mut pauses = pauses();
        loop {
            let started = Instant::now();
            let end: String = match self.spawn() {
                Ok(mut child) => tokio::select! {
                    status = self.follow(&mut child) => status,
                    _ = &mut stopped => return end_gently(&mut child).await,
                },
                Err(error) => format!("could not be started: {error:#}"),
            };
            self.journal.entries().ends += 1;
            if started.elapsed() >= STEADY {
                pauses = self::pauses();
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            self.say(&format!(
                "{} {end}; starting it again in {:.1} s",
                self.service.name,
                pause.as_secs_f32()
            ));
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut stopped => return,
            }
        }
    }

    fn spawn(&self) -> Result<Child> {
        let mut child = command(&self.service)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .current_dir(root())
            // Relevant only when we panic: otherwise each child is waited for.
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not run {}", self.service.program.display()))?;
        if let Some(pid) = child.id() {
            self.pids.send_modify(|pids| {
                pids.insert(self.service.name.clone(), pid);
            });
        }
        self.relay(child.stdout.take());
        self.relay(child.stderr.take());
        Ok(child)
    }

    /// Waits for the end of the process and says how it ended. Its children go with it: they would hold the port.
    async fn follow(&self, child: &mut Child) -> String {
        let group = group_of(child);
        let status = child.wait().await;
        signal(group, Signal::KILL);
        match status {
            Ok(status) => format!("ended ({status})"),
            Err(error) => format!("was lost ({error})"),
        }
    }

    /// Prints what comes out of the pipe until it is closed.
    fn relay(&self, pipe: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(pipe) = pipe else { return };
        let (name, output, journal) = (self.service.name.clone(), self.output, self.journal.clone());
        tokio::spawn(async move {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
                let text = String::from_utf8_lossy(&line);
                journal.add_line(text.trim_end());
                output.line(&name, text.trim_end());
                line.clear();
            }
        });
    }

    fn say(&self, text: &str) {
        self.output.line("mayday", text);
    }
}

/// The command to run a service, by way of `setpriv` where it is found. That program replaces itself by the service, so
/// the process id is the service's own. What the kernel watches is the thread that started the child: the main one,
/// because the runtime has no other.
fn command(service: &Service) -> Command {
    let mut command = match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM", "--"]).arg(&service.program);
            command
        }
        None => Command::new(&service.program),
    };
    command
        .args(&service.args)
        .envs(service.env.iter().map(|(name, value)| (name, value)));
    command
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn end_gently(child: &mut Child) {
    let group = group_of(child);
    signal(group, Signal::TERM);
    let ended: Result<Result<ExitStatus, _>, _> = timeout(GRACE, child.wait()).await;
    // Even if the process has ended in time, something it started may be left.
    signal(group, Signal::KILL);
    if ended.is_err() {
        let _ = child.wait().await;
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

/// A group that is already gone is no failure: that is what was wanted.
fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::output::Log;

    /// Nothing in these tests takes long; whatever does hangs.
    const PATIENCE: Duration = Duration::from_secs(20);
    const QUIET: Output = Output {
        log: Log::Text,
        colour: false,
    };

    fn shell(name: &str, script: &str) -> Service {
        Service {
            name: name.to_owned(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
        }
    }

    async fn next_pid(pids: &mut watch::Receiver<Pids>, name: &str, not: Option<u32>) -> u32 {
        let known = pids.wait_for(|pids| pids.get(name).is_some_and(|pid| Some(*pid) != not));
        timeout(PATIENCE, known)
            .await
            .expect("no new process in time")
            .unwrap()[name]
    }

    fn kill(pid: u32) {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    fn runs(pid: u32) -> bool {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[tokio::test]
    async fn what_dies_is_started_again() {
        let mut supervisor = Supervisor::new(QUIET);
        let mut pids = supervisor.pids();
        supervisor.start(shell("patient", "exec sleep 1000"));

        let first = next_pid(&mut pids, "patient", None).await;
        kill(first);
        let second = next_pid(&mut pids, "patient", Some(first)).await;

        assert!(runs(second));
        supervisor.stop().await;
        assert!(!runs(second));
    }

    #[tokio::test]
    async fn all_are_stopped_the_last_one_first() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = |name: &str| {
            let log = log.display();
            format!(
                "trap 'echo {name} >> {log}; exit' TERM; touch {log}.{name}; while :; do sleep 0.05; done"
            )
        };
        let mut supervisor = Supervisor::new(QUIET);
        for name in ["first", "second"] {
            supervisor.start(shell(name, &script(name)));
            wait_for_file(&directory.path().join(format!("log.{name}"))).await;
        }

        supervisor.stop().await;

        assert_eq!(fs::read_to_string(log).unwrap(), "second\nfirst\n");
    }

    #[tokio::test]
    async fn what_a_process_has_started_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("grandchild");
        let script = format!(
            "sleep 1000 & echo $! > {0}.draft; mv {0}.draft {0}; wait",
            file.display()
        );
        let mut supervisor = Supervisor::new(QUIET);
        supervisor.start(shell("parent", &script));
        wait_for_file(&file).await;
        let grandchild: u32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();

        supervisor.stop().await;

        let gone = async {
            // Nobody waits for it but init, which may take a moment to.
            while runs(grandchild) && !is_zombie(grandchild) {
                sleep(PROBE_INTERVAL).await;
            }
        };
        timeout(PATIENCE, gone)
            .await
            .expect("the grandchild is still there");
    }

    #[tokio::test]
    async fn process_that_does_not_come_up_is_quoted() {
        let mut supervisor = Supervisor::new(QUIET);
        let address = local_servers::free_address().unwrap();
        let nowhere = Probe::Http(format!("http://{address}/"));

        let script = r#"echo "$GREETING, my port is taken" >&2; exit 1"#;
        let error = supervisor
            .start_and_wait(shell("host", script), &nowhere, PATIENCE)
            .await
            .unwrap_err();

        let text = format!("{error:#}");
        assert!(text.contains("host did not become ready"), "{text}");
        assert!(text.contains("  | hello, my port is taken"), "{text}");
        assert!(text.contains("it ended 3 times"), "{text}");
        supervisor.stop().await;
    }

    #[tokio::test]
    async fn missing_program_is_told() {
        let mut supervisor = Supervisor::new(QUIET);
        let mut service = shell("host", "");
        service.program = "/no/such/program".into();
        let nobody = Probe::Http("http://127.0.0.1:1/".to_owned());

        let error = supervisor
            .start_and_wait(service, &nobody, PATIENCE)
            .await
            .unwrap_err();

        assert!(format!("{error:#}").contains("/no/such/program"), "{error:#}");
        supervisor.stop().await;
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let pauses: Vec<_> = pauses().take(12).collect();

        assert!(
            pauses[0] >= FIRST_PAUSE && pauses[0] <= 2 * FIRST_PAUSE,
            "{pauses:?}"
        );
        assert!(pauses[2] > pauses[0], "{pauses:?}");
        assert!(
            pauses.iter().all(|pause| *pause <= 2 * LONGEST_PAUSE),
            "{pauses:?}"
        );
        assert!(pauses[11] >= LONGEST_PAUSE, "{pauses:?}");
    }

    async fn wait_for_file(path: &Path) {
        let there = async {
            while !path.exists() {
                sleep(PROBE_INTERVAL).await;
            }
        };
        timeout(PATIENCE, there).await.expect("the file does not appear");
    }

    fn is_zombie(pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }
}
