//! The HTTP server for Prometheus and for health checks, at the address that `--admin-listen` names.
//!
//! It answers reads only, and knows no clients: whoever can reach the address can read it. It cannot hold up the worker, whatever
//! clients do: a connection gets one answer and no more than ten seconds, there are no more than a few, and the next one takes
//! the place of the oldest.

mod answer;
mod status;

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{served_shard::ServedShard, shared::Shared};
use answer::answer;
use status::Status;

/// How many connections there are at the most. Prometheus needs one, and a health check another.
const MAX_CONNECTIONS: usize = 16;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may take in all: Prometheus waits for ten seconds by default.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes. hyper takes no lower limit.
const HEAD_BYTES: usize = 8 * 1024;

/// The pause after the system has refused a connection, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that listens and does not answer yet.
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Listens.
    ///
    /// # Errors
    /// The address is in use, or not one of this machine.
    pub(crate) async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the future is dropped; then connections are closed.
    pub(crate) async fn serve(self, shared: Arc<Shared>, shards: Vec<Arc<ServedShard>>) {
        let status = Arc::new(Status::new(shared, shards));
        let mut connections = Connections::default();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => connections.add(stream, &status),
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection of an admin client");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The connections of clients, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Connections {
    /// Serves one more, if need be instead of the oldest: those who only hold connections do not keep others out.
    fn add(&mut self, stream: TcpStream, status: &Arc<Status>) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(serve(stream, Arc::clone(status))));
    }
}

async fn serve(stream: TcpStream, status: Arc<Status>) {
    let service = service_fn(|request| {
        let status = Arc::clone(&status);
        async move { answer(&status, &request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the connection of an admin client has broken"),
        Err(_) => tracing::debug!("an admin client was too slow"),
    }
}
