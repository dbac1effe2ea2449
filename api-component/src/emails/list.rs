use std::fmt::Display;

use email_queue::{
    EmailId, State,
    redis::Redis,
    transition::{self, Cursor},
};
use http::StatusCode;
use serde::Serialize;

use super::{
    page::{Page, Place},
    shape::Summary,
};
use crate::{
    body::{Response, json},
    error::ApiError,
    router::Context,
};

/// `GET /emails`: emails, the newest first, page by page.
pub(crate) async fn list<R: Redis<Error: Display>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let settings = context.settings;
    let page = page(context.parts.uri.query().unwrap_or_default())?;
    let listed = transition::list(&settings.queue, page).run(context.redis).await?;
    let emails: Vec<_> =
        listed.emails.iter().map(|(id, record)| (*id, record, record.email(settings.default_from.as_ref()))).collect();
    let data = emails.iter().map(|(id, record, email)| Summary::new(*id, record, email.as_ref())).collect();
    let next = listed.next.map(|id| id.to_string());
    Ok(json(StatusCode::OK, &List { object: "list", has_more: listed.has_more, data, next }))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    has_more: bool,
    data: Vec<Summary<'a>>,
    /// The cursor for the next page. It is needed only where `data` is empty and there is more, which a filter can cause.
    next: Option<String>,
}

fn page(query: &str) -> Result<transition::Page, ApiError> {
    let mut page = Page::<EmailId>::default();
    let mut wanted = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !page.take(&name, &value, &["status"])? && name == "status" {
            let rule = || ApiError::invalid_parameter("status", "it is the `last_event` of an email");
            wanted = Some(state(&value).ok_or_else(rule)?);
        }
    }
    let cursor = match page.place {
        Place::First => Cursor::Newest,
        Place::After(id) => Cursor::After(id),
        Place::Before(id) => Cursor::Before(id),
    };
    Ok(transition::Page { limit: page.limit, cursor, state: wanted })
}

/// A state by the word in which answers show it, or by its own.
fn state(word: &str) -> Option<State> {
    if word == State::Delayed.last_event() { Some(State::Delayed) } else { word.parse().ok() }
}

#[cfg(test)]
mod tests {
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
