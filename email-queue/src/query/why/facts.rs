//! What Redis knows that decides when an email is sent.

use std::str::FromStr;

use crate::{
    Class, EmailId, Queue,
    call::{Answer, Call, UnexpectedAnswer},
    email::{Mailbox, Outline},
    query::series::{Sample, samples},
    record::{Header, split},
    relay::sender_key,
    script::{HELD, WHY},
};

/// The most samples that are read: those of the last hour.
const SAMPLES: usize = 370;

/// Times are in ms since 1970.
pub(super) struct Facts {
    pub(super) now: i64,
    pub(super) header: Header,
    pub(super) error: Option<String>,
    pub(super) class: Option<Class>,
    /// The address of its sender in lower case, as far as the beginning of its record tells.
    pub(super) sender: Option<String>,
    /// Since when each lane is paused.
    pub(super) paused: [Option<i64>; 3],
    pub(super) waiting: [u64; 3],
    /// Those with a live lease.
    pub(super) workers: u64,
    pub(super) in_flight: u64,
    /// The worker that has the email, and the end of its lease.
    pub(super) holder: Option<(String, i64)>,
    /// How many emails are before it in its lane.
    pub(super) before: u64,
    /// The oldest first; the last is of now.
    pub(super) samples: Vec<Sample>,
    pub(super) held_relay: Option<HeldOff>,
    pub(super) held_sender: Option<HeldOff>,
}

/// A relay or a sender that is held off.
pub(super) struct HeldOff {
    pub(super) name: String,
    pub(super) until: i64,
    pub(super) since: Option<i64>,
    pub(super) class: Option<Class>,
    pub(super) error: String,
}

/// What is held off.
pub(super) struct Held {
    /// The relay in keys.
    pub(super) key: String,
    pub(super) relay: Option<HeldOff>,
    pub(super) senders_until: i64,
}

/// What decides when an email is sent, but for hold-offs, which are in the first shard.
pub(super) fn of_email(queue: &Queue, id: EmailId) -> Call<Option<Facts>> {
    Call::script(&WHY, queue, read).number(id).number(SAMPLES)
}

fn read(answer: &mut Answer) -> Result<Option<Facts>, UnexpectedAnswer> {
    if answer.is_empty() {
        return Ok(None);
    }
    let now = answer.number()?;
    let (header, json) = split(answer.bytes()?)?;
    let error = answer.prose()?;
    let class = answer.optional_text()?.and_then(|class| class.parse().ok());
    let (mut paused, mut waiting) = ([None; 3], [0; 3]);
    for lane in 0..3 {
        paused[lane] = answer.optional()?;
        waiting[lane] = answer.number()?;
    }
    let (workers, in_flight) = (answer.number()?, answer.number()?);
    let (holder, lease_ends) = (answer.optional_text()?, answer.number()?);
    let before = answer.number()?;
    let samples = samples(answer)?;
    let holder = holder.map(|holder| (holder, lease_ends));
    let sender = Outline::read(&json).0.from.and_then(|from| Mailbox::from_str(&from).ok());
    let sender = sender.map(|sender| AsRef::<str>::as_ref(sender.address()).to_lowercase());
    let (held_relay, held_sender) = (None, None);
    Ok(Some(Facts {
        now,
        header,
        error,
        class,
        sender,
        paused,
        waiting,
        workers,
        in_flight,
        holder,
        before,
        samples,
        held_relay,
        held_sender,
    }))
}

/// What is held off, by the first shard.
pub(super) fn held(first: &Queue) -> Call<Option<Held>> {
    Call::script(&HELD, first, |answer| {
        if answer.is_empty() {
            return Ok(None);
        }
        let (key, name) = (answer.text()?, answer.prose()?);
        let (until, since) = (answer.number()?, Some(answer.number()?).filter(|since| *since > 0));
        let class = answer.optional_text()?.and_then(|class| class.parse().ok());
        let error = answer.prose()?.unwrap_or_default();
        let senders_until = answer.number()?;
        let relay = name.map(|name| HeldOff { name, until, since, class, error });
        Ok(Some(Held { key, relay, senders_until }))
    })
}

/// The hold-off of a sender at a relay ([`HMGET`](https://redis.io/docs/latest/commands/hmget/)).
pub(super) fn held_sender(first: &Queue, relay: &str, sender: &str) -> Call<Option<HeldOff>> {
    let key = first.sender(&sender_key(relay, sender));
    let call = Call::plain("HMGET", |answer| {
        let (until, class): (Option<i64>, Option<String>) = (answer.optional()?, answer.optional_text()?);
        let error = answer.prose()?.unwrap_or_default();
        let class = class.and_then(|class| class.parse().ok());
        Ok(until.map(|until| HeldOff { name: String::new(), until, since: None, class, error }))
    });
    ["until", "class", "error"].into_iter().fold(call.argument(key), Call::argument)
}
