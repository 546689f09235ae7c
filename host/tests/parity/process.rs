//! The host as a program: its flags, what it prints, how it stops.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::support::{DEADLINE, Redis, Setup};

pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(from: &Path, arguments: &[&str]) -> Self {
        Self::start_with_stderr(from, arguments, Stdio::piped())
    }

    fn start_with_stderr(from: &Path, arguments: &[&str], stderr: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayday-host"));
        command
            .arg("-f")
            .arg(from)
            .args(arguments)
            .env("SPIN_VARIABLE_SECRET", "from-the-environment");
        Self::spawn(command, stderr)
    }

    pub(crate) fn spawn(mut command: Command, stderr: Stdio) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that begins with `start` and returns the rest of it.
    pub(crate) async fn line(&mut self, start: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.to_owned();
                }
            }
            panic!("the program ended without printing {start:?}");
        };
        timeout(DEADLINE, find).await.expect("a line in time")
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Whether it ended well, and what it wrote to stderr.
    pub(crate) async fn end(mut self) -> (bool, String) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        timeout(DEADLINE, stderr.read_to_string(&mut errors))
            .await
            .unwrap()
            .unwrap();
        (
            timeout(DEADLINE, self.child.wait())
                .await
                .unwrap()
                .unwrap()
                .success(),
            errors,
        )
    }
}

pub(crate) async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    response
}

/// `crates/trigger-http/src/server.rs`, `print_startup_msgs`; `crates/variables-env/src/lib.rs`, `get_sync`.
#[tokio::test]
async fn it_prints_where_it_serves_and_takes_variables_from_the_environment() {
    let setup = Setup::new()
        .sections("[variables]\nsecret = { required = true, secret = true }")
        .sections("[component.probe.variables]\nmine = \"{{ secret }}\"");
    let mut program = Program::start(&setup.write(), &["--listen", "127.0.0.1:0", "-e", "A=1"]);
    let address = program.line("Serving http://").await;
    assert_eq!(
        program.line("  probe: ").await,
        format!("http://{address} (wildcard)")
    );
    let answer = get(&address, "/variable?name=mine").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Ok(\"from-the-environment\")"), "{answer}");
    assert!(get(&address, "/environment").await.contains("A=1"));
    program.terminate();
    assert!(program.end().await.0);
}

/// `crates/trigger/src/cli/stdio.rs`, `FollowComponents`: output is shown as well, unless `--quiet` is set.
#[tokio::test]
async fn output_is_echoed_to_stderr_unless_quiet() {
    for (flag, shown) in [("--disable-cache", true), ("--quiet", false)] {
        let setup = Setup::new();
        let mut program = Program::start(&setup.write(), &["--listen", "127.0.0.1:0", flag]);
        let address = program.line("Serving http://").await;
        get(&address, "/print?text=look-here").await;
        program.terminate();
        let (_, errors) = program.end().await;
        assert_eq!(errors.contains("look-here"), shown, "{errors}");
    }
}

