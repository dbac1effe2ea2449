use crate::{Queue, call::Call, email::Mailbox};

/// Writes down who sends the emails for which nobody is named ([`SET`](https://redis.io/docs/latest/commands/set/)): a worker
/// does so at its start. The last one to do it is believed.
pub fn announce_sender(queue: &Queue, sender: &Mailbox) -> Call<()> {
    Call::plain("SET", |answer| answer.next().map(drop)).argument(queue.default_from()).argument(sender.to_string())
}

/// Who sends the emails for which nobody is named, as a worker last said
/// ([`GET`](https://redis.io/docs/latest/commands/get/)); `None` when none has, or what is there is no mailbox.
pub fn default_sender(queue: &Queue) -> Call<Option<Mailbox>> {
    let call = Call::plain("GET", |answer| Ok(answer.prose()?.and_then(|sender| sender.parse().ok())));
    call.argument(queue.default_from())
}
