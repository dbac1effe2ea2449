//! What an error of Redis means for the connection and for the call.

use email_queue::{Redirect, Refusal, call::CallError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Whether a connection cannot be used after this error. A master that became a replica stays one: only a new connection can
/// lead to the new master.
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
        || error.is_unrecoverable_error()
        || Refusal::of(&error.to_string()) == Some(Refusal::ReadOnly)
}

/// Whether a node has lost sight of most others of its cluster, which may have another node in its place by now.
pub(crate) fn is_cut_off(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown)
}

/// Whether the same call would fail until a person changes something. It would not while Redis cannot be reached, starts, is
/// busy or full, or changes its role, nor while a slot of a cluster moves.
pub(crate) fn lasts(error: &CallError<RedisError>) -> bool {
    let CallError::Redis(error) = error else { return true };
    let text = error.to_string();
    if matches!(Refusal::of(&text), Some(Refusal::Full | Refusal::ReadOnly)) || Redirect::of(&text).is_some() {
        return false;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::UnexpectedReturnType => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => !text.contains("max number of clients"),
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot),
        ErrorKind::Extension => matches!(error.code(), Some("WRONGTYPE" | "WRONGPASS" | "NOAUTH")),
        _ => false,
    }
}

/// An error of Redis with an explanation, where there is one.
pub(crate) fn explained(error: &RedisError) -> String {
    let text = error.to_string();
    match (Refusal::of(&text), Redirect::of(&text)) {
        (_, Some(Redirect::Later)) => format!("the queue's slot of the cluster moves, or no node serves it ({text})"),
        (Some(refusal), _) => format!("{refusal} ({text})"),
        (None, _) => text,
    }
}
