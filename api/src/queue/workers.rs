use email_queue::{
    call::Redis,
    query::{WorkersView, workers_of_all},
};
use http::StatusCode;

use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `GET /queue/workers`: the workers, and what they have in flight. One command per shard.
pub(crate) async fn workers<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let workers = workers_of_all(context.redis, context.settings.shards_with_emails()).await?;
    Ok(json(StatusCode::OK, &WorkersView::new(&workers)))
}
