use email_queue::{
    Class, EmailId, Lane,
    call::Redis,
    query::{self, Action, Reason},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

#[derive(Serialize)]
struct Why {
    object: &'static str,
    id: String,
    state: &'static str,
    reason: &'static str,
    sentence: String,
    action: Option<&'static str>,
    way_out: Option<String>,
    also: Vec<&'static str>,
    lane: Lane,
    place: Option<u64>,
    due_at: Option<Timestamp>,
    until: Option<Timestamp>,
    relay: Option<String>,
    class: Option<&'static str>,
    worker: Option<String>,
    since: Option<Timestamp>,
    estimated_at: Option<Timestamp>,
    estimated_ms: Option<u64>,
}

/// `GET /emails/<id>/why`: what an email waits for, and when it will be sent.
pub(crate) async fn why<R: Redis<Error: Failure>>(context: &Context<'_, R>, id: &str) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let why = query::why(context.redis, context.settings.shards_with_emails(), id).await?;
    let why = why.ok_or_else(ApiError::unknown_email)?;
    let answer = Why {
        object: "why",
        id: id.to_string(),
        state: why.state.as_str(),
        reason: why.reason.as_str(),
        sentence: why.sentence,
        action: why.action.map(Action::as_str),
        way_out: why.action.map(|action| way_out(action, id, why.lane)),
        also: why.also.into_iter().map(Reason::as_str).collect(),
        lane: why.lane,
        place: why.place,
        due_at: why.due,
        until: why.until,
        relay: why.relay,
        class: why.class.map(Class::as_str),
        worker: why.worker,
        since: why.since,
        estimated_at: why.estimated,
        estimated_ms: why.estimated_in.map(|time| time.as_millis().try_into().unwrap_or(u64::MAX)),
    };
    Ok(json(StatusCode::OK, &answer))
}

/// Which request does it.
fn way_out(action: Action, id: EmailId, lane: Lane) -> String {
    match action {
        Action::Resume => format!("POST /queue/resume with {{\"lanes\":[\"{lane}\"]}} resumes it."),
        Action::Reschedule => format!("PATCH /emails/{id} sets another time."),
        Action::Retry => format!("POST /emails/{id}/retry does so at once."),
        Action::RetryOrDiscard => {
            format!("Once the cause is gone, POST /emails/{id}/retry sends it again; DELETE /emails/{id} gives it up.")
        }
        Action::MoveToHigh => format!("POST /emails/{id}/move with {{\"lane\":\"high\"}} has it sent sooner."),
    }
}
