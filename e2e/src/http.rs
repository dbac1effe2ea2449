use std::time::Duration;

use reqwest::header::HeaderMap;
use testkit::DEADLINE;
use tokio::time::timeout;

use crate::{
    Answer, Api,
    http_stream::{HttpStream, chunk},
};

/// A connection to the API on which a test writes the bytes of HTTP/1.1 itself.
#[derive(Debug)]
pub struct HttpConnection {
    stream: HttpStream,
}

impl HttpConnection {
    /// # Panics
    /// When the API does not accept it.
    pub async fn open(api: &Api) -> Self {
        let stream = HttpStream::open(api.address()).await;
        Self { stream: stream.unwrap_or_else(|error| panic!("no connection to the API: {error}")) }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.send(bytes.as_ref()).await.unwrap_or_else(|error| panic!("cannot send to the API: {error}"));
    }

    /// Sends the head of a request with a host and these lines, and the empty line that ends it.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn send_head(&mut self, method: &str, path: &str, headers: &[&str]) {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n")).await;
    }

    /// Sends one chunk of a body with `Transfer-Encoding: chunked`; an empty one ends the body.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn send_chunk(&mut self, content: &[u8]) {
        self.send(chunk(content)).await;
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn finish_sending(&mut self) {
        self.stream.finish_sending().await.unwrap_or_else(|error| panic!("cannot close: {error}"));
    }

    /// Reads an answer with its body.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn answer(&mut self) -> Answer {
        let (status, headers) = self.head().await;
        let body = in_time(DEADLINE, self.stream.body(&headers)).await;
        Answer::new(status, headers, &body.unwrap_or_else(|error| panic!("the answer broke off: {error}")))
    }

    /// Reads the head of an answer that has no body, as one to HEAD has none: its status and headers.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn head(&mut self) -> (u16, HeaderMap) {
        in_time(DEADLINE, self.stream.head()).await.unwrap_or_else(|error| panic!("no answer from the API: {error}"))
    }

    /// Reads whatever comes until the API closes the connection.
    ///
    /// # Panics
    /// When it does not close it in time.
    pub async fn rest(&mut self) -> Vec<u8> {
        in_time(DEADLINE, self.stream.rest()).await
    }
}

async fn in_time<T>(deadline: Duration, future: impl Future<Output = T>) -> T {
    timeout(deadline, future).await.unwrap_or_else(|_| panic!("the API did not answer within {deadline:?}"))
}
