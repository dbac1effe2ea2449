//! The JSON of a submission as it stands: every form that a field may have, no rule about its value.

use std::{borrow::Cow, fmt, marker::PhantomData};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    Invalid, InvalidKind, Tag,
    limits::{MAX_ATTACHMENTS, MAX_HEADERS, MAX_RECIPIENTS, MAX_TAGS},
};

#[derive(Deserialize)]
pub(super) struct Submission {
    pub(super) from: Option<String>,
    pub(super) to: Option<Strings>,
    pub(super) recipient: Option<Strings>,
    pub(super) cc: Option<Strings>,
    pub(super) bcc: Option<Strings>,
    pub(super) reply_to: Option<Strings>,
    pub(super) subject: Option<String>,
    pub(super) message: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) headers: Option<Headers>,
    pub(super) tags: Option<AtMost<MAX_TAGS, Object<Tag>>>,
    pub(super) attachments: Option<AtMost<MAX_ATTACHMENTS, Object<Attachment>>>,
    pub(super) scheduled_at: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) template: Option<IgnoredAny>,
    pub(super) topic_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Attachment {
    pub(super) filename: Option<String>,
    pub(super) content: Option<Bytes>,
    pub(super) path: Option<IgnoredAny>,
    pub(super) content_type: Option<String>,
    pub(super) content_id: Option<String>,
    pub(super) inline_content_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Change {
    pub(super) scheduled_at: Option<String>,
}

/// The parser keeps to this depth in what it builds, but not in what it passes over, such as an unknown field.
const MAX_DEPTH: usize = 128;

impl Submission {
    pub(super) fn read(json: &[u8]) -> Result<Self, Invalid> {
        read(json)
    }
}

impl Change {
    pub(super) fn read(json: &[u8]) -> Result<Self, Invalid> {
        read(json)
    }
}

/// Reads an object that is the whole text, and names the field that is wrong.
fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Invalid> {
    check_depth(json)?;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        invalid(if field == "." { "" } else { &field }, error.inner())
    })?;
    deserializer.end().map_err(|error| invalid("", &error))?;
    Ok(value)
}

/// Refuses more lists and objects open at once than [`MAX_DEPTH`].
pub(super) fn check_depth(json: &[u8]) -> Result<(), Invalid> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let too_deep = json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    });
    if too_deep {
        let reason = format!("it is nested more than {MAX_DEPTH} levels deep");
        return Err(Invalid { kind: InvalidKind::NotJson, field: String::new(), reason });
    }
    Ok(())
}

/// Says what serde found wrong, without the value that it found: that one may be secret, and of any length.
fn invalid(field: &str, error: &serde_json::Error) -> Invalid {
    let text = error.to_string();
    if !error.is_data() {
        return Invalid { kind: InvalidKind::NotJson, field: String::new(), reason: text };
    }
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if let Some(name) = text.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        let field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        return Invalid::missing(field, "it is required");
    }
    let reason = match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => text.to_owned(),
    };
    Invalid::value(field, reason)
}

/// An object, and nothing else: what serde derives would also take a list of the values without their names.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// A list of which no more is kept than `MAX` items and one, by which it is known to be too long: a text of ten bytes an
/// item must not become a list of two hundred bytes an item.
pub(super) struct AtMost<const MAX: usize, T>(pub(super) Vec<T>);

impl<const MAX: usize, T> AtMost<MAX, T> {
    fn read<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error>
    where
        T: Deserialize<'de>,
    {
        let mut items = Vec::new();
        while items.len() <= MAX
            && let Some(item) = list.next_element()?
        {
            items.push(item);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(items))
    }
}

impl<'de, const MAX: usize, T: Deserialize<'de>> Deserialize<'de> for AtMost<MAX, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<const MAX: usize, T>(PhantomData<T>);

        impl<'de, const MAX: usize, T: Deserialize<'de>> Visitor<'de> for ListVisitor<MAX, T> {
            type Value = AtMost<MAX, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<AtMost<MAX, T>, A::Error> {
                AtMost::read(list)
            }
        }

        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// One string or a list of them.
pub(super) struct Strings(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringsVisitor;

        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Strings, E> {
                Ok(Strings(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strings, A::Error> {
                AtMost::<MAX_RECIPIENTS, _>::read(list).map(|strings| Strings(strings.0))
            }
        }

        deserializer.deserialize_any(StringsVisitor)
    }
}

/// An object whose values are strings, in its own order, with what stands twice still there twice.
pub(super) struct Headers(pub(super) Vec<(String, String)>);

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
                while headers.len() <= MAX_HEADERS
                    && let Some(header) = map.next_entry()?
                {
                    headers.push(header);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(HeadersVisitor)
    }
}

/// The bytes of a file, in any of the three forms that SDKs send: base64, a list of integers, or what Node makes of a
/// `Buffer`: `{"type": "Buffer", "data": [integers]}`. Decoded while it is read, so that a long list costs no more
/// memory than its bytes.
pub(super) struct Bytes(pub(super) Vec<u8>);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text, a list of bytes, or a Buffer object")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                // Base64 in lines is common, and MIME allows it.
                let text = match text.contains(|c: char| c.is_ascii_whitespace()) {
                    true => Cow::Owned(text.split_ascii_whitespace().collect()),
                    false => Cow::Borrowed(text),
                };
                BASE64.decode(text.as_bytes()).map(Bytes).map_err(|_| E::custom("not valid base64"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
                let mut data: Option<Vec<u8>> = None;
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    if key == "data" && data.is_none() {
                        data = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                data.map(Bytes).ok_or_else(|| A::Error::custom("a Buffer object needs `data`, a list of bytes"))
            }
        }

        deserializer.deserialize_any(BytesVisitor)
    }
}
