use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::strings::Scalar;
use crate::email::{Tag, limits::MAX_TAGS};

/// Tags in any of the forms that clients send: `[{"name": "kind", "value": "reset"}]` as Resend has it, the names alone
/// `["reset"]`, or an object `{"kind": "reset"}`, in a list (Symfony) or not.
pub(in crate::email) struct Tags(pub(in crate::email) Vec<Tag>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;

        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of objects with `name` and `value`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some(Item(items)) = list.next_element()? {
                    tags.extend(items);
                    if tags.len() > MAX_TAGS {
                        return Err(A::Error::custom(format_args!("{MAX_TAGS} at the most")));
                    }
                }
                Ok(Tags(tags))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tags, A::Error> {
                Ok(Tags(of_object(map)?))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Tags, E> {
                if text.is_empty() { Ok(Tags(Vec::new())) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
            }
        }

        deserializer.deserialize_any(TagsVisitor)
    }
}

/// One item of the list: a tag, or in Symfony's form any number of them.
struct Item(Vec<Tag>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                match of_object(map)? {
                    tags if tags.is_empty() => Err(A::Error::missing_field("name")),
                    tags => Ok(Item(tags)),
                }
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Item, E> {
                Ok(Item(vec![Tag { name: name.to_owned(), value: String::new() }]))
            }
        }

        deserializer.deserialize_any(ItemVisitor)
    }
}

/// The tag whose fields an object has, or else one for each of its entries.
fn of_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<Tag>, A::Error> {
    let (mut name, mut value, mut others) = (None, None, Vec::new());
    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
        match &*key {
            "name" if name.is_none() => name = Some(map.next_value::<Scalar>()?.0),
            "value" if value.is_none() => value = Some(map.next_value::<Scalar>()?.0),
            "name" | "value" => return Err(A::Error::custom(format_args!("duplicate field `{key}`"))),
            // Enough to be refused for it.
            _ if others.len() > MAX_TAGS => drop(map.next_value::<IgnoredAny>()?),
            _ => {
                let value = map.next_value::<Scalar>()?.0.unwrap_or_default();
                others.push(Tag { name: key.into_owned(), value });
            }
        }
    }
    match (name, value) {
        (Some(Some(name)), value) => Ok(vec![Tag { name, value: value.flatten().unwrap_or_default() }]),
        (None, None) => Ok(others),
        // A name of null is none.
        _ => Err(A::Error::missing_field("name")),
    }
}
