use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use super::{Mailbox, origin::Origin, submission, wire};

/// Adds a sender to the JSON of an email without one. `None` if the result would be invalid or a different email.
#[must_use]
pub fn with_sender(json: &[u8], sender: &Mailbox) -> Option<Vec<u8>> {
    let prepared = wire::prepare(json).ok()?;
    let Fields(fields) = serde_json::from_slice(&prepared).ok()?;
    let named = serde_json::to_vec(&Named { sender, fields: &fields }).ok()?;
    let read = |json: &[u8], default_from| submission::read(json.into(), default_from, Origin::List).ok();
    (read(json, Some(sender))?.email == read(&named, None)?.email).then_some(named)
}

/// The fields of an object as they stand in it.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The same with a sender, which may stand there already as `null` or as an empty text.
struct Named<'a> {
    sender: &'a Mailbox,
    fields: &'a [(Cow<'a, str>, &'a RawValue)],
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", self.sender)?;
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "from") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(json: &str) -> Option<String> {
        let sender = "\"Shop, Inc.\" <shop@example.com>".parse().unwrap();
        with_sender(json.as_bytes(), &sender).map(|named| String::from_utf8(named).unwrap())
    }

    #[test]
    fn an_email_gets_a_sender_however_it_names_none() {
        let rest = r#""to": "b@example.com", "message":"Hello \u00fc""#;
        let expected = r#"{"from":"\"Shop, Inc.\" <shop@example.com>","to":"b@example.com","message":"Hello \u00fc"}"#;
        for none in ["", r#""from": null,"#, r#""from": "","#, r#""fr\u006fm": null,"#] {
            assert_eq!(named(&format!("{{{none}{rest}}}")).as_deref(), Some(expected), "{none}");
            assert_eq!(named(&format!("\u{feff} {{{none}{rest}}}")).as_deref(), Some(expected), "{none}");
        }
        assert_eq!(named(&format!(r#"{{{rest}, "from": null}}"#)).as_deref(), Some(expected));
    }

    #[test]
    fn what_names_one_or_is_no_email_stays_as_it_is() {
        for json in ["[]", "", "{}", r#"{"to": "b@example.com"}"#, r#"{"from":"a@b.c","to":"a@b.c","message":"hi"}"#] {
            assert_eq!(named(json), None, "{json}");
        }
    }
}
