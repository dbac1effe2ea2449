use std::fmt::Display;

use email_queue::{EmailId, record, redis::Redis};
use http::StatusCode;

use super::shape::Retrieved;
use crate::{
    body::{Response, json},
    error::ApiError,
    router::Context,
};

/// `GET /emails/<id>`: an email, and how far it has come.
pub(crate) async fn retrieve<R: Redis<Error: Display>>(
    context: &Context<'_, R>,
    id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let settings = context.settings;
    let record = record::read(&settings.queue, id).run(context.redis).await?.ok_or_else(ApiError::unknown_email)?;
    let email = record.email(settings.default_from.as_ref());
    Ok(json(StatusCode::OK, &Retrieved::new(id, &record, email.as_ref())))
}
