//! Why no session could be opened.

use std::fmt;

use crate::{reply::Reply, session_error::SessionError};

/// Why no session could be opened. The text is for people: it names the server, may quote it, and holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host has no address, or nothing accepts connections at the port.
    #[error("cannot connect to {server}: {error}")]
    Unreachable {
        /// The server as a URL without user and password, here and below.
        server: String,
        /// Why.
        #[source]
        error: SessionError,
    },
    /// The connection ended before the session was open, or what the server sent is no reply.
    #[error("lost the connection to {server}: {error}")]
    Lost {
        /// The server.
        server: String,
        /// Why.
        #[source]
        error: SessionError,
    },
    /// The server refused a step.
    #[error("{server} refused {step}: {reply}")]
    Refused {
        /// The server.
        server: String,
        /// Which step.
        step: Step,
        /// Its reply.
        reply: Reply,
    },
    /// TLS is required and not offered, or the handshake failed, or the certificate is not trusted.
    #[error("{0}")]
    Tls(String),
    /// There are credentials, and the server offers no mechanism that this client has.
    #[error("{server} does not offer authentication by PLAIN or LOGIN")]
    NoMechanism {
        /// The server.
        server: String,
    },
}

/// A step of opening a session. Its text says what was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The reply with which the server greets a connection (RFC 5321 3.1).
    Greeting,
    /// `EHLO`, and `HELO` after it (RFC 5321 4.1.1.1).
    Hello,
    /// `STARTTLS` ([RFC 3207](https://www.rfc-editor.org/rfc/rfc3207)).
    StartTls,
    /// `AUTH` ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    Authentication,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the connection",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Authentication => "the user and password",
        })
    }
}
