//! Asking the script at each step, and doing what it says.

use super::script::{Action, Reply, Stage, Step};
use super::state::Session;
use super::wire::{Over, Wire};

/// What a step names, for the script.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub(super) sender: Option<&'a str>,
    pub(super) recipient: Option<&'a str>,
    pub(super) data: &'a [u8],
}

/// What the script does, once all waiting is over.
pub(super) enum Verdict {
    Accept,
    Reply(Reply),
    StoreThenDrop,
}

impl Session<'_> {
    /// Asks the script and replies: with `reply`, unless the script has another one. Returns whether the reply was
    /// positive.
    pub(super) async fn answer(&self, stage: Stage, reply: Reply, wire: &mut Wire) -> Result<bool, Over> {
        self.answer_about(stage, Subject::default(), reply, wire).await
    }

    pub(super) async fn answer_about(
        &self,
        stage: Stage,
        subject: Subject<'_>,
        reply: Reply,
        wire: &mut Wire,
    ) -> Result<bool, Over> {
        let reply = match self.verdict(stage, subject, wire).await? {
            Verdict::Accept => reply,
            Verdict::Reply(scripted) => scripted,
            Verdict::StoreThenDrop => return Err(Over),
        };
        self.send_scripted(&reply, wire).await?;
        Ok(reply.is_positive())
    }

    /// Answers; 421 means that the server closes (RFC 5321, section 3.8).
    pub(super) async fn send_scripted(&self, reply: &Reply, wire: &mut Wire) -> Result<(), Over> {
        wire.send(reply).await?;
        if reply.code == 421 { Err(wire.close().await) } else { Ok(()) }
    }

    /// Records the step, asks the script, and does all the waiting that it asks for.
    pub(super) async fn verdict(&self, stage: Stage, subject: Subject<'_>, wire: &mut Wire) -> Result<Verdict, Over> {
        // Before the step is recorded, so that a test that has seen the step can release it.
        let mut releases = self.shared.releases.subscribe();
        let mut action = self.action(stage, subject);
        loop {
            match action {
                Action::Accept => return Ok(Verdict::Accept),
                Action::Reply(reply) => return Ok(Verdict::Reply(reply)),
                Action::StoreThenDrop => return Ok(Verdict::StoreThenDrop),
                Action::Drop => return Err(Over),
                Action::Hang => return Err(wire.ignore_forever().await),
                Action::Hold => {
                    // The server is gone if this fails, and with it soon this session.
                    releases.changed().await.map_err(|_| Over)?;
                    return Ok(Verdict::Accept);
                }
                Action::After(delay, then) => {
                    tokio::time::sleep(delay).await;
                    action = *then;
                }
            }
        }
    }

    fn action(&self, stage: Stage, subject: Subject<'_>) -> Action {
        let (sender, recipients) = match &self.transaction {
            Some(transaction) => (transaction.sender.as_str(), transaction.recipients.as_slice()),
            None => ("", [].as_slice()),
        };
        let mut counts = None;
        self.shared.log.send_modify(|log| counts = Some(log.record(stage, subject.recipient, recipients)));
        let (nth, attempt) = counts.map_or((0, 0), |counts| (counts.nth, counts.attempt));
        let script = self.shared.script.borrow().clone();
        script.action(&Step {
            stage,
            connection: self.number,
            nth,
            attempt,
            sender: subject.sender.unwrap_or(sender),
            recipient: subject.recipient,
            recipients,
            data: subject.data,
        })
    }
}
