//! An email as MIME: the bytes that a mail server is given ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322),
//! [RFC 2045](https://www.rfc-editor.org/rfc/rfc2045)).
//!
//! Everything but addresses is ASCII with lines of CRLF, whatever the email is made of: headers by RFC 2047 and 2231,
//! bodies as quoted-printable or base64 unless they are plain already. So any server can carry it, and what comes out at
//! the other end is what came in. Text keeps its words to the letter; its line ends become CRLF, and one follows the
//! last line of a message of a single part, as SMTP demands.

use std::borrow::Cow;

use email_encoding::headers::{rfc2047, writer::EmailWriter};
use email_queue::{
    Email, EmailId,
    email::{Attachment, Mailbox},
};
use lettre::{
    Address,
    message::{
        self, Body, Mailboxes, MultiPart, SinglePart,
        header::{self, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue, Headers},
    },
};

/// A line must not be longer than 998 bytes (RFC 5322 2.1.1), and can be broken only between words.
const MAX_WORD: usize = 900;

/// Builds the message, with the present time as its `Date` and a `Message-ID` that is the same at each attempt. Who is
/// in `bcc` is nowhere in it.
///
/// # Errors
/// When some part cannot be written as MIME. Trying again would not help.
pub(crate) fn build(id: EmailId, email: &Email) -> Result<Vec<u8>, BuildError> {
    let mut headers = Headers::new();
    headers.set(header::From::from(mailboxes(std::slice::from_ref(&email.from))));
    headers.set(header::To::from(mailboxes(&email.to)));
    if !email.cc.is_empty() {
        headers.set(header::Cc::from(mailboxes(&email.cc)));
    }
    if !email.reply_to.is_empty() {
        headers.set(header::ReplyTo::from(mailboxes(&email.reply_to)));
    }
    if !email.subject.is_empty() {
        headers.insert_raw(unstructured(HeaderName::new_from_ascii_str("Subject"), &email.subject)?);
    }
    headers.set(header::Date::now());
    headers.set(header::MessageId::from(email.message_id(id)));
    headers.set(header::MIME_VERSION_1_0);
    for header in &email.headers {
        let name = HeaderName::new_from_ascii(header.name.clone()).map_err(|_| BuildError::HeaderName)?;
        headers.insert_raw(unstructured(name, &header.value)?);
    }
    let mut message = headers.to_string().into_bytes();
    message.extend(content(email)?.formatted());
    Ok(message)
}

/// Why an email cannot be written as MIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("a header has a name that cannot be sent")]
    HeaderName,
    #[error("a header has a value that cannot be sent")]
    HeaderValue,
    #[error("an attachment has a content type that cannot be sent")]
    ContentType,
    #[error("an attachment cannot be encoded")]
    Encoding,
}

/// An address as it stands in a header or on the envelope: an international domain in its ASCII form (RFC 5891), so
/// that only a local part that is not ASCII needs a server with SMTPUTF8.
pub(crate) fn ascii_domain(address: &Address) -> Cow<'_, Address> {
    if !address.domain().is_ascii()
        && address.user().is_ascii()
        && let Ok(domain) = idna::domain_to_ascii(address.domain())
        && let Ok(ascii) = Address::new(address.user(), domain)
    {
        return Cow::Owned(ascii);
    }
    Cow::Borrowed(address)
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Part {
    fn formatted(&self) -> Vec<u8> {
        match self {
            Part::Single(part) => part.formatted(),
            Part::Multi(part) => part.formatted(),
        }
    }

    fn within(self, multipart: message::MultiPartBuilder) -> MultiPart {
        match self {
            Part::Single(part) => multipart.singlepart(part),
            Part::Multi(part) => multipart.multipart(part),
        }
    }

    fn after(self, multipart: MultiPart) -> MultiPart {
        match self {
            Part::Single(part) => multipart.singlepart(part),
            Part::Multi(part) => multipart.multipart(part),
        }
    }
}

/// `mixed(alternative(text, related(html, images)), files)`, where each container is left out that would hold but one
/// part. Readers show the last alternative that they can, so the plain one is first (RFC 2046 5.1.4).
fn content(email: &Email) -> Result<Part, BuildError> {
    let (images, files): (Vec<_>, Vec<_>) =
        email.attachments.iter().partition(|file| file.content_id.is_some() && email.html.is_some());
    let text = email.text.as_deref().map(|text| Part::Single(text_part(text, ContentType::TEXT_PLAIN)));
    let html = match email.html.as_deref().map(|html| Part::Single(text_part(html, ContentType::TEXT_HTML))) {
        Some(html) if !images.is_empty() => Some(Part::Multi(add(html.within(MultiPart::related()), &images)?)),
        html => html,
    };
    let body = match (text, html) {
        (Some(text), Some(html)) => Part::Multi(html.after(text.within(MultiPart::alternative()))),
        (Some(body), None) | (None, Some(body)) => body,
        // An email has one or the other; if it had neither it would be empty.
        (None, None) => Part::Single(text_part("", ContentType::TEXT_PLAIN)),
    };
    if files.is_empty() {
        return Ok(body);
    }
    Ok(Part::Multi(add(body.within(MultiPart::mixed()), &files)?))
}

