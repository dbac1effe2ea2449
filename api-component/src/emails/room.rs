//! Room for new emails, where there is none: what has ended gives way.

use std::fmt::Display;

use email_queue::{
    Queue, Refusal,
    redis::CallError,
    transition::{Enqueue, Enqueued, make_room},
};

use crate::backend::Backend;

/// How often Redis is asked for more room. Each time it removes as much as it does in some milliseconds.
const CALLS: usize = 100;

/// How much is made free at least where Redis itself is full, in bytes, so that it is not full again at once.
const AT_LEAST: u64 = 8 * 1024 * 1024;

/// Puts emails on the queue. Where `backlog_bytes` or the `maxmemory` of Redis leaves no room for them, bodies of emails that
/// have ended are removed first, as many as it takes.
///
/// When the future is dropped, the emails may or may not be on the queue.
pub(super) async fn enqueue<R: Backend>(
    redis: &R,
    queue: &Queue,
    emails: Enqueue<'_>,
) -> Result<Enqueued, CallError<R::Error>> {
    let mut outcome = redis.enqueue(queue, emails).await;
    for _ in 0..CALLS {
        let Some(wanted) = missing(&outcome, &emails) else { break };
        let room = make_room(queue, wanted).run(redis).await;
        match room {
            // It was bounded, and what it has removed is not enough.
            Ok(room) if room.more && room.freed < wanted => {
                if let Ok(Enqueued::NoBytesLeft { stored, .. }) = &mut outcome {
                    *stored = stored.saturating_sub(room.freed);
                }
            }
            Ok(room) if room.freed > 0 => outcome = redis.enqueue(queue, emails).await,
            _ => break,
        }
    }
    outcome
}

/// How many bytes are to be made free for emails that found no room, if that can help.
fn missing<E: Display>(outcome: &Result<Enqueued, CallError<E>>, emails: &Enqueue<'_>) -> Option<u64> {
    match outcome {
        Ok(Enqueued::NoBytesLeft { stored, asked }) => {
            let limit = emails.backlog_bytes.filter(|limit| asked <= limit)?;
            Some((stored + asked).saturating_sub(limit).max(1))
        }
        Err(error) if Refusal::of(&error.to_string()) == Some(Refusal::Full) => {
            // While a script runs, Redis has its arguments more than once.
            let bytes: usize = emails.emails.iter().map(|email| email.json.len()).sum();
            Some(AT_LEAST.saturating_add(3 * bytes as u64))
        }
        _ => None,
    }
}
