//! `cargo xtask up --host spin`, with a program in Spin's place: it notes how it is started, and hands its flags on to
//! the embedded host, which has the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mayday_tests::programs::{beside_this_program, workspace};
use mayday_tests::secrecy;
use mayday_tests::up::{Layout, Up};

use crate::support::door::Door;
use crate::support::people;

fn script(path: PathBuf, lines: &str) -> PathBuf {
    fs::write(&path, format!("#!/bin/sh\n{lines}")).expect("a writable folder");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("our own file");
    path
}

/// The words of a command line.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[tokio::test]
async fn the_components_are_run_by_the_spin_on_the_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = |name| beside_this_program(name).expect("run the tests with `cargo xtask test`");
    let (host, xtask) = (program("mayday-host"), program("xtask"));
    let log = folder.path().join("log");
    let spin = format!("echo \"$*\" >>{log:?}\nshift\nexec {host:?} \"$@\"\n");
    script(folder.path().join("spin"), &spin);
    let up = format!(
        "PATH={:?}:$PATH exec {xtask:?} \"$@\" --host spin\n",
        folder.path()
    );
    let up = script(folder.path().join("up"), &up);

    let system = Up::start(&up, workspace(), Layout::default(), 1, &[]).await;
    let system = system.expect("the system gets ready");

    let door = Door::network(system.origin());
    let person = people::sign_up(&door, "p@example.org").await;
    assert_eq!(person.get("/participant/profile").await.status, 200);
    let log = fs::read_to_string(log).expect("a log");
    let mut lines: Vec<Vec<&str>> = log.lines().map(words).collect();
    lines.sort_by_key(|line| line.contains(&"dispatcher"));
    let manifest = workspace().join("spin.toml");
    for line in &lines {
        assert_eq!(line[..2], ["up", "-f"], "{log}");
        assert_eq!(Path::new(line[2]), manifest);
        assert_eq!((line[3], line[5]), ("--runtime-config-file", "--state-dir"));
    }
    let services = "-c organizer -c participant -c messenger -c web --listen";
    let components: Vec<_> = lines.iter().map(|line| &line[7..]).collect();
    assert_eq!(components.len(), 2, "{log}");
    assert_eq!(components[0][..9].join(" "), services);
    assert_eq!(format!("http://{}", components[0][9]), system.origin());
    assert_eq!(components[1], ["-c", "dispatcher"]);
    secrecy::check_directory(&system.state().path().join("mayday/logs"));
}
