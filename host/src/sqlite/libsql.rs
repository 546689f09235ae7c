//! A database that is a libSQL server, spoken to over HTTP.
//!
//! Parity: Spin's `crates/sqlite-libsql/src/lib.rs` and `crates/sqlite/src/lib.rs` (`check_url`). Every connection has
//! a client and thus a TCP connection of its own, and each statement is a round trip. Spin finds its certificate
//! authorities on the machine, and so does this.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::libsql::Builder;
use anyhow::{Context as _, ensure};
use futures_util::future::BoxFuture;
use hyper_0_14::{
    Uri,
    client::{HttpConnector, connect},
    service::Service,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OnceCell,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::rows::Rows;
use crate::bindings::spin::sqlite::sqlite::{Error, QueryResult, Value};

pub(super) struct Database {
    url: String,
    token: String,
    connector: Connector,
    client: OnceCell<::libsql::Database>,
}

pub(super) struct Connection {
    database: Arc<Database>,
    open: OnceCell<::libsql::Connection>,
}

impl Database {
    pub(super) fn new(url: String, token: String) -> anyhow::Result<Self> {
        let is_https = url.starts_with("https://");
        ensure!(
            is_https || url.starts_with("http://"),
            "the URL of a libSQL database must begin with https:// or http://, and {url:?} does not"
        );
        Ok(Self {
            url,
            token,
            connector: Connector::new(is_https)?,
            client: OnceCell::new(),
        })
    }

    pub(super) fn connect(self: &Arc<Self>) -> Connection {
        Connection {
            database: self.clone(),
            open: OnceCell::new(),
        }
    }

    async fn open(&self) -> ::libsql::Result<::libsql::Connection> {
        let build = || {
            Builder::new_remote(self.url.clone(), self.token.clone())
                .connector(self.connector.clone())
                .build()
        };
        self.client.get_or_try_init(build).await?.connect()
    }
}

impl Connection {
    async fn get(&self) -> Result<&::libsql::Connection, Error> {
        let open = self.open.get_or_try_init(|| self.database.open()).await;
        open.map_err(|_| Error::InvalidConnection)
    }

    pub(super) async fn execute(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Error> {
        let parameters: Vec<_> = parameters.into_iter().map(parameter).collect();
        let mut answer = self.get().await?.query(statement, parameters).await.map_err(io)?;
        let count = answer.column_count();
        let columns = (0..count)
            .map(|index| answer.column_name(index).unwrap_or_default().to_owned())
            .collect();
        let mut rows = Rows::default();
        while let Some(row) = answer.next().await.map_err(io)? {
            let values = (0..count)
                .map(|index| row.get_value(index).map(value).map_err(io))
                .collect::<Result<Vec<_>, _>>()?;
            rows.push(values)?;
        }
        Ok(rows.under(columns))
    }

    /// The library does not learn it from what `execute` asks: it stays 0, in Spin too.
    pub(super) async fn last_insert_rowid(&self) -> Result<i64, Error> {
        Ok(self.get().await?.last_insert_rowid())
    }

    /// The same.
    pub(super) async fn changes(&self) -> Result<u64, Error> {
        Ok(self.get().await?.changes())
    }
}

fn parameter(value: Value) -> ::libsql::Value {
    match value {
        Value::Null => ::libsql::Value::Null,
        Value::Integer(integer) => ::libsql::Value::Integer(integer),
        Value::Real(real) => ::libsql::Value::Real(real),
        Value::Text(text) => ::libsql::Value::Text(text),
        Value::Blob(blob) => ::libsql::Value::Blob(blob),
    }
}

fn value(value: ::libsql::Value) -> Value {
    match value {
        ::libsql::Value::Null => Value::Null,
        ::libsql::Value::Integer(integer) => Value::Integer(integer),
        ::libsql::Value::Real(real) => Value::Real(real),
        ::libsql::Value::Text(text) => Value::Text(text),
        ::libsql::Value::Blob(blob) => Value::Blob(blob),
    }
}

fn io(error: ::libsql::Error) -> Error {
    Error::Io(error.to_string())
}

/// Connects the library's client to the server. The library's own connector is of an old TLS library.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Connector {
    fn new(is_https: bool) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = is_https.then(tls).transpose()?;
        Ok(Self { tcp, tls })
    }
}

/// TLS that trusts whom the machine trusts, and offers no protocol but HTTP/1.1.
fn tls() -> anyhow::Result<TlsConnector> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    ensure!(
        added > 0,
        "found no certificate authorities on this machine: {:?}",
        found.errors
    );
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("could not configure TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Socket, Failure>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(context).map_err(Failure::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, tls) = (self.tcp.call(uri.clone()), self.tls.clone());
        Box::pin(async move {
            let tcp = connecting.await?;
            let Some(tls) = tls else {
                return Ok(Socket::Plain(tcp));
            };
            // An IPv6 address has brackets in a URI.
            let host = uri.host().unwrap_or_default();
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
            Ok(Socket::Encrypted(Box::new(tls.connect(name, tcp).await?)))
        })
    }
}

enum Socket {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl connect::Connection for Socket {
    fn connected(&self) -> connect::Connected {
        connect::Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
