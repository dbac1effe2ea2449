//! The download of an attachment, with headers that make a browser save it and not show or run it.

use email_queue::{call::Redis, email::Attachment};
use http::{HeaderName, HeaderValue, header, request::Parts};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    find,
    link::{Link, Secret},
    read,
};
use crate::{backend::Failure, error::ApiError, response::Response, settings::Settings};

/// `GET /emails/<id>/attachments/<attachment id>/download`: the bytes. It needs a signed link that has not expired, and no key.
///
/// Nothing of the email is read from Redis before the signature was verified.
pub(crate) async fn download_attachment<R: Redis<Error: Failure>>(
    parts: &Parts,
    settings: &Settings,
    redis: &R,
    id: &str,
    attachment_id: &str,
) -> Result<Response, ApiError> {
    let forged = || ApiError::invalid_link("This link is not one that this server has made.");
    let (link, signature) = parse(id, attachment_id, parts.uri.query().unwrap_or_default()).ok_or_else(forged)?;
    if link.expires <= Timestamp::now() {
        return Err(ApiError::invalid_link("This link has expired. Ask for the attachment to get a new one."));
    }
    let secret = Secret::of(settings.shards.first(), redis).await?;
    if !link.is_signed(&signature, &secret) {
        return Err(forged());
    }
    let attachments = read(settings, redis, link.email).await?;
    Ok(file(find(attachments, link.email, link.attachment)?))
}

/// Parses a link, without verifying it.
fn parse(id: &str, attachment_id: &str, query: &str) -> Option<(Link, String)> {
    let parameter = |wanted: &str| {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let expires = Timestamp::from_second(parameter("expires")?.parse().ok()?).ok()?;
    let link = Link { email: id.parse().ok()?, attachment: attachment_id.parse().ok()?, expires };
    Some((link, parameter("signature")?))
}

fn file(attachment: Attachment) -> Response {
    let unknown_type = HeaderValue::from_static("application/octet-stream");
    let content_type = HeaderValue::try_from(attachment.content_type).unwrap_or(unknown_type);
    let disposition = content_disposition(attachment.filename.as_deref());
    let mut response = Response::new(attachment.content.decode());
    response.headers_mut().extend([
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_DISPOSITION, disposition),
        // A page or a script in an attachment must not run in the origin of this server.
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private")),
    ] as [(HeaderName, HeaderValue); 5]);
    response
}

/// The characters that an extended parameter value leaves as they are: letters, digits and these
/// ([RFC 8187 section 3.2.1](https://www.rfc-editor.org/rfc/rfc8187#section-3.2.1)).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The name under which to save the file ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266)): in ASCII, and if that is not the
/// whole name, also in full in the extended notation.
fn content_disposition(filename: Option<&str>) -> HeaderValue {
    let unnamed = HeaderValue::from_static("attachment");
    let Some(name) = filename else { return unnamed };
    // The name must not lead into another folder.
    let name = name.replace(['/', '\\'], "_");
    // Appendix D of the RFC: some clients decode a percent sign.
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && c != '"' && c != '%';
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        value += &format!("; filename*=UTF-8''{}", utf8_percent_encode(&name, ENCODED));
    }
    HeaderValue::try_from(value).unwrap_or(unnamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_saved_under_its_name() {
        for (name, expected) in [
            (None, "attachment"),
            (Some("a report.pdf"), "attachment; filename=\"a report.pdf\""),
            (Some("é€.txt"), "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9%E2%82%AC.txt"),
            (Some("100%.txt"), "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
            (Some("../../etc/passwd"), "attachment; filename=\".._.._etc_passwd\""),
        ] {
            assert_eq!(content_disposition(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_name_cannot_add_a_parameter_or_a_header() {
        for (name, expected) in [
            ("a\"; x=\"b", "attachment; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
            ("a\r\nX: b", "attachment; filename=\"a__X: b\"; filename*=UTF-8''a%0D%0AX%3A%20b"),
            ("a\\", "attachment; filename=\"a_\""),
            ("a'b", "attachment; filename=\"a'b\""),
        ] {
            assert_eq!(content_disposition(Some(name)), expected, "{name:?}");
        }
    }

    #[test]
    fn a_type_that_cannot_be_a_header_is_replaced() {
        let attachment = |content_type: &str| Attachment {
            filename: None,
            content_type: content_type.to_owned(),
            content_id: None,
            content: [0].as_slice().into(),
        };
        assert_eq!(file(attachment("text/html")).headers()[header::CONTENT_TYPE], "text/html");
        assert_eq!(file(attachment("a/b\r\nX: y")).headers()[header::CONTENT_TYPE], "application/octet-stream");
    }
}
