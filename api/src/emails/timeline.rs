use email_queue::{
    Class, EmailId,
    call::Redis,
    query::{self, Entry, Event},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::find::find;
use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

#[derive(Serialize)]
struct Timeline {
    object: &'static str,
    data: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    at: Timestamp,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// `GET /emails/<id>/timeline`: what has happened to an email, the oldest first.
pub(crate) async fn timeline<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let ask = async |queue: &_| query::timeline(queue, id).run(context.redis).await;
    let entries = find(context.settings, id, ask).await?.ok_or_else(ApiError::unknown_email)?;
    Ok(json(StatusCode::OK, &Timeline { object: "list", data: entries.into_iter().map(Told::from).collect() }))
}

impl From<Entry> for Told {
    fn from(entry: Entry) -> Self {
        let Entry { at, event, attempt, worker, class, answer, took, relay } = entry;
        Self {
            at,
            event: Event::as_str(event),
            attempt,
            worker,
            relay,
            class: class.map(Class::as_str),
            answer,
            duration_ms: took.map(|took| took.as_millis().try_into().unwrap_or(u64::MAX)),
        }
    }
}
