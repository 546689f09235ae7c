//! TLS to Redis and to the messenger. Variables say whom to trust, so the sidecar is a program of its own.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use local_servers::Server;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{ALICE, BOB, Client, Messenger, Program, soon};

/// Redis and a messenger that take TLS only, with one certificate.
struct Servers {
    certificate: CertifiedKey<KeyPair>,
    redis: Server,
    /// The messenger's origin.
    messenger: String,
}

impl Servers {
    async fn start() -> Servers {
        let certificate = self_signed();
        let key = certificate.signing_key.serialize_pem();
        Servers {
            redis: Server::redis_by_tls(&certificate.cert.pem(), &key).unwrap(),
            messenger: end_tls(&Messenger::start().await, &certificate).await,
            certificate,
        }
    }

    /// Starts a sidecar that trusts the authorities in a file.
    async fn sidecar(&self, authorities: &Path, stderr: Stdio) -> Program {
        let trust = [("SSL_CERT_FILE", authorities)];
        Program::start(&self.messenger, &self.redis.url(), stderr, &trust).await
    }
}

/// A certificate for this machine, which is its own authority.
fn self_signed() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// A file with the certificate of an authority.
fn file(certificate: &CertifiedKey<KeyPair>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.cert.pem().as_bytes()).unwrap();
    file
}

/// Ends TLS in front of the messenger, and returns the origin.
async fn end_tls(messenger: &Messenger, certificate: &CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = messenger.origin.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn sidecars_relay_by_a_redis_and_a_messenger_of_a_private_authority() {
    let servers = Servers::start().await;
    let authorities = file(&servers.certificate);
    let left = servers.sidecar(authorities.path(), Stdio::null()).await;
    let right = servers.sidecar(authorities.path(), Stdio::null()).await;
    left.becomes("200").await;
    right.becomes("200").await;
    let mut alice = Client::signed_in_at(left.address, ALICE).await;
    let mut bob = Client::signed_in_at(right.address, BOB).await;
    bob.say("here").await;
    alice.hears("here").await;
    bob.hears("here").await;
    // The messenger's answer to a beat may have been faster.
    let received = async { while left.metric("mayday_sidecar_publications_received_total").await == 0 {} };
    soon(received).await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_the_log_says_so() {
    let servers = Servers::start().await;
    let authorities = file(&self_signed());
    let mut sidecar = servers.sidecar(authorities.path(), Stdio::piped()).await;
    let mut log = BufReader::new(sidecar.child.stderr.take().unwrap()).lines();
    let mut expected = vec!["Redis: subscription: ", "exchange with the messenger: "];
    while !expected.is_empty() {
        let line = soon(log.next_line()).await.unwrap().expect("it goes on");
        if line.contains("invalid peer certificate: ") {
            expected.retain(|what| !line.contains(what));
        }
    }
    let answer = sidecar.get("/readyz").await;
    assert!(
        answer.contains("\r\n\r\nredis: unavailable\nmessenger: unavailable\ntraceId: "),
        "{answer}"
    );
}
