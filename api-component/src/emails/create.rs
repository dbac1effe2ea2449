use std::fmt::Display;

use email_queue::{
    EmailId, Submission,
    redis::Redis,
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    body::{Body, Response, json, read_json},
    error::ApiError,
    settings::Settings,
};

/// `POST /emails`: checks an email and puts it on the queue. The 202 means that it is safe in Redis.
pub(crate) async fn create<R: Redis<Error: Display>>(
    headers: &HeaderMap,
    body: impl Body,
    settings: &Settings,
    redis: &R,
) -> Result<Response, ApiError> {
    let body = read_json(headers, body, settings.max_body_bytes).await?;
    let submission = Submission::from_request(&body, settings.default_from.as_ref(), Timestamp::now())?;
    drop(body);
    let id = EmailId::new();
    let email = NewEmail { id, lane: submission.lane, due: submission.scheduled_at, json: submission.email.to_json() };
    let enqueue = enqueue(
        &settings.queue,
        Enqueue { emails: &[email], backlog_limit: settings.backlog_limit, retention: settings.retention },
    );
    match enqueue.run(redis).await? {
        Enqueued::BacklogFull => Err(ApiError::backlog_full(settings.backlog_limit.unwrap_or(0))),
        Enqueued::Accepted => {
            let mut response = json(StatusCode::ACCEPTED, &json!({"id": id.to_string()}));
            if let Ok(location) = HeaderValue::try_from(format!("/emails/{id}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
    }
}
