//! The scheme and host by which the client reaches this server: the beginning of absolute links.

use http::{HeaderMap, Uri, header, uri::Authority};

use crate::{client::Client, error::ApiError};

/// The header of a proxy that terminates TLS. Without it, links would lead clients from `https` to `http`.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The origin, such as `https://mail.example.com`: of the URL that the host says, or else of the `Host` header.
///
/// A client can forge the header, but only it gets the answer.
pub(super) fn of(headers: &HeaderMap, client: &Client) -> Result<String, ApiError> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let full: Option<Uri> = client.url().and_then(|url| url.parse().ok());
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
        let mut headers = HeaderMap::new();
        let mut client = Client::default();
        for (name, value) in list {
            match *name {
                "url" => client = client.with_url(*value),
                name => drop(headers.append(name, value.parse().unwrap())),
            }
        }
        of(&headers, &client).ok()
    }

    #[test]
    fn the_origin_is_that_of_the_url_that_was_asked_for() {
        for (headers, expected) in [
            (&[("url", "http://[::1]:3000/emails?x=1"), ("host", "other")][..], "http://[::1]:3000"),
            (&[("url", "https://mail.example.com/emails")], "https://mail.example.com"),
            (&[("host", "127.0.0.1:3000")], "http://127.0.0.1:3000"),
            (&[("url", "/emails"), ("host", "mail.example.com")], "http://mail.example.com"),
            (&[("url", "http://user:pw@a.example/"), ("x-forwarded-proto", "https")], "https://a.example"),
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
