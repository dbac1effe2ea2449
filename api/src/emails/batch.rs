use email_queue::{EmailId, Invalid, Submission, email::batch};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accept::accept;
use crate::{
    backend::Backend,
    body::{Body, may_be_large, read_json},
    context::Context,
    error::ApiError,
    rate_limit,
    response::{Response, json},
};

const VALIDATION: &str = "x-batch-validation";

/// `POST /emails/batch`: several emails in one request. All are accepted or none; with `x-batch-validation: permissive` the valid
/// ones are accepted, and the answer names the others. A batch counts as many requests as it has emails; an unreadable one counts
/// as one. If the caller has no request left, a large body is not read.
pub(crate) async fn create_batch<R: Backend>(context: &Context<'_, R>, body: impl Body) -> Result<Response, ApiError> {
    if may_be_large(&context.parts.headers)
        && let Some(refusal) = rate_limit::refuse_spent(context).await?
    {
        return Ok(refusal);
    }
    let emails = read(context, body).await;
    let requests = emails.as_ref().map_or(1, Vec::len);
    rate_limit::within(context, requests, async || create(context, emails?).await).await
}

type Emails = Vec<Result<Submission, Invalid>>;

async fn read<R: Backend>(context: &Context<'_, R>, body: impl Body) -> Result<Emails, ApiError> {
    let settings = context.settings;
    let body = read_json(&context.parts.headers, body, settings.max_body_bytes).await?;
    Ok(batch::read(&body, settings.default_from.as_ref(), Timestamp::now())?)
}

async fn create<R: Backend>(context: &Context<'_, R>, emails: Emails) -> Result<Response, ApiError> {
    let permissive = is_permissive(&context.parts.headers)?;
    let (mut valid, mut invalid_ones) = (Vec::new(), Vec::new());
    for (index, email) in emails.into_iter().enumerate() {
        match email {
            Ok(submission) => valid.push(submission),
            Err(invalid) if permissive => invalid_ones.push(json!({"index": index, "message": invalid.to_string()})),
            Err(invalid) => return Err(invalid.into()),
        }
    }
    let ids = if valid.is_empty() { Vec::new() } else { accept(context, valid).await? };
    let mut answer = json!({"data": ids.iter().map(id).collect::<Vec<_>>()});
    if permissive {
        answer["errors"] = Value::from(invalid_ones);
    }
    Ok(json(StatusCode::OK, &answer))
}

fn id(id: &EmailId) -> Value {
    json!({"id": id.to_string()})
}

fn is_permissive(headers: &HeaderMap) -> Result<bool, ApiError> {
    match headers.get(VALIDATION).map(|value| value.as_bytes()) {
        None | Some(b"strict") => Ok(false),
        Some(b"permissive") => Ok(true),
        Some(_) => Err(ApiError::invalid_parameter(VALIDATION, "it is `strict` or `permissive`")),
    }
}
