//! Why an email has not been sent, and when it will be.

mod decide;
mod facts;
mod obstacles;
mod rate;
mod reason;
mod words;

pub use reason::{Action, Reason, Why};

use super::{
    held::{held, held_sender},
    in_use,
};
use crate::{
    EmailId, Shard, Shards,
    call::{CallError, Redis},
};

/// Asks why an email has not been sent, and when it will be; `None` if there is no such email. Two calls, one more each while a
/// sender is held off, and while no worker serves the email's shard; each bounded whatever the length of the queue. They are not atomic together, so the answer may be of a
/// moment that was not.
///
/// The estimate is the email's place by the rate at which emails left the queue while some waited, and what more urgent ones arrive
/// meanwhile.
///
/// # Errors
/// As [`Call::run`](crate::call::Call::run).
pub async fn why<R: Redis>(redis: &R, shards: &Shards, id: EmailId) -> Result<Option<Why>, CallError<R::Error>> {
    let mut shard = shards.of(id);
    let mut found = facts::of_email(&shards.queue(shard), id).run(redis).await?;
    if found.is_none() && shard != Shard::FIRST {
        // As old ids say no shard.
        shard = Shard::FIRST;
        found = facts::of_email(shards.first(), id).run(redis).await?;
    }
    let Some(mut facts) = found else { return Ok(None) };
    // A worker serves the first so many shards.
    if facts.workers == 0 && shard != Shard::FIRST && in_use(shards.first()).run(redis).await?.has_workers {
        facts.unserved = Some(shard);
    }
    if let Some(held) = held(shards.first()).run(redis).await? {
        let sender = facts.sender.as_deref().filter(|_| held.senders_until > facts.now);
        if let Some(sender) = sender {
            facts.held_sender = held_sender(shards.first(), &held.key, sender).run(redis).await?;
        }
        facts.held_relay = held.relay;
    }
    Ok(Some(decide::decide(&facts)))
}
