//! Puts emails on the queue, and makes room for them if the queue is full.

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

/// For how long a request makes room. Each call takes Redis some milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes are freed at least when Redis itself is full, so that it is not full again at once.
const MIN_FREED: u64 = 8 * 1024 * 1024;

/// Puts emails on the queue. If `backlog_bytes` or the `maxmemory` of Redis leaves no room for them, the bodies of emails that
/// have ended are removed first, as many as necessary.
///
/// When the future is dropped, the emails may or may not be on the queue.
pub(super) async fn enqueue<R: Backend>(
    redis: &R,
    queue: &Queue,
    emails: Enqueue<'_>,
) -> Result<Enqueued, CallError<R::Error>> {
    let deadline = Instant::now() + TIMEOUT;
    // Other requests may take the room that was made for this one. It then asks again, and room that they made counts.
    let (mut again, mut is_last) = (false, false);
    loop {
        let outcome = redis.enqueue(queue, emails).await;
        let Some(room_for) = missing(&outcome, &emails, again).filter(|_| !is_last) else { return outcome };
        match make(redis, queue, room_for, deadline).await {
            // What was freed may be enough although Redis said no: other emails may have ended meanwhile.
            Ok(room) if room.enough || room.freed > 0 => is_last = !room.enough || Instant::now() >= deadline,
            _ => return outcome,
        }
        again = true;
    }
}

/// Makes room by as many calls as necessary, until the deadline. Returns the result of the last one.
async fn make<R: Backend>(
    redis: &R,
    queue: &Queue,
    room_for: RoomFor,
    deadline: Instant,
) -> Result<Room, CallError<R::Error>> {
    loop {
        let room = make_room(queue, room_for).run(redis).await?;
        if room.enough || !room.more || Instant::now() >= deadline {
            return Ok(room);
        }
    }
}

/// How much room is missing, if making room can help.
fn missing<E: Display>(outcome: &Result<Enqueued, CallError<E>>, emails: &Enqueue<'_>, again: bool) -> Option<RoomFor> {
    match outcome {
        Ok(Enqueued::NoBytesLeft { asked, .. }) => {
            let limit = emails.backlog_bytes.filter(|limit| asked <= limit)?;
            Some(RoomFor::Bytes { limit, asked: *asked })
        }
        Err(error) if Refusal::of(&error.to_string()) == Some(Refusal::Full) => {
            // While a script runs, Redis holds its arguments more than once.
            let bytes: usize = emails.emails.iter().map(|email| email.json.len()).sum();
            Some(RoomFor::Memory { bytes: MIN_FREED.saturating_add(3 * bytes as u64), again })
        }
        _ => None,
    }
}
