use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    Attachment, Email, Header, Invalid, InvalidKind, Json, Mailbox, Tag, due,
    limits::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_HEADERS, MAX_RECIPIENTS, MAX_SUBJECT, MAX_TAGS},
    mailbox_list,
    origin::Origin,
    schedule::{self, InvalidTime},
    traceparent, wire,
};
use crate::Lane;

/// An email as submitted by a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The email.
    pub email: Email,
    /// How urgent it is.
    pub lane: Lane,
    /// Not before this time; `None` for at once.
    pub scheduled_at: Option<Timestamp>,
    /// Whether the client named a sender. If not, the sender of `email` is a default.
    pub names_sender: bool,
    /// The first few unknown field names, which were ignored.
    pub unknown_fields: Vec<String>,
    /// Whether the worker chooses the sender.
    is_open: bool,
    /// The time as it was written.
    time: Option<String>,
}

impl Submission {
    /// Reads a client's JSON, in the full form (`from`, `to`, `subject`, `html` …) or the short one
    /// (`{"to": …, "message": …}`). Without `from` the sender is `default_from`; in the short form, if there is no
    /// default either, the worker chooses the sender. Times such as `in 2 hours` are relative to `now`.
    ///
    /// # Errors
    /// The first field that violates a rule, and the rule. A time in the past, or more than 30 days ahead, is invalid.
    pub fn from_request(json: &[u8], default_from: Option<&Mailbox>, now: Timestamp) -> Result<Self, Invalid> {
        let submission = read(json.into(), default_from, Origin::Request)?;
        let scheduled_at = submission
            .time
            .as_deref()
            .map(|text| schedule::parse(text, now).and_then(|time| schedule::check(time, now)))
            .transpose()
            .map_err(|error| Invalid::value("scheduled_at", error.to_string()))?;
        Ok(Self { scheduled_at, ..submission })
    }

    /// Reads a record, listed at `listed`: the output of [`Email::to_json`], or JSON that another program has pushed.
    /// The same rules apply, except that a time may be past, and that everything an earlier version accepted is still
    /// valid. Without `from` the sender is `default_from`; if there is no default either, the worker chooses the sender.
    ///
    /// # Errors
    /// As [`from_request`](Self::from_request).
    pub fn from_list<'j>(
        json: impl Into<Json<'j>>,
        default_from: Option<&Mailbox>,
        listed: Timestamp,
    ) -> Result<Self, Invalid> {
        let submission = read(json.into(), default_from, Origin::List)?;
        let scheduled_at = submission
            .time
            .as_deref()
            .map(|text| schedule::parse(text, listed))
            .transpose()
            .map_err(|error| Invalid::value("scheduled_at", error.to_string()))?;
        Ok(Self { scheduled_at, ..submission })
    }

    /// Reads JSON that another program has pushed, at its first attempt, listed at `now`. All rules for clients apply,
    /// except that a past time is ignored.
    ///
    /// # Errors
    /// As [`from_request`](Self::from_request).
    pub fn from_program<'j>(
        json: impl Into<Json<'j>>,
        default_from: Option<&Mailbox>,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        let submission = Self::from_list(json, default_from, now)?;
        match submission.scheduled_at.map(|time| schedule::check(time, now)) {
            Some(Err(InvalidTime::Past)) => Ok(Self { scheduled_at: None, ..submission }),
            Some(Err(error)) => Err(Invalid::value("scheduled_at", error.to_string())),
            Some(Ok(_)) | None => Ok(submission),
        }
    }

    /// The JSON for the record: [`Email::to_json`], without a sender if the client named none and there was no default.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = self.email.to_json();
        if self.is_open {
            // The sender is the first field.
            let sender = serde_json::to_vec(&self.email.from).unwrap_or_default().len();
            json.drain(1..br#"{"from":"#.len() + sender + 1);
        }
        json
    }

    /// A digest of the request, to recognise a repetition. The order of `headers` does not matter, because some clients
    /// shuffle it. A time counts as written, because `in 1 hour` means another time later. The sender counts only if the client
    /// named one, because the default may change.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut email = self.email.clone();
        if !self.names_sender {
            email.from = Mailbox::built_in_sender();
        }
        email.headers.sort_by(|one, other| one.name.cmp(&other.name));
        Sha256::new()
            .chain_update(self.lane.as_str())
            .chain_update([0])
            .chain_update(self.time.as_deref().unwrap_or_default())
            .chain_update([0])
            .chain_update(email.to_json())
            .finalize()
            .into()
    }
}

