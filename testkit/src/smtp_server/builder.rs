//! How to start the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::SmtpServer;
use super::listener::{Login, Shared, TlsSetup, accept};
use super::log::Log;
use super::script::{Action, Rules, Script, Step};
use super::wire::MAX_MESSAGE;
use crate::certificates::{Certificates, LOOPBACK_NAMES};

/// How to start an [`SmtpServer`].
#[derive(Debug)]
pub struct SmtpServerBuilder {
    listen: SocketAddr,
    keeps: bool,
    security: Security,
    certificate_names: Vec<String>,
    login: Option<Login>,
    smtputf8: bool,
    eight_bit_mime: bool,
    max_message: usize,
    asks_for_response: bool,
    self_signed: Option<bool>,
    certificate_end: Option<SystemTime>,
    script: Script,
}

/// Whether and how the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// No TLS at all.
    #[default]
    Plain,
    /// STARTTLS is offered; without it everything works as well, except authentication.
    StartTls,
    /// STARTTLS is offered, and without it `MAIL` is refused with 530.
    StartTlsRequired,
    /// TLS from the first byte (`smtps`).
    Implicit,
}

impl SmtpServerBuilder {
    /// Whether and how to encrypt; [`Security::Plain`] by default.
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Makes the certificate one for other names than 127.0.0.1 and localhost, so that checking it fails.
    pub fn certificate_names(mut self, names: &[&str]) -> Self {
        self.certificate_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Offers AUTH PLAIN and LOGIN with this user, and refuses `MAIL` without authentication. If STARTTLS is offered,
    /// authentication is offered only after it.
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some(Login { user: user.into(), password: password.into() });
        self
    }

    /// Does not offer SMTPUTF8, and refuses addresses that would need it.
    pub fn without_smtputf8(mut self) -> Self {
        self.smtputf8 = false;
        self
    }

    /// Does not offer 8BITMIME (nor, since it builds on that, SMTPUTF8).
    pub fn without_eight_bit_mime(mut self) -> Self {
        self.eight_bit_mime = false;
        self.smtputf8 = false;
        self
    }

    /// Takes no larger messages, in bytes, and says so.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Asks for the response of AUTH PLAIN even if it came with the command.
    pub fn asking_for_response(mut self) -> Self {
        self.asks_for_response = true;
        self
    }

    /// Makes the certificate self-signed, with or without the CA flag.
    pub fn self_signed(mut self, is_authority: bool) -> Self {
        self.self_signed = Some(is_authority);
        self
    }

    /// Makes a certificate that is valid until then.
    pub fn certificate_end(mut self, end: SystemTime) -> Self {
        self.certificate_end = Some(end);
        self
    }

    /// Asks `script` at every step what to do.
    pub fn script(mut self, script: impl Fn(&Step<'_>) -> Action + Send + Sync + 'static) -> Self {
        self.script = Script::new(script);
        self
    }

    /// Follows `rules` at every step.
    pub fn rules(self, rules: Rules) -> Self {
        self.script(move |step| rules.action(step))
    }

    /// Listens there, and not on a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Keeps no message in memory: the script sees each as it arrives.
    pub fn keeping_nothing(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// Binds a port and serves it in the background of the current tokio runtime.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start(self) -> SmtpServer {
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.unwrap_or_else(|error| panic!("the SMTP server cannot listen: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("the SMTP server has no address: {error}"));
        let names = self.certificate_names.iter().map(String::as_str).collect::<Vec<_>>();
        let certificates = (self.security != Security::Plain).then(|| match self.self_signed {
            Some(is_authority) => Certificates::self_signed(&names, is_authority),
            None => Certificates::generate(&names, self.certificate_end),
        });
        let shared = Arc::new(Shared {
            keeps: self.keeps,
            security: self.security,
            tls: certificates.as_ref().map(|certificates| TlsSetup(certificates.acceptor())),
            login: self.login,
            smtputf8: self.smtputf8,
            eight_bit_mime: self.eight_bit_mime,
            max_message: self.max_message,
            asks_for_response: self.asks_for_response,
            script: watch::Sender::new(self.script),
            log: watch::Sender::new(Log::default()),
            releases: watch::Sender::new(0),
            cut: watch::Sender::new(()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        SmtpServer { address, security: self.security, certificates, shared, accepting }
    }
}

impl Default for SmtpServerBuilder {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            keeps: true,
            security: Security::Plain,
            certificate_names: LOOPBACK_NAMES.map(str::to_owned).to_vec(),
            login: None,
            smtputf8: true,
            eight_bit_mime: true,
            max_message: MAX_MESSAGE,
            asks_for_response: false,
            self_signed: None,
            certificate_end: None,
            script: Script::default(),
        }
    }
}
