//! The owner and consequence of a reply: by its code, and if that is ambiguous by its text.

use email_queue::Class;
use smtp_client::{ConnectError, Reply, SessionError, Severity, Step, Unsupported};

use super::patterns::{Meaning, meaning};
use crate::transport::outcome::{Failure, Fault, Verdict};

/// The consequence of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is about the recipient, or the message.
    Verdict(Verdict),
    /// It is about the session, the client, or the sender.
    Fault(Fault),
    /// It is about the number of recipients: these go into another transaction.
    Later,
}

/// No session could be opened.
pub(super) fn of_connect(error: &ConnectError) -> Fault {
    let class = match error {
        ConnectError::Unreachable { .. } => Class::Connection,
        ConnectError::Lost { error, .. } => of_lost_session(error).failure.class,
        ConnectError::Refused { step, reply, .. } => of_session(*step, reply),
        ConnectError::Tls(_) => Class::Tls,
        ConnectError::NoMechanism { .. } => Class::Authentication,
    };
    Fault::of_relay(class, error.to_string())
}

/// The session was lost, through no email's fault.
pub(super) fn of_lost_session(error: &SessionError) -> Fault {
    match error {
        SessionError::NotSmtp(_) => Fault::of_relay(Class::Protocol, error.to_string()),
        _ => Fault::of_relay(Class::Timeout, format!("lost the connection to the server: {error}")),
    }
}

/// The server cannot serve a recipient, by its extensions.
pub(super) fn of_unsupported(why: Unsupported) -> Verdict {
    let class = match why {
        Unsupported::Size { .. } => Class::TooLarge,
        Unsupported::Sender | Unsupported::Header => Class::Content,
        Unsupported::Recipient => Class::Recipient,
    };
    Verdict::Failed(Failure::new(class, why.to_string()))
}

/// A step of opening a session was refused.
fn of_session(step: Step, reply: &Reply) -> Class {
    match (step, reply.code, meaning(reply)) {
        (Step::StartTls, ..) | (_, 538, _) | (_, _, Some(Meaning::Encryption)) => Class::Tls,
        (_, _, Some(Meaning::Limit)) => Class::Throttled,
        (Step::Authentication, 421, _) => Class::Throttled,
        (Step::Authentication, ..) | (_, 530 | 535, _) | (_, _, Some(Meaning::Login)) => Class::Authentication,
        _ => Class::Connection,
    }
}

/// A refusal of MAIL.
pub(super) fn of_mail(reply: &Reply) -> Judgement {
    let reason = reply.to_string();
    let fault = |class| Judgement::Fault(Fault::of_relay(class, reason.clone()));
    if let Some(class) = missing(reply) {
        return fault(class);
    }
    if is_too_large(reply) {
        return failed(Class::TooLarge, reply);
    }
    match (meaning(reply), reply.severity()) {
        (Some(Meaning::Sender), _) => Judgement::Fault(Fault::of_sender(reason)),
        (Some(Meaning::Limit), _) => fault(Class::Throttled),
        (Some(Meaning::Client), _) => fault(Class::Connection),
        (Some(Meaning::Relaying), _) => fault(Class::Authentication),
        (_, Severity::Permanent) => Judgement::Fault(Fault::of_sender(reason)),
        // A positive reply is no refusal: it does not come here.
        (_, Severity::Transient | Severity::Positive) => fault(Class::Throttled),
    }
}

