use email_queue::{
    call::Redis,
    query::{QueueView, series_of_all, stats_of_all},
};
use http::StatusCode;
use serde::Serialize;

use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `GET /queue`: what there is in the queue, and how it went in the last hour. Two commands per shard.
pub(crate) async fn stats<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let shards = context.settings.shards_with_emails();
    let stats = stats_of_all(context.redis, shards).await?;
    let history = series_of_all(context.redis, shards).await?;
    let queue = QueueView::new(shards.first(), &stats, &history);
    Ok(json(StatusCode::OK, &Answer { queue, access: context.caller.rights.as_str() }))
}

/// The queue, and what this caller may do with it.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    queue: QueueView<'a>,
    access: &'static str,
}
