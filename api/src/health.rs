//! Liveness and readiness.

use email_queue::{Queue, call::Redis, query::ready};
use http::StatusCode;
use serde_json::json;

use crate::{
    backend::Failure,
    error::ApiError,
    response::{Response, json},
};

/// `GET /healthz`: the API runs. It does not call Redis.
pub(crate) fn healthz() -> Response {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the API can accept emails. Redis answers, has room, and takes writes for this queue.
pub(crate) async fn readyz<R: Redis<Error: Failure>>(redis: &R, queue: &Queue) -> Result<Response, ApiError> {
    ready(queue).run(redis).await?;
    Ok(json(StatusCode::OK, &json!({"status": "ready"})))
}
