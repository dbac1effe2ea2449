use email_queue::{call::Redis, email::Mailbox, query};

use crate::{backend::Failure, error::ApiError, settings::Settings};

/// Who is shown as the sender of an email for which nobody is named and that no worker has had in flight yet: the API's own
/// default, the one that a worker last said it has, or the one that is built in.
pub(super) async fn default<R: Redis<Error: Failure>>(settings: &Settings, redis: &R) -> Result<Mailbox, ApiError> {
    if let Some(sender) = &settings.default_from {
        return Ok(sender.clone());
    }
    let said = query::default_sender(&settings.queue).run(redis).await?;
    Ok(said.unwrap_or_else(Mailbox::built_in_sender))
}
