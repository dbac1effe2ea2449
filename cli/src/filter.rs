//! Which emails are meant.

use std::time::Duration;

use clap::Args;
use email_queue::{
    Class, Lane, Record, State,
    email::{Outline, schedule},
    query,
};
use jiff::Timestamp;

/// Flags that choose emails. All that are given have to hold.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Only emails in this state: queued, scheduled, sending, sent, delayed, failed or canceled.
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub(crate) status: Option<State>,

    /// Only emails whose last failure is of this class, such as recipient or timeout.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub(crate) class: Option<Class>,

    /// Only emails of this lane: high, normal or low.
    #[arg(long, value_name = "LANE", value_parser = lane)]
    pub(crate) lane: Option<Lane>,

    /// Only emails to an address that contains this, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) to: Option<String>,

    /// Only emails whose subject contains this, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,

    /// Only emails accepted since then: a time like 2026-11-26T03:00:00Z, or a duration that has passed, like 2h.
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<Timestamp>,

    /// Only emails accepted before then.
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<Timestamp>,
}

impl Filter {
    /// The same for Redis, where it leaves out nearly all that is not meant.
    pub(crate) fn in_redis(&self) -> query::Filter {
        query::Filter {
            state: self.status,
            class: self.class,
            lane: self.lane,
            to: self.to.clone(),
            subject: self.subject.clone(),
            from_time: self.since,
            to_time: self.until,
        }
    }

    /// Whether an email is meant. Its state was looked at already.
    pub(crate) fn matches(&self, record: &Record) -> bool {
        let time = record.created;
        self.class.is_none_or(|class| record.class == Some(class))
            && self.lane.is_none_or(|lane| record.lane == lane)
            && self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
            && self.matches_texts(record)
    }

    fn matches_texts(&self, record: &Record) -> bool {
        if self.to.is_none() && self.subject.is_none() {
            return true;
        }
        let (outline, _) = Outline::read(&record.json);
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let mut recipients = outline.to.iter().chain(&outline.cc).chain(&outline.bcc);
        self.to.as_deref().is_none_or(|part| recipients.any(|to| contains(to, part)))
            && self.subject.as_deref().is_none_or(|part| contains(outline.subject.as_deref().unwrap_or_default(), part))
    }
}

/// A state by its own name, or by that which the API has for it.
pub(crate) fn state(text: &str) -> Result<State, String> {
    let own = || {
        text.parse()
            .map_err(|()| "it is none of queued, scheduled, sending, sent, delayed, failed, canceled".to_owned())
    };
    if text == State::Delayed.last_event() { Ok(State::Delayed) } else { own() }
}

pub(crate) fn class(text: &str) -> Result<Class, String> {
    text.parse().map_err(|_| format!("it is none of {}", Class::ALL.map(Class::as_str).join(", ")))
}

pub(crate) fn lane(text: &str) -> Result<Lane, String> {
    text.parse().map_err(|()| "it is none of high, normal, low".to_owned())
}

fn past(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago: Duration = ago;
        return now.checked_sub(ago).map_err(|_| "it is too long ago".to_owned());
    }
    schedule::parse(text, now).map_err(|_| "write a time like 2026-11-26T03:00:00Z, or a duration like 2h".to_owned())
}
