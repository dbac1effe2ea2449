use super::{ClaimRef, NAME_SENDER};
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

/// Puts an email with a sender in place of one that names none, so that its sender is the same at each attempt and wherever
/// it is shown. Says whether it was still in flight under this claim; if not, nothing was changed.
pub fn name_sender(queue: &Queue, claim: ClaimRef, json: Vec<u8>) -> Call<bool> {
    Call::script(&NAME_SENDER, queue, |answer| answer.flag()).claim(claim).argument(json)
}
