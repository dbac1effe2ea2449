use crate::{Queue, call::Call, email::Mailbox};

/// The sender of emails without one, as last stored by a worker ([`GET`](https://redis.io/docs/latest/commands/get/));
/// `None` if it is missing or not a mailbox.
pub fn default_sender(queue: &Queue) -> Call<Option<Mailbox>> {
    let call = Call::plain("GET", |answer| Ok(answer.prose()?.and_then(|sender| sender.parse().ok())));
    call.argument(queue.default_from())
}
