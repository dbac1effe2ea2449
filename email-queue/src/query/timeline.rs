use std::{fmt, str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    Class, EmailId, Queue, State,
    call::{Answer, Call, UnexpectedAnswer},
    record::{split, timestamp},
    script::TIMELINE,
};

/// Something that has happened to an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by Redis' clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// The number of the attempt, if it counted as one.
    pub attempt: Option<u32>,
    /// The worker that did it.
    pub worker: Option<String>,
    /// What kind of failure it was.
    pub class: Option<Class>,
    /// What the relay answered, or why it failed otherwise.
    pub answer: Option<String>,
    /// For how long the worker had the email.
    pub took: Option<Duration>,
    /// The relay, by name.
    pub relay: Option<String>,
}

/// What can happen to an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The API accepted it, or a worker found it on the list.
    Accepted,
    /// It waits for its time.
    Scheduled,
    /// A worker claimed it.
    Claimed,
    /// The relay took it.
    Sent,
    /// An attempt failed for now.
    Delayed,
    /// It waits through no fault of its own.
    Postponed,
    /// It returned to the front of its lane through no fault of its own.
    Returned,
    /// It became a dead letter.
    Failed,
    /// It was taken back from a worker that died.
    Recovered,
    /// An operator queued it again.
    Retried,
    /// A client canceled it.
    Canceled,
    /// An operator gave it up.
    Discarded,
    /// An operator moved it to another lane.
    Moved,
}

impl Event {
    /// All events.
    pub const ALL: [Event; 13] = [
        Event::Accepted,
        Event::Scheduled,
        Event::Claimed,
        Event::Sent,
        Event::Delayed,
        Event::Postponed,
        Event::Returned,
        Event::Failed,
        Event::Recovered,
        Event::Retried,
        Event::Canceled,
        Event::Discarded,
        Event::Moved,
    ];

    /// The name in Redis and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Event::Accepted => "accepted",
            Event::Scheduled => "scheduled",
            Event::Claimed => "claimed",
            Event::Sent => "sent",
            Event::Delayed => "delayed",
            Event::Postponed => "postponed",
            Event::Returned => "returned",
            Event::Failed => "failed",
            Event::Recovered => "recovered",
            Event::Retried => "retried",
            Event::Canceled => "canceled",
            Event::Discarded => "discarded",
            Event::Moved => "moved",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Event {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Event::ALL.into_iter().find(|event| event.as_str() == text).ok_or(())
    }
}

impl Entry {
    fn new(at: Timestamp, event: Event) -> Self {
        Self { at, event, attempt: None, worker: None, class: None, answer: None, took: None, relay: None }
    }
}

/// Reads what has happened to an email, the oldest first; `None` if there is no such email.
///
/// Of an email that was sent at its first attempt it is what its record tells. Of others the newest 25 moves are stored, each of an
/// attempt also tells of its claim.
pub fn timeline(queue: &Queue, id: EmailId) -> Call<Option<Vec<Entry>>> {
    Call::script(&TIMELINE, queue, read).number(id)
}

fn read(answer: &mut Answer) -> Result<Option<Vec<Entry>>, UnexpectedAnswer> {
    if answer.is_empty() {
        return Ok(None);
    }
    let (header, _) = split(answer.bytes()?)?;
    let error = answer.prose()?;
    let class: Option<Class> = answer.optional_text()?.and_then(|class| class.parse().ok());
    let (holder, due) = (answer.optional_text()?, answer.optional_text()?);
    let mut stored = Vec::new();
    while !answer.is_empty() {
        // One that cannot be read, of a later version, is left out.
        stored.extend(answer.prose()?.as_deref().and_then(entry));
    }
    let mut entries = vec![Entry::new(header.created, Event::Accepted)];
    let due = due.and_then(|due| Timestamp::from_millisecond(due.parse().ok()?).ok());
    let is_told = stored.iter().any(|entry: &Entry| entry.event == Event::Scheduled);
    if header.state == State::Scheduled || due.is_some_and(|due| due > header.created) && !is_told {
        entries.push(Entry::new(header.created, Event::Scheduled));
    }
    let last = stored.last().map(|entry| entry.event);
    for entry in stored {
        entries.extend(claim_of(&entry));
        entries.push(entry);
    }
    // What the record tells, unless the last entry does.
    let untold = match header.state {
        State::Sending => Some(Event::Claimed),
        State::Sent => Some(Event::Sent),
        State::Failed => Some(Event::Failed),
        State::Canceled if last != Some(Event::Discarded) => Some(Event::Canceled),
        _ => None,
    };
    if let Some(event) = untold.filter(|event| last != Some(*event)) {
        let of = |wanted| event == wanted;
        entries.push(Entry {
            attempt: Some(header.attempts).filter(|_| of(Event::Sent)),
            worker: holder.filter(|_| of(Event::Claimed)),
            class: class.filter(|_| of(Event::Failed)),
            answer: error.filter(|_| of(Event::Failed)),
            ..Entry::new(timestamp(header.when)?, event)
        });
    }
    Ok(Some(entries))
}

/// The claim with which what a worker tells of began.
fn claim_of(entry: &Entry) -> Option<Entry> {
    let took = SignedDuration::try_from(entry.took?).ok()?;
    let at = entry.at.checked_sub(took).ok()?;
    Some(Entry { worker: entry.worker.clone(), ..Entry::new(at, Event::Claimed) })
}

/// An entry as `lua/timeline.lua` writes it.
fn entry(text: &str) -> Option<Entry> {
    let mut fields = text.splitn(8, '\t');
    let mut field = || fields.next();
    let at = Timestamp::from_millisecond(field()?.parse().ok()?).ok()?;
    let event = field()?.parse().ok()?;
    let attempt = field()?.parse().ok();
    let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let worker = word(field()?);
    let class = field()?.parse().ok();
    let took = field()?.parse().ok().map(Duration::from_millis);
    let (relay, answer) = (word(field()?), word(field()?));
    Some(Entry { at, event, attempt, worker, class, answer, took, relay })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_back_from_its_name() {
        for event in Event::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
        assert!("Sent".parse::<Event>().is_err());
    }

    #[test]
    fn an_entry_is_read_as_it_is_stored_and_what_is_none_is_not() {
        let read =
            entry("1764000000000\tdelayed\t2\tmail-1:7:u\tdeferred\t1500\tsmtp://r.example:25\t450 a\tb").unwrap();
        assert_eq!((read.event, read.attempt, read.class), (Event::Delayed, Some(2), Some(Class::Deferred)));
        assert_eq!((read.answer.as_deref(), read.relay.as_deref()), (Some("450 a\tb"), Some("smtp://r.example:25")));
        let claimed = claim_of(&read).unwrap();
        assert_eq!((claimed.event, claimed.at.as_millisecond()), (Event::Claimed, 1_763_999_998_500));
        assert_eq!(claimed.worker, read.worker);
        let retried = entry("1764000000000\tretried\t\t\t\t\t\t").unwrap();
        assert_eq!(retried, Entry::new(retried.at, Event::Retried));
        for text in
            ["", "1764000000000", "x\tsent\t\t\t\t\t\t", "1764000000000\tflew\t\t\t\t\t\t", "99999999999999999\tsent"]
        {
            assert_eq!(entry(text), None, "{text}");
        }
    }
}
