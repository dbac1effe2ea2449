//! Whose fault an answer is, and what follows: by its code, and where that leaves a choice by what else it says.

use super::{
    outcome::{Failure, Fault, Kind, Verdict},
    patterns::{Meaning, meaning},
    reply::{Reply, Severity},
};

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is about the recipient, or the message.
    Verdict(Verdict),
    /// It is about the session, the client, or the sender.
    Fault(Fault),
    /// It is about the number of recipients: these are to be named again in another transaction.
    Later,
}

/// What was refused before an email could be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Hello,
    StartTls,
    Login,
}

/// An answer to the session itself. `what` was refused says the reason that is given.
pub(super) fn of_session(step: Step, reply: &Reply, reason: String) -> Fault {
    let kind = match (step, reply.code, meaning(reply)) {
        (Step::StartTls, ..) | (_, 538, _) | (_, _, Some(Meaning::Encryption)) => Kind::Tls,
        (_, _, Some(Meaning::Limit)) => Kind::Throttled,
        (Step::Login, 421, _) => Kind::Throttled,
        (Step::Login, ..) | (_, 530 | 535, _) | (_, _, Some(Meaning::Login)) => Kind::Authentication,
        _ => Kind::Connection,
    };
    Fault::of_server(kind, reason)
}

/// A refusal of MAIL.
pub(super) fn of_mail(reply: &Reply) -> Judgement {
    let reason = reply.to_string();
    let fault = |kind| Judgement::Fault(Fault::of_server(kind, reason.clone()));
    if let Some(kind) = missing(reply) {
        return fault(kind);
    }
    if is_too_large(reply) {
        return failed(Kind::TooLarge, reply);
    }
    match (meaning(reply), reply.severity()) {
        (Some(Meaning::Sender), _) => Judgement::Fault(Fault::of_sender(reason)),
        (Some(Meaning::Limit), _) => fault(Kind::Throttled),
        (Some(Meaning::Client), _) => fault(Kind::Connection),
        (Some(Meaning::Relaying), _) => fault(Kind::Authentication),
        (_, Severity::Permanent) => Judgement::Fault(Fault::of_sender(reason)),
        // A positive answer is none to MAIL, if it comes here.
        (_, Severity::Transient | Severity::Positive) => fault(Kind::Throttled),
    }
}

/// A refusal of RCPT. Whether the server took others in the same transaction tells who it speaks of: what it says of the
/// client or the sender cannot be meant where it goes on taking recipients. And where nobody has logged in, a server that
/// does not relay may only want a login.
pub(super) fn of_recipient(reply: &Reply, others_taken: bool, logged_in: bool) -> Judgement {
    let meaning = meaning(reply);
    let too_many = meaning == Some(Meaning::TooManyRecipients)
        // RFC 5321 4.5.3.1.10: 452 is the code for too many recipients, and some servers say 552 instead.
        || matches!(reply.code, 452 | 552) && reply.enhanced().is_none() && meaning.is_none();
    if too_many {
        return if others_taken { Judgement::Later } else { deferred(reply) };
    }
    if !others_taken {
        let fault = |kind| Judgement::Fault(Fault::of_server(kind, reply.to_string()));
        if let Some(kind) = missing(reply) {
            return fault(kind);
        }
        match meaning {
            Some(Meaning::Sender) => return Judgement::Fault(Fault::of_sender(reply.to_string())),
            Some(Meaning::Limit) => return fault(Kind::Throttled),
            Some(Meaning::Client) => return fault(Kind::Connection),
            Some(Meaning::Relaying) if !logged_in => return fault(Kind::Authentication),
            _ => {}
        }
    }
    match (reply.severity(), meaning, reply.enhanced()) {
        (Severity::Transient | Severity::Positive, ..) => deferred(reply),
        (_, Some(Meaning::Size), _) => failed(Kind::TooLarge, reply),
        // A mailbox that is unknown, disabled, moved, full.
        (_, _, Some((1 | 2, _))) => failed(Kind::Recipient, reply),
        (_, _, Some((7, _))) | (_, Some(_), _) => failed(Kind::Policy, reply),
        _ => failed(Kind::Recipient, reply),
    }
}

