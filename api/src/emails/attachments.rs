//! The attachments of an email: what each is, and a link that gives its bytes to whoever has it, for an hour.
//!
//! - [`list_attachments`], [`retrieve_attachment`]: what they are, for clients with a key;
//! - [`link`]: how a link is made and known again;
//! - [`origin`]: the server that it names;
//! - [`download`]: what a link leads to.

mod download;
mod link;
mod origin;

pub(crate) use download::download_attachment;

use std::ops::Range;

use email_queue::{
    AttachmentId, EmailId,
    call::Redis,
    email::{Attachment, Mailbox},
    query,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use self::link::{Link, Secret};
use super::page::{Page, Place};
use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
    settings::Settings,
};

/// `GET /emails/<id>/attachments`: the attachments of an email in their order, page by page.
pub(crate) async fn list_attachments<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let page = page(context.parts.uri.query().unwrap_or_default())?;
    let attachments = read(context.settings, context.redis, id).await?;
    let ids: Vec<_> = (0..attachments.len()).map(|place| AttachmentId::new(id, place)).collect();
    let (places, has_more) = part(&page, &ids)?;
    let links = Links::new(context).await?;
    let shown = ids.into_iter().zip(&attachments).skip(places.start).take(places.len());
    let data = shown.map(|(attachment_id, attachment)| Item::new(id, attachment_id, attachment, &links)).collect();
    Ok(json(StatusCode::OK, &List { object: "list", has_more, data }))
}

/// `GET /emails/<id>/attachments/<attachment id>`: one attachment.
pub(crate) async fn retrieve_attachment<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
    attachment_id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let attachment_id: AttachmentId = attachment_id.parse().map_err(ApiError::invalid_id)?;
    let attachments = read(context.settings, context.redis, id).await?;
    let attachment = find(attachments, id, attachment_id)?;
    let links = Links::new(context).await?;
    let item = Item::new(id, attachment_id, &attachment, &links);
    Ok(json(StatusCode::OK, &Retrieved { object: "attachment", item }))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    has_more: bool,
    data: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Retrieved<'a> {
    object: &'static str,
    #[serde(flatten)]
    item: Item<'a>,
}

/// One attachment without its bytes.
#[derive(Serialize)]
struct Item<'a> {
    id: String,
    filename: Option<&'a str>,
    size: usize,
    content_type: &'a str,
    content_disposition: &'static str,
    content_id: Option<&'a str>,
    download_url: String,
    expires_at: Timestamp,
}

impl<'a> Item<'a> {
    fn new(email: EmailId, id: AttachmentId, attachment: &'a Attachment, links: &Links) -> Self {
        let link = Link { email, attachment: id, expires: links.expires };
        Self {
            id: id.to_string(),
            filename: attachment.filename.as_deref(),
            size: attachment.content.len(),
            content_type: &attachment.content_type,
            content_disposition: if attachment.content_id.is_some() { "inline" } else { "attachment" },
            content_id: attachment.content_id.as_deref(),
            download_url: format!("{}{}", links.origin, link.path(&links.secret)),
            expires_at: link.expires,
        }
    }
}

/// What all links of an answer have in common.
struct Links {
    origin: String,
    secret: Secret,
    expires: Timestamp,
}

impl Links {
    async fn new<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Self, ApiError> {
        Ok(Self {
            origin: origin::of(&context.parts.headers)?,
            secret: Secret::of(&context.settings.queue, context.redis).await?,
            expires: link::expiry(Timestamp::now()),
        })
    }
}

/// The attachments of an email; none of one that another program pushed and that cannot be read.
async fn read<R: Redis<Error: Failure>>(
    settings: &Settings,
    redis: &R,
    id: EmailId,
) -> Result<Vec<Attachment>, ApiError> {
    let record = query::read(&settings.queue, id).run(redis).await?.ok_or_else(ApiError::unknown_email)?;
    if record.removed.is_some() {
        return Err(ApiError::content_removed());
    }
    let submission = record.submission(&Mailbox::built_in_sender());
    Ok(submission.map(|submission| submission.email.attachments).unwrap_or_default())
}

fn find(attachments: Vec<Attachment>, email: EmailId, id: AttachmentId) -> Result<Attachment, ApiError> {
    let mut known = attachments.into_iter().enumerate();
    let found = known.find(|(place, _)| AttachmentId::new(email, *place) == id);
    found.map(|(_, attachment)| attachment).ok_or_else(ApiError::unknown_attachment)
}

fn page(query: &str) -> Result<Page<AttachmentId>, ApiError> {
    let mut page = Page::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        page.take(&name, &value, &[])?;
    }
    Ok(page)
}

/// The places of a page among all attachments, and whether more follow in the direction of its cursor.
fn part(page: &Page<AttachmentId>, ids: &[AttachmentId]) -> Result<(Range<usize>, bool), ApiError> {
    let place_of = |cursor: AttachmentId, name| {
        let unknown = || ApiError::invalid_parameter(name, "the email has no attachment with this id");
        ids.iter().position(|id| *id == cursor).ok_or_else(unknown)
    };
    let forward = |start: usize| {
        let end = ids.len().min(start + page.limit);
        (start..end, end < ids.len())
    };
    Ok(match page.place {
        Place::First => forward(0),
        Place::After(cursor) => forward(place_of(cursor, "after")? + 1),
        Place::Before(cursor) => {
            let end = place_of(cursor, "before")?;
            let start = end.saturating_sub(page.limit);
            (start..end, start > 0)
        }
    })
}

#[cfg(test)]
mod tests;
