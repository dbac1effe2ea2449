//! One email in a session ([RFC 5321 section 3.3](https://www.rfc-editor.org/rfc/rfc5321#section-3.3)).

use std::io;

use email_queue::Class;

use super::{
    reply::{Reply, Severity},
    session::Session,
};
use crate::{
    message::ascii_domain,
    transport::{Commitment, Failure, Outgoing, Verdict},
};

/// How much of a message is sent at once.
const CHUNK: usize = 64 * 1024;

/// An email as the server gets it.
pub(super) struct Envelope<'a> {
    sender: String,
    recipients: Vec<String>,
    message: &'a [u8],
}

/// How a transaction ended. The verdicts are in the order of the recipients.
pub(super) enum Transaction {
    /// The session can be used for the next email.
    Done(Vec<Verdict>),
    /// The session cannot be used any more.
    Ended(Vec<Verdict>),
    /// The same, and the message had been sent in full: nobody knows whether it was taken.
    Unanswered(Vec<Verdict>),
    /// The session had ended before this transaction began.
    Stale,
    /// The server cannot carry this email. Nothing was sent.
    Unsuitable(Unsuitable),
}

/// What the server lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsuitable {
    #[error("an address is not ASCII before the @, and the server does not support SMTPUTF8")]
    NeedsSmtputf8,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(outgoing: &Outgoing<'_>, message: &'a [u8]) -> Self {
        let recipients =
            outgoing.recipients.iter().map(|recipient| ascii_domain(recipient.address()).to_string()).collect();
        Self { sender: ascii_domain(outgoing.email.from.address()).to_string(), recipients, message }
    }

    /// Whether addresses, on the envelope or in the headers, are more than ASCII. Nothing else in a message is.
    fn needs_smtputf8(&self) -> bool {
        !self.message.is_ascii() || !self.sender.is_ascii() || !self.recipients.iter().all(|address| address.is_ascii())
    }

    /// MAIL and all RCPT commands.
    fn commands(&self, session: &Session) -> Vec<String> {
        let mut mail = format!("MAIL FROM:<{}>", self.sender);
        if session.extensions.size {
            mail.push_str(&format!(" SIZE={}", self.message.len()));
        }
        if self.needs_smtputf8() {
            if session.extensions.eight_bit_mime && !self.message.is_ascii() {
                mail.push_str(" BODY=8BITMIME");
            }
            mail.push_str(" SMTPUTF8");
        }
        let recipients = self.recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>"));
        std::iter::once(mail).chain(recipients).collect()
    }
}

/// Sends an email to all who are accepted. When the future is dropped, nothing was delivered unless the commitment was
/// made; the session must then be dropped as well.
pub(super) async fn send(session: &mut Session, envelope: &Envelope<'_>, commitment: &Commitment) -> Transaction {
    if envelope.needs_smtputf8() && !session.extensions.smtputf8 {
        return Transaction::Unsuitable(Unsuitable::NeedsSmtputf8);
    }
    let everybody = envelope.recipients.len();
    let (mail, rcpts) = match address(session, envelope).await {
        Ok(replies) => replies,
        // Before the answer to MAIL nothing has happened, and a session that waited may have been closed meanwhile.
        Err(_) if !session.is_fresh() => return Transaction::Stale,
        Err(error) => return Transaction::Ended(vec![lost(&error); everybody]),
    };
    if mail.is_goodbye() && !session.is_fresh() {
        return Transaction::Stale;
    }
    session.used();
    if !mail.is_positive() {
        return settle(session, vec![verdict(&mail); everybody], mail.is_goodbye()).await;
    }
    let verdicts: Vec<Verdict> = rcpts.iter().map(recipient_verdict).collect();
    if let Some(goodbye) = rcpts.iter().find(|rcpt| rcpt.is_goodbye()) {
        return Transaction::Ended(vec![deferred(goodbye.to_string()); everybody]);
    }
    if !verdicts.contains(&Verdict::Accepted) {
        return settle(session, verdicts, false).await;
    }
    match session.command("DATA").await {
        Ok(reply) if reply.code == 354 => {}
        Ok(reply) => {
            // Anything else that sounds positive is nothing that we could go on with.
            let verdict = if reply.is_positive() { deferred(reply.to_string()) } else { verdict(&reply) };
            return settle(session, for_accepted(verdicts, &verdict), reply.is_goodbye() || reply.is_positive()).await;
        }
        Err(error) => return Transaction::Ended(for_accepted(verdicts, &lost(&error))),
    }
    commitment.make();
    let data = stuffed(envelope.message);
    let (beginning, end) = data.split_at((data.len() - 1) / CHUNK * CHUNK);
    for chunk in beginning.chunks(CHUNK) {
        if let Err(error) = session.send(chunk).await {
            // Without the end it is no message: the server cannot have taken it.
            return Transaction::Ended(for_accepted(verdicts, &lost(&error)));
        }
    }
    // From here on the server may have it all.
    let answer = match session.send(end).await {
        Ok(()) => session.reply_to_message().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(reply) if reply.is_goodbye() => Transaction::Ended(for_accepted(verdicts, &verdict(&reply))),
        Ok(reply) => Transaction::Done(for_accepted(verdicts, &verdict(&reply))),
        Err(error) => {
            let reason = format!("the message was sent but not answered ({error}); it may have been delivered");
            Transaction::Unanswered(for_accepted(verdicts, &deferred(reason)))
        }
    }
}

