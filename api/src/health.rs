//! Whether the API lives, and whether it can do its work.

use email_queue::{Queue, call::Redis, query::ready};
use http::StatusCode;
use serde_json::json;

use crate::{
    backend::Failure,
    error::ApiError,
    response::{Response, json},
};

/// `GET /healthz`: the component runs. Redis is not asked.
pub(crate) fn healthz() -> Response {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: an email could be accepted. Redis answers, has room, and takes writes for this queue.
pub(crate) async fn readyz<R: Redis<Error: Failure>>(redis: &R, queue: &Queue) -> Result<Response, ApiError> {
    ready(queue).run(redis).await?;
    Ok(json(StatusCode::OK, &json!({"status": "ready"})))
}
