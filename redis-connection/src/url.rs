//! The URL of Redis.

use std::fmt;

use redis::RedisConnectionInfo;

use crate::address::Address;

/// The default URL.
pub const DEFAULT_REDIS_URL: &str = "redis://127.0.0.1:6379";

/// The URL of a Redis server, or of the sentinels that know it. It is printed without user and password.
#[derive(Clone)]
pub struct RedisUrl {
    pub(crate) place: Place,
    pub(crate) is_tls: bool,
    pub(crate) login: RedisConnectionInfo,
}

/// Where the server is.
#[derive(Clone)]
pub(crate) enum Place {
    At(Address),
    Known(SentinelSet),
}

/// Who knows where the server is.
#[derive(Clone)]
pub(crate) struct SentinelSet {
    pub(crate) sentinels: Vec<Address>,
    /// The name under which they watch it.
    pub(crate) master: String,
    pub(crate) login: RedisConnectionInfo,
}

/// A URL cannot be used. The text does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no URL of Redis, or names no host, port 0 or a database below 0.
    #[error("the Redis URL is not like redis://[user:password@]host[:port][/db]")]
    Malformed,
    /// The same of a URL of sentinels.
    #[error(
        "the Redis URL is not like redis+sentinel://[user:password@]host[:26379][,host...]/MASTER[/db][?sentinel_user=USER&\
         sentinel_password=PASSWORD], where MASTER is the name under which the sentinels watch Redis"
    )]
    MalformedSentinel,
    /// It asks not to check certificates.
    #[error("the Redis URL ends in #insecure: certificates are always checked")]
    Insecure,
}

impl RedisUrl {
    /// Whether it asks for TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::At(address) => address.fmt(f),
            Place::Known(SentinelSet { sentinels, master, .. }) => {
                write!(f, "{master}, which is known to the sentinels ")?;
                for (number, sentinel) in sentinels.iter().enumerate() {
                    write!(f, "{}{sentinel}", if number == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}
