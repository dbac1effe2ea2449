use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Class;

/// The progress of an email's attempts, for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The recipients who have it already.
    pub accepted: Vec<String>,
    /// Recipients that the relay has refused for good. They are not tried again.
    pub refused: BTreeMap<String, RecipientRefusal>,
    /// Time-outs in a row before the relay had the whole message.
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
    /// Parses the progress in a claim's reply; empty if the email has not failed yet. `None` if it is unreadable.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        match text {
            b"" => Some(Self::default()),
            json => serde_json::from_slice(json).ok(),
        }
    }
}

/// A class by its name. An unknown one, from a later version, becomes the most common one: the refusal matters more.
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
