//! Where emails go, chosen by one URL.
//!
//! - `log`: printed, for development;
//! - `file`: one file each;
//! - `null`: counted and not sent, for measuring;
//! - `smtp`: an SMTP server, which may accept an email for some recipients only.

mod config;
mod file;
mod log;
mod null;
mod open_error;
pub(crate) mod outcome;
mod outgoing;
mod smtp;

use file::FileTransport;
use log::LogTransport;
use null::NullTransport;
use smtp::SmtpTransport;

use crate::metrics::Connections;
pub use config::TransportConfig;
pub use open_error::OpenError;
pub(crate) use outcome::{Delivery, Failure, Scope, Verdict};
pub(crate) use outgoing::{Handoff, Outgoing};
pub(crate) use smtp::ConnectionLimit;

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

    /// The connections to the server, for a transport that has any.
    pub(crate) fn connections(&self) -> Option<Connections> {
        match self {
            Self::Log(_) | Self::File(_) | Self::Null(_) => None,
            Self::Smtp(smtp) => Some(smtp.connections()),
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
