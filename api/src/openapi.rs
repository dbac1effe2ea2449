//! What is served, in the words of [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1.html).

use http::{HeaderValue, header};

use crate::response::Response;

/// Written by hand, for people. `tests/openapi` holds it against the code, so that neither can change without the other.
const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`: the description of this API. It holds nothing of the server's own, so it needs no key.
pub(crate) fn openapi() -> Response {
    let mut response = Response::new(DOCUMENT.as_bytes().to_vec());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
