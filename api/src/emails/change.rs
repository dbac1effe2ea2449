use std::time::Duration;

use email_queue::{
    EmailId, Lane, Queue, State,
    call::{Call, CallError, Redis},
    email::schedule,
    transition::{self, Changed},
};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::find::find;
use crate::{
    backend::Failure,
    body::{Body, read_json},
    command::Command,
    context::Context,
    error::ApiError,
    response::{Response, json},
    unavailable::Change,
};

/// How long a canceled email is kept if `retention` is not set.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// `POST /emails/<id>/cancel`: cancels an email that no worker has claimed. A body is not read.
pub(crate) async fn cancel<R: Redis<Error: Failure>>(context: &Context<'_, R>, id: &str) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let retention = context.settings.retention.unwrap_or(RETENTION);
    let changed = change(context, id, |queue| transition::cancel(queue, id, retention)).await;
    let changed = changed.map_err(|error| Change::Cancel.failed(error))?;
    answer(id, changed, |state| format!("The email is {state}; it is too late to cancel it."))
}

/// `PATCH /emails/<id>`: changes the time of a scheduled email.
pub(crate) async fn reschedule<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
    body: impl Body,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let body = read_json(&context.parts.headers, body, context.settings.max_body_bytes).await?;
    let due = schedule::read_change(&body, Timestamp::now())?;
    let changed = change(context, id, |queue| transition::reschedule(queue, id, due)).await;
    let changed = changed.map_err(|error| Change::Reschedule.failed(error))?;
    answer(id, changed, |state| format!("The email is {state}; only one that is scheduled can be given another time."))
}

/// `POST /emails/<id>/retry`: queues a dead letter, or an email that waits for another attempt. A body is not read.
pub(crate) async fn retry<R: Redis<Error: Failure>>(context: &Context<'_, R>, id: &str) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let changed = change(context, id, |queue| transition::retry(queue, id)).await;
    let changed = changed.map_err(|error| Change::Retry.failed(error))?;
    answer(id, changed, |state| {
        format!("The email is {state}; only one that has failed or waits for another attempt can be retried.")
    })
}

/// `DELETE /emails/<id>`: gives up a dead letter, or an email that no worker has claimed. A body is not read.
pub(crate) async fn discard<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let changed = change(context, id, |queue| transition::discard(queue, id)).await;
    let changed = changed.map_err(|error| Change::Discard.failed(error))?;
    answer(id, changed, |state| format!("The email is {state}; it is too late to discard it."))
}

/// `POST /emails/<id>/move`: moves an email that waits to another lane.
pub(crate) async fn move_to_lane<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
    body: impl Body,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let mut command = Command::read(&context.parts.headers, body, context.settings.max_body_bytes, &["lane"]).await?;
    let rule = "it is `high`, `normal` or `low`";
    let lane: Lane = command.take("lane", rule)?.ok_or_else(|| ApiError::invalid_field("lane", rule))?;
    let changed = change(context, id, |queue| transition::move_to_lane(queue, id, lane)).await;
    let changed = changed.map_err(|error| Change::Move.failed(error))?;
    answer(id, changed, |state| format!("The email is {state}; only one that waits can be moved to another lane."))
}

async fn change<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: EmailId,
    call: impl Fn(&Queue) -> Call<Changed>,
) -> Result<Changed, CallError<R::Error>> {
    let ask = async |queue: &Queue| {
        let changed = call(queue).run(context.redis).await?;
        Ok(Some(changed).filter(|changed| *changed != Changed::Unknown))
    };
    Ok(find(context.settings, id, ask).await?.unwrap_or(Changed::Unknown))
}

fn answer(id: EmailId, changed: Changed, too_late: impl Fn(State) -> String) -> Result<Response, ApiError> {
    match changed {
        Changed::Done => Ok(json(StatusCode::OK, &json!({"object": "email", "id": id.to_string()}))),
        Changed::Unknown => Err(ApiError::unknown_email()),
        Changed::Refused(state) => Err(ApiError::wrong_state(too_late(state))),
    }
}
