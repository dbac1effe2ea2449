//! Which clients are served without a key if the operator has opened the API to its own machine: programs there, and no web page
//! in a browser there.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};

use crate::{client::Client, error::ApiError};

/// Headers that proxies add, beside all that begin with `x-forwarded`. Behind a proxy the client's address is that of the proxy.
/// A proxy may add nothing, as nginx and haproxy by default.
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

/// The types of bodies that a browser sends for a web page to any server without a preflight request
/// ([Fetch, "CORS-safelisted request-header"](https://fetch.spec.whatwg.org/#cors-safelisted-request-header)).
const FORM_TYPES: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

const SEC_FETCH_SITE: &str = "sec-fetch-site";

const NOT_LOCAL: &str = "This server is open only to clients on its own machine that come through no proxy. Its operator lets \
                        in others by keys, in the variable `api_keys`.";

/// Checks that a request comes from a program on this machine. `reads_body` says whether the handler reads the body: it then
/// refuses one that is not declared as JSON by itself.
///
/// # Errors
/// 401 for other clients, 403 for web pages of other origins.
pub(super) fn check(headers: &HeaderMap, client: &Client, reads_body: bool) -> Result<(), ApiError> {
    if !is_local(headers, client) {
        return Err(ApiError::missing_api_key(NOT_LOCAL));
    }
    if is_of_another_site(headers, client) || !reads_body && is_form(headers) {
        return Err(ApiError::cross_site());
    }
    Ok(())
}

/// A client on this machine, without a proxy between. The host that it asks for must be this machine as well: a web page
/// whose domain was pointed here (DNS rebinding) asks for its own.
fn is_local(headers: &HeaderMap, client: &Client) -> bool {
    let is_proxy = |name: &str| name.starts_with("x-forwarded") || PROXY_HEADERS.contains(&name);
    client.is_local()
        && !headers.keys().any(|name| is_proxy(name.as_str()))
        && host(headers, client).is_some_and(is_loopback_host)
}

/// Whether a browser sends this for a page of another site, or of another port of this one. Browsers say so by one of two
/// headers; programs send neither.
fn is_of_another_site(headers: &HeaderMap, client: &Client) -> bool {
    let is_own_fetch = |value: &HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    let host = host(headers, client).unwrap_or_default();
    let is_own_origin = |value: &HeaderValue| {
        let origin = value.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    };
    !headers.get_all(SEC_FETCH_SITE).iter().all(is_own_fetch)
        || !headers.get_all(header::ORIGIN).iter().all(is_own_origin)
}

/// Browsers that send neither header still cannot declare JSON without a preflight request.
fn is_form(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default().trim();
        FORM_TYPES.iter().any(|form| media_type.eq_ignore_ascii_case(form))
    })
}

/// The host name that the client asked for. Some hosts remove the header.
fn host<'a>(headers: &'a HeaderMap, client: &'a Client) -> Option<&'a str> {
    if let Some(host) = headers.get(header::HOST) {
        return host.to_str().ok();
    }
    let (_, rest) = client.url()?.split_once("://")?;
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

    /// Headers, and what the host says of the client as `(address)` and `(url)`.
    type Request<'a> = &'a [(&'static str, &'static str)];

    const LOCAL: [(&str, &str); 2] = [("(address)", "127.0.0.1"), ("host", "127.0.0.1:3000")];

    fn parse(request: Request<'_>) -> (HeaderMap, Client) {
        let (mut headers, mut client) = (HeaderMap::new(), Client::default());
        for (name, value) in request {
            match *name {
                "(address)" => client = Client::at(value.parse().unwrap()),
                "(url)" => client = client.with_url(*value),
                name => drop(headers.append(name, value.parse().unwrap())),
            }
        }
        (headers, client)
    }

    #[track_caller]
    fn check_status(request: Request<'_>, expected: Option<u16>) {
        let (headers, client) = parse(request);
        let status = check(&headers, &client, false).err().map(|error| error.into_response().status().as_u16());
        assert_eq!(status, expected, "{request:?}");
    }

    #[test]
    fn clients_of_this_machine_are_served_and_no_others() {
        check_status(&LOCAL, None);
        check_status(&[("(address)", "::1"), ("host", "[::1]:3000")], None);
        check_status(&[("(address)", "::ffff:127.0.0.1"), ("host", "localhost:3000")], None);
        check_status(&[("(address)", "127.0.0.1"), ("host", "localhost")], None);
        let asking_for = |url| [("(address)", "127.0.0.1"), ("(url)", url)];
        check_status(&asking_for("http://localhost:3000/emails?x=://evil.example"), None);
        check_status(&asking_for("http://evil.example/localhost"), Some(401));
        check_status(&[("(address)", "192.0.2.7"), ("host", "127.0.0.1:3000")], Some(401));
        check_status(&[("(address)", "127.0.0.1"), ("host", "evil.example")], Some(401));
        check_status(&[("(address)", "127.0.0.1"), ("host", "127.0.0.1.evil.example")], Some(401));
        check_status(&[("host", "127.0.0.1:3000")], Some(401));
        check_status(&[], Some(401));
    }

    #[test]
    fn a_proxy_or_a_doubtful_address_is_not_served() {
        for proxy in PROXY_HEADERS.into_iter().chain(["x-forwarded-for", "x-forwarded-proto", "x-forwarded-server"]) {
            check_status(&[LOCAL[0], LOCAL[1], (proxy, "192.0.2.7")], Some(401));
        }
        let (headers, client) = parse(&LOCAL);
        assert!(check(&headers, &client, false).is_ok());
        assert!(check(&headers, &client.not_local(), false).is_err());
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
        // The handler that reads the body refuses this one, with another status.
        let (headers, client) = parse(&with(("content-type", "text/plain")));
        assert!(check(&headers, &client, true).is_ok());
        let (headers, client) = parse(&with(("origin", "http://evil.example")));
        assert!(check(&headers, &client, true).is_err());
    }
}
