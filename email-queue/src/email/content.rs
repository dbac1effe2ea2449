use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::Error};

/// Standard base64, with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a file, kept as base64 ([RFC 4648 section 4](https://www.rfc-editor.org/rfc/rfc4648#section-4), padded,
/// in one piece).
///
/// Requests, records and messages all use base64. So the content is checked, but never decoded, and not copied where it can share
/// the memory of the JSON that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(Bytes);

impl Content {
    /// Base64 of standard letters, padded or not, in lines or in one piece; `None` if it is none.
    pub(super) fn from_base64(text: Bytes) -> Option<Self> {
        // Base64 in lines is common, and MIME allows it.
        in_one_piece(&text)
            .or_else(|| in_one_piece(&text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()))
    }

    /// The same in one piece only, and without a letter that is escaped in JSON.
    pub(super) fn from_one_piece(text: &Bytes) -> Option<Self> {
        in_one_piece(text)
    }

    /// The base64.
    #[must_use]
    pub fn base64(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes the file has.
    #[must_use]
    pub fn len(&self) -> usize {
        let padding = self.0.iter().rev().take(2).filter(|byte| **byte == b'=').count();
        self.0.len() / 4 * 3 - padding
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes themselves.
    #[must_use]
    pub fn decode(&self) -> Vec<u8> {
        // It was checked when it was made.
        BASE64.decode(&self.0).unwrap_or_default()
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self(BASE64_STANDARD.encode(bytes).into())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).map_err(S::Error::custom)?)
    }
}

/// The last letters say how many bytes there are, and may be written in more than one way: they alone are decoded.
fn in_one_piece(text: &Bytes) -> Option<Content> {
    let (beginning, end) = text.split_at(text.len().saturating_sub(1) / 4 * 4);
    if !beginning.iter().fold(true, |all, byte| all & is_letter(*byte)) {
        return None;
    }
    let padded = BASE64_STANDARD.encode(BASE64.decode(end).ok()?);
    if padded.as_bytes() == end {
        return Some(Content(text.clone()));
    }
    Some(Content([beginning, padded.as_bytes()].concat().into()))
}

/// Whether a byte is a letter of base64. By comparisons and without a table, so that many bytes are looked at at once.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'+') | (byte == b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_taken_in_every_form_and_kept_in_one() {
        for (text, kept, len) in [
            ("", "", 0),
            ("YQ", "YQ==", 1),
            ("YQ==", "YQ==", 1),
            ("YWJj", "YWJj", 3),
            ("YWJjZA", "YWJjZA==", 4),
            (" YWJj\r\nZGU= \n", "YWJjZGU=", 5),
        ] {
            let content = Content::from_base64(text.into()).unwrap();
            assert_eq!((content.base64(), content.len()), (kept.as_bytes(), len), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in
            ["!", "Y", "YWJjZ", "YQ==YQ==", "YR==", "YWJj=", "YW-j", "YW_jYWJj", "ä", "YWJä", "YQ=\0", "hello world!"]
        {
            assert_eq!(Content::from_base64(text.into()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let content = Content::from(bytes.as_slice());
            prop_assert_eq!(content.len(), bytes.len());
            prop_assert_eq!(&content.decode(), &bytes);
            let unpadded = String::from_utf8(content.base64().to_vec()).unwrap().trim_end_matches('=').to_owned();
            prop_assert_eq!(Content::from_base64(unpadded.into()), Some(content.clone()));
        }

        #[test]
        fn a_text_is_taken_exactly_if_it_can_be_decoded(text in "[A-Za-z0-9+/=\n !äx]{0,20}") {
            let text: String = text;
            let compact: String = text.split_ascii_whitespace().collect();
            let decoded = BASE64.decode(&compact).ok();
            prop_assert_eq!(Content::from_base64(text.into()).map(|content| content.decode()), decoded);
        }
    }
}
