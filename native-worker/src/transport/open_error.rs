use std::io;

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
