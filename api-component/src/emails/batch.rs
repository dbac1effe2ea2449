use email_queue::{EmailId, email::batch};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::create::accept;
use crate::{
    backend::Backend,
    body::{Body, Response, json, read_json},
    error::ApiError,
    router::Context,
};

const VALIDATION: &str = "x-batch-validation";

/// `POST /emails/batch`: several emails in one request. All are accepted or none; with `x-batch-validation: permissive`
/// the good ones are, and the bad ones named.
pub(crate) async fn create_batch<R: Backend>(context: &Context<'_, R>, body: impl Body) -> Result<Response, ApiError> {
    let permissive = is_permissive(&context.parts.headers)?;
    let settings = context.settings;
    let body = read_json(&context.parts.headers, body, settings.max_body_bytes).await?;
    let emails = batch::read(&body, settings.default_from.as_ref(), Timestamp::now())?;
    drop(body);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (index, email) in emails.into_iter().enumerate() {
        match email {
            Ok(submission) => good.push(submission),
            Err(invalid) if permissive => bad.push(json!({"index": index, "message": invalid.to_string()})),
            Err(invalid) => return Err(invalid.into()),
        }
    }
    let ids = if good.is_empty() { Vec::new() } else { accept(context, &good).await? };
    let mut answer = json!({"data": ids.iter().map(id).collect::<Vec<_>>()});
    if permissive {
        answer["errors"] = Value::from(bad);
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
