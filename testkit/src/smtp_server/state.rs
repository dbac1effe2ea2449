//! How far a client has come.

use super::Shared;

/// A client, as far as it has come.
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
