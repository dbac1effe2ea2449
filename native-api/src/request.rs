//! One request: from hyper to the API or to the web page, and its answer back.

use std::{convert::Infallible, net::SocketAddr, rc::Rc};

use api::{client::Client, instance::Instance};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{body::RequestBody, host::Thread, proxies::Proxies};

/// What answers the requests of a thread.
pub(crate) struct Answering {
    pub(crate) instance: Rc<Instance<Thread>>,
    /// Proxies whose X-Forwarded-For is trusted.
    pub(crate) proxies: Proxies,
}

impl Answering {
    /// Answers a request that came from `peer`.
    ///
    /// When the future is dropped, because the client went away, the email may or may not have been accepted.
    pub(crate) async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if dashboard::serves(request.uri().path()) {
            return Ok(page(&request));
        }
        let client = with_url(self.proxies.client(peer.ip(), request.headers()), request.uri());
        let response = self.instance.respond(request.map(RequestBody), &client).await;
        Ok(response.map(|body| Full::new(body.into())))
    }
}

/// A file of the web page.
fn page(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let answer = dashboard::answer(request.method().as_str(), request.uri().path(), known);
    let mut response = Response::new(Full::new(Bytes::from_static(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in answer.headers {
        if let Ok(value) = value.try_into() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A URL in the request line counts more than the `Host` header
/// ([RFC 9112 section 3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)).
fn with_url(client: Client, uri: &Uri) -> Client {
    if uri.authority().is_some() { client.with_url(uri.to_string()) } else { client }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_the_request_line_is_what_the_client_asks_for() {
        let client = Client::at("192.0.2.1".parse().unwrap());
        assert_eq!(with_url(client.clone(), &Uri::from_static("/emails")), client);
        let absolute = with_url(client.clone(), &Uri::from_static("http://queue.example/emails"));
        assert_eq!(absolute, client.with_url("http://queue.example/emails"));
    }
}
