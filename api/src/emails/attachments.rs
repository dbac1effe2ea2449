//! The attachments of an email: their descriptions, and links to their bytes, which need no key for an hour.
//!
//! - [`list_attachments`], [`retrieve_attachment`]: the descriptions;
//! - [`link`]: signed links; [`origin`]: the server in them;
//! - [`download`]: the bytes.

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
use super::{
    find,
    page::{Page, Position},
};
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
    let ids: Vec<_> = (0..attachments.len()).map(|index| AttachmentId::new(id, index)).collect();
    let (range, has_more) = range(&page, &ids)?;
    let links = Links::new(context).await?;
    let shown = ids.into_iter().zip(&attachments).skip(range.start).take(range.len());
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

/// What the links of an answer have in common.
struct Links {
    origin: String,
    secret: Secret,
    expires: Timestamp,
}

impl Links {
    async fn new<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Self, ApiError> {
        Ok(Self {
            origin: origin::of(&context.parts.headers, context.client)?,
            secret: Secret::of(context.settings.shards.first(), context.redis).await?,
            expires: link::expiry(Timestamp::now()),
        })
    }
}

/// The attachments of an email; none if another program pushed it and it is unreadable.
async fn read<R: Redis<Error: Failure>>(
    settings: &Settings,
    redis: &R,
    id: EmailId,
) -> Result<Vec<Attachment>, ApiError> {
    let record = find::find(settings, id, async |queue| query::read(queue, id).run(redis).await).await?;
    let record = record.ok_or_else(ApiError::unknown_email)?;
    if record.removed.is_some() {
        return Err(ApiError::content_removed());
    }
    let submission = record.submission(&Mailbox::built_in_sender());
    Ok(submission.map(|submission| submission.email.attachments).unwrap_or_default())
}

fn find(attachments: Vec<Attachment>, email: EmailId, id: AttachmentId) -> Result<Attachment, ApiError> {
    let mut attachments = attachments.into_iter().enumerate();
    let found = attachments.find(|(index, _)| AttachmentId::new(email, *index) == id);
    found.map(|(_, attachment)| attachment).ok_or_else(ApiError::unknown_attachment)
}

fn page(query: &str) -> Result<Page<AttachmentId>, ApiError> {
    let mut page = Page::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        page.take(&name, &value, &[])?;
    }
    Ok(page)
}

/// The range of a page among all attachments, and whether more follow in the direction of its cursor.
fn range(page: &Page<AttachmentId>, ids: &[AttachmentId]) -> Result<(Range<usize>, bool), ApiError> {
    let index_of = |cursor: AttachmentId, name| {
        let unknown = || ApiError::invalid_parameter(name, "the email has no attachment with this id");
        ids.iter().position(|id| *id == cursor).ok_or_else(unknown)
    };
    let forward = |start: usize| {
        let end = ids.len().min(start + page.limit);
        (start..end, end < ids.len())
    };
    Ok(match page.position {
        Position::First => forward(0),
        Position::After(cursor) => forward(index_of(cursor, "after")? + 1),
        Position::Before(cursor) => {
            let end = index_of(cursor, "before")?;
            let start = end.saturating_sub(page.limit);
            (start..end, start > 0)
        }
    })
}

#[cfg(test)]
mod tests;