/// A refusal of DATA, or of the message.
pub(super) fn of_message(reply: &Reply) -> Judgement {
    let fault = |kind| Judgement::Fault(Fault::of_server(kind, reply.to_string()));
    let meaning = meaning(reply);
    if reply.code == 503 && meaning.is_none() {
        return fault(Kind::Protocol);
    }
    if let Some(kind) = missing(reply) {
        return fault(kind);
    }
    if is_too_large(reply) {
        return failed(Kind::TooLarge, reply);
    }
    match (reply.severity(), meaning, reply.enhanced()) {
        (_, Some(Meaning::Limit), _) => fault(Kind::Throttled),
        (_, Some(Meaning::Sender), _) => Judgement::Fault(Fault::of_sender(reply.to_string())),
        (Severity::Transient | Severity::Positive, ..) => deferred(reply),
        (_, Some(_), _) | (_, _, Some((7, _))) => failed(Kind::Policy, reply),
        _ => failed(Kind::Content, reply),
    }
}

/// The server closes after this answer, which speaks of the session and not of the email.
pub(super) fn of_goodbye(reply: &Reply) -> Fault {
    Fault::of_server(missing(reply).unwrap_or(Kind::Throttled), reply.to_string())
}

/// The login or the encryption that the server misses (RFC 4954 6): without it no email can be sent at all. A sequence of
/// commands that is bad (503) is one that lacks it, as far as it is about MAIL.
fn missing(reply: &Reply) -> Option<Kind> {
    match (reply.code, meaning(reply)) {
        (538, _) | (_, Some(Meaning::Encryption)) => Some(Kind::Tls),
        (530 | 534 | 535 | 503, _) | (_, Some(Meaning::Login)) => Some(Kind::Authentication),
        _ => None,
    }
}

fn is_too_large(reply: &Reply) -> bool {
    reply.severity() == Severity::Permanent
        && (meaning(reply) == Some(Meaning::Size) || reply.code == 552 && reply.enhanced().is_none())
}

fn deferred(reply: &Reply) -> Judgement {
    Judgement::Verdict(Verdict::Deferred(Failure::new(Kind::Deferred, reply.to_string())))
}

