//! The extensions that a server announces in its reply to `EHLO`
//! ([RFC 5321 section 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).

use crate::reply::Reply;

/// What the server announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) starttls: bool,
    pub(crate) plain: bool,
    pub(crate) login: bool,
    pub(crate) eight_bit_mime: bool,
    pub(crate) smtputf8: bool,
    pub(crate) pipelining: bool,
    /// The largest message that it takes, in bytes; 0 where it names no limit (RFC 1870 section 3).
    pub(crate) size: Option<u64>,
}

impl Extensions {
    /// Reads the reply to `EHLO`. Keywords are in any case (RFC 5321 4.1.1.1). The first line is the server's name.
    pub(crate) fn read(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("8BITMIME") => extensions.eight_bit_mime = true,
                Some("SMTPUTF8") => extensions.smtputf8 = true,
                Some("PIPELINING") => extensions.pipelining = true,
                Some("SIZE") => extensions.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.plain |= mechanism == "PLAIN";
                        extensions.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case_and_form() {
        let lines = ["relay.example starttls", "8bitmime", "Auth=plain LOGIN", "SIZE 1000", "CHUNKING"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).into(), unfinished: false };
        let expected =
            Extensions { plain: true, login: true, eight_bit_mime: true, size: Some(1000), ..Extensions::default() };
        assert_eq!(Extensions::read(&reply), expected);
    }

    #[test]
    fn a_size_without_a_number_is_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE large"] {
            let reply = Reply { code: 250, lines: vec![String::new(), line.to_owned()], unfinished: false };
            assert_eq!(Extensions::read(&reply).size, Some(0), "{line}");
        }
    }
}
