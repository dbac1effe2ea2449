//! An email as it is shown: first what Resend's SDKs read, and behind it what only this server tells.

use email_queue::{
    Class, Email, EmailId, Lane, Record, State,
    email::{Mailbox, Tag},
};
use jiff::Timestamp;
use serde::Serialize;

/// One of a list.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    id: String,
    message_id: Option<String>,
    from: String,
    to: &'a [Mailbox],
    cc: &'a [Mailbox],
    bcc: &'a [Mailbox],
    reply_to: &'a [Mailbox],
    subject: &'a str,
    created_at: Timestamp,
    scheduled_at: Option<Timestamp>,
    last_event: &'static str,

    priority: Lane,
    attempts: u32,
    retry_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    last_error: Option<&'a str>,
    error_class: Option<&'static str>,
}

/// One on its own.
#[derive(Serialize)]
pub(super) struct Retrieved<'a> {
    object: &'static str,
    #[serde(flatten)]
    summary: Summary<'a>,
    html: Option<&'a str>,
    text: Option<&'a str>,
    tags: &'a [Tag],
}

impl<'a> Summary<'a> {
    /// Without an email where another program pushed what cannot be read as one: the record says so in `last_error`.
    pub(super) fn new(id: EmailId, record: &'a Record, email: Option<&'a Email>) -> Self {
        let due_in = |state| record.due.filter(|_| record.state == state);
        Self {
            id: id.to_string(),
            message_id: email.map(|email| email.message_id(id)),
            from: email.map(|email| email.from.to_string()).unwrap_or_default(),
            to: email.map_or(&[], |email| &email.to),
            cc: email.map_or(&[], |email| &email.cc),
            bcc: email.map_or(&[], |email| &email.bcc),
            reply_to: email.map_or(&[], |email| &email.reply_to),
            subject: email.map_or("", |email| &email.subject),
            created_at: record.created,
            scheduled_at: due_in(State::Scheduled),
            last_event: record.state.last_event(),
            priority: record.lane,
            attempts: record.attempts,
            retry_at: due_in(State::Delayed),
            finished_at: record.finished,
            last_error: record.error.as_deref(),
            error_class: record.class.map(Class::as_str),
        }
    }
}

impl<'a> Retrieved<'a> {
    pub(super) fn new(id: EmailId, record: &'a Record, email: Option<&'a Email>) -> Self {
        Self {
            object: "email",
            summary: Summary::new(id, record, email),
            html: email.and_then(|email| email.html.as_deref()),
            text: email.and_then(|email| email.text.as_deref()),
            tags: email.map_or(&[], |email| &email.tags),
        }
    }
}
