//! One email in a session ([RFC 5321 section 3.3](https://www.rfc-editor.org/rfc/rfc5321#section-3.3)).

use super::{
    data::{self, Sent},
    envelope::{Envelope, Recipient},
    judge::{self, Judgement},
    outcome::{Failure, Fault, Kind, Scope, Verdict},
    patterns::{Meaning, meaning},
    reply::Reply,
    session::Session,
    wire_error::WireError,
};

/// What became of a transaction. Each recipient is in one of the two lists.
pub(super) struct Transaction<K> {
    pub(super) verdicts: Vec<(K, Verdict)>,
    /// Who was not decided upon.
    pub(super) left: Vec<Recipient<K>>,
    pub(super) next: Next,
}

/// What can be done now.
pub(super) enum Next {
    /// The session can be used, for those who are left as well.
    Continue,
    /// The session can be used, but not for those who are left.
    Wait(Fault),
    /// The session cannot be used any more. Those who are left may fare better in a new one.
    Over(Fault),
}

/// Whom to tell how far a transaction has come.
pub(super) struct Milestones<'m> {
    /// The server has taken the sender: it works.
    pub(super) mail_accepted: &'m (dyn Fn() + Sync),
    /// The message is about to be sent: from now on it may reach somebody.
    pub(super) message_begins: &'m (dyn Fn() + Sync),
}

/// Sends an email to all who are accepted. When the future is dropped, nothing was delivered unless the message had begun;
/// the session must then be dropped as well.
pub(super) async fn send<K>(
    session: &mut Session,
    envelope: &Envelope<'_>,
    recipients: Vec<Recipient<K>>,
    milestones: &Milestones<'_>,
) -> Transaction<K> {
    let mut transaction = Transaction { verdicts: Vec::new(), left: recipients, next: Next::Continue };
    let message = envelope.message_for(&session.extensions);
    transaction.leave_out_unsuitable(session, envelope, message.len());
    if transaction.left.is_empty() {
        return transaction;
    }

    let mail = envelope.mail(&message, &transaction.left, &session.extensions);
    let rcpts = transaction.left.iter().map(|recipient| format!("RCPT TO:<{}>", recipient.address));
    let commands: Vec<_> = std::iter::once(mail).chain(rcpts).collect();
    let Replies { mail, rcpts, lost } = address(session, &commands).await;
    let fresh = session.is_fresh();
    match (mail, lost.as_ref()) {
        (Some(mail), _) if mail.is_positive() => {
            session.used();
            (milestones.mail_accepted)();
        }
        (Some(mail), _) => return transaction.mail_refused(session, &mail, fresh).await,
        (None, Some(error)) => return transaction.over(error.fault()),
        (None, None) => return transaction.over(Fault::of_server(Kind::Protocol, "MAIL was not answered")),
    }

    let (taken, goodbye, fault) = transaction.take_recipients(rcpts, session.is_logged_in());
    if let Some(over) = goodbye.or_else(|| lost.map(|error| error.fault())) {
        transaction.keep(taken);
        return transaction.over(over);
    }
    if taken.is_empty() {
        return transaction.without_message(session, fault).await;
    }

    match session.command("DATA").await {
        Ok(reply) if reply.code == 354 => {}
        Ok(reply) => return transaction.message_refused(session, taken, &reply, true).await,
        Err(error) => {
            transaction.keep(taken);
            return transaction.over(error.fault());
        }
    }
    (milestones.message_begins)();
    match data::send(session, &message).await {
        Sent::Answered(reply) if reply.is_positive() => {
            transaction.decide(taken, &Verdict::Accepted);
            if reply.ends_session() { transaction.over(judge::of_goodbye(&reply)) } else { transaction }
        }
        Sent::Answered(reply) => transaction.message_refused(session, taken, &reply, false).await,
        Sent::Cut(error) => {
            transaction.keep(taken);
            transaction.over(error.fault())
        }
        Sent::Unanswered(error) => {
            let reason = format!("the message was sent but not answered ({error}); it may have been delivered");
            transaction.decide(taken, &Verdict::Deferred(Failure::new(Kind::Unknown, reason)));
            transaction.over(error.fault())
        }
    }
}

impl<K> Transaction<K> {
    /// Decides upon those whom, by what the server says of itself, it cannot take. They are not asked for.
    fn leave_out_unsuitable(&mut self, session: &Session, envelope: &Envelope<'_>, size: usize) {
        let extensions = &session.extensions;
        let failed = |kind, reason: &str| Verdict::Failed(Failure::new(kind, reason));
        let is_too_large = |limit: &u64| *limit > 0 && u64::try_from(size).is_ok_and(|size| size > *limit);
        if let Some(limit) = extensions.size.filter(is_too_large) {
            let reason = format!("the message has {size} bytes, and the server takes {limit} at the most");
            let everybody = std::mem::take(&mut self.left);
            return self.decide(everybody, &failed(Kind::TooLarge, &reason));
        }
        if extensions.smtputf8 {
            return;
        }
        if !envelope.sender.is_ascii() {
            let reason = "the sender's address is not ASCII before the @, and the server does not support SMTPUTF8";
            let everybody = std::mem::take(&mut self.left);
            return self.decide(everybody, &failed(Kind::Content, reason));
        }
        let reason = "the address is not ASCII before the @, and the server does not support SMTPUTF8";
        let (reachable, others) =
            std::mem::take(&mut self.left).into_iter().partition(|recipient| recipient.address.is_ascii());
        self.left = reachable;
        self.decide(others, &failed(Kind::Recipient, reason));
    }

