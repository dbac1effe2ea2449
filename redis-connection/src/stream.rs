//! What a connection goes over.

use std::io;

use redis::{ConnectionAddr, ErrorKind, RedisResult};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{tls::Tls, url::RedisUrl};

/// Bytes to and from Redis.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects, and does the handshake of TLS where there is one.
pub(crate) async fn connect(url: &RedisUrl, tls: Option<&Tls>) -> RedisResult<Box<dyn Stream>> {
    match (url.info().addr(), tls) {
        (ConnectionAddr::TcpTls { host, port, .. }, Some(tls)) => {
            let connector = tls.connector().await;
            let stream = connector.connect(tls.name.clone(), tcp(host, *port).await?).await;
            Ok(Box::new(stream.map_err(|error| tls.explained(error))?))
        }
        (ConnectionAddr::Tcp(host, port), _) => Ok(Box::new(tcp(host, *port).await?)),
        (ConnectionAddr::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
        _ => Err((ErrorKind::InvalidClientConfig, "an address of a kind that is not known").into()),
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
