use email_queue::{
    EmailId, Submission,
    transition::{Enqueue, Enqueued, NewEmail},
};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

use super::{idempotency, room};
use crate::{
    backend::Backend,
    body::{Body, read_json},
    context::Context,
    error::ApiError,
    response::{Response, json},
    unavailable::Change,
};

/// `POST /emails`: checks an email and puts it on the queue. A 200 means that Redis has stored it.
pub(crate) async fn create<R: Backend>(context: &Context<'_, R>, body: impl Body) -> Result<Response, ApiError> {
    let settings = context.settings;
    let body = read_json(&context.parts.headers, body, settings.max_body_bytes).await?;
    let submission = Submission::from_request(&body, settings.default_from.as_ref(), Timestamp::now())?;
    drop(body);
    let ids = accept(context, vec![submission]).await?;
    let id = ids.first().map(ToString::to_string).unwrap_or_default();
    let mut response = json(StatusCode::OK, &json!({"id": id}));
    if let Ok(location) = HeaderValue::try_from(format!("/emails/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Puts emails on the queue, all or none, and returns their ids. If the request repeats an earlier one with its idempotency key,
/// they are the ids of that one.
pub(super) async fn accept<R: Backend>(
    context: &Context<'_, R>,
    submissions: Vec<Submission>,
) -> Result<Vec<EmailId>, ApiError> {
    let Context { parts, caller, settings, redis, .. } = context;
    let idempotency = idempotency::of(&parts.headers, caller, &submissions)?;
    let emails: Vec<_> = submissions
        // Each is dropped once its JSON is written: all of both would take twice the memory.
        .into_iter()
        .map(|submission| NewEmail {
            id: EmailId::new(),
            lane: submission.lane,
            due: submission.scheduled_at,
            json: submission.to_json(),
        })
        .collect();
    let enqueue = Enqueue {
        emails: &emails,
        backlog_limit: settings.backlog_limit,
        backlog_bytes: settings.backlog_bytes,
        retention: settings.retention,
        idempotency: idempotency.as_ref(),
        replication: settings.require_replicas,
    };
    match room::enqueue(*redis, &settings.queue, enqueue).await.map_err(|error| Change::Accept.failed(error))? {
        Enqueued::Accepted => Ok(emails.iter().map(|email| email.id).collect()),
        Enqueued::Repeated(ids) => Ok(ids),
        Enqueued::Conflict => Err(ApiError::invalid_idempotent_request()),
        Enqueued::BacklogFull => Err(ApiError::backlog_full(settings.backlog_limit.unwrap_or(0))),
        Enqueued::NoBytesLeft { stored, asked } => {
            Err(ApiError::no_bytes_left(settings.backlog_bytes.unwrap_or(0), stored, asked))
        }
    }
}
