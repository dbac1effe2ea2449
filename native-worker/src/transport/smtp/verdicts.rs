//! One transaction of an email, and what it means for each recipient.

use std::borrow::Cow;

use email_queue::{Class, email::Mailbox};
use smtp_client::{End, Envelope, Milestone, RecipientOutcome, Reply, Session, Severity, Transaction};

use super::{
    judge::{self, Judgement},
    patterns::{Meaning, meaning},
};
use crate::{
    message::Message,
    transport::{
        outcome::{Failure, Fault, Scope, Verdict},
        outgoing::Handoff,
    },
};

/// An email on its way to the server.
pub(super) struct Outbound<'e> {
    /// The address. A domain is in its ASCII form, here and in [`Recipient`].
    pub(super) sender: String,
    pub(super) message: Message<'e>,
    pub(super) handoff: &'e Handoff,
}

/// Someone an email goes to.
pub(super) struct Recipient<'a> {
    pub(super) mailbox: &'a Mailbox,
    pub(super) address: String,
}

/// The result of a transaction. Each recipient is in one of the two lists.
pub(super) struct Decided<'a> {
    pub(super) verdicts: Vec<(&'a Mailbox, Verdict)>,
    /// The recipients without a verdict.
    pub(super) left: Vec<Recipient<'a>>,
    pub(super) next: Next,
}

/// What can be done next.
pub(super) enum Next {
    /// The session can be used, and the recipients who are left can be named again in it.
    Continue,
    /// The session can be used for other emails. The recipients who are left must wait.
    Wait(Fault),
    /// The session cannot be used any more. A new one may serve the recipients who are left.
    Over(Fault),
}

/// Sends an email in one transaction. `mail_accepted` is called when the server has accepted the sender.
///
/// When the future is dropped, nothing was delivered unless the handoff has begun; the session must be dropped as well.
pub(super) async fn send<'a>(
    session: &mut Session,
    email: &Outbound<'_>,
    recipients: Vec<Recipient<'a>>,
    mail_accepted: &(dyn Fn() + Sync),
) -> Decided<'a> {
    let fresh = session.is_fresh();
    let message = match session.supports_smtputf8() {
        true => Cow::Borrowed(&email.message),
        false => email.message.downgraded(),
    };
    let addresses: Vec<&str> = recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let envelope = Envelope { sender: &email.sender, recipients: &addresses };
    let reached = |milestone| match milestone {
        Milestone::MailAccepted => mail_accepted(),
        Milestone::MessageBegins => email.handoff.begin(),
    };
    let Transaction { recipients: outcomes, end } = session.send(&envelope, &*message, &reached).await;
    let mut decided = Decided { verdicts: Vec::new(), left: Vec::new(), next: Next::Continue };
    let (pending, fault) = decided.sort(recipients, outcomes, session.is_authenticated());
    match end {
        End::NotBegun => decided,
        End::MailRefused(reply) => decided.mail_refused(session, &reply, fresh).await,
        End::NobodyAccepted => decided.nobody_accepted(session, fault).await,
        End::DataRefused(reply) => decided.message_refused(session, pending, &reply, true).await,
        End::MessageRefused(reply) => decided.message_refused(session, pending, &reply, false).await,
        End::Accepted(reply) if reply.ends_session() => decided.over(judge::of_closing(&reply)),
        End::Accepted(_) => decided,
        End::Closed(reply) => {
            decided.keep(pending);
            decided.over(judge::of_closing(&reply))
        }
        End::Lost(error) => {
            decided.keep(pending);
            decided.over(judge::of_lost_session(&error))
        }
        End::Unanswered(error) => {
            let reason = format!("the message was sent but not answered ({error}); it may have been delivered");
            decided.decide(pending, &Verdict::Deferred(Failure::new(Class::Unknown, reason)));
            decided.over(judge::of_lost_session(&error))
        }
    }
}

