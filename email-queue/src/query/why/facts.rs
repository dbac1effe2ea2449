//! What Redis knows that decides when an email is sent.

use std::str::FromStr;

use crate::{
    Class, EmailId, Queue, Shard,
    call::{Answer, Call, UnexpectedAnswer},
    email::{Mailbox, Outline},
    query::{
        held::HeldOff,
        series::{Sample, samples},
    },
    record::{Header, split},
    script::WHY,
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
    /// Entries on the lists besides those of the emails that wait.
    pub(super) other_entries: [u64; 3],
    /// Those with a live lease.
    pub(super) workers: u64,
    pub(super) in_flight: u64,
    /// Its shard, if workers live and none of them serves it.
    pub(super) unserved: Option<Shard>,
    /// The worker that has the email, and the end of its lease.
    pub(super) holder: Option<(String, i64)>,
    /// How many emails are before it in its lane.
    pub(super) before: u64,
    pub(super) was_discarded: bool,
    /// The oldest first; the last is of now.
    pub(super) samples: Vec<Sample>,
    pub(super) held_relay: Option<HeldOff>,
    pub(super) held_sender: Option<HeldOff>,
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
    let (mut paused, mut waiting, mut other_entries) = ([None; 3], [0; 3], [0; 3]);
    for lane in 0..3 {
        paused[lane] = answer.optional()?;
        waiting[lane] = answer.number()?;
        other_entries[lane] = answer.number()?;
    }
    let (workers, in_flight) = (answer.number()?, answer.number()?);
    let (holder, lease_ends) = (answer.optional_text()?, answer.number()?);
    let before = answer.number()?;
    let was_discarded = answer.flag()?;
    let samples = samples(answer)?;
    let holder = holder.map(|holder| (holder, lease_ends));
    let sender = Outline::read(&json).0.from.and_then(|from| Mailbox::from_str(&from).ok());
    let sender = sender.map(|sender| AsRef::<str>::as_ref(sender.address()).to_lowercase());
    let (unserved, held_relay, held_sender) = (None, None, None);
    Ok(Some(Facts {
        now,
        header,
        error,
        class,
        sender,
        paused,
        waiting,
        other_entries,
        workers,
        in_flight,
        unserved,
        holder,
        before,
        was_discarded,
        samples,
        held_relay,
        held_sender,
    }))
}
