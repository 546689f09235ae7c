//! Redis by TLS: `rediss://`.
//!
//! Spin's stores, connections and triggers speak it (`tokio-native-tls-comp` in `crates/key-value-redis/Cargo.toml` and
//! `crates/factor-outbound-redis/Cargo.toml`, and thereby in the trigger's `redis` too). A variable says whom to trust,
//! so the host is a program of its own.

use std::{io::Write as _, process::Stdio};

use local_servers::Server;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use crate::{
    process::Program,
    support::{DEADLINE, Setup, trigger},
};

const REDIS_TRIGGER: &str = "[[trigger.redis]]\nchannel = \"one\"\ncomponent = \"probe\"\n";

/// A certificate for this machine, which is its own authority.
fn self_signed() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// A Redis server with this certificate.
fn redis(certificate: &CertifiedKey<KeyPair>) -> Server {
    let key = certificate.signing_key.serialize_pem();
    Server::redis_by_tls(&certificate.cert.pem(), &key).unwrap()
}

/// A file with the certificate of an authority.
fn file(certificate: &CertifiedKey<KeyPair>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.cert.pem().as_bytes()).unwrap();
    file
}

/// The probe, with all that it may do with the server.
fn setup(url: &str, triggers: &str) -> Setup {
    Setup::new()
        .triggers(triggers)
        .sections(&format!("[application.trigger.redis]\naddress = {url:?}"))
        .component("key_value_stores = [\"store\"]")
        .component(&format!("allowed_outbound_hosts = [{url:?}]"))
        .runtime(&format!(
            "[key_value_store.store]\ntype = \"redis\"\nurl = {url:?}"
        ))
}

/// The host, which trusts the authorities in a file.
fn start(setup: &Setup, authorities: &NamedTempFile) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayday-host"));
    command
        .arg("-f")
        .arg(setup.write())
        .args(["--listen", "127.0.0.1:0", "--runtime-config-file"])
        .arg(setup.options.runtime_config_file.as_ref().unwrap())
        .env("SSL_CERT_FILE", authorities.path());
    Program::spawn(command, Stdio::piped())
}

/// The whole answer to a body.
async fn post(address: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {length}\r\n\r\n{body}");
    let mut answer = String::new();
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut answer).await.unwrap();
    };
    timeout(DEADLINE, ask).await.expect("an answer in time");
    answer
}

#[tokio::test]
async fn stores_connections_and_triggers_trust_a_private_authority() {
    let certificate = self_signed();
    let (redis, authorities) = (redis(&certificate), file(&certificate));
    let triggers = trigger("/...", "probe") + REDIS_TRIGGER;
    let setup = setup(&redis.url(), &triggers);
    let mut program = start(&setup, &authorities);
    let address = program.line("Serving http://").await;
    let connection = format!("/redis?address={}", redis.url());

    let answer = post(&address, "/key-value?store=store", "set a 1\nget a").await;
    assert!(answer.contains("Ok(())\nOk(Some(\"1\"))\n"), "{answer}");
    let answer = post(&address, &connection, "get a").await;
    assert!(answer.contains("Ok(Some(Ok(\"1\")))\n"), "{answer}");

    // The probe's commands have no spaces, and its messages have. The answer is how many subscribers there are.
    let message = "'store'..string.char(32)..'key'..string.char(32)..'2'";
    let publish = format!("> EVAL return(redis.call('publish','one',{message})) 0");
    let handled = async {
        while !post(&address, &connection, &publish).await.contains("Int64(1)") {}
        while !post(&address, &connection, "get key")
            .await
            .contains("Ok(Some(Ok(\"2\")))")
        {}
    };
    timeout(DEADLINE, handled).await.expect("the message is handled");
    program.terminate();
    assert!(program.end().await.0);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (redis, authorities) = (redis(&self_signed()), file(&self_signed()));
    let web = setup(&redis.url(), &trigger("/...", "probe"));
    let mut program = start(&web, &authorities);
    let address = program.line("Serving http://").await;
    let connection = format!("/redis?address={}", redis.url());
    let answer = post(&address, &connection, "get a").await;
    assert!(answer.contains("Error::Other("), "{answer}");
    assert!(answer.contains("invalid peer certificate: "), "{answer}");
    program.terminate();
    assert!(program.end().await.0);

    let (ended_well, errors) = start(&setup(&redis.url(), REDIS_TRIGGER), &authorities)
        .end()
        .await;
    assert!(!ended_well);
    assert!(
        errors.contains("Redis trigger failed to connect to 127.0.0.1:"),
        "{errors}"
    );
    assert!(errors.contains("invalid peer certificate: "), "{errors}");
}
