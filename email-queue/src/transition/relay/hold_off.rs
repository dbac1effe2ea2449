use std::time::Duration;

use crate::{
    Class, EmailId, Queue, Relay,
    call::{Call, UnexpectedAnswer, milliseconds},
    script::HOLD_OFF,
};

/// A failure of a relay, which is not the email's.
#[derive(Debug, Clone, Copy)]
pub struct RelayFailure<'a> {
    /// The email whose delivery met it.
    pub email: EmailId,
    /// Whether it is in another shard than the state of the relay, which is in the first.
    pub is_elsewhere: bool,
    /// How long ago that delivery began.
    pub age: Duration,
    /// How long ago the relay decided on another email of this worker, if ever.
    pub passed: Option<Duration>,
    /// What kind of failure it is.
    pub class: Class,
    /// What happened, for people.
    pub error: &'a str,
}

/// The back-off of a relay or a sender: it doubles with each failure in a row.
#[derive(Debug, Clone, Copy)]
pub struct HoldOffFor {
    /// After the first failure.
    pub base: Duration,
    /// No back-off is longer.
    pub max: Duration,
}

/// The effect of a reported relay failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// All workers now hold off from the relay, for this long.
    HeldOff(Duration),
    /// The relay is held off already, or worked after the delivery began. Nothing has changed.
    Known(Duration),
    /// The failure is the email's own: it has met such failures three times while others passed. Nothing has changed.
    EmailsOwn,
}

/// Makes all workers hold off from a failing relay. Of many failures at once the first counts, and during the hold-off
/// only those of the probing worker.
pub fn hold_off(
    queue: &Queue,
    worker: &str,
    relay: &Relay,
    failure: RelayFailure<'_>,
    back_off: HoldOffFor,
) -> Call<Reported> {
    let call = Call::script(&HOLD_OFF, queue, |answer| {
        let (what, wait) = (answer.number::<u8>()?, Duration::from_millis(answer.number()?));
        match what {
            0 => Ok(Reported::Known(wait)),
            1 => Ok(Reported::HeldOff(wait)),
            2 => Ok(Reported::EmailsOwn),
            _ => Err(UnexpectedAnswer),
        }
    });
    call.argument(worker)
        .argument(relay.key())
        .argument(relay.name())
        .number(failure.email)
        .milliseconds(failure.age)
        .argument(failure.passed.map(|passed| milliseconds(passed).to_string()).unwrap_or_default())
        .argument(failure.class.as_str())
        .argument(failure.error)
        .milliseconds(back_off.base)
        .milliseconds(back_off.max)
        .number(u8::from(failure.is_elsewhere))
}
