use email_queue::{
    EmailId,
    call::Redis,
    email::{Extent, Outline},
    query::{self, Cursor, Merged},
};
use http::StatusCode;
use serde::Serialize;

use super::{
    held,
    page::{Page, Position},
    sender,
    shape::Summary,
    status::parse_state,
};
use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// For how many records of a page the API reads more than the beginning, up to 1 MiB each, because the shown fields are further
/// behind. The API itself writes those fields first; other programs may not. Each takes 2 ms of Redis.
const FURTHER_READS: usize = 8;

/// `GET /emails`: emails of all shards, the newest first, page by page.
pub(crate) async fn list<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let settings = context.settings;
    let page = page(context.parts.uri.query().unwrap_or_default())?;
    let shards = settings.shards_with_emails();
    let mut merged = Merged::new(page.limit, page.cursor);
    for shard in shards.all() {
        merged.add(shard, query::list(&shards.queue(shard), page).run(context.redis).await?);
    }
    let mut listed = merged.page();
    held::explain(settings, context.redis, listed.emails.iter_mut().map(|(_, _, record)| record)).await?;
    let mut data = Vec::with_capacity(listed.emails.len());
    let mut sender = None;
    let mut further_reads = FURTHER_READS;
    for (shard, id, record) in &listed.emails {
        let (mut outline, mut extent) = Outline::read(&record.json);
        if extent == Extent::CutOff && !record.json.is_empty() && further_reads > 0 {
            further_reads -= 1;
            if let Some(more) = query::read_beginning(&shards.queue(*shard), *id).run(context.redis).await? {
                (outline, extent) = Outline::read(&more.json);
            }
        }
        // An outline that was cut off may lack the sender although the email has one.
        if extent == Extent::Enough && outline.from.is_none() {
            if sender.is_none() {
                sender = Some(sender::default(settings, context.redis).await?.to_string());
            }
            outline.from.clone_from(&sender);
        }
        data.push(Summary::new(*id, record, shown(outline, extent), extent));
    }
    let next = listed.next.map(|id| id.to_string());
    Ok(json(StatusCode::OK, &List { object: "list", has_more: listed.has_more, data, next }))
}

/// The outline to show, as for a single email: none for what is no email, or has no recipients. One that was cut off is shown as
/// far as it was read.
fn shown(outline: Outline, extent: Extent) -> Option<Outline> {
    match extent {
        Extent::NoEmail => None,
        Extent::Enough => Some(outline).filter(|outline| !outline.to.is_empty()),
        Extent::CutOff => Some(outline),
    }
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    has_more: bool,
    data: Vec<Summary<'a>>,
    /// The cursor for the next page, if there is one. With a filter `data` may be short or empty, because a page scans a bounded
    /// number of emails.
    next: Option<String>,
}

fn page(query: &str) -> Result<query::Page, ApiError> {
    let mut page = Page::<EmailId>::default();
    let mut state = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !page.take(&name, &value, &["status"])? && name == "status" {
            let rule = || ApiError::invalid_parameter("status", "it is the `last_event` of an email");
            state = Some(parse_state(&value).ok_or_else(rule)?);
        }
    }
    let cursor = match page.position {
        Position::First => Cursor::Newest,
        Position::After(id) => Cursor::After(id),
        Position::Before(id) => Cursor::Before(id),
    };
    Ok(query::Page { limit: page.limit, cursor, state })
}

#[cfg(test)]
mod tests {
    use email_queue::State;

    use super::*;

    #[test]
    fn a_page_is_what_the_query_says() {
        let id = EmailId::new();
        assert_eq!(page("").unwrap().limit, 20);
        let page = page(&format!("limit=100&after={id}&status=delivery_delayed&utm_source=x")).unwrap();
        assert_eq!((page.limit, page.cursor, page.state), (100, Cursor::After(id), Some(State::Delayed)));
    }

    #[test]
    fn a_query_that_cannot_be_is_refused() {
        let id = EmailId::new();
        let both = format!("after={id}&before={id}");
        for query in [
            "limit=0",
            "limit=101",
            "limit=many",
            "limit=-1",
            "after=x",
            &both,
            "status=lost",
            "status=",
            "Limit=1",
            "state=sent",
        ] {
            assert_eq!(page(query).unwrap_err().into_response().status(), 422, "{query}");
        }
    }
}