/// Everything but the time, which is left as it is written.
pub(super) fn read(json: Json<'_>, default_from: Option<&Mailbox>, origin: Origin) -> Result<Submission, Invalid> {
    let wire::Object { value: wire, misspelt, unknown: mut unknown_fields } = wire::read_submission(json)?;
    if origin == Origin::List {
        unknown_fields
            .retain(|field| field != traceparent::FIELD && (field != due::FIELD || due::due_of(json.text).is_none()));
    }
    // Pushed entries are not refused for this, because no client would get the error.
    if let (Some(misspelt), Origin::Request) = (misspelt, origin) {
        return Err(misspelt.into());
    }
    for (field, used) in [("template", wire.template), ("topic_id", wire.topic_id)] {
        if used.is_some_and(|wire::Given(used)| used) {
            let reason = "this server does not serve it; nothing was sent".to_owned();
            return Err(Invalid { kind: InvalidKind::NotServed, field: field.to_owned(), reason });
        }
    }
    let short_form = wire.message.is_some();
    let message = given(wire.message);
    let from = given(wire.from);
    let names_sender = from.is_some();
    let is_open = !names_sender && default_from.is_none();
    let from = match from {
        Some(from) => mailbox("from", &from)?,
        None => match default_from {
            Some(default) => default.clone(),
            None if short_form || origin == Origin::List => Mailbox::built_in_sender(),
            None => {
                return Err(Invalid::missing(
                    "from",
                    "it may be left out only next to `message`, as there is no default",
                ));
            }
        },
    };
    let to_field = if wire.to.is_none() && wire.recipient.is_some() { "recipient" } else { "to" };
    let to = one_of(("to", named(wire.to)), ("recipient", named(wire.recipient)))?;
    let (to_field, to) = to.ok_or_else(|| Invalid::missing(to_field, "an email needs a recipient"))?;
    let to = mailboxes(to_field, Some(to))?;
    let subject = match wire.subject {
        Some(subject) => subject,
        None if short_form => String::new(),
        None => return Err(Invalid::missing("subject", "it may be left out only next to `message`")),
    };
    check_subject(&subject)?;
    let is_blank = origin == Origin::List && (wire.text.is_some() || wire.html.is_some() || short_form);
    let html = given(wire.html);
    // An empty text beside HTML means that no text part is wanted.
    let text = wire.text.filter(|text| !text.is_empty() || html.is_some() && message.is_none());
    let text = one_of(("text", text), ("message", message))?.map(|(_, text)| text);
    // An earlier version accepted emails without content.
    let text = if is_blank && html.is_none() { text.or_else(|| Some(String::new())) } else { text };
    if text.is_none() && html.is_none() {
        return Err(Invalid::missing("html", "an email needs `html`, `text` or `message`"));
    }
    let mut reply_to = mailboxes("reply_to", wire.reply_to)?;
    let headers = headers(wire.headers, origin)?;
    let headers = without_reply_to(headers, &mut reply_to)?;
    let email = Email {
        from,
        to,
        cc: mailboxes("cc", wire.cc)?,
        bcc: mailboxes("bcc", wire.bcc)?,
        reply_to,
        subject,
        text,
        html,
        headers,
        tags: checked("tags", wire.tags.map(|tags| wire::AtMost::<MAX_TAGS, _>(tags.0)), Tag::check)?,
        attachments: attachments(wire.attachments, origin)?,
    };
    let (lane, time) = (lane(given(wire.priority))?, given(wire.scheduled_at));
    Ok(Submission { email, lane, scheduled_at: None, names_sender, unknown_fields, is_open, time })
}

/// An empty text is none: clients send it for what a form left empty.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn named(texts: Option<wire::Strings>) -> Option<wire::Strings> {
    texts.filter(|texts| !texts.0.is_empty())
}

