use mime::Mime;
use serde::Serialize;

use super::{Content, Invalid, InvalidKind, origin::Origin, wire};

const MAX_FILENAME: usize = 255;
const MAX_CONTENT_TYPE: usize = 255;
/// The limit for records of earlier versions, which had none. It still fits into a line.
const MAX_LISTED_CONTENT_TYPE: usize = 900;
const MAX_CONTENT_ID: usize = 128;

/// A file that goes with the email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Its name, without a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Its media type: as given, or guessed from the name, or `application/octet-stream`. Any but `multipart/…`, and
    /// with its parameters.
    pub content_type: String,
    /// Set for an image inside the HTML, which refers to it as `cid:<content_id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// The bytes.
    pub content: Content,
}

impl Attachment {
    pub(super) fn check(wire: wire::Attachment, place: usize, origin: Origin) -> Result<Self, Invalid> {
        let invalid = |kind, field: &str, reason: &str| Invalid {
            kind,
            field: format!("attachments[{place}].{field}"),
            reason: reason.to_owned(),
        };
        let wire = wire.without_empty();
        if wire.path.is_some_and(|wire::Given(path)| path) {
            let reason = "remote files are not fetched; send the bytes as `content`";
            return Err(invalid(InvalidKind::NotServed, "path", reason));
        }
        let content = wire
            .content
            .ok_or_else(|| invalid(InvalidKind::Attachment, "content", "an attachment needs its bytes"))?
            .content;
        if let Some(filename) = &wire.filename {
            if filename.is_empty() || filename.len() > MAX_FILENAME {
                return Err(invalid(InvalidKind::Value, "filename", "a file's name is 1 to 255 bytes"));
            }
            if filename.chars().any(char::is_control) {
                let reason = "line breaks and other control characters are not allowed";
                return Err(invalid(InvalidKind::Value, "filename", reason));
            }
        }
        let max_content_type = match origin {
            Origin::Request => MAX_CONTENT_TYPE,
            Origin::List => MAX_LISTED_CONTENT_TYPE,
        };
        let content_type = match wire.content_type {
            Some(given) if given.len() > max_content_type => {
                return Err(invalid(InvalidKind::Value, "content_type", "a media type is 255 bytes at the most"));
            }
            Some(given) => media_type(&given).ok_or_else(|| {
                invalid(InvalidKind::Value, "content_type", "not a media type of a file, such as `application/pdf`")
            })?,
            None => guess(wire.filename.as_deref()).to_owned(),
        };
        let content_ids = [&wire.content_id, &wire.inline_content_id].map(|id| id.as_deref().map(without_brackets));
        if content_ids.into_iter().flatten().any(|id| !is_content_id(id)) {
            let reason = "1 to 128 printable ASCII characters other than < and >";
            return Err(invalid(InvalidKind::Value, "content_id", reason));
        }
        let content_id = content_ids.into_iter().flatten().next().map(str::to_owned);
        Ok(Self { filename: wire.filename, content_type, content_id, content })
    }
}

/// A media type that a single file can have; a multipart one would need parts that an attachment has not.
fn media_type(given: &str) -> Option<String> {
    if given.chars().any(char::is_control) {
        return None;
    }
    let parsed: Mime = given.trim().parse().ok()?;
    (parsed.type_() != mime::MULTIPART).then(|| parsed.to_string())
}

fn guess(filename: Option<&str>) -> &'static str {
    filename.and_then(|name| mime_guess::from_path(name).first_raw()).unwrap_or("application/octet-stream")
}

/// As it stands in `Content-ID`, where some take it from.
fn without_brackets(id: &str) -> &str {
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

fn is_content_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CONTENT_ID && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
}
