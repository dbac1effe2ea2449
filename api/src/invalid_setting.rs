//! A setting that cannot be used.

use thiserror::Error;

/// Which setting cannot be used, and why. The text does not show its value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("The server's variable `{variable}` {reason}.")]
pub struct InvalidSetting {
    /// The name of the variable, as in [`Settings::VARIABLES`](crate::settings::Settings::VARIABLES).
    pub variable: &'static str,
    /// The end of a sentence that begins with the variable.
    pub reason: String,
}
