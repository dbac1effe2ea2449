//! The request headers that Spin adds for a component:
//! <https://spinframework.dev/v3/http-trigger#additional-request-information>.
//!
//! Components trust them, so whatever a client sends under a `spin-` name is removed first.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{HOST, InvalidHeaderValue},
    uri::Authority,
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

/// A request whose URL cannot be told.
#[derive(Debug, Error)]
pub(crate) enum BadRequest {
    /// HTTP/1.1 requires it (RFC 9112, section 3.2).
    #[error("there is no Host header")]
    NoHost,
    /// Not a host and port, or not the one in the request line.
    #[error("the Host header is not the request's host")]
    InvalidHost,
    /// A path that cannot stand in a header.
    #[error("the path has characters that a header cannot carry")]
    InvalidPath(#[from] InvalidHeaderValue),
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

    /// Replaces all `spin-` headers of a request by those that are true.
    pub(crate) fn put(
        &self,
        headers: &mut HeaderMap,
        uri: &Uri,
        path_info: &str,
        client: SocketAddr,
    ) -> Result<(), BadRequest> {
        let authority = authority(headers, uri)?;
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        let full_url = format!("http://{authority}{path_and_query}");
        remove_spin_headers(headers);
        headers.insert(FULL_URL, HeaderValue::try_from(full_url)?);
        headers.insert(PATH_INFO, HeaderValue::from_bytes(path_info.as_bytes())?);
        headers.insert(MATCHED_ROUTE, self.matched.clone());
        headers.insert(COMPONENT_ROUTE, self.prefix.clone());
        headers.insert(RAW_COMPONENT_ROUTE, self.raw.clone());
        headers.insert(BASE_PATH, HeaderValue::from_static("/"));
        headers.insert(CLIENT_ADDR, HeaderValue::try_from(client.to_string())?);
        Ok(())
    }
}

/// The host and port that the request is for, of which there must be exactly one.
fn authority(headers: &HeaderMap, uri: &Uri) -> Result<Authority, BadRequest> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).map_err(|_| BadRequest::InvalidHost)?),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(BadRequest::InvalidHost),
    };
    match (host, uri.authority()) {
        (Some(host), Some(authority)) if host != *authority => Err(BadRequest::InvalidHost),
        (Some(host), _) => Ok(host),
        (None, Some(authority)) => Ok(authority.clone()),
        (None, None) => Err(BadRequest::NoHost),
    }
}

fn remove_spin_headers(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(route: &str, uri: &'static str, path_info: &str, headers: &mut HeaderMap) -> Result<(), BadRequest> {
        let client = "127.0.0.1:8777".parse().unwrap();
        RouteHeaders::new(route).unwrap().put(headers, &Uri::from_static(uri), path_info, client)
    }

    fn with_host(host: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))])
    }

    #[test]
    fn a_component_learns_url_route_and_client() {
        let mut headers = with_host("fermyon.dev");
        put("/foo/...", "/foo/bar?key=value", "/bar", &mut headers).unwrap();
        for (name, value) in [
            ("spin-full-url", "http://fermyon.dev/foo/bar?key=value"),
            ("spin-path-info", "/bar"),
            ("spin-matched-route", "/foo/..."),
            ("spin-component-route", "/foo"),
            ("spin-raw-component-route", "/foo/..."),
            ("spin-base-path", "/"),
            ("spin-client-addr", "127.0.0.1:8777"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn what_a_client_sends_under_a_spin_name_is_removed() {
        let mut headers = with_host("h");
        headers.append(CLIENT_ADDR, HeaderValue::from_static("10.0.0.1:1"));
        headers.append(CLIENT_ADDR, HeaderValue::from_static("10.0.0.2:1"));
        headers.append("spin-made-up", HeaderValue::from_static("x"));
        headers.append("x-spin-kept", HeaderValue::from_static("x"));
        put("/...", "/", "/", &mut headers).unwrap();
        assert_eq!(headers.get_all(CLIENT_ADDR).iter().collect::<Vec<_>>(), ["127.0.0.1:8777"]);
        assert!(!headers.contains_key("spin-made-up"));
        assert!(headers.contains_key("x-spin-kept"));
    }

    #[test]
    fn the_host_must_be_there_once_and_agree_with_the_request_line() {
        assert!(matches!(put("/...", "/", "/", &mut HeaderMap::new()), Err(BadRequest::NoHost)));
        assert!(put("/...", "http://h/", "/", &mut HeaderMap::new()).is_ok());
        assert!(put("/...", "http://h/", "/", &mut with_host("h")).is_ok());
        assert!(matches!(put("/...", "http://h/", "/", &mut with_host("other")), Err(BadRequest::InvalidHost)));
        assert!(matches!(put("/...", "/", "/", &mut with_host("not a host")), Err(BadRequest::InvalidHost)));
        let mut twice = with_host("h");
        twice.append(HOST, HeaderValue::from_static("h"));
        assert!(matches!(put("/...", "/", "/", &mut twice), Err(BadRequest::InvalidHost)));
    }
}
