//! The part of an email that a list shows: sender, recipients and subject.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use super::{Email, Mailbox, wire};
use crate::EmailId;

/// The fields of an email that stand in a list. Read from the beginning of its JSON, because the rest may be files of
/// megabytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The sender; `None` if the email has none.
    pub from: Option<String>,
    /// Who gets it.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// Who gets a copy that the others do not see.
    pub bcc: Vec<String>,
    /// Where an answer goes.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: Option<String>,
    message_id: Option<String>,
}

/// How much of an outline the beginning of an email's JSON contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that an outline shows has been seen.
    Enough,
    /// The text ends before that.
    CutOff,
    /// It is no email.
    NoEmail,
}

/// The fields of an email in the order in which [`Email::to_json`] writes them, as far as an outline shows them; and those
/// that follow.
const SHOWN: [&str; 7] = ["from", "to", "cc", "bcc", "reply_to", "subject", "headers"];
/// The place of the subject, which a record always has.
const SUBJECT: usize = 5;
const OTHERS: [&str; 4] = ["tags", "text", "html", "attachments"];

impl Outline {
    /// Reads what can be read of the beginning of an email's JSON, which may be all of it. What breaks a rule is shown as
    /// it stands.
    #[must_use]
    pub fn read(json: &[u8]) -> (Self, Extent) {
        let mut reading = Reading::default();
        let Ok(json) = wire::prepare(json) else { return (Self::default(), Extent::NoEmail) };
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        let extent = match (&mut reading).deserialize(&mut deserializer) {
            Ok(()) => Extent::Enough,
            Err(error) if error.is_eof() => {
                if reading.is_past_shown {
                    Extent::Enough
                } else {
                    Extent::CutOff
                }
            }
            Err(_) => Extent::NoEmail,
        };
        (reading.outline, extent)
    }

    /// The value of the `Message-ID` field that the email is or will be sent with; `None` if it has no sender.
    #[must_use]
    pub fn message_id(&self, id: EmailId) -> Option<String> {
        let made = || {
            let from: Mailbox = self.from.as_deref()?.parse().ok()?;
            Some(format!("<{id}@{}>", from.ascii_domain()))
        };
        self.message_id.clone().or_else(made)
    }
}

impl From<&Email> for Outline {
    fn from(email: &Email) -> Self {
        let texts = |mailboxes: &[Mailbox]| mailboxes.iter().map(ToString::to_string).collect();
        let message_id = email.headers.iter().find(|header| header.name.eq_ignore_ascii_case(MESSAGE_ID));
        Self {
            from: Some(email.from.to_string()),
            to: texts(&email.to),
            cc: texts(&email.cc),
            bcc: texts(&email.bcc),
            reply_to: texts(&email.reply_to),
            subject: Some(email.subject.clone()),
            message_id: message_id.map(|header| header.value.trim_matches([' ', '\t']).to_owned()),
        }
    }
}

const MESSAGE_ID: &str = "message-id";

/// What has been read so far; it is kept where the text breaks off.
#[derive(Default)]
struct Reading {
    outline: Outline,
    /// Whether all fields so far came in the order of [`SHOWN`], and one of [`OTHERS`] has begun: no other can follow.
    is_past_shown: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outline = &mut self.outline;
        // The place of the last field among those shown; none once they came in another order.
        let mut last = Some(0);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let place = SHOWN.iter().position(|shown| *shown == name);
            last = match (last, place) {
                (Some(last), Some(place)) if last <= place && !self.is_past_shown => Some(place),
                (Some(last), None) if last >= SUBJECT && OTHERS.contains(&&*name) => Some(last),
                _ => None,
            };
            self.is_past_shown = last.is_some() && place.is_none();
            match &*name {
                "from" => {
                    outline.from = map.next_value::<Option<String>>()?.filter(|text| !text.is_empty()).map(normalized)
                }
                "to" | "recipient" => outline.to.extend(mailboxes(&mut map)?),
                "cc" => outline.cc = mailboxes(&mut map)?,
                "bcc" => outline.bcc = mailboxes(&mut map)?,
                "reply_to" | "replyTo" => outline.reply_to = mailboxes(&mut map)?,
                "subject" => outline.subject = map.next_value()?,
                "headers" => {
                    let headers =
                        map.next_value::<Option<wire::Headers>>()?.map(|headers| headers.0).unwrap_or_default();
                    let found = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(MESSAGE_ID));
                    outline.message_id = found.map(|(_, value)| value.trim_matches([' ', '\t']).to_owned());
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

fn mailboxes<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<String>, A::Error> {
    let texts = map.next_value::<Option<wire::Strings>>()?.map(|texts| texts.0).unwrap_or_default();
    Ok(texts.into_iter().map(normalized).collect())
}

/// A mailbox in canonical form; an invalid one unchanged.
fn normalized(text: String) -> String {
    text.parse::<Mailbox>().map_or(text, |mailbox| mailbox.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::Submission;

    fn email() -> Value {
        json!({
            "from": "Ada <a@b.example>", "to": "b@b.example", "cc": ["C <c@b.example>"], "bcc": "d@b.example",
            "reply_to": "e@b.example", "subject": "Grüße", "text": "t".repeat(100), "html": "h".repeat(100),
            "tags": [{"name": "kind", "value": "x"}], "headers": {"X-A": "b"},
            "attachments": [{"filename": "a", "content": "AAAA".repeat(100)}],
        })
    }

    #[test]
    fn the_beginning_of_a_record_shows_as_much_as_all_of_it() {
        let email = Submission::from_request(email().to_string().as_bytes(), None, Timestamp::now()).unwrap().email;
        let json = email.to_json();
        let whole = Outline::from(&email);
        assert_eq!(Outline::read(&json), (whole.clone(), Extent::Enough));
        let text = String::from_utf8(json.clone()).unwrap();
        let after_headers = text.find("\"tags\":").unwrap() + "\"tags\":".len();
        for end in 0..json.len() {
            let (outline, extent) = Outline::read(&json[..end]);
            let expected = if end < after_headers { Extent::CutOff } else { Extent::Enough };
            // A key that is not followed by its colon may be any.
            if (after_headers - 3..after_headers).contains(&end) {
                continue;
            }
            assert_eq!(extent, expected, "{end}");
            assert!(extent == Extent::CutOff || outline == whole, "{end}");
        }
    }

    #[test]
    fn fields_in_any_order_are_shown_once_all_of_the_text_is_there() {
        let json = br#"{"attachments": [{"content": "AAAA"}], "text": "t", "recipient": " <a@b.example>", "subject": null, "x": 1}"#;
        let (outline, extent) = Outline::read(json);
        assert_eq!((outline.to, outline.from, outline.subject), (vec!["a@b.example".to_owned()], None, None));
        assert_eq!(extent, Extent::Enough);
        assert_eq!(Outline::read(&json[..60]).1, Extent::CutOff);
        assert_eq!(Outline::read(br#"{"text": "t", "to": "a@b.example", "html": "h"#).1, Extent::CutOff);
        assert_eq!(Outline::read(br#"{"to": "a@b.example", "message": "h"#).1, Extent::CutOff);
    }

    #[test]
    fn what_is_no_email_is_told() {
        for json in ["", "not an email", "[]", "7", r#"{"to": 7}"#, r#"{"to": "a@b.example",}"#] {
            let expected = if json.is_empty() { Extent::CutOff } else { Extent::NoEmail };
            assert_eq!(Outline::read(json.as_bytes()).1, expected, "{json}");
        }
    }
}
