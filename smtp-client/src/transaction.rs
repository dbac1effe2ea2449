//! One message in a session ([RFC 5321 section 3.3](https://www.rfc-editor.org/rfc/rfc5321#section-3.3)).

use tracing::{Instrument, trace_span};

use crate::{
    TRACE,
    data::Data,
    message::Message,
    outcome::{End, Milestone, RecipientOutcome, Transaction, Unsupported},
    reply::Reply,
    session::Session,
    session_error::SessionError,
};

/// The sender and the recipients of a message, as the server gets them.
///
/// Addresses are without angle brackets (RFC 5321 4.1.2). Only their part before the `@` may be other than ASCII, which
/// needs a server with SMTPUTF8 ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)); a domain is in its ASCII form.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The address that gets notifications of failures; if it is empty, none are sent (RFC 5321 4.5.5).
    pub sender: &'a str,
    /// To whom the message goes.
    pub recipients: &'a [&'a str],
}

impl Session {
    /// Sends a message to all recipients that the server accepts. `MAIL` and all `RCPT` go together where the server
    /// announces PIPELINING ([RFC 2920](https://www.rfc-editor.org/rfc/rfc2920)). A server that refuses some recipients
    /// still gets the message for the others.
    ///
    /// `reached` is called at each [`Milestone`]. When the future is dropped before
    /// [`MessageBegins`](Milestone::MessageBegins), nothing was delivered; after it, the message may have been. The
    /// session can then only be dropped.
    ///
    /// Failures are in the [`Transaction`], beside what is known of the recipients. Each reply may take
    /// [`Config::timeout`](crate::Config::timeout), that to the message ten times as long.
    pub async fn send<M: Message + ?Sized>(
        &mut self,
        envelope: &Envelope<'_>,
        message: &M,
        reached: &(dyn Fn(Milestone) + Sync),
    ) -> Transaction {
        let mut recipients = self.unsupported(envelope, message);
        let asked = |recipients: &[RecipientOutcome]| {
            let unanswered = |outcome: &&RecipientOutcome| matches!(outcome, RecipientOutcome::Unanswered);
            recipients.iter().filter(unanswered).count()
        };
        if asked(&recipients) == 0 {
            return Transaction { recipients, end: End::NotBegun };
        }
        let end = match self.address(envelope, message, &mut recipients, reached).await {
            Ok(()) => {
                let span = trace_span!(
                    target: TRACE, "data", otel.name = "smtp DATA", otel.kind = "client",
                    messaging.message.body.size = message.size());
                self.transfer(message, &mut recipients, reached).instrument(span).await
            }
            Err(end) => end,
        };
        Transaction { recipients, end }
    }

    /// Marks the recipients whom the server cannot serve, as it announced. They are not asked for.
    fn unsupported(&self, envelope: &Envelope<'_>, message: &(impl Message + ?Sized)) -> Vec<RecipientOutcome> {
        let size = message.size();
        let is_too_large = |limit: &u64| *limit > 0 && u64::try_from(size).is_ok_and(|size| size > *limit);
        let too_large = self.extensions.size.filter(is_too_large).map(|limit| Unsupported::Size { size, limit });
        let smtputf8 = self.extensions.smtputf8;
        let everybody = too_large.or(match smtputf8 {
            false if !envelope.sender.is_ascii() => Some(Unsupported::Sender),
            false if !message.has_ascii_header() => Some(Unsupported::Header),
            _ => None,
        });
        let outcome = |recipient: &&str| match everybody {
            Some(unsupported) => RecipientOutcome::Unsupported(unsupported),
            None if !smtputf8 && !recipient.is_ascii() => RecipientOutcome::Unsupported(Unsupported::Recipient),
            None => RecipientOutcome::Unanswered,
        };
        envelope.recipients.iter().map(outcome).collect()
    }

