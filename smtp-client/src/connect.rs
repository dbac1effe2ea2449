//! Opens a session: connection, greeting, TLS, authentication.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, pki_types::ServerName},
};

use tracing::{Instrument, trace_span};

use crate::{
    TRACE, auth,
    config::{Config, TlsMode},
    connect_error::{ConnectError, Step},
    expiry::Expiry,
    extensions::Extensions,
    redact::Secrets,
    reply::{Reply, Severity},
    session::Session,
    session_error::SessionError,
    tls::{self, SetupError},
    wire::{Stream, Wire},
};

/// A server that has sent nothing for so long may be waiting for TLS.
const SILENCE_BEFORE_PROBE: Duration = Duration::from_secs(10);

/// Opens sessions with one server. It can be used by many tasks at once.
///
/// It logs by `tracing`: a warning when messages go in the clear though TLS is allowed, when that changes, and when the
/// server seems to wait for TLS.
pub struct Connector {
    config: Config,
    /// The server in errors and logs.
    server: String,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    secrets: Arc<Secrets>,
    /// Whether STARTTLS was ever offered.
    offered_starttls: AtomicBool,
    /// Whether it was logged that messages go in the clear.
    logged_plaintext: AtomicBool,
}

impl Connector {
    /// Reads the certificates to trust. It does not connect: the server may start later.
    ///
    /// # Errors
    /// The configuration cannot be used with any server.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        Self::with(config, None)
    }

    /// The same, and notes when the certificate expires that the server shows, or one by which it is trusted.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn noting_expiry(config: &Config, expiry: &Expiry) -> Result<Self, SetupError> {
        Self::with(config, Some(expiry.clone()))
    }

    fn with(config: &Config, expiry: Option<Expiry>) -> Result<Self, SetupError> {
        let server_name = ServerName::try_from(config.host.clone()).map_err(|_| SetupError::Host)?;
        Ok(Self {
            config: config.clone(),
            server: config.to_string(),
            tls: tls::connector(config, expiry)?,
            server_name,
            secrets: Arc::new(config.credentials.as_ref().map(Secrets::new).unwrap_or_default()),
            offered_starttls: AtomicBool::new(false),
            logged_plaintext: AtomicBool::new(false),
        })
    }

    /// Opens a session: greeting, `EHLO`, TLS and authentication as configured. Each step may take
    /// [`Config::timeout`]. Must be called within a tokio runtime with I/O and time.
    ///
    /// When the future is dropped, the connection is closed.
    ///
    /// # Errors
    /// The server cannot be reached, refuses a step, or does not offer what the configuration requires.
    pub async fn connect(&self) -> Result<Session, ConnectError> {
        let mut stream = self.dial().await?;
        let implicit = self.config.tls == TlsMode::Implicit;
        if implicit {
            stream = self.encrypt(stream).await?;
        }
        let mut wire = self.wire(stream);
        let span = trace_span!(target: TRACE, "greeting", otel.name = "smtp greeting", otel.kind = "client");
        let greeting = self.greeting(&mut wire, implicit).instrument(span).await?;
        if !greeting.is_positive() {
            return Err(self.refused(Step::Greeting, greeting));
        }
        let mut extensions = self.hello(&mut wire).await?;
        let mut encrypted = implicit;
        if !implicit && self.config.tls != TlsMode::None {
            if extensions.starttls {
                self.offered_starttls.store(true, Ordering::Relaxed);
                wire = self.start_tls(wire).await?;
                encrypted = true;
                // RFC 3207 4.2: what the server said before is void.
                extensions = self.hello(&mut wire).await?;
            } else if self.config.tls == TlsMode::Required {
                let reason = format!("{} does not offer STARTTLS, and tls=required", self.server);
                return Err(ConnectError::Tls(reason));
            } else {
                self.log_plaintext();
            }
        }
        let Some(credentials) = &self.config.credentials else { return Ok(Session::new(wire, extensions, false)) };
        if !encrypted && !self.config.is_loopback() {
            let reason = format!("{} offers no encryption, and a password is not sent unencrypted", self.server);
            return Err(ConnectError::Tls(reason));
        }
        let span = trace_span!(target: TRACE, "auth", otel.name = "smtp AUTH", otel.kind = "client");
        match auth::authenticate(&mut wire, extensions, credentials).instrument(span).await {
            Ok(Some(reply)) if reply.is_positive() => Ok(Session::new(wire, extensions, true)),
            Ok(Some(reply)) => Err(self.refused(Step::Authentication, reply)),
            Ok(None) => Err(ConnectError::NoMechanism { server: self.server.clone() }),
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn dial(&self) -> Result<Stream, ConnectError> {
        let Config { host, port, timeout: limit, .. } = &self.config;
        let failed = |error| ConnectError::Unreachable { server: self.server.clone(), error };
        let span = trace_span!(target: TRACE, "connect", otel.name = "smtp connect", otel.kind = "client", server.address = %host, server.port = port);
        match timeout(*limit, TcpStream::connect((host.as_str(), *port))).instrument(span).await {
            Ok(Ok(tcp)) => {
                // Commands are small, and each waits for its reply.
                let _ = tcp.set_nodelay(true);
                Ok(Box::new(tcp))
            }
            Ok(Err(error)) => Err(failed(SessionError::Io(error))),
            Err(_) => Err(failed(SessionError::Timeout(*limit))),
        }
    }

    /// Waits for the greeting. A server that waits for TLS never sends one: after a while a second connection tries TLS.
    async fn greeting(&self, wire: &mut Wire, encrypted: bool) -> Result<Reply, ConnectError> {
        let greeting = wire.reply();
        tokio::pin!(greeting);
        let silence = SILENCE_BEFORE_PROBE.min(self.config.timeout / 2);
        if !encrypted {
            tokio::select! {
                reply = &mut greeting => return reply.map_err(|error| self.lost(error)),
                () = async { sleep(silence).await; self.find_tls().await } => {
                    let Config { host, port, .. } = &self.config;
                    let reason = format!("{} waits for TLS from the first byte: write smtps://{host}:{port}", self.server);
                    tracing::warn!("{reason}");
                    return Err(ConnectError::Tls(reason));
                }
            }
        }
        greeting.await.map_err(|error| self.lost(error))
    }

    /// Completes only if the server speaks TLS on a new connection, whatever its certificate.
    async fn find_tls(&self) {
        let speaks_tls = async {
            let stream = self.dial().await.ok()?;
            match self.tls.connect(self.server_name.clone(), stream).await {
                Ok(_) => Some(()),
                Err(error) => matches!(
                    error.get_ref()?.downcast_ref()?,
                    rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)
                )
                .then_some(()),
            }
        };
        if timeout(self.config.timeout, speaks_tls).await.ok().flatten().is_none() {
            std::future::pending().await
        }
    }

    async fn start_tls(&self, mut wire: Wire) -> Result<Wire, ConnectError> {
        let reply = wire.command("STARTTLS").await.map_err(|error| self.lost(error))?;
        if !reply.is_positive() {
            return Err(self.refused(Step::StartTls, reply));
        }
        // Bytes that are here already were not encrypted: an attacker on the way can have sent them.
        let Some(stream) = wire.into_stream() else {
            let reason =
                format!("{} sent more than the answer to STARTTLS; an attacker may have inserted it", self.server);
            return Err(ConnectError::Tls(reason));
        };
        Ok(self.wire(self.encrypt(stream).await?))
    }

    async fn encrypt(&self, stream: Stream) -> Result<Stream, ConnectError> {
        let failed = |why: String| ConnectError::Tls(format!("TLS with {} failed: {why}", self.server));
        let span = trace_span!(target: TRACE, "tls", otel.name = "smtp tls", otel.kind = "client");
        let handshake = self.tls.connect(self.server_name.clone(), stream);
        match timeout(self.config.timeout, handshake).instrument(span).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) if is_no_tls(&error) && self.config.tls == TlsMode::Implicit => {
                let Config { host, port, .. } = &self.config;
                Err(failed(format!("it does not answer with TLS; if it is plain SMTP write smtp://{host}:{port}")))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(SessionError::Timeout(self.config.timeout).to_string())),
        }
    }

    async fn hello(&self, wire: &mut Wire) -> Result<Extensions, ConnectError> {
        let span = trace_span!(target: TRACE, "ehlo", otel.name = "smtp EHLO", otel.kind = "client");
        let reply = wire
            .command(&format!("EHLO {}", self.config.hello))
            .instrument(span)
            .await
            .map_err(|error| self.lost(error))?;
        if reply.is_positive() {
            return Ok(Extensions::read(&reply));
        }
        if reply.ends_session() || reply.severity() != Severity::Permanent {
            return Err(self.refused(Step::Hello, reply));
        }
        // A server may be so old that it has no extensions (RFC 5321 3.2). If it is not, its reply to EHLO says why.
        match wire.command(&format!("HELO {}", self.config.hello)).await {
            Ok(hello) if hello.is_positive() => Ok(Extensions::default()),
            _ => Err(self.refused(Step::Hello, reply)),
        }
    }

    /// Logs once that messages go in the clear, as a warning where that has changed or the server is another machine.
    fn log_plaintext(&self) {
        let stripped = self.offered_starttls.load(Ordering::Relaxed);
        if self.logged_plaintext.swap(true, Ordering::Relaxed) && !stripped {
            return;
        }
        let server = self.server.as_str();
        if self.offered_starttls.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                server,
                "STARTTLS is no longer offered; an attacker may have removed it: messages go in the clear; tls=required forbids it"
            );
        } else if self.config.is_loopback() {
            tracing::info!(server, "STARTTLS is not offered: messages are sent unencrypted, on this machine");
        } else {
            tracing::warn!(
                server,
                "STARTTLS is not offered, or an attacker has removed it: messages go in the clear; tls=required forbids it"
            );
        }
    }

    fn wire(&self, stream: Stream) -> Wire {
        Wire::new(stream, self.config.timeout, Arc::clone(&self.secrets))
    }

    fn refused(&self, step: Step, reply: Reply) -> ConnectError {
        ConnectError::Refused { server: self.server.clone(), step, reply }
    }

    fn lost(&self, error: SessionError) -> ConnectError {
        ConnectError::Lost { server: self.server.clone(), error }
    }
}

