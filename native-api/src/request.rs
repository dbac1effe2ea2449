//! One request: what hyper has read becomes what the API's handlers take, and their answer what hyper sends.

use std::{convert::Infallible, net::SocketAddr, rc::Rc};

use api::{router, settings::Settings};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{body::RequestBody, thread::Thread};

/// What hosts of the API say about a request begins with this. A client may not.
const RESERVED: &str = "spin-";
const CLIENT_ADDRESS: &str = "spin-client-addr";
const FULL_URL: &str = "spin-full-url";

/// Answers a request.
///
/// When the future is dropped, because the client went away, the email may or may not have been accepted.
pub(crate) async fn answer(
    request: Request<Incoming>,
    client: SocketAddr,
    thread: Rc<Thread>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, incoming) = request.into_parts();
    describe(&mut parts, client);
    let request = Request::from_parts(parts, RequestBody::new(incoming, Rc::clone(&thread.budget)));
    let settings = async || Ok::<&Settings, _>(&thread.settings);
    Ok(router::respond(request, settings, &thread.redis()).await.map(|body| Full::new(body.into())))
}

/// Says in the request's headers who the client is and which URL it has asked for.
fn describe(parts: &mut Parts, client: SocketAddr) {
    let reserved: Vec<_> = parts.headers.keys().filter(|name| name.as_str().starts_with(RESERVED)).cloned().collect();
    for name in reserved {
        parts.headers.remove(name);
    }
    if let Ok(address) = HeaderValue::try_from(client.to_string()) {
        parts.headers.insert(CLIENT_ADDRESS, address);
    }
    if let Some(url) = full_url(&parts.uri, &parts.headers) {
        parts.headers.insert(FULL_URL, url);
    }
}

fn full_url(uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::try_from(format!("http://{host}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(request: http::request::Builder) -> HeaderMap {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        describe(&mut parts, "192.0.2.1:7".parse().unwrap());
        parts.headers
    }

    #[test]
    fn what_a_client_says_under_the_names_of_a_host_does_not_count() {
        let headers = described(
            Request::get("/emails?limit=1")
                .header("Host", "queue.example:3000")
                .header("Spin-Client-Addr", "127.0.0.1:1")
                .header("spin-full-url", "https://other.example/")
                .header("spin-path-info", "/x"),
        );
        assert_eq!(headers.get_all(CLIENT_ADDRESS).iter().collect::<Vec<_>>(), ["192.0.2.1:7"]);
        assert_eq!(headers.get_all(FULL_URL).iter().collect::<Vec<_>>(), ["http://queue.example:3000/emails?limit=1"]);
        assert!(!headers.contains_key("spin-path-info"));
    }

    #[test]
    fn a_request_without_a_host_has_no_url() {
        assert!(!described(Request::get("/emails")).contains_key(FULL_URL));
        let absolute = described(Request::get("http://queue.example/emails").header("Host", "other.example"));
        assert_eq!(absolute[FULL_URL], "http://queue.example/emails");
    }
}
