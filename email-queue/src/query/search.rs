use jiff::Timestamp;

use super::{Cursor, Listed, Page};
use crate::{
    Class, EmailId, Lane, Queue, Record, State,
    call::{Answer, Call, UnexpectedAnswer},
    email::Outline,
    record,
    script::SEARCH,
};

/// Which emails are looked for. The default is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// With this class of the last failure.
    pub class: Option<Class>,
    /// Of this lane.
    pub lane: Option<Lane>,
    /// With this text in a recipient, `cc` and `bcc` included, in upper or lower case.
    pub to: Option<String>,
    /// With this text in the subject, in upper or lower case.
    pub subject: Option<String>,
    /// Accepted at this time or later, by the clock of the API that made the id.
    pub from_time: Option<Timestamp>,
    /// Accepted at this time or before.
    pub to_time: Option<Timestamp>,
}

/// What one call of [`search`] has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The emails, and where to go on.
    pub listed: Listed,
    /// How many emails were looked at.
    pub looked_at: u64,
}

impl Filter {
    /// Whether it leaves out none.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the texts that are looked for are where they are to be. The script only looks for them in the whole record.
    #[must_use]
    pub fn admits(&self, record: &Record) -> bool {
        if self.to.is_none() && self.subject.is_none() {
            return true;
        }
        let (outline, _) = Outline::read(&record.json);
        let has = |text: &str, wanted: &str| text.to_lowercase().contains(&wanted.to_lowercase());
        let mut recipients = outline.to.iter().chain(&outline.cc).chain(&outline.bcc);
        self.to.as_ref().is_none_or(|wanted| recipients.any(|recipient| has(recipient, wanted)))
            && self.subject.as_ref().is_none_or(|wanted| outline.subject.is_some_and(|subject| has(&subject, wanted)))
    }
}

/// Searches the emails of a queue or shard, the newest first: one step of bounded length, of about 10 ms of Redis. As
/// long as [`Listed::has_more`], the next step begins at its cursor. Of what is found, [`Filter::admits`] leaves what matches.
///
/// Only the first 4 KiB of a record are searched for texts, which is where the API writes recipients and subject. Of a state with
/// few emails only those are looked at.
pub fn search(queue: &Queue, page: Page, filter: &Filter) -> Call<Found> {
    let (direction, cursor) = match page.cursor {
        Cursor::Newest => ("", String::new()),
        Cursor::After(id) => ("after", id.to_string()),
        Cursor::Before(id) => ("before", id.to_string()),
    };
    let after_to_time = filter.to_time.map(|time| time.as_millisecond().saturating_add(1));
    let call = Call::script(&SEARCH, queue, found)
        .number(page.limit)
        .argument(direction)
        .argument(cursor)
        .argument(filter.from_time.map(|time| beginning_of_ids(time.as_millisecond())).unwrap_or_default())
        .argument(after_to_time.map(beginning_of_ids).unwrap_or_default())
        .argument(filter.state.or(page.state).map(State::as_str).unwrap_or_default())
        .argument(filter.class.map(Class::as_str).unwrap_or_default())
        .argument(filter.lane.map(Lane::as_str).unwrap_or_default());
    let needles = [&filter.to, &filter.subject].into_iter().flatten().map(|wanted| needle(wanted));
    needles.filter(|needle| !needle.is_empty()).fold(call, |call, needle| call.argument(needle))
}

/// How the ids begin that are made in a millisecond since 1970 (RFC 9562 section 5.7). The text is below all of those.
fn beginning_of_ids(ms: i64) -> String {
    let ms = ms.clamp(0, (1 << 48) - 1);
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

/// The longest part of a text that JSON has as it is, in lower case: ASCII, and nothing that may be escaped.
fn needle(wanted: &str) -> String {
    let is_escaped = |c: char| !c.is_ascii() || c.is_ascii_control() || matches!(c, '"' | '\\' | '/');
    let longest = wanted.split(is_escaped).max_by_key(|part| part.len()).unwrap_or_default();
    longest.to_ascii_lowercase()
}

fn found(answer: &mut Answer) -> Result<Found, UnexpectedAnswer> {
    let has_more = answer.flag()?;
    let last: Option<EmailId> = answer.optional()?;
    let looked_at = answer.number()?;
    let mut emails = Vec::new();
    while !answer.is_empty() {
        let id = answer.text()?.parse().map_err(|_| UnexpectedAnswer)?;
        emails.push((id, record::record(answer)?));
    }
    Ok(Found { listed: Listed { emails, has_more, next: last.filter(|_| has_more) }, looked_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_in_a_record_is_there_however_it_is_written() {
        for (wanted, expected) in
            [("Ann@Example.com", "ann@example.com"), ("Grüße aus Köln", "e aus k"), ("a/b\\c\"d", "d"), ("日本", "")]
        {
            assert_eq!(needle(wanted), expected);
        }
    }

    #[test]
    fn ids_of_a_time_are_above_its_text_and_below_that_of_the_next_millisecond() {
        let id = EmailId::new().to_string();
        let ms = i64::from_str_radix(&format!("{}{}", &id[..8], &id[9..13]), 16).unwrap();
        assert!(beginning_of_ids(ms) < id && id < beginning_of_ids(ms + 1));
        assert_eq!(beginning_of_ids(-1), "00000000-0000");
        assert_eq!(beginning_of_ids(i64::MAX), "ffffffff-ffff");
    }
}
