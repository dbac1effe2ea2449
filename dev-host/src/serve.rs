//! Sockets and connections, as Spin has them: plain hyper on a socket with the system's defaults.
//!
//! No `TCP_NODELAY`: what an answer sends in a second segment waits for the client's acknowledgement of the first, which the
//! client may delay for 40 ms. And no deadline, not for a client that never finishes its request either.
//! <https://github.com/spinframework/spin/blob/main/crates/trigger-http/src/server.rs>

use std::{error::Error, io, net::SocketAddr, pin::pin, sync::Arc};

use anyhow::Context;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
};
use tracing::debug;

use crate::app::App;

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

/// Serves connections until `stop` is ready. Requests in flight are not waited for.
///
/// # Errors
/// The system gives no more connections, for want of file descriptors say.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return Ok(()),
        };
        let (stream, client) = accepted.context("cannot accept a connection")?;
        let app = Arc::clone(&app);
        let service = service_fn(move |request| {
            let app = Arc::clone(&app);
            async move { app.answer(request, client).await }
        });
        tokio::spawn(async move {
            if let Err(error) = serve_connection(stream, service).await {
                debug!("{client}: {error}");
            }
        });
    }
}

/// Serves HTTP/1 or HTTP/2, whichever the client speaks. Ends the connection at a request that has no answer.
async fn serve_connection<S, B>(stream: TcpStream, service: S) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll, ready},
        time::{Duration, Instant},
    };

    use bytes::Bytes;
    use http::header::CONTENT_LENGTH;
    use hyper::body::Frame;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::{Sleep, sleep},
    };

    use super::*;

    /// A body that is there only after the head has been sent.
    struct Late(Option<Pin<Box<Sleep>>>);

    impl Body for Late {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(sleep) = &mut self.0 else { return Poll::Ready(None) };
            ready!(sleep.as_mut().poll(cx));
            self.0 = None;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"body")))))
        }
    }

    async fn in_two_pieces(_request: Request<Incoming>) -> http::Result<Response<Late>> {
        Response::builder().header(CONTENT_LENGTH, 4).body(Late(Some(Box::pin(sleep(Duration::from_millis(1))))))
    }

    #[tokio::test]
    async fn a_second_piece_of_an_answer_waits_until_the_client_has_acknowledged_the_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve_connection(stream, service_fn(in_two_pieces)).await
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..11 {
            let asked = Instant::now();
            client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"body") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
            }
            times.push(asked.elapsed());
        }
        times.sort();
        // A delayed acknowledgement takes 40 ms.
        assert!(times[5] > Duration::from_millis(20), "{times:?}");
    }
}
