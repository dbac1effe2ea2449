//! What a connection goes over.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{address::Address, tls::Tls};

/// Bytes to and from Redis.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects, and does the handshake of TLS where there is one.
pub(crate) async fn connect(address: &Address, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
    match (address, tls) {
        (Address::Tcp(host, port), Some(tls)) => {
            let connector = tls.connector().await;
            let stream = connector.connect(Tls::name(host)?, tcp(host, *port).await?).await;
            Ok(Box::new(stream.map_err(|error| tls.explained(error))?))
        }
        (Address::Tcp(host, port), None) => Ok(Box::new(tcp(host, *port).await?)),
        (Address::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
