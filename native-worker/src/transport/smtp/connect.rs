//! From nothing to a session: connection, greeting, TLS, authentication.

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

use super::{
    auth,
    config::{SmtpConfig, TlsMode},
    judge::{self, Step},
    outcome::{Fault, Kind},
    redact::Secrets,
    reply::{Reply, Severity},
    session::{Extensions, Session},
    tls::{self, SetupError},
    wire::{Stream, Wire},
    wire_error::WireError,
};

/// A server that has said nothing for so long may be waiting for TLS.
const SILENCE_BEFORE_PROBE: Duration = Duration::from_secs(10);

/// Opens sessions.
pub(super) struct Connector {
    config: SmtpConfig,
    /// How the server is called in reasons and logs.
    server: String,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    secrets: Arc<Secrets>,
    /// Whether STARTTLS was ever offered.
    offered_starttls: AtomicBool,
    /// Whether it was said that emails go in the clear.
    told_plaintext: AtomicBool,
}

impl Connector {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, SetupError> {
        let server_name = ServerName::try_from(config.host.clone()).map_err(|_| SetupError::Host)?;
        Ok(Self {
            config: config.clone(),
            server: config.to_string(),
            tls: tls::connector(config)?,
            server_name,
            secrets: Arc::new(config.credentials.as_ref().map(Secrets::new).unwrap_or_default()),
            offered_starttls: AtomicBool::new(false),
            told_plaintext: AtomicBool::new(false),
        })
    }

    /// Opens a session: greeting, TLS and authentication as configured, each step with a deadline. When the future is
    /// dropped, the connection is closed.
    ///
    /// # Errors
    /// Says what is wrong with the server, or with the settings.
    pub(super) async fn connect(&self) -> Result<Session, Fault> {
        let mut stream = self.dial().await?;
        let implicit = self.config.tls == TlsMode::Implicit;
        if implicit {
            stream = self.encrypt(stream).await?;
        }
        let mut wire = self.wire(stream);
        let greeting = self.greeting(&mut wire, implicit).await?;
        if !greeting.is_positive() {
            return Err(self.refused(Step::Greeting, "the connection", &greeting));
        }
        let mut extensions = self.hello(&mut wire).await?;
        let mut encrypted = implicit;
        if !implicit && self.config.tls != TlsMode::None {
            if extensions.starttls {
                self.offered_starttls.store(true, Ordering::Relaxed);
                wire = self.start_tls(wire).await?;
                encrypted = true;
                // What was said before is void: only this answer can be trusted.
                extensions = self.hello(&mut wire).await?;
            } else if self.config.tls == TlsMode::Required {
                let reason = format!("{} does not offer STARTTLS, and the transport requires it", self.server);
                return Err(Fault::of_server(Kind::Tls, reason));
            } else {
                self.tell_plaintext();
            }
        }
        let Some(credentials) = &self.config.credentials else { return Ok(Session::new(wire, extensions, false)) };
        if !encrypted && !self.config.is_loopback() {
            let reason = format!("{} offers no encryption, and a password is not sent in the clear", self.server);
            return Err(Fault::of_server(Kind::Tls, reason));
        }
        match auth::log_in(&mut wire, extensions, credentials).await {
            Ok(Some(reply)) if reply.is_positive() => Ok(Session::new(wire, extensions, true)),
            Ok(Some(reply)) => Err(self.refused(Step::Login, "the user and password", &reply)),
            Ok(None) => {
                let reason = format!("{} offers no authentication that we know (PLAIN, LOGIN)", self.server);
                Err(Fault::of_server(Kind::Authentication, reason))
            }
            Err(error) => Err(self.lost(&error)),
        }
    }

