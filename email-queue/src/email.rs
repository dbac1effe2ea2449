//! An email: its parts, its JSON, and all rules for it.
//!
//! - [`Submission`]: an email as a client hands it in, with its lane and its time; the parser is here, and reads [`Json`];
//! - [`Email`]: the email itself, which is what the record keeps;
//! - [`Outline`]: what a list shows of it;
//! - [`Mailbox`], [`Header`], [`Tag`], [`Attachment`] with its [`Content`]: its parts;
//! - [`Traceparent`]: the trace that it belongs to;
//! - [`batch`]: several emails at once;
//! - [`schedule`]: how a time is written;
//! - [`strict`]: JSON of other programs, as each parser takes it;
//! - [`names`]: the known name that an unknown one resembles;
//! - [`Invalid`]: why a submission is refused.

mod attachment;
pub mod batch;
mod content;
mod domain;
mod due;
mod header;
mod header_rules;
mod invalid;
mod limits;
mod mailbox;
mod mailbox_list;
pub mod names;
mod origin;
mod outline;
pub mod schedule;
mod submission;
mod tag;
mod traceparent;
mod wire;
mod with_sender;

pub use attachment::Attachment;
pub use content::Content;
pub(crate) use due::with_due;
pub use due::{due_of, split_due};
pub use header::Header;
pub use invalid::{Invalid, InvalidKind};
pub use limits::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_HEADERS, MAX_RECIPIENTS, MAX_SUBJECT, MAX_TAGS};
pub use mailbox::{InvalidMailbox, Mailbox};
pub use outline::{Extent, Outline};
pub use submission::Submission;
pub use tag::Tag;
pub use traceparent::Traceparent;
pub use wire::Json;
pub use with_sender::with_sender;

use std::{borrow::Cow, collections::HashSet};

use serde::Serialize;

use crate::EmailId;

/// JSON that other programs have written, as each parser takes it: without a byte order mark, and with U+FFFD for half of a surrogate
/// pair. Text that is no JSON stays as it is.
///
/// # Errors
/// More lists and objects are in each other than are read.
pub fn strict(json: &[u8]) -> Result<Cow<'_, [u8]>, Invalid> {
    wire::prepare(json)
}

/// A valid email. Fields are in the order of the record's JSON: those that a list shows come first, because a list
/// reads only the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Email {
    /// Who sends it.
    pub from: Mailbox,
    /// Who gets it; 1 to 50.
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<Mailbox>,
    /// Who gets a copy that the others do not see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<Mailbox>,
    /// Where an answer goes, if not to `from`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reply_to: Vec<Mailbox>,
    /// The subject; empty for an email of the short form without one.
    pub subject: String,
    /// More header fields, in the order of the submission.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "header::as_map")]
    pub headers: Vec<Header>,
    /// Labels for the sender's own use; they are not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The body as plain text. With `None` the worker makes one from `html`; empty means that none is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body as HTML. There is always one of the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl Email {
    /// The JSON of the record: as a client could have sent it, without lane and time.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only a map with keys that are no strings, or a value that refuses, could fail; there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// All recipients (to, cc and bcc), each mailbox once, however its domain is spelled.
    #[must_use]
    pub fn recipients(&self) -> Vec<&Mailbox> {
        // As nearly all emails have it.
        if let ([only], [], []) = (&*self.to, &*self.cc, &*self.bcc) {
            return vec![only];
        }
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc);
        let mut known = HashSet::new();
        all.filter(|mailbox| known.insert((mailbox.address().user(), mailbox.ascii_domain()))).collect()
    }

    /// The value of the `Message-ID` field ([RFC 5322 section
    /// 3.6.4](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.4)): the client's, or one derived from the email's id.
    /// It is the same at each attempt, so that mailboxes can recognise a duplicate.
    #[must_use]
    pub fn message_id(&self, id: EmailId) -> String {
        match self.header("Message-ID") {
            Some(given) => given.trim_matches([' ', '\t']).to_owned(),
            None => format!("<{id}@{}>", self.from.ascii_domain()),
        }
    }

    /// The value of one of the client's own header fields, whose name is found in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value.as_str())
    }
}
