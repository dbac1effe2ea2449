//! Where emails go, chosen by one URL.
//!
//! - `log`: printed, for development;
//! - `file`: one file each;
//! - `null`: counted and not sent, for measuring;
//! - `smtp`: an SMTP server, which may accept an email for some recipients only.

mod file;
mod log;
mod null;
mod smtp;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use email_queue::{Class, Email, EmailId, email::Mailbox};

use smtp_client::Options;

use crate::invalid_config::InvalidConfig;
use file::FileTransport;
use log::LogTransport;
use null::NullTransport;
use smtp::SmtpTransport;

pub(crate) use smtp::ConnectionLimit;

/// The transport's configuration. Printed without secrets.
#[derive(Debug, Clone)]
pub enum TransportConfig {
    /// `log:` prints each email on standard output.
    Log,
    /// `file:DIR` writes each email into a file `<id>.eml` of this directory, which is made if need be.
    File(PathBuf),
    /// `null:` counts emails and sends none.
    Null,
    /// `smtp://` and `smtps://`.
    Smtp(Box<smtp_client::Config>),
}

impl TransportConfig {
    /// Reads the URL of a transport.
    ///
    /// # Errors
    /// Says what is wrong, without any part of the URL that may be secret.
    pub fn parse(url: &str, smtp: Options) -> Result<Self, InvalidConfig> {
        if matches!(url, "log:" | "log://" | "log") {
            return Ok(Self::Log);
        }
        if matches!(url, "null:" | "null://" | "null") {
            return Ok(Self::Null);
        }
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(InvalidConfig("the transport file:DIR needs a directory".to_owned()));
            }
            return Ok(Self::File(path.into()));
        }
        let scheme = url.split(':').next().unwrap_or_default();
        if !["smtp", "smtps"].iter().any(|smtp| smtp.eq_ignore_ascii_case(scheme)) {
            let known = "the transport's URL is not log:, null:, file:DIR, smtp://host or smtps://host";
            return Err(InvalidConfig(known.to_owned()));
        }
        let smtp = smtp_client::Config::parse(url, smtp).map_err(|error| InvalidConfig(error.to_string()))?;
        Ok(Self::Smtp(Box::new(smtp)))
    }
}

impl fmt::Display for TransportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("log:"),
            Self::File(directory) => write!(f, "file:{}", directory.display()),
            Self::Null => f.write_str("null:"),
            Self::Smtp(smtp) => smtp.fmt(f),
        }
    }
}

/// A transport, ready for use by many deliveries at once.
pub(crate) enum Transport {
    Log(LogTransport),
    File(FileTransport),
    Null(NullTransport),
    Smtp(Box<SmtpTransport>),
}

impl Transport {
    /// Checks that it can be used, as far as that does not depend on a server, which may start later.
    pub(crate) async fn open(config: &TransportConfig) -> Result<Self, OpenError> {
        Ok(match config {
            TransportConfig::Log => Self::Log(LogTransport),
            TransportConfig::File(directory) => Self::File(FileTransport::open(directory).await?),
            TransportConfig::Null => Self::Null(NullTransport::default()),
            TransportConfig::Smtp(config) => Self::Smtp(Box::new(SmtpTransport::open(config)?)),
        })
    }

    /// Hands over one email. When the future is dropped, something may have been sent if the handoff has begun.
    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        match self {
            Self::Log(log) => log.deliver(outgoing).await,
            Self::File(file) => file.deliver(outgoing).await,
            Self::Null(null) => null.deliver(outgoing),
            // Boxed, or the tasks of the other transports would be as large.
            Self::Smtp(smtp) => Box::pin(smtp.deliver(outgoing)).await,
        }
    }

    /// How many connections the server takes at once, where that can be learned.
    pub(crate) fn connection_limit(&self) -> Option<&ConnectionLimit> {
        match self {
            Self::Log(_) | Self::File(_) | Self::Null(_) => None,
            Self::Smtp(smtp) => Some(smtp.connection_limit()),
        }
    }

    /// Closes idle sessions. Takes a second at the most.
    pub(crate) async fn close(&self) {
        match self {
            Self::Log(_) | Self::File(_) => {}
            Self::Null(null) => {
                tracing::warn!(emails = null.discarded(), "the transport null: sent none of these emails")
            }
            Self::Smtp(smtp) => smtp.close().await,
        }
    }
}

