use super::{InvalidMailbox, Mailbox};

/// Reads mailboxes with commas between them, as they stand in a header field: those in quotes or in angle brackets
/// belong to a name or an address.
pub(super) fn parse(text: &str) -> Result<Vec<Mailbox>, InvalidMailbox> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let is_separator = |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        c == ',' && !quoted && !bracketed
    };
    text.split(is_separator).map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_parts_no_mailboxes() {
        let text = r#"a@b.c, "Doe, Jane \"J,\"" <j@d.e>,K <k@f.g>"#;
        let mailboxes: Vec<_> = parse(text).unwrap().iter().map(|mailbox| mailbox.address().to_string()).collect();
        assert_eq!(mailboxes, ["a@b.c", "j@d.e", "k@f.g"]);
        for text in ["", "a@b.c,", "a@b.c, d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
