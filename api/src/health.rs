//! Liveness and readiness.

use email_queue::{call::Redis, query::ready};
use http::StatusCode;
use serde_json::json;

use crate::{
    backend::Failure,
    error::ApiError,
    response::{Response, json},
    settings::Settings,
};

/// `GET /healthz`: the API runs. It does not call Redis.
pub(crate) fn healthz() -> Response {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the API can accept emails. Redis answers, has room, takes writes for this queue, and has the required replicas.
pub(crate) async fn readyz<R: Redis<Error: Failure>>(redis: &R, settings: &Settings) -> Result<Response, ApiError> {
    ready(&settings.queue).replicated(settings.require_replicas).run(redis).await?;
    Ok(json(StatusCode::OK, &json!({"status": "ready"})))
}