/// Why a transport cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made, or not written to.
    #[error("cannot write to the directory")]
    Directory(#[source] io::Error),
    /// The SMTP settings cannot be used with any server.
    #[error(transparent)]
    Smtp(#[from] smtp_client::SetupError),
}

/// An email to be handed over.
pub(crate) struct Outgoing<'a> {
    pub(crate) id: EmailId,
    pub(crate) email: &'a Email,
    /// Those who do not have it yet and were not refused for good: one or more.
    pub(crate) recipients: &'a [&'a Mailbox],
    /// Begins right before anything that may reach a recipient.
    pub(crate) handoff: &'a Handoff,
}

/// Whether a delivery may have reached a recipient: from then on no other worker may start it at the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handoff(Arc<AtomicBool>);

impl Handoff {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The result of a delivery: verdicts in any order. A recipient without one waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery<'a> {
    pub(crate) verdicts: Vec<(&'a Mailbox, Verdict)>,
    /// Why recipients have no verdict.
    pub(crate) fault: Option<Fault>,
}

/// How a delivery ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The transport has taken it.
    Accepted,
    /// Not now; it may work later.
    Deferred(Failure),
    /// Never.
    Failed(Failure),
}

/// Why an email is not delivered. The reason is for people, may come from a server, and has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) reason: String,
}

/// A failure that is not the email's, and is not counted as an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) scope: Scope,
    pub(crate) failure: Failure,
}

/// Whose emails are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that go by this transport.
    Relay,
    /// Those of the same sender: the relay takes none of them, or no more for now.
    Sender,
}

impl<'a> Delivery<'a> {
    /// The same verdict for all recipients.
    pub(crate) fn all(recipients: &[&'a Mailbox], verdict: &Verdict) -> Self {
        Self { verdicts: recipients.iter().map(|recipient| (*recipient, verdict.clone())).collect(), fault: None }
    }
}

impl Fault {
    /// All emails that go by this transport are concerned.
    pub(crate) fn of_relay(class: Class, reason: impl Into<String>) -> Self {
        Self { scope: Scope::Relay, failure: Failure::new(class, reason) }
    }

    /// Emails of the same sender are concerned.
    pub(crate) fn of_sender(reason: impl Into<String>) -> Self {
        Self { scope: Scope::Sender, failure: Failure::new(Class::Sender, reason) }
    }
}

impl From<Fault> for Delivery<'_> {
    /// No recipient has a verdict.
    fn from(fault: Fault) -> Self {
        Self { verdicts: Vec::new(), fault: Some(fault) }
    }
}

impl Failure {
    pub(crate) fn new(class: Class, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<TransportConfig, InvalidConfig> {
        TransportConfig::parse(url, Options::default())
    }

    #[test]
    fn a_transport_is_chosen_by_its_scheme() {
        assert_eq!(parse("log:").unwrap().to_string(), "log:");
        assert_eq!(parse("file:.data/outbox").unwrap().to_string(), "file:.data/outbox");
        assert_eq!(parse("file:///var/mail").unwrap().to_string(), "file:/var/mail");
        assert_eq!(parse("null:").unwrap().to_string(), "null:");
        assert_eq!(parse("smtp://relay.example").unwrap().to_string(), "smtp://relay.example:25");
    }

    #[test]
    fn a_url_of_no_transport_is_refused() {
        for url in ["", "file:", "http://relay.example", "relay.example:25", "smtp:"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
