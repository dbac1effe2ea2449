use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Class;

/// What the attempts on an email have come to so far, which the next one needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The recipients who have it already.
    pub accepted: Vec<String>,
    /// Those who never get it, because the relay has refused them for good: not to be asked again.
    pub refused: BTreeMap<String, RecipientRefusal>,
    /// How often in a row the relay went silent before it had the message.
    pub timeouts: u32,
}

/// Why a recipient was refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientRefusal {
    /// What kind of failure it is.
    #[serde(with = "class")]
    pub class: Class,
    /// What the relay said.
    pub error: String,
}

impl Progress {
    /// As a claim gives it: nothing for an email that has not failed yet. `None` if it cannot be read.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        match text {
            b"" => Some(Self::default()),
            json => serde_json::from_slice(json).ok(),
        }
    }
}

/// A class by its name. One of a later version is taken for the most common one: what counts is who was refused.
mod class {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Class;

    pub(super) fn serialize<S: Serializer>(class: &Class, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(class.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Class, D::Error> {
        Ok(String::deserialize(deserializer)?.parse().unwrap_or(Class::Recipient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_as_a_claim_gives_it() {
        assert_eq!(Progress::read(b"").unwrap(), Progress::default());
        let refusal = |class| RecipientRefusal { class, error: "550 no".to_owned() };
        let json = br#"{"accepted":["a@x.example"],"refused":{"b@x.example":{"class":"policy","error":"550 no"},
            "c@x.example":{"class":"of a later version","error":"550 no"}},"timeouts":2}"#;
        let read = Progress::read(json).unwrap();
        assert_eq!((read.accepted, read.timeouts), (vec!["a@x.example".to_owned()], 2));
        let expected = [("b@x.example", refusal(Class::Policy)), ("c@x.example", refusal(Class::Recipient))];
        assert_eq!(read.refused, expected.map(|(address, refusal)| (address.to_owned(), refusal)).into());
        assert_eq!(Progress::read(b"{"), None);
    }
}
