use std::time::Duration;

use super::{HeldOff, HoldOffFor};
use crate::{
    Class, Queue, Relay,
    call::Call,
    script::{HOLD_OFF_SENDER, SENDER_ACCESS},
};

/// Makes all workers hold off one sender's emails at a relay. Returns whether this hold-off is new, and how long it
/// lasts.
pub fn hold_off_sender(
    queue: &Queue,
    relay: &Relay,
    sender: &str,
    class: Class,
    error: &str,
    back_off: HoldOffFor,
) -> Call<(bool, Duration)> {
    let call =
        Call::script(&HOLD_OFF_SENDER, queue, |answer| Ok((answer.flag()?, Duration::from_millis(answer.number()?))));
    call.argument(relay.key())
        .argument(relay.sender_key(sender))
        .argument(class.as_str())
        .argument(error)
        .milliseconds(back_off.base)
        .milliseconds(back_off.max)
}

/// Asks whether one sender's emails may be sent to a relay: `None`, or why not and for how long. A wait of zero means
/// that they may, but that the last one failed.
pub fn sender_access(queue: &Queue, relay: &Relay, sender: &str) -> Call<Option<HeldOff>> {
    let call = Call::script(&SENDER_ACCESS, queue, |answer| {
        let (wait, class) = (Duration::from_millis(answer.number()?), answer.optional()?);
        let error = answer.optional_text()?.unwrap_or_default();
        Ok(class.map(|class| HeldOff { wait, class, error }))
    });
    call.argument(relay.sender_key(sender))
}

/// Ends a sender's hold-off, after the relay has accepted one of its emails
/// ([`DEL`](https://redis.io/docs/latest/commands/del/)).
pub fn end_sender_hold_off(queue: &Queue, relay: &Relay, sender: &str) -> Call<()> {
    let key = queue.sender(&relay.sender_key(sender));
    Call::plain("DEL", |answer| answer.next().map(drop)).argument(key)
}
