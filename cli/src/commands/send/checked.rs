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

impl Checked {
    /// An email as clients of the API write it, by the same rules. The error says what is wrong.
    pub(super) fn from_request(json: &[u8], sender: Option<&Mailbox>, now: Timestamp) -> Result<Self, String> {
        let submission = Submission::from_request(json, sender, now).map_err(|error| error.to_string())?;
        let digest = submission.digest();
        Ok(Self { name: hex(&digest), digest, submission })
    }
}
