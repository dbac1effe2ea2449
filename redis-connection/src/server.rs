//! A Redis server, as the settings name it.

use redis::{AsyncConnectionConfig, ConnectionAddr, RedisResult, aio::MultiplexedConnection};

use crate::{
    certificates::{CertificateFiles, SetupError},
    connection::Connection,
    stream::{self, Stream},
    tls::Tls,
    url::RedisUrl,
};

/// A Redis server to connect to.
pub struct RedisServer {
    url: RedisUrl,
    tls: Option<Tls>,
}

impl RedisServer {
    /// Reads the files of certificates, and does not connect. It blocks.
    ///
    /// # Errors
    /// A file cannot be used, or the URL can never be connected to.
    pub fn new(url: RedisUrl, files: CertificateFiles) -> Result<Self, SetupError> {
        let tls = match url.info().addr() {
            ConnectionAddr::TcpTls { host, .. } => Some(Tls::new(host, files)?),
            _ => match files.any() {
                Some(flag) => return Err(SetupError::WithoutTls(flag)),
                None => None,
            },
        };
        Ok(Self { url, tls })
    }

    /// Its URL.
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Connects, without a deadline. When the future is dropped, what was opened is closed.
    ///
    /// # Errors
    /// Redis cannot be reached; one side does not trust the other's certificate, with advice; the user, the password or the
    /// database is refused.
    pub async fn open(&self) -> RedisResult<Connection> {
        let stream = self.connect().await?;
        self.log_in(stream).await
    }

    /// The first half of [`open`](Self::open), for callers that measure the stream.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn connect(&self) -> RedisResult<Box<dyn Stream>> {
        stream::connect(&self.url, self.tls.as_ref()).await
    }

    /// The second half.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn log_in(&self, stream: impl Stream + 'static) -> RedisResult<Connection> {
        // Who sends a command has a deadline for it.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(self.url.info().redis_settings(), stream, config).await;
        match (opened, &self.tls) {
            (Ok((connection, driver)), _) => Ok(Connection::new(connection, driver)),
            (Err(error), Some(tls)) => Err(tls.explained_after_handshake(error)),
            (Err(error), None) => Err(error),
        }
    }
}
