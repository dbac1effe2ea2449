//! Where an email is.

use email_queue::{EmailId, Queue};

use crate::settings::Settings;

/// Asks the shard that an id says for its email. If that has none, it asks shard 0, where emails are whose ids say no shard: those
/// of the time when there was one, and those of other programs.
pub(super) async fn find<T, E>(
    settings: &Settings,
    id: EmailId,
    ask: impl AsyncFn(&Queue) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let shards = settings.shards_with_emails();
    let queue = shards.queue(shards.of(id));
    match ask(&queue).await? {
        None if queue != *shards.first() => ask(shards.first()).await,
        answer => Ok(answer),
    }
}
