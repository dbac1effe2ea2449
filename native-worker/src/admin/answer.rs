//! What each path answers.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};

use crate::{admin::status::Status, metrics};

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request, whose body is not read.
///
/// - `/metrics`: the metrics, 200;
/// - `/healthz`: 200 as long as the worker works, whatever Redis and the relay do; else 503: it can only be restarted;
/// - `/readyz`: 200 if an email would be delivered now; else 503, with a line for each reason.
pub(super) async fn answer(status: &Status, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(answer);
    }
    Ok(match request.uri().path() {
        "/metrics" => response(StatusCode::OK, metrics::CONTENT_TYPE, status.metrics().await),
        "/healthz" if status.is_alive() => text(StatusCode::OK, "ok\n"),
        "/healthz" => text(StatusCode::SERVICE_UNAVAILABLE, "the worker is stuck\n"),
        "/readyz" => match status.obstacles().await.as_slice() {
            [] => text(StatusCode::OK, "ready\n"),
            obstacles => text(StatusCode::SERVICE_UNAVAILABLE, &(obstacles.join("\n") + "\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    })
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(status, TEXT, text.to_owned())
}

/// hyper sends no body in the answer to `HEAD`.
fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
