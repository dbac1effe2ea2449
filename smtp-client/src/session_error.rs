//! Why a session is over.

use std::{io, time::Duration};

/// Why a server gave no reply: the connection ended, or what came is no reply. The session cannot be used any more.
///
/// The text is for people. It may quote the server, and holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server closed the connection without a reply.
    #[error("the server closed the connection")]
    Closed,
    /// The connection broke. [`io::ErrorKind::InvalidInput`]: a command had a line break or a NUL in it, and was not sent.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// Sending or the reply took longer than this.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// What the server sent is not a reply by RFC 5321 section 4.2.
    #[error("{0}")]
    NotSmtp(String),
}
