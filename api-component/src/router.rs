//! Which path and method leads where.

use email_queue::redis::Redis;
use http::{HeaderValue, Method, Request, header};

use crate::{
    access,
    body::{Body, Response},
    emails,
    error::ApiError,
    health,
    settings::Settings,
};

/// What is served, each with its methods.
enum Route<'a> {
    Emails,
    Email(&'a str),
    Healthz,
    Readyz,
}

impl<'a> Route<'a> {
    /// Empty segments do not count, because some clients join a base URL that ends in a slash to `/emails`.
    fn of(path: &'a str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        Some(match (segments.next()?, segments.next(), segments.next()) {
            ("emails", None, None) => Route::Emails,
            ("emails", Some(id), None) => Route::Email(id),
            ("healthz", None, None) => Route::Healthz,
            ("readyz", None, None) => Route::Readyz,
            _ => return None,
        })
    }

    fn allow(&self) -> &'static str {
        match self {
            Route::Emails => "POST",
            Route::Email(_) | Route::Healthz | Route::Readyz => "GET",
        }
    }
}

/// Answers one request. `variable` gives the value of a Spin variable.
///
/// Whatever the request is, there is an answer: a refusal is one of the API's JSON errors. When the future is dropped,
/// the email may or may not have been accepted.
pub async fn respond<B, R>(request: Request<B>, variable: impl Fn(&str) -> Option<String>, redis: &R) -> Response
where
    B: Body,
    R: Redis<Error: std::fmt::Display>,
{
    let mut response = serve(request, variable, redis).await.unwrap_or_else(ApiError::into_response);
    // Without it some hosts fall back to chunks, and one of them then waits 40 ms for more.
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

async fn serve<B, R>(
    request: Request<B>,
    variable: impl Fn(&str) -> Option<String>,
    redis: &R,
) -> Result<Response, ApiError>
where
    B: Body,
    R: Redis<Error: std::fmt::Display>,
{
    let (parts, body) = request.into_parts();
    let route = Route::of(parts.uri.path()).ok_or_else(ApiError::unknown_path)?;
    if route.allow() != parts.method.as_str() {
        return Err(ApiError::method_not_allowed(route.allow()));
    }
    match route {
        Route::Healthz => return Ok(health::healthz()),
        Route::Readyz => return health::readyz(redis).await,
        Route::Emails | Route::Email(_) => {}
    }
    let settings = Settings::from_variables(variable)?;
    access::check(&parts.headers, &settings.api_keys)?;
    match (route, parts.method) {
        (Route::Emails, Method::POST) => emails::create(&parts.headers, body, &settings, redis).await,
        (Route::Email(id), Method::GET) => emails::retrieve(id, &settings, redis).await,
        _ => Err(ApiError::unknown_path()),
    }
}