fn failed(kind: Kind, reply: &Reply) -> Judgement {
    Judgement::Verdict(Verdict::Failed(Failure::new(kind, reply.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        let (code, text) = text.split_once(' ').unwrap_or((text, ""));
        Reply { code: code.parse().unwrap(), lines: vec![text.to_owned()], unfinished: false }
    }

    /// How a judgement reads in a table.
    fn told(judgement: &Judgement) -> String {
        match judgement {
            Judgement::Verdict(Verdict::Accepted) => "accepted".to_owned(),
            Judgement::Verdict(Verdict::Deferred(failure)) => format!("deferred {:?}", failure.kind),
            Judgement::Verdict(Verdict::Failed(failure)) => format!("failed {:?}", failure.kind),
            Judgement::Fault(fault) => format!("{:?} {:?}", fault.scope, fault.failure.kind),
            Judgement::Later => "later".to_owned(),
        }
    }

    #[test]
    fn a_refusal_of_mail_is_about_the_session_or_the_sender() {
        for (text, expected) in [
            ("530 5.7.0 Authentication required", "Server Authentication"),
            ("530 5.7.0 Must issue a STARTTLS command first", "Server Tls"),
            ("535 5.7.8 no", "Server Authentication"),
            ("538 encrypt first", "Server Tls"),
            ("503 5.5.1 bad sequence", "Server Authentication"),
            ("550 5.7.1 Client was not authenticated", "Server Authentication"),
            ("421 4.3.2 closing", "Server Throttled"),
            ("451 4.7.1 too many messages in this session", "Server Throttled"),
            ("450 4.7.1 Error: too much mail from 10.0.0.1", "Server Throttled"),
            ("550 5.7.1 Client host rejected: Access denied", "Server Connection"),
            ("450 4.1.8 <a@x.example>: Sender address rejected: Domain not found", "Sender Sender"),
            ("553 5.7.1 <a@x.example>: Sender address rejected: not owned by user ada", "Sender Sender"),
            ("550 you may not send as this", "Sender Sender"),
            ("552 5.3.4 Message size exceeds fixed limit", "failed TooLarge"),
            ("552 too big", "failed TooLarge"),
        ] {
            assert_eq!(told(&of_mail(&reply(text))), expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_of_a_recipient_is_theirs_unless_it_speaks_of_others() {
        for (text, alone, beside_others) in [
            ("550 5.1.1 no such user", "failed Recipient", "failed Recipient"),
            ("553 no", "failed Recipient", "failed Recipient"),
            ("550 5.7.1 blocked by policy", "failed Policy", "failed Policy"),
            ("552 5.2.2 over quota", "failed Recipient", "failed Recipient"),
            ("552 5.3.4 too big for them", "failed TooLarge", "failed TooLarge"),
            ("450 4.2.0 greylisted", "deferred Deferred", "deferred Deferred"),
            ("452 4.2.2 mailbox full", "deferred Deferred", "deferred Deferred"),
            ("452 4.5.3 Too many recipients", "deferred Deferred", "later"),
            ("452 no more", "deferred Deferred", "later"),
            ("552 no more", "deferred Deferred", "later"),
            ("530 5.7.0 Authentication required", "Server Authentication", "failed Policy"),
            ("554 5.7.1 <b@y.example>: Relay access denied", "Server Authentication", "failed Policy"),
            (
                "450 4.1.8 <a@x.example>: Sender address rejected: Domain not found",
                "Sender Sender",
                "deferred Deferred",
            ),
            ("450 4.7.1 Error: too many recipients from 10.0.0.1", "Server Throttled", "deferred Deferred"),
            (
                "554 5.7.1 Service unavailable; Client host [10.0.0.1] blocked using bl.example",
                "Server Connection",
                "failed Policy",
            ),
        ] {
            assert_eq!(told(&of_recipient(&reply(text), false, false)), alone, "{text}");
            assert_eq!(told(&of_recipient(&reply(text), true, false)), beside_others, "{text}");
        }
        let denied = reply("554 5.7.1 <b@y.example>: Relay access denied");
        assert_eq!(told(&of_recipient(&denied, false, true)), "failed Policy");
    }

    #[test]
    fn a_refusal_of_the_message_is_about_its_content_unless_it_says_otherwise() {
        for (text, expected) in [
            ("554 5.6.0 malformed", "failed Content"),
            ("554 no", "failed Content"),
            ("550 5.7.1 no", "failed Policy"),
            ("554 looks like spam", "failed Policy"),
            ("552 5.3.4 too big", "failed TooLarge"),
            ("552 5.2.3 Your message exceeded Google's message size limits", "failed TooLarge"),
            ("552 5.2.2 over quota", "failed Content"),
            ("451 4.3.0 later", "deferred Deferred"),
            ("452 4.3.1 insufficient storage", "deferred Deferred"),
            ("454 Throttling failure: Daily message quota exceeded.", "Server Throttled"),
            ("554 Message rejected: Email address is not verified.", "Sender Sender"),
            ("530 5.7.0 Authentication required", "Server Authentication"),
            ("503 5.5.1 bad sequence", "Server Protocol"),
        ] {
            assert_eq!(told(&of_message(&reply(text))), expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_of_the_session_has_its_kind() {
        for (step, text, expected) in [
            (Step::Greeting, "554 5.7.1 go away", Kind::Connection),
            (Step::Greeting, "421 4.7.0 too many connections from you", Kind::Throttled),
            (Step::Hello, "550 bad name", Kind::Connection),
            (Step::StartTls, "454 4.7.0 not now", Kind::Tls),
            (Step::Login, "535 5.7.8 no", Kind::Authentication),
            (Step::Login, "454 4.7.0 temporary failure", Kind::Authentication),
            (Step::Login, "538 5.7.11 encrypt first", Kind::Tls),
        ] {
            let fault = of_session(step, &reply(text), String::new());
            assert_eq!(fault.failure.kind, expected, "{text}");
        }
    }
}
