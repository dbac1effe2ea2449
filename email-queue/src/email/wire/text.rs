//! JSON that other programs write and serde_json refuses: a byte order mark, and unpaired surrogates.

use std::borrow::Cow;

use memchr::memmem;

/// U+FEFF in UTF-8, which some programs write in front of a text. RFC 8259 section 8.1 lets a reader ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json)
}

/// Replaces an unpaired surrogate by U+FFFD, as decoders do by the Encoding Standard. Such JSON is valid (RFC 8259
/// section 8.2), and JavaScript produces it from `"…🎉".slice(0, n)`, but a Rust string cannot contain it.
pub(super) fn without_half_pairs(json: &[u8]) -> Cow<'_, [u8]> {
    const REPLACEMENT: &[u8; 6] = br"\ufffd";
    let mut mended = Cow::Borrowed(json);
    // Most texts have none, and this check is faster than finding each backslash. A short one has no backslash at all.
    if memchr::memchr(b'\\', json).is_none_or(|first| memmem::find(&json[first..], br"\u").is_none()) {
        return mended;
    }
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json[at..]) {
        at += found;
        match (unit(&json[at..]), json.get(at + 6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.to_mut()[at..at + 6].copy_from_slice(REPLACEMENT);
                at += 6;
            }
            // An escaped backslash does not begin an escape.
            _ => at = (at + 2).min(json.len()),
        }
    }
    mended
}

/// The number of an escape `\uXXXX` at the beginning of a text.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_a_whole_one_is_left() {
        for (json, expected) in [
            (r#""\ud83c""#, r#""\ufffd""#),
            (r#""\uDF89 and \uD83C\u0041""#, r#""\ufffd and \ufffd\u0041""#),
            (r#""\ud83c\ud83c\udf89""#, r#""\ufffd\ud83c\udf89""#),
            (r#""\ud83c\udf89\u0041\n""#, r#""\ud83c\udf89\u0041\n""#),
            (r#""\\ud83c \\\ud83c""#, r#""\\ud83c \\\ufffd""#),
            (r#""\ud8"#, r#""\ud8"#),
            ("\\", "\\"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_half_pairs(json.as_bytes())), expected, "{json}");
        }
    }

    #[test]
    fn what_is_whole_is_not_copied() {
        let json = r#"{"a": "\ud83c\udf89 \\ \" \u00e9"}"#.as_bytes();
        assert!(matches!(without_half_pairs(json), Cow::Borrowed(same) if same == json));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(without_mark(b"\xef\xbb\xbf{}"), b"{}");
    }

    proptest! {
        #[test]
        fn any_units_make_a_text_that_can_be_read(units in prop::collection::vec(any::<u16>(), 0..40)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = serde_json::from_slice(&without_half_pairs(format!("\"{escapes}\"").as_bytes())).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
