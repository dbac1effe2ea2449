//! Why an email has not been sent, and when it will be.

mod decide;
mod facts;
mod obstacles;
mod rate;
mod reason;
mod words;

pub use reason::{Action, Reason, Why};

use super::held::{held, held_sender};
use crate::{
    EmailId, Shards,
    call::{CallError, Redis},
};

/// Asks why an email has not been sent, and when it will be; `None` if there is no such email. Two calls, a third one while a
/// sender is held off, each bounded whatever the length of the queue. They are not atomic together, so the answer may be of a
/// moment that was not.
///
/// The estimate is the email's place by the rate at which emails left the queue while some waited, and what more urgent ones arrive
/// meanwhile.
///
/// # Errors
/// As [`Call::run`](crate::call::Call::run).
pub async fn why<R: Redis>(redis: &R, shards: &Shards, id: EmailId) -> Result<Option<Why>, CallError<R::Error>> {
    let queue = shards.queue(shards.of(id));
    // As old ids say no shard.
    let found = match facts::of_email(&queue, id).run(redis).await? {
        None if queue != *shards.first() => facts::of_email(shards.first(), id).run(redis).await?,
        found => found,
    };
    let Some(mut facts) = found else { return Ok(None) };
    if let Some(held) = held(shards.first()).run(redis).await? {
        let sender = facts.sender.as_deref().filter(|_| held.senders_until > facts.now);
        if let Some(sender) = sender {
            facts.held_sender = held_sender(shards.first(), &held.key, sender).run(redis).await?;
        }
        facts.held_relay = held.relay;
    }
    Ok(Some(decide::decide(&facts)))
}
