//! A client that sends whatever it is given, and reports what comes back instead of panicking.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::request::Request;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
    kept: Option<BufReader<TcpStream>>,
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
        let stream = BufReader::new(TcpStream::connect(&self.address).await?);
        self.exchange(stream, request).await
    }

    async fn exchange(&mut self, mut stream: BufReader<TcpStream>, request: &Request) -> io::Result<Reply> {
        let exchanged = timeout(PATIENCE, async {
            // A server that refuses a request need not read the rest of it.
            let _unread = stream.write_all(&bytes(request)).await;
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
        for chunk in body.chunks(700) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
    }
    bytes
}

/// The answer, and whether the connection is kept.
async fn read(stream: &mut BufReader<TcpStream>, method: &str) -> io::Result<(Reply, bool)> {
    loop {
        let status = line(stream).await?;
        let status: u16 =
            status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken(&status))?;
        let (mut length, mut chunked, mut keeps) = (None, false, true);
        loop {
            let line = line(stream).await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok(),
                ("transfer-encoding", "chunked") => chunked = true,
                ("connection", "close") => keeps = false,
                _ => {}
            }
        }
        if (100..200).contains(&status) {
            continue;
        }
        let mut body = Vec::new();
        if method == "HEAD" || status == 204 || status == 304 {
        } else if chunked {
            read_chunks(stream, &mut body).await?;
        } else {
            body.resize(length.unwrap_or(0), 0);
            stream.read_exact(&mut body).await?;
        }
        return Ok((Reply { status, body }, keeps));
    }
}

async fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = line(stream).await?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| broken(&size))?;
        let before = body.len();
        body.resize(before + size, 0);
        stream.read_exact(&mut body[before..]).await?;
        line(stream).await?;
        if size == 0 {
            return Ok(());
        }
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn broken(text: &str) -> io::Error {
    io::Error::other(format!("not an answer: {text:?}"))
}
