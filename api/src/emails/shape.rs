//! The JSON of an email: the fields that Resend's SDKs read, and behind them those of this server alone.

use std::collections::BTreeMap;

use email_queue::{
    Class, Email, EmailId, Lane, Record, State,
    email::{Extent, Outline, Tag},
};
use jiff::Timestamp;
use serde::Serialize;

/// The sender, recipient and subject of what is no email, or was not read so far: SDKs need some text there.
const UNREADABLE: &str = "(unreadable)";

/// The subject of an email without one, as mail programs show it.
const NO_SUBJECT: &str = "(no subject)";

/// An email in a list.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    id: String,
    message_id: Option<String>,
    from: String,
    to: Vec<String>,
    cc: Vec<String>,
    bcc: Vec<String>,
    reply_to: Vec<String>,
    subject: String,
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

/// A single email.
#[derive(Serialize)]
pub(super) struct Retrieved<'a> {
    object: &'static str,
    #[serde(flatten)]
    summary: Summary<'a>,
    html: Option<&'a str>,
    text: Option<&'a str>,
    tags: &'a [Tag],

    /// The client's own header fields.
    headers: BTreeMap<&'a str, &'a str>,

    /// Present if its texts and files were removed to make room: `html` and `text` are then empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_removed: Option<bool>,

    /// Who has got it already, while others have not; left out if nobody has, and once it is sent to all.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sent_to: &'a [String],
}

impl<'a> Summary<'a> {
    /// `outline` is `None` if another program pushed something that is no email; `last_error` then says so. If `extent` says that
    /// the record was cut off, fields that the outline lacks are unknown.
    pub(super) fn new(id: EmailId, record: &'a Record, outline: Option<Outline>, extent: Extent) -> Self {
        let due_in = |state| record.due.filter(|_| record.state == state);
        let is_cut_off = extent == Extent::CutOff;
        let stand_in = if outline.is_some() && !is_cut_off { NO_SUBJECT } else { UNREADABLE };
        let outline = outline.unwrap_or_default();
        let message_id = outline.message_id(id).filter(|_| !is_cut_off);
        let subject = outline.subject.filter(|subject| !subject.is_empty());
        Self {
            id: id.to_string(),
            message_id,
            from: outline.from.unwrap_or_else(|| UNREADABLE.to_owned()),
            to: if outline.to.is_empty() { vec![UNREADABLE.to_owned()] } else { outline.to },
            cc: outline.cc,
            bcc: outline.bcc,
            reply_to: outline.reply_to,
            subject: subject.unwrap_or_else(|| stand_in.to_owned()),
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
    pub(super) fn new(id: EmailId, record: &'a Record, outline: Option<Outline>, email: Option<&'a Email>) -> Self {
        Self {
            object: "email",
            summary: Summary::new(id, record, outline, Extent::Enough),
            html: email.and_then(|email| email.html.as_deref()),
            text: email.and_then(|email| email.text.as_deref()),
            tags: email.map_or(&[], |email| &email.tags),
            headers: email
                .iter()
                .flat_map(|email| &email.headers)
                .map(|header| (&*header.name, &*header.value))
                .collect(),
            content_removed: record.removed.map(|_| true),
            sent_to: &record.served,
        }
    }
}
