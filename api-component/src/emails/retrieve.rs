use std::fmt::Display;

use email_queue::{
    Email, EmailId, Lane, State,
    email::{Mailbox, Tag},
    record::{self, Record},
    redis::Redis,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    body::{Response, json},
    error::ApiError,
    settings::Settings,
};

/// `GET /emails/<id>`: an email, and how far it has come.
pub(crate) async fn retrieve<R: Redis<Error: Display>>(
    id: &str,
    settings: &Settings,
    redis: &R,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let record = record::read(&settings.queue, id).run(redis).await?.ok_or_else(ApiError::unknown_email)?;
    let email = record.email(settings.default_from.as_ref());
    Ok(json(StatusCode::OK, &Retrieved::new(id, &record, email.as_ref())))
}

/// An email as Resend's SDKs read it, and behind it what only this server tells.
#[derive(Serialize)]
struct Retrieved<'a> {
    object: &'static str,
    id: String,
    message_id: Option<String>,
    from: String,
    to: &'a [Mailbox],
    cc: &'a [Mailbox],
    bcc: &'a [Mailbox],
    reply_to: &'a [Mailbox],
    subject: &'a str,
    html: Option<&'a str>,
    text: Option<&'a str>,
    tags: &'a [Tag],
    created_at: Timestamp,
    scheduled_at: Option<Timestamp>,
    last_event: &'static str,

    priority: Lane,
    attempts: u32,
    retry_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    last_error: Option<&'a str>,
}

impl<'a> Retrieved<'a> {
    /// Without an email where another program pushed what cannot be read as one: the record says so in `last_error`.
    fn new(id: EmailId, record: &'a Record, email: Option<&'a Email>) -> Self {
        let due_in = |state| record.due.filter(|_| record.state == state);
        Self {
            object: "email",
            id: id.to_string(),
            message_id: email.map(|email| email.message_id(id)),
            from: email.map(|email| email.from.to_string()).unwrap_or_default(),
            to: email.map_or(&[], |email| &email.to),
            cc: email.map_or(&[], |email| &email.cc),
            bcc: email.map_or(&[], |email| &email.bcc),
            reply_to: email.map_or(&[], |email| &email.reply_to),
            subject: email.map_or("", |email| &email.subject),
            html: email.and_then(|email| email.html.as_deref()),
            text: email.and_then(|email| email.text.as_deref()),
            tags: email.map_or(&[], |email| &email.tags),
            created_at: record.created,
            scheduled_at: due_in(State::Scheduled),
            last_event: record.state.last_event(),
            priority: record.lane,
            attempts: record.attempts,
            retry_at: due_in(State::Delayed),
            finished_at: record.finished,
            last_error: record.error.as_deref(),
        }
    }
}
