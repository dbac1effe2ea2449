//! Why emails wait for the relay, in whichever shard they are.

use email_queue::{
    Record, State,
    call::{CallError, Redis},
    query,
};

use crate::settings::Settings;

/// Says in emails that wait untried why the relay is held off. The scripts of the first shard, which knows, do so by themselves; so
/// this asks only if there are others, and only for emails that may wait for it.
pub(super) async fn explain<R: Redis>(
    settings: &Settings,
    redis: &R,
    emails: impl Iterator<Item = &mut Record>,
) -> Result<(), CallError<R::Error>> {
    let shards = settings.shards_with_emails();
    let mut untold = emails.filter(|record| record.state == State::Queued && record.error.is_none()).peekable();
    if shards.count() == 1 || untold.peek().is_none() {
        return Ok(());
    }
    if let Some((error, class)) = query::hold_off_reason(shards.first()).run(redis).await? {
        for record in untold {
            (record.error, record.class) = (Some(error.clone()), class);
        }
    }
    Ok(())
}
