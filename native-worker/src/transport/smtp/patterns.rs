//! What servers mean where their codes are ambiguous: one table of enhanced status codes, one of texts.
//!
//! A code of three digits says whether to retry, and rarely whose fault a failure is: `550` is an unknown recipient, a sender
//! without permission, an exceeded quota or a client that has not authenticated. Enhanced status codes
//! ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463) and the registry of
//! [IANA](https://www.iana.org/assignments/smtp-enhanced-status-codes)) come first. Texts are read
//! only then. Each is one of a known server:
//!
//! - Postfix: `src/smtpd/smtpd.c` and `src/smtpd/smtpd_check.c` of its sources;
//! - Exim: `src/smtp_in.c`, `src/acl.c` and the default configuration of its sources;
//! - Exchange: "Email non-delivery reports and SMTP errors for Exchange" of its documentation;
//! - Gmail: "Gmail SMTP errors and codes" of Google Workspace Admin Help;
//! - SES: "Amazon SES SMTP response codes" and "SMTP error messages" of its developer guide.

use smtp_client::Reply;

/// What a reply is about, beyond its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Authentication is missing or refused.
    Login,
    /// Encryption is required.
    Encryption,
    /// The server takes no more for now, from this client or this account.
    Limit,
    /// This sender may not send, or not as much.
    Sender,
    /// This client is refused.
    Client,
    /// The server does not relay for this client. Often only authentication is missing.
    Relaying,
    /// A transaction may not have as many recipients, or not these together.
    TooManyRecipients,
    /// The message is too large.
    Size,
    /// An address or a message breaks a rule, or has a bad reputation.
    Policy,
}

/// Subject and detail of enhanced status codes with one meaning.
const CODES: &[((u16, u16), Meaning)] = &[
    ((1, 7), Meaning::Sender),            // bad sender's mailbox address syntax
    ((1, 8), Meaning::Sender),            // bad sender's system address
    ((2, 3), Meaning::Size),              // message length exceeds administrative limit
    ((2, 252), Meaning::Sender),          // Exchange: SendAsDenied
    ((3, 4), Meaning::Size),              // message too big for system
    ((5, 3), Meaning::TooManyRecipients), // too many recipients
    ((7, 8), Meaning::Login),             // authentication credentials invalid
    ((7, 9), Meaning::Login),             // authentication mechanism is too weak
    ((7, 10), Meaning::Encryption),       // encryption needed
    ((7, 11), Meaning::Encryption),       // encryption required for requested authentication mechanism
    ((7, 12), Meaning::Login),            // a password transition is needed
    ((7, 13), Meaning::Login),            // user account disabled
    ((7, 28), Meaning::Limit),            // mail flood detected
    ((7, 57), Meaning::Login),            // Exchange: client was not authenticated
    ((7, 60), Meaning::Sender),           // Exchange: no permission to send as this sender
];

