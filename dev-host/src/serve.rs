//! Sockets, connections and the graceful stop.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    time,
};
use tracing::{debug, warn};

use crate::app::App;

/// How long requests in flight may take to end once the host is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait before accepting again after the system refused, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on `address`.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is in use: stop what listens there, or choose another address with --listen")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

/// Begins to catch SIGINT and SIGTERM. The future is ready when one has come.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Serves connections until `stop` is ready, then lets requests in flight end within [`GRACE`].
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, client)) => serve_connection(stream, client, Arc::clone(&app), &graceful),
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // A client that comes now is refused rather than left waiting.
    drop(listener);
    if time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        warn!("requests that did not end within {} s were given up", GRACE.as_secs());
    }
}

fn serve_connection(stream: TcpStream, client: SocketAddr, app: Arc<App>, graceful: &GracefulShutdown) {
    if let Err(error) = stream.set_nodelay(true).context("TCP_NODELAY") {
        debug!("{client}: {error:#}");
    }
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.answer(request, client).await) }
    });
    let connection = http1::Builder::new()
        // Without a timer hyper has no time-out for clients that never finish their headers.
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!("{client}: {error}");
        }
    });
}
