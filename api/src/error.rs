//! What a refusal looks like: Resend's JSON error, `{"statusCode", "name", "message"}`.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use email_queue::{
    Invalid,
    email::{InvalidKind, names::Misspelt},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::response::{Response, json};

/// In seconds: how long a client should wait when the server cannot take an email for now.
const RETRY_AFTER: u8 = 2;

/// Why a request is not served.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    name: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into(), headers: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 404: nothing is served under the path.
    pub(crate) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.")
    }

    /// 404: no email has the id.
    pub(crate) fn unknown_email() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Email not found.")
    }

    /// 404: the email has no attachment with the id.
    pub(crate) fn unknown_attachment() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Attachment not found.")
    }

    /// 404: the files of the email are not there any more, if it had any.
    pub(crate) fn content_removed() -> Self {
        let message =
            "The texts and files of this email were removed to make room for others; the email itself has ended.";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 403: a link that does not open what it leads to.
    pub(crate) fn invalid_link(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_permission", message)
    }

    /// 400: nothing says under which name the client knows this server.
    pub(crate) fn missing_host() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The request has no usable `Host` header.")
    }

    /// 422: the id in the path is none.
    pub(crate) fn invalid_id(why: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_parameter", format!("Invalid `id` parameter: {why}."))
    }

    /// 405: the path is served, but not by this method.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This path serves only {allow}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// 401: no key where one is needed.
    pub(crate) fn missing_api_key(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "missing_api_key", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: a key that is not one of ours.
    pub(crate) fn invalid_api_key() -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_api_key", "The API key is not valid.")
    }

    /// 401: a key that may only send, used for something else.
    pub(crate) fn restricted_api_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "restricted_api_key", "This API key is restricted to only send emails.")
    }

    /// 400: an idempotency key that cannot be one.
    pub(crate) fn invalid_idempotency_key() -> Self {
        let message = "The `Idempotency-Key` header has 1 to 256 characters of ASCII.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message)
    }

    /// 400: which of them counts, the client and a proxy between could see differently.
    pub(crate) fn several_idempotency_keys() -> Self {
        let message = "The request has more than one `Idempotency-Key` header. Nothing was accepted.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message)
    }

    /// 409: the idempotency key belongs to another request.
    pub(crate) fn invalid_idempotent_request() -> Self {
        let message = "This idempotency key has been used for another request within the last 24 hours.";
        Self::new(StatusCode::CONFLICT, "invalid_idempotent_request", message)
    }

    /// 422: a parameter of the query, or a header, has a value that it cannot have.
    pub(crate) fn invalid_parameter(name: &str, why: impl Display) -> Self {
        let message = format!("Invalid `{name}` parameter: {why}.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
    }

    /// 422: a parameter of the query that is none, but nearly one.
    pub(crate) fn misspelt_parameter(misspelt: &Misspelt) -> Self {
        Self::invalid_parameter(&misspelt.given, misspelt.reason())
    }

    /// 422: the email is not in a state in which this can be done.
    pub(crate) fn wrong_state(message: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
    }

    /// 501: a part of Resend's API that this server has not.
    pub(crate) fn not_served() -> Self {
        let message = "This server does not serve this part of the API; nothing was done.";
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_found", message)
    }

    /// 403: a browser sends it for the web page of somebody else.
    pub(crate) fn cross_site() -> Self {
        let message =
            "This server is open to programs on its own machine, and to no web page of another site. Nothing was done.";
        Self::new(StatusCode::FORBIDDEN, "invalid_permission", message)
    }

    /// 429: the client asks too often.
    pub(crate) fn rate_limit_exceeded(limit: u32, reset: Duration) -> Self {
        let message =
            format!("Too many requests: {limit} are allowed in a second, and each email of a batch counts as one.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
            .with(header::RETRY_AFTER, whole_seconds(reset))
    }

    /// 429: too many wrong keys come from where this one comes from. A right one is served from there.
    pub(crate) fn too_many_wrong_keys(limit: u32, reset: Duration) -> Self {
        let message =
            format!("The API key is not valid, and more than {limit} such keys came from this address in a minute.");
        let reset = whole_seconds(reset);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
            .with(header::RETRY_AFTER, reset)
            .limits(limit, reset)
    }

    /// One SDK reads the limits of a 429 from these and fails without them.
    fn limits(self, limit: impl Into<HeaderValue>, reset: u32) -> Self {
        self.with(HeaderName::from_static("ratelimit-limit"), limit)
            .with(HeaderName::from_static("ratelimit-remaining"), 0)
            .with(HeaderName::from_static("ratelimit-reset"), reset)
    }

    /// 415: a body that is not declared to be JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        let message = "The body must be JSON, sent with `Content-Type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "validation_error", message)
    }

    /// 415: a body that is compressed in a way that is not read. The field says which one is
    /// ([RFC 9110 section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
    pub(crate) fn unsupported_coding() -> Self {
        let message =
            "The body is compressed in a way that is not read: send it as it is, or with `Content-Encoding: gzip`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "validation_error", message)
            .with(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
    }

    /// 400: a body that is declared to be gzip and is not.
    pub(crate) fn broken_gzip() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The body is not valid gzip, or cut off.")
    }

    /// 400: a body of many compressed parts, each of which takes time to unpack, however little is in it.
    pub(crate) fn too_many_gzip_members(limit: usize) -> Self {
        let message = format!("The body has more than {limit} members of gzip; one holds a body of any size.");
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    /// 413: a body over the limit.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "validation_error", message)
    }

    /// 400: the body ended before it was complete.
    pub(crate) fn body_cut_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The body could not be read to its end.")
    }

    /// 408: the client has sent no more of the body, or next to nothing. The status is that of
    /// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.9).
    pub(crate) fn body_timed_out() -> Self {
        let message = "The body did not come in time. Nothing was done.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// 429: as many emails wait as the operator allows.
    pub(crate) fn backlog_full(limit: u64) -> Self {
        let message = "Too many emails are waiting to be sent. Nothing was accepted; try again later.";
        Self::queue_full(limit, message.to_owned())
    }

    /// 429: as many bytes are stored as the operator allows, and none of them are of emails that have ended.
    pub(crate) fn no_bytes_left(limit: u64, stored: u64, asked: u64) -> Self {
        Self::queue_full(
            limit,
            format!(
                "The queue stores {stored} bytes of emails, and `backlog_bytes` allows {limit}: there is no room for the {asked} \
                 of this request. Nothing was accepted. Try again when others have been sent; the operator can allow more, \
                 or remove dead letters."
            ),
        )
    }

    fn queue_full(limit: u64, message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
            .with(header::RETRY_AFTER, u16::from(RETRY_AFTER))
            .limits(limit, RETRY_AFTER.into())
    }

    /// 503: Redis is unreachable, or does not do what it is asked.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
            .with(header::RETRY_AFTER, u16::from(RETRY_AFTER))
    }

    /// 503: the instance has no memory left for this body beside others.
    pub(crate) fn no_room_for_body() -> Self {
        Self::unavailable(
            "The server is busy with other large requests. Nothing was accepted or changed. Try again later.",
        )
    }

    /// 503: what would be an error for every request means that the server is not ready.
    pub(crate) fn not_ready(self) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, name: "service_unavailable", ..self }
            .with(header::RETRY_AFTER, u16::from(RETRY_AFTER))
    }

    /// 500: the operator has to mend something first.
    pub(crate) fn misconfigured(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "application_error", message)
    }

    /// The error as an answer.
    pub(crate) fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ErrorBody<'a> {
            status_code: u16,
            name: &'a str,
            message: &'a str,
        }
        let body = ErrorBody { status_code: self.status.as_u16(), name: self.name, message: &self.message };
        let mut response = json(self.status, &body);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// As headers tell a time: rounded up, so that it is over then.
pub(crate) fn whole_seconds(time: Duration) -> u32 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u32::MAX)
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        let (status, name) = match invalid.kind {
            InvalidKind::NotJson => (StatusCode::BAD_REQUEST, "validation_error"),
            InvalidKind::Missing => (StatusCode::UNPROCESSABLE_ENTITY, "missing_required_field"),
            InvalidKind::Attachment => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_attachment"),
            InvalidKind::Value | InvalidKind::NotServed => (StatusCode::UNPROCESSABLE_ENTITY, "validation_error"),
        };
        Self::new(status, name, invalid.to_string())
    }
}
