//! What Redis knows of one email.

use jiff::Timestamp;

use crate::{
    Email, EmailId, Lane, Queue, State, Submission,
    email::Mailbox,
    redis::{Answer, Call, UnexpectedAnswer},
};

/// The record of an email.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How far it has come.
    pub state: State,
    /// How urgent it is.
    pub lane: Lane,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it is to be sent, or tried again; only while it waits for that.
    pub due: Option<Timestamp>,
    /// When it was sent or given up.
    pub finished: Option<Timestamp>,
    /// How many attempts have been made.
    pub attempts: u32,
    /// Why the last attempt did not succeed.
    pub error: Option<String>,
    /// The email as JSON.
    pub json: Vec<u8>,
}

impl Record {
    /// The email, unless some other program pushed what is none. `default_from` is for one that such a program pushed
    /// without a sender.
    #[must_use]
    pub fn email(&self, default_from: Option<&Mailbox>) -> Option<Email> {
        Submission::from_list(&self.json, default_from, self.created).ok().map(|submission| submission.email)
    }
}

/// Reads the record of an email; `None` when there is none with that id, or none any more.
pub fn read(queue: &Queue, id: EmailId) -> Call<Option<Record>> {
    let call = Call::plain("HMGET", record).argument(queue.record(id));
    FIELDS.into_iter().fold(call, Call::argument)
}

/// The fields of the hash that make a [`Record`], in the order in which [`record`] reads them.
pub(crate) const FIELDS: [&str; 8] = ["state", "lane", "created", "due", "finished", "attempts", "error", "email"];

pub(crate) fn record(answer: &mut Answer) -> Result<Option<Record>, UnexpectedAnswer> {
    let Some(state) = answer.optional()? else {
        for _ in &FIELDS[1..] {
            answer.next()?;
        }
        return Ok(None);
    };
    Ok(Some(Record {
        state,
        lane: answer.optional()?.unwrap_or_default(),
        created: timestamp(answer)?.ok_or(UnexpectedAnswer)?,
        due: timestamp(answer)?,
        finished: timestamp(answer)?,
        attempts: answer.optional()?.unwrap_or(0),
        error: answer.optional_text()?,
        json: answer.bytes()?,
    }))
}

fn timestamp(answer: &mut Answer) -> Result<Option<Timestamp>, UnexpectedAnswer> {
    answer.optional()?.map(Timestamp::from_millisecond).transpose().map_err(|_| UnexpectedAnswer)
}
