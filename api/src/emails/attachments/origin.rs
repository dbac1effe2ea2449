//! Under which scheme and host the client knows this server: the beginning of absolute links.

use http::{HeaderMap, Uri, header, uri::Authority};

use crate::{access::full_url, error::ApiError};

/// Where a proxy that ends TLS says so. Without it, clients behind one would be sent from `https` to `http`.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The origin, such as `https://mail.example.com`: of the URL that Spin was asked for, or else of the `Host` header.
///
/// A client that lies about it lies to itself, because nobody else gets the answer.
pub(super) fn of(headers: &HeaderMap) -> Result<String, ApiError> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let full: Option<Uri> = full_url(headers).and_then(|url| url.parse().ok());
    let host = || text(header::HOST.as_str()).and_then(|host| host.parse().ok());
    let authority: Authority =
        full.as_ref().and_then(Uri::authority).cloned().or_else(host).ok_or_else(ApiError::missing_host)?;
    let tls = full.as_ref().and_then(Uri::scheme_str) == Some("https") || text(FORWARDED_PROTO) == Some("https");
    let scheme = if tls { "https" } else { "http" };
    // A user name, which an authority may have, is left out.
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{}{port}", authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(list: &[(&'static str, &'static str)]) -> Option<String> {
        of(&list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()).ok()
    }

    #[test]
    fn the_origin_is_that_of_the_url_that_was_asked_for() {
        for (headers, expected) in [
            (&[("spin-full-url", "http://[::1]:3000/emails?x=1"), ("host", "other")][..], "http://[::1]:3000"),
            (&[("spin-full-url", "https://mail.example.com/emails")], "https://mail.example.com"),
            (&[("host", "127.0.0.1:3000")], "http://127.0.0.1:3000"),
            (&[("spin-full-url", "/emails"), ("host", "mail.example.com")], "http://mail.example.com"),
            (&[("spin-full-url", "http://user:pw@a.example/"), ("x-forwarded-proto", "https")], "https://a.example"),
        ] {
            assert_eq!(origin(headers).as_deref(), Some(expected), "{headers:?}");
        }
    }

    #[test]
    fn a_request_without_a_usable_host_has_none() {
        for headers in [&[][..], &[("host", "")], &[("host", "two words")], &[("host", "a/b")]] {
            assert_eq!(origin(headers), None, "{headers:?}");
        }
    }
}
