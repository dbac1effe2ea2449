use email_queue::{call::Redis, email::Mailbox, query};

use crate::{backend::Failure, error::ApiError, settings::Settings};

/// The sender to show for an email that names none and that no worker has claimed yet: the API's default, else the one that a
/// worker announced last, else the built-in one.
pub(super) async fn default<R: Redis<Error: Failure>>(settings: &Settings, redis: &R) -> Result<Mailbox, ApiError> {
    if let Some(sender) = &settings.default_from {
        return Ok(sender.clone());
    }
    let announced = query::default_sender(settings.shards.first()).run(redis).await?;
    Ok(announced.unwrap_or_else(Mailbox::built_in_sender))
}
