//! The JSON of a submission: every form of each field, without rules for values. Names are those of Resend's API, or of
//! its SDKs.

mod at_most;
mod headers;
mod object;
mod strings;
mod tags;
mod text;

pub(super) use at_most::AtMost;
pub(super) use headers::Headers;
pub(super) use object::Object;
pub(super) use strings::{Given, Strings};
pub(super) use tags::Tags;

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Content, Invalid, InvalidKind, limits::MAX_ATTACHMENTS};

#[derive(Deserialize)]
pub(super) struct Submission {
    pub(super) from: Option<String>,
    pub(super) to: Option<Strings>,
    pub(super) recipient: Option<Strings>,
    pub(super) cc: Option<Strings>,
    pub(super) bcc: Option<Strings>,
    #[serde(alias = "replyTo")]
    pub(super) reply_to: Option<Strings>,
    pub(super) subject: Option<String>,
    pub(super) message: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) headers: Option<Headers>,
    pub(super) tags: Option<Tags>,
    pub(super) attachments: Option<AtMost<MAX_ATTACHMENTS, Object<Attachment>>>,
    #[serde(alias = "scheduledAt")]
    pub(super) scheduled_at: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) template: Option<Given>,
    #[serde(alias = "topicId")]
    pub(super) topic_id: Option<Given>,
}

#[derive(Deserialize)]
pub(super) struct Attachment {
    pub(super) filename: Option<String>,
    pub(super) content: Option<Bytes>,
    pub(super) path: Option<Given>,
    #[serde(alias = "contentType")]
    pub(super) content_type: Option<String>,
    #[serde(alias = "contentId")]
    pub(super) content_id: Option<String>,
    #[serde(alias = "inlineContentId")]
    pub(super) inline_content_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(alias = "scheduledAt")]
    pub(super) scheduled_at: Option<String>,
}

/// serde_json limits the depth of values that it builds, but not of values that it skips, such as unknown fields.
const MAX_DEPTH: usize = 128;

/// Parses a text that is one object. The error names the invalid field.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<Object<T>, Invalid> {
    let json = prepare(json)?;
    // Tracking the path of each field is slow, so it is done only after parsing has failed.
    serde_json::from_slice(&json).or_else(|_| read_by_field(&json))
}

fn read_by_field<T: DeserializeOwned>(json: &[u8]) -> Result<Object<T>, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let object = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        invalid(if field == "." { "" } else { &field }, error.inner())
    })?;
    deserializer.end().map_err(|error| invalid("", &error))?;
    Ok(object)
}

/// What the parser is to be given for a text. It is a copy only where half a surrogate pair has to be replaced.
pub(super) fn prepare(json: &[u8]) -> Result<Cow<'_, [u8]>, Invalid> {
    let json = text::without_mark(json);
    check_depth(json)?;
    Ok(text::without_half_pairs(json))
}

impl Attachment {
    /// An empty text is none.
    pub(super) fn without_empty(mut self) -> Self {
        let Self { filename, content_type, content_id, inline_content_id, .. } = &mut self;
        for text in [filename, content_type, content_id, inline_content_id] {
            text.take_if(|text| text.is_empty());
        }
        self
    }
}

/// Refuses more lists and objects open at once than [`MAX_DEPTH`].
fn check_depth(json: &[u8]) -> Result<(), Invalid> {
    let mut depth = 0_usize;
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => rest = after_string(rest.as_slice()).iter(),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let reason = format!("it is nested more than {MAX_DEPTH} levels deep");
            return Err(Invalid { kind: InvalidKind::NotJson, field: String::new(), reason });
        }
    }
    Ok(())
}

/// The text after a string. Skips from quotation mark to quotation mark, because a string may be an attachment of
/// megabytes, and a text has an escape per line.
fn after_string(json: &[u8]) -> &[u8] {
    let mut passed = 0;
    for end in memchr::memchr_iter(b'"', json) {
        let backslashes = json[passed..end].iter().rev().take_while(|byte| **byte == b'\\').count();
        passed = end + 1;
        if backslashes % 2 == 0 {
            return &json[passed..];
        }
    }
    &[]
}

/// The error of serde without the value found, which may be secret and of any length.
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

/// The bytes of a file, in any of the three forms that SDKs send: base64, a list of integers, or what Node makes of a
/// `Buffer`: `{"type": "Buffer", "data": [integers]}`. Read as bytes, so that a long list costs no more memory than they.
pub(super) struct Bytes(pub(super) Content);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text, a list of bytes, or a Buffer object")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                let invalid = || E::custom("it is not base64 (RFC 4648); encode the bytes of the file, text as well");
                Content::from_base64(text).map(Bytes).ok_or_else(invalid)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(Content::from(bytes.as_slice())))
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
                let content = data.map(|data| Content::from(data.as_slice()));
                content.map(Bytes).ok_or_else(|| A::Error::custom("a Buffer object needs `data`, a list of bytes"))
            }
        }

        deserializer.deserialize_any(BytesVisitor)
    }
}
