//! A connection to the server, from the greeting to the point where emails can be sent.

use std::{io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    config::{Credentials, SmtpConfig, TlsMode},
    reply::Reply,
    tls,
    wire::{Stream, Wire, checked, within},
};
use crate::transport::OpenError;

/// Opens sessions.
pub(super) struct Connector {
    config: SmtpConfig,
    tls: TlsConnector,
    server_name: ServerName<'static>,
}

/// Why no session could be opened. For people; holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    #[error("TLS with {0} failed: {1}")]
    Tls(String, io::Error),
    #[error("{0} does not offer STARTTLS, and the transport requires it")]
    NoStartTls(String),
    #[error("{0} sent more than the answer to STARTTLS; somebody may be meddling with the connection")]
    Injected(String),
    #[error("{0} offers no encryption; user and password are not sent in the clear unless tls=none says so")]
    Plaintext(String),
    #[error("{0} offers no authentication that we know (PLAIN, LOGIN)")]
    NoAuthentication(String),
    #[error("{0} refused {1}: {2}")]
    Refused(String, &'static str, Reply),
    #[error("lost the connection to {0}: {1}")]
    Lost(String, io::Error),
}

/// A session in which emails can be sent, one after the other.
pub(super) struct Session {
    wire: Wire,
    pub(super) extensions: Extensions,
    fresh: bool,
}

/// What the server can do, as it said in answer to `EHLO`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    starttls: bool,
    plain: bool,
    login: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) smtputf8: bool,
    pub(super) pipelining: bool,
    pub(super) size: bool,
}

impl Connector {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, OpenError> {
        let server_name = ServerName::try_from(config.host.clone()).map_err(|_| OpenError::Host)?;
        Ok(Self { config: config.clone(), tls: tls::connector(config)?, server_name })
    }

    /// Opens a session: greeting, TLS and authentication as configured, each step with a deadline. When the future is
    /// dropped, the connection is closed.
    pub(super) async fn connect(&self) -> Result<Session, ConnectError> {
        let SmtpConfig { host, port, timeout: patience, .. } = &self.config;
        let server = self.config.to_string();
        let connect = within(*patience, TcpStream::connect((host.as_str(), *port)));
        let tcp = connect.await.map_err(|error| ConnectError::Connect(server.clone(), error))?;
        // Commands are small and waited for one by one.
        let _ = tcp.set_nodelay(true);
        let mut stream: Stream = Box::new(tcp);
        let mut encrypted = false;
        if self.config.tls == TlsMode::Implicit {
            stream = self.encrypt(stream).await?;
            encrypted = true;
        }
        let lost = |error| ConnectError::Lost(server.clone(), error);
        let mut wire = Wire::new(stream, *patience);
        let greeting = wire.reply().await.map_err(lost)?;
        expect_positive(&server, "the connection", greeting)?;
        let mut extensions = self.hello(&mut wire).await?;
        let wanted = matches!(self.config.tls, TlsMode::Required | TlsMode::Opportunistic) && !encrypted;
        if wanted && extensions.starttls {
            let reply = wire.command("STARTTLS").await.map_err(lost)?;
            expect_positive(&server, "STARTTLS", reply)?;
            // What is here already was not encrypted, and anybody can have sent it.
            let stream = wire.into_stream().ok_or_else(|| ConnectError::Injected(server.clone()))?;
            wire = Wire::new(self.encrypt(stream).await?, *patience);
            encrypted = true;
            // What was said before is void: only this answer can be trusted.
            extensions = self.hello(&mut wire).await?;
        } else if self.config.tls == TlsMode::Required {
            return Err(ConnectError::NoStartTls(server));
        }
        if let Some(credentials) = &self.config.credentials {
            if !encrypted && !self.config.trusts_plaintext() {
                return Err(ConnectError::Plaintext(server));
            }
            self.authenticate(&mut wire, extensions, credentials).await?;
        }
        Ok(Session { wire, extensions, fresh: true })
    }

