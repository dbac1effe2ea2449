//! An email of a file, checked.

use email_queue::EmailId;
use jiff::Timestamp;

use super::{
    checked::{Checked, Sender},
    exported,
    input::Item,
};

/// Where an email comes from.
pub(super) struct Source {
    /// Where it stands.
    pub(super) place: String,
    /// The id that it has in the queue from which it was exported.
    pub(super) exported: Option<EmailId>,
}

/// An email that is ready to be sent.
pub(super) struct Ready {
    pub(super) source: Source,
    pub(super) checked: Checked,
    /// What is stored.
    pub(super) json: Vec<u8>,
}

/// Checks an email, by the rules of the API. The error says where it stands and what is wrong.
pub(super) fn read(item: Item, sender: Sender<'_>, in_any_state: bool) -> Result<Ready, String> {
    let Item { place, json } = item;
    let check = |json: Vec<u8>| {
        let now = Timestamp::now();
        if let Some(exported) = exported::read(&json, sender, in_any_state, now) {
            return exported.map(|(id, trace, checked)| (Some(id), trace, checked));
        }
        Checked::from_request(&json, sender, now).map(|checked| (None, None, checked))
    };
    let (exported, trace, checked) = json.and_then(check).map_err(|error| format!("{place}: {error}"))?;
    let mut json = checked.submission.to_json();
    if let Some(trace) = trace {
        trace.append_to(&mut json);
    }
    Ok(Ready { source: Source { place, exported }, checked, json })
}
