//! Counts wrong keys by the address that they come from. After too many the answer is a 429. Requests with a right key from the
//! same address, such as a proxy's, are served as before.

use std::{net::IpAddr, time::Duration};

use email_queue::{
    Queue,
    call::Redis,
    rate_limit::{Allowance, throttle},
};

use crate::{backend::Failure, client::Client, error::ApiError};

/// How many wrong keys of one address are answered with 403.
const ALLOWED: Allowance = Allowance { requests: 10, within: Duration::from_secs(60) };

/// The error for a request with a wrong key. Costs one Redis command. While Redis is unreachable, wrong keys are not counted.
pub(super) async fn refusal<R: Redis<Error: Failure>>(client: &Client, queue: &Queue, redis: &R) -> ApiError {
    match throttle(queue, &id(client), ALLOWED, 1).run(redis).await {
        Ok(status) if !status.allowed => ApiError::too_many_wrong_keys(ALLOWED.requests, status.reset),
        Ok(_) => ApiError::invalid_api_key(),
        Err(error) => {
            log::warn!("Redis did not count a wrong API key: {error}");
            ApiError::invalid_api_key()
        }
    }
}

/// The counter's name: the IPv4 address or the IPv6 /64, as a client has all addresses of its network. It contains a blank, so
/// it cannot be an API key.
fn id(client: &Client) -> String {
    match client.address() {
        Some(IpAddr::V6(address)) => format!("wrong keys of {:x?}", &address.segments()[..4]),
        Some(IpAddr::V4(address)) => format!("wrong keys of {address}"),
        None => "wrong keys of an unknown address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_at(address: &str) -> String {
        id(&Client::at(address.parse().unwrap()))
    }

    #[test]
    fn wrong_keys_are_counted_by_address_or_network() {
        assert_eq!(id_at("192.0.2.7"), id_at("192.0.2.7"));
        assert_eq!(id_at("192.0.2.7"), id_at("::ffff:192.0.2.7"));
        assert_ne!(id_at("192.0.2.7"), id_at("192.0.2.8"));
        assert_eq!(id_at("2001:db8:1:2::1"), id_at("2001:db8:1:2:3::1"));
        assert_ne!(id_at("2001:db8:1:2::1"), id_at("2001:db8:1:3::1"));
    }
}
