//! Lines of `emailq export`: an email with what the queue knows of it.

use email_queue::{
    EmailId, Lane, State, Submission,
    email::{
        Traceparent,
        schedule::{self, InvalidTime},
    },
    hex,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::checked::{Checked, Sender};

/// What `emailq list --json` prints.
const LIST: &str = "list";

/// What counts of a line. An email itself has no such fields, and a list only the first.
#[derive(Deserialize)]
struct Line<'a> {
    object: &'a str,
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    state: &'a str,
    #[serde(default)]
    sent_to: Vec<String>,
    #[serde(default)]
    priority: &'a str,
    scheduled_at: Option<&'a str>,
    removed_bytes: Option<u64>,
    traceparent: Option<&'a str>,
    #[serde(borrow)]
    email: Option<&'a RawValue>,
    raw: Option<String>,
}

/// An email, its id where it comes from, and the trace that it belongs to.
type Exported = (EmailId, Option<Traceparent>, Checked);

/// The email of a line, in its lane, and for later if its time has not come. Its sender may be left to the worker, as it was. Unless it
/// may be in any state, it is refused if somebody may have it already, or is not to have it. `None` if it is no such line.
pub(super) fn read(
    json: &[u8],
    sender: Sender<'_>,
    in_any_state: bool,
    now: Timestamp,
) -> Option<Result<Exported, String>> {
    let line: Line<'_> = serde_json::from_slice(json).ok()?;
    if line.object == LIST {
        return Some(Err(
            "this is a list of emails without their contents: `emailq export` prints whole emails".to_owned()
        ));
    }
    let is_exported = line.object == "email" && (line.email.is_some() || line.raw.is_some());
    is_exported.then(|| line.check(sender, in_any_state, now).map_err(|error| format!("email {}: {error}", line.id)))
}

impl Line<'_> {
    fn check(&self, sender: Sender<'_>, in_any_state: bool, now: Timestamp) -> Result<Exported, String> {
        let id: EmailId = self.id.parse().map_err(|_| "its id is none")?;
        let lane: Lane = self.priority.parse().map_err(|()| "its priority is none of high, normal, low")?;
        let state: State = self.state.parse().map_err(|()| "its state is none that an email has")?;
        if !in_any_state {
            may_be_sent(state)?;
        }
        if let Some(bytes) = self.removed_bytes {
            return Err(format!(
                "its texts and attachments, {bytes} bytes, were removed to make room: send it from where it came from. \
                 A larger backlog_bytes of the API keeps them for longer"
            ));
        }
        let Some(email) = self.email else {
            return Err("what is stored is no JSON: mend what is in its field `raw`, and send that".to_owned());
        };
        let submission = Submission::from_list(email.get().as_bytes(), sender.mailbox(), now);
        let mut submission = sender.name(submission.map_err(|error| error.to_string())?);
        if !in_any_state && !self.sent_to.is_empty() {
            return Err(format!(
                "some of its recipients have got it: {}. In the same queue `emailq retry {id}` sends it to the others; --any-state sends \
                 it to all",
                self.sent_to.join(", ")
            ));
        }
        // Two emails may say the same, and both are meant. Its lane and its time may have changed since.
        let digest = submission.digest();
        let name = format!("{id} {}", hex(&digest));
        submission.lane = lane;
        submission.scheduled_at = self.due(now).map_err(|error| format!("its scheduled_at: {error}"))?;
        // Other programs write it where they like.
        let trace = self.traceparent.map_or_else(|| Traceparent::of(email.get().as_bytes()), Traceparent::parse);
        Ok((id, trace, Checked { name, digest, submission }))
    }

    /// `None` if it is not for later.
    fn due(&self, now: Timestamp) -> Result<Option<Timestamp>, InvalidTime> {
        let Some(text) = self.scheduled_at else { return Ok(None) };
        match schedule::parse(text, now).and_then(|time| schedule::check(time, now)) {
            Ok(time) => Ok(Some(time)),
            Err(InvalidTime::Past) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Refuses what nobody is to get once more.
fn may_be_sent(state: State) -> Result<(), String> {
    let what = match state {
        State::Sent => "it is sent already",
        State::Canceled => "it was canceled",
        State::Sending => "a worker is sending it",
        State::Queued | State::Scheduled | State::Delayed | State::Failed => return Ok(()),
    };
    Err(format!("{what}. `emailq export --status queued` exports what waits; --any-state sends it all the same"))
}
