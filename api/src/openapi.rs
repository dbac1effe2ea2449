//! The description of the API, as [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1.html).

use http::{HeaderValue, header};

use crate::response::Response;

/// Written by hand, for people. `tests/openapi` compares it with the code.
const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`.
pub(crate) fn openapi() -> Response {
    let mut response = Response::new(DOCUMENT.as_bytes().to_vec());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
