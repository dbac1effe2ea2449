use std::{borrow::Cow, fmt};

use serde::Deserialize;

/// Where an email belongs in a trace: the value of the header field `traceparent`
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)). The record carries it for the worker; clients
/// are not shown it, and it is not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Traceparent {
    trace: [u8; 16],
    parent: [u8; 8],
    flags: u8,
}

/// The length of the value of version 0.
const LENGTH: usize = 55;

/// The name of the field in the record. It is the last, and does not count as a field of the email.
pub(super) const FIELD: &str = "traceparent";

impl Traceparent {
    /// Reads the value of the header field. `None` if it breaks a rule: by the standard a trace begins anew then. A later version
    /// may have more at its end.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (version, rest) = value.split_at_checked(2)?;
        let version = byte(version.as_bytes())?;
        let (of_version_0, more) = rest.split_at_checked(LENGTH - 2)?;
        let ends = if version == 0 { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
        if version == 0xff || !ends {
            return None;
        }
        let mut parts = of_version_0.strip_prefix('-')?.split('-');
        let (trace, parent, flags) = (bytes(parts.next()?)?, bytes(parts.next()?)?, bytes::<1>(parts.next()?)?);
        let is_whole = parts.next().is_none() && trace != [0; 16] && parent != [0; 8];
        is_whole.then_some(Self { trace, parent, flags: flags[0] })
    }

    /// Adds it to the JSON of a record.
    pub fn append_to(&self, json: &mut Vec<u8>) {
        if json.pop() == Some(b'}') {
            json.extend_from_slice(format!(r#","{FIELD}":"{self}"}}"#).as_bytes());
        }
    }

    /// That of the JSON of a record, if it has one.
    #[must_use]
    pub fn of(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Record<'a> {
            #[serde(borrow)]
            traceparent: Option<Cow<'a, str>>,
        }
        // The search is quicker than the parser, and nearly all emails are without.
        memchr::memmem::find(json, FIELD.as_bytes())?;
        let Record { traceparent } = serde_json::from_slice(json).ok()?;
        Self::parse(&traceparent?)
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The id of the span in which the email was posted.
    #[must_use]
    pub fn parent(&self) -> [u8; 8] {
        self.parent
    }

    /// The flags; bit 0 says that the trace is recorded.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.flags
    }
}

/// As version 0.
impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.parent.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// So many bytes as lower-case hexadecimal digits, and nothing more.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte_at, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte_at = byte(digits)?;
    }
    Some(bytes)
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::Submission;

    const VALUE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_value_is_read_and_written_as_the_standard_has_it() {
        let read = Traceparent::parse(VALUE).unwrap();
        assert_eq!(read.to_string(), VALUE);
        assert_eq!((read.trace()[0], read.parent()[7], read.flags()), (0x4b, 0xb7, 1));
        let later = VALUE.replace("00-4b", "cc-4b") + "-what-the-future-will-be-like";
        assert_eq!(Traceparent::parse(&later), Some(read));
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_none() {
        for wrong in [
            "",
            "00",
            &VALUE.to_uppercase(),
            &VALUE.replace("00-4b", "ff-4b"),
            &VALUE.replace("00-4b", "0-4b"),
            &VALUE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALUE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALUE.replace("-01", "-1"),
            &VALUE.replace("-01", "-0g"),
            &VALUE.replace('-', "_"),
            &format!("{VALUE}-extra"),
            &format!("{VALUE}x"),
            &format!(" {VALUE}"),
            &VALUE.replace("4bf9", "4b\u{e9}9"),
        ] {
            assert_eq!(Traceparent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_record_carries_it_and_the_email_is_the_same() {
        let post = br#"{"from":"a@x.example","to":"b@x.example","subject":"traceparent","text":"\"traceparent\":\"no\"","headers":{"traceparent":"00"}}"#;
        let submission = Submission::from_request(post, None, Timestamp::now()).unwrap();
        let mut json = submission.to_json();
        assert_eq!(Traceparent::of(&json), None, "an email's own texts are not it");
        let traceparent = Traceparent::parse(VALUE).unwrap();
        traceparent.append_to(&mut json);
        assert_eq!(Traceparent::of(&json), Some(traceparent));
        let (json, now) = (json.as_slice(), Timestamp::now());
        for read in [Submission::from_list(json, None, now), Submission::from_program(json, None, now)] {
            let read = read.unwrap();
            assert_eq!((read.email, read.unknown_fields), (submission.email.clone(), Vec::new()));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_given_is_read_or_none(text in "[0-9a-f-]{0,60}", any in ".{0,60}") {
            for text in [text, any] {
                if let Some(read) = Traceparent::parse(&text) {
                    prop_assert_eq!(Traceparent::parse(&read.to_string()), Some(read));
                }
            }
        }
    }
}