/// A refusal of RCPT. If the server accepted other recipients in the same transaction, a refusal that names the client
/// or the sender is still about the recipient. Without authentication, a refusal to relay may mean that it is required.
pub(super) fn of_recipient(reply: &Reply, others_accepted: bool, authenticated: bool) -> Judgement {
    let meaning = meaning(reply);
    let too_many = meaning == Some(Meaning::TooManyRecipients)
        // RFC 5321 4.5.3.1.10: 452 is the code for too many recipients, and some servers say 552 instead.
        || matches!(reply.code, 452 | 552) && reply.enhanced().is_none() && meaning.is_none();
    if too_many {
        return if others_accepted { Judgement::Later } else { deferred(reply) };
    }
    if !others_accepted {
        let fault = |class| Judgement::Fault(Fault::of_relay(class, reply.to_string()));
        if let Some(class) = missing(reply) {
            return fault(class);
        }
        match meaning {
            Some(Meaning::Sender) => return Judgement::Fault(Fault::of_sender(reply.to_string())),
            Some(Meaning::Limit) => return fault(Class::Throttled),
            Some(Meaning::Client) => return fault(Class::Connection),
            Some(Meaning::Relaying) if !authenticated => return fault(Class::Authentication),
            _ => {}
        }
    }
    match (reply.severity(), meaning, reply.enhanced()) {
        (Severity::Transient | Severity::Positive, ..) => deferred(reply),
        (_, Some(Meaning::Size), _) => failed(Class::TooLarge, reply),
        // A mailbox that is unknown, disabled, moved, full.
        (_, _, Some((1 | 2, _))) => failed(Class::Recipient, reply),
        (_, _, Some((7, _))) | (_, Some(_), _) => failed(Class::Policy, reply),
        _ => failed(Class::Recipient, reply),
    }
}

/// A refusal of DATA, or of the message.
pub(super) fn of_message(reply: &Reply) -> Judgement {
    let fault = |class| Judgement::Fault(Fault::of_relay(class, reply.to_string()));
    let meaning = meaning(reply);
    if reply.code == 503 && meaning.is_none() {
        return fault(Class::Protocol);
    }
    if let Some(class) = missing(reply) {
        return fault(class);
    }
    if is_too_large(reply) {
        return failed(Class::TooLarge, reply);
    }
    match (reply.severity(), meaning, reply.enhanced()) {
        (_, Some(Meaning::Limit), _) => fault(Class::Throttled),
        (_, Some(Meaning::Sender), _) => Judgement::Fault(Fault::of_sender(reply.to_string())),
        (Severity::Transient | Severity::Positive, ..) => deferred(reply),
        (_, Some(_), _) | (_, _, Some((7, _))) => failed(Class::Policy, reply),
        _ => failed(Class::Content, reply),
    }
}

/// The server closes the session after this reply, which is about the session and not about the email.
pub(super) fn of_closing(reply: &Reply) -> Fault {
    Fault::of_relay(missing(reply).unwrap_or(Class::Throttled), reply.to_string())
}

/// Whether the server requires authentication or encryption (RFC 4954 6), without which no email can be sent. A 503
/// (bad sequence of commands) to MAIL means a missing AUTH.
fn missing(reply: &Reply) -> Option<Class> {
    match (reply.code, meaning(reply)) {
        (538, _) | (_, Some(Meaning::Encryption)) => Some(Class::Tls),
        (530 | 534 | 535 | 503, _) | (_, Some(Meaning::Login)) => Some(Class::Authentication),
        _ => None,
    }
}

fn is_too_large(reply: &Reply) -> bool {
    reply.severity() == Severity::Permanent
        && (meaning(reply) == Some(Meaning::Size) || reply.code == 552 && reply.enhanced().is_none())
}

fn deferred(reply: &Reply) -> Judgement {
    Judgement::Verdict(Verdict::Deferred(Failure::new(Class::Deferred, reply.to_string())))
}

