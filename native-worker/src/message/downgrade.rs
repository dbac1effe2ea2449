//! The header for a server without SMTPUTF8, which cannot carry addresses that are not ASCII.
//!
//! Such an address may be in the header of a message to others. It is written by
//! [RFC 6857 section 3.1.8](https://www.rfc-editor.org/rfc/rfc6857#section-3.1.8) as the name of an empty group: it can be read,
//! and is no address.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};

/// How many bytes of text fit into an encoded word of 75 characters (RFC 2047 2): 60 of base64, and 12 around them.
const WORD: usize = 45;

/// Encodes what is not ASCII in the header. The body stays as it is.
pub(super) fn to_ascii(message: &[u8]) -> Cow<'_, [u8]> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    let (headers, body) = message.split_at(end);
    let Ok(headers) = std::str::from_utf8(headers) else { return Cow::Borrowed(message) };
    if headers.is_ascii() {
        return Cow::Borrowed(message);
    }
    let mut ascii = String::with_capacity(headers.len() + 256);
    for part in headers.split_inclusive([' ', ',', '\n']) {
        if part.is_ascii() {
            ascii.push_str(part);
            continue;
        }
        let address = part.trim_end_matches([' ', ',', '\r', '\n']);
        for word in words(address.trim_start_matches('<').trim_end_matches('>')) {
            ascii.push_str(&format!("=?UTF-8?B?{}?=\r\n ", BASE64_STANDARD.encode(word)));
        }
        ascii.push_str(":;");
        ascii.push_str(&part[address.len()..]);
    }
    let mut message = ascii.into_bytes();
    message.extend_from_slice(body);
    Cow::Owned(message)
}

/// Splits a text so that each piece fits into an encoded word, and none ends within a character.
fn words(mut text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while !text.is_empty() {
        let (word, rest) = text.split_at(text.floor_char_boundary(WORD));
        words.push(word);
        text = rest;
    }
    words
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    #[test]
    fn an_address_that_cannot_be_given_is_written_as_the_name_of_an_empty_group() {
        let long = format!("{}@x.example", "ü".repeat(32));
        let message = format!(
            "From: a@x.example\r\nTo: \"B, C\" <b@x.example>, Jo <jörg@x.example>, {long},\r\n d@x.example\r\nSubject: =?utf-8?q?=C3=BC?=\r\n\r\nböody\r\n"
        );
        let ascii = to_ascii(message.as_bytes()).into_owned();
        let end = ascii.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        assert!(ascii[..end].is_ascii());
        assert!(ascii.ends_with("\r\n\r\nböody\r\n".as_bytes()));
        assert!(
            ascii[..end].split(|byte| *byte == b'\n').all(|line| line.len() <= 78),
            "{}",
            String::from_utf8_lossy(&ascii)
        );
        let parsed = MessageParser::default().parse(&ascii).unwrap();
        let groups = parsed.to().unwrap().clone().into_group();
        let members: Vec<_> = groups.iter().flat_map(|group| &group.addresses).filter_map(|to| to.address()).collect();
        assert_eq!(members, ["b@x.example", "d@x.example"]);
        let names: Vec<_> = groups.iter().filter_map(|group| group.name.as_deref()).collect();
        assert!(names.iter().any(|name| name.contains("jörg@x.example")), "{names:?}");
        assert!(names.iter().any(|name| name.contains(&long)), "{names:?}");
    }

    #[test]
    fn what_is_ascii_already_is_not_copied() {
        assert!(matches!(to_ascii("To: a@x.example\r\n\r\nü\r\n".as_bytes()), Cow::Borrowed(_)));
    }
}
