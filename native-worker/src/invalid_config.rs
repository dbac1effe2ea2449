//! A setting that cannot be used.

use redis_connection::InvalidUrl;

/// A setting is not usable. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);

impl From<InvalidUrl> for InvalidConfig {
    fn from(error: InvalidUrl) -> Self {
        Self(error.to_string())
    }
}
