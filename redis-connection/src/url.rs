//! The URL of Redis.

use std::{fmt, str::FromStr};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// The default URL.
pub const DEFAULT_REDIS_URL: &str = "redis://127.0.0.1:6379";

/// The URL of a Redis server. It is printed without user and password.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

/// A URL cannot be used. The text does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no URL of Redis, or names no host, port 0 or a database below 0.
    #[error("the Redis URL is not like redis://[user:password@]host[:port][/db]")]
    Malformed,
    /// It asks not to check certificates.
    #[error("the Redis URL ends in #insecure: certificates are always checked")]
    Insecure,
}

impl RedisUrl {
    /// Whether it asks for TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(crate) fn info(&self) -> &ConnectionInfo {
        &self.0
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        // The error of the client crate may quote the URL with its password.
        let info = url.into_connection_info().map_err(|_| InvalidUrl::Malformed)?;
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }
                if host.is_empty() || *port == 0 =>
            {
                Err(InvalidUrl::Malformed)
            }
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(InvalidUrl::Insecure),
            _ if info.redis_settings().db() < 0 => Err(InvalidUrl::Malformed),
            _ => Ok(Self(info)),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.addr())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use super::*;

    #[test]
    fn a_url_is_shown_with_neither_user_nor_password() {
        let url: RedisUrl = "rediss://sender:s3cret@redis.example:6380/2".parse().unwrap();
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(!shown.contains("sender") && !shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("redis.example:6380"), "{shown}");
        }
        for unusable in ["example:port", "example:0", "example/-1", "example/first", "", "example?protocol=9"] {
            for scheme in ["redis", "rediss"] {
                let error = format!("{scheme}://sender:s3cret@{unusable}").parse::<RedisUrl>().unwrap_err();
                assert_eq!(error, InvalidUrl::Malformed, "{scheme} {unusable}");
            }
        }
        assert_eq!("rediss://example/#insecure".parse::<RedisUrl>().unwrap_err(), InvalidUrl::Insecure);
    }
}