    /// Sends `MAIL` and each `RCPT`. `Ok` when the server has accepted a recipient.
    async fn address(
        &mut self,
        envelope: &Envelope<'_>,
        message: &(impl Message + ?Sized),
        outcomes: &mut [RecipientOutcome],
        reached: &(dyn Fn(Milestone) + Sync),
    ) -> Result<(), End> {
        let mut asked = envelope.recipients.iter().zip(outcomes);
        let mut asked: Vec<_> =
            asked.by_ref().filter(|(_, outcome)| matches!(outcome, RecipientOutcome::Unanswered)).collect();
        let mail = self.mail(envelope, message, asked.iter().all(|(recipient, _)| recipient.is_ascii()));
        let rcpts = asked.iter().map(|(recipient, _)| format!("RCPT TO:<{recipient}>"));
        let commands: Vec<_> = std::iter::once(mail).chain(rcpts).collect();
        let Replies { mail, rcpts, lost } = self.exchange(&commands).await;
        match mail {
            Some(mail) if mail.is_positive() => {
                self.mail_accepted();
                reached(Milestone::MailAccepted);
            }
            Some(mail) => return Err(End::MailRefused(mail)),
            None => return Err(End::Lost(lost.unwrap_or(SessionError::Closed))),
        }
        let (mut accepted, mut last) = (false, None);
        for ((_, outcome), reply) in asked.iter_mut().zip(rcpts) {
            if reply.ends_session() {
                last.get_or_insert_with(|| reply.clone());
            }
            **outcome = if reply.is_positive() { RecipientOutcome::Pending } else { RecipientOutcome::Refused(reply) };
            accepted |= matches!(outcome, RecipientOutcome::Pending);
        }
        match (last, lost) {
            (Some(reply), _) => Err(End::Closed(reply)),
            (None, Some(error)) => Err(End::Lost(error)),
            (None, None) if accepted => Ok(()),
            (None, None) => Err(End::NobodyAccepted),
        }
    }

    /// Sends `DATA` and the message, for all recipients that are pending.
    async fn transfer(
        &mut self,
        message: &(impl Message + ?Sized),
        outcomes: &mut [RecipientOutcome],
        reached: &(dyn Fn(Milestone) + Sync),
    ) -> End {
        match self.wire.command("DATA").await {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => return End::DataRefused(reply),
            Err(error) => return End::Lost(error),
        }
        reached(Milestone::MessageBegins);
        let mut data = Data::new(message.pieces(), message.size());
        while let Some(chunk) = data.next() {
            match self.wire.send(chunk.bytes).await {
                Ok(()) => {}
                // The server may have all of the message.
                Err(error) if chunk.is_last => return End::Unanswered(error),
                Err(error) => {
                    return match self.refusal_before_close().await {
                        Some(reply) => End::MessageRefused(reply),
                        None => End::Lost(error),
                    };
                }
            }
        }
        match self.reply_to_message().await {
            Ok(reply) if reply.is_positive() => {
                for outcome in outcomes.iter_mut().filter(|outcome| matches!(outcome, RecipientOutcome::Pending)) {
                    *outcome = RecipientOutcome::Accepted;
                }
                End::Accepted(reply)
            }
            Ok(reply) => End::MessageRefused(reply),
            Err(error) => End::Unanswered(error),
        }
    }

    /// `MAIL` with its parameters (RFC 1870, RFC 6152, RFC 6531).
    fn mail(&self, envelope: &Envelope<'_>, message: &(impl Message + ?Sized), ascii_recipients: bool) -> String {
        let mut mail = format!("MAIL FROM:<{}>", envelope.sender);
        if self.extensions.size.is_some() {
            mail.push_str(&format!(" SIZE={}", message.size()));
        }
        let ascii_header = message.has_ascii_header();
        if !(envelope.sender.is_ascii() && ascii_recipients && ascii_header) {
            if self.extensions.eight_bit_mime && !ascii_header {
                mail.push_str(" BODY=8BITMIME");
            }
            mail.push_str(" SMTPUTF8");
        }
        mail
    }

    /// Sends `MAIL` and each `RCPT`, and reads their replies: all at once where the server can take that, else one by one
    /// until `MAIL` is refused.
    async fn exchange(&mut self, commands: &[String]) -> Replies {
        let mut replies = Replies { mail: None, rcpts: Vec::new(), lost: None };
        let pipelining = self.extensions.pipelining;
        // Where they go together, it is the time until each reply.
        let mut span = trace_span!(target: TRACE, "mail", otel.name = "smtp MAIL", otel.kind = "client");
        if pipelining && let Err(error) = self.pipeline(commands).await {
            replies.mail = self.refusal_before_close().await;
            replies.lost = Some(error);
            return replies;
        }
        for command in commands {
            let reply = match pipelining {
                true => self.wire.reply().instrument(span.clone()).await,
                false => self.wire.command(command).instrument(span.clone()).await,
            };
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => {
                    replies.lost = Some(error);
                    return replies;
                }
            };
            let refused = replies.mail.is_none() && !reply.is_positive();
            let ends = reply.ends_session() || (!pipelining && refused);
            match replies.mail {
                None => {
                    replies.mail = Some(reply);
                    let count = commands.len() - 1;
                    span = trace_span!(target: TRACE, "rcpt", otel.name = "smtp RCPT", otel.kind = "client", smtp.recipients = count);
                }
                Some(_) => replies.rcpts.push(reply),
            }
            if ends {
                break;
            }
        }
        replies
    }
}

/// The replies to `MAIL` and to each `RCPT`, as far as they came.
struct Replies {
    mail: Option<Reply>,
    rcpts: Vec<Reply>,
    lost: Option<SessionError>,
}
