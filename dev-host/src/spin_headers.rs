//! What Spin changes in a request before a component gets it:
//! <https://github.com/spinframework/spin/blob/main/crates/trigger-http/src/headers.rs>.
//!
//! Spin's headers contain, for example, the client's address:
//! <https://spinframework.dev/v3/http-trigger#additional-request-information>. They follow headers of the same name
//! that the client has sent: the last one is Spin's.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::{CONNECTION, HOST, InvalidHeaderValue},
    uri::{Authority, Scheme},
};
use thiserror::Error;

const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// The headers that are the same for every request of a route.
#[derive(Debug)]
pub(crate) struct RouteHeaders {
    matched: HeaderValue,
    raw: HeaderValue,
    prefix: HeaderValue,
}

/// A request without a valid URL. Spin closes the connection without an answer.
#[derive(Debug, Error)]
pub(crate) enum NoUrl {
    /// HTTP/1.1 requires it (RFC 9112, section 3.2).
    #[error("there is no Host header")]
    NoHost,
    /// Not a host and port, or not the one in the request line.
    #[error("the Host header is not the request's host")]
    InvalidHost,
}

/// A header that is not UTF-8. Spin's answer is a 500.
#[derive(Debug, Error)]
#[error("the header {0} is not UTF-8")]
pub(crate) struct NotText(HeaderName);

/// Gives the request its full URL, and takes away what is meant for the server alone.
pub(crate) fn make_absolute<B>(request: &mut Request<B>) -> Result<(), NoUrl> {
    request.headers_mut().remove(CONNECTION);
    let host = request.headers().get(HOST);
    let host = host.map(|host| Authority::try_from(host.as_bytes())).transpose().map_err(|_| NoUrl::InvalidHost)?;
    let mut parts = request.uri().clone().into_parts();
    parts.authority = match (host, parts.authority) {
        (Some(host), Some(authority)) if host != authority => return Err(NoUrl::InvalidHost),
        (Some(host), _) => Some(host),
        (None, Some(authority)) => Some(authority),
        (None, None) => return Err(NoUrl::NoHost),
    };
    parts.scheme = Some(Scheme::HTTP);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| NoUrl::InvalidHost)?;
    Ok(())
}

impl RouteHeaders {
    /// Prepares the headers for a route as the manifest has it.
    pub(crate) fn new(route: &str) -> Result<Self, InvalidHeaderValue> {
        let absolute = if route.starts_with('/') { route.to_owned() } else { format!("/{route}") };
        Ok(Self {
            matched: HeaderValue::from_str(absolute.strip_suffix('/').unwrap_or(&absolute))?,
            raw: HeaderValue::from_str(route)?,
            prefix: HeaderValue::from_str(route.strip_suffix("/...").unwrap_or(route))?,
        })
    }

    /// Appends them to the headers of a request with a full URL.
    pub(crate) fn append(
        &self,
        headers: &mut HeaderMap,
        url: &Uri,
        path_info: &str,
        client: SocketAddr,
    ) -> Result<(), NotText> {
        if let Some((name, _)) = headers.iter().find(|(_, value)| str::from_utf8(value.as_bytes()).is_err()) {
            return Err(NotText(name.clone()));
        }
        let host = headers.get(HOST).map_or(&b"localhost"[..], HeaderValue::as_bytes);
        let path_and_query = url.path_and_query().map_or("/", |path| path.as_str());
        let full_url = [b"http://", host, path_and_query.as_bytes()].concat();
        let own = [
            (PATH_INFO, HeaderValue::from_bytes(path_info.as_bytes())),
            (FULL_URL, HeaderValue::from_bytes(&full_url)),
            (MATCHED_ROUTE, Ok(self.matched.clone())),
            (BASE_PATH, Ok(HeaderValue::from_static("/"))),
            (RAW_COMPONENT_ROUTE, Ok(self.raw.clone())),
            (COMPONENT_ROUTE, Ok(self.prefix.clone())),
            (CLIENT_ADDR, HeaderValue::try_from(client.to_string())),
        ];
        for (name, value) in own {
            // What cannot stand in a header is left out.
            if let Ok(value) = value {
                headers.append(name, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &'static str, headers: &[(&'static str, &'static [u8])]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static(uri);
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    fn append(route: &str, path_info: &str, request: &mut Request<()>) -> Result<(), NotText> {
        make_absolute(request).unwrap();
        let url = request.uri().clone();
        let client = "127.0.0.1:8777".parse().unwrap();
        RouteHeaders::new(route).unwrap().append(request.headers_mut(), &url, path_info, client)
    }

    #[test]
    fn a_component_learns_url_route_and_client() {
        let mut request = request("/foo/bar?key=value", &[("host", b"fermyon.dev")]);
        append("/foo/...", "/bar", &mut request).unwrap();
        for (name, value) in [
            ("spin-full-url", "http://fermyon.dev/foo/bar?key=value"),
            ("spin-path-info", "/bar"),
            ("spin-matched-route", "/foo/..."),
            ("spin-component-route", "/foo"),
            ("spin-raw-component-route", "/foo/..."),
            ("spin-base-path", "/"),
            ("spin-client-addr", "127.0.0.1:8777"),
        ] {
            assert_eq!(request.headers()[name], value, "{name}");
        }
    }

    #[test]
    fn what_a_client_sends_under_a_spin_name_comes_first() {
        let forged: [(_, &[u8]); 3] = [("host", b"h"), ("spin-client-addr", b"10.0.0.1:1"), ("spin-made-up", b"x")];
        let mut request = request("/", &forged);
        append("/...", "/", &mut request).unwrap();
        let addresses: Vec<_> = request.headers().get_all(CLIENT_ADDR).iter().collect();
        assert_eq!(addresses, ["10.0.0.1:1", "127.0.0.1:8777"]);
        assert_eq!(request.headers()["spin-made-up"], "x");
    }

    #[test]
    fn what_is_meant_for_the_server_does_not_reach_a_component() {
        let mut request = request("/", &[("host", b"h"), ("connection", b"close")]);
        append("/...", "/", &mut request).unwrap();
        assert!(!request.headers().contains_key("connection"));
    }

    #[test]
    fn a_header_that_is_not_utf_8_is_refused() {
        let mut request = request("/", &[("host", b"h"), ("x", b"\xff")]);
        assert_eq!(append("/...", "/", &mut request).unwrap_err().to_string(), "the header x is not UTF-8");
    }

    #[test]
    fn the_host_must_be_there_and_agree_with_the_request_line() {
        let url = |uri, headers: &[(&'static str, &'static [u8])]| {
            let mut request = request(uri, headers);
            make_absolute(&mut request).map(|()| request.uri().to_string())
        };
        assert!(matches!(url("/", &[]), Err(NoUrl::NoHost)));
        assert_eq!(url("http://h/", &[]).unwrap(), "http://h/");
        assert_eq!(url("http://h/", &[("host", b"h")]).unwrap(), "http://h/");
        assert!(matches!(url("http://h/", &[("host", b"other")]), Err(NoUrl::InvalidHost)));
        assert!(matches!(url("/", &[("host", b"not a host")]), Err(NoUrl::InvalidHost)));
        assert_eq!(url("/x?y", &[("host", b"first"), ("host", b"second")]).unwrap(), "http://first/x?y");
    }
}
