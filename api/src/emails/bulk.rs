//! Changes of all emails that match, for as long as a request may take.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use email_queue::{
    Class, Lane, Shard, Shards,
    call::Redis,
    transition::{Matching, Position, Progressed, What, change_matching},
};
use http::StatusCode;
use serde_json::json;

use super::status::parse_state;
use crate::{
    backend::Failure,
    body::Body,
    command::Command,
    context::Context,
    error::ApiError,
    response::{Response, json},
    unavailable::{self, Change},
};

/// How long a request works on. The client repeats it with the cursor that it gets.
const WORKS_FOR: Duration = Duration::from_millis(150);

const LANE_RULE: &str = "it is `high`, `normal` or `low`";

/// `POST /emails/retry`: queues dead letters, or emails that wait for another attempt.
pub(crate) async fn retry_matching<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
) -> Result<Response, ApiError> {
    let command = read(context, body, &FIELDS).await?;
    change_all(context, What::Retry, command).await
}

/// `POST /emails/discard`: gives up dead letters, or emails that no worker has claimed.
pub(crate) async fn discard_matching<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
) -> Result<Response, ApiError> {
    let command = read(context, body, &FIELDS).await?;
    change_all(context, What::Discard, command).await
}

/// `POST /emails/move`: moves emails that wait to another lane.
pub(crate) async fn move_matching<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    body: impl Body,
) -> Result<Response, ApiError> {
    let mut command = read(context, body, &[FIELDS.as_slice(), &["lane"]].concat()).await?;
    let lane: Lane = command.take("lane", LANE_RULE)?.ok_or_else(|| ApiError::invalid_field("lane", LANE_RULE))?;
    change_all(context, What::Move(lane), command).await
}

const FIELDS: [&str; 4] = ["status", "class", "cursor", "dry_run"];

async fn read<R>(context: &Context<'_, R>, body: impl Body, known: &[&'static str]) -> Result<Command, ApiError> {
    Command::read(&context.parts.headers, body, context.settings.max_body_bytes, known).await
}

async fn change_all<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    what: What,
    mut command: Command,
) -> Result<Response, ApiError> {
    let shards = context.settings.shards_with_emails();
    let matching = matching(what, &mut command)?;
    let rule = "it is that of the last answer, or left out to begin";
    let cursor: Option<String> = command.take("cursor", rule)?;
    let cursor = cursor.map(|cursor| cursor.parse().ok().filter(|cursor: &Cursor| cursor.shard < shards.count()));
    let mut cursor = match cursor {
        Some(cursor) => cursor.ok_or_else(|| ApiError::invalid_field("cursor", rule))?,
        None => Cursor { shard: 0, position: None },
    };
    let began = Instant::now();
    let (mut looked_at, mut changed) = (0, 0);
    let mut next = Some(cursor.clone());
    while let Some(shard) = shards.all().find(|shard| shard.number() == cursor.shard) {
        let call = change_matching(&shards.queue(shard), what, matching, cursor.position.as_ref());
        match call.run(context.redis).await {
            Ok(progressed) => {
                looked_at += progressed.looked_at;
                changed += progressed.changed;
                next = after(progressed, shard, shards);
            }
            Err(error) if looked_at == 0 => return Err(Change::Bulk.failed(error)),
            // What was done is told, and the client goes on at this step.
            Err(error) => {
                unavailable::log(&error);
                break;
            }
        }
        match &next {
            Some(next) if began.elapsed() < WORKS_FOR => cursor = next.clone(),
            _ => break,
        }
    }
    let cursor = next.map(|cursor| cursor.to_string());
    let answer = json!({"object": "bulk", "looked_at": looked_at, "changed": changed, "cursor": cursor});
    Ok(json(StatusCode::OK, &answer))
}

fn matching(what: What, command: &mut Command) -> Result<Matching, ApiError> {
    let rule = "it is the `last_event` of emails, such as `failed`";
    let state: Option<String> = command.take("status", rule)?;
    let state = state.and_then(|state| parse_state(&state)).ok_or_else(|| ApiError::invalid_field("status", rule))?;
    let rule = "it is the `error_class` of emails, such as `recipient`";
    let class: Option<String> = command.take("class", rule)?;
    let class: Option<Class> =
        class.map(|class| class.parse()).transpose().map_err(|_| ApiError::invalid_field("class", rule))?;
    let is_dry = command.take("dry_run", "it is true or false")?.unwrap_or(false);
    let matching = Matching::new(what, state, class).map_err(|error| ApiError::invalid_field("status", error))?;
    Ok(if is_dry { matching.dry() } else { matching })
}

/// Where to go on: in the same shard, or in the next one, or nowhere.
fn after(progressed: Progressed, shard: Shard, shards: &Shards) -> Option<Cursor> {
    let number = shard.number();
    match progressed.cursor {
        Some(position) => Some(Cursor { shard: number, position: Some(position) }),
        None => Some(Cursor { shard: number + 1, position: None }).filter(|next| next.shard < shards.count()),
    }
}

/// Where a bulk action has come to.
#[derive(Clone)]
struct Cursor {
    shard: u16,
    position: Option<Position>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.shard)?;
        self.position.as_ref().map_or(Ok(()), |position| position.fmt(f))
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (shard, position) = text.split_once('-').ok_or(())?;
        let position = Some(position).filter(|position| !position.is_empty()).map(str::parse).transpose();
        Ok(Self { shard: shard.parse().map_err(|_| ())?, position: position.map_err(|_| ())? })
    }
}