/// Sends MAIL and RCPT, and brings the answers: to MAIL, and to each RCPT. At once where the server can take that.
async fn address(session: &mut Session, envelope: &Envelope<'_>) -> io::Result<(Reply, Vec<Reply>)> {
    let commands = envelope.commands(session);
    let pipelining = session.extensions.pipelining;
    if pipelining {
        session.pipeline(&commands).await?;
    }
    let mut replies = Vec::with_capacity(commands.len());
    for command in &commands {
        let reply = match pipelining {
            true => session.reply().await?,
            false => session.command(command).await?,
        };
        let ends = reply.is_goodbye() || (!pipelining && replies.is_empty() && !reply.is_positive());
        replies.push(reply);
        if ends {
            break;
        }
    }
    let mail = replies.remove(0);
    Ok((mail, replies))
}

/// Ends a transaction in which no message was sent, so that the next one finds the session clean.
async fn settle(session: &mut Session, verdicts: Vec<Verdict>, ended: bool) -> Transaction {
    if !ended && session.command("RSET").await.is_ok_and(|reply| reply.is_positive()) {
        Transaction::Done(verdicts)
    } else {
        Transaction::Ended(verdicts)
    }
}

fn verdict(reply: &Reply) -> Verdict {
    match reply.severity() {
        Severity::Positive => Verdict::Accepted,
        Severity::Transient => deferred(reply.to_string()),
        Severity::Permanent => failed(reply.to_string()),
    }
}

/// RFC 5321 4.5.3.1.10: some servers say 552 for too many recipients, and mean 452.
fn recipient_verdict(reply: &Reply) -> Verdict {
    if reply.code == 552 { deferred(reply.to_string()) } else { verdict(reply) }
}

fn deferred(reason: String) -> Verdict {
    Verdict::Deferred(Failure::new(Class::Deferred, reason))
}

fn failed(reason: String) -> Verdict {
    Verdict::Failed(Failure::new(Class::Content, reason))
}

fn lost(error: &io::Error) -> Verdict {
    deferred(format!("lost the connection to the server: {error}"))
}

/// What became of the message is the verdict of all whom the server had accepted.
fn for_accepted(verdicts: Vec<Verdict>, message: &Verdict) -> Vec<Verdict> {
    let of_message = |verdict| if verdict == Verdict::Accepted { message.clone() } else { verdict };
    verdicts.into_iter().map(of_message).collect()
}

/// A message as it goes over the wire, with the dots of RFC 5321 4.5.2 doubled and the one that ends it. It holds no CR
/// or LF but in CRLF.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        let check = |message: &[u8], expected: &[u8]| assert_eq!(stuffed(message), expected);
        check(b".\r\n", b"..\r\n.\r\n");
        check(b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n");
        check(b"a.\r\n", b"a.\r\n.\r\n");
        check(b"a", b"a\r\n.\r\n");
        check(b"", b"\r\n.\r\n");
    }

    #[test]
    fn the_verdict_on_the_message_is_for_those_who_were_accepted() {
        let refused = failed("550".to_owned());
        let delayed = deferred("451".to_owned());
        let verdicts = for_accepted(vec![Verdict::Accepted, refused.clone()], &delayed);
        assert_eq!(verdicts, [delayed, refused]);
    }

    #[test]
    fn too_many_recipients_is_a_refusal_for_now() {
        let reply = |code| Reply { code, lines: Vec::new() };
        assert!(matches!(recipient_verdict(&reply(552)), Verdict::Deferred(_)));
        assert!(matches!(recipient_verdict(&reply(550)), Verdict::Failed(_)));
        assert!(matches!(verdict(&reply(552)), Verdict::Failed(_)));
    }
}
