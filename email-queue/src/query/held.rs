use crate::{
    Class, Queue,
    call::{Answer, Call, UnexpectedAnswer},
    relay::sender_key,
    script::HELD,
};

/// A relay or a sender that is held off. Times are in ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldOff {
    pub(crate) name: String,
    pub(crate) until: i64,
    pub(crate) since: Option<i64>,
    pub(crate) class: Option<Class>,
    pub(crate) error: String,
}

/// What is held off.
pub(crate) struct Held {
    /// The relay in keys.
    pub(crate) key: String,
    pub(crate) relay: Option<HeldOff>,
    pub(crate) senders_until: i64,
}

/// Why emails of all shards wait for the relay: the last failure and its class; `None` if no relay is held off. The first shard
/// knows.
///
/// [`read`](super::read) and [`list`](super::list) show it in queued emails of the first shard.
pub fn hold_off_reason(first: &Queue) -> Call<Option<(String, Option<Class>)>> {
    Call::script(&HELD, first, |answer| {
        Ok(read(answer)?.and_then(|held| held.relay).map(|relay| (relay.error, relay.class)))
    })
}

/// What is held off, by the first shard.
pub(crate) fn held(first: &Queue) -> Call<Option<Held>> {
    Call::script(&HELD, first, read)
}

fn read(answer: &mut Answer) -> Result<Option<Held>, UnexpectedAnswer> {
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
}

/// The hold-off of a sender at a relay ([`HMGET`](https://redis.io/docs/latest/commands/hmget/)).
pub(crate) fn held_sender(first: &Queue, relay: &str, sender: &str) -> Call<Option<HeldOff>> {
    let key = first.sender(&sender_key(relay, sender));
    let call = Call::plain("HMGET", |answer| {
        let (until, class): (Option<i64>, Option<String>) = (answer.optional()?, answer.optional_text()?);
        let error = answer.prose()?.unwrap_or_default();
        let class = class.and_then(|class| class.parse().ok());
        Ok(until.map(|until| HeldOff { name: String::new(), until, since: None, class, error }))
    });
    ["until", "class", "error"].into_iter().fold(call.argument(key), Call::argument)
}
