use crate::{Queue, call::Call, email::Mailbox};

/// Stores the sender of emails without one ([`SET`](https://redis.io/docs/latest/commands/set/)). Each worker does so
/// at start; the last one wins.
pub fn announce_sender(queue: &Queue, sender: &Mailbox) -> Call<()> {
    Call::plain("SET", |answer| answer.next().map(drop)).argument(queue.default_from()).argument(sender.to_string())
}

/// The sender of emails without one, as last stored by a worker ([`GET`](https://redis.io/docs/latest/commands/get/));
/// `None` if it is missing or not a mailbox.
pub fn default_sender(queue: &Queue) -> Call<Option<Mailbox>> {
    let call = Call::plain("GET", |answer| Ok(answer.prose()?.and_then(|sender| sender.parse().ok())));
    call.argument(queue.default_from())
}
