//! Attachments.

use email_queue::{
    email::Attachment,
    field::{self, MAX_LINE},
};
use mime::Mime;

use super::Message;

const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Writes a file as a part: its fields, an empty line, and its bytes.
///
/// The bytes are base64, for text as well, so that it keeps its line ends. But an attached message (`message/rfc822` and
/// similar) must not be encoded (RFC 2046 5.2.1). It is sent unencoded, with line ends of CRLF, if every server can carry
/// that; else under the same name as `application/octet-stream`.
pub(super) fn write<'a>(message: &mut Message<'a>, file: &'a Attachment) {
    let content_type: Option<Mime> = file.content_type.parse().ok();
    let is_message = content_type.as_ref().is_some_and(|content_type| content_type.type_().as_str() == "message");
    let unencoded = if is_message { plain(&file.content.decode()) } else { None };
    let content_type = content_type.filter(|_| !is_message || unencoded.is_some());

    let text = message.text();
    match &content_type {
        Some(content_type) => {
            let parameters: Vec<_> =
                content_type.params().map(|(name, value)| (name.as_str(), unescaped(value.as_str()))).collect();
            let parameters = parameters.iter().map(|(name, value)| (*name, value.as_str()));
            field::with_parameters(text, "Content-Type", content_type.essence_str(), parameters);
        }
        None => field::with_parameters(text, "Content-Type", UNKNOWN_TYPE, []),
    }
    if let Some(content_id) = &file.content_id {
        field::word(text, "Content-ID", &format!("<{content_id}>"));
    }
    let disposition = if file.content_id.is_some() { "inline" } else { "attachment" };
    let filename = file.filename.as_deref().map(|filename| ("filename", filename));
    field::with_parameters(text, "Content-Disposition", disposition, filename);
    match unencoded {
        Some(content) => {
            field::word(text, "Content-Transfer-Encoding", "7bit");
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(&content);
        }
        None => {
            field::word(text, "Content-Transfer-Encoding", "base64");
            text.extend_from_slice(b"\r\n");
            message.base64(file.content.base64());
        }
    }
}

/// Removes the backslashes before characters of a quoted value
/// ([RFC 9110 section 5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)). The parser has removed only the quotes.
fn unescaped(value: &str) -> String {
    let mut characters = value.chars();
    std::iter::from_fn(|| match characters.next() {
        Some('\\') => characters.next(),
        character => character,
    })
    .collect()
}

/// The content with line ends of CRLF, if it is ASCII in lines that every server can carry.
fn plain(content: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(content.len() + content.len() / 32);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if text.len() > MAX_LINE || !text.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\0')) {
            return None;
        }
        plain.extend_from_slice(text);
        if line.ends_with(b"\n") {
            plain.extend_from_slice(b"\r\n");
        }
    }
    Some(plain)
}
