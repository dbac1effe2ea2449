//! The commands of a client, parsed strictly.

use super::script::Reply;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo,
    Helo,
    StartTls,
    Auth { mechanism: String, initial: Option<String> },
    Mail { sender: String, parameters: Vec<String> },
    Rcpt { recipient: String },
    Data,
    Reset,
    Noop,
    Verify,
    Quit,
}

impl Command {
    /// Parses one line without its CRLF; the error is what to answer.
    pub(super) fn parse(line: &str) -> Result<Self, Reply> {
        let (verb, argument) = line.split_once(' ').map_or((line, None), |(verb, rest)| (verb, Some(rest)));
        match (verb.to_ascii_uppercase().as_str(), argument) {
            ("EHLO", Some(domain)) if !domain.is_empty() => Ok(Self::Ehlo),
            ("HELO", Some(domain)) if !domain.is_empty() => Ok(Self::Helo),
            ("STARTTLS", None) => Ok(Self::StartTls),
            ("AUTH", Some(argument)) => {
                let mut words = argument.split(' ');
                let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
                let initial = words.next().map(str::to_owned);
                if words.next().is_some() { Err(bad_arguments()) } else { Ok(Self::Auth { mechanism, initial }) }
            }
            ("MAIL", Some(argument)) => {
                let (sender, parameters) = path_and_parameters(argument, "FROM:").ok_or_else(bad_arguments)?;
                Ok(Self::Mail { sender, parameters })
            }
            ("RCPT", Some(argument)) => match path_and_parameters(argument, "TO:") {
                Some((recipient, parameters)) if !recipient.is_empty() => {
                    // Parameters belong to extensions, and we offer none for RCPT.
                    if parameters.is_empty() { Ok(Self::Rcpt { recipient }) } else { Err(unknown_parameter()) }
                }
                _ => Err(bad_arguments()),
            },
            ("DATA", None) => Ok(Self::Data),
            ("RSET", None) => Ok(Self::Reset),
            ("NOOP", _) => Ok(Self::Noop),
            ("VRFY", Some(_)) => Ok(Self::Verify),
            ("QUIT", None) => Ok(Self::Quit),
            ("EXPN" | "HELP", _) => Err(Reply::new(502, "5.5.1 not implemented")),
            ("EHLO" | "HELO" | "STARTTLS" | "AUTH" | "MAIL" | "RCPT" | "DATA" | "RSET" | "VRFY" | "QUIT", _) => {
                Err(bad_arguments())
            }
            _ => Err(Reply::new(500, "5.5.2 unknown command")),
        }
    }
}

pub(super) fn unknown_parameter() -> Reply {
    Reply::new(555, "5.5.4 unknown parameter")
}

fn bad_arguments() -> Reply {
    Reply::new(501, "5.5.4 bad arguments")
}

/// Splits `FROM:<path> PARAMETER...`. No space may stand after the colon (RFC 5321, section 3.3).
fn path_and_parameters(argument: &str, keyword: &str) -> Option<(String, Vec<String>)> {
    let (given, rest) = argument.split_at_checked(keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.strip_prefix('<')?;
    let end = end_of_path(rest)?;
    let path = &rest[..end];
    let mut parameters = rest[end + 1..].split(' ');
    // What stands between the bracket and the first space must be nothing.
    if parameters.next() != Some("") || path.contains(|c: char| c.is_ascii_control()) {
        return None;
    }
    let parameters: Vec<String> = parameters.map(str::to_ascii_uppercase).collect();
    (!parameters.iter().any(String::is_empty)).then(|| (path.to_owned(), parameters))
}

/// Where the closing bracket is; one within a quoted local part does not count.
fn end_of_path(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (position, byte) in path.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(position),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(sender: &str, parameters: &[&str]) -> Command {
        Command::Mail { sender: sender.into(), parameters: parameters.iter().map(|text| (*text).into()).collect() }
    }

    #[test]
    fn paths_and_parameters_are_told_apart() {
        for (line, expected) in [
            ("MAIL FROM:<a@b.example>", mail("a@b.example", &[])),
            ("mail from:<> body=8bitmime SMTPUTF8", mail("", &["BODY=8BITMIME", "SMTPUTF8"])),
            (r#"MAIL FROM:<"a>\"b"@c.example>"#, mail(r#""a>\"b"@c.example"#, &[])),
            ("RCPT TO:<grüße@b.example>", Command::Rcpt { recipient: "grüße@b.example".into() }),
        ] {
            assert_eq!(Command::parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_smtp_is_refused() {
        for (line, code) in [
            ("MAIL FROM: <a@b.example>", 501),
            ("MAIL FROM:a@b.example", 501),
            ("MAIL FROM:<a@b.example", 501),
            ("MAIL FROM:<a@b.example>x", 501),
            ("MAIL FROM:<a@b.example>  SIZE=1", 501),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<a@b.example> NOTIFY=NEVER", 555),
            ("DATA now", 501),
            ("EHLO", 501),
            ("EXPN list", 502),
            ("FROB", 500),
            ("", 500),
        ] {
            assert_eq!(Command::parse(line).map_err(|reply| reply.code), Err(code), "{line}");
        }
    }
}