impl<'a> Decided<'a> {
    /// Gives a verdict to recipients whom the server accepted, refused or cannot serve. Returns those who are pending, and the
    /// fault for those who were refused without a verdict.
    fn sort(
        &mut self,
        recipients: Vec<Recipient<'a>>,
        outcomes: Vec<RecipientOutcome>,
        authenticated: bool,
    ) -> (Vec<Recipient<'a>>, Option<Fault>) {
        let others_accepted =
            outcomes.iter().any(|outcome| matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Pending));
        let (mut pending, mut first_fault) = (Vec::new(), None);
        for (recipient, outcome) in recipients.into_iter().zip(outcomes) {
            let verdict = match outcome {
                RecipientOutcome::Pending => {
                    pending.push(recipient);
                    continue;
                }
                RecipientOutcome::Accepted => Some(Verdict::Accepted),
                RecipientOutcome::Unsupported(why) => Some(judge::of_unsupported(why)),
                RecipientOutcome::Unanswered => None,
                // It is about the session.
                RecipientOutcome::Refused(reply) if reply.is_421() => None,
                RecipientOutcome::Refused(reply) => match judge::of_recipient(&reply, others_accepted, authenticated) {
                    Judgement::Verdict(verdict) => Some(verdict),
                    Judgement::Later => None,
                    Judgement::Fault(fault) => {
                        first_fault.get_or_insert(fault);
                        None
                    }
                },
            };
            match verdict {
                Some(verdict) => self.verdicts.push((recipient.mailbox, verdict)),
                None => self.left.push(recipient),
            }
        }
        (pending, first_fault)
    }

    async fn mail_refused(mut self, session: &mut Session, mail: &Reply, fresh: bool) -> Self {
        match judge::of_mail(mail) {
            Judgement::Verdict(verdict) => {
                let everybody = std::mem::take(&mut self.left);
                self.decide(everybody, &verdict);
                self.reset(session, Some(mail), Next::Continue).await
            }
            // In a session that has been used, the refusal may be about the session: idle for too long, or too many
            // emails. Unless it names the sender, a new session is tried.
            Judgement::Fault(fault)
                if fault.scope == Scope::Sender && (fresh || meaning(mail) == Some(Meaning::Sender)) =>
            {
                self.reset(session, Some(mail), Next::Wait(fault)).await
            }
            Judgement::Fault(fault) => self.over(fault),
            Judgement::Later => self.over(judge::of_closing(mail)),
        }
    }

    /// The server has refused each recipient, so that no message was sent.
    async fn nobody_accepted(self, session: &mut Session, fault: Option<Fault>) -> Self {
        match fault {
            None => self.reset(session, None, Next::Continue).await,
            Some(fault) if fault.scope == Scope::Sender => self.reset(session, None, Next::Wait(fault)).await,
            Some(fault) => self.over(fault),
        }
    }

    /// DATA or the message was refused, for all accepted recipients. After a refused DATA the transaction is still
    /// open.
    async fn message_refused(
        mut self,
        session: &mut Session,
        accepted: Vec<Recipient<'a>>,
        reply: &Reply,
        open: bool,
    ) -> Self {
        if reply.is_421() {
            self.keep(accepted);
            return self.over(judge::of_closing(reply));
        }
        // Neither 354 nor a refusal: the session cannot be understood.
        if reply.severity() == Severity::Positive || (300..400).contains(&reply.code) {
            self.keep(accepted);
            return self.over(Fault::of_relay(Class::Protocol, format!("out of turn: {reply}")));
        }
        let next = match judge::of_message(reply) {
            Judgement::Verdict(verdict) => {
                self.decide(accepted, &verdict);
                Next::Continue
            }
            Judgement::Fault(fault) if fault.scope == Scope::Sender => {
                self.keep(accepted);
                Next::Wait(fault)
            }
            Judgement::Fault(fault) => {
                self.keep(accepted);
                return self.over(fault);
            }
            Judgement::Later => Next::Continue,
        };
        if open {
            return self.reset(session, Some(reply), next).await;
        }
        if reply.ends_session() {
            return self.over(judge::of_closing(reply));
        }
        Self { next, ..self }
    }

    /// Ends a transaction in which no message was sent, so that the session can be used for the next one.
    async fn reset(self, session: &mut Session, refusal: Option<&Reply>, next: Next) -> Self {
        let ends = refusal.is_some_and(Reply::ends_session);
        if !ends && session.reset().await.is_ok_and(|reply| reply.is_positive()) {
            return Self { next, ..self };
        }
        match (next, refusal) {
            (Next::Wait(fault) | Next::Over(fault), _) => self.over(fault),
            (Next::Continue, Some(refusal)) => self.over(judge::of_closing(refusal)),
            (Next::Continue, None) => self.over(Fault::of_relay(Class::Throttled, "the server does not accept RSET")),
        }
    }

    /// Makes accepted recipients undecided again.
    fn keep(&mut self, mut accepted: Vec<Recipient<'a>>) {
        accepted.append(&mut self.left);
        self.left = accepted;
    }

    fn over(self, fault: Fault) -> Self {
        Self { next: Next::Over(fault), ..self }
    }

    fn decide(&mut self, recipients: Vec<Recipient<'a>>, verdict: &Verdict) {
        self.verdicts.extend(recipients.into_iter().map(|recipient| (recipient.mailbox, verdict.clone())));
    }
}
