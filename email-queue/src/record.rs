//! An email as stored in Redis.

use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{
    Class, Lane, State, Submission,
    call::{Answer, UnexpectedAnswer},
    email::Mailbox,
};

/// The record of an email.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How far it has come.
    pub state: State,
    /// How urgent it is.
    pub lane: Lane,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it is due; only while it is scheduled or delayed.
    pub due: Option<Timestamp>,
    /// When it was sent, failed or was canceled.
    pub finished: Option<Timestamp>,
    /// How many attempts have been made.
    pub attempts: u32,
    /// Why the last attempt failed; or why there was none yet, while the relay is held off; or that the delivery takes
    /// long.
    pub error: Option<String>,
    /// What kind of failure that is.
    pub class: Option<Class>,
    /// The recipients that have got it by an attempt that failed for others, by address. Only where one email is read: a list
    /// does not tell.
    pub served: Vec<String>,
    /// The size of the removed texts and attachments in bytes of JSON, if they were removed to make room.
    pub removed: Option<u64>,
    /// The email as JSON, without removed texts and attachments; in a list, only the beginning.
    pub json: Vec<u8>,
}

impl Record {
    /// The email, or an error if another program pushed something else. Without a sender it gets `default_from`.
    /// Removed texts and attachments are missing.
    #[must_use]
    pub fn submission(&self, default_from: &Mailbox) -> Option<Submission> {
        let read = |json: &[u8]| Submission::from_list(json, Some(default_from), self.created).ok();
        if self.removed.is_none() {
            return read(&self.json);
        }
        // An email needs a text. In the field `message`, because then from and subject may be missing too.
        let fields = self.json.strip_suffix(b"}")?;
        let mut submission = read(&[fields, br#","message":"(removed)"}"#].concat())?;
        submission.email.text = None;
        Some(submission)
    }
}

/// Parses a record and its last error from a reply.
pub(crate) fn record(answer: &mut Answer) -> Result<Record, UnexpectedAnswer> {
    let (header, json) = split(answer.bytes()?)?;
    let error = answer.prose()?;
    // A later version may have added classes.
    let class = answer.optional_text()?.and_then(|class| class.parse().ok());
    let (mut due, mut finished) = (None, None);
    match header.state {
        State::Scheduled | State::Delayed => due = Some(timestamp(header.when)?),
        State::Sent | State::Failed | State::Canceled => finished = Some(timestamp(header.when)?),
        State::Queued | State::Sending => {}
    }
    let Header { state, attempts, lane, created, removed, .. } = header;
    Ok(Record {
        state,
        lane,
        created,
        due,
        finished,
        attempts,
        error,
        class,
        served: Vec::new(),
        removed,
        json: json.into(),
    })
}

/// The header of a record; `lua/record.lua` documents its columns.
pub(crate) struct Header {
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) when: i64,
    pub(crate) lane: Lane,
    pub(crate) created: Timestamp,
    pub(crate) removed: Option<u64>,
}

/// How long a header is before its optional columns.
const FIXED_COLUMNS: usize = 58;

/// Splits a record into header and email, without a copy: an email may be large.
pub(crate) fn split(record: Vec<u8>) -> Result<(Header, Bytes), UnexpectedAnswer> {
    let end = record.iter().position(|&byte| byte == b'\n').ok_or(UnexpectedAnswer)?;
    let line = std::str::from_utf8(&record[..end]).map_err(|_| UnexpectedAnswer)?;
    let mut columns = line.split_ascii_whitespace();
    let header = Header {
        state: column(&mut columns)?,
        when: column(&mut columns)?,
        attempts: column(columns.by_ref().skip(1))?,
        lane: column(columns.by_ref().skip(1))?,
        created: timestamp(column(&mut columns)?)?,
        removed: removed(line.get(FIXED_COLUMNS..).unwrap_or_default()),
    };
    Ok((header, Bytes::from(record).slice(end + 1..)))
}

/// The last of the optional columns. The one before it, the retention, may be empty.
fn removed(columns: &str) -> Option<u64> {
    let (_, removed) = columns.strip_prefix(' ')?.split_once(' ')?;
    removed.parse().ok()
}

fn column<'a, T: FromStr>(mut columns: impl Iterator<Item = &'a str>) -> Result<T, UnexpectedAnswer> {
    columns.next().and_then(|column| column.parse().ok()).ok_or(UnexpectedAnswer)
}

pub(crate) fn timestamp(ms: i64) -> Result<Timestamp, UnexpectedAnswer> {
    Timestamp::from_millisecond(ms).map_err(|_| UnexpectedAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_header_and_the_email_whatever_is_in_it() {
        for retention in ["", " 3600000"] {
            let record = format!("delayed   1764000000001 00004 0003 01 low    1764000000000{retention}\n{{\n}}");
            let (header, json) = split(record.into()).unwrap();
            assert_eq!((header.state, header.attempts, header.lane), (State::Delayed, 3, Lane::Low));
            assert_eq!((header.when, header.created.as_millisecond()), (1_764_000_000_001, 1_764_000_000_000));
            assert_eq!(json, "{\n}");
        }
    }

    #[test]
    fn a_record_tells_how_much_of_it_was_removed() {
        for (columns, expected) in
            [("", None), (" 3600000", None), (" 3600000 12", Some(12)), ("  34567890", Some(34_567_890))]
        {
            let record = format!("sent      1764000000001 00001 0001 00 normal 1764000000000{columns}\n{{}}");
            assert_eq!(split(record.into()).unwrap().0.removed, expected, "{columns:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for record in ["", "\n", "sent\n{}", "unknown   1 00004 0003 01 low    1\n{}", "sent 0 0 0 0 low 1"] {
            assert!(split(record.into()).is_err(), "{record}");
        }
    }
}
