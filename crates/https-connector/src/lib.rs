//! The connections of our HTTP clients, plain or by TLS.
//!
//! They trust the certificate authorities of the machine, or instead of them those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name. So do the clients of Redis and of libSQL servers.

use std::sync::LazyLock;

use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};

/// What connects to `http://` and `https://`.
pub type HttpsConnector = hyper_rustls::HttpsConnector<HttpConnector>;

/// Read once: authorities may be many files.
static TLS: LazyLock<ClientConfig> = LazyLock::new(|| {
    // A process without HTTPS calls needs no authorities.
    let trusting = ClientConfig::builder()
        .with_native_roots()
        .unwrap_or_else(|error| {
            tracing::warn!("every certificate will be refused: {error}");
            ClientConfig::builder().with_root_certificates(RootCertStore::empty())
        });
    trusting.with_no_client_auth()
});

/// Connects as `tcp` does, and by TLS where the address begins with `https://`.
pub fn by_tls_or_not(mut tcp: HttpConnector) -> HttpsConnector {
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new()
        .with_tls_config(TLS.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}
