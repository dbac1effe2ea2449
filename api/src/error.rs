//! The errors of the API, as Resend's JSON: `{"statusCode", "name", "message"}`.

use std::{fmt::Display, time::Duration};

use email_queue::{
    Invalid,
    email::{InvalidKind, names::Misspelt},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{
    access::key::Rights,
    invalid_setting::InvalidSetting,
    response::{Response, json},
};

/// The `Retry-After` of an answer that says that the server cannot accept an email for now, in seconds.
const RETRY_AFTER: u8 = 2;

/// Why a request is not served.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    name: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

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

    /// 404: the texts and files of the email were removed.
    pub(crate) fn content_removed() -> Self {
        let message =
            "The texts and files of this email were removed to make room for others; the email itself has ended.";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 403: the link is forged or has expired.
    pub(crate) fn invalid_link(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_permission", message)
    }

    /// 400: there is no host name for links to this server.
    pub(crate) fn missing_host() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The request has no usable `Host` header.")
    }

    /// 422: the id in the path is invalid.
    pub(crate) fn invalid_id(why: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_parameter", format!("Invalid `id` parameter: {why}."))
    }

    /// 405: the path is served, but not by this method.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This path serves only {allow}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// 401: there is no API key.
    pub(crate) fn missing_api_key(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "missing_api_key", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: the API key is wrong.
    pub(crate) fn invalid_api_key() -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_api_key", "The API key is not valid.")
    }

    /// The API key has not the right: 401 with one that may only send, as Resend answers, and 403 with one that may only read.
    pub(crate) fn restricted_api_key(rights: Rights) -> Self {
        let (status, message) = match rights {
            Rights::Reading => {
                let message = "This API key is restricted to only read, and to read no texts or files of emails.";
                (StatusCode::FORBIDDEN, message)
            }
            Rights::Sending | Rights::Full => {
                (StatusCode::UNAUTHORIZED, "This API key is restricted to only send emails.")
            }
        };
        Self::new(status, "restricted_api_key", message)
    }

    /// 400: the idempotency key is invalid.
    pub(crate) fn invalid_idempotency_key() -> Self {
        let message = "The `Idempotency-Key` header has 1 to 256 characters of ASCII.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message)
    }

    /// 400: there are several idempotency keys. A proxy and the API could use different ones.
    pub(crate) fn several_idempotency_keys() -> Self {
        let message = "The request has more than one `Idempotency-Key` header. Nothing was accepted.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message)
    }

    /// 409: the idempotency key belongs to another request.
    pub(crate) fn invalid_idempotent_request() -> Self {
        let message = "This idempotency key has been used for another request within the last 24 hours.";
        Self::new(StatusCode::CONFLICT, "invalid_idempotent_request", message)
    }

    /// 422: a parameter of the query, or a header, has an invalid value.
    pub(crate) fn invalid_parameter(name: &str, why: impl Display) -> Self {
        let message = format!("Invalid `{name}` parameter: {why}.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
    }

    /// 400: the body is not JSON.
    pub(crate) fn invalid_json(why: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", format!("The body is not valid JSON: {why}."))
    }

    /// 422: the body is JSON, and no object.
    pub(crate) fn no_object() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", "Invalid body: it is an object.")
    }

    /// 422: a field of the body has an invalid value. `name` is one that the API knows, or has printable characters.
    pub(crate) fn invalid_field(name: &str, why: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", format!("Invalid `{name}` field: {why}."))
    }

    /// 422: the name of a parameter of the query seems to be misspelt.
    pub(crate) fn misspelt_parameter(misspelt: &Misspelt) -> Self {
        Self::invalid_parameter(&misspelt.given, misspelt.reason())
    }

    /// 422: the state of the email does not allow this.
    pub(crate) fn wrong_state(message: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
    }

    /// 501: this server does not have this part of Resend's API.
    pub(crate) fn not_served() -> Self {
        let message = "This server does not serve this part of the API; nothing was done.";
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_found", message)
    }

    /// 403: a browser sent this for a web page of another origin.
    pub(crate) fn cross_site() -> Self {
        let message =
            "This server is open to programs on its own machine, and to no web page of another site. Nothing was done.";
        Self::new(StatusCode::FORBIDDEN, "invalid_permission", message)
    }

    /// 429: the client makes too many requests.
    pub(crate) fn rate_limit_exceeded(limit: u32, reset: Duration) -> Self {
        let message =
            format!("Too many requests: {limit} are allowed in a second, and each email of a batch counts as one.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
            .with(header::RETRY_AFTER, whole_seconds(reset))
    }

    /// 429: too many wrong keys came from this address. A right one is still served.
    pub(crate) fn too_many_wrong_keys(limit: u32, reset: Duration) -> Self {
        let message =
            format!("The API key is not valid, and more than {limit} such keys came from this address in a minute.");
        let reset = whole_seconds(reset);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
            .with(header::RETRY_AFTER, reset)
            .limits(limit, reset)
    }

    /// One SDK reads the limits of a 429 from these headers and fails without them.
    fn limits(self, limit: impl Into<HeaderValue>, reset: u32) -> Self {
        self.with(HeaderName::from_static("ratelimit-limit"), limit)
            .with(HeaderName::from_static("ratelimit-remaining"), 0)
            .with(HeaderName::from_static("ratelimit-reset"), reset)
    }

    /// 415: the body is not declared as JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        let message = "The body must be JSON, sent with `Content-Type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "validation_error", message)
    }

    /// 415: the body has a coding other than gzip. `Accept-Encoding` says so
    /// ([RFC 9110 section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
    pub(crate) fn unsupported_coding() -> Self {
        let message =
            "The body is compressed in a way that is not read: send it as it is, or with `Content-Encoding: gzip`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "validation_error", message)
            .with(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
    }

    /// 400: the body is declared as gzip and is not.
    pub(crate) fn broken_gzip() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The body is not valid gzip, or cut off.")
    }

    /// 400: the body has many gzip members. To inflate one takes time, however little is in it.
    pub(crate) fn too_many_gzip_members(limit: usize) -> Self {
        let message = format!("The body has more than {limit} members of gzip; one holds a body of any size.");
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    /// 413: the body is over the limit.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "validation_error", message)
    }

    /// 400: the body ended too early.
    pub(crate) fn body_incomplete() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", "The body could not be read to its end.")
    }

    /// 408: the client has sent no more of the body, or too slowly. The status is that of
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

    /// 429: as many bytes are stored as the operator allows, and all are of emails that have not ended.
    /// `limit` and `stored` are those of the shard.
    pub(crate) fn no_bytes_left(limit: u64, shards: u16, stored: u64, asked: u64) -> Self {
        let (who, allows) = if shards == 1 { ("The queue", "allows") } else { ("A shard of the queue", "allows each") };
        Self::queue_full(
            limit,
            format!(
                "{who} stores {stored} bytes of emails, and `backlog_bytes` {allows} {limit}: there is no room for the {asked} \
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

    /// 503: Redis is unreachable, or refuses the command.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
            .with(header::RETRY_AFTER, u16::from(RETRY_AFTER))
    }

    /// 503: the instance has no memory for this body beside others.
    pub(crate) fn no_memory_for_body() -> Self {
        Self::unavailable(
            "The server is busy with other large requests. Nothing was accepted or changed. Try again later.",
        )
    }

    /// The same as a 503: an error of every request means that the server is not ready.
    pub(crate) fn not_ready(self) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, name: "service_unavailable", ..self }
            .with(header::RETRY_AFTER, u16::from(RETRY_AFTER))
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The answer that reports the error.
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

/// 500: the operator has to correct a setting.
impl From<InvalidSetting> for ApiError {
    fn from(invalid: InvalidSetting) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "application_error", invalid.to_string())
    }
}

/// A time for a header, rounded up.
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
