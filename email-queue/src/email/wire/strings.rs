use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::at_most::AtMost;
use crate::email::limits::MAX_RECIPIENTS;

/// One string or a list of strings; an empty string counts as absent. Bounded by the longest list that an email may
/// have.
pub(in crate::email) struct Strings(pub(in crate::email) Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringsVisitor;

        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Strings, E> {
                Ok(Strings(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strings, A::Error> {
                AtMost::<MAX_RECIPIENTS, _>::read(list).map(|strings| Strings(strings.0))
            }
        }

        deserializer.deserialize_any(StringsVisitor)
    }
}

/// A value of a header or a tag as text: some clients leave numbers as they are. Nothing where it is null.
pub(super) struct Scalar(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                // With serde_json's number formatting, which the component contains already.
                Ok(Scalar(serde_json::Number::from_f64(number).map(|number| number.to_string())))
            }

            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Whether something was given at all, whatever it is; an empty string is nothing.
pub(in crate::email) struct Given(pub(in crate::email) bool);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor;

        impl<'de> Visitor<'de> for GivenVisitor {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Given, E> {
                Ok(Given(!text.is_empty()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Given, E> {
                Ok(Given(true))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Given, E> {
                Ok(Given(true))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Given, E> {
                Ok(Given(true))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Given, E> {
                Ok(Given(true))
            }

            fn visit_unit<E: Error>(self) -> Result<Given, E> {
                Ok(Given(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Given, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Given(true))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Given(true))
            }
        }

        deserializer.deserialize_any(GivenVisitor)
    }
}
