//! Whether the API lives, and whether it can do its work.

use std::fmt::Display;

use email_queue::redis::{Redis, ping};
use http::StatusCode;
use serde_json::json;

use crate::{
    body::{Response, json},
    error::ApiError,
};

/// `GET /healthz`: the component runs. Redis is not asked.
pub(crate) fn healthz() -> Response {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: Redis answers as well.
pub(crate) async fn readyz<R: Redis<Error: Display>>(redis: &R) -> Result<Response, ApiError> {
    ping().run(redis).await?;
    Ok(json(StatusCode::OK, &json!({"status": "ready"})))
}
