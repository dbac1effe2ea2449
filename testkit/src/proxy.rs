//! A TCP proxy that can go silent or be slow, as a network does.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::wait::{DEADLINE, watched};

/// The most that is read, shown to a predicate and passed on in one piece.
const PIECE: usize = 64 * 1024;

/// Forwards connections on 127.0.0.1 to another address, with faults on request.
///
/// A silent connection is what a half-open one looks like to both ends: it stays open, bytes can be sent into it,
/// and nothing comes out on the other side, not even that the peer has closed. What is held back is not lost:
/// [`resume`](Self::resume) passes it on. Dropping the proxy closes all its connections.
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    Silent,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

type Predicate = Box<dyn FnMut(&[u8]) -> bool + Send>;

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    events: watch::Sender<Events>,
    /// Bytes a second, 0 for as many as there are.
    pace: AtomicU32,
}

struct State {
    new_connections: Mode,
    connections: Vec<watch::Sender<Mode>>,
    trap: Option<(Sender, Predicate)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Events {
    accepted: usize,
    trapped: bool,
}

impl TcpProxy {
    /// Starts forwarding a free port on 127.0.0.1 to `upstream`, which need not be listening yet. Must be called
    /// within a tokio runtime.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("the proxy cannot listen: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("the proxy has no address: {error}"));
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::new(State { new_connections: Mode::Forward, connections: Vec::new(), trap: None }),
            events: watch::Sender::new(Events::default()),
            pace: AtomicU32::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Where clients are to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets no more than so many bytes a second through, in each direction of each connection, from now on.
    pub fn throttle(&self, bytes_per_second: u32) {
        self.shared.pace.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Makes every connection silent, those to come as well. Only bytes that the proxy had already read may still
    /// come through.
    pub fn silence(&self) {
        self.shared.state().silence_all();
    }

    /// Makes the connections that exist silent; new ones are forwarded.
    pub fn silence_existing(&self) {
        self.shared.state().set_existing(Mode::Silent);
    }

    /// Forwards new connections again; those that are silent stay so.
    pub fn heal(&self) {
        self.shared.state().new_connections = Mode::Forward;
    }

    /// Forwards everything again, including what silent connections held back.
    pub fn resume(&self) {
        let mut state = self.shared.state();
        state.new_connections = Mode::Forward;
        state.set_existing(Mode::Forward);
    }

    /// Closes every connection, on both sides. Says nothing about new ones.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        state.set_existing(Mode::Closed);
        state.connections.clear();
    }

    /// As soon as a client sends a piece that satisfies `matches`, does what [`silence`](Self::silence) does, before
    /// that piece is passed on. Happens once; replaces an earlier call that has not matched.
    ///
    /// A piece is what one read returned, at most 64 KiB: for small requests the whole request, for large ones part
    /// of it. Only pieces read after the call are looked at.
    pub fn silence_when_client_sends(&self, matches: impl FnMut(&[u8]) -> bool + Send + 'static) {
        self.set_trap(Sender::Client, Box::new(matches));
    }

    /// The same as [`silence_when_client_sends`](Self::silence_when_client_sends) for replies: the server has executed
    /// the command, and its reply is lost.
    pub fn silence_when_server_sends(&self, matches: impl FnMut(&[u8]) -> bool + Send + 'static) {
        self.set_trap(Sender::Server, Box::new(matches));
    }

    /// Waits until the predicate given last has matched and everything is silent.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn silenced(&self) {
        self.wait_for_events(|events| events.trapped, "the piece that silences the proxy").await;
    }

    /// How many connections have been accepted since the start, including those that have ended.
    pub fn connections(&self) -> usize {
        self.shared.events.borrow().accepted
    }

    /// Waits until `count` connections have been accepted since the start.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for_connections(&self, count: usize) {
        self.wait_for_events(|events| events.accepted >= count, &format!("{count} connections")).await;
    }

    fn set_trap(&self, sender: Sender, matches: Predicate) {
        let mut state = self.shared.state();
        state.trap = Some((sender, matches));
        self.shared.events.send_modify(|events| events.trapped = false);
    }

    async fn wait_for_events(&self, condition: impl Fn(&Events) -> bool, what: &str) {
        let complaint = |events: &Events| format!("{what}; so far {events:?}");
        watched(&self.shared.events, DEADLINE, condition, |_| (), complaint).await;
    }
}

impl std::fmt::Debug for TcpProxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events = *self.shared.events.borrow();
        formatter
            .debug_struct("TcpProxy")
            .field("address", &self.address)
            .field("upstream", &self.shared.upstream)
            .field("events", &events)
            .finish_non_exhaustive()
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Whether `needle` occurs in `bytes`; for predicates on a piece.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A test's predicate may panic under the lock; what it guards is whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Silences everything if this piece is the one waited for.
    fn inspect(&self, sender: Sender, piece: &[u8]) {
        let mut state = self.state();
        let caught = match &mut state.trap {
            Some((from, matches)) => *from == sender && matches(piece),
            None => false,
        };
        if caught {
            state.trap = None;
            state.silence_all();
            self.events.send_modify(|events| events.trapped = true);
        }
    }
}

impl State {
    fn silence_all(&mut self) {
        self.new_connections = Mode::Silent;
        self.set_existing(Mode::Silent);
    }

    fn set_existing(&mut self, mode: Mode) {
        self.connections.retain(|connection| !connection.is_closed());
        for connection in &self.connections {
            connection.send_replace(mode);
        }
    }

    fn add_connection(&mut self) -> watch::Receiver<Mode> {
        let (sender, receiver) = watch::channel(self.new_connections);
        self.connections.push(sender);
        receiver
    }
}

/// Accepts until it is aborted, which ends the connections as well: they are tasks of its set.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                let mode = shared.state().add_connection();
                shared.events.send_modify(|events| events.accepted += 1);
                connections.spawn(carry(client, mode, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until both ends have closed it, it fails, or it is cut.
async fn carry(client: TcpStream, mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    let mut closing = mode.clone();
    let carrying = async {
        forwarding(&mut mode.clone()).await?;
        let server = TcpStream::connect(shared.upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            pump(Sender::Client, from_client, to_server, mode.clone(), &shared),
            pump(Sender::Server, from_server, to_client, mode, &shared),
        )
    };
    tokio::select! {
        // Dropping both streams closes them, however it ended.
        _ = carrying => {}
        _ = closing.wait_for(|mode| *mode == Mode::Closed) => {}
    }
}

/// Passes on one direction, piece by piece, while the connection is not silent.
async fn pump(
    sender: Sender,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    shared: &Shared,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await;
        if let Ok(length @ 1..) = read {
            shared.inspect(sender, &piece[..length]);
        }
        // Only now look at what was read: through a silent connection, no end and no error is seen either.
        forwarding(&mut mode).await?;
        let length = read?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..length]).await?;
        match shared.pace.load(Ordering::Relaxed) {
            0 => {}
            // The next piece is not read before this one is through a line of that width.
            pace => tokio::time::sleep(Duration::from_secs_f64(length as f64 / f64::from(pace))).await,
        }
    }
}

/// Waits until the connection may forward.
async fn forwarding(mode: &mut watch::Receiver<Mode>) -> io::Result<()> {
    match mode.wait_for(|mode| *mode == Mode::Forward).await {
        Ok(_) => Ok(()),
        Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

#[cfg(test)]
mod tests;
