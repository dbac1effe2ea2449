use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::email::Content;

/// The bytes of a file, in any of the three forms that SDKs send: base64, a list of integers, or what Node makes of a
/// `Buffer`: `{"type": "Buffer", "data": [integers]}`. Read as bytes, so that a long list costs no more memory than they.
pub(in crate::email) struct FileContent {
    pub(in crate::email) content: Content,
    /// Whether it was base64.
    pub(super) is_text: bool,
}

impl FileContent {
    pub(in crate::email) fn of_list(bytes: &[u8]) -> Self {
        Self { content: Content::from(bytes), is_text: false }
    }
}

impl<'de> Deserialize<'de> for FileContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FileContentVisitor;

        impl<'de> Visitor<'de> for FileContentVisitor {
            type Value = FileContent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text, a list of bytes, or a Buffer object")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FileContent, E> {
                let invalid = || E::custom("it is not base64 (RFC 4648); encode the bytes of the file, text as well");
                let content = Content::from_base64(Bytes::copy_from_slice(text.as_bytes()));
                Ok(FileContent { content: content.ok_or_else(invalid)?, is_text: true })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FileContent, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(FileContent::of_list(&bytes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FileContent, A::Error> {
                let mut data: Option<Vec<u8>> = None;
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    if key == "data" && data.is_none() {
                        data = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                let content = data.map(|data| FileContent::of_list(&data));
                content.ok_or_else(|| A::Error::custom("a Buffer object needs `data`, a list of bytes"))
            }
        }

        deserializer.deserialize_any(FileContentVisitor)
    }
}
