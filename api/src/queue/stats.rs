use email_queue::{
    call::Redis,
    query::{QueueView, series_of_all, stats_of_all},
};
use http::StatusCode;

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
    Ok(json(StatusCode::OK, &QueueView::new(shards.first(), &stats, &history)))
}
