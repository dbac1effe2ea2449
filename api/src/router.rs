//! Routes a request by its path and method to its handler.

use std::borrow::Borrow;

use http::{HeaderValue, Method, Request, header, request::Parts};

use crate::{
    access::Rights, backend::Backend, body::Body, client::Client, context::Context, emails, error::ApiError, health,
    invalid_setting::InvalidSetting, openapi, queue, rate_limit, response::Response, settings::Settings,
    unread::Unread,
};

/// What is served.
enum Route<'a> {
    Emails,
    Batch,
    Email(&'a str),
    Cancel(&'a str),
    Retry(&'a str),
    Move(&'a str),
    RetryMatching,
    DiscardMatching,
    MoveMatching,
    Timeline(&'a str),
    Why(&'a str),
    Attachments(&'a str),
    Attachment(&'a str, &'a str),
    Download(&'a str, &'a str),
    Queue,
    Workers,
    Pause,
    Resume,
    Healthz,
    Readyz,
    OpenApi,
    /// A part of Resend's API that this server does not have.
    NotServed,
}

impl<'a> Route<'a> {
    /// Empty segments are ignored, because some clients join `/emails` to a base URL that ends in a slash.
    fn of(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(6).collect();
        Some(match segments[..] {
            ["emails"] => Route::Emails,
            ["emails", "batch"] => Route::Batch,
            ["emails", "retry"] => Route::RetryMatching,
            ["emails", "discard"] => Route::DiscardMatching,
            ["emails", "move"] => Route::MoveMatching,
            ["emails", "receiving" | "metrics", ..] | ["emails", _, "share" | "events", ..] => Route::NotServed,
            ["emails", id] => Route::Email(id),
            ["emails", id, "cancel"] => Route::Cancel(id),
            ["emails", id, "retry"] => Route::Retry(id),
            ["emails", id, "move"] => Route::Move(id),
            ["emails", id, "timeline"] => Route::Timeline(id),
            ["emails", id, "why"] => Route::Why(id),
            ["emails", id, "attachments"] => Route::Attachments(id),
            ["emails", id, "attachments", attachment] => Route::Attachment(id, attachment),
            ["emails", id, "attachments", attachment, "download"] => Route::Download(id, attachment),
            ["queue"] => Route::Queue,
            ["queue", "workers"] => Route::Workers,
            ["queue", "pause"] => Route::Pause,
            ["queue", "resume"] => Route::Resume,
            ["healthz"] => Route::Healthz,
            ["readyz"] => Route::Readyz,
            ["openapi.json"] => Route::OpenApi,
            _ => return None,
        })
    }

    /// The methods, as the `Allow` field lists them; `None` if all are taken.
    fn allow(&self) -> Option<&'static str> {
        Some(match self {
            Route::Emails => "GET, HEAD, POST",
            Route::Email(_) => "DELETE, GET, HEAD, PATCH",
            Route::Batch | Route::Cancel(_) | Route::Retry(_) | Route::Move(_) => "POST",
            Route::RetryMatching | Route::DiscardMatching | Route::MoveMatching => "POST",
            Route::Pause | Route::Resume => "POST",
            Route::Timeline(_) | Route::Why(_) => "GET, HEAD",
            Route::Attachments(_) | Route::Attachment(..) | Route::Download(..) => "GET, HEAD",
            Route::Queue | Route::Workers | Route::Healthz | Route::Readyz | Route::OpenApi => "GET, HEAD",
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

    /// Whether the handler reads a body.
    fn reads_body(&self, method: &Method) -> bool {
        match self {
            Route::Email(_) => method == Method::PATCH,
            Route::Move(_) | Route::RetryMatching | Route::DiscardMatching | Route::MoveMatching => true,
            Route::Pause | Route::Resume => true,
            _ => self.is_sending(method),
        }
    }

    /// Whether a key with these rights is enough.
    fn is_open_to(&self, rights: Rights, method: &Method) -> bool {
        match rights {
            Rights::Full => true,
            Rights::Sending => self.is_sending(method),
            // Where a method is not allowed, that was found before.
            Rights::Reading => {
                matches!(*method, Method::GET | Method::HEAD)
                    && !matches!(self, Route::Attachments(_) | Route::Attachment(..))
            }
        }
    }

    fn is_sending(&self, method: &Method) -> bool {
        matches!(self, Route::Emails | Route::Batch) && method == Method::POST
    }
}

/// Answers one request. HEAD is answered as GET, without the body.
///
/// This is for a host whose instances serve one request each; others have an [`Instance`](crate::instance::Instance).
/// The settings are read only if the request needs them. `client` comes from the host; no header is trusted for it.
///
/// Every request gets an answer: a refused one gets one of the API's JSON errors. When the future is dropped, the email may or
/// may not have been accepted.
pub async fn respond<B, R, S>(
    request: Request<B>,
    client: &Client,
    settings: impl AsyncFnOnce() -> Result<S, InvalidSetting>,
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
    let mut response = serve(&parts, client, &mut body, settings, redis).await.unwrap_or_else(ApiError::into_response);
    body.drain(&parts).await;
    if is_head {
        // No length: a host may compare it with the body. RFC 9110 section 9.3.2 allows to leave it out.
        response.body_mut().clear();
        return response;
    }
    // Without it some hosts send chunks, and one of them then waits 40 ms for more.
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

async fn serve<B, R, S>(
    parts: &Parts,
    client: &Client,
    body: &mut B,
    settings: impl AsyncFnOnce() -> Result<S, InvalidSetting>,
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
            let settings = settings().await.map_err(|invalid| ApiError::from(invalid).not_ready())?;
            return health::readyz(redis, settings.borrow()).await;
        }
        _ => {}
    }
    let settings = settings().await?;
    let settings = settings.borrow();
    match route {
        // The document says nothing about this server, so it needs no key.
        Route::OpenApi => {
            settings.access.admit_without_key(&parts.headers, client, false)?;
            return Ok(openapi::openapi());
        }
        // The signature of its link replaces the key.
        Route::Download(id, attachment) => {
            settings.access.admit_without_key(&parts.headers, client, false)?;
            return emails::download_attachment(parts, settings, redis, id, attachment).await;
        }
        _ => {}
    }
    let reads_body = route.reads_body(&parts.method);
    let caller = settings.access.admit(&parts.headers, client, reads_body, settings.shards.first(), redis).await?;
    if !route.is_open_to(caller.rights, &parts.method) {
        return Err(ApiError::restricted_api_key(caller.rights));
    }
    let context = Context { parts, client, caller: &caller, settings, redis };
    // A batch counts as many requests as it has emails, so it is counted after its body was read.
    if let Route::Batch = route {
        return emails::create_batch(&context, body).await;
    }
    rate_limit::within(&context, 1, async || match (route, &parts.method) {
        (Route::Emails, &Method::POST) => emails::create(&context, body).await,
        (Route::Emails, _) => emails::list(&context).await,
        (Route::Email(id), &Method::PATCH) => emails::reschedule(&context, id, body).await,
        (Route::Email(id), &Method::DELETE) => emails::discard(&context, id).await,
        (Route::Email(id), _) => emails::retrieve(&context, id).await,
        (Route::Cancel(id), _) => emails::cancel(&context, id).await,
        (Route::Retry(id), _) => emails::retry(&context, id).await,
        (Route::Move(id), _) => emails::move_to_lane(&context, id, body).await,
        (Route::RetryMatching, _) => emails::retry_matching(&context, body).await,
        (Route::DiscardMatching, _) => emails::discard_matching(&context, body).await,
        (Route::MoveMatching, _) => emails::move_matching(&context, body).await,
        (Route::Timeline(id), _) => emails::timeline(&context, id).await,
        (Route::Why(id), _) => emails::why(&context, id).await,
        (Route::Attachments(id), _) => emails::list_attachments(&context, id).await,
        (Route::Attachment(id, attachment), _) => emails::retrieve_attachment(&context, id, attachment).await,
        (Route::Queue, _) => queue::stats(&context).await,
        (Route::Workers, _) => queue::workers(&context).await,
        (Route::Pause, _) => queue::pause(&context, body).await,
        (Route::Resume, _) => queue::resume(&context, body).await,
        (Route::NotServed, _) => Err(ApiError::not_served()),
        (Route::Batch | Route::Download(..) | Route::Healthz | Route::Readyz | Route::OpenApi, _) => {
            Err(ApiError::unknown_path())
        }
    })
    .await
}
