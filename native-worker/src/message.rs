//! An email as MIME: the bytes that a mail server is given ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322),
//! [RFC 2045](https://www.rfc-editor.org/rfc/rfc2045)).
//!
//! - this file: which fields and parts a message has;
//! - `addresses`: fields with addresses; other fields are written by [`email_queue::field`], which the API asks as well;
//! - `text`: bodies that are text, and `lines` where they travel as they are; `file`: attachments; `alternative`: a text
//!   made of HTML;
//! - `pieces`: the message as what it was made of; `downgrade`: its header for a server without SMTPUTF8.
//!
//! Everything but addresses is ASCII with lines of CRLF, whatever the email is made of: headers by RFC 2047 and 2231,
//! bodies as quoted-printable or base64 unless they are plain already. So any server can carry it, and what comes out at
//! the other end is what came in. Text keeps its words to the letter; its line ends become CRLF, and one follows the
//! last line of a message of a single part, as SMTP demands.
//!
//! The messages are written here and not by a library, because those decode what comes as base64 to encode it again,
//! copy it at each level, put encoded words where RFC 2047 5 forbids them, and base64 where RFC 2046 5.2.1 does.

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

/// Builds the message, with the present time as its `Date` and a `Message-ID` that is the same at each attempt, unless
/// the email has its own ones. Who is in `bcc` is nowhere in it.
///
/// When the future is dropped, a text that is being made of the HTML is finished for nobody.
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

/// Now, as RFC 5322 3.3 writes it.
fn date() -> String {
    // It fails for years that are negative.
    rfc2822::to_string(&Timestamp::now().to_zoned_datetime(TimeZone::UTC)).unwrap_or_default()
}

/// What a message holds.
enum Part<'a> {
    Text { subtype: &'static str, text: Cow<'a, str> },
    File(&'a Attachment),
    Multi { subtype: &'static str, parts: Vec<Part<'a>> },
}

impl<'a> Part<'a> {
    /// `mixed(alternative(text, related(html, images)), files)`, where each container is left out that would hold but
    /// one part. Readers show the last alternative that they can, so the plain one is first (RFC 2046 5.1.4).
    ///
    /// An empty body next to the other one is none. `alternative` is a text for who cannot read the HTML.
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

    /// Several parts, or the one as it is.
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

/// What parts the parts. Nobody can foretell it, and neither quoted-printable nor base64 can hold its beginning (RFC
/// 2045 6.7).
fn boundary() -> String {
    format!("=_{}", Uuid::now_v7().simple())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
