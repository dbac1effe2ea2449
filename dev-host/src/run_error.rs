//! Why a request has no response.

use thiserror::Error;

/// Why a component produced no response.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// It could not be instantiated, or it trapped.
    #[error("{}", .0.root_cause())]
    Failed(wasmtime::Error),
    /// It returned.
    #[error("it returned without a response")]
    NoResponse,
    /// It set an error in the place of a response.
    #[error("it answered with an error: {0}")]
    Refused(String),
    /// The instance that served it failed, whichever of its requests it was about; the log has said why.
    #[error("its instance failed")]
    InstanceFailed,
    /// There is no instance to serve it.
    #[error("it cannot be instantiated: {0}")]
    NoInstance(String),
    /// The task that ran it is gone: a fault in this host.
    #[error("the host failed to run it")]
    Lost,
}