fn failed(class: Class, reply: &Reply) -> Judgement {
    Judgement::Verdict(Verdict::Failed(Failure::new(class, reply.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        let (code, text) = text.split_once(' ').unwrap_or((text, ""));
        Reply { code: code.parse().unwrap(), lines: vec![text.to_owned()], unfinished: false }
    }

    /// A judgement in the words of the tables below.
    fn shown(judgement: &Judgement) -> String {
        match judgement {
            Judgement::Verdict(Verdict::Accepted) => "accepted".to_owned(),
            Judgement::Verdict(Verdict::Deferred(failure)) => format!("deferred {:?}", failure.class),
            Judgement::Verdict(Verdict::Failed(failure)) => format!("failed {:?}", failure.class),
            Judgement::Fault(fault) => format!("{:?} {:?}", fault.scope, fault.failure.class),
            Judgement::Later => "later".to_owned(),
        }
    }

    #[test]
    fn a_refusal_of_mail_is_about_the_session_or_the_sender() {
        for (text, expected) in [
            ("530 5.7.0 Authentication required", "Relay Authentication"),
            ("530 5.7.0 Must issue a STARTTLS command first", "Relay Tls"),
            ("535 5.7.8 no", "Relay Authentication"),
            ("538 encrypt first", "Relay Tls"),
            ("503 5.5.1 bad sequence", "Relay Authentication"),
            ("550 5.7.1 Client was not authenticated", "Relay Authentication"),
            ("421 4.3.2 closing", "Relay Throttled"),
            ("451 4.7.1 too many messages in this session", "Relay Throttled"),
            ("450 4.7.1 Error: too much mail from 10.0.0.1", "Relay Throttled"),
            ("550 5.7.1 Client host rejected: Access denied", "Relay Connection"),
            ("450 4.1.8 <a@x.example>: Sender address rejected: Domain not found", "Sender Sender"),
            ("553 5.7.1 <a@x.example>: Sender address rejected: not owned by user ada", "Sender Sender"),
            ("550 you may not send as this", "Sender Sender"),
            ("552 5.3.4 Message size exceeds fixed limit", "failed TooLarge"),
            ("552 too big", "failed TooLarge"),
        ] {
            assert_eq!(shown(&of_mail(&reply(text))), expected, "{text}");
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
            ("530 5.7.0 Authentication required", "Relay Authentication", "failed Policy"),
            ("554 5.7.1 <b@y.example>: Relay access denied", "Relay Authentication", "failed Policy"),
            (
                "450 4.1.8 <a@x.example>: Sender address rejected: Domain not found",
                "Sender Sender",
                "deferred Deferred",
            ),
            ("450 4.7.1 Error: too many recipients from 10.0.0.1", "Relay Throttled", "deferred Deferred"),
            (
                "554 5.7.1 Service unavailable; Client host [10.0.0.1] blocked using bl.example",
                "Relay Connection",
                "failed Policy",
            ),
        ] {
            assert_eq!(shown(&of_recipient(&reply(text), false, false)), alone, "{text}");
            assert_eq!(shown(&of_recipient(&reply(text), true, false)), beside_others, "{text}");
        }
        let denied = reply("554 5.7.1 <b@y.example>: Relay access denied");
        assert_eq!(shown(&of_recipient(&denied, false, true)), "failed Policy");
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
            ("454 Throttling failure: Daily message quota exceeded.", "Relay Throttled"),
            ("554 Message rejected: Email address is not verified.", "Sender Sender"),
            ("530 5.7.0 Authentication required", "Relay Authentication"),
            ("503 5.5.1 bad sequence", "Relay Protocol"),
        ] {
            assert_eq!(shown(&of_message(&reply(text))), expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_of_the_session_has_its_class() {
        for (step, text, expected) in [
            (Step::Greeting, "554 5.7.1 go away", Class::Connection),
            (Step::Greeting, "421 4.7.0 too many connections from you", Class::Throttled),
            (Step::Hello, "550 bad name", Class::Connection),
            (Step::StartTls, "454 4.7.0 not now", Class::Tls),
            (Step::Authentication, "535 5.7.8 no", Class::Authentication),
            (Step::Authentication, "454 4.7.0 temporary failure", Class::Authentication),
            (Step::Authentication, "538 5.7.11 encrypt first", Class::Tls),
        ] {
            assert_eq!(of_session(step, &reply(text)), expected, "{text}");
        }
    }
}
