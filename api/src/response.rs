//! Answers.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A complete answer.
pub type Response = http::Response<Vec<u8>>;

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // It could fail only for a map with keys that are no strings, or a value whose own code fails; there are none.
    let mut response = Response::new(serde_json::to_vec(body).unwrap_or_default());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
