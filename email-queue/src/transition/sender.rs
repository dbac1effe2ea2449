use std::time::Duration;

use super::{HoldOffFor, ask_relay::Held};
use crate::{
    Class, Queue, Relay,
    call::Call,
    script::{ASK_SENDER, HOLD_SENDER},
};

/// Has all workers hold off from handing a relay the emails of one sender. The answer says whether that is news, and how
/// long it lasts.
pub fn hold_sender(
    queue: &Queue,
    relay: &Relay,
    sender: &str,
    class: Class,
    error: &str,
    back_off: HoldOffFor,
) -> Call<(bool, Duration)> {
    let call =
        Call::script(&HOLD_SENDER, queue, |answer| Ok((answer.flag()?, Duration::from_millis(answer.number()?))));
    call.argument(relay.key())
        .argument(relay.sender_key(sender))
        .argument(class.as_str())
        .argument(error)
        .milliseconds(back_off.base)
        .milliseconds(back_off.max)
}

/// Asks whether emails of one sender may be handed to a relay: `None`, or why not and for how long. A wait of zero says
/// that they may, and that the last one that was tried failed.
pub fn ask_sender(queue: &Queue, relay: &Relay, sender: &str) -> Call<Option<Held>> {
    let call = Call::script(&ASK_SENDER, queue, |answer| {
        let (wait, class) = (Duration::from_millis(answer.number()?), answer.optional()?);
        let error = answer.optional_text()?.unwrap_or_default();
        Ok(class.map(|class| Held { wait, class, error }))
    });
    call.argument(relay.sender_key(sender))
}

/// Forgets what was known against a sender, because a relay has taken an email of theirs
/// ([`DEL`](https://redis.io/docs/latest/commands/del/)).
pub fn sender_well(queue: &Queue, relay: &Relay, sender: &str) -> Call<()> {
    let key = queue.sender(&relay.sender_key(sender));
    Call::plain("DEL", |answer| answer.next().map(drop)).argument(key)
}
