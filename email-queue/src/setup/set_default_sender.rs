use crate::{Queue, call::Call, email::Mailbox};

/// Stores the sender of emails without one ([`SET`](https://redis.io/docs/latest/commands/set/)). Each worker does so
/// at start; the last one wins.
pub fn set_default_sender(queue: &Queue, sender: &Mailbox) -> Call<()> {
    Call::plain("SET", |answer| answer.next().map(drop)).argument(queue.default_from()).argument(sender.to_string())
}
