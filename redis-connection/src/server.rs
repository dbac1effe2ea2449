//! A Redis server, as the settings name it.

use std::{fmt, io, sync::Arc};

use redis::RedisResult;

use crate::{
    address::Address,
    certificates::{CertificateFiles, SetupError},
    connection::Connection,
    log_in::log_in,
    sentinel::Sentinels,
    stream::{self, Stream},
    tls::Tls,
    url::{Place, RedisUrl},
};

/// A Redis server to connect to.
pub struct RedisServer {
    url: RedisUrl,
    tls: Option<Arc<Tls>>,
    place: ServerPlace,
}

enum ServerPlace {
    At(Address),
    Known(Arc<Sentinels>),
}

impl RedisServer {
    /// Reads the files of certificates, and does not connect. It blocks.
    ///
    /// # Errors
    /// A file cannot be used, or the URL can never be connected to.
    pub fn new(url: RedisUrl, files: CertificateFiles) -> Result<Self, SetupError> {
        let tls = match (url.is_tls(), files.any()) {
            (true, _) => Some(Arc::new(Tls::new(files)?)),
            (false, Some(flag)) => return Err(SetupError::WithoutTls(flag)),
            (false, None) => None,
        };
        let place = match &url.place {
            Place::At(address) => {
                if let (Address::Tcp(host, _), true) = (address, url.is_tls()) {
                    Tls::name(host).map_err(|_| SetupError::Host)?;
                }
                ServerPlace::At(address.clone())
            }
            Place::Known(set) => ServerPlace::Known(Arc::new(Sentinels::new(set.clone(), tls.clone()))),
        };
        Ok(Self { url, tls, place })
    }

    /// The server at another address, such as another node of a cluster: with the same user and password, and certificates of
    /// the same files.
    #[must_use]
    pub fn at(&self, address: Address) -> Self {
        Self { url: self.url.clone(), tls: self.tls.clone(), place: ServerPlace::At(address) }
    }

    /// Where it is, unless sentinels know that.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match &self.place {
            ServerPlace::At(address) => Some(address),
            ServerPlace::Known(_) => None,
        }
    }

    /// The address of another node of its cluster, `host:port` as it gives that in a `MOVED`; without a host it is on its own.
    /// `None` if it cannot be used.
    #[must_use]
    pub fn named(&self, address: &str) -> Option<Address> {
        let (host, port) = address.rsplit_once(':')?;
        let host = match (host, self.address()) {
            ("", Some(Address::Tcp(own, _))) => own,
            ("", _) => return None,
            (host, _) => host,
        };
        Some(Address::Tcp(host.to_owned(), port.parse().ok()?))
    }

    /// Its URL, or that of the server that it was made from by [`at`](Self::at).
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Connects, without a deadline. When the future is dropped, what was opened is closed.
    ///
    /// # Errors
    /// Redis cannot be reached; no sentinel names one; one side does not trust the other's certificate, with advice; the user,
    /// the password or the database is refused.
    pub async fn open(&self) -> RedisResult<Connection> {
        let (stream, address) = self.connect().await?;
        self.log_in(stream, address).await
    }

    /// The first half of [`open`](Self::open), for callers that measure the stream, and the address that it leads to.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn connect(&self) -> RedisResult<(Box<dyn Stream>, Address)> {
        let address = match &self.place {
            ServerPlace::At(address) => address.clone(),
            ServerPlace::Known(sentinels) => sentinels.master().await?,
        };
        Ok((stream::connect(&address, self.tls.as_deref()).await?, address))
    }

    /// The second half. A connection to a server that sentinels name breaks within two seconds when they name another.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn log_in(&self, stream: impl Stream + 'static, address: Address) -> RedisResult<Connection> {
        let opened = log_in(stream, &self.url.login).await;
        let (connection, driver) = match (opened, &self.tls) {
            (Ok(opened), _) => opened,
            (Err(error), Some(tls)) => return Err(tls.explained_after_handshake(error)),
            (Err(error), None) => return Err(error),
        };
        let ServerPlace::Known(sentinels) = &self.place else { return Ok(Connection::new(connection, driver)) };
        let sentinels = Arc::clone(sentinels);
        let connection = Connection::new(connection, async move {
            tokio::select! {
                () = driver => {}
                () = sentinels.wait_until_demoted(&address) => {}
            }
        });
        if !is_master(&connection).await? {
            // Sentinels name a server that they are about to demote or to promote. The caller tries again.
            return Err(
                io::Error::new(io::ErrorKind::NotConnected, "the server that the sentinels name is no master").into()
            );
        }
        Ok(connection)
    }
}

/// Its address, or who knows that.
impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ServerPlace::At(address) => address.fmt(f),
            ServerPlace::Known(_) => self.url.fmt(f),
        }
    }
}

/// By [`ROLE`](https://redis.io/docs/latest/commands/role/). A user who may not ask is believed to be right.
async fn is_master(connection: &Connection) -> RedisResult<bool> {
    let role = connection.send(&redis::cmd("ROLE")).await?.extract_error();
    Ok(match role {
        Ok(redis::Value::Array(role)) => role.first() == Some(&redis::Value::BulkString(b"master".to_vec())),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use super::*;

    #[test]
    fn a_node_is_at_the_address_that_another_one_gives() {
        let server = |url: &str| RedisServer::new(url.parse().unwrap(), CertificateFiles::default()).unwrap();
        let tcp = |host: &str, port| Some(Address::Tcp(host.to_owned(), port));
        for (node, expected) in [
            ("10.0.0.1:6379", tcp("10.0.0.1", 6379)),
            ("redis-2.example:7000", tcp("redis-2.example", 7000)),
            ("2001:db8::1:6379", tcp("2001:db8::1", 6379)),
            (":6380", tcp("redis.example", 6380)),
            ("10.0.0.1", None),
            ("10.0.0.1:70000", None),
        ] {
            assert_eq!(server("redis://redis.example:6379").named(node), expected, "{node}");
        }
        assert_eq!(server("redis+sentinel://sentinel.example/mail").named(":6380"), None);
    }
}
