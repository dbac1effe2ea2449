//! One connection to Redis: how it is opened, and how long a reply is awaited.

use std::{io, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ErrorKind, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{
    config::RedisUrl,
    traffic::{Monitored, Traffic},
};

/// How long connecting may take, TLS and authentication included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What to connect to.
pub(crate) struct Endpoint {
    url: RedisUrl,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// An open connection, which several tasks may use at the same time. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection {
    connection: MultiplexedConnection,
    traffic: Arc<Traffic>,
    _driver: Arc<Driver>,
}

/// The task that reads and writes. It ends when this is dropped.
struct Driver(AbortHandle);

impl Endpoint {
    /// Does not connect.
    ///
    /// # Errors
    /// The address can never be connected to.
    pub(crate) fn new(url: &RedisUrl) -> RedisResult<Self> {
        let tls = match url.info().addr() {
            ConnectionAddr::TcpTls { host, .. } => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| (ErrorKind::InvalidClientConfig, "the host is no name that a certificate can have"))?;
                Some((connector()?, name))
            }
            _ => None,
        };
        Ok(Self { url: url.clone(), tls })
    }

    /// Opens a connection. When the future is dropped, it is closed.
    ///
    /// # Errors
    /// Redis cannot be reached within five seconds, or refuses the user, password or database.
    pub(crate) async fn open(&self) -> RedisResult<Connection> {
        let opening = async {
            match (self.url.info().addr(), &self.tls) {
                (ConnectionAddr::TcpTls { host, port, .. }, Some((connector, name))) => {
                    self.authenticate(connector.connect(name.clone(), tcp(host, *port).await?).await?).await
                }
                (ConnectionAddr::Tcp(host, port), _) => self.authenticate(tcp(host, *port).await?).await,
                (ConnectionAddr::Unix(path), _) => self.authenticate(UnixStream::connect(path).await?).await,
                _ => Err((ErrorKind::InvalidClientConfig, "an address of a kind that is not known").into()),
            }
        };
        timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(timed_out("no connection in time")))
    }

    async fn authenticate<S>(&self, stream: S) -> RedisResult<Connection>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, traffic) = Monitored::new(stream);
        // Deadlines are on silence rather than on a whole reply, which the client crate cannot do.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let settings = self.url.info().redis_settings();
        let (connection, driver) = MultiplexedConnection::new_with_config(settings, stream, config).await?;
        let driver = Arc::new(Driver(tokio::spawn(driver).abort_handle()));
        Ok(Connection { connection, traffic, _driver: driver })
    }
}

impl Connection {
    /// Sends a command and waits for its reply, until no byte has come or gone for `silence`.
    ///
    /// When the future is dropped, Redis may or may not carry out the command.
    ///
    /// # Errors
    /// The connection breaks or is silent, or Redis refuses.
    pub(crate) async fn ask(&self, command: &Cmd, silence: Duration) -> RedisResult<Value> {
        let mut connection = self.connection.clone();
        let answer = connection.send_packed_command(command);
        tokio::pin!(answer);
        let asked = Instant::now();
        loop {
            let dead_at = self.traffic.dead_at(asked, silence);
            tokio::select! {
                answer = &mut answer => return answer.and_then(Value::extract_error),
                () = sleep_until(dead_at) => if self.traffic.dead_at(asked, silence) <= dead_at {
                    return Err(timed_out("the connection has gone silent"));
                }
            }
        }
    }

    /// How many bytes have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.traffic.bytes_read()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connector() -> RedisResult<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be read are not trusted. If one is needed, the handshake fails.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| (ErrorKind::InvalidClientConfig, "TLS cannot be set up", error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn timed_out(what: &'static str) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, what).into()
}
