//! Reads the URL of Redis.

use std::str::FromStr;

use redis::ConnectionAddr;

use crate::{
    address::Address,
    sentinel_url,
    server_url::server,
    url::{InvalidUrl, Place, RedisUrl},
};

impl FromStr for RedisUrl {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        for (scheme, redis_scheme) in [("redis+sentinel://", "redis"), ("rediss+sentinel://", "rediss")] {
            if let Some(rest) = url.strip_prefix(scheme) {
                return sentinel_url::parse(redis_scheme, rest);
            }
        }
        let info = server(url)?;
        Ok(Self {
            place: Place::At(Address::of(info.addr()).ok_or(InvalidUrl::Malformed)?),
            is_tls: matches!(info.addr(), ConnectionAddr::TcpTls { .. }),
            login: info.redis_settings().clone(),
        })
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
