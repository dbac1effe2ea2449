use email_queue::Submission;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

use super::accept::accept;
use crate::{
    backend::Backend,
    body::{Body, read_json},
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `POST /emails`: checks an email and puts it on the queue. A 200 means that Redis has stored it.
pub(crate) async fn create<R: Backend>(context: &Context<'_, R>, body: impl Body) -> Result<Response, ApiError> {
    let settings = context.settings;
    let body = read_json(&context.parts.headers, body, settings.max_body_bytes).await?;
    let submission = Submission::from_request(&body, settings.default_from.as_ref(), Timestamp::now())?;
    drop(body);
    let ids = accept(context, vec![submission]).await?;
    let id = ids.first().map(ToString::to_string).unwrap_or_default();
    let mut response = json(StatusCode::OK, &json!({"id": id}));
    if let Ok(location) = HeaderValue::try_from(format!("/emails/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
