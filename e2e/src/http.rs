use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use testkit::DEADLINE;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{Answer, Api};

/// A connection to the API on which a test writes the bytes of HTTP/1.1 itself.
#[derive(Debug)]
pub struct HttpConnection {
    stream: BufReader<TcpStream>,
}

impl HttpConnection {
    /// # Panics
    /// When the API does not accept it.
    pub async fn open(api: &Api) -> Self {
        let stream = TcpStream::connect(api.address()).await;
        Self { stream: BufReader::new(stream.unwrap_or_else(|error| panic!("no connection to the API: {error}"))) }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap_or_else(|error| panic!("cannot send to the API: {error}"));
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
    pub async fn send_chunk(&mut self, chunk: &[u8]) {
        self.send(format!("{:x}\r\n", chunk.len())).await;
        self.send(chunk).await;
        self.send("\r\n").await;
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn finish_sending(&mut self) {
        self.stream.shutdown().await.unwrap_or_else(|error| panic!("cannot close: {error}"));
    }

    /// Reads an answer with its body.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn answer(&mut self) -> Answer {
        in_time(DEADLINE, async {
            let (status, headers) = self.read_head().await;
            let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            let mut body = vec![0; length.unwrap_or_else(|| panic!("an answer without Content-Length: {headers:?}"))];
            self.stream.read_exact(&mut body).await.unwrap_or_else(|error| panic!("the answer broke off: {error}"));
            Answer::new(status, headers, &body)
        })
        .await
    }

    /// Reads the head of an answer that has no body, as one to HEAD has none: its status and headers.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn head(&mut self) -> (u16, HeaderMap) {
        in_time(DEADLINE, self.read_head()).await
    }

    /// Reads whatever comes until the API closes the connection.
    ///
    /// # Panics
    /// When it does not close it in time.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = in_time(DEADLINE, self.stream.read_to_end(&mut rest)).await;
        rest
    }

    async fn read_head(&mut self) -> (u16, HeaderMap) {
        let first = self.line().await;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {first:?}"));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return (status, headers);
            }
            let header = line
                .split_once(": ")
                .and_then(|(name, value)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?)));
            let (name, value) = header.unwrap_or_else(|| panic!("not a header: {line:?}"));
            headers.append(name, value);
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await;
        match read {
            Ok(length) if length > 0 => line.trim_end().to_owned(),
            ended => panic!("the API closed the connection instead of answering: {ended:?}"),
        }
    }
}

async fn in_time<T>(deadline: Duration, future: impl Future<Output = T>) -> T {
    timeout(deadline, future).await.unwrap_or_else(|_| panic!("the API did not answer within {deadline:?}"))
}
