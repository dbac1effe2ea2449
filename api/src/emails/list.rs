use std::time::{Duration, Instant};

use email_queue::{
    EmailId,
    call::Redis,
    email::{Extent, Outline},
    query::{self, Cursor, Filter, Merged, MergedPage},
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

/// How long a request searches. The client goes on with the cursor that it gets.
const SEARCHES_FOR: Duration = Duration::from_millis(120);

/// `GET /emails`: emails of all shards, the newest first, page by page.
pub(crate) async fn list<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let settings = context.settings;
    let (page, filter) = page(context.parts.uri.query().unwrap_or_default())?;
    let shards = settings.shards_with_emails();
    let (mut listed, looked_at) = find(context, page, &filter).await?;
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
    Ok(json(StatusCode::OK, &List { object: "list", has_more: listed.has_more, data, looked_at, next }))
}

/// The emails of a page, and how many were looked at for it. A search is made in steps, until the page is full or its time is over.
async fn find<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    mut page: query::Page,
    filter: &Filter,
) -> Result<(MergedPage, u64), ApiError> {
    let shards = context.settings.shards_with_emails();
    let began = Instant::now();
    let (mut emails, mut looked_at) = (Vec::new(), 0);
    loop {
        let mut merged = Merged::new(page.limit, page.cursor);
        for shard in shards.all() {
            let queue = shards.queue(shard);
            let mut listed = if filter.is_any() {
                let listed = query::list(&queue, page).run(context.redis).await?;
                looked_at += listed.emails.len() as u64;
                listed
            } else {
                let found = query::search(&queue, page, filter).run(context.redis).await?;
                looked_at += found.looked_at;
                found.listed
            };
            listed.emails.retain(|(_, record)| filter.admits(record));
            merged.add(shard, listed);
        }
        let step = merged.page();
        page.limit -= step.emails.len().min(page.limit);
        let is_newer = matches!(page.cursor, Cursor::Before(_));
        // The newest first, whichever come later.
        let at = if is_newer { 0 } else { emails.len() };
        emails.splice(at..at, step.emails);
        let next = step.next.filter(|_| page.limit > 0 && !filter.is_any() && began.elapsed() < SEARCHES_FOR);
        match next {
            Some(next) if is_newer => page.cursor = Cursor::Before(next),
            Some(next) => page.cursor = Cursor::After(next),
            None => return Ok((MergedPage { emails, has_more: step.has_more, next: step.next }, looked_at)),
        }
    }
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
    /// How many emails were looked at.
    looked_at: u64,
    /// The cursor for the next page, if there is one. With a filter `data` may be short or empty, because a page scans a bounded
    /// number of emails.
    next: Option<String>,
}

fn page(query: &str) -> Result<(query::Page, Filter), ApiError> {
    const NAMES: [&str; 7] = ["status", "class", "lane", "to", "subject", "from_time", "to_time"];
    let mut page = Page::<EmailId>::default();
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if page.take(&name, &value, &NAMES)? {
            continue;
        }
        let invalid = |rule: &str| ApiError::invalid_parameter(&name, rule);
        match &*name {
            "status" => {
                let state = parse_state(&value).ok_or_else(|| invalid("it is the `last_event` of an email"))?;
                filter.state = Some(state);
            }
            "class" => {
                let class = value.parse().map_err(|_| invalid("it is the `error_class` of an email"))?;
                filter.class = Some(class);
            }
            "lane" => filter.lane = Some(value.parse().map_err(|()| invalid("it is `high`, `normal` or `low`"))?),
            "to" => filter.to = Some(words(&value).ok_or_else(|| invalid(WORDS_RULE))?),
            "subject" => filter.subject = Some(words(&value).ok_or_else(|| invalid(WORDS_RULE))?),
            "from_time" => filter.from_time = Some(value.parse().map_err(|_| invalid(TIME_RULE))?),
            "to_time" => filter.to_time = Some(value.parse().map_err(|_| invalid(TIME_RULE))?),
            _ => {}
        }
    }
    let cursor = match page.position {
        Position::First => Cursor::Newest,
        Position::After(id) => Cursor::After(id),
        Position::Before(id) => Cursor::Before(id),
    };
    Ok((query::Page { limit: page.limit, cursor, state: None }, filter))
}

const TIME_RULE: &str = "it is a time, such as `2026-12-01T09:00:00Z`";

const WORDS_RULE: &str = "it is 1 to 200 characters";

/// A text to look for.
fn words(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| (1..=200).contains(&text.chars().count()))
}

#[cfg(test)]
mod tests {
    use email_queue::State;

    use super::*;

    #[test]
    fn a_page_is_what_the_query_says() {
        let id = EmailId::new();
        assert_eq!(page("").unwrap().0.limit, 20);
        let query =
            format!("limit=100&after={id}&status=delivery_delayed&to=Ann&to_time=2026-12-01T09:00:00Z&utm_source=x");
        let (page, filter) = page(&query).unwrap();
        assert_eq!((page.limit, page.cursor, filter.state), (100, Cursor::After(id), Some(State::Delayed)));
        assert_eq!(
            (filter.to.as_deref(), filter.to_time.map(|time| time.as_second())),
            (Some("Ann"), Some(1_796_115_600))
        );
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
            "class=lost",
            "lane=urgent",
            "to=",
            "from_time=yesterday",
        ] {
            assert_eq!(page(query).unwrap_err().into_response().status(), 422, "{query}");
        }
    }
}