/// Two names for one field: either may be used, but not both.
fn one_of<T>(
    (name, value): (&'static str, Option<T>),
    (other_name, other): (&'static str, Option<T>),
) -> Result<Option<(&'static str, T)>, Invalid> {
    match (value, other) {
        (Some(_), Some(_)) => {
            Err(Invalid::value(other_name, format!("it means the same as `{name}`; give one of them")))
        }
        (Some(value), None) => Ok(Some((name, value))),
        (None, other) => Ok(other.map(|value| (other_name, value))),
    }
}

fn mailbox(field: &str, text: &str) -> Result<Mailbox, Invalid> {
    text.parse().map_err(|error: super::InvalidMailbox| Invalid::value(field, error.to_string()))
}

fn mailboxes(field: &str, texts: Option<wire::Strings>) -> Result<Vec<Mailbox>, Invalid> {
    let texts = texts.map(|texts| texts.0).unwrap_or_default();
    if texts.len() > MAX_RECIPIENTS {
        return Err(Invalid::value(field, format!("{MAX_RECIPIENTS} addresses at the most")));
    }
    match texts.as_slice() {
        [text] => Ok(vec![mailbox(field, text)?]),
        texts => texts.iter().enumerate().map(|(i, text)| mailbox(&format!("{field}[{i}]"), text)).collect(),
    }
}

fn lane(priority: Option<String>) -> Result<Lane, Invalid> {
    let Some(priority) = priority else { return Ok(Lane::default()) };
    priority.parse().map_err(|()| Invalid::value("priority", "expected `high`, `normal` or `low`"))
}

fn check_subject(subject: &str) -> Result<(), Invalid> {
    if subject.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Invalid::value("subject", "line breaks and other control characters are not allowed"));
    }
    if subject.chars().count() > MAX_SUBJECT {
        return Err(Invalid::value("subject", format!("{MAX_SUBJECT} characters at the most")));
    }
    Ok(())
}

fn headers(headers: Option<wire::Headers>, origin: Origin) -> Result<Vec<Header>, Invalid> {
    let headers = headers.map(|headers| headers.0).unwrap_or_default();
    if headers.len() > MAX_HEADERS {
        return Err(Invalid::value("headers", format!("{MAX_HEADERS} at the most")));
    }
    headers.into_iter().try_fold(Vec::new(), |mut checked, (name, value)| {
        checked.push(Header { name, value }.check(&checked, origin)?);
        Ok(checked)
    })
}

/// `Reply-To` among the headers means `reply_to`. Some clients give both, which is no mistake if they say the same.
fn without_reply_to(mut headers: Vec<Header>, reply_to: &mut Vec<Mailbox>) -> Result<Vec<Header>, Invalid> {
    let Some(place) = headers.iter().position(|header| header.name.eq_ignore_ascii_case("reply-to")) else {
        return Ok(headers);
    };
    let header = headers.remove(place);
    let field = format!("headers.{}", header.name);
    let given = mailbox_list::parse(&header.value).map_err(|error| Invalid::value(&field, error.to_string()))?;
    if reply_to.is_empty() {
        if given.len() > MAX_RECIPIENTS {
            return Err(Invalid::value(field, format!("{MAX_RECIPIENTS} addresses at the most")));
        }
        *reply_to = given;
    } else if !given.iter().map(Mailbox::address).eq(reply_to.iter().map(Mailbox::address)) {
        return Err(Invalid::value(field, "it names others than `reply_to`; give one of them"));
    }
    Ok(headers)
}

fn attachments(
    attachments: Option<wire::AtMost<MAX_ATTACHMENTS, wire::Object<wire::Attachment>>>,
    origin: Origin,
) -> Result<Vec<Attachment>, Invalid> {
    let attachments = checked("attachments", attachments, |file, place| {
        if let (Some(misspelt), Origin::Request) = (file.misspelt, origin) {
            let invalid = Invalid::from(misspelt);
            return Err(Invalid { field: format!("attachments[{place}].{}", invalid.field), ..invalid });
        }
        Attachment::check(file.value, place, origin)
    })?;
    if attachments.iter().map(|attachment| attachment.content.len()).sum::<usize>() > MAX_ATTACHMENT_BYTES {
        return Err(Invalid::value("attachments", format!("{MAX_ATTACHMENT_BYTES} bytes at the most, all together")));
    }
    Ok(attachments)
}

fn checked<const MAX: usize, T, C>(
    field: &str,
    items: Option<wire::AtMost<MAX, T>>,
    check: impl Fn(T, usize) -> Result<C, Invalid>,
) -> Result<Vec<C>, Invalid> {
    let items = items.map(|items| items.0).unwrap_or_default();
    if items.len() > MAX {
        return Err(Invalid::value(field, format!("{MAX} at the most")));
    }
    items.into_iter().enumerate().map(|(place, item)| check(item, place)).collect()
}

#[cfg(test)]
#[path = "submission_tests.rs"]
mod tests;
