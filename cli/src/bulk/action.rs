//! What can be done with emails, in words and as calls.

use email_queue::{State, transition::What};

/// What to do with an email.
pub(crate) struct Action {
    /// As in "3 emails would be retried".
    pub(crate) done: &'static str,
    /// Why it is refused in another state.
    pub(crate) rule: &'static str,
    /// For all that match at once, if there is such a script.
    pub(crate) what: Option<What>,
    /// The states in which it can be done.
    pub(crate) states: &'static [State],
    /// Whether the emails are sent once more, which may be twice for the recipients.
    pub(crate) sends_again: bool,
}
