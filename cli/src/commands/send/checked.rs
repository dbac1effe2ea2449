use email_queue::{Submission, email::Mailbox, hex};
use jiff::Timestamp;

/// An email that can be sent.
pub(super) struct Checked {
    /// The same for the same email.
    pub(super) name: String,
    /// Of what is the same.
    pub(super) digest: [u8; 32],
    pub(super) submission: Submission,
}

/// Who sends emails that name no sender.
#[derive(Clone, Copy)]
pub(super) enum Sender<'m> {
    /// As if they named this one.
    Named(&'m Mailbox),
    /// The workers' own, if it is known. It may change: emails are the same whatever it is.
    Default(Option<&'m Mailbox>),
}

impl Sender<'_> {
    pub(super) fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Named(mailbox) => Some(mailbox),
            Self::Default(mailbox) => *mailbox,
        }
    }

    /// The email with it.
    pub(super) fn name(self, mut submission: Submission) -> Submission {
        submission.names_sender |= matches!(self, Self::Named(_));
        submission
    }
}

impl Checked {
    /// An email as clients of the API write it, by the same rules. The error says what is wrong.
    pub(super) fn from_request(json: &[u8], sender: Sender<'_>, now: Timestamp) -> Result<Self, String> {
        let submission = Submission::from_request(json, sender.mailbox(), now).map_err(|error| error.to_string())?;
        let submission = sender.name(submission);
        let digest = submission.digest();
        Ok(Self { name: hex(&digest), digest, submission })
    }
}