/// Texts in lower case, in the order in which they are searched for.
const TEXTS: &[(&str, Meaning)] = &[
    ("sender address rejected: not logged in", Meaning::Login), // Postfix
    ("client was not authenticated", Meaning::Login),           // Exchange
    ("authentication required", Meaning::Login),                // Postfix, Exim, Gmail
    ("authentication is required", Meaning::Login),             // Exim, documentation of server_condition
    ("authentication credentials invalid", Meaning::Login),     // SES
    ("authentication unsuccessful", Meaning::Login),            // Exchange
    ("application-specific password required", Meaning::Login), // Gmail
    ("username and password not accepted", Meaning::Login),     // Gmail
    ("too many login attempts", Meaning::Login),                // Gmail
    ("is not authorized to perform", Meaning::Login),           // SES
    ("must issue a starttls command first", Meaning::Encryption), // Postfix, Exchange, Gmail, SES
    ("starttls is required", Meaning::Encryption),              // Exchange
    ("encryption required", Meaning::Encryption),               // Exim
    ("session encryption is required", Meaning::Encryption),    // Postfix
    ("sender address rejected", Meaning::Sender),               // Postfix
    ("not owned by user", Meaning::Sender),                     // Postfix
    ("sender verify failed", Meaning::Sender),                  // Exim
    ("permissions to send as this sender", Meaning::Sender),    // Exchange
    ("sendasdenied", Meaning::Sender),                          // Exchange
    ("submission quota", Meaning::Sender),                      // Exchange
    ("submissionquotaexceeded", Meaning::Sender),               // Exchange
    ("reached your daily limit", Meaning::Sender),              // Exchange
    ("daily user sending", Meaning::Sender),                    // Gmail
    ("daily smtp relay limit exceeded for user", Meaning::Sender), // Gmail
    ("email address is not verified", Meaning::Sender),         // SES
    ("identities failed the check", Meaning::Sender),           // SES
    ("maximum sending rate exceeded", Meaning::Limit),          // SES
    ("daily message quota exceeded", Meaning::Limit),           // SES
    ("sending paused for this account", Meaning::Limit),        // SES
    ("daily smtp relay", Meaning::Limit),                       // Gmail
    ("daily sending limit", Meaning::Limit),                    // Gmail
    ("concurrent connections limit exceeded", Meaning::Limit),  // Exchange
    ("too many concurrent smtp connections", Meaning::Limit),   // Exim
    ("too many messages in", Meaning::Limit),                   // Exim
    ("too many connections", Meaning::Limit),                   // Postfix
    ("too many errors", Meaning::Limit),                        // Postfix
    ("too much mail from", Meaning::Limit),                     // Postfix
    ("too many recipients from", Meaning::Limit),               // Postfix: in a period, from this client
    ("connection rate limit exceeded", Meaning::Limit),         // Postfix
    ("multiple destination domains per", Meaning::TooManyRecipients), // Gmail
    ("too many recipients", Meaning::TooManyRecipients),        // Postfix, Exim, Exchange
    ("client host rejected", Meaning::Client),                  // Postfix
    ("helo command rejected", Meaning::Client),                 // Postfix
    ("blocked using", Meaning::Client),                         // Postfix, and most users of blocklists
    ("banned sending ip", Meaning::Client),                     // Exchange
    ("relay access denied", Meaning::Relaying),                 // Postfix, Exchange
    ("relay not permitted", Meaning::Relaying),                 // Exim
    ("relaying denied", Meaning::Relaying),                     // sendmail, Exim, and Gmail's relay
    ("unable to relay", Meaning::Relaying),                     // Exchange
    ("message size exceeds", Meaning::Size),                    // Postfix, Exim
    ("administrative prohibition", Meaning::Policy),            // Exim
    ("policy", Meaning::Policy),                                // Exim, Exchange, Gmail
    ("spam", Meaning::Policy),                                  // Exim, Exchange, Gmail, SES
    ("unsolicited", Meaning::Policy),                           // Gmail
    ("blocked", Meaning::Policy),                               // Exchange, Gmail
    ("blacklist", Meaning::Policy),                             // Exim
    ("blocklist", Meaning::Policy),                             // Exchange
    ("reputation", Meaning::Policy),                            // Gmail
    ("suppression list", Meaning::Policy),                      // SES
    ("dmarc", Meaning::Policy),                                 // Exchange, Gmail
];

/// What the reply means, where it says more than its code.
pub(super) fn meaning(reply: &Reply) -> Option<Meaning> {
    if let Some(enhanced) = reply.enhanced()
        && let Some((_, meaning)) = CODES.iter().find(|(code, _)| *code == enhanced)
    {
        return Some(*meaning);
    }
    let text = reply.lines.join(" ").to_ascii_lowercase();
    TEXTS.iter().find(|(words, _)| text.contains(words)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Meaning>) {
        let reply = Reply { code: 550, lines: vec![text.to_owned()], unfinished: false };
        assert_eq!(meaning(&reply), expected, "{text}");
    }

    #[test]
    fn an_enhanced_code_says_more_than_words() {
        check("5.1.8 <a@x.example>: policy", Some(Meaning::Sender));
        check("5.7.1 blocked by policy", Some(Meaning::Policy));
    }

    #[test]
    fn well_known_servers_are_understood() {
        check("5.7.1 <a@x.example>: Sender address rejected: not owned by user ada", Some(Meaning::Sender));
        check("5.7.1 <a@x.example>: Sender address rejected: not logged in", Some(Meaning::Login));
        check("5.7.0 Must issue a STARTTLS command first. 4sm123 - gsmtp", Some(Meaning::Encryption));
        check("5.4.5 Daily user sending limit exceeded.", Some(Meaning::Sender));
        check("Message rejected: Email address is not verified.", Some(Meaning::Sender));
        check("Throttling failure: Maximum sending rate exceeded.", Some(Meaning::Limit));
        check("4.7.1 Error: too many recipients from 10.0.0.1", Some(Meaning::Limit));
        check("4.5.3 Error: too many recipients", Some(Meaning::TooManyRecipients));
        check("relay not permitted", Some(Meaning::Relaying));
        check("5.1.1 <a@x.example>: Recipient address rejected: User unknown in local recipient table", None);
    }

    #[test]
    fn texts_are_written_as_they_are_compared_and_none_hides_behind_an_earlier_one() {
        for (at, (words, _)) in TEXTS.iter().enumerate() {
            assert_eq!(*words, words.to_ascii_lowercase());
            assert!(!TEXTS[..at].iter().any(|(earlier, _)| words.contains(earlier)), "{words}");
        }
    }
}
