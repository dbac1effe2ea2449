//! Wrong keys are counted by the address that they come from: whoever guesses is told to stop, and the operator's other
//! clients, behind the same proxy, are served as before.

use std::{net::IpAddr, time::Duration};

use email_queue::{
    Queue,
    call::Redis,
    rate_limit::{Allowance, throttle},
};
use http::HeaderMap;

use super::client_address;
use crate::{backend::Failure, error::ApiError};

/// How many wrong keys of one address are looked at.
const ALLOWED: Allowance = Allowance { requests: 10, within: Duration::from_secs(60) };

/// What a request with a wrong key gets, which costs Redis one command. Without Redis wrong keys are not counted.
pub(super) async fn refusal<R: Redis<Error: Failure>>(headers: &HeaderMap, queue: &Queue, redis: &R) -> ApiError {
    match throttle(queue, &guesser(headers), ALLOWED, 1).run(redis).await {
        Ok(standing) if !standing.allowed => ApiError::too_many_wrong_keys(ALLOWED.requests, standing.reset),
        Ok(_) => ApiError::invalid_api_key(),
        Err(error) => {
            log::warn!("Redis: a wrong API key is not counted: {error}");
            ApiError::invalid_api_key()
        }
    }
}

/// By what a guesser is known, which is no API key, because it has blanks. Who has one address of IPv6 has all 2^64 of
/// its network.
fn guesser(headers: &HeaderMap) -> String {
    match client_address(headers) {
        Some(IpAddr::V6(address)) => format!("wrong keys of {:x?}", &address.segments()[..4]),
        Some(IpAddr::V4(address)) => format!("wrong keys of {address}"),
        None => "wrong keys of nobody knows whom".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesser_at(address: &'static str) -> String {
        guesser(&[("spin-client-addr".parse().unwrap(), address.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn guessers_are_told_apart_by_address_or_network() {
        assert_eq!(guesser_at("192.0.2.7:5000"), guesser_at("192.0.2.7:5001"));
        assert_eq!(guesser_at("192.0.2.7:5000"), guesser_at("[::ffff:192.0.2.7]:1"));
        assert_ne!(guesser_at("192.0.2.7:5000"), guesser_at("192.0.2.8:5000"));
        assert_eq!(guesser_at("[2001:db8:1:2::1]:5000"), guesser_at("[2001:db8:1:2:3::1]:5000"));
        assert_ne!(guesser_at("[2001:db8:1:2::1]:5000"), guesser_at("[2001:db8:1:3::1]:5000"));
    }
}
