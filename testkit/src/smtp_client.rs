//! A raw SMTP client for this crate's tests: it sends the given bytes, and parses only the end of a reply (a code
//! followed by a space).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::DEADLINE;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connects and says nothing.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects, awaits the greeting and says EHLO.
    pub(crate) async fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        client.expect(220).await;
        client.say("EHLO client.example", 250).await;
        client
    }

    /// Does a TLS handshake, trusting only this authority.
    pub(crate) async fn encrypt(self, ca_pem: &str) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await?;
        Ok(Self::over(stream))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next reply as it came, or `None` if the connection has been closed.
    pub(crate) async fn reply(&mut self) -> Option<String> {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let read = tokio::time::timeout(DEADLINE, self.stream.read_line(&mut reply));
            match read.await.expect("a reply in time") {
                Ok(length) if length > 0 => {}
                _ => return None,
            }
            if reply.as_bytes().get(start + 3) == Some(&b' ') {
                return Some(reply);
            }
        }
    }

    /// Awaits a reply with this code and returns it.
    pub(crate) async fn expect(&mut self, code: u16) -> String {
        let reply = self.reply().await.unwrap_or_else(|| panic!("closed instead of {code}"));
        assert!(reply.starts_with(&code.to_string()), "{reply:?} instead of {code}");
        reply
    }

    /// Sends a command and awaits a reply with this code.
    pub(crate) async fn say(&mut self, command: &str, code: u16) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.expect(code).await
    }

    /// Goes as far as the 354 that asks for the message.
    pub(crate) async fn begin_message(&mut self, recipient: &str) {
        self.say("MAIL FROM:<sender@a.example>", 250).await;
        self.say(&format!("RCPT TO:<{recipient}>"), 250).await;
        self.say("DATA", 354).await;
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }
}