/// Not a rule of Spin's. What a component prints has the trace of its request.
#[tokio::test]
async fn a_structured_log_has_a_json_object_for_each_line_of_a_component() {
    let setup = Setup::new();
    let arguments = ["--listen", "127.0.0.1:0", "--log", "json"];
    let mut program = Program::start(&setup.write(), &arguments);
    let address = program.line("Serving http://").await;
    get(&address, "/print?text=look-here").await;
    get(&address, "/panic").await;
    program.terminate();
    let (_, errors) = program.end().await;
    let lines: Vec<serde_json::Value> = errors
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let printed: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "look-here")
        .collect();
    assert_eq!(printed.len(), 2, "to stdout and to stderr: {errors}");
    for line in &printed {
        assert_eq!(line["component"], "probe");
        assert_eq!(line["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(line["traceId"], printed[0]["traceId"]);
    }
    let failed = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!(failed["traceId"].as_str().unwrap().len(), 32);
    assert_ne!(failed["traceId"], printed[0]["traceId"]);
}

/// Not a rule of Spin's. Behind a proxy, the peer is always the proxy. The services are told the peer's address in a
/// header that the client may have sent as well.
#[tokio::test]
async fn refusals_are_logged_with_the_address_that_the_proxy_reports() {
    for (header, expected) in [
        ("x-forwarded-for", "192.0.2.7: "),
        ("spin-client-addr", "127.0.0.1:"),
    ] {
        let variables = format!("[variables]\nclient_address_header = {{ default = {header:?} }}");
        let setup = Setup::new().sections(&variables);
        let mut program = Program::start(&setup.write(), &["--listen", "127.0.0.1:0"]);
        let address = program.line("Serving http://").await;
        let mut client = TcpStream::connect(&address).await.unwrap();
        let head = format!("POST /echo HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        let sender = format!("{header}: 203.0.113.9, 192.0.2.7\r\ncontent-length: 17000000\r\n");
        client
            .write_all(format!("{head}{sender}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, client.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        program.terminate();
        let (_, errors) = program.end().await;
        assert!(
            errors.contains(&format!("refused a request of {expected}")),
            "{errors}"
        );
    }
}

/// Spin just ends. The host answers requests in flight first.
#[tokio::test]
async fn a_request_in_flight_is_finished_before_it_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = listener.local_addr().unwrap();
    let setup = Setup::new().component(&format!("allowed_outbound_hosts = [\"http://{slow}\"]"));
    let mut program = Program::start(&setup.write(), &["--listen", "127.0.0.1:0"]);
    let address = program.line("Serving http://").await;
    let client = tokio::spawn({
        let address = address.clone();
        async move { get(&address, &format!("/fetch?url=http://{slow}/")).await }
    });
    let (mut stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    program.terminate();
    // Wait until the host has closed its listener.
    let refused = async { while TcpStream::connect(&address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")
        .await
        .unwrap();
    assert!(client.await.unwrap().contains("done"));
    assert!(program.end().await.0);
}

/// `crates/trigger-redis/src/lib.rs`, `run_listener`, and `src/commands/up.rs`: the process fails when its connection
/// ends.
#[tokio::test]
async fn it_fails_when_redis_goes_away() {
    let mut redis = Redis::start();
    let setup = Setup::new()
        .triggers("[[trigger.redis]]\nchannel = \"one\"\ncomponent = \"probe\"\n")
        .sections(&format!("[application.trigger.redis]\naddress = {:?}", redis.url));
    let mut program = Program::start(&setup.write(), &[]);
    program.line("Active Channels on ").await;
    redis.stop();
    let (ended_well, errors) = program.end().await;
    assert!(!ended_well);
    assert!(errors.contains("disconnected from"), "{errors}");
}

/// The error lists every mistake, and nothing is served.
#[tokio::test]
async fn it_refuses_an_application_it_cannot_run() {
    let setup = Setup::new().component("files = [\"x\"]");
    let (ended_well, errors) = Program::start(&setup.write(), &["--listen", "127.0.0.1:0"])
        .end()
        .await;
    assert!(!ended_well);
    assert!(errors.contains("the key \"files\" is not supported"), "{errors}");
}

/// What cannot be logged is dropped: standard error may be a file on a full disk, or a pipe whose reader is gone.
#[tokio::test]
async fn it_serves_while_nothing_can_be_logged() {
    let (reader, closed_pipe) = std::io::pipe().unwrap();
    drop(reader);
    let full_disk = std::fs::File::options().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(full_disk), Stdio::from(closed_pipe)] {
        let setup = Setup::new();
        let from = setup.write();
        let mut program = Program::start_with_stderr(&from, &["--listen", "127.0.0.1:0"], stderr);
        let address = program.line("Serving http://").await;
        // The component prints, and the host logs that a component has failed.
        assert!(
            get(&address, "/print?text=unheard")
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
        assert!(get(&address, "/panic").await.starts_with("HTTP/1.1 500 "));
        assert!(
            get(&address, "/print?text=unheard")
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
        program.terminate();
        assert!(
            timeout(DEADLINE, program.child.wait())
                .await
                .unwrap()
                .unwrap()
                .success()
        );
    }
}

/// The same for the log files of components: the output is dropped, and requests are answered.
#[tokio::test]
async fn a_component_is_served_while_its_own_log_is_full() {
    let setup = Setup::new();
    let logs = setup.dir.path().join("state/logs");
    std::fs::create_dir_all(&logs).unwrap();
    for stream in ["stdout", "stderr"] {
        std::os::unix::fs::symlink("/dev/full", logs.join(format!("probe_{stream}.txt"))).unwrap();
    }
    let state = setup.dir.path().join("state");
    let host = setup.options(|options| options.state_dir = Some(state)).start();
    let before = log_writer::dropped_lines();
    assert_eq!(host.get("/print?text=unheard").await, "");
    // One line of standard output, and one of standard error, whose text and line break come one by one.
    assert_eq!(log_writer::dropped_lines(), before + 2);
}

/// Standard output may be on a full disk as well. The host prints its address there when it is ready.
#[tokio::test]
async fn it_serves_while_its_standard_output_is_full() {
    let setup = Setup::new();
    let address = crate::support::free_address().to_string();
    let full_disk = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mayday-host"))
        .arg("-f")
        .arg(setup.write())
        .args(["--listen", &address])
        .stdout(full_disk)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let answered = async {
        while TcpStream::connect(&address).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            tokio::task::yield_now().await;
        }
        get(&address, "/.well-known/spin/health").await
    };
    let answer = timeout(DEADLINE, answered).await.unwrap();
    assert!(answer.ends_with("OK"), "{answer}");
}
