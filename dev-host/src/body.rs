//! Request and response bodies, and what happens when one side stops before the other.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, EXPECT},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::{runtime::Handle, task::AbortHandle, time};
use wasmtime_wasi_http::WasiBody;

/// How much of a request that nobody reads is received all the same.
const LINGER_BYTES: u64 = 64 << 20;

/// For how long.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// The body of a response: a component's, or this host's own.
pub(crate) type ResponseBody = Either<GuestBody, Full<Bytes>>;

/// The body of a request, streamed from the client to the component.
///
/// A component may answer without reading it all. Closing the connection then, with bytes of the client unread, makes
/// TCP reset it, and the client may lose the answer. So what is left is received and dropped, within limits.
pub(crate) struct RequestBody {
    /// Taken only by `drop`.
    body: Option<Incoming>,
    /// The client sends nothing until it is told to, which only reading does (RFC 9110, section 10.1.1).
    awaits_continue: bool,
}

impl RequestBody {
    /// Wraps the body of a request with these headers.
    pub(crate) fn new(body: Incoming, headers: &HeaderMap) -> Self {
        let awaits_continue =
            headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self { body: Some(body), awaits_continue }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.awaits_continue = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if body.is_end_stream() || self.awaits_continue {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(time::timeout(LINGER_TIME, discard(body)));
        }
    }
}

/// Receives and drops what is left of `body`, up to the limit. hyper closes the connection if there is still more.
async fn discard(mut body: Incoming) {
    let mut received = 0;
    while received <= LINGER_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => received += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) | None => return,
        }
    }
}

/// The body of a component's response, written by the component while the client receives it.
///
/// Dropped before its end (the client went away), it stops the component if that works for this request alone.
pub(crate) struct GuestBody {
    body: WasiBody,
    component: Option<AbortHandle>,
    /// How much is still to come, if the response said.
    remaining: Option<u64>,
    ended: bool,
}

impl GuestBody {
    /// The body of a response with `content_length`; `component` is the task that writes it.
    pub(crate) fn of_task(body: WasiBody, content_length: Option<u64>, component: AbortHandle) -> Self {
        Self { body, component: Some(component), remaining: content_length, ended: false }
    }

    /// The body of a response by an instance that serves other requests as well, and finds out by itself that nobody
    /// reads on.
    pub(crate) fn of_instance(body: WasiBody) -> Self {
        Self { body, component: None, remaining: None, ended: false }
    }
}

/// What a response says of the length of its body, in bytes.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(length));
            }
            Some(Err(_)) | None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        // hyper does not ask again once it has the length that the headers promised.
        let complete = self.ended || self.remaining == Some(0) || self.body.is_end_stream();
        if let Some(component) = &self.component
            && !complete
        {
            component.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::SocketAddr};

    use http::{Request, Response, StatusCode};
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::oneshot,
    };

    use super::*;

    /// Serves one connection with 413 for every request, whose body it drops unread.
    async fn refusing_server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<Incoming>| async {
                let (head, body) = request.into_parts();
                drop(RequestBody::new(body, &head.headers));
                let mut response = Response::new(Full::new(Bytes::from_static(b"too large")));
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                Ok::<_, Infallible>(response)
            });
            // Fails where the client goes away, as the tests do.
            let _closed = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        address
    }

    async fn read_answer(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"too large") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the connection ended first");
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_sends_on_after_an_early_answer_receives_it_and_keeps_its_connection() {
        let mut stream = TcpStream::connect(refusing_server().await).await.unwrap();
        // More than the sockets of both sides buffer: it can only be sent if someone receives it.
        let body = vec![b'a'; 32 << 20];
        for _ in 0..2 {
            let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_for_leave_to_send_is_answered_and_not_waited_for() {
        let mut stream = TcpStream::connect(refusing_server().await).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
        let mut rest = Vec::new();
        time::timeout(LINGER_TIME / 2, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty());
    }

    /// A response body of these bytes, and whether the component that wrote it was stopped when it was dropped.
    async fn stopped_after(body: &'static [u8], content_length: Option<u64>, frames_read: usize) -> bool {
        let (finish, finished) = oneshot::channel::<()>();
        let component = tokio::spawn(async { finished.await.is_ok() });
        let chunks = Full::new(Bytes::from_static(body)).map_err(|never| match never {});
        // Says that it has an end only when asked for a frame, like the body of a component.
        let body = http_body_util::StreamBody::new(http_body_util::BodyStream::new(chunks)).boxed_unsync();
        let mut body = GuestBody::of_task(body, content_length, component.abort_handle());
        for _ in 0..frames_read {
            body.frame().await;
        }
        drop(body);
        let _stopped = finish.send(());
        component.await.is_err()
    }

    #[tokio::test]
    async fn a_component_is_stopped_when_its_response_is_no_longer_wanted() {
        assert!(stopped_after(b"body", None, 0).await);
        assert!(stopped_after(b"body", Some(5), 1).await);
    }

    #[tokio::test]
    async fn a_component_may_go_on_after_its_response_is_complete() {
        assert!(!stopped_after(b"body", None, 2).await);
        assert!(!stopped_after(b"body", Some(4), 1).await);
        assert!(!stopped_after(b"", Some(0), 0).await);
    }
}