fn add(multipart: MultiPart, files: &[&Attachment]) -> Result<MultiPart, BuildError> {
    files.iter().try_fold(multipart, |multipart, file| Ok(multipart.singlepart(file_part(file)?)))
}

fn text_part(text: &str, content_type: ContentType) -> SinglePart {
    let builder = SinglePart::builder().header(content_type);
    if is_plain(text) {
        return builder.body(Body::new(text.to_owned()));
    }
    // The builder takes line breaks only as a whole, so that a lone CR must not be in what it sees as text.
    let other = text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    let encoding = match other <= text.len() / 3 {
        true => ContentTransferEncoding::QuotedPrintable,
        false => ContentTransferEncoding::Base64,
    };
    match Body::new_with_encoding(text.to_owned(), encoding) {
        Ok(body) => builder.body(body),
        // It refuses only 7bit and 8bit.
        Err(text) => builder.body(text),
    }
}

/// Whether a text can travel as it is: short lines of printable ASCII that nothing on the way is known to change. Some
/// servers take away spaces at the end of a line, or put a mark before a line that begins with `From `.
fn is_plain(text: &str) -> bool {
    text.split_inclusive('\n').all(|line| {
        // A CR that no LF follows is not the end of a line, and must not be sent as it is (RFC 5321 2.3.8).
        let line = line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(line);
        line.len() <= 76
            && line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            && !line.ends_with([' ', '\t'])
            && !line.starts_with("From ")
    })
}

fn file_part(file: &Attachment) -> Result<SinglePart, BuildError> {
    let content_type = ContentType::parse(&file.content_type).map_err(|_| BuildError::ContentType)?;
    let mut part = SinglePart::builder().header(content_type);
    if let Some(content_id) = &file.content_id {
        part = part.header(header::ContentId::from(format!("<{content_id}>")));
    }
    part = match (file.content_id.is_some(), &file.filename) {
        (true, Some(name)) => part.header(header::ContentDisposition::inline_with_name(name)),
        (true, None) => part.header(header::ContentDisposition::inline()),
        (false, Some(name)) => part.header(header::ContentDisposition::attachment(name)),
        (false, None) => part.header(NamelessAttachment),
    };
    // Always base64: text as well must arrive with the line ends that it was given.
    let body = Body::new_with_encoding(file.content.clone(), ContentTransferEncoding::Base64)
        .map_err(|_| BuildError::Encoding)?;
    Ok(part.body(body))
}

/// `Content-Disposition: attachment`, which the builder knows only with a file's name.
#[derive(Clone)]
struct NamelessAttachment;

impl Header for NamelessAttachment {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "attachment".to_owned())
    }
}

/// The value of a header that is text: plain words as they are, others by RFC 2047, which breaks them up as well.
fn unstructured(name: HeaderName, value: &str) -> Result<HeaderValue, BuildError> {
    if value.split(' ').all(|word| word.len() <= MAX_WORD) && !looks_encoded(value) {
        return Ok(HeaderValue::new(name, value.to_owned()));
    }
    let mut encoded = String::new();
    let mut writer = EmailWriter::new(&mut encoded, name.len() + ": ".len(), 0, false);
    rfc2047::encode(value, &mut writer).map_err(|_| BuildError::HeaderValue)?;
    drop(writer);
    Ok(HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), encoded))
}

/// Whether a reader would take a part of this text for an encoded word (RFC 2047 2), and show something else instead.
fn looks_encoded(value: &str) -> bool {
    value.match_indices("=?").any(|(start, mark)| {
        let mut parts = value[start + mark.len()..].split('?');
        let (charset, encoding, text, end) = (parts.next(), parts.next(), parts.next(), parts.next());
        charset.is_some_and(|charset| !charset.is_empty())
            && encoding.is_some_and(|encoding| matches!(encoding, "Q" | "q" | "B" | "b"))
            && text.is_some()
            && end.is_some_and(|end| end.starts_with('='))
    })
}

fn mailboxes(mailboxes: &[Mailbox]) -> Mailboxes {
    let mailbox = |mailbox: &Mailbox| {
        message::Mailbox::new(mailbox.name().map(str::to_owned), ascii_domain(mailbox.address()).into_owned())
    };
    mailboxes.iter().map(mailbox).collect()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
