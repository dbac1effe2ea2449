//! When a scheduled email is due, in the JSON of its record: the worker measures from then on how long the email took, and takes it
//! instead of the time that another program has written into its email.
//!
//! It is the last field, of a fixed length, so that `reschedule.lua` can write another time over it. When the email is queued is in the
//! set of scheduled emails.

use jiff::Timestamp;

/// The name of the field. It does not count as a field of the email.
pub(super) const FIELD: &str = "queue_due";

const BEFORE: &[u8] = br#","queue_due":"#;

/// Milliseconds since 1970 as in the header of a record: so many digits until the year 2286.
const DIGITS: usize = 13;

/// The JSON of a record with the time at its end; unchanged if there is no room for the time, or if the JSON is no object with fields.
pub(crate) fn with_due(json: &[u8], due: Timestamp) -> Vec<u8> {
    let time = due.as_millisecond().to_string();
    match json {
        [fields @ .., b'}'] if fields.len() > 1 && time.len() == DIGITS => {
            [fields, BEFORE, time.as_bytes(), b"}"].concat()
        }
        _ => json.to_vec(),
    }
}

/// The time at the end of the JSON of a record, if it has one.
#[must_use]
pub fn due_of(json: &[u8]) -> Option<Timestamp> {
    split_due(json).map(|(_, due)| due)
}

/// The JSON of a record up to the time at its end, and that time; `None` if it has none. What is left lacks its closing brace.
#[must_use]
pub fn split_due(json: &[u8]) -> Option<(&[u8], Timestamp)> {
    let (fields, time) = json.strip_suffix(b"}")?.split_last_chunk::<DIGITS>()?;
    let time = time.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(time).ok())??;
    Some((fields.strip_suffix(BEFORE)?, Timestamp::from_millisecond(time.parse().ok()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Submission;

    const POST: &[u8] =
        br#"{"from":"a@x.example","to":"b@x.example","subject":",\"queue_due\":1764000000000}","text":"x","queue_due":1}"#;

    #[test]
    fn the_record_carries_it_and_the_email_is_the_same() {
        let submission = Submission::from_request(POST, None, Timestamp::now()).unwrap();
        let json = submission.to_json();
        assert_eq!(due_of(&json), None, "an email's own texts are not it");
        let due = Timestamp::from_millisecond(1_764_000_000_123).unwrap();
        let json = with_due(&json, due);
        assert_eq!(due_of(&json), Some(due));
        assert_eq!(split_due(&json), Some((&submission.to_json()[..submission.to_json().len() - 1], due)));
        let (json, now) = (json.as_slice(), Timestamp::now());
        for read in [Submission::from_list(json, None, now), Submission::from_program(json, None, now)] {
            let read = read.unwrap();
            assert_eq!((read.email, read.unknown_fields), (submission.email.clone(), Vec::new()));
            assert_eq!(read.scheduled_at, None);
        }
    }

    #[test]
    fn what_is_something_else_is_none() {
        for json in [
            r"",
            r"}",
            r"{}",
            r#"{"a":1,"queue_due":176400000000}"#,
            r#"{"a":1,"queue_due":17640000000000}"#,
            r#"{"a":1,"queue_due":"1764000000000"}"#,
            r#"{"a":{"b":1,"queue_due":1764000000000}}"#,
            r#"{"queue_due":1764000000000}"#,
        ] {
            assert_eq!(due_of(json.as_bytes()), None, "{json}");
        }
        let far = Timestamp::from_second(99_999_999_999).unwrap();
        for json in ["{}", "[]", "null", "", "}"] {
            assert_eq!(with_due(json.as_bytes(), Timestamp::now()), json.as_bytes());
        }
        assert_eq!(with_due(br#"{"a":1}"#, far), br#"{"a":1}"#);
    }
}
