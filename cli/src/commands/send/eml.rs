//! A message as mail programs store it (RFC 5322), as an email of the queue. Servers' fields, signatures and the structure of its
//! parts do not stay: the worker builds the message anew.

use base64::{Engine, prelude::BASE64_STANDARD};
use mail_parser::{Address, MessageParser, MimeHeaders};
use serde_json::{Map, Value, json};

/// Fields of the header that stay, by the beginnings of their names.
const KEPT: [&str; 10] = [
    "message-id",
    "in-reply-to",
    "references",
    "list-",
    "auto-submitted",
    "precedence",
    "importance",
    "x-priority",
    "x-mailer",
    "x-entity-ref-id",
];

/// The email as JSON.
///
/// # Errors
/// It is no message, in words.
pub(super) fn to_json(text: &[u8]) -> Result<Vec<u8>, String> {
    let message = MessageParser::default().parse(text).ok_or("it is no message with a header")?;
    if message.from().is_none() && message.to().is_none() && message.subject().is_none() {
        return Err("it is no message: neither From, To nor Subject is there".to_owned());
    }
    let mut email = Map::new();
    if let Some(from) = mailboxes(message.from()).into_iter().next() {
        email.insert("from".to_owned(), json!(from));
    }
    for (name, address) in
        [("to", message.to()), ("cc", message.cc()), ("bcc", message.bcc()), ("reply_to", message.reply_to())]
    {
        let mailboxes = mailboxes(address);
        if !mailboxes.is_empty() {
            email.insert(name.to_owned(), json!(mailboxes));
        }
    }
    email.insert("subject".to_owned(), json!(message.subject().unwrap_or_default()));
    // The parser makes a text of HTML, and the other way round: only what is there is taken.
    let is_html = |part: &u32| message.part(*part).is_some_and(mail_parser::MessagePart::is_text_html);
    if message.text_body.iter().any(|part| !is_html(part))
        && let Some(body) = message.body_text(0)
    {
        email.insert("text".to_owned(), json!(body.replace("\r\n", "\n")));
    }
    if message.html_body.iter().any(is_html)
        && let Some(body) = message.body_html(0)
    {
        email.insert("html".to_owned(), json!(body.replace("\r\n", "\n")));
    }
    let headers: Map<String, Value> = message
        .headers_raw()
        .filter(|(name, _)| KEPT.iter().any(|kept| name.to_ascii_lowercase().starts_with(kept)))
        .map(|(name, value)| (name.to_owned(), json!(unfolded(value))))
        .collect();
    if !headers.is_empty() {
        email.insert("headers".to_owned(), Value::Object(headers));
    }
    let attachments: Vec<_> = message
        .attachments()
        .map(|part| {
            let kind = part.content_type().map(|kind| match kind.subtype() {
                Some(subtype) => format!("{}/{subtype}", kind.ctype()),
                None => kind.ctype().to_owned(),
            });
            json!({
                "filename": part.attachment_name().unwrap_or("attachment"),
                "content": BASE64_STANDARD.encode(part.contents()),
                "content_type": kind,
                "content_id": part.content_id(),
            })
        })
        .collect();
    if !attachments.is_empty() {
        email.insert("attachments".to_owned(), json!(attachments));
    }
    serde_json::to_vec(&email).map_err(|error| error.to_string())
}

fn mailboxes(address: Option<&Address<'_>>) -> Vec<String> {
    let Some(address) = address else { return Vec::new() };
    let shown = |address: &mail_parser::Addr<'_>| {
        let mailbox = address.address()?;
        Some(match address.name() {
            Some(name) => format!("\"{}\" <{mailbox}>", name.replace('\\', "\\\\").replace('"', "\\\"")),
            None => mailbox.to_owned(),
        })
    };
    address.iter().filter_map(shown).collect()
}

/// Without the line breaks that fold it (RFC 5322 section 2.2.3).
fn unfolded(value: &str) -> String {
    value.trim().replace(['\r', '\n'], "")
}