/// Whether the server has answered the handshake with something that is not TLS.
fn is_no_tls(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::config::Options;

    /// A server that says this in answer to STARTTLS, and to which a session is opened.
    async fn connect_to_server_saying(starttls: &'static [u8]) -> Result<Session, ConnectError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let connector = Connector::new(&Config::parse(&url, Options::default()).unwrap()).unwrap();
        let server = async {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            for answer in [b"250-relay.example\r\n250 STARTTLS\r\n".as_slice(), starttls] {
                if answer != starttls {
                    stream.write_all(b"220 hello\r\n").await.unwrap();
                }
                stream.read_line(&mut line).await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
            stream
        };
        let (session, _stream) = tokio::join!(connector.connect(), server);
        session
    }

    #[tokio::test]
    async fn what_somebody_slips_in_before_the_encryption_ends_the_session() {
        let error = connect_to_server_saying(b"220 go ahead\r\n250 AUTH PLAIN\r\n").await.err().unwrap();
        assert!(matches!(error, ConnectError::Tls(_)));
        assert!(error.to_string().contains("sent more than the answer"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_offers_encryption_and_refuses_it_is_not_spoken_to_in_the_clear() {
        let error = connect_to_server_saying(b"454 not now\r\n").await.err().unwrap();
        assert!(matches!(error, ConnectError::Refused { step: Step::StartTls, .. }));
        assert!(error.to_string().contains("refused STARTTLS: 454 not now"), "{error}");
    }
}
