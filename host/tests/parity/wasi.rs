//! What a component can see of the system: almost nothing.

use std::net::TcpListener;

use crate::support::Setup;

/// `crates/factor-wasi/src/lib.rs`, `prepare`; `src/commands/up.rs`, `update_locked_app` (`--env` comes last).
#[tokio::test]
async fn the_environment_is_the_manifests_and_the_flags() {
    let host = Setup::new()
        .component("environment = { A = \"1\", B = \"2\" }")
        .options(|options| options.env.push(("C".to_owned(), "3".to_owned())))
        .start();
    assert_eq!(host.get("/environment").await, "A=1\nB=2\nC=3\n");
}

/// `crates/factor-wasi/src/lib.rs`, `prepare`: no arguments, and no directories but those of `files`.
#[tokio::test]
async fn there_are_no_arguments_and_no_files() {
    let host = Setup::new().start();
    assert_eq!(host.get("/arguments").await, "[]\n");
    assert!(host.get("/files").await.starts_with("Err("));
}

/// `crates/factor-outbound-networking/src/lib.rs`, `prepare`: sockets go where `tcp://` hosts are allowed.
#[tokio::test]
async fn sockets_need_an_allowed_tcp_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let denied = Setup::new()
        .component(&format!("allowed_outbound_hosts = [\"http://{address}\"]"))
        .start();
    assert_eq!(
        denied.get(&format!("/socket?address={address}")).await,
        "Err(PermissionDenied)\n"
    );
    let allowed = Setup::new()
        .component(&format!("allowed_outbound_hosts = [\"tcp://{address}\"]"))
        .start();
    assert_eq!(
        allowed.get(&format!("/socket?address={address}")).await,
        "Ok(())\n"
    );
}
