use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::strings::Scalar;
use crate::email::limits::MAX_HEADERS;

/// An object with string values, in order, duplicates included. An empty list counts as an empty object: PHP cannot
/// tell them apart, and Laravel sends the former.
pub(in crate::email) struct Headers(pub(in crate::email) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, Scalar(value))) = map.next_entry()? {
                    if headers.len() == MAX_HEADERS {
                        return Err(A::Error::custom(format_args!("{MAX_HEADERS} at the most")));
                    }
                    headers.extend(value.map(|value| (name, value)));
                }
                Ok(Headers(headers))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(Headers(Vec::new())),
                    Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Headers, E> {
                if text.is_empty() {
                    Ok(Headers(Vec::new()))
                } else {
                    Err(E::invalid_type(Unexpected::Str(text), &self))
                }
            }
        }

        deserializer.deserialize_any(HeadersVisitor)
    }
}
