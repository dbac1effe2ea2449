//! An email as MIME: the bytes that a mail server is given ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322),
//! [RFC 2045](https://www.rfc-editor.org/rfc/rfc2045)).
//!
//! - this file: the fields and parts of a message;
//! - `addresses`: fields with addresses; other fields are written by [`email_queue::field`], by which the API checks them;
//! - `text`: bodies that are text, and `lines` where they need no encoding; `file`: attachments; `alternative`: a text made
//!   from HTML;
//! - `pieces`: the message as what it was made of; `downgrade`: its header for a server without SMTPUTF8.
//!
//! Everything but addresses is ASCII with line ends of CRLF: headers by RFC 2047 and 2231, bodies as quoted-printable or
//! base64 where they are not ASCII already. So any server can carry the message unchanged. The line ends of a text become
//! CRLF, and SMTP requires one after the last line.
//!
//! Libraries decode base64 only to encode it again, copy content at each level, put encoded words where RFC 2047 5 forbids
//! them, and base64 where RFC 2046 5.2.1 does. So the worker writes messages itself.

mod addresses;
mod alternative;
mod downgrade;
mod file;
mod lines;
mod pieces;
mod text;

use std::borrow::Cow;

use email_queue::{Email, EmailId, email::Attachment, field};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use uuid::Uuid;

pub(crate) use addresses::ascii_domain;
pub(crate) use pieces::Message;

/// Builds the message. Unless the email has its own, `Date` is the present time, and `Message-ID` is the same at each
/// attempt. Recipients in `bcc` are not in it.
///
/// When the future is dropped, a thread that converts HTML finishes, and its text is discarded.
pub(crate) async fn build(id: EmailId, email: &Email) -> Message<'_> {
    let alternative = match (&email.text, &email.html) {
        (None, Some(html)) => alternative::of(html).await,
        _ => None,
    };
    let mut message = Message::default();
    write_fields(message.text(), id, email);
    let content = Part::of(email, alternative);
    let is_text = matches!(content, Part::Text { .. });
    content.write(&mut message);
    if is_text {
        message.text().extend_from_slice(b"\r\n");
    }
    message
}

fn write_fields(message: &mut Vec<u8>, id: EmailId, email: &Email) {
    addresses::write(message, "From", std::slice::from_ref(&email.from));
    addresses::write(message, "To", &email.to);
    addresses::write(message, "Cc", &email.cc);
    addresses::write(message, "Reply-To", &email.reply_to);
    if !email.subject.is_empty() {
        field::text(message, "Subject", &email.subject);
    }
    if email.header("Date").is_none() {
        field::text(message, "Date", &date());
    }
    if email.header("Message-ID").is_none() {
        field::word(message, "Message-ID", &email.message_id(id));
    }
    field::word(message, "MIME-Version", "1.0");
    email.headers.iter().for_each(|header| header.write(message));
}

/// The present time by RFC 5322 3.3.
fn date() -> String {
    // It fails only for negative years.
    rfc2822::to_string(&Timestamp::now().to_zoned_datetime(TimeZone::UTC)).unwrap_or_default()
}

/// A part of a message.
enum Part<'a> {
    Text { subtype: &'static str, text: Cow<'a, str> },
    File(&'a Attachment),
    Multi { subtype: &'static str, parts: Vec<Part<'a>> },
}

impl<'a> Part<'a> {
    /// `mixed(alternative(text, related(html, images)), files)`, without containers of a single part. Readers show the last
    /// alternative that they can, so plain text is first (RFC 2046 5.1.4).
    ///
    /// An empty body beside another one is left out. `alternative` is the text for readers without HTML.
    fn of(email: &'a Email, alternative: Option<String>) -> Self {
        let html = email.html.as_deref().filter(|html| !html.is_empty());
        let text = email.text.as_deref().map(Cow::Borrowed).or(alternative.map(Cow::Owned));
        let text = text.filter(|text| !text.is_empty());
        let (images, files): (Vec<_>, Vec<_>) =
            email.attachments.iter().partition(|file| file.content_id.is_some() && html.is_some());
        let html = html.map(|html| {
            let html = Part::Text { subtype: "html", text: Cow::Borrowed(html) };
            Part::multi("related", std::iter::once(html).chain(images.into_iter().map(Part::File)).collect())
        });
        let text = text.map(|text| Part::Text { subtype: "plain", text });
        let body = match (text, html) {
            // An email has one or the other; both may be empty.
            (None, None) => Part::Text { subtype: "plain", text: Cow::Borrowed("") },
            (text, html) => Part::multi("alternative", text.into_iter().chain(html).collect()),
        };
        Part::multi("mixed", std::iter::once(body).chain(files.into_iter().map(Part::File)).collect())
    }

    /// A container of several parts, or the part itself if it is the only one.
    fn multi(subtype: &'static str, mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.remove(0) } else { Self::Multi { subtype, parts } }
    }

    /// Writes the fields of the part, an empty line, and its content.
    fn write(self, message: &mut Message<'a>) {
        match self {
            Part::Text { subtype, text } => text::write(message, subtype, text),
            Part::File(file) => file::write(message, file),
            Part::Multi { subtype, parts } => {
                let boundary = boundary();
                field::with_parameters(
                    message.text(),
                    "Content-Type",
                    &format!("multipart/{subtype}"),
                    [("boundary", boundary.as_str())],
                );
                for part in parts {
                    message.text().extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
                    part.write(message);
                }
                message.text().extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            }
        }
    }
}

/// What separates the parts. It is random, and neither quoted-printable nor base64 can contain its beginning (RFC 2045 6.7).
fn boundary() -> String {
    format!("=_{}", Uuid::now_v7().simple())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
