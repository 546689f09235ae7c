//! What components print.

use std::fs;

use crate::support::Setup;

/// `crates/trigger/src/cli/stdio.rs`, `component_stdio_writer`; `crates/runtime-config/src/lib.rs`, `log_dir` and
/// `state_dir`.
#[tokio::test]
async fn output_is_added_to_a_file_per_component_and_stream() {
    let host = Setup::new().start();
    host.get("/print?text=one").await;
    host.get("/print?text=two").await;
    let logs = host.dir.path().join(".spin/logs");
    for stream in ["stdout", "stderr"] {
        let log = fs::read_to_string(logs.join(format!("probe_{stream}.txt"))).unwrap();
        assert_eq!(log, "one\ntwo\n");
    }
}

/// The same places: the flag decides where.
#[tokio::test]
async fn logs_are_in_the_state_directory() {
    let setup = Setup::new();
    let state = setup.dir.path().join("state");
    let host = setup
        .options(|options| options.state_dir = Some(state.clone()))
        .start();
    host.get("/print?text=one").await;
    assert_eq!(
        fs::read_to_string(state.join("logs/probe_stdout.txt")).unwrap(),
        "one\n"
    );
}
