use std::io;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// HTTP/1.1 as a client that sends any bytes, and reads answers.
#[derive(Debug)]
pub(crate) struct HttpStream(BufReader<TcpStream>);

impl HttpStream {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish_sending(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> io::Result<(u16, HeaderMap)> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken(&first))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let header = line.split_once(':').and_then(|(name, value)| {
                Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
            });
            let (name, value) = header.ok_or_else(|| broken(&line))?;
            headers.append(name, value);
        }
    }

    /// Reads the body that follows a head with these headers.
    pub(crate) async fn body(&mut self, headers: &HeaderMap) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_none_or(|encoding| encoding != "chunked") {
            let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            body.resize(length.unwrap_or(0), 0);
            self.0.read_exact(&mut body).await?;
            return Ok(body);
        }
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| broken(&size))?;
            let before = body.len();
            body.resize(before + size, 0);
            self.0.read_exact(&mut body[before..]).await?;
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads what comes until the connection ends; a reset is an end as well.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// The bytes of one chunk of a body with `Transfer-Encoding: chunked`; an empty one ends the body.
pub(crate) fn chunk(content: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()
}

fn broken(text: &str) -> io::Error {
    io::Error::other(format!("not an answer: {text:?}"))
}
