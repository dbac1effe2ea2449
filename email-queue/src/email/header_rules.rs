//! Rules for header fields by name.

use jiff::fmt::rfc2822;

/// What a field of this name holds, and whether a client may give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Written from the email's own fields or by the worker. A client may not give it too, for this reason.
    Written(&'static str),
    /// Written by other programs. A client may not give it, for this reason. Written like a structured field.
    Foreign(&'static str),
    /// Machine-readable words, which must not be encoded.
    Structured,
    /// The same; one id of a message (RFC 5322 3.6.4).
    MessageId,
    /// The same; a time (RFC 5322 3.3).
    Date,
    /// Human-readable text, and every name that is not in the table.
    Text,
}

/// Names in lower case; an asterisk matches any ending. The first match counts.
const RULES: &[(&str, Rule)] = &[
    // The email's own fields or the worker write these. Twice, they would contradict each other.
    ("from", Rule::Written("use the `from` field")),
    ("to", Rule::Written("use the `to` field")),
    ("cc", Rule::Written("use the `cc` field")),
    ("bcc", Rule::Written("use the `bcc` field")),
    ("subject", Rule::Written("use the `subject` field")),
    ("mime-version", Rule::Written("it follows from the content")),
    ("content-type", Rule::Written("it follows from the content")),
    ("content-transfer-encoding", Rule::Written("it follows from the content")),
    ("content-disposition", Rule::Foreign("it is for attachments")),
    ("content-id", Rule::Foreign("it is for attachments; use their `content_id` field")),
    ("content-length", Rule::Foreign("it follows from the content")),
    // Servers add these on the way, and act on them.
    ("return-path", Rule::Written("it is set by the receiving server")),
    ("delivered-to", Rule::Foreign("it is set by the receiving server")),
    ("envelope-to", Rule::Foreign("it is set by the receiving server")),
    ("apparently-to", Rule::Foreign("it is set by the receiving server")),
    ("original-recipient", Rule::Foreign("it is set by the receiving server")),
    ("x-original-to", Rule::Foreign("it is set by the receiving server")),
    ("x-envelope-*", Rule::Foreign("it is set by the receiving server")),
    ("received", Rule::Foreign("servers write it on the way")),
    ("received-spf", Rule::Foreign("servers write it on the way")),
    ("x-received", Rule::Foreign("servers write it on the way")),
    ("authentication-results*", Rule::Foreign("servers write it on the way")),
    ("dkim-*", Rule::Foreign("whoever signs the email writes it")),
    ("domainkey-*", Rule::Foreign("whoever signs the email writes it")),
    ("x-google-dkim-signature", Rule::Foreign("whoever signs the email writes it")),
    ("arc-*", Rule::Foreign("servers write it on the way")),
    // Who it is from, a second time.
    ("sender", Rule::Foreign("use the `from` field")),
    ("resent-*", Rule::Foreign("it is for whoever sends an email on")),
    // RFC 5322 3.6.1 and 3.6.4.
    ("date", Rule::Date),
    ("message-id", Rule::MessageId),
    ("in-reply-to", Rule::Structured),
    ("references", Rule::Structured),
    // RFC 2369, 2919, 8058, 5064.
    ("list-*", Rule::Structured),
    ("archived-at", Rule::Structured),
    // Addresses: RFC 8098, and older habits.
    ("disposition-notification-to", Rule::Structured),
    ("return-receipt-to", Rule::Structured),
    ("errors-to", Rule::Structured),
    ("mail-followup-to", Rule::Structured),
    ("mail-reply-to", Rule::Structured),
    // Words of a list: RFC 3834, 2156, 4021.
    ("auto-submitted", Rule::Structured),
    ("precedence", Rule::Structured),
    ("importance", Rule::Structured),
    ("priority", Rule::Structured),
    ("sensitivity", Rule::Structured),
    ("expires", Rule::Structured),
    ("reply-by", Rule::Structured),
    ("content-language", Rule::Structured),
];

impl Rule {
    /// The rule for a field.
    pub(super) fn of(name: &str) -> Self {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => name.get(..beginning.len()).is_some_and(|name| name.eq_ignore_ascii_case(beginning)),
            None => name.eq_ignore_ascii_case(pattern),
        };
        RULES.iter().find(|(pattern, _)| fits(pattern)).map_or(Rule::Text, |(_, rule)| *rule)
    }

    /// Why a value is not well formed.
    pub(super) fn refuses(self, value: &str) -> Option<&'static str> {
        match self {
            Rule::MessageId if !is_message_id(value) => Some("expected one id such as `<name@example.com>`"),
            Rule::Date if rfc2822::parse(value.trim_matches([' ', '\t'])).is_err() => {
                Some("expected a time such as `Thu, 26 Nov 2026 09:00:00 +0000`")
            }
            Rule::Written(_) | Rule::Foreign(_) | Rule::Structured | Rule::MessageId | Rule::Date | Rule::Text => None,
        }
    }
}

/// `<left@right>` without blanks. Both sides may contain what programs use, not only what the grammar allows.
fn is_message_id(value: &str) -> bool {
    let id = value.trim_matches([' ', '\t']).strip_prefix('<').and_then(|value| value.strip_suffix('>'));
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>@,;".contains(&b));
    id.and_then(|id| id.split_once('@')).is_some_and(|(left, right)| part(left) && part(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_by_its_name_in_any_case_or_by_its_beginning() {
        assert_eq!(Rule::of("REFERENCES"), Rule::Structured);
        assert_eq!(Rule::of("List-Unsubscribe"), Rule::Structured);
        assert!(matches!(Rule::of("Resent-Bcc"), Rule::Foreign(_)));
        assert_eq!(Rule::of("X-References"), Rule::Text);
        assert_eq!(Rule::of("List"), Rule::Text);
    }

    #[test]
    fn an_id_and_a_date_are_taken_as_they_are_if_they_are_well_formed() {
        for id in ["<a@b>", " <CAF=x+1@mail.gmail.com> ", "<123.abc@[127.0.0.1]>"] {
            assert_eq!(Rule::MessageId.refuses(id), None, "{id}");
        }
        for id in ["", "a@b", "<a>", "<@b>", "<a@>", "<a@b> <c@d>", "<a b@c>", "<ä@b>", "<a@b@c>", "<<a@b>>"] {
            assert!(Rule::MessageId.refuses(id).is_some(), "{id}");
        }
        for date in ["Thu, 26 Nov 2026 09:00:00 +0100", "26 Nov 2026 09:00 GMT"] {
            assert_eq!(Rule::Date.refuses(date), None, "{date}");
        }
        for date in ["", "now", "2026-11-26T09:00:00Z", "Mon, 26 Nov 2026 09:00:00 +0100", "31 Feb 2026 09:00:00 +0000"]
        {
            assert!(Rule::Date.refuses(date).is_some(), "{date}");
        }
    }
}
