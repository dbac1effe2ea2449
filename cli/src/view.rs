//! An email as JSON, with the names that the HTTP API has for its fields.

use std::borrow::Cow;

use email_queue::{
    Class, EmailId, Record, State,
    email::{self, Extent, Outline, Traceparent},
    query::Entry,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

/// What a list shows of an email.
#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) last_event: &'static str,
    pub(crate) priority: &'static str,
    /// ISO 8601, as all times.
    pub(crate) created_at: String,
    pub(crate) scheduled_at: Option<String>,
    pub(crate) retry_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) error_class: Option<&'static str>,
    pub(crate) last_error: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) reply_to: Vec<String>,
    pub(crate) subject: Option<String>,
}

/// All that there is of an email.
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    pub(crate) object: &'static str,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// How many bytes of texts and attachments were removed to make room.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_bytes: Option<u64>,
    /// The recipients that have got it by an attempt that failed for others.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sent_to: &'a [String],
    /// The trace that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// The email as it is stored, if it is JSON; as JSON that each parser takes.
    email: Option<Cow<'a, RawValue>>,
    /// What is stored in the place of an email, if that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    /// What has happened to it, the oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<Value>>,
}

impl Summary {
    pub(crate) fn new(id: EmailId, record: &Record) -> Self {
        let (outline, extent) = Outline::read(&record.json);
        let outline = if extent == Extent::NoEmail { Outline::default() } else { outline };
        let due_in = |state| record.due.filter(|_| record.state == state).map(iso);
        Self {
            id: id.to_string(),
            state: record.state.as_str(),
            last_event: record.state.last_event(),
            priority: record.lane.as_str(),
            created_at: iso(record.created),
            scheduled_at: due_in(State::Scheduled),
            retry_at: due_in(State::Delayed),
            finished_at: record.finished.map(iso),
            attempts: record.attempts,
            error_class: record.class.map(Class::as_str),
            last_error: record.error.clone(),
            from: outline.from,
            to: outline.to,
            cc: outline.cc,
            bcc: outline.bcc,
            reply_to: outline.reply_to,
            subject: outline.subject,
        }
    }

    /// The recipients, as far as they fit in a column: the first one, and how many others there are.
    pub(crate) fn recipients(&self) -> String {
        let count = self.to.len() + self.cc.len() + self.bcc.len();
        match self.to.first() {
            None => String::new(),
            Some(first) if count == 1 => first.clone(),
            Some(first) => format!("{first} +{}", count - 1),
        }
    }
}

impl<'a> Whole<'a> {
    pub(crate) fn new(id: EmailId, record: &'a Record) -> Self {
        let json = email::strict(&record.json);
        let traceparent = json.as_deref().ok().and_then(Traceparent::of).map(|trace| trace.to_string());
        let email = match json {
            Ok(json) => raw_email(json, traceparent.as_deref()),
            Err(_) => None,
        };
        Self {
            object: "email",
            summary: Summary::new(id, record),
            removed_bytes: record.removed,
            sent_to: &record.served,
            traceparent,
            raw: email.is_none().then(|| String::from_utf8_lossy(&record.json).into_owned()),
            email,
            timeline: None,
        }
    }

    pub(crate) fn with_timeline(id: EmailId, record: &'a Record, timeline: &[Entry]) -> Self {
        Self { timeline: Some(timeline.iter().map(entry).collect()), ..Self::new(id, record) }
    }
}

/// The email in the JSON of a record: without the time and the trace that the queue writes at its end. `None` if it is no JSON.
fn raw_email<'a>(json: Cow<'a, [u8]>, traceparent: Option<&str>) -> Option<Cow<'a, RawValue>> {
    let mut fields =
        email::split_due(&json).map_or_else(|| json.strip_suffix(b"}").unwrap_or(&json), |(fields, _)| fields);
    if let Some(traceparent) = traceparent {
        let field = format!(r#","traceparent":"{traceparent}""#);
        fields = fields.strip_suffix(field.as_bytes()).unwrap_or(fields);
    }
    if fields.len() + 1 < json.len() {
        let email = [fields, b"}"].concat();
        return serde_json::from_slice(&email).ok().map(Cow::Owned);
    }
    match json {
        Cow::Borrowed(json) => serde_json::from_slice(json).ok().map(Cow::Borrowed),
        Cow::Owned(json) => serde_json::from_slice(&json).ok().map(Cow::Owned),
    }
}

/// As the API has it.
fn entry(entry: &Entry) -> Value {
    json!({
        "at": iso(entry.at),
        "event": entry.event.as_str(),
        "attempt": entry.attempt,
        "worker": entry.worker,
        "class": entry.class.map(Class::as_str),
        "answer": entry.answer,
        "duration_ms": entry.took.map(|took| took.as_millis()),
        "relay": entry.relay,
    })
}

/// As the API writes times.
pub(crate) fn iso(time: Timestamp) -> String {
    time.to_string()
}
