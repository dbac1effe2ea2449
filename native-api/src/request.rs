//! One request: from hyper to the API, and its answer back.

use std::{convert::Infallible, net::SocketAddr, rc::Rc};

use api::{client::Client, instance::Instance};
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{body::RequestBody, host::Thread};

/// Answers a request.
///
/// When the future is dropped, because the client went away, the email may or may not have been accepted.
pub(crate) async fn answer(
    request: Request<Incoming>,
    address: SocketAddr,
    instance: Rc<Instance<Thread>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let client = client(address, request.uri());
    let response = instance.respond(request.map(RequestBody), &client).await;
    Ok(response.map(|body| Full::new(body.into())))
}

/// The client, by the address of its connection. A URL in the request line counts more than the `Host` header
/// ([RFC 9112 section 3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)).
fn client(address: SocketAddr, uri: &Uri) -> Client {
    let client = Client::at(address.ip());
    if uri.authority().is_some() { client.with_url(uri.to_string()) } else { client }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_the_request_line_is_what_the_client_asks_for() {
        let address: SocketAddr = "192.0.2.1:7".parse().unwrap();
        assert_eq!(client(address, &Uri::from_static("/emails")), Client::at(address.ip()));
        let absolute = client(address, &Uri::from_static("http://queue.example/emails"));
        assert_eq!(absolute, Client::at(address.ip()).with_url("http://queue.example/emails"));
    }
}
