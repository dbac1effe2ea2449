//! A client that sends whatever it is given, and reports what comes back instead of panicking.

use std::{io, time::Duration};

use tokio::time::timeout;

use super::request::Request;
use crate::http_stream::{HttpStream, chunk};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A client with a connection that it keeps where the server does.
#[derive(Debug)]
pub(super) struct Client {
    address: String,
    kept: Option<HttpStream>,
}

impl Client {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), kept: None }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// There is none, or it breaks off. A connection that was kept may have ended before: then there is another try.
    pub(super) async fn send(&mut self, request: &Request) -> io::Result<Reply> {
        if let Some(stream) = self.kept.take()
            && let Ok(reply) = self.exchange(stream, request).await
        {
            return Ok(reply);
        }
        self.exchange(HttpStream::open(&self.address).await?, request).await
    }

    async fn exchange(&mut self, mut stream: HttpStream, request: &Request) -> io::Result<Reply> {
        let exchanged = timeout(TIMEOUT, async {
            // A server that refuses a request need not read the rest of it.
            let _unread = stream.send(&bytes(request)).await;
            read(&mut stream, request.method).await
        });
        let (reply, keeps) = exchanged.await??;
        self.kept = keeps.then_some(stream);
        Ok(reply)
    }
}

fn bytes(request: &Request) -> Vec<u8> {
    let Request { method, path, headers, body, chunked } = request;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if *chunked {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        body.chunks(700).chain([&[][..]]).for_each(|content| bytes.extend(chunk(content)));
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
    }
    bytes
}

/// The answer, and whether the connection is kept.
async fn read(stream: &mut HttpStream, method: &str) -> io::Result<(Reply, bool)> {
    loop {
        let (status, headers) = stream.head().await?;
        if (100..200).contains(&status) {
            continue;
        }
        let has_body = method != "HEAD" && status != 204 && status != 304;
        let body = if has_body { stream.body(&headers).await? } else { Vec::new() };
        let keeps = headers.get("connection").is_none_or(|connection| connection != "close");
        return Ok((Reply { status, body }, keeps));
    }
}
