//! The state of a session.

use super::Shared;

/// The state of a session.
pub(super) struct Session<'a> {
    pub(super) shared: &'a Shared,
    pub(super) number: usize,
    pub(super) tls: bool,
    pub(super) greeted: bool,
    pub(super) user: Option<String>,
    pub(super) transaction: Option<Transaction>,
}

/// What `MAIL` begins and `DATA` ends.
pub(super) struct Transaction {
    pub(super) sender: String,
    pub(super) parameters: Vec<String>,
    pub(super) recipients: Vec<String>,
}
