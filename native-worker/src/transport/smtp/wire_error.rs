//! Why a server gives no answer.

use std::{io, time::Duration};

use super::outcome::{Fault, Kind};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the server closed the connection")]
    Closed,
    #[error("{0}")]
    Lost(io::Error),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("{0}")]
    NotSmtp(String),
}

impl WireError {
    /// The session is lost, and nobody's email is to blame.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::NotSmtp(_) => Fault::of_server(Kind::Protocol, self.to_string()),
            _ => Fault::of_server(Kind::Timeout, format!("lost the connection to the server: {self}")),
        }
    }
}
