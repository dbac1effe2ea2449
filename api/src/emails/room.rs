//! Room for new emails, where there is none: what has ended gives way.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use email_queue::{
    Queue, Refusal,
    call::CallError,
    transition::{Enqueue, Enqueued, Room, RoomFor, make_room},
};

use crate::backend::Backend;

/// For how long a request makes room. Each call removes as much as Redis does in some milliseconds.
const TIME: Duration = Duration::from_secs(2);

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
    let ends = Instant::now() + TIME;
    // Others may take the room that was made for these. It is asked for again then, and what they have made counts.
    let (mut again, mut is_last) = (false, false);
    loop {
        let outcome = redis.enqueue(queue, emails).await;
        let Some(room_for) = missing(&outcome, &emails, again).filter(|_| !is_last) else { return outcome };
        match make(redis, queue, room_for, ends).await {
            // What was freed may be enough even if it did not seem so, where others have gone meanwhile.
            Ok(room) if room.enough || room.freed > 0 => is_last = !room.enough || Instant::now() >= ends,
            _ => return outcome,
        }
        again = true;
    }
}

/// Makes room by as many calls as it takes until then. Returns what the last one has done.
async fn make<R: Backend>(
    redis: &R,
    queue: &Queue,
    room_for: RoomFor,
    ends: Instant,
) -> Result<Room, CallError<R::Error>> {
    loop {
        let room = make_room(queue, room_for).run(redis).await?;
        if room.enough || !room.more || Instant::now() >= ends {
            return Ok(room);
        }
    }
}

/// For what there has to be room, if making some can help.
fn missing<E: Display>(outcome: &Result<Enqueued, CallError<E>>, emails: &Enqueue<'_>, again: bool) -> Option<RoomFor> {
    match outcome {
        Ok(Enqueued::NoBytesLeft { asked, .. }) => {
            let limit = emails.backlog_bytes.filter(|limit| asked <= limit)?;
            Some(RoomFor::Bytes { limit, asked: *asked })
        }
        Err(error) if Refusal::of(&error.to_string()) == Some(Refusal::Full) => {
            // While a script runs, Redis has its arguments more than once.
            let bytes: usize = emails.emails.iter().map(|email| email.json.len()).sum();
            Some(RoomFor::Memory { bytes: AT_LEAST.saturating_add(3 * bytes as u64), again })
        }
        _ => None,
    }
}