    async fn mail_refused(mut self, session: &mut Session, mail: &Reply, fresh: bool) -> Self {
        match judge::of_mail(mail) {
            Judgement::Verdict(verdict) => {
                let everybody = std::mem::take(&mut self.left);
                self.decide(everybody, &verdict);
                self.reset(session, mail, Next::Continue).await
            }
            // In a session that has been used, it may be no answer to this email but to having waited too long, or to
            // having sent enough: unless it names the sender, a new session is asked.
            Judgement::Fault(fault)
                if fault.scope == Scope::Sender && (fresh || meaning(mail) == Some(Meaning::Sender)) =>
            {
                self.reset(session, mail, Next::Wait(fault)).await
            }
            Judgement::Fault(fault) => self.over(fault),
            Judgement::Later => self.over(judge::of_goodbye(mail)),
        }
    }

    /// Sorts recipients by the answers to them. Gives those who were taken, the goodbye if there was one among the
    /// answers, and what is at fault for the others who are left, if nobody was taken.
    fn take_recipients(
        &mut self,
        replies: Vec<Reply>,
        logged_in: bool,
    ) -> (Vec<Recipient<K>>, Option<Fault>, Option<Fault>) {
        let others_taken = replies.iter().any(Reply::is_positive);
        let (mut taken, mut goodbye, mut first_fault) = (Vec::new(), None, None);
        let mut replies = replies.into_iter();
        for recipient in std::mem::take(&mut self.left) {
            let Some(reply) = replies.next() else {
                self.left.push(recipient);
                continue;
            };
            if reply.ends_session() {
                goodbye.get_or_insert_with(|| judge::of_goodbye(&reply));
            }
            if reply.is_positive() {
                taken.push(recipient);
            } else if reply.is_421() {
                self.left.push(recipient);
            } else {
                match judge::of_recipient(&reply, others_taken, logged_in) {
                    Judgement::Verdict(verdict) => self.verdicts.push((recipient.key, verdict)),
                    Judgement::Later => self.left.push(recipient),
                    Judgement::Fault(fault) => {
                        first_fault.get_or_insert(fault);
                        self.left.push(recipient);
                    }
                }
            }
        }
        (taken, goodbye, first_fault)
    }

    /// Ends a transaction in which nobody was taken.
    async fn without_message(self, session: &mut Session, fault: Option<Fault>) -> Self {
        match fault {
            None => self.reset(session, &Reply::default(), Next::Continue).await,
            Some(fault) if fault.scope == Scope::Sender => {
                self.reset(session, &Reply::default(), Next::Wait(fault)).await
            }
            Some(fault) => self.over(fault),
        }
    }

    /// DATA or the message was refused, for all who had been taken.
    async fn message_refused(
        mut self,
        session: &mut Session,
        taken: Vec<Recipient<K>>,
        reply: &Reply,
        pending: bool,
    ) -> Self {
        if reply.is_421() {
            self.keep(taken);
            return self.over(judge::of_goodbye(reply));
        }
        // What sounds positive and is not what was asked for is nothing that could be gone on with.
        if reply.severity() == super::reply::Severity::Positive || (300..400).contains(&reply.code) {
            self.keep(taken);
            return self.over(Fault::of_server(Kind::Protocol, format!("out of turn: {reply}")));
        }
        let next = match judge::of_message(reply) {
            Judgement::Verdict(verdict) => {
                self.decide(taken, &verdict);
                Next::Continue
            }
            Judgement::Fault(fault) if fault.scope == Scope::Sender => {
                self.keep(taken);
                Next::Wait(fault)
            }
            Judgement::Fault(fault) => {
                self.keep(taken);
                return self.over(fault);
            }
            Judgement::Later => Next::Continue,
        };
        if pending {
            return self.reset(session, reply, next).await;
        }
        if reply.ends_session() {
            return self.over(judge::of_goodbye(reply));
        }
        Self { next, ..self }
    }

    /// Ends a transaction in which no message was sent, so that the next one finds the session clean.
    async fn reset(self, session: &mut Session, reply: &Reply, next: Next) -> Self {
        if !reply.ends_session() && session.command("RSET").await.is_ok_and(|reply| reply.is_positive()) {
            return Self { next, ..self };
        }
        match next {
            Next::Wait(fault) | Next::Over(fault) => self.over(fault),
            Next::Continue => self.over(judge::of_goodbye(reply)),
        }
    }

    /// Those who were taken are not decided upon after all.
    fn keep(&mut self, mut taken: Vec<Recipient<K>>) {
        taken.append(&mut self.left);
        self.left = taken;
    }

    fn over(self, fault: Fault) -> Self {
        Self { next: Next::Over(fault), ..self }
    }

    fn decide(&mut self, recipients: Vec<Recipient<K>>, verdict: &Verdict) {
        self.verdicts.extend(recipients.into_iter().map(|recipient| (recipient.key, verdict.clone())));
    }
}

/// The answers to MAIL and to each RCPT, as far as they came.
struct Replies {
    mail: Option<Reply>,
    rcpts: Vec<Reply>,
    lost: Option<WireError>,
}

/// Sends MAIL and RCPT, and brings the answers. At once where the server can take that.
async fn address(session: &mut Session, commands: &[String]) -> Replies {
    let mut replies = Replies { mail: None, rcpts: Vec::new(), lost: None };
    let pipelining = session.extensions.pipelining;
    if pipelining && let Err(error) = session.pipeline(commands).await {
        // It may have closed with a word.
        replies.mail = session.last_words().await;
        replies.lost = Some(error);
        return replies;
    }
    for command in commands {
        let reply = match pipelining {
            true => session.reply().await,
            false => session.command(command).await,
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
            None => replies.mail = Some(reply),
            Some(_) => replies.rcpts.push(reply),
        }
        if ends {
            break;
        }
    }
    replies
}
