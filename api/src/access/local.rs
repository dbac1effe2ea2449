//! Who is served without a key where the operator has opened the API to its own machine: programs there, and no web page
//! that a browser there has open.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};

use super::{client_address, client_addresses, full_url};
use crate::error::ApiError;

/// What proxies add, beside everything that begins with `x-forwarded`. Behind one, the client's address is the proxy's, and
/// says nothing of the client. A proxy may well add nothing, as nginx and haproxy do unless told to.
const PROXY_HEADERS: [&str; 16] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "x-amzn-trace-id",
    "x-azure-clientip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-ray",
    "cdn-loop",
    "client-ip",
    "fly-client-ip",
    "fastly-client-ip",
];

/// The types of bodies that a web page can have sent to any server without asking that server first
/// ([Fetch, "CORS-safelisted request-header"](https://fetch.spec.whatwg.org/#cors-safelisted-request-header)).
const FORM_TYPES: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

const SEC_FETCH_SITE: &str = "sec-fetch-site";

const STRANGER: &str = "This server is open only to clients on its own machine that come through no proxy. Its operator lets \
                        in others by keys, in the variable `api_keys`.";

/// Lets a program on this machine pass. `reads_body` says whether the request has a body that is read: then that is
/// refused if it is not declared as JSON, whoever sends it.
///
/// # Errors
/// 401 for everybody else, 403 for the web pages of others.
pub(super) fn check(headers: &HeaderMap, reads_body: bool) -> Result<(), ApiError> {
    if !is_local(headers) {
        return Err(ApiError::missing_api_key(STRANGER));
    }
    if is_of_another_site(headers) || !reads_body && is_form(headers) {
        return Err(ApiError::cross_site());
    }
    Ok(())
}

/// A client on this machine, without a proxy between. The host it asks for must be this machine as well: a web page
/// whose name suddenly points here (DNS rebinding) asks for its own.
fn is_local(headers: &HeaderMap) -> bool {
    let is_proxy = |name: &str| name.starts_with("x-forwarded") || PROXY_HEADERS.contains(&name);
    // All of them, should a client have sent one of its own.
    client_address(headers).is_some()
        && client_addresses(headers).all(|address| address.is_some_and(|address| address.is_loopback()))
        && !headers.keys().any(|name| is_proxy(name.as_str()))
        && host(headers).is_some_and(is_loopback_host)
}

/// Whether a browser says that a page of another site, or of another port of this one, has made it send this. Browsers
/// say so by one header or the other with every request that is not a page's own; programs send neither.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let is_own_fetch = |value: &HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    let host = host(headers).unwrap_or_default();
    let is_own_origin = |value: &HeaderValue| {
        let origin = value.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    };
    !headers.get_all(SEC_FETCH_SITE).iter().all(is_own_fetch)
        || !headers.get_all(header::ORIGIN).iter().all(is_own_origin)
}

/// Browsers that say neither can still not declare JSON without asking first.
fn is_form(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default().trim();
        FORM_TYPES.iter().any(|form| media_type.eq_ignore_ascii_case(form))
    })
}

/// The host that the client asked for. Some hosts of components keep it out of the headers, and only in the URL.
fn host(headers: &HeaderMap) -> Option<&str> {
    if let Some(host) = headers.get(header::HOST) {
        return host.to_str().ok();
    }
    let (_, rest) = full_url(headers)?.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

fn is_loopback_host(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::SocketAddr>() {
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

    type Headers<'a> = &'a [(&'static str, &'static str)];

    const LOCAL: [(&str, &str); 2] = [("spin-client-addr", "127.0.0.1:5000"), ("host", "127.0.0.1:3000")];

    fn headers(list: Headers<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[track_caller]
    fn check_status(list: Headers<'_>, expected: Option<u16>) {
        let status = check(&headers(list), false).err().map(|error| error.into_response().status().as_u16());
        assert_eq!(status, expected, "{list:?}");
    }

    #[test]
    fn clients_of_this_machine_are_served_and_no_others() {
        check_status(&LOCAL, None);
        check_status(&[("spin-client-addr", "[::1]:5000"), ("host", "[::1]:3000")], None);
        check_status(&[("spin-client-addr", "[::ffff:127.0.0.1]:5000"), ("host", "localhost:3000")], None);
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "localhost")], None);
        let full_url = |url| [("spin-client-addr", "127.0.0.1:5000"), ("spin-full-url", url)];
        check_status(&full_url("http://localhost:3000/emails?x=://evil.example"), None);
        check_status(&full_url("http://evil.example/localhost"), Some(401));
        check_status(&[("spin-client-addr", "192.0.2.7:5000"), ("host", "127.0.0.1:3000")], Some(401));
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "evil.example")], Some(401));
        check_status(&[("spin-client-addr", "127.0.0.1:5000"), ("host", "127.0.0.1.evil.example")], Some(401));
        check_status(&[("spin-client-addr", "nonsense"), ("host", "127.0.0.1:3000")], Some(401));
        check_status(&[("host", "127.0.0.1:3000")], Some(401));
        check_status(&[], Some(401));
    }

    #[test]
    fn a_proxy_or_a_forged_address_is_not_served() {
        for proxy in PROXY_HEADERS.into_iter().chain(["x-forwarded-for", "x-forwarded-proto", "x-forwarded-server"]) {
            check_status(&[LOCAL[0], LOCAL[1], (proxy, "192.0.2.7")], Some(401));
        }
        check_status(&[LOCAL[0], LOCAL[1], ("spin-client-addr", "192.0.2.7:5000")], Some(401));
        check_status(&[("spin-client-addr", "192.0.2.7:5000"), LOCAL[0], LOCAL[1]], Some(401));
        let rebound = [LOCAL[0], ("spin-full-url", "http://localhost:3000/emails")];
        check_status(&rebound, None);
        check_status(&[rebound[0], rebound[1], ("spin-full-url", "http://evil.example:3000/emails")], Some(401));
    }

    #[test]
    fn the_web_page_of_another_site_does_nothing() {
        let with = |header| [LOCAL[0], LOCAL[1], header];
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("content-type", "text/plain"),
            ("content-type", "Text/Plain; charset=utf-8"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-type", "multipart/form-data; boundary=x"),
        ] {
            check_status(&with((name, value)), Some(403));
        }
        check_status(
            &[LOCAL[0], LOCAL[1], ("origin", "http://127.0.0.1:3000"), ("origin", "http://evil.example")],
            Some(403),
        );
        for (name, value) in [
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
            ("content-type", "application/json"),
        ] {
            check_status(&with((name, value)), None);
        }
        // Refused where the body is read, with another status.
        assert!(check(&headers(&with(("content-type", "text/plain"))), true).is_ok());
        assert!(check(&headers(&with(("origin", "http://evil.example"))), true).is_err());
    }
}