    async fn encrypt(&self, stream: Stream) -> Result<Stream, ConnectError> {
        let handshake = within(self.config.timeout, self.tls.connect(self.server_name.clone(), stream));
        match handshake.await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(ConnectError::Tls(self.config.to_string(), error)),
        }
    }

    async fn hello(&self, wire: &mut Wire) -> Result<Extensions, ConnectError> {
        let server = self.config.to_string();
        let lost = |error| ConnectError::Lost(server.clone(), error);
        let reply = wire.command(&format!("EHLO {}", self.config.hello)).await.map_err(lost)?;
        if reply.is_positive() {
            return Ok(Extensions::read(&reply));
        }
        // A server so old that it knows no extension (RFC 5321 3.2).
        let reply = wire.command(&format!("HELO {}", self.config.hello)).await.map_err(lost)?;
        expect_positive(&server, "HELO", reply)?;
        Ok(Extensions::default())
    }

    /// AUTH PLAIN (RFC 4616), or LOGIN where there is nothing better.
    async fn authenticate(
        &self,
        wire: &mut Wire,
        extensions: Extensions,
        Credentials { username, password }: &Credentials,
    ) -> Result<(), ConnectError> {
        let server = self.config.to_string();
        let lost = |error| ConnectError::Lost(server.clone(), error);
        let reply = if extensions.plain {
            let response = BASE64_STANDARD.encode(format!("\0{username}\0{password}"));
            wire.command(&format!("AUTH PLAIN {response}")).await.map_err(lost)?
        } else if extensions.login {
            let mut reply = wire.command("AUTH LOGIN").await.map_err(lost)?;
            for response in [username, password] {
                if reply.code == 334 {
                    reply = wire.command(&BASE64_STANDARD.encode(response)).await.map_err(lost)?;
                }
            }
            reply
        } else {
            return Err(ConnectError::NoAuthentication(server));
        };
        if reply.code == 235 { Ok(()) } else { Err(ConnectError::Refused(server, "the user and password", reply)) }
    }
}

impl Session {
    /// Whether no email has been sent in it yet, so that the server has no reason to have closed it.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn used(&mut self) {
        self.fresh = false;
    }

    /// Sends one command and waits for its answer.
    pub(super) async fn command(&mut self, command: &str) -> io::Result<Reply> {
        self.wire.command(command).await
    }

    /// Sends several commands at once (RFC 2920). The answers are to be read one by one.
    pub(super) async fn pipeline(&mut self, commands: &[String]) -> io::Result<()> {
        let lines = commands.iter().map(|command| checked(command)).collect::<io::Result<Vec<_>>>()?;
        self.wire.send(lines.concat().as_bytes()).await
    }

    pub(super) async fn reply(&mut self) -> io::Result<Reply> {
        self.wire.reply().await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.send(bytes).await
    }

    /// Waits for the answer that follows a message. The server has it on disk by then, or scanned, or handed on: it may
    /// take five times as long as for other answers (RFC 5321 4.5.3.2.6).
    pub(super) async fn reply_to_message(&mut self) -> io::Result<Reply> {
        let patience = self.wire.patience;
        self.wire.patience = patience * 5;
        let reply = self.wire.reply().await;
        self.wire.patience = patience;
        reply
    }

    /// Says goodbye, without waiting long for it to be heard.
    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(1), self.wire.command("QUIT")).await;
    }
}

impl Extensions {
    /// Keywords are in any case (RFC 5321 4.1.1.1). The first line is the server's name.
    fn read(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("8BITMIME") => extensions.eight_bit_mime = true,
                Some("SMTPUTF8") => extensions.smtputf8 = true,
                Some("PIPELINING") => extensions.pipelining = true,
                Some("SIZE") => extensions.size = true,
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.plain |= mechanism == "PLAIN";
                        extensions.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

fn expect_positive(server: &str, what: &'static str, reply: Reply) -> Result<(), ConnectError> {
    if reply.is_positive() { Ok(()) } else { Err(ConnectError::Refused(server.to_owned(), what, reply)) }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::transport::SmtpOptions;

    #[test]
    fn extensions_are_read_in_any_case_and_form() {
        let lines = ["relay.example starttls", "8bitmime", "Auth=plain LOGIN", "SIZE 1000", "CHUNKING"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).into() };
        let expected =
            Extensions { plain: true, login: true, eight_bit_mime: true, size: true, ..Extensions::default() };
        assert_eq!(Extensions::read(&reply), expected);
    }

    /// A server that says this in answer to STARTTLS, and to which a session is opened.
    async fn connect_to_server_saying(starttls: &'static [u8]) -> Result<Session, ConnectError> {
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
        let session = connect_to_server_saying(b"220 go ahead\r\n250 AUTH PLAIN\r\n").await;
        assert!(matches!(session, Err(ConnectError::Injected(_))));
    }

    #[tokio::test]
    async fn a_server_that_offers_encryption_and_refuses_it_is_not_spoken_to_in_the_clear() {
        let session = connect_to_server_saying(b"454 not now\r\n").await;
        assert!(matches!(session, Err(ConnectError::Refused(_, "STARTTLS", _))));
    }
}
