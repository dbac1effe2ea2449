use email_queue::{
    Lane, Queue,
    call::{Call, Redis},
    query::{PausedLanes, Pauses},
    transition,
};
use http::StatusCode;

use crate::{
    backend::Failure,
    body::Body,
    command::Command,
    context::Context,
    error::ApiError,
    response::{Response, json},
    unavailable::Change,
};

/// `POST /queue/pause`: workers claim no emails any more, of the named lanes or of all.
pub(crate) async fn pause<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
) -> Result<Response, ApiError> {
    change(context, body, transition::pause).await
}

/// `POST /queue/resume`: workers claim emails again, of the named lanes or of all.
pub(crate) async fn resume<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
) -> Result<Response, ApiError> {
    change(context, body, transition::resume).await
}

/// Does it in each shard. After an error some may have changed; a repetition does no harm.
async fn change<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
    call: impl Fn(&Queue, &[Lane]) -> Call<Pauses>,
) -> Result<Response, ApiError> {
    let settings = context.settings;
    let mut command = Command::read(&context.parts.headers, body, settings.max_body_bytes, &["lanes"]).await?;
    let rule = "it is a list of `high`, `normal` and `low`, or left out for all lanes";
    let lanes: Option<Vec<Lane>> = command.take("lanes", rule)?;
    if lanes.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::invalid_field("lanes", rule));
    }
    let lanes = lanes.unwrap_or_default();
    let shards = settings.shards_with_emails();
    let mut paused = Vec::new();
    for shard in shards.all() {
        let pauses = call(&shards.queue(shard), &lanes).run(context.redis).await;
        paused.push(pauses.map_err(|error| Change::Pause.failed(error))?);
    }
    Ok(json(StatusCode::OK, &PausedLanes::of(&paused)))
}
