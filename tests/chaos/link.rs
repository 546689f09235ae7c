//! Links between processes: small TCP proxies that can be cut, stalled or delayed. The address of a link stays the same
//! when the process behind it is restarted at another one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How many pieces of data may be queued in each direction of a connection.
const WAITING: usize = 1024;

/// Where a process listens; none while it is down.
pub type Place = Option<Listens>;

/// An address of either kind.
#[derive(Clone, Debug)]
pub enum Listens {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Open,
    /// The link drops all connections, new ones included.
    Cut,
    /// The link keeps and accepts connections. Data waits until the link opens.
    Stalled,
    /// Data arrives later by this, in its order.
    Delayed(Duration),
}

impl State {
    fn delay(self) -> Duration {
        match self {
            State::Delayed(delay) => delay,
            State::Open | State::Cut | State::Stalled => Duration::ZERO,
        }
    }
}

/// Data that was read, and the earliest time to write it.
type Piece = (Instant, Vec<u8>);

/// A link, which passes nothing any more when it is dropped.
pub struct Link {
    pub(crate) name: String,
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

impl Link {
    /// Opens a link to any of the places that is up.
    pub async fn open(name: &str, places: Vec<watch::Receiver<Place>>) -> Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::Open);
        tokio::spawn(accept(listener, places, seen));
        Ok(Link {
            name: name.to_owned(),
            address,
            state,
        })
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn accept(listener: TcpListener, places: Vec<watch::Receiver<Place>>, state: watch::Receiver<State>) {
    // Round robin, as a load balancer does it.
    let turn = AtomicUsize::new(0);
    while let Ok((client, _)) = listener.accept().await {
        if *state.borrow() == State::Cut {
            continue;
        }
        let first = turn.fetch_add(1, Ordering::Relaxed);
        let places: Vec<Listens> = (0..places.len())
            .filter_map(|offset| places[(first + offset) % places.len()].borrow().clone())
            .collect();
        tokio::spawn(pass(client, places, state.clone()));
    }
}

/// Passes the data of one connection until an end closes it or the link is cut.
async fn pass(client: TcpStream, places: Vec<Listens>, state: watch::Receiver<State>) {
    let _ = client.set_nodelay(true);
    let mut cut = state.clone();
    tokio::select! {
        _ = cut.wait_for(|state| *state == State::Cut) => {}
        () = pass_to_one(client, places, state) => {}
    }
}

async fn pass_to_one(client: TcpStream, places: Vec<Listens>, mut state: watch::Receiver<State>) {
    if flowing(&mut state).await.is_none() {
        return;
    }
    for place in places {
        match place {
            Listens::Tcp(address) => {
                if let Ok(server) = TcpStream::connect(address).await {
                    let _ = server.set_nodelay(true);
                    return pump_both(client, server, state).await;
                }
            }
            Listens::Unix(path) => {
                if let Ok(server) = UnixStream::connect(path).await {
                    return pump_both(client, server, state).await;
                }
            }
        }
    }
}

async fn pump_both(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite + Unpin,
    state: watch::Receiver<State>,
) {
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = tokio::io::split(server);
    let _ = tokio::try_join!(
        pump(client_reads, server_writes, state.clone()),
        pump(server_reads, client_writes, state),
    );
}

async fn pump(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    state: watch::Receiver<State>,
) -> std::io::Result<()> {
    let (waits, waiting) = mpsc::channel(WAITING);
    tokio::try_join!(
        read_all(from, waits, state.clone()),
        write_all(waiting, to, state)
    )
    .map(|_| ())
}

async fn read_all(
    mut from: impl AsyncRead + Unpin,
    waits: mpsc::Sender<Piece>,
    state: watch::Receiver<State>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let due = Instant::now() + state.borrow().delay();
        if read == 0 || waits.send((due, buffer[..read].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

async fn write_all(
    mut waiting: mpsc::Receiver<Piece>,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) -> std::io::Result<()> {
    while let Some((due, bytes)) = waiting.recv().await {
        sleep_until(due).await;
        if flowing(&mut state).await.is_none() {
            return Ok(());
        }
        to.write_all(&bytes).await?;
    }
    to.shutdown().await
}

/// Waits while the link is stalled. None when the link is gone.
async fn flowing(state: &mut watch::Receiver<State>) -> Option<()> {
    state
        .wait_for(|state| *state != State::Stalled)
        .await
        .ok()
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// An echo behind a link.
    async fn echo() -> (Link, watch::Sender<Place>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = watch::Sender::new(Some(Listens::Tcp(listener.local_addr().unwrap())));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    let _ = tokio::io::copy(&mut reads, &mut writes).await;
                });
            }
        });
        let link = Link::open("echo", vec![place.subscribe()]).await.unwrap();
        (link, place)
    }

    async fn says_back(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(&[7]).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn cut_link_drops_connections_and_heals() {
        let (link, _place) = echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(says_back(&mut stream).await.unwrap(), 7);

        link.set(State::Cut);
        assert!(says_back(&mut stream).await.is_err());
        let mut refused = TcpStream::connect(link.address).await.unwrap();
        assert!(says_back(&mut refused).await.is_err());

        link.set(State::Open);
        let mut healed = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(says_back(&mut healed).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn stalled_link_passes_everything_late() {
        let (link, _place) = echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(says_back(&mut stream).await.unwrap(), 7);

        link.set(State::Stalled);
        let a_while = Duration::from_millis(50);
        assert!(timeout(a_while, says_back(&mut stream)).await.is_err());
        link.set(State::Open);

        assert_eq!(stream.read_u8().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn delayed_link_passes_everything_later_and_in_order() {
        let (link, _place) = echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        let delay = Duration::from_millis(50);
        link.set(State::Delayed(delay));
        let start = Instant::now();
        stream.write_all(&[1, 2]).await.unwrap();
        stream.write_all(&[3]).await.unwrap();

        let mut back = [0; 3];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [1, 2, 3]);
        // There and back.
        assert!(start.elapsed() >= 2 * delay);
    }

    #[tokio::test]
    async fn link_leads_to_where_the_process_listens_now() {
        let (link, place) = echo().await;
        place.send_replace(None);
        let mut nobody = TcpStream::connect(link.address).await.unwrap();
        assert!(says_back(&mut nobody).await.is_err());
    }
}
