//! Serves HTTP on several threads. Each has a connection to Redis of its own, which its requests share, and a client's
//! connection stays on the thread that has accepted it: nothing is locked.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use api::settings::Settings;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use redis_connection::RedisServer;
use tokio::{
    net::TcpStream,
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::Config, host::Thread, proxies::Proxies, request::Answering};

/// How long the head of a request may take, and how long a connection may wait for the next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// How long no connection is accepted after the system has refused one, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The threads of a server.
pub(crate) struct Server {
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Server {
    /// Listens, and starts the threads.
    ///
    /// # Errors
    /// When the address is in use, or the system gives no thread.
    pub(crate) fn start(config: &Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(config.max_connections));
        let threads = (0..config.threads).map(|number| {
            let accepting = Accepting {
                listener: listener.try_clone()?,
                proxies: config.proxies.clone(),
                permits: Arc::clone(&permits),
                stop: stop.clone(),
                grace: config.grace,
            };
            let (settings, redis) = (config.settings.clone(), Arc::clone(&config.redis));
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let run = move || {
                LocalSet::new().block_on(&runtime, accepting.run(settings, redis));
            };
            thread::Builder::new().name(format!("http-{number}")).spawn(run)
        });
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self { address, threads, stop })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, and waits until requests in progress are answered, or the grace is over.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread has panicked");
            }
        }
    }
}

/// What one thread does.
struct Accepting {
    listener: TcpListener,
    proxies: Proxies,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    grace: Duration,
}

impl Accepting {
    async fn run(self, settings: Settings, redis: Arc<RedisServer>) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "cannot listen");
                return;
            }
        };
        let instance = Thread::instance(settings, redis);
        let answering = Rc::new(Answering { instance, proxies: self.proxies });
        let connections = TaskTracker::new();
        loop {
            let accept = async {
                // Before the connection: those for which there is none wait in the queue of the system.
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accept => accepted,
                () = self.stop.cancelled() => break,
            };
            match (accepted, permit) {
                (Ok((stream, client)), Ok(permit)) => {
                    let connection = serve(stream, client, Rc::clone(&answering), self.stop.clone(), permit);
                    spawn_local(connections.track_future(connection));
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
                (_, Err(_)) => break,
            }
        }
        drop(listener);
        connections.close();
        if timeout(self.grace, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "requests were not answered within the grace");
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    answering: Rc<Answering>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request| Rc::clone(&answering).answer(request, peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection has broken");
    }
}