    async fn dial(&self) -> Result<Stream, Fault> {
        let SmtpConfig { host, port, timeout: patience, .. } = &self.config;
        let failed = |error: &dyn std::fmt::Display| {
            Fault::of_server(Kind::Connection, format!("cannot connect to {}: {error}", self.server))
        };
        match timeout(*patience, TcpStream::connect((host.as_str(), *port))).await {
            Ok(Ok(tcp)) => {
                // Commands are small and waited for one by one.
                let _ = tcp.set_nodelay(true);
                Ok(Box::new(tcp))
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&WireError::Silent(*patience))),
        }
    }

    /// Waits for the greeting. A server that waits for TLS says nothing, for ever: after a while it is asked.
    async fn greeting(&self, wire: &mut Wire, encrypted: bool) -> Result<Reply, Fault> {
        let greeting = wire.reply();
        tokio::pin!(greeting);
        let patience = SILENCE_BEFORE_PROBE.min(self.config.timeout / 2);
        if !encrypted {
            tokio::select! {
                reply = &mut greeting => return reply.map_err(|error| self.lost(&error)),
                () = async { sleep(patience).await; self.find_tls().await } => {
                    let SmtpConfig { host, port, .. } = &self.config;
                    let reason = format!("{} waits for TLS from the first byte: write smtps://{host}:{port}", self.server);
                    tracing::warn!("{reason}");
                    return Err(Fault::of_server(Kind::Tls, reason));
                }
            }
        }
        greeting.await.map_err(|error| self.lost(&error))
    }

    /// Ends only if the server speaks TLS on a new connection, whatever its certificate says.
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

    async fn start_tls(&self, mut wire: Wire) -> Result<Wire, Fault> {
        let reply = wire.command("STARTTLS").await.map_err(|error| self.lost(&error))?;
        if !reply.is_positive() {
            return Err(self.refused(Step::StartTls, "STARTTLS", &reply));
        }
        // What is here already was not encrypted, and anybody can have sent it.
        let Some(stream) = wire.into_stream() else {
            let reason = format!(
                "{} sent more than the answer to STARTTLS; somebody may be meddling with the connection",
                self.server
            );
            return Err(Fault::of_server(Kind::Tls, reason));
        };
        Ok(self.wire(self.encrypt(stream).await?))
    }

    async fn encrypt(&self, stream: Stream) -> Result<Stream, Fault> {
        let failed = |why: String| Fault::of_server(Kind::Tls, format!("TLS with {} failed: {why}", self.server));
        match timeout(self.config.timeout, self.tls.connect(self.server_name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) if is_no_tls(&error) && self.config.tls == TlsMode::Implicit => {
                let SmtpConfig { host, port, .. } = &self.config;
                Err(failed(format!("what it speaks is no TLS; if it is plain SMTP write smtp://{host}:{port}")))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(WireError::Silent(self.config.timeout).to_string())),
        }
    }

    async fn hello(&self, wire: &mut Wire) -> Result<Extensions, Fault> {
        let refusal = wire.command(&format!("EHLO {}", self.config.hello)).await.map_err(|error| self.lost(&error))?;
        if refusal.is_positive() {
            return Ok(Extensions::read(&refusal));
        }
        if refusal.ends_session() || refusal.severity() != Severity::Permanent {
            return Err(self.refused(Step::Hello, "EHLO", &refusal));
        }
        // A server may be so old that it knows no extension (RFC 5321 3.2). If it is not, its first answer says why.
        match wire.command(&format!("HELO {}", self.config.hello)).await {
            Ok(reply) if reply.is_positive() => Ok(Extensions::default()),
            _ => Err(self.refused(Step::Hello, "EHLO", &refusal)),
        }
    }

    /// Says once that emails go in the clear, and louder where that is not as it was, or not as it should be.
    fn tell_plaintext(&self) {
        let stripped = self.offered_starttls.load(Ordering::Relaxed);
        if self.told_plaintext.swap(true, Ordering::Relaxed) && !stripped {
            return;
        }
        let server = self.server.as_str();
        if self.offered_starttls.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                server,
                "STARTTLS is no longer offered, somebody may have removed it: emails go in the clear; tls=required forbids it"
            );
        } else if self.config.is_loopback() {
            tracing::info!(server, "STARTTLS is not offered: emails go in the clear, on this machine");
        } else {
            tracing::warn!(
                server,
                "STARTTLS is not offered, or somebody has removed it: emails go in the clear; tls=required forbids it"
            );
        }
    }

    fn wire(&self, stream: Stream) -> Wire {
        Wire::new(stream, self.config.timeout, Arc::clone(&self.secrets))
    }

    fn refused(&self, step: Step, what: &str, reply: &Reply) -> Fault {
        judge::of_session(step, reply, format!("{} refused {what}: {reply}", self.server))
    }

    fn lost(&self, error: &WireError) -> Fault {
        let mut fault = error.fault();
        fault.failure.reason = format!("lost the connection to {}: {error}", self.server);
        fault
    }
}

/// Whether the server has answered to a handshake in another language.
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
    use crate::transport::smtp::SmtpOptions;

    /// A server that says this in answer to STARTTLS, and to which a session is opened.
    async fn connect_to_server_saying(starttls: &'static [u8]) -> Result<Session, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let options = SmtpOptions { timeout: Duration::from_secs(30), ..SmtpOptions::default() };
        let connector = Connector::new(&SmtpConfig::parse(&url, options).unwrap()).unwrap();
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
        let fault = connect_to_server_saying(b"220 go ahead\r\n250 AUTH PLAIN\r\n").await.err().unwrap();
        assert_eq!(fault.failure.kind, Kind::Tls);
        assert!(fault.failure.reason.contains("sent more than the answer"), "{}", fault.failure.reason);
    }

    #[tokio::test]
    async fn a_server_that_offers_encryption_and_refuses_it_is_not_spoken_to_in_the_clear() {
        let fault = connect_to_server_saying(b"454 not now\r\n").await.err().unwrap();
        assert_eq!(fault.failure.kind, Kind::Tls);
        assert!(fault.failure.reason.contains("refused STARTTLS: 454 not now"), "{}", fault.failure.reason);
    }
}
