//! Who may ask for what: whoever has a key; and as long as no keys are set, only clients on this machine.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// Where Spin says who the client is.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// Where Spin says what the client asked for.
const FULL_URL: &str = "spin-full-url";

/// What proxies add. Behind one, the client's address is the proxy's, and says nothing of the client.
const PROXY_HEADERS: [&str; 9] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fly-client-ip",
];

/// A key that the operator has given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What a client sends.
    pub key: String,
    /// Whether it is good for sending emails only, and not for reading or changing any.
    pub sending_only: bool,
}

impl ApiKey {
    /// Reads `KEY`, `KEY:full` or `KEY:sending`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((key, "sending")) => Self { key: key.to_owned(), sending_only: true },
            Some((key, "full")) => Self { key: key.to_owned(), sending_only: false },
            _ => Self { key: text.to_owned(), sending_only: false },
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// Its key; empty for a local client where no keys are set.
    pub key: String,
    /// Whether it may do nothing but send emails.
    pub sending_only: bool,
}

/// Lets a request pass, or says why not. `keys` are the keys of which any will do.
///
/// # Errors
/// 401 without a key, 403 with a wrong one.
pub fn check(headers: &HeaderMap, keys: &[ApiKey]) -> Result<Caller, ApiError> {
    if keys.is_empty() {
        return if is_local(headers) {
            Ok(Caller { key: String::new(), sending_only: false })
        } else {
            Err(ApiError::missing_api_key(
                "This server has no API keys yet, so it serves only clients on its own machine. \
                 Its operator sets them in the variable `api_keys`.",
            ))
        };
    }
    let given = bearer(headers).ok_or_else(|| {
        ApiError::missing_api_key("Missing API key in the authorization header, which is `Authorization: Bearer KEY`.")
    })?;
    // All keys are compared, each in a time that depends on its length alone.
    let known = keys
        .iter()
        .fold(None, |known, key| if key.key.as_bytes().ct_eq(given.as_bytes()).into() { Some(key) } else { known });
    let known = known.ok_or_else(ApiError::invalid_api_key)?;
    Ok(Caller { key: known.key.clone(), sending_only: known.sending_only })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// A client on this machine, without a proxy between. The host it asks for must be this machine as well: a web page
/// whose name suddenly points here (DNS rebinding) asks for its own.
fn is_local(headers: &HeaderMap) -> bool {
    let loopback_address = |value: &http::HeaderValue| {
        let address: Option<SocketAddr> = value.to_str().ok().and_then(|text| text.parse().ok());
        address.is_some_and(|address| address.ip().to_canonical().is_loopback())
    };
    // All of them, should a client have sent one of its own.
    let mut addresses = headers.get_all(CLIENT_ADDRESS).iter().peekable();
    addresses.peek().is_some()
        && addresses.all(loopback_address)
        && !PROXY_HEADERS.iter().any(|name| headers.contains_key(*name))
        && host(headers).is_some_and(is_loopback_host)
}

/// The host that the client asked for. Some hosts of components keep it out of the headers, and only in the URL.
fn host(headers: &HeaderMap) -> Option<&str> {
    if let Some(host) = headers.get(header::HOST) {
        return host.to_str().ok();
    }
    let (_, rest) = full_url(headers)?.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// The URL that was asked for. What a client has sent under the header's name stands before what Spin adds.
pub(crate) fn full_url(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(FULL_URL).iter().next_back()?.to_str().ok()
}

fn is_loopback_host(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let ip: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    ip.is_some_and(|ip| ip.is_loopback()) || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check_status(list: &[(&'static str, &'static str)], keys: &[&str], expected: Option<u16>) {
        let keys: Vec<_> = keys.iter().map(|key| ApiKey::parse(key)).collect();
        let status = check(&headers(list), &keys).err().map(|error| error.into_response().status().as_u16());
        assert_eq!(status, expected, "{list:?}");
    }

    #[test]
    fn without_keys_only_local_clients_are_served() {
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "127.0.0.1:3000")], &[], None);
        check_status(&[("spin-client-addr", "[::1]:5000"), ("host", "[::1]:3000")], &[], None);
        check_status(&[("spin-client-addr", "[::ffff:127.0.0.1]:5000"), ("host", "localhost:3000")], &[], None);
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "localhost")], &[], None);
        let full_url = |url| [("spin-client-addr", "127.0.0.1:5000"), ("spin-full-url", url)];
        check_status(&full_url("http://localhost:3000/emails?x=://evil.example"), &[], None);
        check_status(&full_url("http://evil.example/localhost"), &[], Some(401));
        check_status(&[("spin-client-addr", "192.0.2.7:5000"), ("host", "127.0.0.1:3000")], &[], Some(401));
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "evil.example")], &[], Some(401));
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "127.0.0.1.evil.example")], &[], Some(401));
        check_status(&[("host", "127.0.0.1:3000")], &[], Some(401));
        check_status(&[], &[], Some(401));
    }

    #[test]
    fn without_keys_a_proxy_or_a_forged_address_is_not_served() {
        let local = [("spin-client-addr", "127.0.0.1:5000"), ("host", "127.0.0.1:3000")];
        for proxy in PROXY_HEADERS {
            check_status(&[local[0], local[1], (proxy, "192.0.2.7")], &[], Some(401));
        }
        let mut forged = headers(&local);
        forged.append(CLIENT_ADDRESS, "192.0.2.7:5000".parse().unwrap());
        assert!(check(&forged, &[]).is_err());
        let mut rebound = headers(&[local[0], ("spin-full-url", "http://localhost:3000/emails")]);
        assert!(check(&rebound, &[]).is_ok());
        rebound.append(FULL_URL, "http://evil.example:3000/emails".parse().unwrap());
        assert!(check(&rebound, &[]).is_err());
    }

    #[test]
    fn a_key_may_be_for_sending_only() {
        let keys: Vec<_> = ["one", "two:sending", "three:full", "a:b"].iter().map(|key| ApiKey::parse(key)).collect();
        for (key, sending_only) in [("one", false), ("two", true), ("three", false), ("a:b", false)] {
            let headers: HeaderMap =
                [(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())].into_iter().collect();
            assert_eq!(check(&headers, &keys).unwrap().sending_only, sending_only, "{key}");
        }
    }

    #[test]
    fn with_keys_everybody_needs_one_of_them() {
        check_status(&[("authorization", "Bearer two")], &["one", "two"], None);
        check_status(&[("authorization", "bearer  two ")], &["one", "two"], None);
        check_status(&[("authorization", "Bearer three")], &["one", "two"], Some(403));
        check_status(&[("authorization", "Bearer ")], &["one"], Some(401));
        check_status(&[("authorization", "Basic b25l")], &["one"], Some(401));
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "localhost")], &["one"], Some(401));
    }
}
