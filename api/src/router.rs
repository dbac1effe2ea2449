//! Which path and method leads where.

use std::borrow::Borrow;

use http::{HeaderValue, Method, Request, header, request::Parts};

use crate::{
    backend::Backend, body::Body, context::Context, emails, error::ApiError, health, limit, openapi,
    response::Response, settings::Settings, unread::Unread,
};

/// What is served, each with its methods.
enum Route<'a> {
    Emails,
    Batch,
    Email(&'a str),
    Cancel(&'a str),
    Attachments(&'a str),
    Attachment(&'a str, &'a str),
    Download(&'a str, &'a str),
    Healthz,
    Readyz,
    OpenApi,
    /// A part of Resend's API that this server has not.
    NotServed,
}

impl<'a> Route<'a> {
    /// Empty segments do not count, because some clients join a base URL that ends in a slash to `/emails`.
    fn of(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(6).collect();
        Some(match segments[..] {
            ["emails"] => Route::Emails,
            ["emails", "batch"] => Route::Batch,
            ["emails", "receiving" | "metrics", ..] | ["emails", _, "share" | "events", ..] => Route::NotServed,
            ["emails", id] => Route::Email(id),
            ["emails", id, "cancel"] => Route::Cancel(id),
            ["emails", id, "attachments"] => Route::Attachments(id),
            ["emails", id, "attachments", attachment] => Route::Attachment(id, attachment),
            ["emails", id, "attachments", attachment, "download"] => Route::Download(id, attachment),
            ["healthz"] => Route::Healthz,
            ["readyz"] => Route::Readyz,
            ["openapi.json"] => Route::OpenApi,
            _ => return None,
        })
    }

    /// The methods, as the `Allow` field lists them; `None` where none is refused by name.
    fn allow(&self) -> Option<&'static str> {
        Some(match self {
            Route::Emails => "GET, HEAD, POST",
            Route::Email(_) => "GET, HEAD, PATCH",
            Route::Batch | Route::Cancel(_) => "POST",
            Route::Attachments(_) | Route::Attachment(..) | Route::Download(..) => "GET, HEAD",
            Route::Healthz | Route::Readyz | Route::OpenApi => "GET, HEAD",
            Route::NotServed => return None,
        })
    }

    fn check_method(&self, method: &Method) -> Result<(), ApiError> {
        match self.allow() {
            Some(allow) if !allow.split(", ").any(|allowed| allowed == method.as_str()) => {
                Err(ApiError::method_not_allowed(allow))
            }
            _ => Ok(()),
        }
    }

    /// Whether its body is read, as JSON.
    fn reads_body(&self, method: &Method) -> bool {
        self.is_sending(method) || matches!(self, Route::Email(_)) && method == Method::PATCH
    }

    /// Whether a key that may only send may ask for it.
    fn is_sending(&self, method: &Method) -> bool {
        matches!(self, Route::Emails | Route::Batch) && method == Method::POST
    }
}

/// Answers one request, a HEAD as the GET that it asks about, but for the body. The settings are asked for only if the request needs them.
///
/// Whatever the request is, there is an answer: a refusal is one of the API's JSON errors. When the future is dropped,
/// the email may or may not have been accepted.
pub async fn respond<B, R, S>(
    request: Request<B>,
    settings: impl AsyncFnOnce() -> Result<S, ApiError>,
    redis: &R,
) -> Response
where
    B: Body,
    R: Backend,
    S: Borrow<Settings>,
{
    let is_head = request.method() == Method::HEAD;
    let (parts, body) = request.into_parts();
    let mut body = Unread::new(body);
    let mut response = serve(&parts, &mut body, settings, redis).await.unwrap_or_else(ApiError::into_response);
    body.drain(&parts).await;
    if is_head {
        // A host may hold a length against what it is given to send, so it is left out: RFC 9110 section 9.3.2 allows it.
        response.body_mut().clear();
        return response;
    }
    // Without it some hosts fall back to chunks, and one of them then waits 40 ms for more.
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

async fn serve<B, R, S>(
    parts: &Parts,
    body: &mut B,
    settings: impl AsyncFnOnce() -> Result<S, ApiError>,
    redis: &R,
) -> Result<Response, ApiError>
where
    B: Body,
    R: Backend,
    S: Borrow<Settings>,
{
    let route = Route::of(parts.uri.path()).ok_or_else(ApiError::unknown_path)?;
    route.check_method(&parts.method)?;
    match route {
        Route::Healthz => return Ok(health::healthz()),
        Route::Readyz => {
            let settings = settings().await.map_err(ApiError::not_ready)?;
            return health::readyz(redis, &settings.borrow().queue).await;
        }
        _ => {}
    }
    let settings = settings().await?;
    let settings = settings.borrow();
    match route {
        // It holds nothing of the server's own.
        Route::OpenApi => {
            settings.access.admit_without_key(&parts.headers, false)?;
            return Ok(openapi::openapi());
        }
        // Its link is its permission.
        Route::Download(id, attachment) => {
            settings.access.admit_without_key(&parts.headers, false)?;
            return emails::download_attachment(parts, settings, redis, id, attachment).await;
        }
        _ => {}
    }
    let reads_body = route.reads_body(&parts.method);
    let caller = settings.access.admit(&parts.headers, reads_body, &settings.queue, redis).await?;
    if caller.sending_only && !route.is_sending(&parts.method) {
        return Err(ApiError::restricted_api_key());
    }
    let context = Context { parts, caller: &caller, settings, redis };
    // As many requests as it has emails, which only its body tells.
    if let Route::Batch = route {
        return emails::create_batch(&context, body).await;
    }
    limit::within(&context, 1, async || match (route, &parts.method) {
        (Route::Emails, &Method::POST) => emails::create(&context, body).await,
        (Route::Emails, _) => emails::list(&context).await,
        (Route::Email(id), &Method::PATCH) => emails::reschedule(&context, id, body).await,
        (Route::Email(id), _) => emails::retrieve(&context, id).await,
        (Route::Cancel(id), _) => emails::cancel(&context, id).await,
        (Route::Attachments(id), _) => emails::list_attachments(&context, id).await,
        (Route::Attachment(id, attachment), _) => emails::retrieve_attachment(&context, id, attachment).await,
        (Route::NotServed, _) => Err(ApiError::not_served()),
        (Route::Batch | Route::Download(..) | Route::Healthz | Route::Readyz | Route::OpenApi, _) => {
            Err(ApiError::unknown_path())
        }
    })
    .await
}
